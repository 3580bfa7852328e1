//! The conductor: the one writer of the zone.
//!
//! Every change of the zone, a batch of the database, a re-signing or the first build, goes plan →
//! sign → gate → seal → commit here. Readers never wait for it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use iot_identity::{DeviceId, Publication, Slot};

use crate::apex::fixed_names;
use crate::ceiling::{Ceiling, EXPIRATION_LEFT_MIN_SECS, SERIALS_LEFT_MIN, check_ceiling};
use crate::change::{self, BuildName, Change, ToSign, Version, plan, plan_again, plan_build};
use crate::config::ZoneConfig;
use crate::error::ZoneError;
use crate::gate::{GateError, Thoroughness, gate};
use crate::jitter::Jitter;
use crate::key::{KeyError, ZoneKeys};
use crate::name::NameKey;
use crate::quarantine::offenders;
use crate::released::Released;
use crate::resign_queue::{ResignQueue, is_due_soon};
use crate::seal::{Batch, seal};
use crate::serial;
use crate::sign::sign_batch;
use crate::snapshot::{Shape, Snapshot};
use crate::store::commit_file::CommitFile;
use crate::store::{self, CommitRecord, Owner, Store, ZoneReader};

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
    /// The database whose projection the entries are.
    pub database_id: [u8; 16],
    /// Token of this writer.
    pub fencing_token: u64,
    /// Last change that is in the entries.
    pub applied: u64,
    /// The first serial comes after this one (RFC 1982).
    pub serial_above: u32,
    /// What the database has promised.
    pub ceiling: Ceiling,
    /// No signature released before this start expires later; 0 when none was ever released. Bounds
    /// the credentials that the entries list without a time of their own.
    pub released_until: u32,
    /// The same for credentials that the entries do not list, when the database has lost some: 0
    /// when it is whole, since a credential that it does not know was then never published.
    pub lost_until: u32,
}

/// What became of a batch.
#[derive(Clone, Debug)]
pub struct Applied {
    /// SOA serial of the version that contains the batch.
    pub serial: u32,
    /// Number of that version.
    pub zone_version: u64,
    /// What became of each change that was not quarantined, in the order of the batch.
    pub outcomes: Vec<Outcome>,
    /// Changes that the gate refused, with its reason; the others are published.
    pub quarantined: Vec<(Change, GateError)>,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The device.
    pub device_id: DeviceId,
    /// The number of the credential.
    pub slot: Slot,
    /// What the DNS says from now on.
    pub publication: Publication,
    /// When it was published, seconds since 1970.
    pub published_at: u64,
    /// SOA serial with which it was published.
    pub serial: u32,
    /// When the credential is not active any more: latest expiration of any signature over CERT or
    /// TLSA ever released at the name; none when nothing was released that could still be valid.
    pub withdrawn_until: Option<u32>,
    /// When it is active: latest expiration of any NSEC ever released that denied it.
    pub denied_until: Option<u32>,
}

/// The one writer of the zone.
#[derive(Debug)]
pub struct ZoneWriter {
    keys: ZoneKeys,
    store: Store,
    ceiling: Ceiling,
    released: Released,
    queue: ResignQueue,
    jitter: Jitter,
}

impl ZoneWriter {
    /// The last commit in a directory, also when no zone was built since.
    ///
    /// # Errors
    /// The commit file cannot be read or is damaged.
    pub fn last_commit(dir: &Path) -> Result<Option<CommitRecord>, ZoneError> {
        store::last_commit(dir)
    }

    /// Forgets the last commit, so that a zone can be built from an older or another database. The
    /// caller has made sure that `Start::serial_above` and `Start::released_until` still bound
    /// everything that was ever released.
    ///
    /// # Errors
    /// The commit file cannot be removed.
    pub fn forget_last_commit(dir: &Path) -> Result<(), ZoneError> {
        Ok(CommitFile::remove(dir)?)
    }

