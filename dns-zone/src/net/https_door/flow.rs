//! How fast octets are let in. Pure: the time is given.

use std::time::{Duration, Instant};

/// How much may come at once after a silence, as the time in which it is let in otherwise.
const BURST: Duration = Duration::from_secs(1);

/// A flow of octets that is held to a rate.
#[derive(Debug)]
pub(super) struct Flow {
    octets_per_sec: u64,
    /// When all that was taken would have come in at the rate.
    even_at: Instant,
}

impl Flow {
    pub(super) fn new(octets_per_sec: u64, now: Instant) -> Self {
        Self {
            octets_per_sec,
            even_at: now,
        }
    }

    /// Takes octets, and says how long to wait before they are let in.
    pub(super) fn take(&mut self, octets: usize, now: Instant) -> Duration {
        let nanos = (octets as u64).saturating_mul(1_000_000_000) / self.octets_per_sec;
        self.even_at = self.even_at.max(now) + Duration::from_nanos(nanos);
        self.even_at.saturating_duration_since(now + BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_then_the_rate_holds() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let wait = Duration::from_millis;
        let mut flow = Flow::new(1000, start);
        assert_eq!(flow.take(1000, start), wait(0));
        assert_eq!(flow.take(100, start), wait(100));
        assert_eq!(flow.take(100, at(100)), wait(100));
        assert_eq!(flow.take(500, at(700)), wait(0));
        assert_eq!(flow.take(1, at(700)), wait(1));
        // However long the silence, a second's worth is free.
        assert_eq!(flow.take(1000, at(60_000)), wait(0));
        assert_eq!(flow.take(1, at(60_000)), wait(1));
    }
}
