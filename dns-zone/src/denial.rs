//! Which NSEC records prove that something is not there (RFC 4035 §3.1.3).

use crate::name::NameKey;
use crate::snapshot::Snapshot;

/// Names whose NSEC records prove that `key` does not exist: one covers it, one covers the wildcard
/// that could have stood in for it. Often they are the same.
pub(crate) fn name_error(snapshot: &Snapshot, key: &NameKey) -> Vec<NameKey> {
    let covering = snapshot.previous(key).0.clone();
    let wildcard = closest_encloser(snapshot, key).child(b"*");
    let wildcard_covering = snapshot.previous(&wildcard).0.clone();
    if wildcard_covering == covering {
        vec![covering]
    } else {
        vec![covering, wildcard_covering]
    }
}

/// Name whose NSEC record proves that an existing name does not own a type: the name itself, or
/// for an empty non-terminal the one whose next name lies below it.
pub(crate) fn no_data(snapshot: &Snapshot, key: &NameKey) -> NameKey {
    if snapshot.nodes.get(key).is_some() {
        key.clone()
    } else {
        snapshot.previous(key).0.clone()
    }
}

/// The longest existing name above `key`.
fn closest_encloser(snapshot: &Snapshot, key: &NameKey) -> NameKey {
    let mut name = key.clone();
    while let Some(parent) = name.parent() {
        if snapshot.exists(&parent) {
            return parent;
        }
        name = parent;
    }
    NameKey::apex()
}
