//! The zone's keys: DNSKEY records, and how the anchor authenticates them (RFC 4034 §2, §5; RFC
//! 4035 §5.2).

use thiserror::Error;

use crate::anchor::ZoneAnchor;
use crate::error::{Bogus, ValidationError};
use crate::evidence::Answer;
use crate::limits::{Budget, KEY_RECORDS_MAX, KEYS_MAX, KEYS_PER_TAG_MAX, Limit};
use crate::message::record_type;
use crate::name::Name;
use crate::policy::Policy;
use crate::public_key::{Algorithms, PublicKey};
use crate::rrset::answered_rrset;
use crate::signature::{CheckedSignature, SignatureFault, Terms, verify_rrset};
use crate::trusted_key::TrustedKey;

const FLAG_ZONE: u16 = 0x0100;
const FLAG_REVOKE: u16 = 0x0080;

/// Why a DNSKEY record is no key to verify with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum KeyFlaw {
    /// Fewer octets than the fixed fields.
    #[error("is malformed")]
    Malformed,
    /// The ZONE flag is not set.
    #[error("is not a zone key")]
    NotZoneKey,
    /// The REVOKE flag is set (RFC 5011 §2.1).
    #[error("is revoked")]
    Revoked,
    /// Another protocol than 3.
    #[error("is not for DNSSEC (its protocol is not 3)")]
    Protocol,
    /// Another algorithm than 13; above the registry's zone, than 8, 10, 13, 14 and 15.
    #[error("is of algorithm {algorithm}, which is not accepted here")]
    Algorithm {
        /// The algorithm number.
        algorithm: u8,
    },
    /// The public key is none of its algorithm.
    #[error("has a public key of {octets} octets, which its algorithm does not have")]
    PublicKeyLength {
        /// Octets found.
        octets: usize,
    },
}

/// What is wrong with a zone's DNSKEY RRset.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyFault {
    /// The answer has no DNSKEY record.
    #[error("the zone has no DNSKEY records")]
    Missing,
    /// One record twice.
    #[error("the DNSKEY RRset has one record twice")]
    Duplicate,
    /// The anchor names none of the keys.
    #[error("none of the zone's keys is the one that the trust anchor names")]
    NotAnchored,
    /// The anchor names a key that cannot be used.
    #[error("the key that the trust anchor names {0}")]
    AnchoredKeyUnusable(KeyFlaw),
    /// The RRset is signed, but not by a key that the anchor names.
    #[error("the DNSKEY RRset is not signed by the key that the trust anchor names")]
    NotSignedByAnchoredKey,
    /// Keys that were authenticated for another zone or by another anchor.
    #[error("the zone's keys were authenticated by another trust anchor")]
    OtherAnchor,
}

/// A key that can be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ZoneKey {
    pub(crate) key_tag: u16,
    pub(crate) algorithm: u8,
    pub(crate) public_key: PublicKey,
}

impl ZoneKey {
    /// Reads RDATA (RFC 4034 §2.1) of a zone that may use these algorithms.
    pub(crate) fn parse(rdata: &[u8], algorithms: Algorithms) -> Result<Self, KeyFlaw> {
        let (fields, public_key) = rdata.split_at_checked(4).ok_or(KeyFlaw::Malformed)?;
        let flags = u16::from_be_bytes([fields[0], fields[1]]);
        let (protocol, algorithm) = (fields[2], fields[3]);
        if flags & FLAG_ZONE == 0 {
            return Err(KeyFlaw::NotZoneKey);
        }
        if flags & FLAG_REVOKE != 0 {
            return Err(KeyFlaw::Revoked);
        }
        if protocol != 3 {
            return Err(KeyFlaw::Protocol);
        }
        if !algorithms.has(algorithm) {
            return Err(KeyFlaw::Algorithm { algorithm });
        }
        Ok(Self {
            key_tag: key_tag(rdata),
            algorithm,
            public_key: PublicKey::parse(algorithm, public_key)?,
        })
    }
}

/// Key tag of a DNSKEY's RDATA (RFC 4034 appendix B).
pub(crate) fn key_tag(rdata: &[u8]) -> u16 {
    let sum: u32 = rdata
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u32::from))
        .fold(0, u32::wrapping_add);
    // At most 65,535 octets: the sum fits.
    (sum + (sum >> 16)) as u16
}

