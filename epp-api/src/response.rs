//! What a command is answered with, whichever door it came through.

use std::fmt;

use iot_identity::{DeviceId, ZoneName};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::OffsetDateTime;

use crate::account::{AccountName, BearerToken, Role};
use crate::device::{DeviceInfo, PublicationTimes};
use crate::problem::Problem;
use crate::result_code::ResultCode;

/// Answer to a [`crate::Request`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The result; the code of the problem when there is one.
    pub code: ResultCode,
    /// The server's name for this transaction, see [`crate::server_transaction_id`].
    pub server_transaction_id: String,
    /// Whether this repeats the result of an earlier request with the same client transaction id.
    pub replayed: bool,
    /// What was found or done, or why not.
    pub outcome: Result<Reply, Problem>,
}

impl Response {
    /// A success: code 1001 for [`Reply::Pending`], 1000 for everything else.
    pub fn success(server_transaction_id: impl Into<String>, reply: Reply) -> Self {
        let code = match reply {
            Reply::Pending { .. } => ResultCode::CompletedPending,
            _ => ResultCode::Completed,
        };
        Self {
            code,
            server_transaction_id: server_transaction_id.into(),
            replayed: false,
            outcome: Ok(reply),
        }
    }

    /// A refusal, with the problem's code.
    pub fn failure(server_transaction_id: impl Into<String>, problem: Problem) -> Self {
        Self {
            code: problem.code,
            server_transaction_id: server_transaction_id.into(),
            replayed: false,
            outcome: Err(problem),
        }
    }

    /// Marks the answer as the repetition of an earlier one.
    #[must_use]
    pub fn as_replay(mut self) -> Self {
        self.replayed = true;
        self
    }
}

/// What was found or done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A device was registered and is published.
    DeviceCreated {
        /// The device.
        info: DeviceInfo,
        /// Its certificate, PEM.
        certificate_pem: String,
        /// The issuing certificate and the root above it, PEM, in this order.
        chain_pem: String,
        /// By when it is visible.
        publication: PublicationTimes,
    },
    /// One device.
    Device(DeviceInfo),
    /// A page of devices.
    Devices {
        /// In the order of their ids.
        devices: Vec<DeviceInfo>,
        /// Where the next page begins, when there is one.
        next_after: Option<DeviceId>,
    },
    /// Which of the ids asked could be registered, in the order asked.
    Availability(Vec<Availability>),
    /// A device was activated, deactivated or deleted, and the zone says so.
    Changed {
        /// The device afterwards.
        info: DeviceInfo,
        /// By when the change is believed.
        times: PublicationTimes,
    },
    /// Accepted and durable, not yet published.
    Pending {
        /// Number to ask for with [`crate::Command::ProcessInfo`].
        process_id: u64,
    },
    /// How far a pending command has come.
    Process(ProcessStatus),
    /// An account was made. The token is shown here and nowhere else.
    AccountCreated {
        /// The account.
        name: AccountName,
        /// Its secret.
        token: BearerToken,
    },
    /// One account.
    Account(AccountInfo),
    /// All accounts, in the order of their names.
    Accounts(Vec<AccountInfo>),
    /// The zone in presentation form (RFC 1035 §5).
    ZoneText(String),
    /// What checking the zone found.
    ZoneReport(ZoneReport),
}

/// Whether one id could be registered; says nothing about who has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Availability {
    /// The id asked.
    pub device_id: DeviceId,
    /// Whether a create by this account could succeed.
    pub available: bool,
    /// Why not, when not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// State of a command that was answered with "pending".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessStatus {
    /// Its number.
    pub process_id: u64,
    /// What was asked.
    pub kind: ProcessKind,
    /// How far it is.
    pub state: ProcessState,
    /// By when it is believed, once it is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publication: Option<PublicationTimes>,
}

/// Which command a process stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProcessKind {
    /// [`crate::Command::DeviceCreate`]
    Create,
    /// [`crate::Command::DeviceActivate`]
    Activate,
    /// [`crate::Command::DeviceDeactivate`]
    Deactivate,
    /// [`crate::Command::DeviceDelete`]
    Delete,
}

impl ProcessKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Create, Self::Activate, Self::Deactivate, Self::Delete];

    /// The name used in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Activate => "activate",
            Self::Deactivate => "deactivate",
            Self::Delete => "delete",
        }
    }
}

impl fmt::Display for ProcessKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// How far a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProcessState {
    /// Durable, waiting for its publication.
    Pending,
    /// Published.
    Completed,
    /// Will not be published without an operator.
    Failed,
}

impl ProcessState {
    /// The name used in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for ProcessState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// One account as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountInfo {
    /// Its name.
    pub name: AccountName,
    /// Its role.
    pub role: Role,
    /// Whether it is refused.
    pub disabled: bool,
    /// When it was made.
    #[serde(with = "crate::timestamp")]
    pub created_at: OffsetDateTime,
}

/// What checking the zone found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneReport {
    /// The zone.
    #[serde(with = "zone_name_text")]
    pub zone: ZoneName,
    /// SOA serial of the version checked.
    pub serial: u32,
    /// Owner names of devices in it.
    pub device_names: u64,
    /// Signatures verified.
    pub signatures_verified: u64,
    /// One sentence for everything that is wrong; empty when nothing is.
    pub findings: Vec<String>,
}

mod zone_name_text {
    use super::*;

    pub(super) fn serialize<S: Serializer>(
        zone: &ZoneName,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(zone.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<ZoneName, D::Error> {
        let text = String::deserialize(deserializer)?;
        ZoneName::parse(&text).map_err(de::Error::custom)
    }
}