    /// Builds the zone of the database's entries, signs everything on all cores, verifies every
    /// signature, and commits it as the first version to be answered from.
    ///
    /// # Errors
    /// The configuration, the ceiling, the commit record of an earlier start or the gate refuse;
    /// nothing is served then.
    pub fn build(
        dir: &Path,
        config: ZoneConfig,
        keys: ZoneKeys,
        entries: impl IntoIterator<Item = Entry>,
        start: Start,
        now: u64,
    ) -> Result<Self, ZoneError> {
        let config = config.check()?;
        let last = store::last_commit(dir)?;
        let version = version_after(last, &start)?;
        check_ceiling(start.ceiling, config.profile, version.serial, now)?;

        let released_before = Some(start.released_until).filter(|until| *until != 0);
        let mut released = Released::new(Some(start.lost_until).filter(|until| *until != 0));
        let devices = read_entries(entries, released_before, &mut released)?;
        let public = keys.public();
        let fixed = fixed_names(&config, &public);
        let fixed = fixed.into_iter().map(|(key, rrsets)| BuildName {
            key,
            records: change::fixed_records(rrsets),
        });
        let shape = Arc::new(Shape {
            apex: config.apex,
            profile: config.profile,
            keys: public,
        });
        let mut jitter = Jitter::seeded(random_seed()?);
        let names = fixed.chain(devices);
        let to_sign = plan_build(shape, version, names, released_before, now, &mut jitter);
        let batch = pass(
            to_sign,
            &keys,
            Thoroughness::Everything,
            &mut jitter,
            start.applied,
        )??;

        released.note(&batch);
        let mut queue = ResignQueue::default();
        for key in &batch.signed_names {
            queue.update(key, None, &batch.snapshot, now);
        }
        let owner = Owner {
            database_id: start.database_id,
            fencing_token: start.fencing_token,
            released_until: start.released_until,
        };
        Ok(Self {
            keys,
            store: Store::create(dir, owner, batch)?,
            ceiling: start.ceiling,
            released,
            queue,
            jitter,
        })
    }

    /// A handle for those who answer.
    pub fn reader(&self) -> ZoneReader {
        self.store.reader()
    }

    /// The current version.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.store.snapshot()
    }

    /// The keys' public face, for anchors.
    pub fn keys(&self) -> &ZoneKeys {
        &self.keys
    }

    /// A higher ceiling when the present one will be reached soon: the database promises it first,
    /// then [`ZoneWriter::raise_ceiling`] is called. Asking again is cheap.
    pub fn ceiling_wanted(&self, now: u64) -> Option<Ceiling> {
        let snapshot = self.snapshot();
        let validity_secs = snapshot.profile().validity_secs();
        let soon_serial = snapshot.serial().wrapping_add(SERIALS_LEFT_MIN);
        let soon = serial::wrapped(now).wrapping_add(validity_secs + EXPIRATION_LEFT_MIN_SECS);
        if self.ceiling.covers(soon_serial, soon) {
            return None;
        }
        let wanted = Ceiling::for_start(snapshot.profile(), snapshot.serial(), now);
        Some(self.ceiling.raised_to(wanted))
    }

    /// Takes over what the database has promised; a lower number changes nothing.
    pub fn raise_ceiling(&mut self, ceiling: Ceiling) {
        self.ceiling = self.ceiling.raised_to(ceiling);
    }

    /// Publishes a batch of changes as one version. `applied` is the sequence number of the last
    /// change of the batch in the database. Changes that are in the zone already are harmless, and
    /// a batch that changes nothing only moves `applied`.
    ///
    /// # Errors
    /// Nothing was published: the ceiling is reached, the gate refused and no change is to blame,
    /// a key failed, or the commit failed (then the process has to end).
    pub fn apply(
        &mut self,
        changes: &[Change],
        applied: u64,
        now: u64,
    ) -> Result<Applied, ZoneError> {
        let present = self.store.snapshot();
        self.check_writable(&present, now)?;
        if applied < present.applied() {
            return Err(ZoneError::AppliedBackwards {
                applied,
                present: present.applied(),
            });
        }
        let mut accepted = changes.to_vec();
        let mut quarantined = Vec::new();
        let batch = match self.prepare(&present, &accepted, applied, now)? {
            Ok(batch) => batch,
            Err(error) if error.concerns_everything() => return Err(error.into()),
            Err(error) => {
                let mut passes =
                    |part: &[Change]| Ok(self.prepare(&present, part, applied, now)?.map(|_| ()));
                let found = offenders::<ZoneError>(changes, error, &mut passes)?;
                for (at, error) in found.into_iter().rev() {
                    quarantined.insert(0, (accepted.remove(at), error));
                }
                self.prepare(&present, &accepted, applied, now)??
            }
        };
        let denied_until = batch.denied_until.clone();
        let mut touched: BTreeSet<NameKey> = accepted.iter().map(change_key).collect();
        touched.extend(batch.signed_names.iter().cloned());
        self.publish(batch, &present, &touched, now)?;
        let published = self.store.snapshot();
        let outcomes = accepted
            .iter()
            .zip(denied_until)
            .map(|(change, denied_until)| self.outcome(change, denied_until, &published, now))
            .collect();
        self.released.forget_expired(&published, now);
        Ok(Applied {
            serial: published.serial(),
            zone_version: published.zone_version(),
            outcomes,
            quarantined,
        })
    }

    /// Number of names that are due to be signed again.
    pub fn resign_due(&self, now: u64) -> usize {
        self.queue.due(now)
    }

    /// When the next name is due, seconds since 1970.
    pub fn next_resign_at(&self) -> u64 {
        self.queue.next_at()
    }

    /// Signs up to `max` names again, those that are due the longest, as one version; `applied`
    /// stays. Returns their number; with nothing due, nothing is committed.
    ///
    /// # Errors
    /// As for [`ZoneWriter::apply`].
    pub fn resign(&mut self, now: u64, max: usize) -> Result<usize, ZoneError> {
        let names = self.queue.first_due(now, max);
        if names.is_empty() {
            return Ok(0);
        }
        let present = self.store.snapshot();
        self.check_writable(&present, now)?;
        let profile = present.profile();
        let due = |record_type, signature: &_| is_due_soon(profile, record_type, signature, now);
        let to_sign = plan_again(&present, names.iter(), due, now, &mut self.jitter);
        let applied = present.applied();
        let sample = Thoroughness::Sample;
        let batch = pass(to_sign, &self.keys, sample, &mut self.jitter, applied)??;
        let touched = batch.signed_names.clone();
        self.publish(batch, &present, &touched, now)?;
        Ok(names.len())
    }

    fn check_writable(&self, present: &Snapshot, now: u64) -> Result<(), ZoneError> {
        if self.store.has_failed() {
            return Err(ZoneError::Stopped);
        }
        check_ceiling(self.ceiling, present.profile(), present.serial(), now)
    }

    /// Plans, signs, gates and seals changes; the inner error is the gate's.
    fn prepare(
        &mut self,
        present: &Snapshot,
        changes: &[Change],
        applied: u64,
        now: u64,
    ) -> Result<Result<Batch, GateError>, ZoneError> {
        let to_sign = plan(present, changes, now, &mut self.jitter);
        let sample = Thoroughness::Sample;
        Ok(pass(
            to_sign,
            &self.keys,
            sample,
            &mut self.jitter,
            applied,
        )?)
    }

    fn publish(
        &mut self,
        batch: Batch,
        present: &Snapshot,
        touched: &BTreeSet<NameKey>,
        now: u64,
    ) -> Result<(), ZoneError> {
        self.released.note(&batch);
        self.store.commit(batch)?;
        let published = self.store.snapshot();
        for key in touched {
            self.queue.update(key, Some(present), &published, now);
        }
        Ok(())
    }

    fn outcome(
        &self,
        change: &Change,
        denied_until: Option<u32>,
        published: &Snapshot,
        now: u64,
    ) -> Outcome {
        let active = matches!(change.publication, Publication::Active(_));
        let released = self.released.until(&change_key(change), now);
        Outcome {
            device_id: change.device_id,
            slot: change.slot,
            publication: change.publication,
            published_at: now,
            serial: published.serial(),
            withdrawn_until: released.filter(|_| !active),
            denied_until: denied_until.filter(|_| active),
        }
    }
}

