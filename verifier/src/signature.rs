//! Signatures over RRsets: RRSIG fields, times and the verification itself (RFC 4034 §3, RFC 4035
//! §5.3).

use thiserror::Error;

use crate::dnskey::{KeyFlaw, KeyRing};
use crate::error::Bogus;
use crate::limits::{Budget, Limit, SIGNATURES_PER_RRSET_MAX};
use crate::message::{CLASS_IN, type_name};
use crate::name::Name;
use crate::policy::Policy;
use crate::public_key::{Algorithms, ECDSA_P256};
use crate::rrset::Rrset;
use crate::serial_time::unfold;
use crate::wire::{Reader, WireError};

/// Octets of an ECDSA P-256 signature: r and s (RFC 6605 §4).
const ECDSA_P256_OCTETS: usize = 64;

/// What is wrong with a signature, in the order of the checks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum SignatureFault {
    /// There is none.
    #[error("there is none")]
    Unsigned,
    /// The RDATA cannot be read, or an ECDSA P-256 signature has not 64 octets.
    #[error("its RRSIG record is malformed")]
    Malformed,
    /// It covers another type.
    #[error("it covers {}", type_name(*.covered))]
    TypeCovered {
        /// The type that it covers.
        covered: u16,
    },
    /// Its signer is not the apex of the zone.
    #[error("its signer is {signer}, not the zone")]
    Signer {
        /// The signer it names.
        signer: Name,
    },
    /// Another algorithm than 13; above the registry's zone, than 8, 10, 13, 14 and 15.
    #[error("it is of algorithm {algorithm}, which is not accepted here")]
    Algorithm {
        /// The algorithm number.
        algorithm: u8,
    },
    /// Fewer labels than the owner: the record was expanded from a wildcard, and the registry has
    /// none.
    #[error("it is that of a wildcard ({labels} labels, the owner has {owner_labels})")]
    WildcardExpanded {
        /// Labels field.
        labels: u8,
        /// Labels of the owner.
        owner_labels: usize,
    },
    /// More labels than the owner.
    #[error("it claims {labels} labels, the owner has {owner_labels}")]
    LabelsTooMany {
        /// Labels field.
        labels: u8,
        /// Labels of the owner.
        owner_labels: usize,
    },
    /// It ends before it begins (serial number arithmetic, RFC 1982).
    #[error("it expires before its inception")]
    InceptionAfterExpiration,
    /// Its inception lies ahead by more than the clock skew.
    #[error("it is valid only from {inception} (Unix seconds)")]
    NotYetValid {
        /// Inception in Unix seconds.
        inception: i64,
    },
    /// Its expiration is past by more than the clock skew.
    #[error("it expired at {expiration} (Unix seconds)")]
    Expired {
        /// Expiration in Unix seconds.
        expiration: i64,
    },
    /// A signature over a device's name that lives longer than the policy accepts, so that a
    /// revoked device could be replayed for too long.
    #[error("it lives {lifetime_secs} s, more than the {max_secs} s that the policy accepts")]
    LifetimeTooLong {
        /// Expiration less inception.
        lifetime_secs: u64,
        /// The policy's maximum.
        max_secs: u64,
    },
    /// No key of the zone has its key tag.
    #[error("no key of the zone has its key tag {key_tag}")]
    NoKey {
        /// Its key tag.
        key_tag: u16,
    },
    /// The key with its key tag cannot be used.
    #[error("the key with its key tag {key_tag} {flaw}")]
    UnusableKey {
        /// Its key tag.
        key_tag: u16,
        /// Why.
        flaw: KeyFlaw,
    },
    /// The octets do not verify.
    #[error("it does not verify")]
    Invalid,
}

/// Terms on which signatures are accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) zone: &'a Name,
    pub(crate) algorithms: Algorithms,
    pub(crate) now: u64,
    pub(crate) clock_skew_secs: u64,
    /// None for DNSKEY and above the registry's zone, which the lifetime policy does not concern.
    pub(crate) lifetime_max_secs: Option<u64>,
}

/// A signature that was verified, for those who explain a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedSignature {
    /// Owner of the RRset.
    pub owner: Name,
    /// Type of the RRset.
    pub record_type: u16,
    /// The zone whose key made it.
    pub signer: Name,
    /// Key tag of that key.
    pub key_tag: u16,
    /// Algorithm of that key.
    pub algorithm: u8,
    /// Inception in Unix seconds.
    pub inception: i64,
    /// Expiration in Unix seconds.
    pub expiration: i64,
    /// How long the RRset may be kept: its TTL, or the signed original TTL if that is less.
    pub ttl_secs: u32,
}

