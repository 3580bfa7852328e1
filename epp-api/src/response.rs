//! What a command is answered with, whichever door it came through.

use iot_identity::{DeviceId, Fingerprint, Slot, ZoneName};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::OffsetDateTime;

use crate::account::{AccountName, BearerToken, IdPrefix, Role};
use crate::device::{DeviceInfo, PublicationTimes};
use crate::endpoint::EndpointProfile;
use crate::job::{JobInfo, JobResult};
use crate::message::Message;
use crate::named::named;
use crate::problem::Problem;
use crate::result_code::ResultCode;
use crate::secret::Secret;
use crate::transfer::{TransferInfo, TransferStatus};

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
    /// A success; the code follows from the reply.
    pub fn success(server_transaction_id: impl Into<String>, reply: Reply) -> Self {
        Self {
            code: reply.code(),
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
    /// A device was registered, or has a new slot; it is published.
    Issued(Box<Issued>),
    /// One device.
    Device(Box<DeviceInfo>),
    /// A page of devices.
    Devices {
        /// In the order of their ids.
        devices: Vec<DeviceInfo>,
        /// Where the next page begins, when there is one.
        next_after: Option<DeviceId>,
    },
    /// Which of the ids asked could be registered, in the order asked.
    Availability(Vec<Availability>),
    /// One certificate of a device.
    Certificate(SlotCertificate),
    /// A device was changed, and the zone says so.
    Changed {
        /// The device afterwards.
        info: Box<DeviceInfo>,
        /// By when the change is believed; none when nothing in the zone changed.
        times: Option<PublicationTimes>,
    },
    /// Accepted and durable, not yet published.
    Pending(Pending),
    /// How far a pending command has come.
    Process(ProcessStatus),
    /// A transfer that was asked for or decided.
    Transfer {
        /// The transfer.
        transfer: Box<TransferInfo>,
        /// By when a change of the zone is believed, where there was one.
        times: Option<PublicationTimes>,
    },
    /// A transfer that was asked about.
    TransferQueried(Box<TransferInfo>),
    /// The queue of messages.
    Messages {
        /// Messages in it.
        count: u64,
        /// The oldest of them.
        head: Option<Box<Message>>,
    },
    /// A message was taken out of the queue.
    Acknowledged {
        /// Messages left.
        count: u64,
        /// Number of the oldest of them.
        next_message_id: Option<u64>,
    },
    /// A job.
    Job(JobInfo),
    /// Jobs, the newest first.
    Jobs(Vec<JobInfo>),
    /// Results of a job.
    JobResults {
        /// In the order of the rows.
        results: Vec<JobResult>,
        /// Ask for those behind this row next, when there are or will be more.
        next_after: Option<u64>,
    },
    /// An account was made. The token is shown here and nowhere else.
    AccountCreated {
        /// The account.
        name: AccountName,
        /// Its secret.
        token: BearerToken,
    },
    /// One account.
    Account(Box<AccountInfo>),
    /// All accounts, in the order of their names.
    Accounts(Vec<AccountInfo>),
    /// Ids were added to an account's list.
    Imported {
        /// Those that were not there.
        added: u64,
    },
    /// A token was made. It is shown here and nowhere else.
    TokenIssued {
        /// Its number, for revoking it.
        token_id: u64,
        /// The secret.
        token: BearerToken,
    },
    /// A client certificate was made.
    ClientCertificate {
        /// Its number, for revoking it.
        certificate_id: u64,
        /// The certificate, DER.
        certificate: Vec<u8>,
        /// The account root, DER.
        root: Vec<u8>,
    },
    /// A password was made. It is shown here and nowhere else.
    Password(Secret),
    /// A provider's profile.
    Endpoint(Box<EndpointProfile>),
    /// Done, and there is nothing to say about it.
    Done,
    /// The zone in presentation form (RFC 1035 §5).
    ZoneText(String),
    /// What checking the zone found.
    ZoneReport(ZoneReport),
}

impl Reply {
    /// The result code of a command that is answered with this.
    pub fn code(&self) -> ResultCode {
        match self {
            Self::Pending(_) => ResultCode::CompletedPending,
            Self::Transfer { transfer, .. } if transfer.status == TransferStatus::Pending => {
                ResultCode::CompletedPending
            }
            Self::Messages { head: None, .. } => ResultCode::CompletedNoMessages,
            Self::Messages { head: Some(_), .. } => ResultCode::CompletedAckToDequeue,
            _ => ResultCode::Completed,
        }
    }
}

/// A credential that was just issued, and is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The device afterwards.
    pub info: DeviceInfo,
    /// The credential.
    pub certificate: SlotCertificate,
    /// By when it is visible.
    pub times: PublicationTimes,
}

