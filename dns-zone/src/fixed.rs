//! The apex and the static names: the few names that are not devices.
//!
//! They are not in the tree of devices but in memory, in canonical order, and are merged into the
//! chain on the way out. The store keeps them as one string of octets, see [`FixedNames::encode`].

use std::sync::Arc;

use crate::name::NameKey;
use crate::position::{Key, Position};
use crate::presentation::split_name;
use crate::record_type::{TYPE_NSEC, TYPE_SOA};
use crate::store::record::StoredSignature;

/// Names at most; the static records file admits fewer.
const NAMES_MAX: usize = 2_048;
/// RRsets of a name, and records of an RRset, at most.
const RRSETS_MAX: usize = 64;
const RDATAS_MAX: usize = 64;
/// Octets of all names together at most.
pub(crate) const ENCODED_OCTETS_MAX: usize = 4 << 20;
/// First octet of the encoding.
const ENCODING: u8 = 1;
/// Octets of the five numbers at the end of SOA RDATA; the serial is the first.
const SOA_NUMBERS_OCTETS: usize = 20;

/// All names that are not devices, in canonical order; the first is the apex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FixedNames {
    names: Vec<Arc<FixedName>>,
}

/// A name that is not a device's, with its RRsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FixedName {
    pub(crate) key: NameKey,
    /// Where it sorts among the devices.
    pub(crate) position: Position,
    /// In ascending order of type, without NSEC and RRSIG.
    pub(crate) rrsets: Vec<FixedRrset>,
    /// Signature over the NSEC record; none when it has to be signed.
    pub(crate) nsec: Option<StoredSignature>,
}

/// An RRset whose RDATA is stored, in canonical form and order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FixedRrset {
    pub(crate) record_type: u16,
    pub(crate) ttl_secs: u32,
    pub(crate) rdatas: Vec<Vec<u8>>,
    /// None when it has to be signed.
    pub(crate) signature: Option<StoredSignature>,
}

impl FixedNames {
    /// Takes names in canonical order; the first has to be the apex.
    pub(crate) fn new(names: Vec<FixedName>) -> Option<Self> {
        let apex_first = names
            .first()
            .is_some_and(|first| first.key == NameKey::apex());
        let ascending = names.windows(2).all(|pair| pair[0].key < pair[1].key);
        let names = names.into_iter().map(Arc::new).collect();
        (apex_first && ascending).then_some(Self { names })
    }

    /// The names in canonical order.
    #[inline]
    pub(crate) fn names(&self) -> &[Arc<FixedName>] {
        &self.names
    }

    /// The apex.
    #[inline]
    pub(crate) fn apex(&self) -> &FixedName {
        &self.names[0]
    }

    /// The name at a place, to be changed.
    pub(crate) fn name_mut(&mut self, at: usize) -> &mut FixedName {
        Arc::make_mut(&mut self.names[at])
    }

    /// Place of the last name at or before `key`.
    #[inline]
    pub(crate) fn floor(&self, key: &NameKey) -> usize {
        // The apex sorts before every name of the zone.
        self.names
            .partition_point(|name| name.key <= *key)
            .saturating_sub(1)
    }

    /// Place of the first name after a device's; none when the device sorts after all of them.
    pub(crate) fn after_device(&self, key: &Key) -> Option<usize> {
        let place = self.names.partition_point(|name| name.position.key < *key);
        (place < self.names.len()).then_some(place)
    }

    /// Place of the last name before a device's.
    #[inline]
    pub(crate) fn before_device(&self, key: &Key) -> usize {
        self.names
            .partition_point(|name| name.position.key < *key)
            .saturating_sub(1)
    }

    /// Writes the serial into the SOA record and takes over its signature.
    pub(crate) fn set_soa(&mut self, serial: u32, signature: Option<StoredSignature>) {
        let apex = self.name_mut(0);
        let soa = apex
            .rrsets
            .iter_mut()
            .find(|rrset| rrset.record_type == TYPE_SOA);
        if let Some(soa) = soa {
            soa.signature = signature;
            for rdata in &mut soa.rdatas {
                if let Some(at) = rdata.len().checked_sub(SOA_NUMBERS_OCTETS) {
                    rdata[at..at + 4].copy_from_slice(&serial.to_be_bytes());
                }
            }
        }
    }

    /// The names without anything that changes from version to version by itself: serial and
    /// signatures. Two zones with the same are described alike.
    pub(crate) fn description(&self) -> Self {
        let mut described = self.clone();
        for at in 0..described.names.len() {
            let name = described.name_mut(at);
            name.nsec = None;
            for rrset in &mut name.rrsets {
                rrset.signature = None;
            }
        }
        described.set_soa(0, None);
        described
    }
}

