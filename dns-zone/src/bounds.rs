//! How long what the zone has said can still be believed, after it says something else.
//!
//! Times of signing never go back within a store, so of all signatures that were ever released
//! over an RRset the present one expires last: it is the bound. Where the clock did go back (it had
//! been ahead), and where signatures were released that the store does not know, a floor in the
//! commit record stands in for them while it lies in the future. A withdrawn credential keeps its
//! bound in its record, a name that is gone keeps it here.

use std::collections::BTreeMap;

use crate::position::Key;
use crate::record_type::{TYPE_CERT, TYPE_NSEC, TYPE_TLSA};
use crate::serial;
use crate::snapshot::{Owner, Shape, Snapshot};
use crate::store::Damaged;
use crate::store::record::RecordView;

/// Entries of names that are gone before the expired ones are dropped.
const PRUNE_AT: usize = 1024;

/// Names without records of their own whose CERT and TLSA may still be believed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gone {
    until: BTreeMap<Key, u32>,
    prune_at: usize,
}

impl Gone {
    /// Takes note of a bound; the later one stays.
    pub(crate) fn note(&mut self, key: Key, until: u32) {
        let known = self.until.entry(key).or_insert(until);
        *known = serial::later(*known, until);
    }

    /// Drops entries that have expired, whenever there are twice as many as were left last time.
    pub(crate) fn forget_expired(&mut self, now: u64) {
        if self.until.len() >= self.prune_at.max(PRUNE_AT) {
            let now = serial::wrapped(now);
            self.until.retain(|_, until| serial::is_after(*until, now));
            self.prune_at = 2 * self.until.len();
        }
    }

    /// Number of names.
    pub(crate) fn len(&self) -> usize {
        self.until.len()
    }
}

/// What bounds a version's past.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds<'a> {
    /// Names that are gone, where they are known.
    pub(crate) gone: Option<&'a Gone>,
    /// Latest expiration that signatures may have which are not the present ones; 0 for none.
    pub(crate) floor_until: u32,
    /// The same for names that nobody knows any more; 0 for none.
    pub(crate) lost_until: u32,
}

impl Bounds<'_> {
    /// What a version itself says.
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        let record = &snapshot.version.record;
        Self {
            gone: None,
            floor_until: record.floor_until,
            lost_until: record.lost_until,
        }
    }
}

/// A bound that lies in the future; 0 is none.
pub(crate) fn in_future(until: u32, now: u64) -> Option<u32> {
    Some(until).filter(|until| *until != 0 && serial::is_after(*until, serial::wrapped(now)))
}

/// Until when CERT and TLSA of a name can be believed once they are withdrawn; none when nothing
/// was released that could still be valid.
pub(crate) fn withdrawn_until(
    snapshot: &Snapshot,
    key: &Key,
    present: Option<&RecordView<'_>>,
    bounds: &Bounds<'_>,
    now: u64,
) -> Option<u32> {
    let known = bounds.gone.and_then(|gone| gone.until.get(key)).copied();
    let until = match present {
        Some(record) if record.is_active() => {
            let latest = latest_released(&snapshot.shape, record);
            let floor = in_future(bounds.floor_until, now);
            // A name that was lost and came back was believed before it came back.
            let lost = in_future(bounds.lost_until, now);
            serial::latest(serial::latest(latest, floor), serial::latest(lost, known))
        }
        Some(record) => serial::latest(record.withdrawn_until(), known),
        None => known.or(in_future(bounds.lost_until, now)),
    };
    until.and_then(|until| in_future(until, now))
}

/// Latest expiration of the signatures over CERT and TLSA.
fn latest_released(shape: &Shape, record: &RecordView<'_>) -> Option<u32> {
    let cert = record
        .first()
        .map(|(at, _)| shape.expiration(TYPE_CERT, at));
    let tlsa = record.tlsa().map(|(at, _)| shape.expiration(TYPE_TLSA, at));
    serial::latest(cert, tlsa)
}

/// Until when an NSEC that denied a name, or its CERT and TLSA, can be believed after it became
/// active.
pub(crate) fn denied_until(
    snapshot: &Snapshot,
    key: &Key,
    present: Option<&RecordView<'_>>,
    bounds: &Bounds<'_>,
    now: u64,
) -> Result<Option<u32>, Damaged> {
    let shape = &snapshot.shape;
    let until = match present {
        // It was denied until it was activated, which was not after its CERT was signed.
        Some(record) if record.is_active() => latest_released(shape, record),
        // Its own NSEC said that there is neither.
        Some(record) => nsec_until(shape, record.nsec().map(|(at, _)| at)),
        None => match snapshot.before_device(key)? {
            Owner::Device(record) => nsec_until(shape, record.nsec().map(|(at, _)| at)),
            Owner::Fixed(name) => nsec_until(
                shape,
                name.nsec.as_ref().map(|signature| signature.signed_at),
            ),
        },
    };
    Ok(serial::latest(until, in_future(bounds.floor_until, now)))
}

fn nsec_until(shape: &Shape, signed_at: Option<u32>) -> Option<u32> {
    signed_at.map(|at| shape.expiration(TYPE_NSEC, at))
}
