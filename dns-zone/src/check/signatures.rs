//! The signatures at a name, held against its records and the published keys.

use std::collections::{BTreeMap, BTreeSet};

use iot_identity::ZoneName;

use super::{Name, Problem};
use crate::key::PublicKey;
use crate::name::NameKey;
use crate::presentation::split_name;
use crate::record_type::is_key_type;
use crate::rrsig::{Fields, signed_octets, verifies};
use crate::serial;

/// What signatures are held against.
pub(super) struct Judge<'a> {
    pub(super) apex: &'a ZoneName,
    pub(super) now: u64,
    /// The keys in the zone's DNSKEY RRset.
    pub(super) keys: Vec<PublicKey>,
}

impl Judge<'_> {
    /// What is wrong with the signatures at a name, and with the sets that they cover.
    pub(super) fn problems(&self, key: &NameKey, name: &Name) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut covered: BTreeMap<u16, u32> = BTreeMap::new();
        for record in &name.signatures {
            let Some(signature) = Rrsig::parse(&record.rdata) else {
                problems.push(Problem::MalformedSignature);
                continue;
            };
            *covered.entry(signature.covered).or_default() += 1;
            problems.extend(self.check_signature(key, name, &signature).err());
        }
        for (record_type, rrset) in &name.rrsets {
            let distinct: BTreeSet<&Vec<u8>> = rrset.rdatas.iter().collect();
            if rrset.ttls_secs.len() != 1 || distinct.len() != rrset.rdatas.len() {
                problems.push(Problem::NotASet(*record_type));
            }
            match covered.get(record_type) {
                None => problems.push(Problem::Unsigned(*record_type)),
                Some(1) => {}
                Some(_) => problems.push(Problem::SignedTwice(*record_type)),
            }
        }
        problems
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
