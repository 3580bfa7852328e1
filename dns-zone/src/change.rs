//! First step: from changes to everything that has to be signed. Pure.
//!
//! A change touches its own name and, when the name appears or disappears, the NSEC of the name
//! before it. Whatever a batch does to a name in between, only its final state is signed. Every
//! plan that signs anything also signs a new SOA.

use std::collections::BTreeMap;

use iot_identity::{DeviceId, PackedKey, Publication, Slot};

use crate::bounds::{Bounds, denied_until, withdrawn_until};
use crate::draft::Draft;
use crate::error::ZoneError;
use crate::job::Worklist;
use crate::position::Key;
use crate::record_type::TYPE_SOA;
use crate::snapshot::{Snapshot, publication_of};
use crate::store::record::{RecordView, State, StoredRecord};

/// A credential shall have this publication from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The device.
    pub device_id: DeviceId,
    /// The number of the credential.
    pub slot: Slot,
    /// What the DNS shall say.
    pub publication: Publication,
}

impl Change {
    /// Key of the name.
    pub(crate) fn key(&self) -> Key {
        *PackedKey::new(self.device_id, self.slot).as_octets()
    }
}

/// The next version of the zone, in which some signatures are still missing.
#[derive(Debug)]
pub struct ToSign {
    pub(crate) draft: Draft,
    pub(crate) worklist: Worklist,
    pub(crate) now: u64,
    /// For each change, how long what was said before it can be believed.
    pub(crate) believed: Vec<Believed>,
    /// Names that go or become active again, with the latest expiration over their CERT and TLSA.
    pub(crate) gone: Vec<(Key, u32)>,
}

/// How long what was said about a name before a change can be believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Believed {
    /// Latest expiration of a signature over CERT or TLSA.
    pub(crate) withdrawn_until: Option<u32>,
    /// Latest expiration of an NSEC that denied them.
    pub(crate) denied_until: Option<u32>,
}

impl ToSign {
    /// Number of RRsets to be signed.
    pub fn len(&self) -> usize {
        self.worklist.jobs.len()
    }

    /// Whether the zone stays as it is.
    pub fn is_empty(&self) -> bool {
        self.worklist.jobs.is_empty()
    }
}

/// Plans a batch of changes; later ones win over earlier ones of the same name. A batch that
/// changes nothing plans nothing: not even a new SOA.
///
/// # Errors
/// [`ZoneError::Damaged`]: a page of the store cannot be read.
pub fn plan(snapshot: &Snapshot, changes: &[Change], now: u64) -> Result<ToSign, ZoneError> {
    let serial_above = snapshot.serial();
    plan_within(snapshot, changes, &Bounds::of(snapshot), serial_above, now)
}

/// [`plan`], with what the writer knows of names that are gone; the next serial comes after
/// `serial_above`.
pub(crate) fn plan_within(
    snapshot: &Snapshot,
    changes: &[Change],
    bounds: &Bounds<'_>,
    serial_above: u32,
    now: u64,
) -> Result<ToSign, ZoneError> {
    let mut draft = Draft::new(snapshot);
    let mut believed = Vec::with_capacity(changes.len());
    let mut wanted: BTreeMap<Key, Publication> = BTreeMap::new();
    for change in changes {
        let key = change.key();
        let present = snapshot.device(&key)?;
        believed.push(match change.publication {
            Publication::Active(_) => Believed {
                denied_until: denied_until(snapshot, &key, present.as_ref(), bounds, now)?,
                withdrawn_until: None,
            },
            Publication::Inactive | Publication::Absent => Believed {
                withdrawn_until: withdrawn_until(snapshot, &key, present.as_ref(), bounds, now),
                denied_until: None,
            },
        });
        wanted.insert(key, change.publication);
    }
    let mut gone = Vec::new();
    for (key, publication) in wanted {
        let present = snapshot.device(&key)?;
        let said = present.as_ref().map_or(Publication::Absent, publication_of);
        if said == publication {
            continue;
        }
        let until = withdrawn_until(snapshot, &key, present.as_ref(), bounds, now);
        let record = wanted_record(publication, until);
        if !matches!(publication, Publication::Inactive) {
            gone.extend(until.map(|until| (key, until)));
        }
        let record = record.map(|record| keep_nsec(record, present.as_ref()));
        draft.devices.insert(key, record);
    }
    draft.want_links()?;
    let mut to_sign = finish(draft, serial_above, now)?;
    (to_sign.believed, to_sign.gone) = (believed, gone);
    Ok(to_sign)
}

/// Completes a plan: a new serial and SOA when anything is to be signed. The serial is the one
/// after `serial_above`.
pub(crate) fn finish(mut draft: Draft, serial_above: u32, now: u64) -> Result<ToSign, ZoneError> {
    let signed_at = draft.shape().signing_time(now);
    let mut jobs = draft.jobs()?;
    if !jobs.is_empty() {
        draft.serial = serial_above.wrapping_add(1);
        draft.fixed.set_soa(draft.serial, None);
        let soa_is_first = jobs.iter().any(|job| job.record_type() == TYPE_SOA);
        if !soa_is_first {
            let soa = draft.job(crate::job::Name::Fixed(0), TYPE_SOA)?;
            jobs.splice(0..0, soa);
        }
    }
    let worklist = Worklist {
        shape: draft.shape().clone(),
        fixed: draft.fixed.clone().into(),
        jobs,
        signed_at,
    };
    Ok(ToSign {
        draft,
        worklist,
        now,
        believed: Vec::new(),
        gone: Vec::new(),
    })
}

/// Record of a credential with this publication, unsigned.
pub(crate) fn wanted_record(
    publication: Publication,
    withdrawn_until: Option<u32>,
) -> Option<StoredRecord> {
    let state = match publication {
        Publication::Active(fingerprint) => State::Active(fingerprint),
        Publication::Inactive => State::Inactive { withdrawn_until },
        Publication::Absent => return None,
    };
    Some(StoredRecord {
        state,
        nsec: None,
        first: None,
        tlsa: None,
    })
}

/// Another certificate at an active name changes no NSEC: neither types nor neighbours.
fn keep_nsec(mut record: StoredRecord, present: Option<&RecordView<'_>>) -> StoredRecord {
    if let Some(present) = present
        && present.is_active()
        && matches!(record.state, State::Active(_))
    {
        record.nsec = crate::snapshot::stored_signature(present.nsec());
    }
    record
}

/// The numbers that a first version follows on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    pub(crate) serial: u32,
    pub(crate) zone_version: u64,
}
