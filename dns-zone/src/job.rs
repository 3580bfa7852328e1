//! One RRset to be signed, and the octets that its signature is made of.
//!
//! The same octets are made here for signing, for the gate and for the scrub; nothing is allocated
//! for a device, since three million of them are made in a minute.

use std::sync::Arc;

use iot_identity::{CertRecord, Fingerprint, InactiveText, TlsaRecord, ZoneName};

use crate::fixed::FixedNames;
use crate::key::{ALGORITHM, Role};
use crate::nsec;
use crate::position::{DeviceName, Key};
use crate::record_type::{TYPE_CERT, TYPE_NSEC, TYPE_TLSA, TYPE_TXT};
use crate::snapshot::{Next, Shape, device_presentation};

/// Labels of a device's name below the apex.
const DEVICE_LABELS: u8 = 2;
/// NSEC bitmap of an active credential (RFC 4034 §4.1.2): CERT, RRSIG, NSEC, TLSA.
pub(crate) const ACTIVE_BITMAP: [u8; 9] = [0, 7, 0, 0, 0, 0, 0x04, 0x03, 0x08];
/// NSEC bitmap of a withdrawn credential: TXT, RRSIG, NSEC.
pub(crate) const INACTIVE_BITMAP: [u8; 8] = [0, 6, 0, 0, 0x80, 0, 0, 0x03];

/// A name that owns records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    /// Place among the fixed names.
    Fixed(usize),
    /// A device's credential.
    Device(Key),
}

/// An RRset to be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) owner: Name,
    pub(crate) says: Says,
}

/// What an RRset says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    /// CERT of an active credential.
    Cert(Fingerprint),
    /// TLSA of an active credential.
    Tlsa(Fingerprint),
    /// TXT of a withdrawn credential.
    Text,
    /// NSEC of a credential.
    DeviceNsec { active: bool, next: Name },
    /// NSEC of a fixed name.
    FixedNsec { next: Name },
    /// The RRset of this type at a fixed name.
    Stored(u16),
}

/// RRsets to be signed at one moment, with everything that their octets are made of.
#[derive(Debug)]
pub(crate) struct Worklist {
    pub(crate) shape: Arc<Shape>,
    pub(crate) fixed: Arc<FixedNames>,
    /// In canonical order of names, fixed names first.
    pub(crate) jobs: Vec<Job>,
    /// Seconds since 1970 modulo 2^32.
    pub(crate) signed_at: u32,
}

impl Job {
    /// Type of the RRset.
    pub(crate) fn record_type(&self) -> u16 {
        match self.says {
            Says::Cert(_) => TYPE_CERT,
            Says::Tlsa(_) => TYPE_TLSA,
            Says::Text => TYPE_TXT,
            Says::DeviceNsec { .. } | Says::FixedNsec { .. } => TYPE_NSEC,
            Says::Stored(record_type) => record_type,
        }
    }

    /// The key that signs it.
    pub(crate) fn role(&self) -> Role {
        Role::for_type(self.record_type())
    }
}

impl Next<'_> {
    /// The name as a job has it.
    pub(crate) fn name(&self, fixed: &FixedNames) -> Name {
        match self {
            Self::Device(key) => Name::Device(*key),
            Self::Fixed(name) => Name::Fixed(fixed.floor(&name.key)),
        }
    }
}

impl Name {
    /// Presentation form with its final dot.
    pub(crate) fn presentation(&self, fixed: &FixedNames, apex: &ZoneName) -> String {
        match self {
            Self::Device(key) => device_presentation(key, apex),
            Self::Fixed(at) => fixed.names()[*at].key.presentation(apex),
        }
    }

    fn push_wire(&self, fixed: &FixedNames, apex: &ZoneName, out: &mut Vec<u8>) {
        match self {
            Self::Device(key) => out.extend_from_slice(DeviceName::of(key).wire()),
            Self::Fixed(at) => {
                for label in fixed.names()[*at].key.labels() {
                    // At most 63 octets, as in every label.
                    out.push(label.len() as u8);
                    out.extend_from_slice(&label);
                }
            }
        }
        out.extend_from_slice(apex.wire());
    }

    fn label_count(&self, fixed: &FixedNames) -> u8 {
        match self {
            Self::Device(_) => DEVICE_LABELS,
            Self::Fixed(at) => fixed.names()[*at].key.label_count(),
        }
    }
}

impl Worklist {
    /// Writes the octets that the signature over a job's RRset is made of (RFC 4034 §3.1.8.1);
    /// false when there is no such RRset.
    pub(crate) fn message(&self, job: &Job, out: &mut Vec<u8>) -> bool {
        message(&self.shape, &self.fixed, job, self.signed_at, out)
    }
}

