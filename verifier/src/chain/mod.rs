//! The chain of trust from the root to the registry's zone (RFC 4035 §5): the root's keys are those of
//! the anchor, and each zone on the way names the keys of the next one by DS records.
//!
//! Zones above the registry's are what they are: any of five algorithms, NSEC or NSEC3, lifetimes of
//! weeks. Wherever the chain is broken there is no verdict, and "the parent says that the zone is not
//! signed" is such a place: nothing below it could be believed.

use std::sync::Arc;

use iot_identity::ZoneName;
use thiserror::Error;

use crate::anchor::{RootAnchor, ZoneAnchor};
use crate::error::{Bogus, ValidationError};
use crate::evidence::Answer;
use crate::limits::Budget;
use crate::name::Name;
use crate::policy::Policy;
use crate::signature::CheckedSignature;

mod no_delegation;
mod nsec3;
mod walk;

pub use no_delegation::NoDelegationFault;
pub use nsec3::Nsec3Fault;

use walk::Walk;

/// What was answered about one name between the root and the registry's zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The name: the root, or one that may be a zone.
    pub name: Name,
    /// The answer to the DS question; none for the root, which has no parent.
    pub delegation: Option<Answer>,
    /// The answer to the DNSKEY question; none for the registry's zone, whose keys are apart.
    pub keys: Option<Answer>,
}

/// The chain above the registry's zone: as answered, or as it was followed for an earlier lookup.
#[derive(Clone, Debug)]
pub enum ChainEvidence {
    /// One link for each name, in any order.
    Answered(Vec<Link>),
    /// What was followed before; its times are checked again.
    Known(Arc<Delegation>),
}

/// A zone's keys as its parents vouch for them. Only the validator makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    anchor: ZoneAnchor,
    /// Which root led here.
    root_digest: [u8; 32],
    signatures: Vec<CheckedSignature>,
    keep_until: u64,
}

impl Delegation {
    /// The signatures it rests on, from the root's DNSKEY RRset to the zone's DS RRset.
    pub fn signatures(&self) -> &[CheckedSignature] {
        &self.signatures
    }

    /// Until when it may be kept, in Unix seconds: the least of the TTLs, and never beyond a signature.
    pub fn keep_until(&self) -> u64 {
        self.keep_until
    }

    /// What the parent says of the zone's keys.
    pub(crate) fn anchor(&self) -> &ZoneAnchor {
        &self.anchor
    }

    /// Checks what was followed before again: same root, same zone, signatures in time.
    fn recheck(
        &self,
        root: &RootAnchor,
        zone: &ZoneName,
        policy: &Policy,
        now: u64,
    ) -> Result<(), Bogus> {
        if self.root_digest != *root.digest() || self.anchor.zone() != zone {
            return Err(ChainFault::OtherAnchor.into());
        }
        for signature in &self.signatures {
            signature.recheck(policy, now)?;
        }
        Ok(())
    }
}

/// What is wrong with a chain before or beside its signatures.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChainFault {
    /// There is no chain, or a link of it is missing.
    #[error("the evidence has no answers about {name}")]
    Missing {
        /// The link's name.
        name: Name,
    },
    /// A chain that was followed from another root, or to another zone.
    #[error("the chain was followed from another trust anchor")]
    OtherAnchor,
    /// No proof of what the parent says.
    #[error("at {name}: {fault}")]
    NoDelegation {
        /// The name that may be a zone.
        name: Name,
        /// What is wrong.
        fault: NoDelegationFault,
    },
    /// Anything else that an answer about a name of the chain has wrong.
    #[error("at {name}: {fault}")]
    At {
        /// The name.
        name: Name,
        /// What is wrong.
        fault: Box<Bogus>,
    },
}

/// Where a chain ends although everything is rightly signed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChainEnd {
    /// The parent says that the zone is not signed.
    #[error("{name} is delegated without DS record: nothing below it can be validated")]
    Unsigned {
        /// The zone.
        name: Name,
    },
    /// Every DS record is of an algorithm or digest that is not accepted.
    #[error("{name} is delegated with algorithms or digests only that are not accepted")]
    Unsupported {
        /// The zone.
        name: Name,
    },
    /// The parent says that there is no such name.
    #[error("{name} does not exist")]
    NoName {
        /// The name.
        name: Name,
    },
    /// The parent has the registry's zone in itself: it is no zone of its own.
    #[error("{name} is no zone of its own")]
    NotDelegated {
        /// The name.
        name: Name,
    },
}

/// Follows the chain from the root's keys to the registry's zone. `now` in Unix seconds.
///
/// # Errors
/// [`ValidationError`]: it is wrong, or ends before the zone.
pub fn follow_chain(
    evidence: &ChainEvidence,
    root: &RootAnchor,
    zone: &ZoneName,
    policy: &Policy,
    now: u64,
) -> Result<Arc<Delegation>, ValidationError> {
    policy.check_clock(now)?;
    delegation_of(zone, evidence, root, policy, now, &mut Budget::new())
}

/// The delegation of `zone`, out of the evidence.
pub(crate) fn delegation_of(
    zone: &ZoneName,
    evidence: &ChainEvidence,
    root: &RootAnchor,
    policy: &Policy,
    now: u64,
    budget: &mut Budget,
) -> Result<Arc<Delegation>, ValidationError> {
    match evidence {
        ChainEvidence::Known(delegation) => {
            delegation.recheck(root, zone, policy, now)?;
            Ok(Arc::clone(delegation))
        }
        ChainEvidence::Answered(links) => {
            let walk = Walk::new(links, policy, now);
            walk.follow(zone, root, budget).map(Arc::new)
        }
    }
}
