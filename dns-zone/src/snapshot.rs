//! One version of the zone, immutable: what readers answer from and plans start from.
//!
//! Two ordered lists make the zone: the devices in the store's tree, by key, and the few fixed names
//! (apex and static records) in memory. The chain of NSEC records runs through both; this file
//! merges them. What is stored is only what cannot be derived: fingerprints and signatures. RDATA,
//! bitmaps and next names are made on the way out. Empty non-terminals are stored nowhere: a name
//! exists without records when the owner after it lies below it.

use std::sync::Arc;

use iot_identity::{DeviceId, Fingerprint, PackedKey, Publication, Slot, ZoneName};
use ring::digest;

use crate::error::ZoneError;
use crate::fixed::{FixedName, FixedNames};
use crate::key::{PublicKeys, Role};
use crate::position::{DeviceName, Key};
use crate::profile::{INCEPTION_SKEW_SECS, Profile};
use crate::record_type::is_key_type;
use crate::render::Templates;
use crate::serial;
use crate::store::Damaged;
use crate::store::record::{RecordView, StoredSignature};
use crate::store::tree::Tree;
use crate::store::{CommitRecord, StoreError, Version};

/// What stays the same from version to version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) apex: ZoneName,
    pub(crate) profile: Profile,
    pub(crate) keys: PublicKeys,
    /// SHA-256 of all the above; a store of another shape has to be signed anew.
    pub(crate) digest: [u8; 32],
    /// Times of signing are multiples of this.
    pub(crate) unit_secs: u32,
    /// Octets of answers that are the same for all devices.
    pub(crate) templates: Templates,
    key_tags: [u16; 2],
}

/// One version of the zone. It stays as it is however long it is held; a copy is cheap. The store
/// keeps its pages as long, so nobody should hold one for longer than a piece of work.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) shape: Arc<Shape>,
    pub(crate) fixed: Arc<FixedNames>,
    pub(crate) version: Arc<Version>,
}

