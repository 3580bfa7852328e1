//! What a UDP thread has done, readable while it runs.

use std::ops::{Add, AddAssign};
use std::sync::atomic::{AtomicU64, Ordering};

/// Datagrams of a UDP thread since its start, and its batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UdpCounters {
    /// Answers that the system took.
    pub answered: u64,
    /// Datagrams that get no answer: responses, less than a header, too long, from port 0.
    pub dropped: u64,
    /// Datagrams that were longer than the room for queries; dropped.
    pub too_long: u64,
    /// Queries that were kept until a signature is there.
    pub waited: u64,
    /// Queries for which nobody waited, or waited any longer.
    pub refused: u64,
    /// Answers that the system did not take.
    pub unsent: u64,
    /// Receptions with at least one datagram.
    pub batches: u64,
    /// Receptions that had no room for more datagrams.
    pub full_batches: u64,
}

impl UdpCounters {
    fn fields(&self) -> [u64; 8] {
        [
            self.answered,
            self.dropped,
            self.too_long,
            self.waited,
            self.refused,
            self.unsent,
            self.batches,
            self.full_batches,
        ]
    }

    fn from_fields(fields: [u64; 8]) -> Self {
        let [
            answered,
            dropped,
            too_long,
            waited,
            refused,
            unsent,
            batches,
            full_batches,
        ] = fields;
        Self {
            answered,
            dropped,
            too_long,
            waited,
            refused,
            unsent,
            batches,
            full_batches,
        }
    }
}

impl Add for UdpCounters {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let (a, b) = (self.fields(), other.fields());
        Self::from_fields(std::array::from_fn(|at| a[at].wrapping_add(b[at])))
    }
}

impl AddAssign for UdpCounters {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::iter::Sum for UdpCounters {
    fn sum<I: Iterator<Item = Self>>(counters: I) -> Self {
        counters.fold(Self::default(), Add::add)
    }
}

/// Counters with one writer, on cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct SharedCounters([AtomicU64; 8]);

impl SharedCounters {
    /// Shows new values. Only one thread may call this.
    pub(super) fn publish(&self, counters: &UdpCounters) {
        for (shared, value) in self.0.iter().zip(counters.fields()) {
            shared.store(value, Ordering::Relaxed);
        }
    }

    pub(super) fn read(&self) -> UdpCounters {
        let load = |at: usize| self.0[at].load(Ordering::Relaxed);
        UdpCounters::from_fields(std::array::from_fn(load))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_read_field_by_field() {
        let counters = UdpCounters::from_fields([1, 2, 3, 4, 5, 6, 7, 8]);
        let shared = SharedCounters::default();
        shared.publish(&counters);
        assert_eq!(shared.read(), counters);
        let sum: UdpCounters = [counters, shared.read()].into_iter().sum();
        assert_eq!((sum.answered, sum.full_batches), (2, 16));
    }
}
