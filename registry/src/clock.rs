//! The one place where the registry reads the clock; everything that decides takes `now`.
//!
//! A wall clock that jumps could withdraw a fleet's certificates for good, free deleted ids early, or
//! sign a whole zone into the past. So it is held against the monotonic clock since the start (and at
//! the start against the last time that the database has seen): while the two disagree, nothing is
//! signed, withdrawn or accepted, and an alarm rises.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use thiserror::Error;

/// Furthest that the clock may run ahead: a machine that was paused over night goes on by itself.
const AHEAD_MAX_SECS: u64 = 24 * 3600;
/// Furthest that the clock may fall back.
const BEHIND_MAX_SECS: u64 = 3600;

/// The clock shows another time than has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the clock shows {shown} where {expected} is expected (seconds since 1970); correct it, or restart the registry if it is right now"
)]
pub struct ClockJumped {
    /// What the clock shows.
    pub shown: u64,
    /// The time of the start and what has passed since.
    pub expected: u64,
}

/// Seconds since 1970; 0 for a clock before that.
pub fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}

/// The time to answer by: the clock's, and while it is not to be believed, the time of the start and
/// what has passed since. A clock that jumps must not make good signatures look expired.
pub fn answering_now() -> u64 {
    match check() {
        Ok(()) => unix_now(),
        Err(ClockJumped { expected, .. }) => expected,
    }
}

/// Whether the clock has gone on as time has, since this was asked first.
///
/// # Errors
/// [`ClockJumped`] while it has not.
pub fn check() -> Result<(), ClockJumped> {
    static START: OnceLock<(Instant, u64)> = OnceLock::new();
    let (instant, wall) = START.get_or_init(|| (Instant::now(), unix_now()));
    is_plausible(unix_now(), wall + instant.elapsed().as_secs())
}

fn is_plausible(shown: u64, expected: u64) -> Result<(), ClockJumped> {
    if shown > expected + AHEAD_MAX_SECS || shown + BEHIND_MAX_SECS < expected {
        return Err(ClockJumped { shown, expected });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_is_not_believed_until_it_is_back() {
        let noon = 1_800_000_000;
        for shown in [noon, noon + AHEAD_MAX_SECS, noon - BEHIND_MAX_SECS] {
            assert_eq!(is_plausible(shown, noon), Ok(()));
        }
        for shown in [
            noon + AHEAD_MAX_SECS + 1,
            noon - BEHIND_MAX_SECS - 1,
            0,
            u64::MAX / 2,
        ] {
            assert_eq!(
                is_plausible(shown, noon),
                Err(ClockJumped {
                    shown,
                    expected: noon
                })
            );
        }
    }
}
