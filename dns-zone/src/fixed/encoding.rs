//! The apex and the static names as octets, as the store keeps them.

use super::{FixedName, FixedNames, FixedRrset};
use crate::name::NameKey;
use crate::position::Position;
use crate::presentation::split_name;
use crate::store::record::StoredSignature;

/// Names at most; the static records file admits fewer.
const NAMES_MAX: usize = 2_048;
/// RRsets of a name, and records of an RRset, at most.
const RRSETS_MAX: usize = 64;
const RDATAS_MAX: usize = 64;
/// Octets of all names together at most.
pub(super) const ENCODED_OCTETS_MAX: usize = 4 << 20;
/// First octet of the encoding.
const ENCODING: u8 = 1;
/// Octets that are no fixed names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the octets of the apex and the static names cannot be read")]
pub(crate) struct FixedNamesError;

impl FixedNames {
    /// The names as octets: a 1; then for each name its labels below the apex in wire form with a
    /// zero octet, the number of RRsets (2 octets), the RRsets, and the signature over NSEC. An
    /// RRset is type (2), TTL (4), number of records (2), for each its length (2) and octets, and
    /// the signature. A signature is a zero octet, or a 1, the time of signing (4) and 64 octets.
    /// Numbers are big-endian; the names end with the octets.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![ENCODING];
        for name in &self.names {
            for label in name.key.labels() {
                // At most 63 octets, as in every label.
                out.push(label.len() as u8);
                out.extend_from_slice(&label);
            }
            out.push(0);
            push_count(&mut out, name.rrsets.len());
            for rrset in &name.rrsets {
                out.extend_from_slice(&rrset.record_type.to_be_bytes());
                out.extend_from_slice(&rrset.ttl_secs.to_be_bytes());
                push_count(&mut out, rrset.rdatas.len());
                for rdata in &rrset.rdatas {
                    push_count(&mut out, rdata.len());
                    out.extend_from_slice(rdata);
                }
                push_signature(&mut out, rrset.signature.as_ref());
            }
            push_signature(&mut out, name.nsec.as_ref());
        }
        out
    }

    /// Reads what [`FixedNames::encode`] wrote.
    ///
    /// # Errors
    /// Anything else, and more than the maxima at the head of this file.
    pub(crate) fn decode(octets: &[u8]) -> Result<Self, FixedNamesError> {
        if octets.len() > ENCODED_OCTETS_MAX {
            return Err(FixedNamesError);
        }
        let mut reader = Reader { rest: octets };
        if reader.take(1)? != [ENCODING] {
            return Err(FixedNamesError);
        }
        let mut names = Vec::new();
        while !reader.rest.is_empty() {
            if names.len() == NAMES_MAX {
                return Err(FixedNamesError);
            }
            names.push(reader.name()?);
        }
        Self::new(names).ok_or(FixedNamesError)
    }
}

fn push_count(out: &mut Vec<u8>, count: usize) {
    // Counts and lengths come from a configuration whose maxima are far below.
    out.extend_from_slice(&(count as u16).to_be_bytes());
}

fn push_signature(out: &mut Vec<u8>, signature: Option<&StoredSignature>) {
    match signature {
        None => out.push(0),
        Some(signature) => {
            out.push(1);
            out.extend_from_slice(&signature.signed_at.to_be_bytes());
            out.extend_from_slice(&signature.octets);
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], FixedNamesError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(FixedNamesError)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FixedNamesError> {
        self.take(N)?.try_into().map_err(|_| FixedNamesError)
    }

    fn count(&mut self, max: usize) -> Result<usize, FixedNamesError> {
        let count = usize::from(u16::from_be_bytes(self.array()?));
        if count > max {
            return Err(FixedNamesError);
        }
        Ok(count)
    }

    fn name(&mut self) -> Result<FixedName, FixedNamesError> {
        let (mut wire, rest) = split_name(self.rest).ok_or(FixedNamesError)?;
        self.rest = rest;
        let mut labels = Vec::new();
        while let [length @ 1..=63, after @ ..] = wire {
            let (label, after) = after
                .split_at_checked(usize::from(*length))
                .ok_or(FixedNamesError)?;
            labels.push(label);
            wire = after;
        }
        let key = NameKey::from_labels(labels.into_iter());
        let mut rrsets: Vec<FixedRrset> = Vec::new();
        for _ in 0..self.count(RRSETS_MAX)? {
            let rrset = self.rrset()?;
            let after_last = rrsets
                .last()
                .is_none_or(|last| last.record_type < rrset.record_type);
            if !after_last {
                return Err(FixedNamesError);
            }
            rrsets.push(rrset);
        }
        Ok(FixedName {
            position: Position::of_name(&key),
            key,
            rrsets,
            nsec: self.signature()?,
        })
    }

    fn rrset(&mut self) -> Result<FixedRrset, FixedNamesError> {
        let record_type = u16::from_be_bytes(self.array()?);
        let ttl_secs = u32::from_be_bytes(self.array()?);
        let mut rdatas = Vec::new();
        for _ in 0..self.count(RDATAS_MAX)? {
            let length = self.count(usize::from(u16::MAX))?;
            rdatas.push(self.take(length)?.to_vec());
        }
        Ok(FixedRrset {
            record_type,
            ttl_secs,
            rdatas,
            signature: self.signature()?,
        })
    }

    fn signature(&mut self) -> Result<Option<StoredSignature>, FixedNamesError> {
        match self.take(1)? {
            [0] => Ok(None),
            [1] => Ok(Some(StoredSignature {
                signed_at: u32::from_be_bytes(self.array()?),
                octets: self.array()?,
            })),
            _ => Err(FixedNamesError),
        }
    }
}
