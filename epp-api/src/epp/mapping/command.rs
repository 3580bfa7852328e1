//! What a client said → the command that it means.

use thiserror::Error;

use crate::command::{CHANGES_MAX, Command, DeviceChange, DeviceCommand};
use crate::command::{MessageCommand, TransferCommand};
use crate::device::{DeviceStatus, SettableStatus};
use crate::epp::device::{
    AuthInfoChange, Binding, CertificateRequest, Change, DeviceRequest, NewSlot,
    StatusesAndBindings, Transfer, TransferOperation, Update,
};
use crate::epp::namespace::{Name, device};
use crate::epp::poll::Poll;
use crate::result_code::ResultCode;

/// A frame that is valid and means no one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unmappable {
    /// A new slot beside other changes: it would be signed although they are refused.
    #[error("a new slot is a command of its own; send the other changes in another update")]
    NewSlotBesideOthers,
    /// Restore beside other changes.
    #[error("restore is a command of its own; change the device once it is back")]
    RestoreBesideOthers,
    /// A status that follows from the state of the device.
    #[error("{status} follows from the state of the device, nobody sets it")]
    StatusNotSettable {
        /// The status.
        status: DeviceStatus,
    },
    /// One status in both lists.
    #[error("{status} is to be added and removed by the same command")]
    StatusAddedAndRemoved {
        /// The status.
        status: DeviceStatus,
    },
    /// More changes than one command has room for.
    #[error("one update has at most {CHANGES_MAX} changes")]
    TooManyChanges,
}

impl Unmappable {
    /// The result code of RFC 5730 §3.
    pub fn code(self) -> ResultCode {
        match self {
            Self::TooManyChanges => ResultCode::ParameterRange,
            _ => ResultCode::ParameterPolicy,
        }
    }

    /// The element with the cause.
    pub fn element(self) -> Name {
        device(match self {
            Self::NewSlotBesideOthers => "newSlot",
            Self::RestoreBesideOthers => "restore",
            Self::StatusNotSettable { .. } | Self::StatusAddedAndRemoved { .. } => "status",
            Self::TooManyChanges => "id",
        })
    }
}

/// The command that a frame about devices means.
///
/// # Errors
/// An update that is more than one command, or sets what nobody can set.
pub fn device_command(said: DeviceRequest) -> Result<Command, Unmappable> {
    let command = match said {
        DeviceRequest::Transfer(transfer) => {
            return Ok(Command::Transfer(transfer_command(transfer)));
        }
        DeviceRequest::Update(update) => update_command(update)?,
        DeviceRequest::Check(check) => DeviceCommand::Check {
            device_ids: check.device_ids,
        },
        DeviceRequest::Info(info) => DeviceCommand::Info {
            device_id: info.device_id,
            auth_info: info.auth_info,
        },
        DeviceRequest::Certificate(CertificateRequest { device_id, slot }) => {
            DeviceCommand::Certificate { device_id, slot }
        }
        DeviceRequest::Create(create) => DeviceCommand::Create {
            device_id: create.device_id,
            csr: create.csr,
            period: create.period,
            asp: create.asp,
            auth_info: create.auth_info,
        },
        DeviceRequest::Renew(renew) => DeviceCommand::Renew {
            device_id: renew.device_id,
            current_expiry: renew.current_expiry,
            period: renew.period,
        },
        DeviceRequest::Delete { device_id } => DeviceCommand::Delete { device_id },
    };
    Ok(Command::Device(command))
}

/// The command that a poll means.
pub fn poll_command(said: Poll) -> Command {
    Command::Message(match said {
        Poll::Request => MessageCommand::Head,
        Poll::Acknowledge { message_id } => MessageCommand::Acknowledge { message_id },
    })
}

fn transfer_command(transfer: Transfer) -> TransferCommand {
    let device_id = transfer.device_id;
    match transfer.operation {
        TransferOperation::Pull { auth_info, arrival } => TransferCommand::Pull {
            device_id,
            auth_info,
            arrival,
        },
        TransferOperation::Push { gaining: to } => TransferCommand::Push { device_id, to },
        TransferOperation::Query { auth_info } => TransferCommand::Query {
            device_id,
            auth_info,
        },
        TransferOperation::Approve { arrival } => TransferCommand::Approve { device_id, arrival },
        TransferOperation::Reject => TransferCommand::Reject { device_id },
        TransferOperation::Cancel => TransferCommand::Cancel { device_id },
    }
}

fn update_command(update: Update) -> Result<DeviceCommand, Unmappable> {
    let Update {
        device_id,
        add,
        remove,
        mut change,
    } = update;
    let new_slot = change.new_slot.take();
    let restore = std::mem::take(&mut change.restore);
    let empty = StatusesAndBindings::default();
    let nothing_else = add == empty && remove == empty && change == Change::default();
    match (new_slot, restore) {
        (None, false) => {
            let changes = changes(add, remove, change)?;
            Ok(DeviceCommand::Update { device_id, changes })
        }
        (Some(NewSlot { csr, asp }), false) if nothing_else => Ok(DeviceCommand::NewSlot {
            device_id,
            csr,
            asp,
        }),
        (None, true) if nothing_else => Ok(DeviceCommand::Restore { device_id }),
        (Some(_), _) => Err(Unmappable::NewSlotBesideOthers),
        (None, true) => Err(Unmappable::RestoreBesideOthers),
    }
}

/// What is taken away comes first, so that a slot can go from one provider to another.
fn changes(
    add: StatusesAndBindings,
    remove: StatusesAndBindings,
    change: Change,
) -> Result<Vec<DeviceChange>, Unmappable> {
    let both = |status: &&DeviceStatus| remove.statuses.contains(status);
    if let Some(status) = add.statuses.iter().find(both) {
        return Err(Unmappable::StatusAddedAndRemoved { status: *status });
    }
    let mut changes = Vec::new();
    for status in remove.statuses {
        changes.push(DeviceChange::RemoveStatus(settable(status)?));
    }
    for status in add.statuses {
        changes.push(DeviceChange::AddStatus(settable(status)?));
    }
    let unbind = |binding: Binding| DeviceChange::Unbind {
        slot: binding.slot,
        asp: binding.asp,
    };
    let bind = |binding: Binding| DeviceChange::Bind {
        slot: binding.slot,
        asp: binding.asp,
    };
    changes.extend(remove.bindings.into_iter().map(unbind));
    changes.extend(add.bindings.into_iter().map(bind));
    changes.extend(change.auth_info.map(|change| match change {
        AuthInfoChange::Set(auth_info) => DeviceChange::SetAuthInfo(auth_info),
        AuthInfoChange::Clear => DeviceChange::ClearAuthInfo,
    }));
    let withdraw = change.withdrawals.into_iter();
    changes.extend(withdraw.map(|withdrawal| DeviceChange::Withdraw {
        slot: withdrawal.slot,
        reason: withdrawal.reason,
    }));
    if changes.len() > CHANGES_MAX {
        return Err(Unmappable::TooManyChanges);
    }
    Ok(changes)
}

fn settable(status: DeviceStatus) -> Result<SettableStatus, Unmappable> {
    let settable = SettableStatus::from_name(status.as_str());
    settable.ok_or(Unmappable::StatusNotSettable { status })
}
