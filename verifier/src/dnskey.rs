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
use crate::rrset::answered_rrset;
use crate::signature::{CheckedSignature, SignatureFault, Terms, verify_rrset};

/// ECDSA P-256 with SHA-256 (RFC 6605).
pub(crate) const ALGORITHM_ECDSA_P256: u8 = 13;
/// Octets of a P-256 point without its leading 4.
const POINT_OCTETS: usize = 64;
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
    /// Another algorithm than 13.
    #[error("is of algorithm {algorithm}, not 13")]
    Algorithm {
        /// The algorithm number.
        algorithm: u8,
    },
    /// The public key has not the 64 octets of a P-256 point.
    #[error("has a public key of {octets} octets, not 64")]
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
    uncompressed_point: [u8; POINT_OCTETS + 1],
}

impl ZoneKey {
    /// Reads RDATA (RFC 4034 §2.1).
    pub(crate) fn parse(rdata: &[u8]) -> Result<Self, KeyFlaw> {
        let (fields, point) = rdata.split_at_checked(4).ok_or(KeyFlaw::Malformed)?;
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
        if algorithm != ALGORITHM_ECDSA_P256 {
            return Err(KeyFlaw::Algorithm { algorithm });
        }
        if point.len() != POINT_OCTETS {
            return Err(KeyFlaw::PublicKeyLength {
                octets: point.len(),
            });
        }
        // 4 marks an uncompressed point (SEC 1 §2.3.3).
        let mut uncompressed_point = [4; POINT_OCTETS + 1];
        uncompressed_point[1..].copy_from_slice(point);
        Ok(Self {
            key_tag: key_tag(rdata),
            uncompressed_point,
        })
    }

    pub(crate) fn uncompressed_point(&self) -> &[u8] {
        &self.uncompressed_point
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
    fn from_records(records: &[&[u8]]) -> Result<Self, Limit> {
        let mut ring = Self::default();
        for rdata in records {
            match ZoneKey::parse(rdata) {
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
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        // At most 300.
        let skew = policy.clock_skew_secs() as i64;
        let fault = if self.signature.inception > now.saturating_add(skew) {
            SignatureFault::NotYetValid {
                inception: self.signature.inception,
            }
        } else if self.signature.expiration < now.saturating_sub(skew) {
            SignatureFault::Expired {
                expiration: self.signature.expiration,
            }
        } else {
            return Ok(());
        };
        Err(Bogus::Signature {
            record_type: record_type::DNSKEY,
            fault,
        })
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
    let zone = Name::from(anchor.zone());
    if answer.record_type != record_type::DNSKEY {
        return Err(KeyFault::Missing.into());
    }
    let rrset = answered_rrset(answer, &zone)?.ok_or(KeyFault::Missing)?;
    if rrset.records.len() > KEY_RECORDS_MAX {
        return Err(Limit::KeyRecords.into());
    }
    if has_duplicate(&rrset.records) {
        return Err(KeyFault::Duplicate.into());
    }
    let ring = KeyRing::from_records(&rrset.records)?;
    let anchored = anchored_keys(&rrset.records, anchor)?;
    let terms = Terms {
        zone: &zone,
        now,
        clock_skew_secs: policy.clock_skew_secs(),
        lifetime_max_secs: None,
    };
    let signature = verify_rrset(&rrset, &anchored, &terms, budget).map_err(not_by_anchored)?;
    Ok(ZoneKeys {
        ring,
        anchor_digest: *anchor.digest(),
        keep_until: signature.keep_until(answer.received_at),
        signature,
    })
}

/// The keys of the RRset that the anchor names; at least one.
fn anchored_keys(records: &[&[u8]], anchor: &ZoneAnchor) -> Result<KeyRing, Bogus> {
    let mut anchored = KeyRing::default();
    let mut fault = KeyFault::NotAnchored;
    for rdata in records.iter().filter(|rdata| anchor.names(rdata)) {
        match ZoneKey::parse(rdata) {
            Ok(key) => anchored.keys.push(key),
            Err(flaw) => fault = KeyFault::AnchoredKeyUnusable(flaw),
        }
    }
    if anchored.keys.is_empty() {
        return Err(fault.into());
    }
    Ok(anchored)
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
        assert_eq!(ZoneKey::parse(&rdata).unwrap().key_tag, 55_648);
    }

    #[test]
    fn each_flaw_has_its_name() {
        let good = [&[0x01, 0x01, 3, 13][..], &[7; 64]].concat();
        let with = |index: usize, value: u8| {
            let mut rdata = good.clone();
            rdata[index] = value;
            ZoneKey::parse(&rdata).map(|key| key.key_tag)
        };
        assert!(with(0, 1).is_ok());
        assert_eq!(with(0, 0), Err(KeyFlaw::NotZoneKey));
        assert_eq!(with(1, 0x81), Err(KeyFlaw::Revoked));
        assert_eq!(with(2, 2), Err(KeyFlaw::Protocol));
        assert_eq!(with(3, 14), Err(KeyFlaw::Algorithm { algorithm: 14 }));
        let short = ZoneKey::parse(&good[..67]);
        assert_eq!(short, Err(KeyFlaw::PublicKeyLength { octets: 63 }));
        assert_eq!(ZoneKey::parse(&good[..3]), Err(KeyFlaw::Malformed));
    }
}
