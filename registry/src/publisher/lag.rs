//! Whether signing again is so late that what can wait has to: new registrations are refused before
//! devices that are there turn into SERVFAIL.

use std::time::{Duration, Instant};

use iot_dns_zone::Profile;

/// How long it has to be late: after a start, all of a small zone is due at once and done at once.
const LASTS: Duration = Duration::from_secs(2);

/// How long signing again has been too late.
#[derive(Debug)]
pub(super) struct Lag {
    bound_secs: u64,
    since: Option<Instant>,
    is_too_late: bool,
}

impl Lag {
    pub(super) fn of(profile: Profile) -> Self {
        Self {
            bound_secs: u64::from(profile.lag_max_secs()),
            since: None,
            is_too_late: false,
        }
    }

    /// Notes by how much signing again is late now; whether that is too late. Once it is, it ends at
    /// half the bound, so that it does not begin and end with every turn.
    pub(super) fn note(&mut self, behind_secs: u64, now: Instant) -> bool {
        if behind_secs > self.bound_secs {
            let since = *self.since.get_or_insert(now);
            let lasts = now.saturating_duration_since(since) >= LASTS;
            if lasts && !self.is_too_late {
                self.is_too_late = true;
                tracing::error!(
                    alarm = true,
                    behind_secs,
                    "new registrations are refused until signing again has caught up"
                );
            }
        } else {
            self.since = None;
            if self.is_too_late && behind_secs <= self.bound_secs / 2 {
                self.is_too_late = false;
                tracing::info!(behind_secs, "registrations are taken again");
            }
        }
        self.is_too_late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_too_late_when_the_bound_is_passed_for_a_while_until_half_of_it_is_left() {
        let mut lag = Lag::of(Profile::Standard);
        let begin = Instant::now();
        let mut note =
            |behind_secs, at_ms| lag.note(behind_secs, begin + Duration::from_millis(at_ms));
        assert!(!note(450, 0));
        assert!(!note(86_400, 10_000), "not at once");
        assert!(!note(0, 10_500), "a small zone has caught up");
        assert!(!note(451, 20_000));
        assert!(!note(451, 21_999));
        assert!(note(451, 22_000));
        assert!(note(226, 23_000));
        assert!(!note(225, 24_000));
        assert!(!note(450, 60_000));
    }
}
