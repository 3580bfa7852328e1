//! What can be asked of the EPP door on the command line, and the same in the model's words.

use std::path::PathBuf;

use anyhow::ensure;
use clap::{Args, Subcommand};
use iot_epp_api::AccountName;
use iot_epp_api::command::{Command, DeviceChange, DeviceCommand, MessageCommand, TransferCommand};
use iot_epp_api::device::{SettableStatus, WithdrawReason};
use iot_epp_api::period::Period;
use iot_epp_api::secret::{AuthInfo, Secret};
use iot_epp_api::transfer::Arrival;
use iot_identity::{DeviceId, Slot};

use crate::directory;

#[derive(Subcommand)]
pub(super) enum Asked {
    /// The server's greeting; the login is tried as well.
    Hello,
    /// Set another password.
    NewPassword {
        /// File with the new password.
        file: PathBuf,
    },
    /// Which ids could be registered.
    Check {
        /// The ids.
        #[arg(required = true)]
        ids: Vec<DeviceId>,
    },
    /// Everything about a device; with a slot, the certificate of that slot and those above it.
    Info {
        /// The device.
        id: DeviceId,
        /// Number of the credential whose certificate is asked for.
        #[arg(long, conflicts_with = "auth_info")]
        slot: Option<Slot>,
        /// Authorization information, for who is not the sponsor.
        #[arg(long)]
        auth_info: Option<String>,
    },
    /// Register a device.
    Create {
        /// The device.
        id: DeviceId,
        #[command(flatten)]
        request: Request,
        /// How long, such as P10Y.
        #[arg(long)]
        period: Option<Period>,
    },
    /// Another credential on a device.
    NewSlot {
        /// The device.
        id: DeviceId,
        #[command(flatten)]
        request: Request,
    },
    /// Set or remove a status, such as clientHold.
    Status {
        /// The device.
        id: DeviceId,
        /// Statuses to set.
        #[arg(long, value_parser = status)]
        add: Vec<SettableStatus>,
        /// Statuses to remove.
        #[arg(long, value_parser = status)]
        remove: Vec<SettableStatus>,
    },
    /// Set authorization information; none clears it.
    AuthInfo {
        /// The device.
        id: DeviceId,
        /// 20 to 64 random characters.
        auth_info: Option<AuthInfo>,
    },
    /// Take a credential back, for ever.
    Withdraw {
        /// The device.
        id: DeviceId,
        /// Number of the credential.
        slot: Slot,
        /// superseded or compromised.
        #[arg(value_parser = reason)]
        reason: WithdrawReason,
    },
    /// Extend a registration.
    Renew {
        /// The device.
        id: DeviceId,
        /// The day on which it ends, such as 2027-11-22.
        #[arg(value_parser = day)]
        current_expiry: time::Date,
        /// By how much, such as P1Y.
        #[arg(long)]
        period: Option<Period>,
    },
    /// Ask for a device, offer it, or decide about that.
    #[command(subcommand)]
    Transfer(Transfer),
    /// Remove a device.
    Delete {
        /// The device.
        id: DeviceId,
    },
    /// Bring a deleted device back, held.
    Restore {
        /// The device.
        id: DeviceId,
    },
    /// The oldest message.
    Poll,
    /// Take the oldest message out of the queue.
    Ack {
        /// Its number.
        message_id: u64,
    },
}

#[derive(Subcommand)]
pub(super) enum Transfer {
    /// Ask its sponsor for a device.
    Pull {
        /// The device.
        id: DeviceId,
        /// Its authorization information.
        auth_info: String,
        /// asIs or held.
        #[arg(long, value_parser = arrival, default_value = "asIs")]
        arrival: Arrival,
    },
    /// Offer a device to another account.
    Push {
        /// The device.
        id: DeviceId,
        /// To whom.
        to: AccountName,
    },
    /// How far the newest transfer is.
    Query {
        /// The device.
        id: DeviceId,
    },
    /// Agree.
    Approve {
        /// The device.
        id: DeviceId,
        /// asIs or held, where the gaining account says so now.
        #[arg(long, value_parser = arrival)]
        arrival: Option<Arrival>,
    },
    /// Refuse.
    Reject {
        /// The device.
        id: DeviceId,
    },
    /// Give up.
    Cancel {
        /// The device.
        id: DeviceId,
    },
}