fn change_key(change: &Change) -> NameKey {
    NameKey::device(change.device_id, change.slot)
}

/// Signs, gates and seals a plan; the inner error is the gate's.
fn pass(
    to_sign: ToSign,
    keys: &ZoneKeys,
    thoroughness: Thoroughness,
    jitter: &mut Jitter,
    applied: u64,
) -> Result<Result<Batch, GateError>, KeyError> {
    let signed = sign_batch(to_sign, keys)?;
    let passed = gate(signed, &keys.public(), thoroughness, jitter);
    Ok(passed.map(|passed| seal(passed, applied)))
}

/// The numbers that the first version follows on, unless an earlier commit forbids this start.
fn version_after(last: Option<CommitRecord>, start: &Start) -> Result<Version, ZoneError> {
    let mut version = Version {
        serial: start.serial_above,
        zone_version: 0,
        applied: start.applied,
    };
    let Some(last) = last else {
        return Ok(version);
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
    version.serial = serial::later(version.serial, last.serial);
    version.zone_version = last.zone_version;
    Ok(version)
}

/// The names of the database's entries, in canonical order.
fn read_entries(
    entries: impl IntoIterator<Item = Entry>,
    released_before: Option<u32>,
    released: &mut Released,
) -> Result<impl Iterator<Item = BuildName>, ZoneError> {
    let mut devices = BTreeMap::new();
    for entry in entries {
        let key = NameKey::device(entry.device_id, entry.slot);
        if let Some(until) = entry.released_until.or(released_before) {
            released.set(key.clone(), until);
        }
        if let Some(records) = change::device_records(entry.publication)
            && devices.insert(key, records).is_some()
        {
            return Err(ZoneError::DuplicateEntry {
                device_id: entry.device_id,
                slot: entry.slot,
            });
        }
    }
    let name = |(key, records)| BuildName { key, records };
    Ok(devices.into_iter().map(name))
}

fn random_seed() -> Result<u64, KeyError> {
    let random = ring::rand::SystemRandom::new();
    let octets = ring::rand::generate::<[u8; 8]>(&random).map_err(|_| KeyError::Random)?;
    Ok(u64::from_be_bytes(octets.expose()))
}
