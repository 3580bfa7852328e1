//! What an account can ask, whichever door it uses (RFC 5730 §2.9, with the device object of this
//! registry).

use iot_identity::DeviceId;
use ring::digest;

use crate::account::{AccountName, Role};
use crate::response::ProcessKind;
use crate::transaction::ClientTransactionId;

/// Most devices on one page of a list, and most ids in one check.
pub const DEVICES_MAX: u16 = 1000;
/// Devices on a page when the client names no number.
pub const DEVICES_DEFAULT: u16 = 100;
/// Longest certificate request as received (DER or PEM), in octets: a P-256 request has about 400,
/// and everything beyond is somebody's experiment.
pub const CSR_OCTETS_MAX: usize = 16 * 1024;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Which of these ids could be registered.
    DeviceCheck {
        /// At most [`DEVICES_MAX`] ids.
        device_ids: Vec<DeviceId>,
    },
    /// Everything about one device.
    DeviceInfo {
        /// The device.
        device_id: DeviceId,
    },
    /// The account's devices, in the order of their ids.
    DeviceList {
        /// Begin behind this id.
        after: Option<DeviceId>,
        /// 1 to [`DEVICES_MAX`].
        limit: u16,
    },
    /// Register a device: sign its certificate and publish it.
    DeviceCreate {
        /// The device.
        device_id: DeviceId,
        /// Certificate request as received, DER or PEM, at most [`CSR_OCTETS_MAX`] octets.
        csr: Vec<u8>,
    },
    /// Publish the device's certificates again.
    DeviceActivate {
        /// The device.
        device_id: DeviceId,
    },
    /// Withdraw the device's certificates; the device stays registered.
    DeviceDeactivate {
        /// The device.
        device_id: DeviceId,
    },
    /// Remove the device.
    DeviceDelete {
        /// The device.
        device_id: DeviceId,
    },
    /// How far a command has come that was answered with "pending".
    ProcessInfo {
        /// The device that the command was about.
        device_id: DeviceId,
        /// What the command was.
        kind: ProcessKind,
        /// Number from the pending answer.
        process_id: u64,
    },
    /// Make an account and its token.
    AccountCreate {
        /// Name of the new account.
        name: AccountName,
        /// Its role.
        role: Role,
    },
    /// All accounts.
    AccountList,
    /// Refuse an account from now on.
    AccountDisable {
        /// The account.
        name: AccountName,
    },
    /// The zone in presentation form (RFC 1035 §5).
    ZoneDump,
    /// Verify the published zone and compare it with the database.
    ZoneCheck,
}

impl Command {
    /// The verb of every command, in the order of the variants: what an authorisation matrix must
    /// cover.
    pub const VERBS: [&str; 13] = [
        "device.check",
        "device.info",
        "device.list",
        "device.create",
        "device.activate",
        "device.deactivate",
        "device.delete",
        "process.info",
        "account.create",
        "account.list",
        "account.disable",
        "zone.dump",
        "zone.check",
    ];

    /// Object and verb, as the audit log names the command.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::DeviceCheck { .. } => "device.check",
            Self::DeviceInfo { .. } => "device.info",
            Self::DeviceList { .. } => "device.list",
            Self::DeviceCreate { .. } => "device.create",
            Self::DeviceActivate { .. } => "device.activate",
            Self::DeviceDeactivate { .. } => "device.deactivate",
            Self::DeviceDelete { .. } => "device.delete",
            Self::ProcessInfo { .. } => "process.info",
            Self::AccountCreate { .. } => "account.create",
            Self::AccountList => "account.list",
            Self::AccountDisable { .. } => "account.disable",
            Self::ZoneDump => "zone.dump",
            Self::ZoneCheck => "zone.check",
        }
    }

    /// Whether the command only reads.
    pub fn is_query(&self) -> bool {
        match self {
            Self::DeviceCheck { .. }
            | Self::DeviceInfo { .. }
            | Self::DeviceList { .. }
            | Self::ProcessInfo { .. }
            | Self::AccountList
            | Self::ZoneDump
            | Self::ZoneCheck => true,
            Self::DeviceCreate { .. }
            | Self::DeviceActivate { .. }
            | Self::DeviceDeactivate { .. }
            | Self::DeviceDelete { .. }
            | Self::AccountCreate { .. }
            | Self::AccountDisable { .. } => false,
        }
    }

    /// Whether a repetition (same account, client transaction id and digest) is answered with the
    /// first result instead of being carried out.
    ///
    /// Activation and deactivation are idempotent by nature and always carried out: an urgent
    /// deactivation must never be taken for an old one. An account's creation is not replayed
    /// because its token is not kept.
    pub fn replays(&self) -> bool {
        matches!(self, Self::DeviceCreate { .. } | Self::DeviceDelete { .. })
    }

    /// The one device that the command is about.
    pub fn device_id(&self) -> Option<DeviceId> {
        match self {
            Self::DeviceInfo { device_id }
            | Self::DeviceCreate { device_id, .. }
            | Self::DeviceActivate { device_id }
            | Self::DeviceDeactivate { device_id }
            | Self::DeviceDelete { device_id }
            | Self::ProcessInfo { device_id, .. } => Some(*device_id),
            Self::DeviceCheck { .. }
            | Self::DeviceList { .. }
            | Self::AccountCreate { .. }
            | Self::AccountList
            | Self::AccountDisable { .. }
            | Self::ZoneDump
            | Self::ZoneCheck => None,
        }
    }

    /// SHA-256 of the command's content, the same through every door: verb, then each parameter,
    /// each preceded by its length.
    pub fn digest(&self) -> [u8; 32] {
        let mut content = Content::new(self.verb());
        match self {
            Self::DeviceCheck { device_ids } => {
                for device_id in device_ids {
                    content.parameter(device_id.as_octets());
                }
            }
            Self::DeviceList { after, limit } => {
                content.parameter(after.as_ref().map_or(b"", DeviceId::as_octets));
                content.parameter(&limit.to_be_bytes());
            }
            Self::DeviceCreate { device_id, csr } => {
                content.parameter(device_id.as_octets());
                content.parameter(csr);
            }
            Self::DeviceInfo { device_id }
            | Self::DeviceActivate { device_id }
            | Self::DeviceDeactivate { device_id }
            | Self::DeviceDelete { device_id } => content.parameter(device_id.as_octets()),
            Self::ProcessInfo {
                device_id,
                kind,
                process_id,
            } => {
                content.parameter(device_id.as_octets());
                content.parameter(kind.as_str().as_bytes());
                content.parameter(&process_id.to_be_bytes());
            }
            Self::AccountCreate { name, role } => {
                content.parameter(name.as_str().as_bytes());
                content.parameter(role.as_str().as_bytes());
            }
            Self::AccountDisable { name } => content.parameter(name.as_str().as_bytes()),
            Self::AccountList | Self::ZoneDump | Self::ZoneCheck => {}
        }
        content.finish()
    }
}

