//! One version of the zone, immutable: what readers answer from and plans start from.
//!
//! A node stores what cannot be derived: the fingerprint and the signatures. RDATA, bitmaps and
//! the next name of an NSEC are made on the way out, by the same code for signing, verifying,
//! answering and dumping. Empty non-terminals have no node: a name exists without records when
//! the node after it lies below it.

use std::borrow::Cow;
use std::ops::Bound;
use std::sync::Arc;

use iot_identity::{
    CertRecord, DeviceId, Fingerprint, InactiveText, Publication, Slot, TlsaRecord, ZoneName,
};
use rpds::RedBlackTreeMapSync;

use crate::key::{PublicKeys, Role};
use crate::name::NameKey;
use crate::nsec;
use crate::profile::Profile;
use crate::record_type::{TYPE_CERT, TYPE_NSEC, TYPE_TLSA, TYPE_TXT};
use crate::rrsig::{Fields, Signature, signed_octets};

/// All names of the zone that own records, in canonical order.
pub(crate) type Nodes = RedBlackTreeMapSync<NameKey, Node>;

/// What stays the same from version to version.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) apex: ZoneName,
    pub(crate) profile: Profile,
    pub(crate) keys: PublicKeys,
}

/// One version of the zone.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) shape: Arc<Shape>,
    pub(crate) nodes: Nodes,
    pub(crate) serial: u32,
    pub(crate) zone_version: u64,
    pub(crate) applied: u64,
    pub(crate) device_names: usize,
}

/// A name with its records.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) records: Records,
    pub(crate) nsec: Signature,
    /// Latest expiration of any NSEC ever released that denied the names between this one and the
    /// next; inherited by both halves when the gap is split, merged when gaps are joined.
    pub(crate) gap_denied_until: Option<u32>,
    /// Latest expiration of any NSEC ever released that denied this name or its CERT and TLSA.
    pub(crate) denied_until: Option<u32>,
}

#[derive(Clone, Debug)]
pub(crate) enum Records {
    /// An active credential.
    Active {
        fingerprint: Fingerprint,
        cert: Signature,
        tlsa: Signature,
    },
    /// A withdrawn credential.
    Inactive { txt: Signature },
    /// The apex and static names.
    Fixed(Arc<Vec<FixedRrset>>),
}

/// An RRset whose RDATA is stored, in canonical form.
#[derive(Clone, Debug)]
pub(crate) struct FixedRrset {
    pub(crate) record_type: u16,
    pub(crate) ttl_secs: u32,
    pub(crate) rdatas: Vec<Vec<u8>>,
    pub(crate) signature: Signature,
}

/// An RRset on its way out.
#[derive(Debug)]
pub(crate) struct Rrset<'a> {
    pub(crate) record_type: u16,
    pub(crate) ttl_secs: u32,
    pub(crate) rdatas: Vec<Cow<'a, [u8]>>,
    pub(crate) signature: &'a Signature,
}

const ACTIVE_TYPES: [u16; 2] = [TYPE_CERT, TYPE_TLSA];
const INACTIVE_TYPES: [u16; 1] = [TYPE_TXT];

impl Records {
    /// The types here, ascending, without RRSIG and NSEC.
    pub(crate) fn types(&self) -> impl Iterator<Item = u16> + '_ {
        let (derived, stored): (&[u16], &[FixedRrset]) = match self {
            Self::Active { .. } => (&ACTIVE_TYPES, &[]),
            Self::Inactive { .. } => (&INACTIVE_TYPES, &[]),
            Self::Fixed(rrsets) => (&[], rrsets),
        };
        let stored = stored.iter().map(|rrset| rrset.record_type);
        derived.iter().copied().chain(stored)
    }

    /// The signature over an RRset here, to be replaced.
    pub(crate) fn signature_mut(&mut self, record_type: u16) -> Option<&mut Signature> {
        match self {
            Self::Active { cert, .. } if record_type == TYPE_CERT => Some(cert),
            Self::Active { tlsa, .. } if record_type == TYPE_TLSA => Some(tlsa),
            Self::Inactive { txt } if record_type == TYPE_TXT => Some(txt),
            Self::Fixed(rrsets) => Arc::make_mut(rrsets)
                .iter_mut()
                .find(|rrset| rrset.record_type == record_type)
                .map(|rrset| &mut rrset.signature),
            _ => None,
        }
    }

    /// What these records say about a credential; none for names that are not a device's.
    pub(crate) fn publication(&self) -> Option<Publication> {
        match self {
            Self::Active { fingerprint, .. } => Some(Publication::Active(*fingerprint)),
            Self::Inactive { .. } => Some(Publication::Inactive),
            Self::Fixed(_) => None,
        }
    }
}

impl Node {
    /// The signature over an RRset here, to be replaced.
    pub(crate) fn signature_mut(&mut self, record_type: u16) -> Option<&mut Signature> {
        if record_type == TYPE_NSEC {
            Some(&mut self.nsec)
        } else {
            self.records.signature_mut(record_type)
        }
    }
}

impl Snapshot {
    /// The zone's name.
    pub fn apex(&self) -> &ZoneName {
        &self.shape.apex
    }

    /// The zone's times.
    pub fn profile(&self) -> Profile {
        self.shape.profile
    }

    /// The public keys in the DNSKEY RRset.
    pub fn keys(&self) -> &PublicKeys {
        &self.shape.keys
    }

