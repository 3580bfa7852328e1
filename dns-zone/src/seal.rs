//! Fourth step: put the signatures that passed into their places, and write down what differs. Pure.

use std::sync::Arc;

use crate::change::Believed;
use crate::error::ZoneError;
use crate::fixed::FixedNames;
use crate::gate::Passed;
use crate::position::Key;
use crate::record_type::is_key_type;
use crate::serial;
use crate::snapshot::Snapshot;
use crate::store::record::StoredSignature;
use crate::store::{Commit, CommitRecord, Delta};

/// A complete next version of the zone, ready to be committed.
#[derive(Debug)]
pub struct Batch {
    pub(crate) commit: Commit,
    pub(crate) fixed: Arc<FixedNames>,
    pub(crate) base: Snapshot,
    /// Names that appear and go, with whether they appear.
    pub(crate) came_and_went: Vec<(Key, bool)>,
    pub(crate) believed: Vec<Believed>,
    pub(crate) gone: Vec<(Key, u32)>,
    /// Number of new signatures.
    pub(crate) signatures: usize,
}

impl Batch {
    /// SOA serial of the new version.
    pub fn serial(&self) -> u32 {
        self.commit.record.serial
    }
}

/// Seals a batch that passed the gate. `applied` is the last change of the database in it.
///
/// # Errors
/// [`ZoneError::Damaged`]: a page of the store cannot be read.
pub fn seal(passed: Passed, applied: u64) -> Result<Batch, ZoneError> {
    let signed = passed.0;
    let mut draft = signed.draft;
    let worklist = &signed.worklist;
    let signed_at = worklist.signed_at;
    let mut record = CommitRecord {
        zone_version: draft.base.zone_version().saturating_add(1),
        serial: draft.serial,
        applied,
        ..draft.base.version.record.clone()
    };
    for (job, octets) in worklist.jobs.iter().zip(signed.signatures.iter()) {
        // The gate refuses jobs without an RRset.
        let Some(octets) = *octets else { continue };
        draft.set_signature(job, StoredSignature { signed_at, octets });
        if !is_key_type(job.record_type()) {
            let until = draft.shape().expiration(job.record_type(), signed_at);
            note_released(&mut record, until);
        }
    }
    if !worklist.jobs.is_empty() {
        note_time(&mut record, signed_at, signed.now);
    }
    if let Some(soa) = draft.fixed.apex().signature(crate::record_type::TYPE_SOA) {
        record.soa = *soa;
    }
    let mut deltas = Vec::with_capacity(draft.devices.len());
    let mut came_and_went = Vec::new();
    for (key, after) in draft.devices {
        let before = draft.base.device(&key)?.map(|record| record.to_stored());
        if before.is_some() != after.is_some() {
            came_and_went.push((key, after.is_some()));
        }
        if before != after {
            deltas.push(Delta { key, before, after });
        }
    }
    let changed = differs_besides_soa(&draft.base.fixed, &draft.fixed);
    let commit = Commit {
        record,
        deltas,
        fixed: changed.then(|| draft.fixed.encode()),
    };
    Ok(Batch {
        commit,
        fixed: Arc::new(draft.fixed),
        base: draft.base,
        came_and_went,
        believed: signed.believed,
        gone: signed.gone,
        signatures: worklist.jobs.len(),
    })
}

/// Takes note of a released signature's expiration.
pub(crate) fn note_released(record: &mut CommitRecord, until: u32) {
    record.released_until = match record.released_until {
        0 => until,
        known => serial::later(known, until),
    };
}

/// Takes note of a time of signing. A clock that went back had been ahead: signatures were released
/// then that expire after those made now, and the floor bounds them all.
pub(crate) fn note_time(record: &mut CommitRecord, signed_at: u32, now: u64) {
    if record.last_signed_at != 0 && serial::is_after(record.last_signed_at, signed_at) {
        raise_floor(record, record.released_until, now);
    }
    record.last_signed_at = signed_at;
}

/// Raises the floor of all bounds, unless it lies in the past.
pub(crate) fn raise_floor(record: &mut CommitRecord, until: u32, now: u64) {
    if let Some(until) = crate::bounds::in_future(until, now) {
        record.floor_until = match crate::bounds::in_future(record.floor_until, now) {
            None => until,
            Some(known) => serial::later(known, until),
        };
    }
}

/// Whether the octets of the fixed names that the store keeps are not the same any more; serial and
/// signature of the SOA stand in the commit record.
fn differs_besides_soa(before: &FixedNames, after: &FixedNames) -> bool {
    let (mut before, mut after) = (before.clone(), after.clone());
    before.set_soa(0, None);
    after.set_soa(0, None);
    before != after
}
