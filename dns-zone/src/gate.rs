//! Third step: nothing is served that did not pass here. Pure.
//!
//! The keys that signed must be, octet for octet, in the DNSKEY RRset about to be served: a signer
//! whose key is not published takes every device down. Then signatures are verified with the
//! *published* key: every SOA and DNSKEY signature, at least one of each key, one in 64 of the
//! rest; all of them when keys were just loaded. Times are checked for every signature, because a
//! validity that is too long cannot be taken back.

use std::collections::BTreeSet;

use thiserror::Error;

use crate::change::Job;
use crate::cores;
use crate::jitter::Jitter;
use crate::key::{PublicKey, PublicKeys, Role};
use crate::name::NameKey;
use crate::profile::INCEPTION_SKEW_SECS;
use crate::record_type::{TYPE_DNSKEY, TYPE_SOA, is_key_type, mnemonic};
use crate::rrsig::verifies;
use crate::serial;
use crate::sign::{Signed, message};
use crate::snapshot::Snapshot;

/// One in so many ordinary signatures is verified.
const SAMPLE_ONE_IN: u32 = 64;

/// How much the gate verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thoroughness {
    /// Every SOA and DNSKEY signature, one of each key, one in 64 of the rest.
    Sample,
    /// Every signature.
    Everything,
}

/// Why a batch is not published.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GateError {
    /// The signing key is not in the DNSKEY RRset.
    #[error("the {role} that signed is not in the published DNSKEY RRset")]
    KeyNotPublished {
        /// The key's role.
        role: Role,
    },
    /// A signature does not verify with the published key.
    #[error("the signature over {owner} {} does not verify with the published key", mnemonic(*record_type))]
    Signature {
        /// Presentation form of the name.
        owner: String,
        /// Type of the RRset.
        record_type: u16,
    },
    /// A signature begins in the future or lives longer than the profile allows.
    #[error("the signature over {owner} {} has times outside of the profile", mnemonic(*record_type))]
    Times {
        /// Presentation form of the name.
        owner: String,
        /// Type of the RRset.
        record_type: u16,
    },
    /// An RRset to be signed is not in the zone.
    #[error("{owner} {} was planned but is not in the zone", mnemonic(*record_type))]
    Missing {
        /// Presentation form of the name.
        owner: String,
        /// Type of the RRset.
        record_type: u16,
    },
}

impl GateError {
    /// Whether any batch would fail like this, so that no single change is to blame.
    pub fn concerns_everything(&self) -> bool {
        match self {
            Self::KeyNotPublished { .. } => true,
            Self::Signature { record_type, .. }
            | Self::Times { record_type, .. }
            | Self::Missing { record_type, .. } => {
                *record_type == TYPE_SOA || is_key_type(*record_type)
            }
        }
    }
}

/// A batch that may be published.
#[derive(Debug)]
pub struct Passed(pub(crate) Signed);

/// Lets a batch pass or says why not. `signers` are the public halves of the keys that signed.
///
/// # Errors
/// The first thing that must not be published.
pub fn gate(
    signed: Signed,
    signers: &PublicKeys,
    thoroughness: Thoroughness,
    jitter: &mut Jitter,
) -> Result<Passed, GateError> {
    let draft = &signed.plan.draft;
    let published = published_keys(draft);
    for role in [Role::Ksk, Role::Zsk] {
        let signer = signers.of(role);
        if !published.contains(signer) || draft.shape.keys.of(role) != signer {
            return Err(GateError::KeyNotPublished { role });
        }
    }
    for job in &signed.plan.jobs {
        check_times(draft, job, signed.plan.now)?;
    }
    let chosen = choose(&signed.plan.jobs, thoroughness, jitter);
    let results = cores::map_parts(&chosen, |indices| {
        indices
            .iter()
            .try_for_each(|index| check_signature(&signed, *index, signers))
    });
    results.into_iter().collect::<Result<(), GateError>>()?;
    Ok(Passed(signed))
}

/// The keys in the DNSKEY RRset as it would be served.
fn published_keys(draft: &Snapshot) -> Vec<PublicKey> {
    let apex = NameKey::apex();
    let node = draft.nodes.get(&apex);
    let rrset = node.and_then(|node| draft.rrset(&apex, node, TYPE_DNSKEY));
    rrset.map_or_else(Vec::new, |rrset| {
        rrset
            .rdatas
            .iter()
            .filter_map(|rdata| PublicKey::from_rdata(rdata))
            .collect()
    })
}

fn choose(jobs: &[Job], thoroughness: Thoroughness, jitter: &mut Jitter) -> Vec<usize> {
    let mut roles_seen = BTreeSet::new();
    let mut wanted = |(_, record_type): &Job| {
        let first_of_role = roles_seen.insert(Role::for_type(*record_type));
        thoroughness == Thoroughness::Everything
            || first_of_role
            || matches!(*record_type, TYPE_SOA | TYPE_DNSKEY)
            || jitter.below(SAMPLE_ONE_IN) == 0
    };
    (0..jobs.len())
        .filter(|index| wanted(&jobs[*index]))
        .collect()
}

fn check_times(draft: &Snapshot, job: &Job, now: u64) -> Result<(), GateError> {
    let (key, record_type) = job;
    let node = draft.nodes.get(key);
    let rrset = node.and_then(|node| draft.rrset(key, node, *record_type));
    let (owner, record_type) = (|| key.presentation(draft.apex()), *record_type);
    let Some(rrset) = rrset else {
        let owner = owner();
        return Err(GateError::Missing { owner, record_type });
    };
    let profile = draft.shape.profile;
    let validity_secs = if is_key_type(record_type) {
        profile.key_validity_secs()
    } else {
        profile.validity_secs()
    };
    let signed_at = serial::wrapped(now);
    let latest = signed_at.wrapping_add(validity_secs);
    let signature = rrset.signature;
    let fits = signature.inception == signed_at.wrapping_sub(INCEPTION_SKEW_SECS)
        && serial::is_after(signature.expiration, signed_at)
        && !serial::is_after(signature.expiration, latest);
    if fits {
        Ok(())
    } else {
        let owner = owner();
        Err(GateError::Times { owner, record_type })
    }
}

fn check_signature(signed: &Signed, index: usize, keys: &PublicKeys) -> Result<(), GateError> {
    let job = &signed.plan.jobs[index];
    let draft = &signed.plan.draft;
    let key = keys.of(Role::for_type(job.1));
    let verified = match (message(draft, job), signed.signatures.get(index)) {
        (Some(message), Some(Some(signature))) => verifies(key, &message, signature),
        _ => false,
    };
    if verified {
        Ok(())
    } else {
        Err(GateError::Signature {
            owner: job.0.presentation(draft.apex()),
            record_type: job.1,
        })
    }
}
