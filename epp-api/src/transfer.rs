//! What the registry tells about the transfer of a device.

use iot_identity::DeviceId;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::account::AccountName;
use crate::named::named;

/// A transfer as both sides see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransferInfo {
    /// Its number.
    pub transfer_id: u64,
    /// The device.
    pub device_id: DeviceId,
    /// Who began it.
    pub direction: Direction,
    /// How far it is.
    pub status: TransferStatus,
    /// Who has the device, or had it before.
    pub losing: AccountName,
    /// Who shall have it, or has it now.
    pub gaining: AccountName,
    /// Who asked for it.
    pub requested_by: AccountName,
    /// When.
    #[serde(with = "crate::timestamp")]
    pub requested_at: OffsetDateTime,
    /// Who has to act, or did.
    pub acting: AccountName,
    /// By when, or when.
    #[serde(with = "crate::timestamp")]
    pub acting_at: OffsetDateTime,
    /// How the device arrives, once that is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival: Option<Arrival>,
    /// After completion: by when inherited certificates have to be replaced.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::timestamp::optional"
    )]
    pub replace_by: Option<OffsetDateTime>,
}

named! {
    /// How a device arrives at the gaining account.
    #[derive(Default)]
    Arrival {
        /// Serving as before.
        #[default]
        AsIs = "asIs",
        /// With `clientHold`.
        Held = "held",
    }
}

named! {
    /// Who began a transfer.
    Direction {
        /// The gaining account.
        Pull = "pull",
        /// The losing account.
        Push = "push",
        /// An operator of the registry.
        Forced = "forced",
    }
}

named! {
    /// How far a transfer is (`trStatusType`, RFC 5730 §4.2).
    TransferStatus {
        /// Somebody has to agree.
        Pending = "pending",
        /// Agreed to by who had to.
        ClientApproved = "clientApproved",
        /// Given up by who asked.
        ClientCancelled = "clientCancelled",
        /// Refused by who had to agree.
        ClientRejected = "clientRejected",
        /// Carried out by the registry.
        ServerApproved = "serverApproved",
        /// Ended by the registry.
        ServerCancelled = "serverCancelled",
    }
}
