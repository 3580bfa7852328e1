//! Building the zone from what the database lists: a stream in the order of names, signed in chunks
//! on all cores, written as it comes, so that memory does not grow with the zone.

use std::error::Error as StdError;
use std::path::Path;
use std::sync::Arc;

use iot_identity::{PackedKey, Publication};

use super::{Entry, Start, VERIFIED_FIRST, ZoneWriter, numbers_after, numbers_beyond, random_seed};
use crate::apex::fixed_names;
use crate::bounds::{Gone, in_future};
use crate::ceiling::check_ceiling;
use crate::change::{Numbers, wanted_record};
use crate::config::ZoneConfig;
use crate::draft::{device_jobs, device_nsec, set_device_signature};
use crate::error::ZoneError;
use crate::fixed::FixedNames;
use crate::gate::{GateError, Thoroughness, check_keys, check_time, choose, verify};
use crate::jitter::Jitter;
use crate::job::{Job, Name, Says, Worklist};
use crate::key::ZoneKeys;
use crate::position::Key;
use crate::record_type::TYPE_CERT;
use crate::seal::{note_released, raise_floor};
use crate::serial;
use crate::sign::{Octets, Signing, begin_signing, finish_signing};
use crate::signers::Signers;
use crate::snapshot::{Shape, Snapshot, earlier};
use crate::store::record::{StoredRecord, StoredSignature};
use crate::store::{CommitRecord, Disk, RealDisk, Store, StoreLimits, Sweep};

/// Names that are signed together: about 13 MB with their signatures, twice.
const CHUNK_NAMES: usize = 16_384;

impl ZoneWriter {
    /// Builds the zone of the database's entries in place of the one that is there: signs all of it
    /// on all cores, and commits it as the first version to be answered from. The entries come in
    /// canonical order of their names (that of [`PackedKey`]) without duplicates. One that the gate
    /// refuses is left out; see [`ZoneWriter::take_quarantined`].
    ///
    /// # Errors
    /// The configuration, the ceiling, the commit record of an earlier start, the order of the
    /// entries or the gate refuse; the zone that was there is as before then.
    pub fn build<E: Into<Box<dyn StdError + Send + Sync>>>(
        dir: &Path,
        config: ZoneConfig,
        keys: ZoneKeys,
        entries: impl IntoIterator<Item = Result<Entry, E>>,
        start: Start,
        now: u64,
    ) -> Result<Self, ZoneError> {
        let disk = Arc::new(RealDisk::in_directory(dir)?);
        Self::build_on(
            disk,
            StoreLimits::default(),
            config,
            keys,
            entries,
            start,
            now,
        )
    }

    /// As [`ZoneWriter::build`], on any disk and with other limits: for trials of power cuts.
    ///
    /// # Errors
    /// As for [`ZoneWriter::build`].
    #[doc(hidden)]
    pub fn build_on<E: Into<Box<dyn StdError + Send + Sync>>>(
        disk: Arc<dyn Disk>,
        limits: StoreLimits,
        config: ZoneConfig,
        keys: ZoneKeys,
        entries: impl IntoIterator<Item = Result<Entry, E>>,
        start: Start,
        now: u64,
    ) -> Result<Self, ZoneError> {
        let numbers = numbers_after(Store::last_commit(&*disk)?.as_ref(), &start)?;
        let ground = Ground {
            disk,
            limits,
            numbers,
        };
        Self::build_beside(ground, config, keys, entries, start, now)
    }

    /// As [`ZoneWriter::build`], whatever the zone that is there says of its database and its last
    /// change, and also when it cannot be read. The caller has made sure that
    /// [`Start::serial_above`] and [`Start::released_until`] bound everything that was ever
    /// released.
    ///
    /// # Errors
    /// The configuration, the ceiling, the order of the entries or the gate refuse; the zone that
    /// was there is as before then.
    pub fn rebuild<E: Into<Box<dyn StdError + Send + Sync>>>(
        dir: &Path,
        config: ZoneConfig,
        keys: ZoneKeys,
        entries: impl IntoIterator<Item = Result<Entry, E>>,
        start: Start,
        now: u64,
    ) -> Result<Self, ZoneError> {
        let disk = Arc::new(RealDisk::in_directory(dir)?);
        let limits = StoreLimits::default();
        Self::rebuild_on(disk, limits, config, keys, entries, start, now)
    }

