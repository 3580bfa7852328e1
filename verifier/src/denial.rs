//! Proofs by NSEC that a device is inactive or absent (RFC 4035 §5.4, narrowed to what the
//! registry's zone can be: no delegation, no alias, no wildcard).
//!
//! *Inactive* is an NSEC owned by exactly the name asked, with TXT and without CERT and TLSA.
//! *Absent* is an NSEC that covers the next closer name and one that covers the wildcard. Whatever
//! else is signed there is an inconsistency and proves nothing.

use iot_identity::{TYPE_CERT, TYPE_TLSA, TYPE_TXT};
use thiserror::Error;

use crate::message::{record_type, type_name};
use crate::name::Name;
use crate::nsec::Nsec;
use crate::wire::WireError;

/// Why NSEC records, rightly signed, do not prove a state.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DenialFault {
    /// The answer has neither the record nor an NSEC.
    #[error("the answer has no records and no proof that there are none")]
    NoProof,
    /// RDATA that cannot be read.
    #[error("the NSEC of {owner} is malformed: {fault}")]
    Malformed {
        /// Its owner.
        owner: Name,
        /// What is wrong.
        fault: WireError,
    },
    /// Several NSEC records at one name.
    #[error("{owner} has several NSEC records")]
    Several {
        /// Their owner.
        owner: Name,
    },
    /// An NSEC that is not in the zone.
    #[error("the NSEC of {owner} is not in the zone")]
    OwnerOutsideZone {
        /// Its owner.
        owner: Name,
    },
    /// The next name is not in the zone.
    #[error("the NSEC of {owner} points out of the zone to {next}")]
    NextOutsideZone {
        /// Its owner.
        owner: Name,
        /// Where it points.
        next: Name,
    },
    /// The next name does not come after the owner, and is not the apex either.
    #[error("the NSEC of {owner} points backwards to {next}")]
    NextNotAfterOwner {
        /// Its owner.
        owner: Name,
        /// Where it points.
        next: Name,
    },
    /// NS or SOA below the apex, or NS without SOA at it: a delegation's NSEC, which says nothing
    /// about names below.
    #[error("the NSEC of {owner} is that of a delegation")]
    Delegation {
        /// Its owner.
        owner: Name,
    },
    /// CNAME or DNAME: the registry's zone has no aliases.
    #[error("the NSEC of {owner} shows an alias")]
    Alias {
        /// Its owner.
        owner: Name,
    },
    /// A record of the device exists, so that its absence is not proven.
    #[error("the NSEC of the name shows that it has a {} record", type_name(*.record_type))]
    TypeExists {
        /// CERT or TLSA.
        record_type: u16,
    },
    /// The name exists with none of the records that the registry publishes.
    #[error("the NSEC of the name shows neither the device's records nor its status text")]
    NoStatusText,
    /// The name has names below it: it exists, although it has no records.
    #[error("the name is an empty non-terminal: {next} lies below it")]
    EmptyNonTerminal {
        /// The name below.
        next: Name,
    },
    /// No NSEC covers the name, or the name above it that would have to exist.
    #[error("no NSEC denies {next_closer}")]
    NextCloserNotDenied {
        /// The name that should have been denied.
        next_closer: Name,
    },
    /// No NSEC covers the wildcard.
    #[error("no NSEC denies the wildcard {wildcard}")]
    WildcardNotDenied {
        /// The wildcard at the closest encloser.
        wildcard: Name,
    },
    /// One NSEC says that the name exists and another that it does not.
    #[error("the NSEC records contradict each other")]
    Contradiction,
}

/// What NSEC records prove about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    /// It exists with the status text and without CERT and TLSA.
    Inactive,
    /// It does not exist.
    Absent,
}

/// Reads what verified NSEC records prove about `name`.
pub(crate) fn prove(name: &Name, zone: &Name, nsecs: &[Nsec]) -> Result<Denial, DenialFault> {
    for nsec in nsecs {
        check_place(nsec, zone)?;
    }
    match nsecs.iter().find(|nsec| nsec.owner == *name) {
        Some(nsec) => {
            if nsecs.iter().any(|other| other.covers(name, zone)) {
                return Err(DenialFault::Contradiction);
            }
            prove_inactive(nsec)
        }
        None => prove_absent(name, zone, nsecs),
    }
}

/// An NSEC that can stand in the registry's zone.
fn check_place(nsec: &Nsec, zone: &Name) -> Result<(), DenialFault> {
    let (owner, next) = (nsec.owner.clone(), nsec.next.clone());
    if !owner.is_at_or_below(zone) {
        return Err(DenialFault::OwnerOutsideZone { owner });
    }
    if !next.is_at_or_below(zone) {
        return Err(DenialFault::NextOutsideZone { owner, next });
    }
    if next <= owner && next != *zone {
        return Err(DenialFault::NextNotAfterOwner { owner, next });
    }
    let is_apex = owner == *zone;
    if nsec.has_type(record_type::SOA) != is_apex || nsec.has_type(record_type::NS) && !is_apex {
        return Err(DenialFault::Delegation { owner });
    }
    if nsec.has_type(record_type::CNAME) || nsec.has_type(record_type::DNAME) {
        return Err(DenialFault::Alias { owner });
    }
    Ok(())
}

/// `nsec` is owned by exactly the name; aliases and delegations are excluded already.
fn prove_inactive(nsec: &Nsec) -> Result<Denial, DenialFault> {
    for record_type in [TYPE_CERT, TYPE_TLSA] {
        if nsec.has_type(record_type) {
            return Err(DenialFault::TypeExists { record_type });
        }
    }
    if !nsec.has_type(TYPE_TXT) {
        return Err(DenialFault::NoStatusText);
    }
    Ok(Denial::Inactive)
}

fn prove_absent(name: &Name, zone: &Name, nsecs: &[Nsec]) -> Result<Denial, DenialFault> {
    if nsecs.is_empty() {
        return Err(DenialFault::NoProof);
    }
    let Some(covering) = nsecs.iter().find(|nsec| nsec.covers(name, zone)) else {
        let next_closer = name.clone();
        return Err(DenialFault::NextCloserNotDenied { next_closer });
    };
    // Names exist at owner and next, and so does everything above them: the closest encloser is the
    // longest part that the name shares with one of the two.
    let enclosing_labels = name
        .shared_labels(&covering.owner)
        .max(name.shared_labels(&covering.next));
    if enclosing_labels == name.label_count() {
        let next = covering.next.clone();
        return Err(DenialFault::EmptyNonTerminal { next });
    }
    let next_closer = name.suffix(enclosing_labels + 1);
    if !denies(covering, &next_closer, zone) {
        return Err(DenialFault::NextCloserNotDenied { next_closer });
    }
    // A wildcard too long to be a name cannot exist; no name of the registry is that long.
    if let Some(wildcard) = name.suffix(enclosing_labels).wildcard()
        && !nsecs.iter().any(|nsec| denies(nsec, &wildcard, zone))
    {
        return Err(DenialFault::WildcardNotDenied { wildcard });
    }
    Ok(Denial::Absent)
}

/// Whether an NSEC proves that a name does not exist, not even as an empty non-terminal.
fn denies(nsec: &Nsec, name: &Name, zone: &Name) -> bool {
    nsec.covers(name, zone) && !nsec.next.is_below(name)
}