#[derive(Args)]
pub(super) struct Request {
    /// Certificate signing request, PEM or DER.
    #[arg(long)]
    csr: PathBuf,
    /// The application service provider that it is for.
    #[arg(long)]
    asp: Option<AccountName>,
}

fn status(text: &str) -> Result<SettableStatus, &'static str> {
    SettableStatus::from_name(text).ok_or("no status that can be set")
}

fn reason(text: &str) -> Result<WithdrawReason, &'static str> {
    WithdrawReason::from_name(text).ok_or("the reason is superseded or compromised")
}

fn arrival(text: &str) -> Result<Arrival, &'static str> {
    Arrival::from_name(text).ok_or("the arrival is asIs or held")
}

fn day(text: &str) -> Result<time::Date, &'static str> {
    let format = time::macros::format_description!("[year]-[month]-[day]");
    time::Date::parse(text, format).map_err(|_| "not a day such as 2027-11-22")
}

/// What is asked, in the model's words; none where the login was all.
pub(super) fn command(asked: &Asked) -> anyhow::Result<Option<Command>> {
    let update = |device_id, changes| DeviceCommand::Update { device_id, changes };
    let command = match asked {
        Asked::Hello | Asked::NewPassword { .. } => return Ok(None),
        Asked::Poll => return Ok(Some(Command::Message(MessageCommand::Head))),
        Asked::Ack { message_id } => {
            let message_id = *message_id;
            return Ok(Some(Command::Message(MessageCommand::Acknowledge {
                message_id,
            })));
        }
        Asked::Transfer(transfer) => return Ok(Some(Command::Transfer(moving(transfer)))),
        Asked::Check { ids } => DeviceCommand::Check {
            device_ids: ids.clone(),
        },
        Asked::Info {
            id,
            slot: Some(slot),
            ..
        } => DeviceCommand::Certificate {
            device_id: *id,
            slot: *slot,
        },
        Asked::Info { id, auth_info, .. } => DeviceCommand::Info {
            device_id: *id,
            auth_info: auth_info.as_ref().map(Secret::new),
        },
        Asked::Create {
            id,
            request,
            period,
        } => DeviceCommand::Create {
            device_id: *id,
            csr: directory::read_public(&request.csr)?,
            period: *period,
            asp: request.asp.clone(),
            auth_info: None,
        },
        Asked::NewSlot { id, request } => DeviceCommand::NewSlot {
            device_id: *id,
            csr: directory::read_public(&request.csr)?,
            asp: request.asp.clone(),
        },
        Asked::Status { id, add, remove } => {
            let added = add.iter().copied().map(DeviceChange::AddStatus);
            let removed = remove.iter().copied().map(DeviceChange::RemoveStatus);
            let changes: Vec<_> = added.chain(removed).collect();
            ensure!(!changes.is_empty(), "--add or --remove is needed");
            update(*id, changes)
        }
        Asked::AuthInfo { id, auth_info } => {
            let set = auth_info.clone().map(DeviceChange::SetAuthInfo);
            update(*id, vec![set.unwrap_or(DeviceChange::ClearAuthInfo)])
        }
        Asked::Withdraw { id, slot, reason } => {
            let (slot, reason) = (*slot, *reason);
            update(*id, vec![DeviceChange::Withdraw { slot, reason }])
        }
        Asked::Renew {
            id,
            current_expiry,
            period,
        } => DeviceCommand::Renew {
            device_id: *id,
            current_expiry: *current_expiry,
            period: *period,
        },
        Asked::Delete { id } => DeviceCommand::Delete { device_id: *id },
        Asked::Restore { id } => DeviceCommand::Restore { device_id: *id },
    };
    Ok(Some(Command::Device(command)))
}

fn moving(transfer: &Transfer) -> TransferCommand {
    match transfer {
        Transfer::Pull {
            id,
            auth_info,
            arrival,
        } => TransferCommand::Pull {
            device_id: *id,
            auth_info: Secret::new(auth_info),
            arrival: *arrival,
        },
        Transfer::Push { id, to } => TransferCommand::Push {
            device_id: *id,
            to: to.clone(),
        },
        Transfer::Query { id } => TransferCommand::Query {
            device_id: *id,
            auth_info: None,
        },
        Transfer::Approve { id, arrival } => TransferCommand::Approve {
            device_id: *id,
            arrival: *arrival,
        },
        Transfer::Reject { id } => TransferCommand::Reject { device_id: *id },
        Transfer::Cancel { id } => TransferCommand::Cancel { device_id: *id },
    }
}
