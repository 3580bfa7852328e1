//! The zone as records, held against the database: the check that no usual tool makes.
//!
//! It reads octets only, as an outside judge would: it shares the reading of names with the rest
//! of the crate, but not the making of RRsets, bitmaps or next names. Used on a dump, on a transfer
//! or on the version being served.

use std::collections::{BTreeMap, BTreeSet};

use iot_identity::{
    CertRecord, DeviceId, InactiveText, PackedKey, Publication, Slot, TlsaRecord, ZoneName,
};
use thiserror::Error;

use crate::dump::Record;
use crate::key::PublicKey;
use crate::name::NameKey;
use crate::nsec;
use crate::presentation::{self, split_name};
use crate::record_type::{
    TYPE_CERT, TYPE_DNSKEY, TYPE_NS, TYPE_NSEC, TYPE_RRSIG, TYPE_SOA, TYPE_TLSA, TYPE_TXT,
    is_key_type, mnemonic,
};
use crate::rrsig::{Fields, signed_octets, verifies};
use crate::serial;

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

/// Checks the records of a zone against what the database lists: every credential that is active or
/// inactive, in any order. Returns everything that is wrong, in canonical order of names.
pub fn check(
    apex: &ZoneName,
    records: impl IntoIterator<Item = Record>,
    listed: impl IntoIterator<Item = (DeviceId, Slot, Publication)>,
    now: u64,
) -> Vec<Finding> {
    let mut check = Check {
        apex,
        now,
        names: BTreeMap::new(),
        keys: Vec::new(),
        findings: Vec::new(),
    };
    check.sort(records);
    check.apex();
    check.projection(listed);
    check.chain();
    check.signatures();
    check.findings
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

struct Check<'a> {
    apex: &'a ZoneName,
    now: u64,
    names: BTreeMap<NameKey, Name>,
    keys: Vec<PublicKey>,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn find(&mut self, key: &NameKey, problem: Problem) {
        self.findings.push(Finding {
            owner: key.presentation(self.apex),
            problem,
        });
    }

    fn sort(&mut self, records: impl IntoIterator<Item = Record>) {
        for record in records {
            let Some(key) = key_of(&record.owner, self.apex) else {
                self.findings.push(Finding {
                    owner: presentation::name(&record.owner),
                    problem: Problem::OutOfZone,
                });
                continue;
            };
            let name = self.names.entry(key).or_default();
            if record.record_type == TYPE_RRSIG {
                name.signatures.push(record);
            } else {
                let rrset = name.rrsets.entry(record.record_type).or_default();
                rrset.ttls_secs.insert(record.ttl_secs);
                rrset.rdatas.push(record.rdata);
            }
        }
    }

    fn apex(&mut self) {
        let apex = NameKey::apex();
        let rrsets = self.names.get(&apex).map(|name| &name.rrsets);
        let has = |record_type: &u16| rrsets.is_some_and(|rrsets| rrsets.contains_key(record_type));
        let missing: Vec<u16> = [TYPE_SOA, TYPE_NS, TYPE_DNSKEY]
            .into_iter()
            .filter(|record_type| !has(record_type))
            .collect();
        let keys = rrsets.and_then(|rrsets| rrsets.get(&TYPE_DNSKEY));
        self.keys = keys.map_or_else(Vec::new, |rrset| {
            let keys = rrset.rdatas.iter();
            keys.filter_map(|rdata| PublicKey::from_rdata(rdata))
                .collect()
        });
        for record_type in missing {
            self.find(&apex, Problem::ApexIncomplete(record_type));
        }
    }

    /// Set equality with the database.
    fn projection(&mut self, listed: impl IntoIterator<Item = (DeviceId, Slot, Publication)>) {
        let mut listed: BTreeMap<PackedKey, Publication> = listed
            .into_iter()
            .map(|(device_id, slot, publication)| (PackedKey::new(device_id, slot), publication))
            .filter(|(_, publication)| *publication != Publication::Absent)
            .collect();
        let mut problems = Vec::new();
        for (key, name) in &self.names {
            match credential(key) {
                Credential::None => {}
                Credential::Stray => problems.push((key.clone(), Problem::StrayDeviceName)),
                Credential::Name(device_id, slot) => {
                    match listed.remove(&PackedKey::new(device_id, slot)) {
                        None => problems.push((key.clone(), Problem::NotListed)),
                        Some(publication) if publishes(name, publication) => {}
                        Some(_) => problems.push((key.clone(), Problem::OtherPublication)),
                    }
                }
            }
        }
        for packed in listed.into_keys() {
            if let Some((device_id, Some(slot))) = packed.unpack() {
                problems.push((NameKey::device(device_id, slot), Problem::NotPublished));
            }
        }
        for (key, problem) in problems {
            self.find(&key, problem);
        }
    }

    /// Every name has one NSEC, which lists its types and points to the next; the last to the apex.
    fn chain(&mut self) {
        let mut problems = Vec::new();
        let followers = self.names.keys().skip(1).cloned().chain([NameKey::apex()]);
        for ((key, name), next) in self.names.iter().zip(followers) {
            let nsecs: &[Vec<u8>] = name
                .rrsets
                .get(&TYPE_NSEC)
                .map_or(&[], |rrset| &rrset.rdatas);
            let [nsec] = nsecs else {
                problems.push((key.clone(), Problem::NsecCount(nsecs.len())));
                continue;
            };
            let Some((points_to, bitmap)) = split_name(nsec) else {
                problems.push((key.clone(), Problem::Bitmap));
                continue;
            };
            if points_to != next.wire(self.apex) {
                let points_to = presentation::name(points_to);
                problems.push((key.clone(), Problem::BrokenChain(points_to)));
            }
            let mut types: BTreeSet<u16> = name.rrsets.keys().copied().collect();
            if !name.signatures.is_empty() {
                types.insert(TYPE_RRSIG);
            }
            if nsec::parse_bitmap(bitmap) != Some(types.into_iter().collect()) {
                problems.push((key.clone(), Problem::Bitmap));
            }
        }
        for (key, problem) in problems {
            self.find(&key, problem);
        }
    }

    fn signatures(&mut self) {
        let mut problems = Vec::new();
        for (key, name) in &self.names {
            let mut covered: BTreeMap<u16, u32> = BTreeMap::new();
            for record in &name.signatures {
                let Some(signature) = Rrsig::parse(&record.rdata) else {
                    problems.push((key.clone(), Problem::MalformedSignature));
                    continue;
                };
                *covered.entry(signature.covered).or_default() += 1;
                if let Err(problem) = self.check_signature(key, name, &signature) {
                    problems.push((key.clone(), problem));
                }
            }
            for (record_type, rrset) in &name.rrsets {
                let distinct: BTreeSet<&Vec<u8>> = rrset.rdatas.iter().collect();
                if rrset.ttls_secs.len() != 1 || distinct.len() != rrset.rdatas.len() {
                    problems.push((key.clone(), Problem::NotASet(*record_type)));
                }
                match covered.get(record_type) {
                    None => problems.push((key.clone(), Problem::Unsigned(*record_type))),
                    Some(1) => {}
                    Some(_) => problems.push((key.clone(), Problem::SignedTwice(*record_type))),
                }
            }
        }
        for (key, problem) in problems {
            self.find(&key, problem);
        }
    }

    fn check_signature(
        &self,
        key: &NameKey,
        name: &Name,
        signature: &Rrsig<'_>,
    ) -> Result<(), Problem> {
        let covered = signature.covered;
        let Some(rrset) = name.rrsets.get(&covered) else {
            return Err(Problem::OrphanSignature(covered));
        };
        let flags: u16 = if is_key_type(covered) { 257 } else { 256 };
        let public = self.keys.iter().find(|public| {
            public.tag() == signature.key_tag && public.rdata().starts_with(&flags.to_be_bytes())
        });
        let public = public.ok_or(Problem::UnknownKey(covered))?;
        let now = serial::wrapped(self.now);
        if serial::is_after(signature.inception, now) || serial::is_after(now, signature.expiration)
        {
            return Err(Problem::NotInTime(covered));
        }
        let message = signed_octets(
            signature.prefix,
            &key.wire(self.apex),
            covered,
            signature.ttl_secs,
            rrset.rdatas.iter().map(Vec::as_slice),
        );
        let labels = self.apex.label_count() + key.label_count();
        let fits = signature.signer == self.apex.wire()
            && signature.label_count == labels
            && rrset.ttls_secs.contains(&signature.ttl_secs);
        if fits && verifies(public, &message, signature.octets) {
            Ok(())
        } else {
            Err(Problem::BadSignature(covered))
        }
    }
}

