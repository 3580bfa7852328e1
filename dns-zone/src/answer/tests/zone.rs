//! A zone of chosen names without a database, a log or a clock.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use iot_identity::{DeviceId, Fingerprint, PackedKey, Slot, ZoneName};

use crate::answer::batch::{Batch, Exchange};
use crate::answer::{Answering, Disposition, Patience, Transport};
use crate::denial::Chain;
use crate::fixed::{FixedName, FixedNames, FixedRrset};
use crate::key::ZoneKeys;
use crate::name::NameKey;
use crate::position::{Key, Position};
use crate::profile::Profile;
use crate::record_type::{TYPE_A, TYPE_CAA, TYPE_DNSKEY, TYPE_NS, TYPE_SOA, TYPE_TXT};
use crate::render::Templates;
use crate::store::disk::RealFile;
use crate::store::load::Loader;
use crate::store::mapping::Mapping;
use crate::store::page::{PAGE_OCTETS, PageNo};
use crate::store::record::{State, StoredRecord, StoredSignature};
use crate::store::tree::{Root, Tree};

pub(super) const NOW: u64 = 1_800_000_000;
pub(super) const PROFILE: Profile = Profile::Fleet;

pub(super) struct TestZone {
    pub(super) file: File,
    pub(super) mapping: Mapping,
    pub(super) root: Root,
    pub(super) pages: PageNo,
    pub(super) fixed: FixedNames,
    pub(super) templates: Templates,
    pub(super) devices: BTreeMap<Key, StoredRecord>,
    pub(super) answering: Answering,
}

pub(super) fn apex() -> ZoneName {
    ZoneName::parse("iotregistry.example").unwrap()
}

/// The EID with a serial number.
pub(super) fn eid(number: u64) -> DeviceId {
    (2..=98)
        .find_map(|check| DeviceId::parse(&format!("89049032{number:022}{check:02}")).ok())
        .unwrap()
}

pub(super) fn key(device_id: DeviceId, slot: u16) -> Key {
    *PackedKey::new(device_id, Slot::new(slot).unwrap()).as_octets()
}

/// A signature that nobody verifies, told apart from others by its first octets.
pub(super) fn signature(seed: u32) -> Option<StoredSignature> {
    let mut octets = [0x5a; 64];
    octets[..4].copy_from_slice(&seed.to_be_bytes());
    Some(StoredSignature {
        signed_at: NOW as u32 - seed % 100,
        octets,
    })
}

pub(super) fn active(seed: u32) -> StoredRecord {
    StoredRecord {
        state: State::Active(Fingerprint::of_certificate(&seed.to_be_bytes())),
        nsec: signature(seed),
        first: signature(seed + 1),
        tlsa: signature(seed + 2),
    }
}

pub(super) fn inactive(seed: u32) -> StoredRecord {
    StoredRecord {
        state: State::Inactive {
            withdrawn_until: None,
        },
        nsec: signature(seed),
        first: signature(seed + 1),
        tlsa: None,
    }
}

fn rrset(record_type: u16, rdatas: &[&[u8]]) -> FixedRrset {
    FixedRrset {
        record_type,
        ttl_secs: if record_type == TYPE_DNSKEY {
            3600
        } else {
            300
        },
        rdatas: rdatas.iter().map(|rdata| rdata.to_vec()).collect(),
        signature: signature(1000 + u32::from(record_type)),
    }
}

/// A static name with a TXT and a CAA record.
pub(super) fn static_name(labels: &[&[u8]]) -> FixedName {
    let key = NameKey::from_labels(labels.iter().copied());
    FixedName {
        position: Position::of_name(&key),
        key,
        rrsets: vec![
            rrset(TYPE_TXT, &[b"\x01x", b"\x02yz"]),
            rrset(TYPE_CAA, &[b"\0\x05issuex"]),
        ],
        nsec: signature(2000),
    }
}

fn apex_name(keys: &ZoneKeys) -> FixedName {
    let mut soa = b"\x03ns1".to_vec();
    soa.extend_from_slice(apex().wire());
    soa.extend_from_slice(apex().wire());
    soa.extend_from_slice(&[0; 20]);
    let public = keys.public();
    FixedName {
        key: NameKey::apex(),
        position: Position::APEX,
        rrsets: vec![
            rrset(TYPE_A, &[&[192, 0, 2, 1]]),
            rrset(TYPE_NS, &[b"\x03ns1\0", b"\x03ns2\0"]),
            rrset(TYPE_SOA, &[&soa]),
            rrset(TYPE_DNSKEY, &[public.ksk.rdata(), public.zsk.rdata()]),
        ],
        nsec: signature(3000),
    }
}

impl TestZone {
    pub(super) fn new(devices: BTreeMap<Key, StoredRecord>, statics: Vec<FixedName>) -> Self {
        let file = tempfile::tempfile().unwrap();
        file.set_len(2 * PAGE_OCTETS as u64).unwrap();
        let mut loader = Loader::new(2, 1, 1, |page: PageNo, octets: &[u8; PAGE_OCTETS]| {
            file.write_all_at(octets, u64::from(page) * PAGE_OCTETS as u64)
        });
        for (key, record) in &devices {
            loader.push(*key, record.clone()).unwrap();
        }
        let (root, pages) = loader.finish().unwrap();
        let keys = ZoneKeys::generate().unwrap();
        let mut names = vec![apex_name(&keys)];
        names.extend(statics);
        names.sort_by(|left, right| left.key.cmp(&right.key));
        names.dedup_by(|left, right| left.key == right.key);
        Self {
            mapping: Mapping::new(RealFile::of(&file), pages).unwrap(),
            templates: Templates::new(&apex(), PROFILE, &keys.public()),
            fixed: FixedNames::new(names).unwrap(),
            answering: Answering::default(),
            file,
            root,
            pages,
            devices,
        }
    }

    pub(super) fn batch(&self, transport: Transport, patience: Patience, now: u64) -> Batch<'_> {
        let tree = Tree::new(&self.mapping, &self.root, 1);
        Batch {
            chain: Chain::new(&self.templates, &self.fixed, tree),
            answering: &self.answering,
            transport,
            patience,
            now,
        }
    }

    /// Answers one query at a time.
    pub(super) fn respond(&self, query: &[u8], transport: Transport, now: u64) -> Option<Vec<u8>> {
        let mut out = vec![0xaa; 65_535];
        let mut exchanges = [Exchange::new(query, &mut out)];
        self.batch(transport, Patience::Refuse, now)
            .answer_all(&mut exchanges);
        match &exchanges[0].disposition {
            Disposition::Answer(length) => {
                let length = *length;
                out.truncate(length);
                Some(out)
            }
            _ => None,
        }
    }
}

/// A query with EDNS, DO and these labels below the apex.
pub(super) fn query(labels: &[&[u8]], record_type: u16, payload: u16, dnssec_ok: bool) -> Vec<u8> {
    let mut octets = vec![0xbe, 0xef, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    for label in labels {
        octets.push(label.len() as u8);
        octets.extend_from_slice(label);
    }
    octets.extend_from_slice(apex().wire());
    octets.extend_from_slice(&record_type.to_be_bytes());
    octets.extend_from_slice(&[0, 1, 0, 0, 41]);
    octets.extend_from_slice(&payload.to_be_bytes());
    octets.extend_from_slice(&[0, 0, if dnssec_ok { 0x80 } else { 0 }, 0, 0, 0]);
    octets
}