/// Writes the octets that the signature over an RRset is made of; false when there is none.
pub(crate) fn message(
    shape: &Shape,
    fixed: &FixedNames,
    job: &Job,
    signed_at: u32,
    out: &mut Vec<u8>,
) -> bool {
    out.clear();
    let stored = match (job.owner, job.says) {
        (Name::Fixed(at), Says::Stored(record_type)) => {
            let Some(rrset) = fixed
                .names()
                .get(at)
                .and_then(|name| name.rrset(record_type))
            else {
                return false;
            };
            Some(rrset)
        }
        (Name::Device(_), Says::Stored(_) | Says::FixedNsec { .. }) => return false,
        (Name::Fixed(_), Says::FixedNsec { .. }) | (Name::Device(_), _) => None,
        (Name::Fixed(_), _) => return false,
    };
    let record_type = job.record_type();
    let ttl_secs = match stored {
        Some(rrset) => rrset.ttl_secs,
        None if record_type == TYPE_NSEC => shape.profile.nsec_ttl_secs(),
        None => shape.profile.ttl_secs(),
    };
    push_rrsig_prefix(shape, fixed, job, ttl_secs, signed_at, out);
    let push_record = |out: &mut Vec<u8>, rdata: &dyn Fn(&mut Vec<u8>)| {
        job.owner.push_wire(fixed, &shape.apex, out);
        out.extend_from_slice(&record_type.to_be_bytes());
        out.extend_from_slice(&[0, 1]);
        out.extend_from_slice(&ttl_secs.to_be_bytes());
        let length_at = out.len();
        out.extend_from_slice(&[0, 0]);
        rdata(out);
        // RDATA is bounded where it is made, far below 65,535 octets.
        let length = (out.len() - length_at - 2) as u16;
        out[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
    };
    match stored {
        Some(rrset) => {
            for rdata in &rrset.rdatas {
                push_record(out, &|out| out.extend_from_slice(rdata));
            }
        }
        None => push_record(out, &|out| push_derived_rdata(shape, fixed, job, out)),
    }
    true
}

/// RDATA that follows from what a job says.
fn push_derived_rdata(shape: &Shape, fixed: &FixedNames, job: &Job, out: &mut Vec<u8>) {
    match job.says {
        Says::Cert(fingerprint) => out.extend_from_slice(&CertRecord { fingerprint }.rdata()),
        Says::Tlsa(fingerprint) => out.extend_from_slice(&TlsaRecord { fingerprint }.rdata()),
        Says::Text => out.extend_from_slice(&InactiveText.rdata()),
        Says::DeviceNsec { active, next } => {
            next.push_wire(fixed, &shape.apex, out);
            let bitmap: &[u8] = if active {
                &ACTIVE_BITMAP
            } else {
                &INACTIVE_BITMAP
            };
            out.extend_from_slice(bitmap);
        }
        Says::FixedNsec { next } => {
            let mut wire = Vec::new();
            next.push_wire(fixed, &shape.apex, &mut wire);
            if let Name::Fixed(at) = job.owner {
                out.extend_from_slice(&nsec::rdata(&wire, fixed.names()[at].types()));
            }
        }
        Says::Stored(_) => {}
    }
}

fn push_rrsig_prefix(
    shape: &Shape,
    fixed: &FixedNames,
    job: &Job,
    ttl_secs: u32,
    signed_at: u32,
    out: &mut Vec<u8>,
) {
    let record_type = job.record_type();
    let labels = shape.apex.label_count() + job.owner.label_count(fixed);
    out.extend_from_slice(&record_type.to_be_bytes());
    out.extend_from_slice(&[ALGORITHM, labels]);
    out.extend_from_slice(&ttl_secs.to_be_bytes());
    out.extend_from_slice(&shape.expiration(record_type, signed_at).to_be_bytes());
    out.extend_from_slice(&shape.inception(signed_at).to_be_bytes());
    out.extend_from_slice(&shape.key_tag(job.role()).to_be_bytes());
    out.extend_from_slice(shape.apex.wire());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitmaps_of_devices_are_those_of_their_types() {
        for (types, bitmap) in [
            (&[TYPE_CERT, TYPE_TLSA][..], &ACTIVE_BITMAP[..]),
            (&[TYPE_TXT], &INACTIVE_BITMAP),
        ] {
            assert_eq!(nsec::rdata(&[], types.iter().copied()), bitmap);
        }
    }
}