    /// As [`ZoneWriter::rebuild`], on any disk and with other limits: for trials of power cuts.
    ///
    /// # Errors
    /// As for [`ZoneWriter::rebuild`].
    #[doc(hidden)]
    pub fn rebuild_on<E: Into<Box<dyn StdError + Send + Sync>>>(
        disk: Arc<dyn Disk>,
        limits: StoreLimits,
        config: ZoneConfig,
        keys: ZoneKeys,
        entries: impl IntoIterator<Item = Result<Entry, E>>,
        start: Start,
        now: u64,
    ) -> Result<Self, ZoneError> {
        let last = match Store::last_commit(&*disk) {
            Err(error) if error.is_damage() => None,
            last => last?,
        };
        let ground = Ground {
            disk,
            limits,
            numbers: numbers_beyond(last.as_ref(), &start),
        };
        Self::build_beside(ground, config, keys, entries, start, now)
    }

    /// Makes the whole zone, its apex signed, before it takes the place of the one that is there.
    fn build_beside<E: Into<Box<dyn StdError + Send + Sync>>>(
        ground: Ground,
        config: ZoneConfig,
        keys: ZoneKeys,
        entries: impl IntoIterator<Item = Result<Entry, E>>,
        start: Start,
        now: u64,
    ) -> Result<Self, ZoneError> {
        let Ground {
            disk,
            limits,
            numbers,
        } = ground;
        let config = config.check()?;
        check_ceiling(start.ceiling, config.profile, numbers.serial, now)?;
        let public = keys.public();
        let fixed = Arc::new(fixed_names(&config, &public));
        let shape = Arc::new(Shape::new(config.apex, config.profile, public));
        check_keys(&shape, &fixed, &keys.public())?;
        let signers = Signers::start(Arc::new(keys));

        let mut builder = Builder {
            entries: entries.into_iter(),
            signers: &signers,
            shape: Arc::clone(&shape),
            fixed: Arc::clone(&fixed),
            jitter: Jitter::seeded(random_seed()?),
            released_until: Some(start.released_until).filter(|until| *until != 0),
            now,
            last_key: None,
            ended: false,
            signing: None,
            ready: Vec::new().into_iter(),
            verified: 0,
            gone: Gone::default(),
            quarantined: Vec::new(),
        };
        let record = first_record(&shape, &start, numbers, now);
        let made: Result<_, ZoneError> = Store::make_beside(
            limits,
            Arc::clone(&disk),
            shape.digest,
            shape.unit_secs,
            std::iter::from_fn(|| builder.next().transpose()),
            record,
            fixed.encode(),
        );
        let (store, version) = made?;
        let (gone, quarantined, verified) = (builder.gone, builder.quarantined, builder.verified);
        let snapshot = Snapshot::of_version(shape, version)?;
        let names = snapshot.device_names();
        let mut writer = Self::over(store, snapshot, signers, &start)?;
        writer.hand = crate::sweep::Hand::started(config.profile, names, now);
        (writer.gone, writer.quarantined, writer.verified) = (gone, quarantined, verified);
        // What the devices' signatures lack is the apex: its NSEC points to the first of them.
        if let Err(error) = writer.first_commit(&fixed, &start, now) {
            writer.store.give_up(&*disk);
            return Err(error);
        }
        writer.store.put_in_place(&*disk)?;
        Ok(writer)
    }
}

/// Where a zone is built, and what it follows on.
struct Ground {
    disk: Arc<dyn Disk>,
    limits: StoreLimits,
    numbers: Numbers,
}

/// The record of a zone whose apex is still to be signed. It has the numbers of the version before,
/// since nobody is to see it.
fn first_record(shape: &Shape, start: &Start, numbers: Numbers, now: u64) -> CommitRecord {
    let signed_at = shape.signing_time(now);
    let mut record = CommitRecord {
        database_id: start.database_id,
        fencing_token: start.fencing_token,
        zone_version: numbers.zone_version,
        serial: numbers.serial,
        applied: start.applied,
        released_until: start.released_until,
        floor_until: 0,
        lost_until: start.lost_until,
        last_signed_at: signed_at,
        sweep: Sweep {
            key: [0; 18],
            lap_started_at: now,
            names_passed: 0,
            lap_names: 0,
        },
        soa: StoredSignature {
            signed_at: 0,
            octets: [0; 64],
        },
    };
    raise_floor(&mut record, start.released_until, now);
    note_released(&mut record, shape.expiration(TYPE_CERT, signed_at));
    record
}