/// A name that owns records.
#[derive(Clone, Copy)]
pub(crate) enum Owner<'a> {
    /// A device's credential.
    Device(RecordView<'a>),
    /// The apex or a static name.
    Fixed(&'a FixedName),
}

/// The owner that an NSEC record points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    /// A device's credential.
    Device(Key),
    /// The apex or a static name.
    Fixed(&'a FixedName),
}

impl Shape {
    /// The shape of a zone with these keys and times.
    pub(crate) fn new(apex: ZoneName, profile: Profile, keys: PublicKeys) -> Self {
        let mut hashed = b"iot-dns-zone shape 1\0".to_vec();
        hashed.extend_from_slice(apex.wire());
        hashed.extend_from_slice(keys.ksk.rdata());
        hashed.extend_from_slice(keys.zsk.rdata());
        for number in [
            profile.ttl_secs(),
            profile.nsec_ttl_secs(),
            profile.key_ttl_secs(),
            profile.validity_secs(),
            profile.key_validity_secs(),
            profile.signing_unit_secs(),
            INCEPTION_SKEW_SECS,
        ] {
            hashed.extend_from_slice(&number.to_be_bytes());
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(digest::digest(&digest::SHA256, &hashed).as_ref());
        Self {
            unit_secs: profile.signing_unit_secs(),
            templates: Templates::new(&apex, profile, &keys),
            key_tags: [keys.ksk.tag(), keys.zsk.tag()],
            apex,
            profile,
            keys,
            digest,
        }
    }

    /// Tag of the key of a role.
    pub(crate) fn key_tag(&self, role: Role) -> u16 {
        match role {
            Role::Ksk => self.key_tags[0],
            Role::Zsk => self.key_tags[1],
        }
    }

    /// The moment of signing at `now`, as it is stored.
    pub(crate) fn signing_time(&self, now: u64) -> u32 {
        serial::wrapped(now - now % u64::from(self.unit_secs))
    }

    /// From signing to expiration of the signature over an RRset of this type.
    pub(crate) fn validity_secs(&self, record_type: u16) -> u32 {
        if is_key_type(record_type) {
            self.profile.key_validity_secs()
        } else {
            self.profile.validity_secs()
        }
    }

    /// When a signature expires, seconds since 1970 modulo 2^32.
    pub(crate) fn expiration(&self, record_type: u16, signed_at: u32) -> u32 {
        signed_at.wrapping_add(self.validity_secs(record_type))
    }

    /// When a signature begins to be valid, likewise.
    pub(crate) fn inception(&self, signed_at: u32) -> u32 {
        signed_at.wrapping_sub(INCEPTION_SKEW_SECS)
    }
}

impl Snapshot {
    /// A version as the store has it. The fixed names carry the version's serial and its signature.
    ///
    /// # Errors
    /// The store's octets are not those of fixed names.
    pub(crate) fn of_version(shape: Arc<Shape>, version: Arc<Version>) -> Result<Self, ZoneError> {
        let mut fixed = FixedNames::decode(&version.fixed).map_err(|_| ZoneError::FixedNames)?;
        let record = &version.record;
        // A store that was only just created has no SOA signature yet.
        let soa = Some(record.soa).filter(|soa| soa.signed_at != 0);
        fixed.set_soa(record.serial, soa);
        Ok(Self {
            shape,
            fixed: Arc::new(fixed),
            version,
        })
    }

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
        self.version.record.serial
    }

    /// Number of this version: one more with every commit, never reused.
    pub fn zone_version(&self) -> u64 {
        self.version.record.zone_version
    }

    /// Sequence number of the last change of the database that is in this version.
    pub fn applied(&self) -> u64 {
        self.version.record.applied
    }

    /// What was committed with this version.
    pub fn commit_record(&self) -> &CommitRecord {
        &self.version.record
    }

    /// Number of credentials that have a name, active or inactive.
    pub fn device_names(&self) -> u64 {
        self.version.root.records
    }

    /// What the zone says about a credential.
    ///
    /// # Errors
    /// [`ZoneError::Damaged`].
    pub fn publication(&self, device_id: DeviceId, slot: Slot) -> Result<Publication, ZoneError> {
        let key = PackedKey::new(device_id, slot);
        let mapping = &self.version.mapping;
        let lost = mapping.lost();
        let record = self.device(key.as_octets())?;
        let publication = record.map_or(Publication::Absent, |record| publication_of(&record));
        if mapping.has_lost_since(lost) {
            return Err(StoreError::PageLost.into());
        }
        Ok(publication)
    }

    /// Reads every page of this version and holds them against each other.
    ///
    /// # Errors
    /// What is wrong first, as a sentence part.
    pub fn verify_structure(&self) -> Result<(), String> {
        match self.tree().verify_structure() {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The devices.
    pub(crate) fn tree(&self) -> Tree<'_> {
        self.version.tree()
    }

    /// A device's record.
    pub(crate) fn device(&self, key: &Key) -> Result<Option<RecordView<'_>>, Damaged> {
        let tree = self.tree();
        tree.find(key)?.map(|at| tree.record(at)).transpose()
    }

    /// The last owner before a device's name, whether the device is there or not.
    pub(crate) fn before_device(&self, key: &Key) -> Result<Owner<'_>, Damaged> {
        let tree = self.tree();
        let mut device = tree.floor(key)?;
        if let Some(at) = device
            && tree.record(at)?.key() == key
        {
            device = tree.previous(at)?;
        }
        let name = &self.fixed.names()[self.fixed.before_device(key)];
        if let Some(at) = device {
            let record = tree.record(at)?;
            if *record.key() > name.position.key {
                return Ok(Owner::Device(record));
            }
        }
        Ok(Owner::Fixed(name))
    }

    /// Key of the first device after a key.
    pub(crate) fn first_device_after(&self, key: &Key) -> Result<Option<Key>, Damaged> {
        let tree = self.tree();
        match tree.floor(key)? {
            Some(at) => tree.next_key(at),
            None => tree
                .first()?
                .map(|at| tree.record(at).map(|record| *record.key()))
                .transpose(),
        }
    }
}

/// The earlier of a fixed name and a device; the apex when there is neither.
pub(crate) fn earlier<'a>(
    names: &'a FixedNames,
    fixed: Option<usize>,
    device: Option<Key>,
) -> Next<'a> {
    let fixed = fixed.map(|at| &*names.names()[at]);
    match (fixed, device) {
        (Some(name), Some(key)) if key <= name.position.key => Next::Device(key),
        (Some(name), _) => Next::Fixed(name),
        (None, Some(key)) => Next::Device(key),
        (None, None) => Next::Fixed(names.apex()),
    }
}

/// Appends a device's owner name in uncompressed wire form.
pub(crate) fn push_device_wire(key: &Key, apex: &ZoneName, out: &mut Vec<u8>) {
    out.extend_from_slice(DeviceName::of(key).wire());
    out.extend_from_slice(apex.wire());
}

/// Presentation form of a device's owner name, with the final dot.
pub(crate) fn device_presentation(key: &Key, apex: &ZoneName) -> String {
    let mut wire = Vec::new();
    push_device_wire(key, apex, &mut wire);
    crate::presentation::name(&wire)
}

/// What a record says about its credential.
pub(crate) fn publication_of(record: &RecordView<'_>) -> Publication {
    if record.is_active() {
        Publication::Active(Fingerprint::from_octets(*record.fingerprint()))
    } else {
        Publication::Inactive
    }
}

/// A signature as it is read from a page.
pub(crate) fn stored_signature(read: Option<(u32, &[u8; 64])>) -> Option<StoredSignature> {
    read.map(|(signed_at, octets)| StoredSignature {
        signed_at,
        octets: *octets,
    })
}
