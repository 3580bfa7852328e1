//! The apex and the static names: the few names that are not devices.
//!
//! They are not in the tree of devices but in memory, in canonical order, and are merged into the
//! chain on the way out. The store keeps them as one string of octets, see [`FixedNames::encode`].

mod encoding;

use std::sync::Arc;

use crate::name::NameKey;
use crate::position::{Key, Position};
use crate::record_type::{TYPE_NSEC, TYPE_SOA};
use crate::store::record::StoredSignature;

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

#[cfg(test)]
mod tests {
    use super::encoding::ENCODED_OCTETS_MAX;
    use super::*;
    use crate::record_type::{TYPE_A, TYPE_TXT};
    use proptest::prelude::*;

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