/// Turns entries into signed records.
struct Builder<'a, I> {
    entries: I,
    signers: &'a Signers,
    shape: Arc<Shape>,
    fixed: Arc<FixedNames>,
    jitter: Jitter,
    released_until: Option<u32>,
    now: u64,
    last_key: Option<Key>,
    ended: bool,
    /// The chunk after the one that is handed out.
    signing: Option<InFlight>,
    ready: std::vec::IntoIter<(Key, StoredRecord)>,
    verified: usize,
    gone: Gone,
    quarantined: Vec<(Entry, GateError)>,
}

/// Names that are signed together.
struct Chunk {
    /// The last name of the chunk before, complete but for its NSEC.
    carried: Option<(Key, StoredRecord)>,
    names: Vec<(Key, StoredRecord, Entry)>,
    /// Whether nothing follows.
    is_last: bool,
}

struct InFlight {
    chunk: Chunk,
    worklist: Arc<Worklist>,
    signing: Signing,
}

impl<E, I> Builder<'_, I>
where
    E: Into<Box<dyn StdError + Send + Sync>>,
    I: Iterator<Item = Result<Entry, E>>,
{
    fn next(&mut self) -> Result<Option<(Key, StoredRecord)>, ZoneError> {
        loop {
            if let Some(record) = self.ready.next() {
                return Ok(Some(record));
            }
            let in_flight = match self.signing.take() {
                Some(in_flight) => in_flight,
                None if self.ended => return Ok(None),
                None => self.begin(None)?,
            };
            self.finish(in_flight)?;
        }
    }

    /// Reads a chunk and begins to sign it.
    fn begin(&mut self, carried: Option<(Key, StoredRecord)>) -> Result<InFlight, ZoneError> {
        let mut names = Vec::new();
        while names.len() < CHUNK_NAMES && !self.ended {
            match self.entries.next() {
                None => self.ended = true,
                Some(Err(error)) => {
                    return Err(ZoneError::Entries {
                        source: error.into(),
                    });
                }
                Some(Ok(entry)) => names.extend(self.read(entry)?),
            }
        }
        Ok(self.sign(Chunk {
            carried,
            names,
            is_last: self.ended,
        }))
    }

    /// Takes an entry; absent ones have no record.
    fn read(&mut self, entry: Entry) -> Result<Option<(Key, StoredRecord, Entry)>, ZoneError> {
        let key = *PackedKey::new(entry.device_id, entry.slot).as_octets();
        let Entry {
            device_id, slot, ..
        } = entry;
        match self.last_key {
            Some(last) if last == key => return Err(ZoneError::DuplicateEntry { device_id, slot }),
            Some(last) if last > key => return Err(ZoneError::EntryOrder { device_id, slot }),
            _ => self.last_key = Some(key),
        }
        let until = entry.released_until.or(self.released_until);
        if !matches!(entry.publication, Publication::Inactive)
            && let Some(until) = entry.released_until.and_then(|at| in_future(at, self.now))
        {
            self.gone.note(key, until);
        }
        if entry.publication == Publication::Absent
            && let Some(until) = until.and_then(|at| in_future(at, self.now))
        {
            self.gone.note(key, until);
        }
        Ok(wanted_record(entry.publication, until).map(|record| (key, record, entry)))
    }

    fn sign(&self, chunk: Chunk) -> InFlight {
        let worklist = Arc::new(Worklist {
            jobs: self.jobs(&chunk),
            shape: Arc::clone(&self.shape),
            fixed: Arc::clone(&self.fixed),
            signed_at: self.shape.signing_time(self.now),
        });
        let signing = begin_signing(&worklist, self.signers);
        InFlight {
            chunk,
            worklist,
            signing,
        }
    }

    /// All RRsets of a chunk; the NSEC of the last name waits for the name after it.
    fn jobs(&self, chunk: &Chunk) -> Vec<Job> {
        let mut jobs = Vec::with_capacity(3 * chunk.names.len() + 1);
        let carried = chunk.carried.iter().map(|(key, record)| (key, record));
        let names = chunk.names.iter().map(|(key, record, _)| (key, record));
        let mut following = chunk.names.iter().map(|(key, ..)| *key);
        if chunk.carried.is_none() {
            following.next();
        }
        for (key, record) in carried.chain(names) {
            let next = following.next();
            if next.is_some() || chunk.is_last {
                let fixed = self.fixed.after_device(key);
                let next = earlier(&self.fixed, fixed, next).name(&self.fixed);
                jobs.push(device_nsec(*key, &record.state, next));
            }
            jobs.extend(device_jobs(*key, record));
        }
        jobs
    }

    /// Takes the signatures of a chunk, and begins the next one. What the gate refuses is left out
    /// and the rest signed once more, since its neighbour has another next name then.
    fn finish(&mut self, in_flight: InFlight) -> Result<(), ZoneError> {
        let mut in_flight = in_flight;
        let mut thoroughness = Thoroughness::Sample;
        loop {
            let InFlight {
                mut chunk,
                worklist,
                signing,
            } = in_flight;
            let signatures = Arc::new(finish_signing(signing)?);
            let refused = self.gate(&worklist, &signatures, thoroughness)?;
            if refused.is_empty() {
                place(&mut chunk, &worklist, &signatures);
                return self.hand_out(chunk);
            }
            self.leave_out(&mut chunk, &worklist, refused)?;
            thoroughness = Thoroughness::Everything;
            in_flight = self.sign(chunk);
        }
    }

    fn gate(
        &mut self,
        worklist: &Arc<Worklist>,
        signatures: &Arc<Vec<Octets>>,
        thoroughness: Thoroughness,
    ) -> Result<Vec<(usize, GateError)>, ZoneError> {
        check_time(worklist, self.now)?;
        let mut chosen = choose(&worklist.jobs, thoroughness, &mut self.jitter);
        if thoroughness == Thoroughness::Sample && self.verified < VERIFIED_FIRST {
            let first = (VERIFIED_FIRST - self.verified).min(worklist.jobs.len());
            chosen.retain(|index| *index >= first);
            chosen.extend(0..first);
        }
        let public = self.signers.keys().public();
        let refused = verify(worklist, signatures, chosen, &public, self.signers);
        self.verified = self.verified.saturating_add(worklist.jobs.len());
        Ok(refused)
    }

    /// Removes refused names from a chunk. An NSEC is nobody's fault.
    fn leave_out(
        &mut self,
        chunk: &mut Chunk,
        worklist: &Worklist,
        refused: Vec<(usize, GateError)>,
    ) -> Result<(), ZoneError> {
        for (index, error) in refused {
            let job = worklist.jobs[index];
            let at = match (job.owner, job.says) {
                (_, Says::DeviceNsec { .. }) => return Err(error.into()),
                (Name::Device(key), _) => chunk.names.iter().position(|(other, ..)| *other == key),
                (Name::Fixed(_), _) => None,
            };
            // A name with two refused RRsets is gone after the first.
            if let Some(at) = at {
                let (.., entry) = chunk.names.remove(at);
                self.quarantined.push((entry, error));
            }
        }
        Ok(())
    }

    /// Puts the records of a chunk where the store takes them from; the last one waits for its NSEC.
    fn hand_out(&mut self, chunk: Chunk) -> Result<(), ZoneError> {
        let Chunk {
            carried,
            names,
            is_last,
        } = chunk;
        let mut records: Vec<(Key, StoredRecord)> = Vec::with_capacity(names.len() + 1);
        records.extend(carried);
        records.extend(names.into_iter().map(|(key, record, _)| (key, record)));
        if !is_last {
            let carried = records.pop();
            self.signing = Some(self.begin(carried)?);
        }
        self.ready = records.into_iter();
        Ok(())
    }
}

/// Puts signatures into the records of a chunk; both are in the same order.
fn place(chunk: &mut Chunk, worklist: &Worklist, signatures: &[Octets]) {
    let carried = chunk.carried.iter_mut().map(|(key, record)| (*key, record));
    let names = chunk
        .names
        .iter_mut()
        .map(|(key, record, _)| (*key, record));
    let mut records = carried.chain(names).peekable();
    let signed_at = worklist.signed_at;
    for (job, octets) in worklist.jobs.iter().zip(signatures) {
        let Name::Device(owner) = job.owner else {
            continue;
        };
        while records.next_if(|(key, _)| *key < owner).is_some() {}
        if let (Some((_, record)), Some(octets)) = (records.peek_mut(), *octets) {
            set_device_signature(record, job, StoredSignature { signed_at, octets });
        }
    }
}

impl Numbers {
    /// The later serial of this and a commit, and the commit's version.
    pub(super) fn beyond(self, last: &CommitRecord) -> Self {
        Self {
            serial: serial::later(self.serial, last.serial),
            zone_version: last.zone_version,
        }
    }
}
