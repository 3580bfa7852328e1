//! What the validator accepts beyond the DNSSEC rules: clocks and lifetimes.

use thiserror::Error;

/// When this crate was built, in Unix seconds; a clock that is earlier must be wrong.
pub const BUILT_AT: u64 = built_at();

/// How long a device's signature may live when neither the policy nor the anchor says otherwise:
/// the `fleet` profile's 6 hours, its inception 5 minutes back, and 10 minutes of grace.
pub const LIFETIME_MAX_SECS_DEFAULT: u64 = 22_500;
/// Largest difference of clocks that can be allowed. It lengthens the life of a revoked device.
pub const CLOCK_SKEW_SECS_MAX: u64 = 300;
/// How long a verdict that is not active may be kept, so that a new device is not hidden.
pub const NEGATIVE_LIFE_SECS_MAX: u64 = 30;

/// Rules of the one who asks.
///
/// The lifetime maximum applies to signatures over the registry's device names and NSEC records;
/// never to DNSKEY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    lifetime_max_secs: Option<u64>,
    clock_skew_secs: u64,
    clock_floor: u64,
}

/// Why a policy cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// More than [`CLOCK_SKEW_SECS_MAX`].
    #[error("a clock skew of {secs} s is more than the {CLOCK_SKEW_SECS_MAX} s that are allowed")]
    ClockSkew {
        /// What was asked for.
        secs: u64,
    },
}

/// The clock cannot be right, so nothing can be validated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the clock says {now}, but it was at least {floor} already (Unix seconds)")]
pub struct ClockImplausible {
    /// What the clock says, in Unix seconds.
    pub now: u64,
    /// The earliest time it can be, in Unix seconds.
    pub floor: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            lifetime_max_secs: None,
            clock_skew_secs: CLOCK_SKEW_SECS_MAX,
            clock_floor: BUILT_AT,
        }
    }
}

impl Policy {
    /// Sets the longest lifetime (expiration less inception) of a device's signature; goes before
    /// what the anchor file says.
    pub fn with_lifetime_max_secs(self, secs: u64) -> Self {
        Self {
            lifetime_max_secs: Some(secs),
            ..self
        }
    }

    /// Sets how far clocks may differ.
    ///
    /// # Errors
    /// More than [`CLOCK_SKEW_SECS_MAX`].
    pub fn with_clock_skew_secs(self, secs: u64) -> Result<Self, PolicyError> {
        if secs > CLOCK_SKEW_SECS_MAX {
            return Err(PolicyError::ClockSkew { secs });
        }
        Ok(Self {
            clock_skew_secs: secs,
            ..self
        })
    }

    /// Sets the earliest time that the clock can show, in Unix seconds: the build time, or the
    /// latest signed time that was seen.
    pub fn with_clock_floor(self, clock_floor: u64) -> Self {
        Self {
            clock_floor,
            ..self
        }
    }

    /// How far clocks may differ.
    pub fn clock_skew_secs(&self) -> u64 {
        self.clock_skew_secs
    }

    /// The lifetime maximum in force with an anchor that says `anchor_says`.
    pub(crate) fn lifetime_max_secs(&self, anchor_says: Option<u64>) -> u64 {
        self.lifetime_max_secs
            .or(anchor_says)
            .unwrap_or(LIFETIME_MAX_SECS_DEFAULT)
    }

    /// Refuses a clock that is earlier than the floor.
    pub(crate) fn check_clock(&self, now: u64) -> Result<(), ClockImplausible> {
        if now < self.clock_floor {
            return Err(ClockImplausible {
                now,
                floor: self.clock_floor,
            });
        }
        Ok(())
    }
}

const fn built_at() -> u64 {
    let digits = env!("IOT_VERIFIER_BUILT_AT").as_bytes();
    let mut value = 0;
    let mut index = 0;
    while index < digits.len() {
        value = value * 10 + (digits[index] - b'0') as u64;
        index += 1;
    }
    value
}
