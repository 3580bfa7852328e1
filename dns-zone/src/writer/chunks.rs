//! Signing what a build lists, a chunk of names while the one before is written.

use std::error::Error as StdError;
use std::sync::Arc;

use iot_identity::{PackedKey, Publication};

use super::{Entry, VERIFIED_FIRST};
use crate::bounds::{Gone, in_future};
use crate::change::wanted_record;
use crate::draft::{device_jobs, device_nsec, set_device_signature};
use crate::error::ZoneError;
use crate::fixed::FixedNames;
use crate::gate::{GateError, Thoroughness, check_time, choose, verify};
use crate::jitter::Jitter;
use crate::job::{Job, Name, Says, Worklist};
use crate::position::Key;
use crate::sign::{Octets, Signing, begin_signing, finish_signing};
use crate::signers::Signers;
use crate::snapshot::{Shape, earlier};
use crate::store::record::{StoredRecord, StoredSignature};

/// Names that are signed together: about 13 MB with their signatures, twice.
const CHUNK_NAMES: usize = 16_384;

/// Turns entries into signed records.
pub(super) struct Builder<'a, I> {
    entries: I,
    signers: &'a Signers,
    shape: Arc<Shape>,
    fixed: Arc<FixedNames>,
    jitter: Jitter,
    pub(super) released_until: Option<u32>,
    now: u64,
    last_key: Option<Key>,
    ended: bool,
    /// The chunk after the one that is handed out.
    signing: Option<InFlight>,
    ready: std::vec::IntoIter<(Key, StoredRecord)>,
    pub(super) verified: usize,
    pub(super) gone: Gone,
    pub(super) quarantined: Vec<(Entry, GateError)>,
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

impl<'a, I> Builder<'a, I> {
    /// Of entries in order; none of them was released before.
    pub(super) fn new(
        entries: I,
        signers: &'a Signers,
        shape: &Arc<Shape>,
        fixed: &Arc<FixedNames>,
        jitter: Jitter,
        now: u64,
    ) -> Self {
        Self {
            entries,
            signers,
            shape: Arc::clone(shape),
            fixed: Arc::clone(fixed),
            jitter,
            released_until: None,
            now,
            last_key: None,
            ended: false,
            signing: None,
            ready: Vec::new().into_iter(),
            verified: 0,
            gone: Gone::default(),
            quarantined: Vec::new(),
        }
    }
}

impl<E, I> Builder<'_, I>
where
    E: Into<Box<dyn StdError + Send + Sync>>,
    I: Iterator<Item = Result<Entry, E>>,
{
    pub(super) fn next(&mut self) -> Result<Option<(Key, StoredRecord)>, ZoneError> {
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