impl CheckedSignature {
    /// Until when the RRset may be kept that arrived at `received_at` (Unix seconds): at most its
    /// TTL and never beyond its signature.
    pub(crate) fn keep_until(&self, received_at: u64) -> u64 {
        let expiration = u64::try_from(self.expiration).unwrap_or(0);
        expiration.min(received_at.saturating_add(u64::from(self.ttl_secs)))
    }

    /// Checks the times of a signature of an earlier lookup again.
    pub(crate) fn recheck(&self, policy: &Policy, now: u64) -> Result<(), Bogus> {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        // At most 300.
        let skew = policy.clock_skew_secs() as i64;
        let fault = if self.inception > now.saturating_add(skew) {
            SignatureFault::NotYetValid {
                inception: self.inception,
            }
        } else if self.expiration < now.saturating_sub(skew) {
            SignatureFault::Expired {
                expiration: self.expiration,
            }
        } else {
            return Ok(());
        };
        Err(Bogus::Signature {
            record_type: self.record_type,
            fault,
        })
    }
}

/// Verifies an RRset: one good signature is enough, and otherwise the fault of the signature that
/// came furthest is the answer.
pub(crate) fn verify_rrset(
    rrset: &Rrset<'_>,
    keys: &KeyRing,
    terms: &Terms<'_>,
    budget: &mut Budget,
) -> Result<CheckedSignature, Bogus> {
    if rrset.signatures.len() > SIGNATURES_PER_RRSET_MAX {
        return Err(Limit::SignaturesPerRrset.into());
    }
    let mut furthest = SignatureFault::Unsigned;
    for rdata in &rrset.signatures {
        match verify_signature(rrset, rdata, keys, terms, budget)? {
            Ok(checked) => return Ok(checked),
            Err(fault) => furthest = furthest.max(fault),
        }
    }
    Err(Bogus::Signature {
        record_type: rrset.record_type,
        fault: furthest,
    })
}

/// The outer error stops the lookup, the inner one concerns this signature alone.
fn verify_signature(
    rrset: &Rrset<'_>,
    rdata: &[u8],
    keys: &KeyRing,
    terms: &Terms<'_>,
    budget: &mut Budget,
) -> Result<Result<CheckedSignature, SignatureFault>, Limit> {
    let signature = match Rrsig::parse(rdata) {
        Ok(signature) => signature,
        Err(_) => return Ok(Err(SignatureFault::Malformed)),
    };
    let times = match signature.check_fields(rrset, terms) {
        Ok(times) => times,
        Err(fault) => return Ok(Err(fault)),
    };
    let signed_data = signature.signed_data(rrset);
    let key_tag = signature.key_tag;
    let mut fault = match keys.flaw(key_tag) {
        Some(flaw) => SignatureFault::UnusableKey { key_tag, flaw },
        None => SignatureFault::NoKey { key_tag },
    };
    for key in keys.with_tag(key_tag) {
        fault = SignatureFault::Invalid;
        if key.algorithm != signature.algorithm {
            continue;
        }
        budget.spend()?;
        if key.public_key.verifies(&signed_data, signature.signature) {
            return Ok(Ok(CheckedSignature {
                owner: rrset.owner.clone(),
                record_type: rrset.record_type,
                signer: signature.signer.clone(),
                key_tag,
                algorithm: key.algorithm,
                inception: times.inception,
                expiration: times.expiration,
                ttl_secs: rrset.ttl_secs.min(signature.original_ttl_secs),
            }));
        }
    }
    Ok(Err(fault))
}

/// Inception and expiration in Unix seconds.
#[derive(Clone, Copy, Debug)]
struct Times {
    inception: i64,
    expiration: i64,
}

/// An RRSIG record's RDATA.
#[derive(Debug)]
struct Rrsig<'a> {
    type_covered: u16,
    algorithm: u8,
    labels: u8,
    original_ttl_secs: u32,
    expiration: u32,
    inception: u32,
    key_tag: u16,
    signer: Name,
    signature: &'a [u8],
    /// The fields before the signer's name, as they are signed.
    fixed_fields: &'a [u8],
}