impl FixedName {
    /// The types here, ascending, without RRSIG and NSEC.
    pub(crate) fn types(&self) -> impl Iterator<Item = u16> + '_ {
        self.rrsets.iter().map(|rrset| rrset.record_type)
    }

    /// An RRset other than NSEC.
    #[inline]
    pub(crate) fn rrset(&self, record_type: u16) -> Option<&FixedRrset> {
        self.rrsets
            .iter()
            .find(|rrset| rrset.record_type == record_type)
    }

    /// The signature over an RRset, NSEC included; none when it has to be signed, or when there is
    /// no such RRset.
    #[inline]
    pub(crate) fn signature(&self, record_type: u16) -> Option<&StoredSignature> {
        if record_type == TYPE_NSEC {
            self.nsec.as_ref()
        } else {
            self.rrset(record_type)?.signature.as_ref()
        }
    }

    /// Puts a signature over an RRset, NSEC included, into its place.
    pub(crate) fn set_signature(&mut self, record_type: u16, signature: StoredSignature) {
        self.put_signature(record_type, Some(signature));
    }

    /// Asks for a new signature over an RRset, NSEC included.
    pub(crate) fn clear_signature(&mut self, record_type: u16) {
        self.put_signature(record_type, None);
    }

    fn put_signature(&mut self, record_type: u16, signature: Option<StoredSignature>) {
        if record_type == TYPE_NSEC {
            self.nsec = signature;
        } else if let Some(rrset) = self
            .rrsets
            .iter_mut()
            .find(|rrset| rrset.record_type == record_type)
        {
            rrset.signature = signature;
        }
    }
}

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

    #[inline]
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

    #[inline]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record_type::{TYPE_A, TYPE_TXT};
    use proptest::prelude::*;

    #[inline]
    fn signature(signed_at: u32) -> Option<StoredSignature> {
        Some(StoredSignature {
            signed_at,
            octets: [signed_at as u8; 64],
        })
    }

    fn name(labels: &[&[u8]], types: &[u16], signed_at: Option<u32>) -> FixedName {
        let key = NameKey::from_labels(labels.iter().copied());
        FixedName {
            position: Position::of_name(&key),
            key,
            rrsets: types
                .iter()
                .map(|record_type| FixedRrset {
                    record_type: *record_type,
                    ttl_secs: 60,
                    rdatas: vec![vec![7; 30], Vec::new(), vec![8]],
                    signature: signed_at.and_then(signature),
                })
                .collect(),
            nsec: signed_at.and_then(signature),
        }
    }

    #[inline]
    fn names() -> FixedNames {
        FixedNames::new(vec![
            name(&[], &[TYPE_SOA, TYPE_TXT], Some(5)),
            name(&[b"a\0b", b"8a"], &[TYPE_A], None),
            name(&[b"ns1"], &[TYPE_A, TYPE_TXT], Some(u32::MAX)),
        ])
        .unwrap()
    }

    #[test]
    fn names_are_read_back_and_cut_ones_refused() {
        let octets = names().encode();
        assert_eq!(FixedNames::decode(&octets), Ok(names()));
        for length in 0..octets.len() {
            let cut = FixedNames::decode(&octets[..length]);
            assert!(cut.is_err() || cut.unwrap().names().len() < 3, "{length}");
        }
        assert!(FixedNames::decode(&vec![1; ENCODED_OCTETS_MAX + 1]).is_err());
    }

    #[test]
    fn names_out_of_order_or_without_apex_are_refused() {
        let apex = name(&[], &[TYPE_SOA], None);
        let (b, c) = (
            name(&[b"b"], &[TYPE_A], None),
            name(&[b"c"], &[TYPE_A], None),
        );
        assert!(FixedNames::new(vec![apex.clone(), c.clone(), b.clone()]).is_none());
        assert!(FixedNames::new(vec![apex.clone(), b.clone(), b.clone()]).is_none());
        assert!(FixedNames::new(vec![b, c]).is_none());
        assert!(FixedNames::new(Vec::new()).is_none());
        assert!(FixedNames::new(vec![apex]).is_some());
    }

    #[test]
    fn a_description_has_neither_serial_nor_signatures() {
        let mut later = names();
        later.set_soa(77, signature(9));
        later.name_mut(2).nsec = None;
        assert_ne!(later, names());
        assert_eq!(later.description(), names().description());
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = FixedNames::decode(&octets);
            let mut whole = names().encode();
            for (at, octet) in octets.iter().enumerate() {
                let at = at * 7 % whole.len();
                whole[at] ^= octet;
            }
            let _ = FixedNames::decode(&whole);
        }
    }
}
