//! When each name has to be signed again.

use std::collections::BTreeSet;

use crate::name::NameKey;
use crate::profile::Profile;
use crate::record_type::{TYPE_NSEC, is_key_type};
use crate::rrsig::Signature;
use crate::serial;
use crate::snapshot::{Node, Snapshot};

/// Names in the order in which they are due.
#[derive(Debug, Default)]
pub(crate) struct ResignQueue {
    due: BTreeSet<(u64, NameKey)>,
}

impl ResignQueue {
    /// Takes over one name as it is in a new version instead of an older one.
    pub(crate) fn update(
        &mut self,
        key: &NameKey,
        older: Option<&Snapshot>,
        newer: &Snapshot,
        now: u64,
    ) {
        let due_in = |snapshot: &Snapshot| {
            let node = snapshot.nodes.get(key)?;
            Some((node_due_at(snapshot, key, node, now), key.clone()))
        };
        if let Some(entry) = older.and_then(due_in) {
            self.due.remove(&entry);
        }
        if let Some(entry) = due_in(newer) {
            self.due.insert(entry);
        }
    }

    /// Number of names due.
    pub(crate) fn due(&self, now: u64) -> usize {
        self.due.iter().take_while(|(at, _)| *at <= now).count()
    }

    /// Up to `max` names due, the longest due first.
    pub(crate) fn first_due(&self, now: u64, max: usize) -> Vec<NameKey> {
        self.due
            .iter()
            .take_while(|(at, _)| *at <= now)
            .take(max)
            .map(|(_, key)| key.clone())
            .collect()
    }

    /// When the first name is due; far in the future for an empty queue.
    pub(crate) fn next_at(&self) -> u64 {
        self.due.first().map_or(u64::MAX, |(at, _)| *at)
    }
}

/// When a signature has to be replaced: as long before its expiration as the profile asks for.
pub(crate) fn due_at(profile: Profile, record_type: u16, signature: &Signature, now: u64) -> u64 {
    let lead_secs = if is_key_type(record_type) {
        profile.key_validity_secs() - profile.key_resign_after_secs()
    } else {
        profile.validity_secs() - profile.resign_after_secs()
    };
    serial::unwrapped(signature.expiration, now).saturating_sub(u64::from(lead_secs))
}

/// Signatures of a name that are due this soon are renewed along with one that is due, so that the
/// name's signatures stay together.
pub(crate) fn is_due_soon(
    profile: Profile,
    record_type: u16,
    signature: &Signature,
    now: u64,
) -> bool {
    let soon_secs = if is_key_type(record_type) {
        profile.key_resign_after_secs() / 4
    } else {
        profile.resign_after_secs() / 4
    };
    due_at(profile, record_type, signature, now) <= now + u64::from(soon_secs)
}

fn node_due_at(snapshot: &Snapshot, key: &NameKey, node: &Node, now: u64) -> u64 {
    let types = node.records.types().chain([TYPE_NSEC]);
    types
        .filter_map(|record_type| {
            let rrset = snapshot.rrset(key, node, record_type)?;
            Some(due_at(
                snapshot.shape.profile,
                record_type,
                rrset.signature,
                now,
            ))
        })
        .min()
        .unwrap_or(now)
}
