//! Third step: nothing is served that did not pass here. Pure.
//!
//! The keys that signed must be, octet for octet, in the DNSKEY RRset about to be served: a signer
//! whose key is not published takes every device down. Then signatures are verified with the
//! *published* key: every SOA and DNSKEY signature, at least one of each key, one in 64 of the
//! rest; all of the first 1,024 after keys were loaded. What a chosen signature has to cover is made
//! anew from the draft, not taken from the plan. The time of signing is checked too, because a validity
//! that is too long cannot be taken back.

use std::sync::Arc;

use thiserror::Error;

use crate::error::ZoneError;
use crate::fixed::FixedNames;
use crate::jitter::Jitter;
use crate::job::{Job, Worklist};
use crate::key::{PublicKey, PublicKeys, Role};
use crate::record_type::{TYPE_DNSKEY, TYPE_SOA, is_key_type, mnemonic};
use crate::rrsig::verifies;
use crate::serial;
use crate::sign::{Octets, Signed};
use crate::signers::Signers;
use crate::snapshot::Shape;

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
    /// An RRset to be signed is not in the zone, or says something else there.
    #[error("{owner} {} was planned and is not in the zone like that", mnemonic(*record_type))]
    Missing {
        /// Presentation form of the name.
        owner: String,
        /// Type of the RRset.
        record_type: u16,
    },
    /// What the batch builds on cannot be read.
    #[error("page {page} of the zone's file is damaged")]
    Damaged {
        /// Number of the page.
        page: u32,
    },
}

impl GateError {
    /// Whether any batch would fail like this, so that no single change is to blame.
    pub fn concerns_everything(&self) -> bool {
        match self {
            Self::KeyNotPublished { .. } => true,
            Self::Damaged { .. } => false,
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

/// Lets a batch pass or says why not; the inner error is the gate's. `signers` are the public halves
/// of the keys that signed, `threads` those that verify.
///
/// # Errors
/// [`ZoneError::Damaged`]: a page of the store cannot be read. The inner one: the first thing that
/// must not be published.
pub fn gate(
    signed: Signed,
    signers: &PublicKeys,
    thoroughness: Thoroughness,
    jitter: &mut Jitter,
    threads: &Signers,
) -> Result<Result<Passed, GateError>, ZoneError> {
    let worklist = &signed.worklist;
    let early = check_keys(&worklist.shape, &worklist.fixed, signers)
        .and_then(|()| check_time(worklist, signed.now));
    if let Err(error) = early {
        return Ok(Err(error));
    }
    let chosen = choose(&worklist.jobs, thoroughness, jitter);
    for index in &chosen {
        let job = &worklist.jobs[*index];
        if signed.draft.job(job.owner, job.record_type())? != Some(*job) {
            return Ok(Err(missing(worklist, job)));
        }
    }
    let verified = verify(worklist, &signed.signatures, chosen, signers, threads);
    Ok(match verified.into_iter().next() {
        None => Ok(Passed(signed)),
        Some((_, error)) => Err(error),
    })
}

/// Refuses signers that are not, octet for octet, in the DNSKEY RRset as it would be served.
pub(crate) fn check_keys(
    shape: &Shape,
    fixed: &FixedNames,
    signers: &PublicKeys,
) -> Result<(), GateError> {
    let rrset = fixed.apex().rrset(TYPE_DNSKEY);
    let rdatas = rrset.map_or(&[][..], |rrset| &rrset.rdatas);
    let published: Vec<PublicKey> = rdatas
        .iter()
        .filter_map(|rdata| PublicKey::from_rdata(rdata))
        .collect();
    for role in [Role::Ksk, Role::Zsk] {
        let signer = signers.of(role);
        if !published.contains(signer) || shape.keys.of(role) != signer {
            return Err(GateError::KeyNotPublished { role });
        }
    }
    Ok(())
}

/// All signatures of a list have one time of signing; expirations follow from it and the profile.
pub(crate) fn check_time(worklist: &Worklist, now: u64) -> Result<(), GateError> {
    let age_secs = serial::wrapped(now).wrapping_sub(worklist.signed_at);
    match worklist.jobs.first() {
        Some(job) if age_secs >= worklist.shape.unit_secs => Err(GateError::Times {
            owner: owner(worklist, job),
            record_type: job.record_type(),
        }),
        _ => Ok(()),
    }
}

/// Which signatures are verified.
pub(crate) fn choose(jobs: &[Job], thoroughness: Thoroughness, jitter: &mut Jitter) -> Vec<usize> {
    if thoroughness == Thoroughness::Everything {
        return (0..jobs.len()).collect();
    }
    let mut seen = [false; 2];
    let mut wanted = |job: &Job| {
        let record_type = job.record_type();
        let role = usize::from(is_key_type(record_type));
        let first_of_role = !std::mem::replace(&mut seen[role], true);
        first_of_role
            || matches!(record_type, TYPE_SOA | TYPE_DNSKEY)
            || jitter.below(SAMPLE_ONE_IN) == 0
    };
    (0..jobs.len())
        .filter(|index| wanted(&jobs[*index]))
        .collect()
}

/// Verifies chosen signatures; returns those that do not hold, by place in the list.
pub(crate) fn verify(
    worklist: &Arc<Worklist>,
    signatures: &Arc<Vec<Octets>>,
    chosen: Vec<usize>,
    signers: &PublicKeys,
    threads: &Signers,
) -> Vec<(usize, GateError)> {
    let (worklist, signatures) = (Arc::clone(worklist), Arc::clone(signatures));
    let signers = signers.clone();
    let parts = threads.map(chosen.len(), move |range| {
        let mut message = Vec::with_capacity(512);
        let mut refused = Vec::new();
        for index in &chosen[range] {
            let job = &worklist.jobs[*index];
            let key = signers.of(job.role());
            let signature = signatures.get(*index).copied().flatten();
            let held = worklist.message(job, &mut message)
                && signature.is_some_and(|signature| verifies(key, &message, &signature));
            if !held {
                let error = GateError::Signature {
                    owner: owner(&worklist, job),
                    record_type: job.record_type(),
                };
                refused.push((*index, error));
            }
        }
        refused
    });
    parts.into_iter().flatten().collect()
}

fn missing(worklist: &Worklist, job: &Job) -> GateError {
    GateError::Missing {
        owner: owner(worklist, job),
        record_type: job.record_type(),
    }
}

fn owner(worklist: &Worklist, job: &Job) -> String {
    job.owner
        .presentation(&worklist.fixed, &worklist.shape.apex)
}
