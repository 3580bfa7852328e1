//! The conductor: the one writer of the zone.
//!
//! Every change of the zone, a batch of the database, a re-signing or the first build, goes plan →
//! sign → gate → seal → commit here. Readers never wait for it. `open` and `build` start a writer,
//! `apply` publishes what the database decided, `work` keeps signatures fresh.

mod apply;
mod build;
mod chunks;
mod due;
mod freshness;
mod open;
#[cfg(test)]
mod tests;
mod work;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use iot_identity::{DeviceId, PackedKey, Publication, Slot};

use crate::bounds::{Bounds, Gone};
use crate::ceiling::{
    Ceiling, EXPIRATION_LEFT_MIN_SECS, SERIALS_LEFT_MIN, check_ceiling, serials_a_day,
};
use crate::change::{Numbers, ToSign};
use crate::error::ZoneError;
use crate::gate::{GateError, Passed, Thoroughness, gate};
use crate::jitter::Jitter;
use crate::key::{KeyError, ZoneKeys};
use crate::reader::ZoneReader;
use crate::seal::Batch;
use crate::serial;
use crate::sign::sign_batch;
use crate::signers::Signers;
use crate::snapshot::Snapshot;
use crate::store::{CommitRecord, Figures, RealDisk, Store, StoreError};
use crate::sweep::Hand;
use crate::urgent::Urgent;

pub use apply::{Applied, Outcome};
pub use build::Ground;
pub use freshness::Freshness;
pub use open::Opening;
pub use work::Work;

/// So many signatures after a start are verified all.
const VERIFIED_FIRST: usize = 1024;

/// A credential as the database has it.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The device.
    pub device_id: DeviceId,
    /// The number of the credential.
    pub slot: Slot,
    /// Active or inactive; an absent one only brings what was released of it.
    pub publication: Publication,
    /// Latest expiration of any signature over CERT or TLSA ever released at the name, where the
    /// database knows it.
    pub released_until: Option<u32>,
}

/// Where a zone starts from.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// The database whose projection the zone is.
    pub database_id: [u8; 16],
    /// Token of this writer.
    pub fencing_token: u64,
    /// Last change of the database; for a build, last change that is in the entries.
    pub applied: u64,
    /// The first serial comes after this one (RFC 1982).
    pub serial_above: u32,
    /// What the database has promised.
    pub ceiling: Ceiling,
    /// No signature released before this start expires later; 0 when none was ever released. Bounds
    /// the credentials that are listed without a time of their own.
    pub released_until: u32,
    /// The same for credentials that the entries do not list, when the database has lost some: 0
    /// when it is whole, since a credential that it does not know was then never published.
    pub lost_until: u32,
}

/// The one writer of the zone.
#[derive(Debug)]
pub struct ZoneWriter {
    signers: Signers,
    store: Store,
    visible: Arc<ArcSwap<Snapshot>>,
    urgent: Arc<Urgent>,
    ceiling: Ceiling,
    gone: Gone,
    hand: Hand,
    freshness: freshness::Ages,
    jitter: Jitter,
    /// Fixed names, by place, whose NSEC points under a damaged page and is not made in this lap.
    unlinked: BTreeSet<usize>,
    /// Signatures that were verified since the keys were loaded.
    verified: usize,
    /// Serials up to this one may have been served from elsewhere.
    serial_above: u32,
    quarantined: Vec<(Entry, GateError)>,
    failed: bool,
}

