//! What the registry tells about a device. The members' names are those of the JSON documents;
//! times are in UTC.

use std::fmt;
use std::str::FromStr;

use iot_identity::{DeviceId, Fingerprint, OwnerName, Slot};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;
use time::OffsetDateTime;

use crate::account::AccountName;
use crate::named::named;

/// One device as its sponsor sees it; an application service provider sees the slots bound to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceInfo {
    /// The device.
    pub device_id: DeviceId,
    /// Identifier of the object in this repository (`roid`, RFC 5730 §2.8): another one after delete
    /// and registration anew.
    pub repository_id: RepositoryId,
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
    /// End of the registration.
    #[serde(with = "crate::timestamp")]
    pub expires_at: OffsetDateTime,
    /// When it changed its sponsor last.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::timestamp::optional"
    )]
    pub transferred_at: Option<OffsetDateTime>,
    /// End of the window in which a deleted device can be restored.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::timestamp::optional"
    )]
    pub restore_until: Option<OffsetDateTime>,
    /// Changes with everything above: what If-Match compares.
    pub version: u64,
}

/// Identifier of an object in this repository, from its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepositoryId(pub u64);

impl fmt::Display for RepositoryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "D{}-IOTR", self.0)
    }
}

impl Serialize for RepositoryId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The text is no identifier of an object in this repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an identifier of this repository is D, a number, and -IOTR")]
pub struct RepositoryIdError;

impl FromStr for RepositoryId {
    type Err = RepositoryIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text
            .strip_prefix('D')
            .and_then(|rest| rest.strip_suffix("-IOTR"));
        let number = number.and_then(|number| number.parse().ok());
        number.map(Self).ok_or(RepositoryIdError)
    }
}

impl<'de> Deserialize<'de> for RepositoryId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text
            .strip_prefix('D')
            .and_then(|rest| rest.strip_suffix("-IOTR"));
        let number = number.and_then(|number| number.parse().ok());
        number
            .map(Self)
            .ok_or_else(|| de::Error::custom("not an identifier of this repository"))
    }
}

named! {
    /// State of a device.
    DeviceState {
        /// At least one credential is published.
        Active = "active",
        /// Registered, and nothing is published but the note that it is inactive.
        Inactive = "inactive",
        /// Deleted and absent from the DNS; can still be restored.
        PendingDelete = "pendingDelete",
    }
}

named! {
    /// EPP status of an object (RFC 5731 §2.3). A device has a set of them.
    #[derive(PartialOrd, Ord)]
    DeviceStatus {
        /// Nothing else applies.
        Ok = "ok",
        /// No live slot.
        Inactive = "inactive",
        /// Withdrawn by the sponsor.
        ClientHold = "clientHold",
        /// Withdrawn by the registry.
        ServerHold = "serverHold",
        /// A create is not finished.
        PendingCreate = "pendingCreate",
        /// A transfer is not finished.
        PendingTransfer = "pendingTransfer",
        /// Deleted, can still be restored.
        PendingDelete = "pendingDelete",
        /// The sponsor prohibits delete.
        ClientDeleteProhibited = "clientDeleteProhibited",
        /// The sponsor prohibits renew.
        ClientRenewProhibited = "clientRenewProhibited",
        /// The sponsor prohibits transfer.
        ClientTransferProhibited = "clientTransferProhibited",
        /// The sponsor prohibits update.
        ClientUpdateProhibited = "clientUpdateProhibited",
        /// The registry prohibits delete.
        ServerDeleteProhibited = "serverDeleteProhibited",
        /// The registry prohibits renew.
        ServerRenewProhibited = "serverRenewProhibited",
        /// The registry prohibits transfer.
        ServerTransferProhibited = "serverTransferProhibited",
        /// The registry prohibits update.
        ServerUpdateProhibited = "serverUpdateProhibited",
    }
}

