//! What the database lists, held against the names of a zone.

use std::error::Error as StdError;
use std::iter::Peekable;

use iot_identity::{CertRecord, DeviceId, InactiveText, PackedKey, Publication, Slot, TlsaRecord};

use super::{CheckError, Listed, Name};
use crate::name::NameKey;
use crate::record_type::{TYPE_CERT, TYPE_NSEC, TYPE_TLSA, TYPE_TXT};

/// What the database lists, without absent credentials, held to its order.
pub(super) struct Projection<I: Iterator> {
    listed: Peekable<I>,
    last: Option<PackedKey>,
}

impl<I, L> Projection<I>
where
    I: Iterator<Item = Result<Listed, L>>,
    L: Into<Box<dyn StdError + Send + Sync>>,
{
    pub(super) fn of(listed: I) -> Self {
        Self {
            listed: listed.peekable(),
            last: None,
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<Listed>, CheckError> {
        self.next_if(|_| true)
    }

    pub(super) fn next_before(&mut self, key: PackedKey) -> Result<Option<Listed>, CheckError> {
        self.next_if(|listed| listed < key)
    }

    pub(super) fn next_at(&mut self, key: PackedKey) -> Result<Option<Listed>, CheckError> {
        self.next_if(|listed| listed == key)
    }

    fn next_if(
        &mut self,
        wanted: impl Fn(PackedKey) -> bool,
    ) -> Result<Option<Listed>, CheckError> {
        loop {
            let next = self.listed.next_if(|next| match next {
                Ok((device_id, slot, publication)) => {
                    *publication == Publication::Absent || wanted(PackedKey::new(*device_id, *slot))
                }
                Err(_) => true,
            });
            let Some(next) = next else { return Ok(None) };
            let next = next.map_err(|error| CheckError::Listed(error.into()))?;
            let (device_id, slot, publication) = next;
            let key = PackedKey::new(device_id, slot);
            if self.last.is_some_and(|last| last >= key) {
                return Err(CheckError::ListedOrder { device_id, slot });
            }
            self.last = Some(key);
            if publication != Publication::Absent {
                return Ok(Some(next));
            }
        }
    }
}

/// What a name is to the database.
pub(super) enum Credential {
    None,
    Stray,
    Name(DeviceId, Slot),
}

/// Reads a name as a credential's.
pub(super) fn credential(key: &NameKey) -> Credential {
    let labels = key.labels();
    let text = |label: &Vec<u8>| String::from_utf8_lossy(label).into_owned();
    let device_id = |label: &Vec<u8>| DeviceId::parse(&text(label)).ok();
    if let [slot, id] = labels.as_slice()
        && let (Ok(slot), Some(device_id)) = (Slot::parse(&text(slot)), device_id(id))
    {
        return Credential::Name(device_id, slot);
    }
    if labels.iter().any(|label| device_id(label).is_some()) {
        Credential::Stray
    } else {
        Credential::None
    }
}

/// Whether a name holds exactly the records of a publication, beside NSEC.
pub(super) fn publishes(name: &Name, publication: Publication) -> bool {
    let one = |record_type: u16| match name.rrsets.get(&record_type) {
        Some(rrset) if rrset.rdatas.len() == 1 => Some(rrset.rdatas[0].as_slice()),
        _ => None,
    };
    let types: Vec<u16> = name
        .rrsets
        .keys()
        .copied()
        .filter(|record_type| *record_type != TYPE_NSEC)
        .collect();
    match publication {
        Publication::Active(fingerprint) => {
            types == [TYPE_CERT, TYPE_TLSA]
                && one(TYPE_CERT) == Some(&CertRecord { fingerprint }.rdata())
                && one(TYPE_TLSA) == Some(&TlsaRecord { fingerprint }.rdata())
        }
        Publication::Inactive => {
            types == [TYPE_TXT] && one(TYPE_TXT) == Some(&InactiveText.rdata())
        }
        Publication::Absent => false,
    }
}