impl<'a> Rrsig<'a> {
    fn parse(rdata: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(rdata);
        let fixed_fields = reader.take(18)?;
        let mut fields = Reader::new(fixed_fields);
        let rrsig = Self {
            type_covered: fields.u16()?,
            algorithm: fields.octet()?,
            labels: fields.octet()?,
            original_ttl_secs: fields.u32()?,
            expiration: fields.u32()?,
            inception: fields.u32()?,
            key_tag: fields.u16()?,
            signer: reader.uncompressed_name()?,
            signature: reader.rest(),
            fixed_fields,
        };
        Ok(rrsig)
    }

    /// Everything about a signature but the signature (RFC 4035 §5.3.1, and the lifetime policy).
    fn check_fields(&self, rrset: &Rrset<'_>, terms: &Terms<'_>) -> Result<Times, SignatureFault> {
        if self.type_covered != rrset.record_type {
            return Err(SignatureFault::TypeCovered {
                covered: self.type_covered,
            });
        }
        if self.signer != *terms.zone {
            return Err(SignatureFault::Signer {
                signer: self.signer.clone(),
            });
        }
        if !terms.algorithms.has(self.algorithm) {
            return Err(SignatureFault::Algorithm {
                algorithm: self.algorithm,
            });
        }
        if self.algorithm == ECDSA_P256 && self.signature.len() != ECDSA_P256_OCTETS {
            return Err(SignatureFault::Malformed);
        }
        self.check_labels(rrset.owner)?;
        self.check_times(terms)
    }

    /// Exactly the owner's labels. An asterisk is counted like any other label, so that not even a
    /// wildcard's own records pass.
    fn check_labels(&self, owner: &Name) -> Result<(), SignatureFault> {
        let labels = self.labels;
        let owner_labels = owner.label_count();
        match usize::from(labels).cmp(&owner_labels) {
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Less => Err(SignatureFault::WildcardExpanded {
                labels,
                owner_labels,
            }),
            std::cmp::Ordering::Greater => Err(SignatureFault::LabelsTooMany {
                labels,
                owner_labels,
            }),
        }
    }

    fn check_times(&self, terms: &Terms<'_>) -> Result<Times, SignatureFault> {
        let times = Times {
            inception: unfold(self.inception, terms.now),
            expiration: unfold(self.expiration, terms.now),
        };
        // Each is read as the moment nearest to now; a pair more than 2^31 apart would then look
        // like a long life, while serial arithmetic says that it runs backwards.
        let lifetime_secs = self.expiration.wrapping_sub(self.inception);
        if lifetime_secs > i32::MAX as u32 || times.inception > times.expiration {
            return Err(SignatureFault::InceptionAfterExpiration);
        }
        let now = i64::try_from(terms.now).unwrap_or(i64::MAX);
        // At most 300.
        let skew = terms.clock_skew_secs as i64;
        if times.inception > now.saturating_add(skew) {
            return Err(SignatureFault::NotYetValid {
                inception: times.inception,
            });
        }
        if times.expiration < now.saturating_sub(skew) {
            return Err(SignatureFault::Expired {
                expiration: times.expiration,
            });
        }
        let lifetime_secs = u64::from(lifetime_secs);
        match terms.lifetime_max_secs {
            Some(max_secs) if lifetime_secs > max_secs => Err(SignatureFault::LifetimeTooLong {
                lifetime_secs,
                max_secs,
            }),
            _ => Ok(times),
        }
    }

    /// What is signed (RFC 4035 §5.3.2). No type that is looked at has names in its RDATA which
    /// canonical form would change (RFC 4034 §6.2 as corrected by RFC 6840 §5.1).
    fn signed_data(&self, rrset: &Rrset<'_>) -> Vec<u8> {
        let mut records = rrset.records.clone();
        records.sort_unstable();
        let mut signed = Vec::with_capacity(512);
        signed.extend_from_slice(self.fixed_fields);
        signed.extend_from_slice(self.signer.wire());
        for rdata in records {
            signed.extend_from_slice(rrset.owner.wire());
            signed.extend_from_slice(&rrset.record_type.to_be_bytes());
            signed.extend_from_slice(&CLASS_IN.to_be_bytes());
            signed.extend_from_slice(&self.original_ttl_secs.to_be_bytes());
            // RDATA came from a field with a 16-bit length.
            signed.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
            signed.extend_from_slice(rdata);
        }
        signed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_ordered_by_how_far_the_signature_came() {
        assert!(SignatureFault::Unsigned < SignatureFault::Malformed);
        assert!(SignatureFault::Expired { expiration: 1 } < SignatureFault::Invalid);
        assert!(SignatureFault::TypeCovered { covered: 1 } < SignatureFault::NoKey { key_tag: 0 });
    }
}
