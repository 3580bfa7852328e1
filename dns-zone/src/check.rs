//! The zone as records, held against the database: the check that no usual tool makes.
//!
//! It reads octets only, as an outside judge would: it shares the reading of names with the rest
//! of the crate, but not the making of RRsets, bitmaps or next names. Used on a dump, on a transfer
//! or on the version being served. Both sides come as sorted streams, so ten million devices take
//! no more memory than ten thousand; signatures are verified on all cores.

mod projection;
mod signatures;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as StdError;

use iot_identity::{DeviceId, PackedKey, Publication, Slot, ZoneName};
use thiserror::Error;

use crate::cores;
use crate::dump::Record;
use crate::key::PublicKey;
use crate::name::NameKey;
use crate::nsec;
use crate::presentation::{self, split_name};
use crate::record_type::{TYPE_DNSKEY, TYPE_NS, TYPE_NSEC, TYPE_RRSIG, TYPE_SOA, mnemonic};

use projection::{Credential, Projection, credential, publishes};
use signatures::Judge;

/// One thing that is wrong with a zone.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{owner}: {problem}")]
pub struct Finding {
    /// Presentation form of the name.
    pub owner: String,
    /// What is wrong there.
    pub problem: Problem,
}

/// What can be wrong at a name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// The name is not in the zone.
    #[error("the name is not in the zone")]
    OutOfZone,
    /// The name comes before the one in front of it in canonical order, or again.
    #[error("the name is not in its place in the order of names")]
    OutOfOrder,
    /// The apex lacks a record set that every zone has.
    #[error("the apex has no {}", mnemonic(*.0))]
    ApexIncomplete(u16),
    /// The database lists a credential that is not published.
    #[error("the database lists this credential, the zone does not have it")]
    NotPublished,
    /// A credential is published that the database does not list.
    #[error("the zone has this credential, the database does not list it")]
    NotListed,
    /// A credential is published differently from what the database says.
    #[error("the records are not those that the database asks for")]
    OtherPublication,
    /// A name below the zone looks like a device's and is not one.
    #[error("the name contains a device id but is not a credential's name")]
    StrayDeviceName,
    /// Records of one set differ in TTL, or the set holds a record twice.
    #[error("the {} records are not a set", mnemonic(*.0))]
    NotASet(u16),
    /// An RRset without a signature.
    #[error("{} is not signed", mnemonic(*.0))]
    Unsigned(u16),
    /// An RRset with more than one signature of the active key.
    #[error("{} has more than one signature", mnemonic(*.0))]
    SignedTwice(u16),
    /// A signature over an RRset that is not there.
    #[error("a signature covers {}, which is not there", mnemonic(*.0))]
    OrphanSignature(u16),
    /// A signature by a key that is not published, or not by the one for this type.
    #[error("the signature over {} names a key that is not published for it", mnemonic(*.0))]
    UnknownKey(u16),
    /// A signature that does not verify.
    #[error("the signature over {} does not verify", mnemonic(*.0))]
    BadSignature(u16),
    /// A signature outside of its time.
    #[error("the signature over {} is not valid now", mnemonic(*.0))]
    NotInTime(u16),
    /// RRSIG RDATA that cannot be read.
    #[error("an RRSIG record is malformed")]
    MalformedSignature,
    /// A name without NSEC, or with several.
    #[error("the name has {0} NSEC records")]
    NsecCount(usize),
    /// An NSEC that names another next name than the zone has.
    #[error("the NSEC record points to {0}")]
    BrokenChain(String),
    /// An NSEC whose bitmap is not the list of types at the name.
    #[error("the NSEC record does not list the types that are there")]
    Bitmap,
}

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
    let mut check = Check {
        apex,
        judge: Judge {
            apex,
            now,
            keys: Vec::new(),
        },
        last: None,
        listed: Projection::of(listed.into_iter()),
        waiting: None,
        batch: Vec::new(),
        findings: Vec::new(),
    };
    for record in records {
        let record = record.map_err(|error| CheckError::Records(error.into()))?;
        check.take(record)?;
        if check.findings.len() >= FINDINGS_MAX {
            check.findings.truncate(FINDINGS_MAX);
            return Ok(check.findings);
        }
    }
    check.finish()?;
    check.findings.truncate(FINDINGS_MAX);
    Ok(check.findings)
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
    batch: Vec<Complete>,
    findings: Vec<Finding>,
}

impl<I, L> Check<'_, I>
where
    I: Iterator<Item = Result<Listed, L>>,
    L: Into<Box<dyn StdError + Send + Sync>>,
{
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
            self.complete(before, &key)?;
        } else if key != NameKey::apex() {
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
            Some(last) => self.complete(last, &NameKey::apex())?,
            None => self.apex(&Name::default()),
        }
        self.verify_batch();
        while let Some((device_id, slot, _)) = self.listed.next()? {
            self.not_published(device_id, slot);
        }
        Ok(())
    }

    /// Looks at a name whose records and whose next name are known.
    fn complete(&mut self, mut complete: Complete, next: &NameKey) -> Result<(), CheckError> {
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

/// Every name has one NSEC, which lists its types and points to the next; the last to the apex.
fn chain(apex: &ZoneName, complete: &mut Complete, next: &NameKey) {
    let Complete { name, problems, .. } = complete;
    let nsecs = name.rrsets.get(&TYPE_NSEC);
    let nsecs: &[Vec<u8>] = nsecs.map_or(&[], |rrset| &rrset.rdatas);
    let [nsec] = nsecs else {
        problems.push(Problem::NsecCount(nsecs.len()));
        return;
    };
    let Some((points_to, bitmap)) = split_name(nsec) else {
        problems.push(Problem::Bitmap);
        return;
    };
    if points_to != next.wire(apex) {
        let points_to = presentation::name(points_to);
        problems.push(Problem::BrokenChain(points_to));
    }
    let mut types: BTreeSet<u16> = name.rrsets.keys().copied().collect();
    if !name.signatures.is_empty() {
        types.insert(TYPE_RRSIG);
    }
    if nsec::parse_bitmap(bitmap) != Some(types.into_iter().collect()) {
        problems.push(Problem::Bitmap);
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