/// Keys to verify with, and key tags of those that cannot be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyRing {
    keys: Vec<ZoneKey>,
    unusable: Vec<(u16, KeyFlaw)>,
}

impl KeyRing {
    fn from_records(records: &[&[u8]], algorithms: Algorithms) -> Result<Self, Limit> {
        let mut ring = Self::default();
        for rdata in records {
            match ZoneKey::parse(rdata, algorithms) {
                Ok(key) => ring.keys.push(key),
                Err(flaw) => ring.unusable.push((key_tag(rdata), flaw)),
            }
        }
        if ring.keys.len() > KEYS_MAX {
            return Err(Limit::Keys);
        }
        for key in &ring.keys {
            if ring.with_tag(key.key_tag).count() > KEYS_PER_TAG_MAX {
                return Err(Limit::KeysPerTag);
            }
        }
        Ok(ring)
    }

    pub(crate) fn with_tag(&self, key_tag: u16) -> impl Iterator<Item = &ZoneKey> {
        self.keys.iter().filter(move |key| key.key_tag == key_tag)
    }

    /// Why the key with this tag cannot be used, if there is such a key.
    pub(crate) fn flaw(&self, key_tag: u16) -> Option<KeyFlaw> {
        let found = self.unusable.iter().find(|(tag, _)| *tag == key_tag);
        found.map(|(_, flaw)| *flaw)
    }
}

/// A zone's keys, authenticated by the anchor. Only [`authenticate_keys`] makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneKeys {
    ring: KeyRing,
    /// Which anchor vouched for them.
    anchor_digest: [u8; 32],
    signature: CheckedSignature,
    keep_until: u64,
}

impl ZoneKeys {
    /// The signature over the DNSKEY RRset by the key that the anchor names.
    pub fn signature(&self) -> &CheckedSignature {
        &self.signature
    }

    /// Until when they may be kept, in Unix seconds: their TTL, and never beyond their signature.
    pub fn keep_until(&self) -> u64 {
        self.keep_until
    }

    pub(crate) fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// Checks keys of an earlier lookup again: same anchor, signature in time.
    pub(crate) fn recheck(
        &self,
        anchor: &ZoneAnchor,
        policy: &Policy,
        now: u64,
    ) -> Result<(), Bogus> {
        if self.anchor_digest != *anchor.digest() {
            return Err(KeyFault::OtherAnchor.into());
        }
        self.signature.recheck(policy, now)
    }
}

/// Authenticates a zone's DNSKEY RRset: a key in it is the one that the anchor names, and that key
/// signs the RRset. The lifetime policy does not apply. `now` in Unix seconds.
///
/// # Errors
/// [`Bogus`] with the fault; [`ValidationError::ClockImplausible`].
pub fn authenticate_keys(
    answer: &Answer,
    anchor: &ZoneAnchor,
    policy: &Policy,
    now: u64,
) -> Result<ZoneKeys, ValidationError> {
    policy.check_clock(now)?;
    Ok(authenticate(
        answer,
        anchor,
        policy,
        now,
        &mut Budget::new(),
    )?)
}

pub(crate) fn authenticate(
    answer: &Answer,
    anchor: &ZoneAnchor,
    policy: &Policy,
    now: u64,
    budget: &mut Budget,
) -> Result<ZoneKeys, Bogus> {
    let apex = Apex {
        zone: &Name::from(anchor.zone()),
        trusted: anchor.keys(),
        algorithms: Algorithms::Registry,
    };
    let (ring, signature) = apex.authenticate(answer, policy, now, budget)?;
    Ok(ZoneKeys {
        ring,
        anchor_digest: *anchor.digest(),
        keep_until: signature.keep_until(answer.received_at),
        signature,
    })
}

/// A zone whose DNSKEY RRset is to be authenticated, and what is known of it.
pub(crate) struct Apex<'a> {
    pub(crate) zone: &'a Name,
    pub(crate) trusted: &'a [TrustedKey],
    pub(crate) algorithms: Algorithms,
}

