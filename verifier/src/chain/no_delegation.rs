//! Proofs that a zone has no DS record at a name: by NSEC (RFC 4035 §5.2, §5.4) or NSEC3 (RFC 5155 §8).
//!
//! What matters is why there is none: only where the zone itself goes on below the name is the chain
//! whole. A delegation without DS is unsigned, and a name that does not exist leads nowhere.

use thiserror::Error;

use super::nsec3::{Nsec3, Nsec3Fault};
use crate::message::{record_type, type_name};
use crate::name::Name;
use crate::nsec::Nsec;
use crate::wire::WireError;

/// Why a name has no DS record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoDelegation {
    /// The zone goes on below it: it is no zone of its own.
    NoCut,
    /// It is delegated without DS, or may be: whoever answers below it can say anything.
    Unsigned,
    /// It does not exist.
    NoName,
}

/// Why records, rightly signed, do not prove that there is no DS record.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoDelegationFault {
    /// Neither a DS record nor an NSEC or NSEC3.
    #[error("the answer has no DS record and no proof that there is none")]
    NoProof,
    /// An NSEC that cannot be read.
    #[error("the NSEC of {owner} is malformed: {fault}")]
    Nsec {
        /// Its owner.
        owner: Name,
        /// What is wrong.
        fault: WireError,
    },
    /// An NSEC3 that proves nothing.
    #[error("the NSEC3 of {owner} {fault}")]
    Nsec3 {
        /// Its owner.
        owner: Name,
        /// What is wrong.
        fault: Nsec3Fault,
    },
    /// Several records at one name.
    #[error("{owner} has several NSEC or NSEC3 records")]
    Several {
        /// Their owner.
        owner: Name,
    },
    /// An NSEC that is not of this zone, or points out of it or backwards.
    #[error("the NSEC of {owner} cannot be of the zone")]
    Place {
        /// Its owner.
        owner: Name,
    },
    /// The bits at the name say that a record is there which excludes the proof: DS itself, an alias, or
    /// SOA, which is the child's side of a cut.
    #[error("the name has a {} record", type_name(*.record_type))]
    TypeExists {
        /// The type.
        record_type: u16,
    },
    /// A record of a delegation or alias above the name: it says nothing about names below.
    #[error("the proof is that of a delegation or alias above the name")]
    Above,
    /// Nothing is said about the name.
    #[error("no record matches or covers the name")]
    NotDenied,
    /// One record says that the name exists and another that it does not.
    #[error("the records contradict each other")]
    Contradiction,
}

/// What the bits of a record at exactly the name say.
fn at_the_name(has_type: impl Fn(u16) -> bool) -> Result<NoDelegation, NoDelegationFault> {
    for excluded in [
        record_type::DS,
        record_type::SOA,
        record_type::CNAME,
        record_type::DNAME,
    ] {
        if has_type(excluded) {
            let record_type = excluded;
            return Err(NoDelegationFault::TypeExists { record_type });
        }
    }
    Ok(match has_type(record_type::NS) {
        true => NoDelegation::Unsigned,
        false => NoDelegation::NoCut,
    })
}

/// Whether the bits are those of a delegation or an alias, below which the zone says nothing.
fn ends_the_zone(has_type: impl Fn(u16) -> bool) -> bool {
    has_type(record_type::DNAME) || has_type(record_type::NS) && !has_type(record_type::SOA)
}

/// Reads what verified NSEC records of `zone` prove about `name`.
pub(crate) fn by_nsec(
    name: &Name,
    zone: &Name,
    nsecs: &[Nsec],
) -> Result<NoDelegation, NoDelegationFault> {
    for nsec in nsecs {
        let (owner, next) = (&nsec.owner, &nsec.next);
        let is_forward = next > owner || next == zone;
        if !owner.is_at_or_below(zone) || !next.is_at_or_below(zone) || !is_forward {
            let owner = owner.clone();
            return Err(NoDelegationFault::Place { owner });
        }
    }
    let covering = nsecs.iter().find(|nsec| nsec.covers(name, zone));
    let matching = nsecs.iter().find(|nsec| nsec.owner == *name);
    match (matching, covering) {
        (Some(_), Some(_)) => Err(NoDelegationFault::Contradiction),
        (Some(nsec), None) => at_the_name(|record_type| nsec.has_type(record_type)),
        (None, Some(nsec)) => {
            let is_above = name.is_below(&nsec.owner);
            if is_above && ends_the_zone(|record_type| nsec.has_type(record_type)) {
                return Err(NoDelegationFault::Above);
            }
            Ok(match nsec.next.is_below(name) {
                true => NoDelegation::NoCut,
                false => NoDelegation::NoName,
            })
        }
        (None, None) => Err(NoDelegationFault::NotDenied),
    }
}

/// Reads what verified NSEC3 records of `zone` prove about `name`, which lies below it.
pub(crate) fn by_nsec3(
    name: &Name,
    zone: &Name,
    records: &[Nsec3],
) -> Result<NoDelegation, NoDelegationFault> {
    let first = records.first().ok_or(NoDelegationFault::NoProof)?;
    let matching = |name: &Name| {
        let hash = first.parameters.hash(name);
        records.iter().find(move |record| record.matches(&hash))
    };
    let covering = |name: &Name| {
        let hash = first.parameters.hash(name);
        records.iter().find(move |record| record.covers(&hash))
    };
    if let Some(record) = matching(name) {
        if covering(name).is_some() {
            return Err(NoDelegationFault::Contradiction);
        }
        return at_the_name(|record_type| record.has_type(record_type));
    }
    // The closest encloser: the nearest name above that exists (RFC 5155 §8.3).
    for labels in (zone.label_count()..name.label_count()).rev() {
        let Some(encloser) = matching(&name.suffix(labels)) else {
            continue;
        };
        if ends_the_zone(|record_type| encloser.has_type(record_type)) {
            return Err(NoDelegationFault::Above);
        }
        let next_closer = covering(&name.suffix(labels + 1));
        let next_closer = next_closer.ok_or(NoDelegationFault::NotDenied)?;
        return Ok(match next_closer.is_opt_out {
            true => NoDelegation::Unsigned,
            false => NoDelegation::NoName,
        });
    }
    Err(NoDelegationFault::NotDenied)
}
