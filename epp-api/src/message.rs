//! Messages that the registry keeps for an account until it takes them out of its queue.

use iot_identity::{DeviceId, Slot};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::device::{DeviceInfo, PublicationTimes, SlotReason};
use crate::named::named;
use crate::transaction::ClientTransactionId;
use crate::transfer::TransferInfo;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Its number: grows within the account.
    pub message_id: u64,
    /// Since when it is in the queue.
    #[serde(with = "crate::timestamp")]
    pub queued_at: OffsetDateTime,
    /// What happened.
    pub event: Event,
    /// A sentence about it.
    pub text: String,
    /// The device that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<DeviceId>,
    /// The details, as they were then.
    #[serde(default, skip_serializing_if = "Detail::is_none")]
    pub detail: Detail,
}

named! {
    /// What happened.
    Event {
        /// A slot bound to the provider was issued.
        SlotIssued = "slotIssued",
        /// A slot was withdrawn.
        SlotWithdrawn = "slotWithdrawn",
        /// The certificate of a slot ends soon.
        SlotExpires = "slotExpires",
        /// The certificate of a slot has ended.
        SlotExpired = "slotExpired",
        /// A slot was bound to the provider.
        SlotBound = "slotBound",
        /// A slot is bound to the provider no longer.
        SlotUnbound = "slotUnbound",
        /// The statuses of the device changed.
        StatusChanged = "statusChanged",
        /// The device was deleted.
        Deleted = "deleted",
        /// The device was restored.
        Restored = "restored",
        /// The registration ends soon.
        RegistrationExpires = "registrationExpires",
        /// The registration has ended.
        RegistrationExpired = "registrationExpired",
        /// So many wrong ones were presented that the device's authorization information is void.
        AuthInfoVoid = "authInfoVoid",
        /// A transfer was asked for, or is carried out, refused, given up.
        Transfer = "transfer",
        /// A command that was answered with "pending" is finished.
        PendingAction = "pendingAction",
        /// A job is finished.
        JobFinished = "jobFinished",
    }
}

/// The details of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Detail {
    /// Nothing more.
    #[default]
    None,
    /// A credential.
    Slot {
        /// Its number on the device.
        slot: Slot,
        /// Last second of its certificate's validity.
        #[serde(rename = "notAfter", with = "crate::timestamp")]
        not_after: OffsetDateTime,
        /// Why it was withdrawn, where the message is of that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<SlotReason>,
        /// Its certificate, PEM, where the reader is to have it.
        #[serde(
            rename = "certificatePem",
            default,
            skip_serializing_if = "Option::is_none"
        )]
        certificate_pem: Option<String>,
    },
    /// A change that somebody else made.
    Change(Box<Change>),
    /// A transfer.
    Transfer(Box<TransferInfo>),
    /// A command that was answered with "pending".
    PendingAction {
        /// Whether it was carried out in the end.
        #[serde(rename = "isDone")]
        is_done: bool,
        /// The client's name for it.
        #[serde(
            rename = "clientTransactionId",
            default,
            skip_serializing_if = "Option::is_none"
        )]
        client_transaction_id: Option<ClientTransactionId>,
        /// The server's name for it.
        #[serde(rename = "serverTransactionId")]
        server_transaction_id: String,
        /// The slot that the command made, whose certificate can be asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slot: Option<Slot>,
        /// By when it is believed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        publication: Option<PublicationTimes>,
    },
    /// A job.
    Job {
        /// Its number.
        #[serde(rename = "jobId")]
        job_id: u64,
        /// Rows that succeeded.
        succeeded: u64,
        /// Rows that did not.
        failed: u64,
    },
}

impl Detail {
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// A change of a device that somebody else than the reader made (RFC 8590).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// What was done: the verb of EPP that comes nearest.
    pub operation: ChangeOperation,
    /// Who did it: an account, or the registry by itself.
    pub who: String,
    /// The server's name for the transaction.
    pub server_transaction_id: String,
    /// When.
    #[serde(with = "crate::timestamp")]
    pub at: OffsetDateTime,
    /// Why, where somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The device before, where it was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<DeviceInfo>,
    /// The device afterwards, where it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<DeviceInfo>,
}

named! {
    /// Operations of RFC 8590 §3.2.
    ChangeOperation {
        /// Registered.
        Create = "create",
        /// Deleted.
        Delete = "delete",
        /// Extended.
        Renew = "renew",
        /// Moved to another sponsor.
        Transfer = "transfer",
        /// Changed otherwise.
        Update = "update",
        /// Brought back.
        Restore = "restore",
        /// Ended by time.
        AutoPurge = "autoPurge",
    }
}
