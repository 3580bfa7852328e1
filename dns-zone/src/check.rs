//! The zone as records, held against the database: the check that no usual tool makes.
//!
//! It reads octets only, as an outside judge would: it shares the reading of names with the rest
//! of the crate, but not the making of RRsets, bitmaps or next names. Used on a dump, on a transfer
//! or on the version being served. Both sides come as sorted streams, so ten million devices take
//! no more memory than ten thousand; signatures are verified on all cores.

mod chain;
mod finding;
mod projection;
mod signatures;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as StdError;

use iot_identity::{DeviceId, PackedKey, Publication, Slot, ZoneName};
use thiserror::Error;

use crate::cores;
use crate::dump::{Piece, Record, Unread};
use crate::key::PublicKey;
use crate::name::NameKey;
use crate::position::Position;
use crate::presentation::{self, split_name};
use crate::record_type::{TYPE_DNSKEY, TYPE_NS, TYPE_RRSIG, TYPE_SOA};
use crate::store::StoreError;

use chain::chain;
pub use finding::{Finding, Problem};
use projection::{Credential, Projection, credential, publishes};
use signatures::Judge;

/// Why a check was not finished.
#[derive(Debug, Error)]
pub enum CheckError {
    /// The zone could not be read to its end.
    #[error("reading the zone: {0}")]
    Records(#[source] Box<dyn StdError + Send + Sync>),
    /// The database could not list all credentials.
    #[error("reading the credentials: {0}")]
    Listed(#[source] Box<dyn StdError + Send + Sync>),
    /// The database lists credentials out of the order of their names, or one twice.
    #[error("credential {slot} of {device_id} is listed out of order")]
    ListedOrder {
        /// The device.
        device_id: DeviceId,
        /// The credential.
        slot: Slot,
    },
}

/// A credential as the database lists it.
pub type Listed = (DeviceId, Slot, Publication);

/// Findings after which a check ends: a zone with so many is rebuilt anyway.
pub const FINDINGS_MAX: usize = 10_000;
/// Names whose signatures are verified together.
const BATCH_NAMES: usize = 1024;

/// Checks the records of a zone against what the database lists: every credential that is active or
/// inactive. Both come in canonical order of names, the records of a name together, the apex first.
/// Returns everything that is wrong in that order, up to [`FINDINGS_MAX`].
///
/// # Errors
/// One of the streams ended with an error, or what the database lists is not in order.
pub fn check<R, L>(
    apex: &ZoneName,
    records: impl IntoIterator<Item = Result<Record, R>>,
    listed: impl IntoIterator<Item = Result<Listed, L>>,
    now: u64,
) -> Result<Vec<Finding>, CheckError>
where
    R: Into<Box<dyn StdError + Send + Sync>>,
    L: Into<Box<dyn StdError + Send + Sync>>,
{
    let mut check = Check::of(apex, listed.into_iter(), now);
    for record in records {
        let record = record.map_err(|error| CheckError::Records(error.into()))?;
        check.take(record)?;
        if check.is_full() {
            return Ok(check.findings());
        }
    }
    check.finish()?;
    Ok(check.findings())
}

/// Checks a version of which parts may be unreadable, as [`check()`] does: each such part is a finding,
/// and everything else is checked. What the database lists there is neither missing nor wrong.
///
/// # Errors
/// What the database lists ended with an error, or is not in order.
pub fn check_pieces<L>(
    apex: &ZoneName,
    pieces: impl IntoIterator<Item = Piece>,
    listed: impl IntoIterator<Item = Result<Listed, L>>,
    now: u64,
) -> Result<Vec<Finding>, CheckError>
where
    L: Into<Box<dyn StdError + Send + Sync>>,
{
    let mut check = Check::of(apex, listed.into_iter(), now);
    for piece in pieces {
        match piece {
            Piece::Name { records, .. } => {
                for record in records {
                    check.take(record)?;
                }
            }
            Piece::Unread(unread) => check.pass_over(&unread)?,
            Piece::Lost => return Err(CheckError::Records(Box::new(StoreError::PageLost))),
        }
        if check.is_full() {
            return Ok(check.findings());
        }
    }
    check.finish()?;
    Ok(check.findings())
}

#[derive(Default)]
struct Rrset {
    ttls_secs: BTreeSet<u32>,
    rdatas: Vec<Vec<u8>>,
}

/// RRsets by type; RRSIG records apart.
#[derive(Default)]
struct Name {
    rrsets: BTreeMap<u16, Rrset>,
    signatures: Vec<Record>,
}

/// A name that is complete, with what was found before its signatures were looked at.
struct Complete {
    key: NameKey,
    name: Name,
    problems: Vec<Problem>,
}

struct Check<'a, I: Iterator> {
    apex: &'a ZoneName,
    judge: Judge<'a>,
    /// Owner of the last record.
    last: Option<Vec<u8>>,
    listed: Projection<I>,
    /// The name whose records are being read.
    waiting: Option<Complete>,
    /// Where what could not be read last ends, if that is known.
    unread_until: Option<Option<PackedKey>>,
    batch: Vec<Complete>,
    findings: Vec<Finding>,
}

impl<'a, I, L> Check<'a, I>
where
    I: Iterator<Item = Result<Listed, L>>,
    L: Into<Box<dyn StdError + Send + Sync>>,
{
    fn of(apex: &'a ZoneName, listed: I, now: u64) -> Self {
        Self {
            apex,
            judge: Judge {
                apex,
                now,
                keys: Vec::new(),
            },
            last: None,
            listed: Projection::of(listed),
            waiting: None,
            unread_until: None,
            batch: Vec::new(),
            findings: Vec::new(),
        }
    }

    fn is_full(&self) -> bool {
        self.findings.len() >= FINDINGS_MAX
    }

    fn findings(mut self) -> Vec<Finding> {
        self.findings.truncate(FINDINGS_MAX);
        self.findings
    }

    fn take(&mut self, record: Record) -> Result<(), CheckError> {
        if self.last.as_ref() != Some(&record.owner) {
            let Some(key) = key_of(&record.owner, self.apex) else {
                self.findings.push(Finding {
                    owner: presentation::name(&record.owner),
                    problem: Problem::OutOfZone,
                });
                return Ok(());
            };
            self.last = Some(record.owner.clone());
            self.begin(key)?;
        }
        let Some(Complete { name, .. }) = &mut self.waiting else {
            return Ok(());
        };
        if record.record_type == TYPE_RRSIG {
            name.signatures.push(record);
        } else {
            let rrset = name.rrsets.entry(record.record_type).or_default();
            rrset.ttls_secs.insert(record.ttl_secs);
            rrset.rdatas.push(record.rdata);
        }
        Ok(())
    }

    /// The records of another name begin: those of the one before are complete.
    fn begin(&mut self, key: NameKey) -> Result<(), CheckError> {
        let mut problems = Vec::new();
        if let Some(before) = self.waiting.take() {
            if key <= before.key {
                problems.push(Problem::OutOfOrder);
            }
            self.complete(before, Some(&key))?;
        } else if key != NameKey::apex() && self.unread_until.is_none() {
            self.apex(&Name::default());
        }
        let name = Name::default();
        self.waiting = Some(Complete {
            key,
            name,
            problems,
        });
        Ok(())
    }

    fn finish(&mut self) -> Result<(), CheckError> {
        match self.waiting.take() {
            Some(last) => self.complete(last, Some(&NameKey::apex()))?,
            None if self.unread_until.is_some() => {}
            None => self.apex(&Name::default()),
        }
        self.verify_batch();
        while let Some((device_id, slot, _)) = self.listed.next()? {
            self.not_published(device_id, slot);
        }
        Ok(())
    }

    /// Goes on behind names that cannot be read.
    fn pass_over(&mut self, unread: &Unread) -> Result<(), CheckError> {
        if let Some(before) = self.waiting.take() {
            self.complete(before, None)?;
        }
        // What was found at the names before comes first.
        self.verify_batch();
        while let Some((device_id, slot, _)) = self.listed.next_before(unread.from)? {
            self.not_published(device_id, slot);
        }
        let mut listed = 0;
        while let Some(_unknown) = match unread.until {
            Some(until) => self.listed.next_before(until)?,
            None => self.listed.next()?,
        } {
            listed += 1;
        }
        let from = match unread.from.unpack() {
            Some((device_id, Some(slot))) => NameKey::device(device_id, slot),
            _ => NameKey::apex(),
        };
        self.findings.push(Finding {
            owner: from.presentation(self.apex),
            problem: Problem::Unread {
                page: unread.page,
                names: unread.names,
                listed,
            },
        });
        self.unread_until = Some(unread.until);
        Ok(())
    }

    /// Whether names that could not be read may lie behind this one, which is not a device's.
    fn is_among_unread(&self, key: &NameKey) -> bool {
        self.unread_until.is_some_and(|until| {
            until.is_none_or(|until| Position::of_name(key).key < *until.as_octets())
        })
    }

    /// Looks at a name whose records are known; so is the next name, where one is given and nothing
    /// that cannot be read lies between.
    fn complete(
        &mut self,
        mut complete: Complete,
        next: Option<&NameKey>,
    ) -> Result<(), CheckError> {
        let next = next.filter(|_| !self.is_among_unread(&complete.key));
        if complete.key == NameKey::apex() {
            self.apex(&complete.name);
        }
        self.projection(&mut complete)?;
        chain(self.apex, &mut complete, next);
        self.batch.push(complete);
        if self.batch.len() >= BATCH_NAMES {
            self.verify_batch();
        }
        Ok(())
    }

    fn apex(&mut self, name: &Name) {
        for record_type in [TYPE_SOA, TYPE_NS, TYPE_DNSKEY] {
            if !name.rrsets.contains_key(&record_type) {
                self.findings.push(Finding {
                    owner: NameKey::apex().presentation(self.apex),
                    problem: Problem::ApexIncomplete(record_type),
                });
            }
        }
        let keys = name.rrsets.get(&TYPE_DNSKEY);
        let rdatas = keys.map_or(&[][..], |rrset| &rrset.rdatas);
        let keys = rdatas.iter();
        self.judge.keys = keys
            .filter_map(|rdata| PublicKey::from_rdata(rdata))
            .collect();
    }

    /// Set equality with the database.
    fn projection(&mut self, complete: &mut Complete) -> Result<(), CheckError> {
        let (device_id, slot) = match credential(&complete.key) {
            Credential::None => return Ok(()),
            Credential::Stray => {
                complete.problems.push(Problem::StrayDeviceName);
                return Ok(());
            }
            Credential::Name(device_id, slot) => (device_id, slot),
        };
        let packed = PackedKey::new(device_id, slot);
        while let Some((device_id, slot, _)) = self.listed.next_before(packed)? {
            // What was found at the names before comes first.
            self.verify_batch();
            self.not_published(device_id, slot);
        }
        match self.listed.next_at(packed)? {
            None => complete.problems.push(Problem::NotListed),
            Some((.., publication)) if publishes(&complete.name, publication) => {}
            Some(_) => complete.problems.push(Problem::OtherPublication),
        }
        Ok(())
    }

    fn not_published(&mut self, device_id: DeviceId, slot: Slot) {
        self.findings.push(Finding {
            owner: NameKey::device(device_id, slot).presentation(self.apex),
            problem: Problem::NotPublished,
        });
    }

    /// Verifies the signatures of the names that wait, on all cores.
    fn verify_batch(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        let judge = &self.judge;
        let parts = cores::map_parts(&batch, |part| {
            part.iter()
                .map(|complete| judge.problems(&complete.key, &complete.name))
                .collect::<Vec<_>>()
        });
        for (complete, signatures) in batch.iter().zip(parts.into_iter().flatten()) {
            let owner = || complete.key.presentation(self.apex);
            let problems = complete.problems.iter().cloned().chain(signatures);
            let found = problems.map(|problem| Finding {
                owner: owner(),
                problem,
            });
            self.findings.extend(found);
        }
    }
}

/// The name in the zone of uncompressed wire octets.
fn key_of(owner: &[u8], apex: &ZoneName) -> Option<NameKey> {
    let (name, rest) = split_name(owner)?;
    let below = name.strip_suffix(apex.wire())?;
    if !rest.is_empty() {
        return None;
    }
    let mut labels = Vec::new();
    let mut octets = below;
    while let [length, after @ ..] = octets {
        let (label, after) = after.split_at_checked(usize::from(*length))?;
        labels.push(label);
        octets = after;
    }
    // Labels that merely end in the octets of the apex would not come out even.
    let key = NameKey::from_labels(labels.iter().copied());
    (key.wire(apex) == owner).then_some(key)
}
