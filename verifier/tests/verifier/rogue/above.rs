//! The zones above the rogue's: root and top-level domain, whose keys it holds as well.

use std::collections::BTreeMap;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::Record;
use iot_verifier::{
    Channel, Evidence, Known, Lookup, RootAnchor, TrustAnchor, Verdict, Wanted, validate,
};
use ring::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, digest};

use super::key::{KSK, Key, ZSK};
use super::records::{Signing, name, nsec, raw};
use super::{
    CERT, Case, DNSKEY, Failure, NOW, NS, NSEC, RRSIG, SOA, Sections, World, ZONE, encode, name_of,
    owner, policy_at, question,
};

pub(crate) const ROOT: &str = ".";
pub(crate) const TLD: &str = "example.";
pub(crate) const DS: u16 = 43;
pub(crate) const NSEC3: u16 = 50;
/// Signatures above the registry's zone live for weeks.
const LIFE_SECS: u64 = 21 * 86_400;

/// What is answered about each name and type.
pub(crate) type Answers = BTreeMap<(&'static str, u16), Sections>;

/// Keys of the zones above.
pub(crate) struct Above {
    pub(crate) world: World,
    pub(crate) root: [Key; 2],
    pub(crate) tld: [Key; 2],
}

impl Above {
    /// The root with RSA, as it is.
    pub(crate) fn new() -> Self {
        Self::with_algorithms(8, 13)
    }

    pub(crate) fn with_algorithms(root: u8, tld: u8) -> Self {
        Self {
            world: World::new(),
            root: [Key::of(root, KSK), Key::of(root, ZSK)],
            tld: [Key::of(tld, KSK), Key::of(tld, ZSK)],
        }
    }

    /// The root's key, as it is.
    pub(crate) fn anchor(&self) -> TrustAnchor {
        use base64::prelude::*;
        let rdata = self.root[0].rdata();
        let text = format!(
            ". DNSKEY 257 3 {} {}",
            rdata[3],
            BASE64_STANDARD.encode(&rdata[4..])
        );
        TrustAnchor::Root {
            root: RootAnchor::parse(&text).unwrap(),
            zone: owner().zone().clone(),
        }
    }

    pub(crate) fn by<'a>(key: &'a Key, signer: &'a str) -> Signing<'a> {
        Signing {
            expiration: NOW + LIFE_SECS,
            algorithm: key.algorithm,
            ..Signing::new(key, signer, NOW)
        }
    }

    /// Signed as the root signs.
    pub(crate) fn by_root(&self, rrset: Vec<Record>) -> Vec<Record> {
        Self::by(&self.root[1], ROOT).sign(rrset)
    }

    /// Signed as the top-level domain signs.
    pub(crate) fn by_tld(&self, rrset: Vec<Record>) -> Vec<Record> {
        Self::by(&self.tld[1], TLD).sign(rrset)
    }

    pub(crate) fn root_keys(&self) -> Vec<Record> {
        self.root
            .iter()
            .map(|key| raw(ROOT, DNSKEY, &key.rdata()))
            .collect()
    }

    pub(crate) fn tld_keys(&self) -> Vec<Record> {
        self.tld
            .iter()
            .map(|key| raw(TLD, DNSKEY, &key.rdata()))
            .collect()
    }

    /// Answers of an honest resolver about an active device.
    pub(crate) fn honest(&self) -> Answers {
        self.around(&self.world.active())
    }

    /// The chain of honest answers around what the registry's zone answers.
    pub(crate) fn around(&self, case: &Case) -> Answers {
        let positive = Sections::positive;
        let root_keys = Self::by(&self.root[0], ROOT).sign(self.root_keys());
        let tld_keys = Self::by(&self.tld[0], TLD).sign(self.tld_keys());
        let tld_ds = self.by_root(vec![ds(TLD, &self.tld[0], 2)]);
        let zone_ds = self.by_tld(vec![ds(ZONE, &self.world.ksk, 2)]);
        Answers::from([
            ((ROOT, DNSKEY), positive(root_keys)),
            ((TLD, DS), positive(tld_ds)),
            ((TLD, DNSKEY), positive(tld_keys)),
            ((ZONE, DS), positive(zone_ds)),
            ((ZONE, DNSKEY), case.keys.clone()),
            ((super::OWNER, CERT), case.cert.clone()),
        ])
    }

    /// What is found out with these answers.
    pub(crate) fn judge(&self, answers: &Answers) -> Result<Verdict, Failure> {
        let evidence = gather_chain(answers, Known::default())?;
        Ok(validate(&evidence, &self.anchor(), &policy_at(NOW), NOW)?)
    }
}

/// A DS record for a key, its digest made here of what hickory encodes. Digest types 1, 2 and 4.
pub(crate) fn ds(owner: &str, key: &Key, digest_type: u8) -> Record {
    let algorithm: &Algorithm = match digest_type {
        1 => &SHA1_FOR_LEGACY_USE_ONLY,
        4 => &SHA384,
        _ => &SHA256,
    };
    let digested = [name_of(owner).wire(), &key.rdata()].concat();
    let mut rdata = key.tag().to_be_bytes().to_vec();
    rdata.extend_from_slice(&[key.algorithm, digest_type]);
    rdata.extend_from_slice(digest(algorithm, &digested).as_ref());
    raw(owner, DS, &rdata)
}

/// NODATA or NXDOMAIN with these records, already signed.
pub(crate) fn denied(code: ResponseCode, authority: Vec<Record>) -> Sections {
    Sections::negative(code, authority)
}

/// The root's NSEC of a name that is there.
pub(crate) fn root_nsec(owner: &str, next: &str, types: &[u16]) -> Record {
    nsec(owner, next, &[types, &[RRSIG, NSEC]].concat())
}

/// Types at the root itself.
pub(crate) const ROOT_TYPES: [u16; 3] = [NS, SOA, DNSKEY];

/// An NSEC3 record of a zone: between two hashes, by their first digit, or at and behind a name's own.
pub(crate) struct Hashed<'a> {
    pub(crate) zone: &'a str,
    pub(crate) iterations: u16,
    pub(crate) salt: &'a [u8],
    pub(crate) flags: u8,
    pub(crate) types: &'a [u16],
}

