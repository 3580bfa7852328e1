//! What an account can ask, whichever door it uses (RFC 5730 §2.9, with the device object of this
//! registry): one file for each kind of object.

mod account;
mod content;
mod device;
mod endpoint;
mod job;
mod message;
#[cfg(test)]
pub(crate) mod tests;
mod transfer;
mod zone;

use iot_identity::DeviceId;

use self::content::Content;
use crate::scope::Scope;
use crate::transaction::ClientTransactionId;

pub use account::{AccountChange, AccountCommand, IMPORTED_IDS_MAX};
pub use device::{
    CHANGES_MAX, CSR_OCTETS_MAX, DEVICES_DEFAULT, DEVICES_MAX, DeviceChange, DeviceCommand,
    status_added_and_removed,
};
pub use endpoint::EndpointCommand;
pub use job::{JOB_PART_OCTETS_MAX, JOB_RESULTS_MAX, JOB_ROW_OCTETS_MAX, JobAction, JobCommand};
pub use message::MessageCommand;
pub use transfer::TransferCommand;
pub use zone::ZoneCommand;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// About devices and their credentials.
    Device(DeviceCommand),
    /// About moving a device to another account.
    Transfer(TransferCommand),
    /// About the account's messages.
    Message(MessageCommand),
    /// About bulk jobs.
    Job(JobCommand),
    /// About accounts.
    Account(AccountCommand),
    /// About what an application service provider tells devices.
    Endpoint(EndpointCommand),
    /// About the zone.
    Zone(ZoneCommand),
}

impl Command {
    /// The verb of every command: what an authorisation matrix must cover.
    pub fn verbs() -> impl Iterator<Item = &'static str> {
        let verbs: [&[&str]; 7] = [
            &DeviceCommand::VERBS,
            &TransferCommand::VERBS,
            &MessageCommand::VERBS,
            &JobCommand::VERBS,
            &AccountCommand::VERBS,
            &EndpointCommand::VERBS,
            &ZoneCommand::VERBS,
        ];
        verbs.into_iter().flatten().copied()
    }

    /// Object and verb, as the audit log names the command.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Device(command) => command.verb(),
            Self::Transfer(command) => command.verb(),
            Self::Message(command) => command.verb(),
            Self::Job(command) => command.verb(),
            Self::Account(command) => command.verb(),
            Self::Endpoint(command) => command.verb(),
            Self::Zone(command) => command.verb(),
        }
    }

    /// Whether the command only reads.
    pub fn is_query(&self) -> bool {
        match self {
            Self::Device(command) => command.is_query(),
            Self::Transfer(command) => command.is_query(),
            Self::Message(command) => command.is_query(),
            Self::Job(command) => command.is_query(),
            Self::Account(command) => command.is_query(),
            Self::Endpoint(command) => command.is_query(),
            Self::Zone(_) => true,
        }
    }

    /// Whether a repetition (same account, client transaction id and digest) is answered with the
    /// first result instead of being carried out.
    ///
    /// What is idempotent by nature is always carried out. What answers with a secret is not replayed,
    /// because the secret is not kept.
    pub fn replays(&self) -> bool {
        match self {
            Self::Device(command) => command.replays(),
            Self::Transfer(command) => command.replays(),
            Self::Job(command) => command.replays(),
            Self::Message(_) | Self::Account(_) | Self::Endpoint(_) | Self::Zone(_) => false,
        }
    }

    /// What a token has to be made for in order to be used for this.
    pub fn scope(&self) -> Scope {
        match self {
            Self::Device(DeviceCommand::Create { .. } | DeviceCommand::NewSlot { .. }) => {
                Scope::DeviceCreate
            }
            Self::Device(DeviceCommand::Delete { .. } | DeviceCommand::Restore { .. }) => {
                Scope::DeviceDelete
            }
            Self::Device(command) if command.is_query() => Scope::DeviceRead,
            Self::Device(_) => Scope::DeviceUpdate,
            Self::Transfer(TransferCommand::Query { .. }) => Scope::DeviceRead,
            Self::Transfer(_) => Scope::DeviceTransfer,
            Self::Message(_) => Scope::Message,
            Self::Job(_) => Scope::Job,
            Self::Account(_) => Scope::Account,
            Self::Endpoint(_) => Scope::Endpoint,
            Self::Zone(_) => Scope::Zone,
        }
    }

    /// The one device that the command is about.
    pub fn device_id(&self) -> Option<DeviceId> {
        match self {
            Self::Device(command) => command.device_id(),
            Self::Transfer(command) => Some(command.device_id()),
            Self::Message(_)
            | Self::Job(_)
            | Self::Account(_)
            | Self::Endpoint(_)
            | Self::Zone(_) => None,
        }
    }

    /// SHA-256 of the command's content, the same through every door: verb, then each parameter,
    /// each preceded by its length.
    pub fn digest(&self) -> [u8; 32] {
        let mut content = Content::new(self.verb());
        match self {
            Self::Device(command) => command.add_to(&mut content),
            Self::Transfer(command) => command.add_to(&mut content),
            Self::Message(command) => command.add_to(&mut content),
            Self::Job(command) => command.add_to(&mut content),
            Self::Account(command) => command.add_to(&mut content),
            Self::Endpoint(command) => command.add_to(&mut content),
            Self::Zone(_) => {}
        }
        content.finish()
    }
}

/// Where a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// EPP over TLS.
    Epp,
    /// JSON over HTTPS.
    Json,
    /// A row of a bulk job.
    Bulk,
    /// The registry's own command line, inside the process that holds the database.
    CommandLine,
}

impl Door {
    /// Every door.
    pub const ALL: [Self; 4] = [Self::Epp, Self::Json, Self::Bulk, Self::CommandLine];

    /// The name in the audit log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Epp => "epp",
            Self::Json => "json",
            Self::Bulk => "bulk",
            Self::CommandLine => "command-line",
        }
    }
}

/// A command with what identifies this asking of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub command: Command,
    /// The client's name for this request; present on everything that changes state and came
    /// through the JSON door.
    pub client_transaction_id: Option<ClientTransactionId>,
    /// Where it came in.
    pub door: Door,
    /// [`Command::digest`]: tells a retry from another request under the same transaction id.
    pub digest: [u8; 32],
    /// Carry it out only when the device is in this version ([`crate::DeviceInfo::version`]): to be
    /// compared in the transaction that changes the device, after what the caller may know of it and
    /// after a repetition was recognised, and refused with [`crate::Problem::precondition_failed`].
    pub if_version: Option<u64>,
}

impl Request {
    /// A request with the digest of its command.
    pub fn new(
        command: Command,
        client_transaction_id: Option<ClientTransactionId>,
        door: Door,
    ) -> Self {
        let digest = command.digest();
        Self {
            command,
            client_transaction_id,
            door,
            digest,
            if_version: None,
        }
    }
}
