//! Which role may give which command, through whatever door. What an account may do to a particular
//! device is decided with the device's facts, in [`crate::lifecycle`].

use iot_epp_api::command::{
    AccountCommand, Command, DeviceCommand, EndpointCommand, JobCommand, MessageCommand,
    TransferCommand, ZoneCommand,
};
use iot_epp_api::{Caller, Door, Role};
use thiserror::Error;

/// Why a command is refused before anything is looked up.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Forbidden {
    /// The role may not.
    #[error("accounts of the role {0} may not do this")]
    Role(Role),
    /// The token may not.
    #[error("this token may not be used for this; it needs the scope {0}")]
    Scope(&'static str),
    /// Not through this door.
    #[error("this is not possible through the door {0}")]
    Door(&'static str),
}

/// Whether a caller may give a command through a door at all. Default deny: a command is allowed where
/// its line says so.
///
/// # Errors
/// [`Forbidden`].
pub fn check(caller: &Caller, command: &Command, door: Door) -> Result<(), Forbidden> {
    if !permits(caller.role, command) {
        return Err(Forbidden::Role(caller.role));
    }
    if !passes(door, command) {
        return Err(Forbidden::Door(door.as_str()));
    }
    let scope = command.scope();
    if !caller.scopes.contains(scope) {
        return Err(Forbidden::Scope(scope.as_str()));
    }
    Ok(())
}

/// Whether a role may give a command.
///
/// Every command has its line here, so that one without a rule does not compile.
pub fn permits(role: Role, command: &Command) -> bool {
    use Role::{Asp, Mno, Operator};
    let allowed: &[Role] = match command {
        Command::Device(command) => match command {
            DeviceCommand::Check { .. }
            | DeviceCommand::Create { .. }
            | DeviceCommand::Renew { .. }
            | DeviceCommand::Delete { .. }
            | DeviceCommand::Restore { .. } => &[Mno],
            DeviceCommand::Update { .. }
            | DeviceCommand::Activate { .. }
            | DeviceCommand::Deactivate { .. } => &[Mno, Operator],
            DeviceCommand::NewSlot { .. } => &[Mno, Asp],
            DeviceCommand::Info { .. }
            | DeviceCommand::List { .. }
            | DeviceCommand::Certificate { .. }
            | DeviceCommand::Process { .. } => &[Mno, Asp, Operator],
        },
        Command::Transfer(command) => match command {
            TransferCommand::Pull { .. }
            | TransferCommand::Push { .. }
            | TransferCommand::Approve { .. }
            | TransferCommand::Reject { .. }
            | TransferCommand::Cancel { .. } => &[Mno],
            TransferCommand::Query { .. } => &[Mno, Operator],
            TransferCommand::Force { .. } => &[Operator],
        },
        Command::Message(MessageCommand::Head | MessageCommand::Acknowledge { .. }) => {
            &[Mno, Asp, Operator]
        }
        Command::Job(
            JobCommand::Create { .. }
            | JobCommand::Append { .. }
            | JobCommand::Close { .. }
            | JobCommand::Cancel { .. }
            | JobCommand::Info { .. }
            | JobCommand::List
            | JobCommand::Results { .. },
        ) => &[Mno],
        Command::Account(command) => match command {
            AccountCommand::Info { name: None } => &[Mno, Asp, Operator],
            AccountCommand::Create { .. }
            | AccountCommand::List
            | AccountCommand::Info { name: Some(_) }
            | AccountCommand::Update { .. }
            | AccountCommand::ImportIds { .. }
            | AccountCommand::IssueToken { .. }
            | AccountCommand::IssueCertificate { .. }
            | AccountCommand::ResetPassword { .. } => &[Operator],
            AccountCommand::Consent { .. } => &[Mno],
        },
        Command::Endpoint(command) => match command {
            EndpointCommand::Info { asp: None }
            | EndpointCommand::Set { .. }
            | EndpointCommand::Remove => &[Asp],
            EndpointCommand::Info { asp: Some(_) } => &[Mno, Asp, Operator],
        },
        Command::Zone(ZoneCommand::Dump | ZoneCommand::Check) => &[Operator],
    };
    allowed.contains(&role)
}

/// Whether a command can come through a door.
fn passes(door: Door, command: &Command) -> bool {
    match door {
        Door::Json | Door::CommandLine => true,
        Door::Epp => matches!(
            command,
            Command::Device(_) | Command::Transfer(_) | Command::Message(_)
        ),
        Door::Bulk => matches!(command, Command::Device(_) | Command::Transfer(_)),
    }
}
