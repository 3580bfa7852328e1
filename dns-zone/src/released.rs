//! How long signatures over CERT and TLSA that were ever released can be believed, for each name.
//!
//! Survives re-signing, withdrawal and deletion: an old answer can be replayed until the latest of
//! these expirations, whatever the zone says meanwhile.

use std::collections::HashMap;

use crate::name::NameKey;
use crate::record_type::{TYPE_CERT, TYPE_TLSA};
use crate::seal::Batch;
use crate::serial;
use crate::snapshot::Snapshot;

/// Latest expirations by name.
#[derive(Debug, Default)]
pub(crate) struct Released {
    until: HashMap<NameKey, u32>,
    /// Bound for names about which nothing is known although they may have been published.
    lost: Option<u32>,
}

impl Released {
    /// Starts with nothing; `lost` bounds what was released of names that nobody will [`set`]: none
    /// when there are no such names.
    ///
    /// [`set`]: Released::set
    pub(crate) fn new(lost: Option<u32>) -> Self {
        Self {
            until: HashMap::new(),
            lost,
        }
    }

    /// Takes over what the database knows about a name.
    pub(crate) fn set(&mut self, key: NameKey, until: u32) {
        self.until.insert(key, until);
    }

    /// Takes note of the signatures that a batch is about to release. Called before the commit:
    /// one bound too high is harmless, one too low is not.
    pub(crate) fn note(&mut self, batch: &Batch) {
        for key in &batch.signed_names {
            let Some(node) = batch.snapshot.nodes.get(key) else {
                continue;
            };
            if node.records.publication().is_none() {
                continue;
            }
            for record_type in [TYPE_CERT, TYPE_TLSA] {
                if let Some(rrset) = batch.snapshot.rrset(key, node, record_type) {
                    let until = rrset.signature.expiration;
                    let first = self.lost.unwrap_or(until);
                    let known = self.until.entry(key.clone()).or_insert(first);
                    *known = serial::later(*known, until);
                }
            }
        }
    }

    /// Until when a name's CERT and TLSA may be believed; none when nothing was ever released, or
    /// nothing that is still valid.
    pub(crate) fn until(&self, key: &NameKey, now: u64) -> Option<u32> {
        let now = serial::wrapped(now);
        let lost = self.lost.filter(|until| serial::is_after(*until, now));
        self.until.get(key).copied().or(lost)
    }

    /// Drops what is known about names that are gone and whose signatures have all expired, once
    /// there are many.
    pub(crate) fn forget_expired(&mut self, snapshot: &Snapshot, now: u64) {
        if self.until.len() <= 2 * snapshot.device_names() + 1024 {
            return;
        }
        let now = serial::wrapped(now);
        self.until.retain(|key, until| {
            snapshot.nodes.get(key).is_some() || serial::is_after(*until, now)
        });
    }
}