/// RRSIG RDATA, read.
struct Rrsig<'a> {
    covered: u16,
    label_count: u8,
    ttl_secs: u32,
    expiration: u32,
    inception: u32,
    key_tag: u16,
    signer: &'a [u8],
    /// Everything before the signature.
    prefix: &'a [u8],
    octets: &'a [u8],
}

impl<'a> Rrsig<'a> {
    fn parse(rdata: &'a [u8]) -> Option<Self> {
        let (fixed, rest) = rdata.split_at_checked(Fields::FIXED_OCTETS)?;
        let (signer, octets) = split_name(rest)?;
        let number = |at: usize| Some(u32::from_be_bytes(fixed[at..at + 4].try_into().ok()?));
        Some(Self {
            covered: u16::from_be_bytes([fixed[0], fixed[1]]),
            label_count: fixed[3],
            ttl_secs: number(4)?,
            expiration: number(8)?,
            inception: number(12)?,
            key_tag: u16::from_be_bytes([fixed[16], fixed[17]]),
            signer,
            prefix: &rdata[..rdata.len() - octets.len()],
            octets,
        })
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

enum Credential {
    None,
    Stray,
    Name(DeviceId, Slot),
}

fn credential(key: &NameKey) -> Credential {
    let labels = key.labels();
    let text = |label: &Vec<u8>| String::from_utf8_lossy(label).into_owned();
    let device_id = |label: &Vec<u8>| DeviceId::parse(&text(label)).ok();
    if let [slot, id] = labels.as_slice()
        && let (Ok(slot), Some(device_id)) = (Slot::parse(&text(slot)), device_id(id))
    {
        return Credential::Name(device_id, slot);
    }
    if labels.iter().any(|label| device_id(label).is_some()) {
        Credential::Stray
    } else {
        Credential::None
    }
}

/// Whether a name holds exactly the records of a publication, beside NSEC.
fn publishes(name: &Name, publication: Publication) -> bool {
    let one = |record_type: u16| match name.rrsets.get(&record_type) {
        Some(rrset) if rrset.rdatas.len() == 1 => Some(rrset.rdatas[0].as_slice()),
        _ => None,
    };
    let types: Vec<u16> = name
        .rrsets
        .keys()
        .copied()
        .filter(|record_type| *record_type != TYPE_NSEC)
        .collect();
    match publication {
        Publication::Active(fingerprint) => {
            types == [TYPE_CERT, TYPE_TLSA]
                && one(TYPE_CERT) == Some(&CertRecord { fingerprint }.rdata())
                && one(TYPE_TLSA) == Some(&TlsaRecord { fingerprint }.rdata())
        }
        Publication::Inactive => {
            types == [TYPE_TXT] && one(TYPE_TXT) == Some(&InactiveText.rdata())
        }
        Publication::Absent => false,
    }
}