/// A certificate with those above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotCertificate {
    /// Number of the credential on its device.
    pub slot: Slot,
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// The certificates above it, DER, issuer first and root last.
    pub chain: Vec<Vec<u8>>,
}

/// Accepted and durable, not yet published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Number to ask for with [`crate::command::DeviceCommand::Process`].
    pub process_id: u64,
    /// The device.
    pub device_id: DeviceId,
    /// What was asked.
    pub kind: ProcessKind,
    /// The slot that the command made: its certificate can be asked for already.
    pub slot: Option<Slot>,
    /// When it was decided.
    pub at: OffsetDateTime,
    /// End of the registration.
    pub expires_at: OffsetDateTime,
    /// The transfer that was completed, which EPP describes in any case (RFC 5730 §2.9.3.4).
    pub transfer: Option<Box<TransferInfo>>,
}

/// Whether one id could be registered; says nothing about who has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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
#[serde(rename_all = "camelCase")]
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

named! {
    /// Which command a process stands for.
    ProcessKind {
        /// Registration.
        Create = "create",
        /// A new slot.
        NewSlot = "newSlot",
        /// An update.
        Update = "update",
        /// Activation.
        Activate = "activate",
        /// Deactivation.
        Deactivate = "deactivate",
        /// Deletion.
        Delete = "delete",
        /// Restoration.
        Restore = "restore",
        /// A transfer.
        Transfer = "transfer",
    }
}

named! {
    /// How far a process is.
    ProcessState {
        /// Durable, waiting for its publication.
        Pending = "pending",
        /// Published.
        Completed = "completed",
        /// Will not be published without an operator.
        Failed = "failed",
    }
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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
    /// With what the ids begin that it may register.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefixes: Vec<IdPrefix>,
    /// Ids in its imported list.
    #[serde(default)]
    pub imported_ids: u64,
    /// Whether it may register ICCIDs.
    #[serde(default)]
    pub iccids_allowed: bool,
    /// How many devices it may have.
    #[serde(default)]
    pub devices_max: u64,
    /// How many it has.
    #[serde(default)]
    pub devices: u64,
    /// Whether a client transaction id that comes again with other content is refused in EPP too.
    #[serde(default)]
    pub strict_transaction_ids: bool,
    /// Its tokens, without the secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<TokenInfo>,
    /// Its client certificates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<ClientCertificateInfo>,
    /// Providers that may send certificate requests for slots bound to them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consents: Vec<AccountName>,
}

/// A bearer token without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenInfo {
    /// Its number.
    pub token_id: u64,
    /// What it may be used for.
    pub scopes: String,
    /// When it was made.
    #[serde(with = "crate::timestamp")]
    pub created_at: OffsetDateTime,
    /// Until when it is valid.
    #[serde(with = "crate::timestamp")]
    pub expires_at: OffsetDateTime,
}

/// A client certificate of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientCertificateInfo {
    /// Its number.
    pub certificate_id: u64,
    /// SHA-256 of its DER.
    pub fingerprint: Fingerprint,
    /// Last second of its validity.
    #[serde(with = "crate::timestamp")]
    pub not_after: OffsetDateTime,
}

/// What checking the zone found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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