/// Hashes a sequence of octet strings so that no two sequences hash the same octets.
struct Content(digest::Context);

impl Content {
    fn new(verb: &str) -> Self {
        let mut content = Self(digest::Context::new(&digest::SHA256));
        content.parameter(verb.as_bytes());
        content
    }

    fn parameter(&mut self, octets: &[u8]) {
        self.0.update(&(octets.len() as u64).to_be_bytes());
        self.0.update(octets);
    }

    fn finish(self) -> [u8; 32] {
        let digest = self.0.finish();
        digest.as_ref().try_into().expect("SHA-256 has 32 octets")
    }
}

/// Where a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// JSON over HTTPS.
    Json,
    /// The registry's own command line, inside the process that holds the database.
    CommandLine,
}

impl Door {
    /// The name in the audit log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_of_each() -> Vec<Command> {
        let device_id = DeviceId::parse("89049032123451234512345678901235").unwrap();
        let name = AccountName::parse("mno-one").unwrap();
        vec![
            Command::DeviceCheck {
                device_ids: vec![device_id],
            },
            Command::DeviceInfo { device_id },
            Command::DeviceList {
                after: Some(device_id),
                limit: 7,
            },
            Command::DeviceCreate {
                device_id,
                csr: vec![1, 2, 3],
            },
            Command::DeviceActivate { device_id },
            Command::DeviceDeactivate { device_id },
            Command::DeviceDelete { device_id },
            Command::ProcessInfo {
                device_id,
                kind: ProcessKind::Create,
                process_id: 9,
            },
            Command::AccountCreate {
                name: name.clone(),
                role: Role::Mno,
            },
            Command::AccountList,
            Command::AccountDisable { name },
            Command::ZoneDump,
            Command::ZoneCheck,
        ]
    }

    #[test]
    fn verbs_list_every_command_in_order() {
        let verbs: Vec<_> = one_of_each().iter().map(Command::verb).collect();
        assert_eq!(verbs, Command::VERBS);
    }

    #[test]
    fn digests_differ_between_commands_and_parameters() {
        let mut digests: Vec<_> = one_of_each().iter().map(Command::digest).collect();
        let (device_id, process_id) = match &one_of_each()[7] {
            Command::ProcessInfo { device_id, .. } => (*device_id, 10),
            other => panic!("{other:?}"),
        };
        digests.push(
            Command::ProcessInfo {
                device_id,
                kind: ProcessKind::Create,
                process_id,
            }
            .digest(),
        );
        let csr = vec![1, 2, 4];
        digests.push(Command::DeviceCreate { device_id, csr }.digest());
        let count = digests.len();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), count);
    }

    #[test]
    fn only_create_and_delete_of_devices_are_replayed() {
        let replayed: Vec<_> = one_of_each()
            .iter()
            .filter(|command| command.replays())
            .map(Command::verb)
            .collect();
        assert_eq!(replayed, ["device.create", "device.delete"]);
        let both = one_of_each()
            .iter()
            .any(|command| command.replays() && command.is_query());
        assert!(!both, "queries are never replayed");
    }
}
