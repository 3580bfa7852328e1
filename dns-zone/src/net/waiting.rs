//! Queries that wait for a signature: bounded in number, size and time. Sans-IO: the time is given.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::batch::ReturnPath;

/// Queries that a thread keeps.
pub(super) const WAITING_MAX: usize = 256;
/// Longest time that a query is kept.
pub(super) const PATIENCE: Duration = Duration::from_millis(20);
/// Octets of the longest query that is kept: any name with room for options.
const QUERY_OCTETS_MAX: usize = 512;

/// A query that could not be answered yet.
pub(super) struct Parked {
    /// Which socket it came through.
    pub(super) socket: usize,
    pub(super) path: ReturnPath,
    pub(super) deadline: Instant,
    /// The version of the zone that had no answer.
    version: u64,
    length: usize,
    octets: [u8; QUERY_OCTETS_MAX],
}

impl Parked {
    /// `None` for a query that is too long to be kept.
    pub(super) fn new(
        query: &[u8],
        socket: usize,
        path: ReturnPath,
        version: u64,
        deadline: Instant,
    ) -> Option<Self> {
        let mut octets = [0; QUERY_OCTETS_MAX];
        octets.get_mut(..query.len())?.copy_from_slice(query);
        Some(Self {
            socket,
            path,
            deadline,
            version,
            length: query.len(),
            octets,
        })
    }

    pub(super) fn query(&self) -> &[u8] {
        &self.octets[..self.length]
    }
}

/// The queries of a thread that wait, in the order of their deadlines.
pub(super) struct Waiting {
    parked: VecDeque<Parked>,
}

impl Waiting {
    pub(super) fn new() -> Self {
        Self {
            parked: VecDeque::with_capacity(WAITING_MAX),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parked.is_empty()
    }

    /// Keeps a query, behind all that were kept before; false when there is no room.
    pub(super) fn park(&mut self, query: Parked) -> bool {
        let room = self.parked.len() < WAITING_MAX;
        if room {
            self.parked.push_back(query);
        }
        room
    }

    /// How many, from the front, are worth another look: all when there is another version than the
    /// oldest was looked up in, else those whose time is over.
    pub(super) fn due(&self, version: u64, now: Instant) -> usize {
        match self.parked.front() {
            Some(oldest) if oldest.version != version => self.parked.len(),
            _ => self.overdue(now),
        }
    }

    fn overdue(&self, now: Instant) -> usize {
        let over = |parked: &&Parked| parked.deadline <= now;
        self.parked.iter().take_while(over).count()
    }

    /// Takes the oldest if it came through `socket` and its time is over or not, as asked.
    pub(super) fn take(&mut self, socket: usize, overdue: bool, now: Instant) -> Option<Parked> {
        self.parked
            .pop_front_if(|parked| parked.socket == socket && (parked.deadline <= now) == overdue)
    }

    /// The socket of the oldest, and whether its time is over.
    pub(super) fn oldest(&self, now: Instant) -> Option<(usize, bool)> {
        let oldest = self.parked.front()?;
        Some((oldest.socket, oldest.deadline <= now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parked(query: &[u8], socket: usize, version: u64, deadline: Instant) -> Parked {
        Parked::new(query, socket, ReturnPath::nowhere(), version, deadline).unwrap()
    }

    #[test]
    fn queries_are_due_with_a_new_version_or_when_their_time_is_over() {
        let start = Instant::now();
        let after = |millis: u64| start + Duration::from_millis(millis);
        let mut waiting = Waiting::new();
        assert_eq!(waiting.due(1, start), 0);
        for (query, deadline) in [(b"a", 20), (b"b", 21), (b"c", 40)] {
            assert!(waiting.park(parked(query, 0, 1, after(deadline))));
        }
        assert_eq!(waiting.due(1, after(19)), 0);
        assert_eq!(waiting.due(1, after(20)), 1);
        assert_eq!(waiting.due(1, after(30)), 2);
        assert_eq!(waiting.due(2, start), 3);
    }

    #[test]
    fn queries_are_taken_in_order_and_by_socket() {
        let start = Instant::now();
        let mut waiting = Waiting::new();
        for (query, socket) in [(b"a", 0), (b"b", 0), (b"c", 1)] {
            assert!(waiting.park(parked(query, socket, 1, start)));
        }
        assert_eq!(waiting.oldest(start), Some((0, true)));
        let mut take = |socket, overdue| {
            let taken = waiting.take(socket, overdue, start)?;
            Some(taken.query().to_vec())
        };
        assert_eq!(take(0, false), None, "its time is over");
        assert_eq!(take(1, true), None, "the oldest came through socket 0");
        assert_eq!(take(0, true), Some(b"a".to_vec()));
        assert_eq!(take(0, true), Some(b"b".to_vec()));
        assert_eq!(take(0, true), None);
        assert_eq!(take(1, true), Some(b"c".to_vec()));
        assert!(waiting.is_empty());
    }

    #[test]
    fn number_and_size_are_bounded() {
        let now = Instant::now();
        let mut waiting = Waiting::new();
        for _ in 0..WAITING_MAX {
            assert!(waiting.park(parked(b"a", 0, 1, now)));
        }
        assert!(!waiting.park(parked(b"b", 0, 1, now)));
        let longest = [0; QUERY_OCTETS_MAX];
        assert_eq!(parked(&longest, 0, 1, now).query(), longest);
        let too_long = [0; QUERY_OCTETS_MAX + 1];
        assert!(Parked::new(&too_long, 0, ReturnPath::nowhere(), 1, now).is_none());
    }
}