impl ZoneWriter {
    /// The last commit in a directory, also when no zone was opened since.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn last_commit(dir: &Path) -> Result<Option<CommitRecord>, ZoneError> {
        if !dir.exists() {
            return Ok(None);
        }
        Ok(Store::last_commit(&RealDisk::in_directory(dir)?)?)
    }

    /// A handle for those who answer.
    pub fn reader(&self) -> ZoneReader {
        ZoneReader::new(Arc::clone(&self.visible), Arc::clone(&self.urgent))
    }

    /// Has all who answer through a reader of the last version answer from this writer's versions from
    /// now on, without a gap.
    pub fn answer_through(&mut self, reader: &ZoneReader) {
        (self.visible, self.urgent) = reader.follow(self.snapshot());
    }

    /// The current version.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.visible.load_full()
    }

    /// Waits until everything that was committed lies in the zone's file itself, so that the next
    /// start has nothing to repeat. Nothing is lost without it.
    ///
    /// # Errors
    /// The store failed.
    pub fn checkpoint(&mut self) -> Result<(), ZoneError> {
        Ok(self.store.checkpoint()?)
    }

    /// What the store takes on disk, and does.
    pub fn figures(&self) -> Figures {
        self.store.figures()
    }

    /// The keys' public face, for anchors.
    pub fn keys(&self) -> &ZoneKeys {
        self.signers.keys()
    }

    /// A higher ceiling when the present one will be reached soon: the database promises it first,
    /// then [`ZoneWriter::raise_ceiling`] is called. Asking again is cheap.
    pub fn ceiling_wanted(&self, now: u64) -> Option<Ceiling> {
        let snapshot = self.snapshot();
        let present = self.present_serial(&snapshot);
        let validity_secs = snapshot.profile().validity_secs();
        let a_day = serials_a_day(snapshot.profile(), snapshot.device_names());
        let soon_serial = present.wrapping_add(SERIALS_LEFT_MIN + a_day / 24 * 23);
        let soon = serial::wrapped(now).wrapping_add(validity_secs + EXPIRATION_LEFT_MIN_SECS);
        if self.ceiling.covers(soon_serial, soon) {
            return None;
        }
        let ahead = present.wrapping_add(a_day);
        let wanted = Ceiling::for_start(snapshot.profile(), ahead, now);
        Some(self.ceiling.raised_to(wanted))
    }

    /// Takes over what the database has promised; a lower number changes nothing.
    pub fn raise_ceiling(&mut self, ceiling: Ceiling) {
        self.ceiling = self.ceiling.raised_to(ceiling);
    }

    /// Takes over what the database knows of names that are not in the zone, or were not always
    /// what they are now: until when their CERT and TLSA can be believed. Asked for after every
    /// start; what has expired need not be given.
    pub fn remember_released(
        &mut self,
        released: impl IntoIterator<Item = (DeviceId, Slot, u32)>,
        now: u64,
    ) {
        for (device_id, slot, until) in released {
            if serial::is_after(until, serial::wrapped(now)) {
                let key = *PackedKey::new(device_id, slot).as_octets();
                self.gone.note(key, until);
            }
        }
    }

    /// Names that are gone and whose records can still be believed, as far as they are known.
    pub fn names_gone(&self) -> usize {
        self.gone.len()
    }

    /// Entries that a build had to leave out because the gate refused them, given once.
    pub fn take_quarantined(&mut self) -> Vec<(Entry, GateError)> {
        std::mem::take(&mut self.quarantined)
    }

    fn present_serial(&self, present: &Snapshot) -> u32 {
        serial::later(present.serial(), self.serial_above)
    }

    fn check_writable(&self, present: &Snapshot, now: u64) -> Result<(), ZoneError> {
        if self.failed {
            return Err(ZoneError::Stopped);
        }
        let serial = self.present_serial(present);
        check_ceiling(self.ceiling, present.profile(), serial, now)
    }

    fn bounds<'a>(&'a self, present: &Snapshot) -> Bounds<'a> {
        Bounds {
            gone: Some(&self.gone),
            ..Bounds::of(present)
        }
    }

    /// Signs and gates a plan; the inner error is the gate's.
    fn pass(&mut self, to_sign: ToSign) -> Result<Result<Passed, GateError>, ZoneError> {
        let count = to_sign.len();
        let thoroughness = if self.verified < VERIFIED_FIRST {
            Thoroughness::Everything
        } else {
            Thoroughness::Sample
        };
        let signed = sign_batch(to_sign, &self.signers)?;
        let public = self.signers.keys().public();
        let passed = gate(
            signed,
            &public,
            thoroughness,
            &mut self.jitter,
            &self.signers,
        )?;
        if passed.is_ok() {
            self.verified = self.verified.saturating_add(count);
        }
        Ok(passed)
    }

    /// Commits a batch and shows it. After an error nothing is ever committed again.
    fn publish(&mut self, batch: Batch, now: u64) -> Result<Arc<Snapshot>, ZoneError> {
        let Batch {
            mut commit,
            fixed,
            base,
            came_and_went,
            gone,
            ..
        } = batch;
        let hand = self.hand.clone();
        for (key, came) in &came_and_went {
            self.hand.note(key, *came);
        }
        commit.record.sweep = self.hand.sweep();
        for (key, until) in gone {
            self.gone.note(key, until);
        }
        let version = match self.store.commit(commit) {
            Ok(version) => version,
            Err(error) => {
                // Anything else was refused before anything was written, and is tried again.
                self.hand = hand;
                self.failed = matches!(error, StoreError::Failed { .. });
                return Err(error.into());
            }
        };
        let snapshot = Arc::new(Snapshot {
            shape: base.shape,
            fixed,
            version,
        });
        self.visible.store(Arc::clone(&snapshot));
        self.gone.forget_expired(now);
        Ok(snapshot)
    }
}

/// The numbers that a new zone or version follows on, unless an earlier commit forbids this start.
fn numbers_after(last: Option<&CommitRecord>, start: &Start) -> Result<Numbers, ZoneError> {
    let Some(last) = last else {
        return Ok(numbers_beyond(None, start));
    };
    if last.database_id != start.database_id {
        return Err(ZoneError::OtherDatabase {
            found: last.database_id,
        });
    }
    if last.fencing_token > start.fencing_token {
        return Err(ZoneError::Fenced {
            token: start.fencing_token,
            committed: last.fencing_token,
        });
    }
    if last.applied > start.applied {
        return Err(ZoneError::AheadOfDatabase {
            zone: last.applied,
            database: start.applied,
        });
    }
    Ok(numbers_beyond(Some(last), start))
}

/// The numbers that a zone follows on which takes the place of another, whatever that one is.
fn numbers_beyond(last: Option<&CommitRecord>, start: &Start) -> Numbers {
    let numbers = Numbers {
        serial: start.serial_above,
        zone_version: 0,
    };
    last.map_or(numbers, |last| numbers.beyond(last))
}

fn random_seed() -> Result<u64, KeyError> {
    let random = ring::rand::SystemRandom::new();
    let octets = ring::rand::generate::<[u8; 8]>(&random).map_err(|_| KeyError::Random)?;
    Ok(u64::from_be_bytes(octets.expose()))
}