named! {
    /// A status that an account can set: `client…` by the sponsor, `server…` by the registry's
    /// operators. The others follow from the state.
    SettableStatus {
        /// Withdrawn by the sponsor.
        ClientHold = "clientHold",
        /// Withdrawn by the registry.
        ServerHold = "serverHold",
        /// The sponsor prohibits delete.
        ClientDeleteProhibited = "clientDeleteProhibited",
        /// The sponsor prohibits renew.
        ClientRenewProhibited = "clientRenewProhibited",
        /// The sponsor prohibits transfer.
        ClientTransferProhibited = "clientTransferProhibited",
        /// The sponsor prohibits update.
        ClientUpdateProhibited = "clientUpdateProhibited",
        /// The registry prohibits delete.
        ServerDeleteProhibited = "serverDeleteProhibited",
        /// The registry prohibits renew.
        ServerRenewProhibited = "serverRenewProhibited",
        /// The registry prohibits transfer.
        ServerTransferProhibited = "serverTransferProhibited",
        /// The registry prohibits update.
        ServerUpdateProhibited = "serverUpdateProhibited",
    }
}

impl SettableStatus {
    /// Whether it is the sponsor's to set, and not the registry's.
    pub fn is_client(self) -> bool {
        self.as_str().starts_with("client")
    }
}

/// One credential of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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
    /// Why it is no longer live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<SlotReason>,
    /// The application service provider that it is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asp: Option<AccountName>,
    /// Whether it was issued under an earlier sponsor.
    pub inherited: bool,
    /// By when an inherited one has to be replaced.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::timestamp::optional"
    )]
    pub replace_by: Option<OffsetDateTime>,
}

named! {
    /// State of a credential; withdrawn and expired are final.
    SlotState {
        /// Published whenever the device is not held.
        Live = "live",
        /// Taken back.
        Withdrawn = "withdrawn",
        /// Past the certificate's validity.
        Expired = "expired",
    }
}

named! {
    /// Why a credential is no longer live.
    SlotReason {
        /// Another one took its place.
        Superseded = "superseded",
        /// Its key may be known to others.
        Compromised = "compromised",
        /// The certificate's validity is over.
        Expired = "expired",
        /// The registration that it belonged to was deleted.
        Deleted = "deleted",
    }
}

named! {
    /// Why a sponsor takes a slot back.
    WithdrawReason {
        /// Another one took its place.
        Superseded = "superseded",
        /// Its key may be known to others.
        Compromised = "compromised",
    }
}

/// By when a change of the zone is believed everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicationTimes {
    /// SOA serial of the zone version that carries the change.
    pub published_serial: u32,
    /// After a withdrawal: from this moment no signature over the old records is valid, not even
    /// for who replays them.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::timestamp::optional"
    )]
    pub denied_everywhere_by: Option<OffsetDateTime>,
    /// After a withdrawal: from this moment no cache that honours TTLs has the old records.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::timestamp::optional"
    )]
    pub honest_caches_by: Option<OffsetDateTime>,
    /// After a publication: from this moment no denial of the records is believed.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::timestamp::optional"
    )]
    pub visible_everywhere_by: Option<OffsetDateTime>,
}

mod owner_name_text {
    use super::*;

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
        for status in DeviceStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
            assert_eq!(DeviceStatus::from_name(status.as_str()), Some(*status));
        }
    }

    #[test]
    fn settable_statuses_are_statuses() {
        for settable in SettableStatus::ALL {
            assert!(DeviceStatus::from_name(settable.as_str()).is_some());
        }
    }

    #[test]
    fn repository_ids_are_read_as_written() {
        let id = RepositoryId(7);
        let text = serde_json::to_string(&id).unwrap();
        assert_eq!(text, "\"D7-IOTR\"");
        assert_eq!(serde_json::from_str::<RepositoryId>(&text).unwrap(), id);
        assert!(serde_json::from_str::<RepositoryId>("\"7\"").is_err());
    }
}
