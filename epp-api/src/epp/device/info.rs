//! `<device:info>` and `<device:infData>`.

use std::fmt;

use iot_identity::{DeviceId, Fingerprint, OwnerName, Slot};
use time::OffsetDateTime;

use crate::account::AccountName;
use crate::device::{DeviceStatus, SlotState};
use crate::epp::device::authorization::{read_presented, write_presented};
use crate::epp::device::{read_id, write_asp};
use crate::epp::namespace::device;
use crate::epp::read_error::ReadError;
use crate::epp::secret::Secret;
use crate::epp::xml::{XmlReader, XmlWriter, instant};

/// Ask for one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// The device.
    pub device_id: DeviceId,
    /// Given by who is not the sponsor.
    pub auth_info: Option<Secret>,
}

impl Info {
    pub(super) fn read(reader: &mut XmlReader<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            device_id: read_id(reader)?,
            auth_info: read_presented(reader)?,
        })
    }

    pub(super) fn write(&self, writer: &mut XmlWriter) {
        writer.element(device("id"), self.device_id.as_str());
        write_presented(self.auth_info.as_ref(), writer);
    }
}

/// Identifier of an object in this repository (`roid`, RFC 5730 §2.8), from its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepositoryId(pub u64);

impl fmt::Display for RepositoryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "D{}-IOTR", self.0)
    }
}

/// One device. Authorization information is never shown (RFC 9154 §5.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InfoData {
    /// The device.
    pub device_id: DeviceId,
    /// Its number in the repository: another one after delete and registration anew.
    pub repository_id: RepositoryId,
    /// The set of statuses; an empty one is written as `ok`.
    pub statuses: Vec<DeviceStatus>,
    /// Its credentials, in the order of their numbers.
    pub slots: Vec<SlotData>,
    /// The sponsor.
    pub sponsor: AccountName,
    /// When it was registered.
    pub created_at: OffsetDateTime,
    /// When something about it changed last.
    pub updated_at: Option<OffsetDateTime>,
    /// End of the registration.
    pub expires_at: OffsetDateTime,
    /// When it changed its sponsor last.
    pub transferred_at: Option<OffsetDateTime>,
    /// End of the window in which a deleted device can be restored.
    pub restore_until: Option<OffsetDateTime>,
}

/// One credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotData {
    /// Its number on the device.
    pub slot: Slot,
    /// Whether it may be published.
    pub state: SlotState,
    /// Why it is not live.
    pub reason: Option<SlotReason>,
    /// Where it is published.
    pub owner_name: OwnerName,
    /// SHA-256 of the certificate's DER.
    pub fingerprint: Fingerprint,
    /// Serial number of the certificate, lower-case hexadecimal digits; none for a certificate that
    /// was issued elsewhere.
    pub serial: Option<String>,
    /// Begin of the certificate's validity.
    pub not_before: OffsetDateTime,
    /// Last second of the certificate's validity.
    pub not_after: OffsetDateTime,
    /// The application service provider that it is bound to.
    pub asp: Option<AccountName>,
    /// Whether it was issued under an earlier sponsor.
    pub inherited: bool,
    /// By when an inherited one has to be replaced.
    pub replace_by: Option<OffsetDateTime>,
}

/// Why a credential is no longer live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SlotReason {
    /// Another one took its place.
    Superseded,
    /// Its key may be known to others.
    Compromised,
    /// The certificate's validity is over.
    Expired,
}

impl SlotReason {
    /// The name in the schema.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Superseded => "superseded",
            Self::Compromised => "compromised",
            Self::Expired => "expired",
        }
    }
}

impl InfoData {
    pub(crate) fn write(&self, writer: &mut XmlWriter) {
        let mut statuses = self.statuses.clone();
        if statuses.is_empty() {
            statuses.push(DeviceStatus::Ok);
        }
        statuses.sort_unstable();
        statuses.dedup();
        writer.within(device("infData"), &[], |writer| {
            writer.element(device("id"), self.device_id.as_str());
            writer.element(device("roid"), &self.repository_id.to_string());
            for status in statuses {
                writer.empty(device("status"), &[("s", status.as_str())]);
            }
            for slot in &self.slots {
                slot.write(writer);
            }
            writer.element(device("clID"), self.sponsor.as_str());
            writer.element(device("crDate"), &instant(self.created_at));
            writer.optional_instant(device("upDate"), self.updated_at);
            writer.element(device("exDate"), &instant(self.expires_at));
            writer.optional_instant(device("trDate"), self.transferred_at);
            writer.optional_instant(device("restoreUntil"), self.restore_until);
        });
    }
}

impl SlotData {
    fn write(&self, writer: &mut XmlWriter) {
        let number = self.slot.to_string();
        let attributes = [("n", number.as_str()), ("state", self.state.as_str())];
        writer.within(device("slot"), &attributes, |writer| {
            writer.optional(device("reason"), self.reason.map(SlotReason::as_str));
            writer.element(device("ownerName"), &self.owner_name.to_string());
            writer.element(device("fingerprint"), &self.fingerprint.to_string());
            writer.optional(device("serial"), self.serial.as_deref());
            writer.element(device("notBefore"), &instant(self.not_before));
            writer.element(device("notAfter"), &instant(self.not_after));
            write_asp(self.asp.as_ref(), writer);
            if self.inherited {
                writer.empty(device("inherited"), &[]);
            }
            writer.optional_instant(device("replaceBy"), self.replace_by);
        });
    }
}