    /// SOA serial.
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// Number of this version: one more with every commit, never reused.
    pub fn zone_version(&self) -> u64 {
        self.zone_version
    }

    /// Sequence number of the last change of the database that is in this version.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// Number of credentials that have a name, active or inactive.
    pub fn device_names(&self) -> usize {
        self.device_names
    }

    /// What the zone says about a credential.
    pub fn publication(&self, device_id: DeviceId, slot: Slot) -> Publication {
        self.nodes
            .get(&NameKey::device(device_id, slot))
            .and_then(|node| node.records.publication())
            .unwrap_or(Publication::Absent)
    }

    /// The name with records that follows in canonical order; after the last comes the apex.
    pub(crate) fn next(&self, key: &NameKey) -> NameKey {
        let after = (Bound::Excluded(key), Bound::Unbounded);
        let next = self.nodes.range::<NameKey, _>(after).next();
        next.map_or_else(NameKey::apex, |(next, _)| next.clone())
    }

    /// The last name with records before `key`, which is not the apex.
    pub(crate) fn previous(&self, key: &NameKey) -> (&NameKey, &Node) {
        previous(&self.nodes, key)
    }

    /// Whether a name exists: it has records or something below it has.
    pub(crate) fn exists(&self, key: &NameKey) -> bool {
        let from = (Bound::Included(key), Bound::Unbounded);
        let first = self.nodes.range::<NameKey, _>(from).next();
        first.is_some_and(|(first, _)| first == key || first.is_below(key))
    }

    /// An RRset at a name, NSEC included.
    pub(crate) fn rrset<'a>(
        &self,
        key: &NameKey,
        node: &'a Node,
        record_type: u16,
    ) -> Option<Rrset<'a>> {
        if record_type == TYPE_NSEC {
            return Some(self.nsec_rrset(key, node));
        }
        let ttl_secs = self.shape.profile.ttl_secs();
        let derived = |rdata: Vec<u8>, signature| {
            Some(Rrset {
                record_type,
                ttl_secs,
                rdatas: vec![Cow::Owned(rdata)],
                signature,
            })
        };
        match (&node.records, record_type) {
            (
                &Records::Active {
                    fingerprint,
                    ref cert,
                    ..
                },
                TYPE_CERT,
            ) => derived(CertRecord { fingerprint }.rdata().to_vec(), cert),
            (
                &Records::Active {
                    fingerprint,
                    ref tlsa,
                    ..
                },
                TYPE_TLSA,
            ) => derived(TlsaRecord { fingerprint }.rdata().to_vec(), tlsa),
            (Records::Inactive { txt }, TYPE_TXT) => derived(InactiveText.rdata(), txt),
            (Records::Fixed(rrsets), _) => rrsets
                .iter()
                .find(|rrset| rrset.record_type == record_type)
                .map(FixedRrset::view),
            _ => None,
        }
    }

    fn nsec_rrset<'a>(&self, key: &NameKey, node: &'a Node) -> Rrset<'a> {
        let next = self.next(key).wire(&self.shape.apex);
        Rrset {
            record_type: TYPE_NSEC,
            ttl_secs: self.shape.profile.nsec_ttl_secs(),
            rdatas: vec![Cow::Owned(nsec::rdata(&next, node.records.types()))],
            signature: &node.nsec,
        }
    }

    /// RDATA of the RRSIG over an RRset, without the signature octets.
    pub(crate) fn rrsig_prefix(&self, key: &NameKey, rrset: &Rrset<'_>) -> Vec<u8> {
        let role = Role::for_type(rrset.record_type);
        Fields {
            record_type: rrset.record_type,
            label_count: self.shape.apex.label_count() + key.label_count(),
            ttl_secs: rrset.ttl_secs,
            inception: rrset.signature.inception,
            expiration: rrset.signature.expiration,
            key_tag: self.shape.keys.of(role).tag(),
            signer_wire: self.shape.apex.wire(),
        }
        .rdata_prefix()
    }

    /// RDATA of the RRSIG over an RRset.
    pub(crate) fn rrsig_rdata(&self, key: &NameKey, rrset: &Rrset<'_>) -> Vec<u8> {
        let mut rdata = self.rrsig_prefix(key, rrset);
        rdata.extend_from_slice(&rrset.signature.octets);
        rdata
    }

    /// The octets that the signature over an RRset is made of.
    pub(crate) fn signed_octets(&self, key: &NameKey, rrset: &Rrset<'_>) -> Vec<u8> {
        signed_octets(
            &self.rrsig_prefix(key, rrset),
            &key.wire(&self.shape.apex),
            rrset.record_type,
            rrset.ttl_secs,
            rrset.rdatas.iter().map(AsRef::as_ref),
        )
    }
}

impl FixedRrset {
    fn view(&self) -> Rrset<'_> {
        Rrset {
            record_type: self.record_type,
            ttl_secs: self.ttl_secs,
            rdatas: self
                .rdatas
                .iter()
                .map(|rdata| Cow::Borrowed(rdata.as_slice()))
                .collect(),
            signature: &self.signature,
        }
    }
}

/// The last name with records before `key`, which is not the apex.
pub(crate) fn previous<'a>(nodes: &'a Nodes, key: &NameKey) -> (&'a NameKey, &'a Node) {
    let before = (Bound::Unbounded, Bound::Excluded(key));
    nodes
        .range::<NameKey, _>(before)
        .next_back()
        .expect("the apex has records and sorts before every other name")
}