impl Apex<'_> {
    /// A key of the RRset is trusted, and that key signs the RRset.
    pub(crate) fn authenticate(
        &self,
        answer: &Answer,
        policy: &Policy,
        now: u64,
        budget: &mut Budget,
    ) -> Result<(KeyRing, CheckedSignature), Bogus> {
        if answer.record_type != record_type::DNSKEY {
            return Err(KeyFault::Missing.into());
        }
        let rrset = answered_rrset(answer, self.zone)?.ok_or(KeyFault::Missing)?;
        if rrset.records.len() > KEY_RECORDS_MAX {
            return Err(Limit::KeyRecords.into());
        }
        if has_duplicate(&rrset.records) {
            return Err(KeyFault::Duplicate.into());
        }
        let ring = KeyRing::from_records(&rrset.records, self.algorithms)?;
        let anchored = self.anchored_keys(&rrset.records)?;
        let terms = Terms {
            zone: self.zone,
            algorithms: self.algorithms,
            now,
            clock_skew_secs: policy.clock_skew_secs(),
            lifetime_max_secs: None,
        };
        let signature = verify_rrset(&rrset, &anchored, &terms, budget).map_err(not_by_anchored)?;
        Ok((ring, signature))
    }

    /// The keys of the RRset that are trusted; at least one.
    fn anchored_keys(&self, records: &[&[u8]]) -> Result<KeyRing, Bogus> {
        let mut anchored = KeyRing::default();
        let mut fault = KeyFault::NotAnchored;
        let is_trusted = |rdata: &&&[u8]| self.trusted.iter().any(|key| key.is(self.zone, rdata));
        for rdata in records.iter().filter(is_trusted) {
            match ZoneKey::parse(rdata, self.algorithms) {
                Ok(key) => anchored.keys.push(key),
                Err(flaw) => fault = KeyFault::AnchoredKeyUnusable(flaw),
            }
        }
        if anchored.keys.is_empty() {
            return Err(fault.into());
        }
        Ok(anchored)
    }
}

/// A signature by another key than the anchored one has a plainer name than "no key".
fn not_by_anchored(bogus: Bogus) -> Bogus {
    match bogus {
        Bogus::Signature {
            fault: SignatureFault::NoKey { .. },
            ..
        } => KeyFault::NotSignedByAnchoredKey.into(),
        other => other,
    }
}

fn has_duplicate(records: &[&[u8]]) -> bool {
    let mut sorted = records.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| pair[0] == pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::prelude::*;

    #[test]
    fn key_tag_is_that_of_the_rfc() {
        // RFC 6605 §6.1: an ECDSA P-256 key with tag 55648.
        let point = BASE64_STANDARD
            .decode(
                "GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==",
            )
            .unwrap();
        let rdata = [&[0x01, 0x01, 3, 13][..], &point].concat();
        assert_eq!(key_tag(&rdata), 55_648);
        assert_eq!(
            ZoneKey::parse(&rdata, Algorithms::Registry)
                .unwrap()
                .key_tag,
            55_648
        );
    }

    #[test]
    fn each_flaw_has_its_name() {
        let good = [&[0x01, 0x01, 3, 13][..], &[7; 64]].concat();
        let with = |index: usize, value: u8| {
            let mut rdata = good.clone();
            rdata[index] = value;
            ZoneKey::parse(&rdata, Algorithms::Registry).map(|key| key.key_tag)
        };
        assert!(with(0, 1).is_ok());
        assert_eq!(with(0, 0), Err(KeyFlaw::NotZoneKey));
        assert_eq!(with(1, 0x81), Err(KeyFlaw::Revoked));
        assert_eq!(with(2, 2), Err(KeyFlaw::Protocol));
        assert_eq!(with(3, 14), Err(KeyFlaw::Algorithm { algorithm: 14 }));
        let parse = |rdata| ZoneKey::parse(rdata, Algorithms::Registry);
        let short = parse(&good[..67]);
        assert_eq!(short, Err(KeyFlaw::PublicKeyLength { octets: 63 }));
        assert_eq!(parse(&good[..3]), Err(KeyFlaw::Malformed));
    }
}
