//! What came of recent journal rows, for those who wait for their publication.

use std::collections::BTreeMap;

/// Results kept; older ones are in the journal itself.
const RESULTS_MAX: usize = 16_384;

/// What came of one journal row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicationResult {
    /// The name is active in this version.
    Activated(Visible),
    /// The name is inactive or absent in this version.
    Withdrawn(Visible),
    /// A later row of the same name was published with it or ahead of it: this one was never
    /// visible alone.
    Superseded(Visible),
    /// The gate refused it; an operator has to look.
    Quarantined,
}

/// Since when something is visible, and until when the contrary may be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visible {
    /// SOA serial of the version that shows it.
    pub serial: u32,
    /// When that version had become visible.
    pub at: u64,
    /// Latest expiration of a released signature that says otherwise, if there is one.
    pub believed_until: Option<u32>,
}

/// Results by sequence number.
#[derive(Clone, Debug)]
pub struct Results {
    applied: u64,
    recent: BTreeMap<u64, PublicationResult>,
}

impl Results {
    pub(super) fn new(applied: u64) -> Self {
        Self {
            applied,
            recent: BTreeMap::new(),
        }
    }

    /// Newest journal row that the zone includes, together with all before it.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// The result of a row, while it is kept.
    pub fn get(&self, seq: u64) -> Option<PublicationResult> {
        self.recent.get(&seq).copied()
    }

    pub(super) fn add(&mut self, seq: u64, result: PublicationResult) {
        self.recent.insert(seq, result);
        while self.recent.len() > RESULTS_MAX {
            self.recent.pop_first();
        }
    }

    pub(super) fn advance(&mut self, applied: u64) {
        self.applied = self.applied.max(applied);
    }
}
