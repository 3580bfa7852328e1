//! Which role may give which command, through whatever door. What an account may do to a particular
//! device is decided with the device's facts, in [`crate::lifecycle`].

use iot_epp_api::{Command, Role};

/// Whether a role may give a command at all.
///
/// Every command has its line here, so that one without a rule does not compile.
pub fn permits(role: Role, command: &Command) -> bool {
    match command {
        Command::DeviceCheck { .. } | Command::DeviceCreate { .. } => role == Role::Mno,
        Command::DeviceInfo { .. }
        | Command::DeviceList { .. }
        | Command::DeviceActivate { .. }
        | Command::DeviceDeactivate { .. }
        | Command::ProcessInfo { .. } => matches!(role, Role::Mno | Role::Operator),
        Command::DeviceDelete { .. } => role == Role::Mno,
        Command::AccountCreate { .. }
        | Command::AccountList
        | Command::AccountDisable { .. }
        | Command::ZoneDump
        | Command::ZoneCheck => role == Role::Operator,
    }
}
