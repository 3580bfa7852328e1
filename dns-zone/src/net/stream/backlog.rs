//! Answers that a peer has not taken, and whether it still takes any.

use std::time::Instant;

/// Octets to be sent when the peer's kernel takes them. Empty, it holds no memory.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    octets: Vec<u8>,
    sent_octets: usize,
    stall: Option<Stall>,
}

/// A peer that has something to read.
#[derive(Clone, Copy, Debug)]
struct Stall {
    since: Instant,
    taken_octets: usize,
}

impl Backlog {
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets[self.sent_octets..]
    }

    pub(super) fn held_octets(&self) -> usize {
        self.octets.len()
    }

    /// Since when the peer has made no progress worth the name; none without a backlog.
    pub(super) fn stalled_since(&self) -> Option<Instant> {
        self.stall.map(|stall| stall.since)
    }

    pub(super) fn keep(&mut self, octets: &[u8], now: Instant) {
        if octets.is_empty() {
            return;
        }
        self.octets.drain(..self.sent_octets);
        self.sent_octets = 0;
        self.octets.extend_from_slice(octets);
        self.stall.get_or_insert(Stall {
            since: now,
            taken_octets: 0,
        });
    }

    /// Notes that so many octets were taken. After `progress_octets` the peer's time begins anew.
    pub(super) fn note_sent(&mut self, octets: usize, now: Instant, progress_octets: usize) {
        self.sent_octets += octets;
        if self.sent_octets >= self.octets.len() {
            *self = Self::default();
        } else if let Some(stall) = &mut self.stall {
            stall.taken_octets += octets;
            if stall.taken_octets >= progress_octets {
                *stall = Stall {
                    since: now,
                    taken_octets: 0,
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn octets_leave_in_order_and_an_empty_backlog_holds_nothing() {
        let now = Instant::now();
        let mut backlog = Backlog::default();
        backlog.keep(&[1, 2, 3], now);
        backlog.note_sent(2, now, 100);
        backlog.keep(&[4], now);
        assert_eq!(backlog.octets(), [3, 4]);
        backlog.note_sent(2, now, 100);
        assert_eq!((backlog.octets().len(), backlog.octets.capacity()), (0, 0));
        assert_eq!(backlog.stalled_since(), None);
    }

    #[test]
    fn crumbs_are_no_progress() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let mut backlog = Backlog::default();
        backlog.keep(&[0; 1000], start);
        backlog.note_sent(60, at(1), 100);
        backlog.keep(&[0; 10], at(2));
        assert_eq!(backlog.stalled_since(), Some(start));
        backlog.note_sent(40, at(3), 100);
        assert_eq!(backlog.stalled_since(), Some(at(3)));
        backlog.note_sent(0, at(4), 100);
        assert_eq!(backlog.stalled_since(), Some(at(3)));
    }
}