impl Hashed<'_> {
    /// The hash of a name by hickory.
    pub(crate) fn hash(&self, text: &str) -> [u8; 20] {
        use hickory_proto::dnssec::Nsec3HashAlgorithm;
        let hash = Nsec3HashAlgorithm::SHA1.hash(self.salt, &name(text), self.iterations);
        hash.unwrap().as_ref().try_into().unwrap()
    }

    /// The record of exactly this name.
    pub(crate) fn at(&self, text: &str) -> Record {
        let hash = self.hash(text);
        self.between(hash, plus(hash, 1))
    }

    /// The record that covers this name and hardly anything else.
    pub(crate) fn around(&self, text: &str) -> Record {
        let hash = self.hash(text);
        self.between(plus(hash, -1), plus(hash, 1))
    }

    pub(crate) fn between(&self, owner: [u8; 20], next: [u8; 20]) -> Record {
        let mut rdata = vec![1, self.flags];
        rdata.extend_from_slice(&self.iterations.to_be_bytes());
        rdata.push(self.salt.len() as u8);
        rdata.extend_from_slice(self.salt);
        rdata.push(20);
        rdata.extend_from_slice(&next);
        rdata.extend_from_slice(&bit_map(self.types));
        raw(
            &format!("{}.{}", base32hex(&owner), self.zone),
            NSEC3,
            &rdata,
        )
    }
}

/// A hash plus one or minus one in its highest octet: far enough from all others here.
fn plus(mut hash: [u8; 20], step: i8) -> [u8; 20] {
    hash[0] = hash[0].wrapping_add_signed(step);
    hash
}

fn bit_map(types: &[u16]) -> Vec<u8> {
    let mut bits = [0_u8; 32];
    for record_type in types {
        bits[usize::from(record_type / 8)] |= 0x80 >> (record_type % 8);
    }
    let length = bits
        .iter()
        .rposition(|octet| *octet != 0)
        .map_or(0, |at| at + 1);
    match length {
        0 => Vec::new(),
        length => [&[0, length as u8], &bits[..length]].concat(),
    }
}

fn base32hex(octets: &[u8; 20]) -> String {
    let mut text = String::new();
    for five in octets.chunks(5) {
        let bits = five
            .iter()
            .fold(0_u64, |bits, octet| bits << 8 | u64::from(*octet));
        for digit in (0..8).rev() {
            text.push(char::from_digit((bits >> (5 * digit) & 31) as u32, 32).unwrap());
        }
    }
    text
}

/// The evidence that these answers are.
pub(crate) fn gather_chain(answers: &Answers, known: Known) -> Result<Evidence, Failure> {
    let random = std::array::from_fn(|index| index as u8);
    let mut lookup = Lookup::from_root(owner(), Wanted::Cert, known, random);
    while let Some(query) = lookup.poll_query() {
        let (id, owner, record_type) = question(&query.octets);
        let found = answers
            .iter()
            .find(|((name, found), _)| *name == owner && *found == record_type);
        let (_, sections) = found.unwrap_or_else(|| panic!("nobody knows {owner} {record_type}"));
        let octets = encode(id, &owner, record_type, sections);
        let handled = lookup.handle_response(&octets, Channel::Stream, NOW);
        handled.map_err(Failure::Lookup)?;
    }
    Ok(lookup.finish().unwrap())
}
