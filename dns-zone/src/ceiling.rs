//! The ceiling: numbers that the database has promised before the zone may reach them.
//!
//! Whatever happens to the zone's own files, a start that begins above the ceiling never goes
//! backwards in serials and never forgets how long a released signature lives.

use crate::error::ZoneError;
use crate::profile::Profile;
use crate::serial;
use crate::writer::ZoneWriter;

/// What the database has promised; the zone never passes either number (RFC 1982 order).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceiling {
    /// Highest SOA serial.
    pub serial: u32,
    /// Latest expiration of any signature, those over DNSKEY, CDS and CDNSKEY excepted: they say
    /// nothing about devices and live longer.
    pub expiration: u32,
}

/// Serials that a ceiling leaves free beside those of [`serials_a_day`].
const SERIALS_AHEAD: u32 = 20_000;
/// Serials left when a higher ceiling is wanted.
pub(crate) const SERIALS_LEFT_MIN: u32 = 5_000;

/// Serials that signing again takes in a day, for as long as the zone has to live without the
/// database: a commit a second at most for what is due in it, and one for each unit beyond.
pub(crate) fn serials_a_day(profile: Profile, names: u64) -> u32 {
    const DAY_SECS: u64 = 86_400;
    const BLOCK_NAMES: u64 = 16;
    const UNIT_NAMES: u64 = ZoneWriter::WORK_SIGNATURES_AMONG_CHANGES as u64 / 3;
    /// Far from half of the numbers (RFC 1982).
    const MOST: u64 = 1 << 28;
    let laps = DAY_SECS.div_ceil(u64::from(profile.resign_after_secs()));
    let passed = names.saturating_mul(laps);
    let small = (passed / BLOCK_NAMES).min(DAY_SECS);
    (small + passed / UNIT_NAMES).min(MOST) as u32
}

/// Time that a ceiling leaves free: the zone stays signed through a day without the database.
const EXPIRATION_AHEAD_SECS: u32 = 24 * 3600;
/// Time left when a higher ceiling is wanted.
pub(crate) const EXPIRATION_LEFT_MIN_SECS: u32 = 23 * 3600;

impl Ceiling {
    /// What the database has to promise before a zone is built with `Start::serial_above`.
    pub fn for_start(profile: Profile, serial_above: u32, now: u64) -> Self {
        let validity_secs = profile.validity_secs();
        Self {
            serial: serial_above.wrapping_add(SERIALS_AHEAD),
            expiration: serial::wrapped(now).wrapping_add(validity_secs + EXPIRATION_AHEAD_SECS),
        }
    }

    pub(crate) fn covers(&self, serial: u32, expiration: u32) -> bool {
        !serial::is_after(serial, self.serial) && !serial::is_after(expiration, self.expiration)
    }

    pub(crate) fn raised_to(self, other: Self) -> Self {
        Self {
            serial: serial::later(self.serial, other.serial),
            expiration: serial::later(self.expiration, other.expiration),
        }
    }
}

/// Refuses work whose serial or expiration would pass the ceiling.
pub(crate) fn check_ceiling(
    ceiling: Ceiling,
    profile: Profile,
    present_serial: u32,
    now: u64,
) -> Result<(), ZoneError> {
    let serial = present_serial.wrapping_add(1);
    let expiration = serial::wrapped(now).wrapping_add(profile.validity_secs());
    if ceiling.covers(serial, expiration) {
        Ok(())
    } else {
        Err(ZoneError::CeilingReached {
            serial,
            expiration,
            ceiling,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_of_a_day_without_the_database_are_enough_for_every_size() {
        for profile in Profile::ALL {
            assert_eq!(serials_a_day(profile, 0), 0);
            assert!(serials_a_day(profile, u64::MAX) <= 1 << 28);
        }
        // 10 million names at `standard`: 16,667 signatures a second in units of 192.
        let a_day = serials_a_day(Profile::Standard, 10_000_000);
        assert!(a_day >= 86_400 * 16_667 / 192, "{a_day}");
    }
}
