//! A failure that repeats: the first is said at once, the next ones at growing intervals with how
//! often it failed meanwhile, and when it works again, that is said once.
//!
//! The interval is kept for a while over a success: what fails and works in turns is not said at
//! that pace either.

use std::time::{Duration, Instant};

/// From the first report to the second; each interval is twice the one before.
const INTERVAL_FIRST: Duration = Duration::from_secs(4);
/// Longest interval between reports of what goes on failing.
const INTERVAL_MAX: Duration = Duration::from_secs(60);
/// Time after a report from which the next failure is one of its own.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(120);

/// What was said of one kind of failure.
#[derive(Debug, Default)]
pub(crate) struct Repetition {
    last: Option<Report>,
    /// Failures since the last report.
    unsaid: u64,
    /// Failures since it was last said that it works.
    failures: u64,
    /// Whether one of them was said.
    is_said: bool,
}

#[derive(Clone, Copy, Debug)]
struct Report {
    at: Instant,
    /// Until the next one.
    interval: Duration,
}

impl Repetition {
    /// Notes a failure. When it is to be said: how many there were since the last report, this one
    /// included.
    pub(crate) fn fails(&mut self, now: Instant) -> Option<u64> {
        self.unsaid = self.unsaid.saturating_add(1);
        self.failures = self.failures.saturating_add(1);
        let interval = match self.last {
            None => INTERVAL_FIRST,
            Some(Report { at, interval }) => {
                let silence = now.saturating_duration_since(at);
                if silence < interval {
                    return None;
                }
                if silence < FORGOTTEN_AFTER {
                    (interval * 2).min(INTERVAL_MAX)
                } else {
                    INTERVAL_FIRST
                }
            }
        };
        self.last = Some(Report { at: now, interval });
        self.is_said = true;
        Some(std::mem::take(&mut self.unsaid))
    }

    /// Notes that it worked. When that is to be said, since a failure was: how often it failed.
    pub(crate) fn works(&mut self) -> Option<u64> {
        if !std::mem::take(&mut self.is_said) {
            return None;
        }
        self.unsaid = 0;
        Some(std::mem::take(&mut self.failures))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds of the reports of what fails twice a second for so long, with their numbers.
    fn reports(repetition: &mut Repetition, begin: Instant, secs: u64) -> Vec<(u64, u64)> {
        let failures = (0..secs * 2).filter_map(|half| {
            let now = begin + Duration::from_millis(half * 500);
            repetition.fails(now).map(|times| (half / 2, times))
        });
        failures.collect()
    }

    #[test]
    fn a_lasting_failure_is_said_at_once_then_at_growing_intervals() {
        let mut repetition = Repetition::default();
        let said = reports(&mut repetition, Instant::now(), 250);
        let expected = [
            (0, 1),
            (4, 8),
            (12, 16),
            (28, 32),
            (60, 64),
            (120, 120),
            (180, 120),
            (240, 120),
        ];
        assert_eq!(said, expected);
        assert_eq!(repetition.works(), Some(500));
        assert_eq!(repetition.works(), None, "once");
    }

    #[test]
    fn what_fails_and_works_in_turns_is_not_said_at_that_pace() {
        let mut repetition = Repetition::default();
        let begin = Instant::now();
        let (mut said, mut over) = (0, 0);
        for turn in 0..480 {
            said += u32::from(
                repetition
                    .fails(begin + Duration::from_millis(turn * 500))
                    .is_some(),
            );
            over += u32::from(repetition.works().is_some());
        }
        assert_eq!((said, over), (7, 7));
    }

    #[test]
    fn a_failure_long_after_another_is_said_at_once_and_begins_anew() {
        let mut repetition = Repetition::default();
        let begin = Instant::now();
        assert_eq!(reports(&mut repetition, begin, 30).len(), 4);
        assert_eq!(repetition.works(), Some(60));
        let later = begin + Duration::from_secs(3_600);
        assert_eq!(reports(&mut repetition, later, 10), [(0, 1), (4, 8)]);
    }
}
