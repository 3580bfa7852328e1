//! How old the zone's signatures get, as the hand sees them.

use crate::serial;

/// How much life the oldest signature of the zone has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// Seconds until the first signature expires, as far as the hand has seen; negative when one
    /// has expired.
    pub remaining_secs: i64,
    /// What it is at least while everything runs as it should: the validity less one and a half
    /// intervals.
    pub expected_secs: i64,
}

impl Freshness {
    /// Whether less than half of the expected life is left.
    pub fn is_below_half(&self) -> bool {
        self.remaining_secs < self.expected_secs / 2
    }

    /// Whether less than a quarter of the expected life is left.
    pub fn is_below_quarter(&self) -> bool {
        self.remaining_secs < self.expected_secs / 4
    }
}

/// When the oldest signatures that the hand left behind were made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ages {
    this_lap: Option<u32>,
    last_lap: Option<u32>,
}

impl Ages {
    pub(super) fn note(&mut self, signed_at: u32) {
        self.this_lap = earlier(self.this_lap, Some(signed_at));
    }

    pub(super) fn end_lap(&mut self) {
        self.last_lap = self.this_lap.take();
    }

    pub(super) fn oldest(&self) -> Option<u32> {
        earlier(self.this_lap, self.last_lap)
    }
}

/// The earlier of two times that may not be known.
pub(super) fn earlier(left: Option<u32>, right: Option<u32>) -> Option<u32> {
    match (left, right) {
        (Some(left), Some(right)) if serial::is_after(left, right) => Some(right),
        (Some(left), _) => Some(left),
        (None, right) => right,
    }
}
