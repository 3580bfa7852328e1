//! What is due to be signed again, and the plan for it.

use std::collections::BTreeSet;

use crate::change::{ToSign, finish};
use crate::draft::Draft;
use crate::error::ZoneError;
use crate::position::Key;
use crate::profile::Profile;
use crate::record_type::{TYPE_NSEC, is_key_type};
use crate::serial;
use crate::snapshot::Snapshot;
use crate::store::Damaged;
use crate::store::record::RecordView;
use crate::store::tree::Tree;
use crate::sweep::is_old_by;

/// What is signed again in a turn.
pub(super) struct Due {
    /// Devices, each once.
    pub(super) names: Vec<Key>,
    /// Age of the signatures that are renewed there.
    pub(super) renew_age_secs: u32,
    /// RRsets of fixed names, by place and type.
    pub(super) fixed: Vec<(usize, u16)>,
}

/// Devices that get new signatures.
pub(super) struct Wanted {
    pub(super) renew_age_secs: u32,
    pub(super) now: u64,
    pub(super) names: Vec<Key>,
    pub(super) signatures: usize,
}

impl Wanted {
    /// Takes a record if any signature of it is old; returns when the oldest one was made that it
    /// will have.
    pub(super) fn want_old(&mut self, record: &RecordView<'_>) -> u32 {
        let old = old_signatures(record, self.renew_age_secs, self.now);
        if old > 0 {
            self.names.push(*record.key());
            self.signatures += old;
        }
        let kept = signatures(record)
            .flatten()
            .filter(|signed_at| !is_old_by(*signed_at, self.renew_age_secs, self.now));
        let now = serial::wrapped(self.now);
        kept.fold(now, |oldest, signed_at| {
            if serial::is_after(oldest, signed_at) {
                signed_at
            } else {
                oldest
            }
        })
    }

    /// Takes what is old in the block of a key.
    pub(super) fn want_block_of(&mut self, tree: Tree<'_>, key: &Key) -> Result<(), Damaged> {
        if let Some(page) = tree.locate(key)? {
            for record in tree.block(page)?.records() {
                self.want_old(&record);
            }
        }
        Ok(())
    }
}

/// Times of a device's signatures, none where one has to be made.
fn signatures(record: &RecordView<'_>) -> impl Iterator<Item = Option<u32>> + use<> {
    let at = |signature: Option<(u32, &[u8; 64])>| signature.map(|(signed_at, _)| signed_at);
    let tlsa = record.is_active().then(|| at(record.tlsa()));
    [at(record.nsec()), at(record.first())]
        .into_iter()
        .chain(tlsa)
}

fn old_signatures(record: &RecordView<'_>, renew_age_secs: u32, now: u64) -> usize {
    signatures(record)
        .filter(|signed_at| signed_at.is_none_or(|at| is_old_by(at, renew_age_secs, now)))
        .count()
}

/// Plans signing again what is old at some devices, and some RRsets of fixed names.
pub(super) fn plan_again(
    present: &Snapshot,
    names: &[Key],
    due: &Due,
    serial_above: u32,
    now: u64,
) -> Result<ToSign, ZoneError> {
    let mut draft = Draft::new(present);
    for (at, record_type) in &due.fixed {
        draft.fixed.name_mut(*at).clear_signature(*record_type);
    }
    for key in names {
        if let Some(record) = draft.touch(key)? {
            for signature in [&mut record.nsec, &mut record.first, &mut record.tlsa] {
                if signature.is_some_and(|one| is_old_by(one.signed_at, due.renew_age_secs, now)) {
                    *signature = None;
                }
            }
        }
    }
    finish(draft, serial_above, now)
}

/// From signing to signing again of an RRset of a fixed name.
fn fixed_interval_secs(profile: Profile, record_type: u16) -> u32 {
    if is_key_type(record_type) {
        profile.key_resign_after_secs()
    } else {
        profile.resign_after_secs()
    }
}

/// RRsets of fixed names that are due, by place and type.
pub(super) fn fixed_due(snapshot: &Snapshot, now: u64) -> Vec<(usize, u16)> {
    let profile = snapshot.profile();
    let mut due = Vec::new();
    for (at, name) in snapshot.fixed.names().iter().enumerate() {
        for record_type in name.types().chain([TYPE_NSEC]) {
            let interval_secs = fixed_interval_secs(profile, record_type);
            let signature = name.signature(record_type);
            if signature.is_none_or(|one| is_old_by(one.signed_at, interval_secs, now)) {
                due.push((at, record_type));
            }
        }
    }
    due
}

/// When the first RRset of a fixed name is due, but for the NSECs of some; `near` is a recent time.
pub(super) fn fixed_due_at(snapshot: &Snapshot, without_nsec: &BTreeSet<usize>, near: u64) -> u64 {
    let profile = snapshot.profile();
    let names = snapshot.fixed.names().iter().enumerate();
    let due = names.flat_map(|(at, name)| {
        let nsec = (!without_nsec.contains(&at)).then_some(TYPE_NSEC);
        name.types().chain(nsec).map(|record_type| {
            name.signature(record_type).map_or(0, |one| {
                serial::unwrapped(one.signed_at, near)
                    + u64::from(fixed_interval_secs(profile, record_type))
            })
        })
    });
    due.min().unwrap_or(u64::MAX)
}
