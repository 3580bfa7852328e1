//! What the registry tells about a device. The members' names are those of the JSON documents;
//! times are in UTC.

use std::fmt;

use iot_identity::{DeviceId, Fingerprint, OwnerName, Slot};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::account::AccountName;

/// One device as its sponsor sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// The device.
    pub device_id: DeviceId,
    /// The sponsoring account.
    pub account: AccountName,
    /// What the DNS says about it, in one word.
    pub state: DeviceState,
    /// The set of EPP statuses (RFC 5731 §2.3) that the state follows from.
    pub statuses: Vec<DeviceStatus>,
    /// Its credentials, in the order of their numbers.
    pub slots: Vec<SlotInfo>,
    /// When it was registered.
    #[serde(with = "crate::timestamp")]
    pub created_at: OffsetDateTime,
    /// When something about it changed last.
    #[serde(with = "crate::timestamp")]
    pub updated_at: OffsetDateTime,
    /// End of the window in which a deleted device can be restored.
    #[serde(default, with = "crate::timestamp::optional")]
    pub restore_until: Option<OffsetDateTime>,
}

/// State of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeviceState {
    /// At least one credential is published.
    Active,
    /// Registered, and nothing is published but the note that it is inactive.
    Inactive,
    /// Deleted and absent from the DNS; can still be restored.
    PendingDelete,
}

impl DeviceState {
    /// The name used in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::PendingDelete => "pendingDelete",
        }
    }
}

impl fmt::Display for DeviceState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// EPP status of an object (RFC 5731 §2.3). A device has a set of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeviceStatus {
    /// Nothing else applies.
    Ok,
    /// No live slot.
    Inactive,
    /// Withdrawn by the sponsor.
    ClientHold,
    /// Withdrawn by the registry.
    ServerHold,
    /// A create is not finished.
    PendingCreate,
    /// A transfer is not finished.
    PendingTransfer,
    /// Deleted, can still be restored.
    PendingDelete,
    /// The sponsor prohibits delete.
    ClientDeleteProhibited,
    /// The sponsor prohibits renew.
    ClientRenewProhibited,
    /// The sponsor prohibits transfer.
    ClientTransferProhibited,
    /// The sponsor prohibits update.
    ClientUpdateProhibited,
    /// The registry prohibits delete.
    ServerDeleteProhibited,
    /// The registry prohibits renew.
    ServerRenewProhibited,
    /// The registry prohibits transfer.
    ServerTransferProhibited,
    /// The registry prohibits update.
    ServerUpdateProhibited,
}

impl DeviceStatus {
    /// The name of RFC 5731.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Inactive => "inactive",
            Self::ClientHold => "clientHold",
            Self::ServerHold => "serverHold",
            Self::PendingCreate => "pendingCreate",
            Self::PendingTransfer => "pendingTransfer",
            Self::PendingDelete => "pendingDelete",
            Self::ClientDeleteProhibited => "clientDeleteProhibited",
            Self::ClientRenewProhibited => "clientRenewProhibited",
            Self::ClientTransferProhibited => "clientTransferProhibited",
            Self::ClientUpdateProhibited => "clientUpdateProhibited",
            Self::ServerDeleteProhibited => "serverDeleteProhibited",
            Self::ServerRenewProhibited => "serverRenewProhibited",
            Self::ServerTransferProhibited => "serverTransferProhibited",
            Self::ServerUpdateProhibited => "serverUpdateProhibited",
        }
    }
}

impl fmt::Display for DeviceStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// One credential of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotInfo {
    /// Its number on the device.
    pub slot: Slot,
    /// Where it is published, which is also the name in the certificate.
    #[serde(with = "owner_name_text")]
    pub owner_name: OwnerName,
    /// SHA-256 of the certificate's DER.
    pub fingerprint: Fingerprint,
    /// Serial number of the certificate, lower-case hexadecimal digits; none for a certificate that
    /// was issued elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Begin of the certificate's validity.
    #[serde(with = "crate::timestamp")]
    pub not_before: OffsetDateTime,
    /// Last second of the certificate's validity.
    #[serde(with = "crate::timestamp")]
    pub not_after: OffsetDateTime,
    /// Whether it may be published at all.
    pub state: SlotState,
}

/// State of a credential; withdrawn and expired are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SlotState {
    /// Published whenever the device is not held.
    Live,
    /// Taken back.
    Withdrawn,
    /// Past the certificate's validity.
    Expired,
}

impl SlotState {
    /// The name used in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for SlotState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// By when a change of the zone is believed everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicationTimes {
    /// SOA serial of the zone version that carries the change.
    pub published_serial: u32,
    /// After a withdrawal: from this moment no signature over the old records is valid, not even
    /// for who replays them.
    #[serde(default, with = "crate::timestamp::optional")]
    pub denied_everywhere_by: Option<OffsetDateTime>,
    /// After a withdrawal: from this moment no cache that honours TTLs has the old records.
    #[serde(default, with = "crate::timestamp::optional")]
    pub honest_caches_by: Option<OffsetDateTime>,
    /// After a publication: from this moment no denial of the records is believed.
    #[serde(default, with = "crate::timestamp::optional")]
    pub visible_everywhere_by: Option<OffsetDateTime>,
}

mod owner_name_text {
    use iot_identity::OwnerName;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(
        name: &OwnerName,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(name)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<OwnerName, D::Error> {
        let text = String::deserialize(deserializer)?;
        OwnerName::parse_in_any_zone(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_documents_are_the_names_in_text() {
        for state in [
            DeviceState::Active,
            DeviceState::Inactive,
            DeviceState::PendingDelete,
        ] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        for state in [SlotState::Live, SlotState::Withdrawn, SlotState::Expired] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        for status in [
            DeviceStatus::Ok,
            DeviceStatus::Inactive,
            DeviceStatus::ClientHold,
            DeviceStatus::ServerHold,
            DeviceStatus::PendingCreate,
            DeviceStatus::PendingTransfer,
            DeviceStatus::PendingDelete,
            DeviceStatus::ClientDeleteProhibited,
            DeviceStatus::ClientRenewProhibited,
            DeviceStatus::ClientTransferProhibited,
            DeviceStatus::ClientUpdateProhibited,
            DeviceStatus::ServerDeleteProhibited,
            DeviceStatus::ServerRenewProhibited,
            DeviceStatus::ServerTransferProhibited,
            DeviceStatus::ServerUpdateProhibited,
        ] {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
    }
}
