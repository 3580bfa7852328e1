//! A command → how a client says it.

use crate::command::{Command, DeviceChange, DeviceCommand, MessageCommand, TransferCommand};
use crate::device::{DeviceStatus, SettableStatus};
use crate::epp::device::{
    AuthInfoChange, Binding, CertificateRequest, Change, Check, Create, DeviceRequest, Info,
    NewSlot, Renew, StatusesAndBindings, Transfer, TransferOperation, Update, Withdrawal,
};
use crate::epp::frame::EppCommand;
use crate::epp::poll::Poll;

/// How a client of this door says a command; none for what it has no words for: lists,
/// processes, jobs, accounts, endpoints, the zone and forced transfers.
///
/// The sponsor's hold is said as the status `clientHold`.
pub fn said(command: &Command) -> Option<EppCommand> {
    let request = match command {
        Command::Device(command) => device_request(command)?,
        Command::Transfer(command) => DeviceRequest::Transfer(transfer(command)?),
        Command::Message(MessageCommand::Head) => return Some(EppCommand::Poll(Poll::Request)),
        Command::Message(MessageCommand::Acknowledge { message_id }) => {
            let message_id = *message_id;
            return Some(EppCommand::Poll(Poll::Acknowledge { message_id }));
        }
        Command::Job(_) | Command::Account(_) | Command::Endpoint(_) | Command::Zone(_) => {
            return None;
        }
    };
    Some(EppCommand::Device(request))
}

fn device_request(command: &DeviceCommand) -> Option<DeviceRequest> {
    Some(match command.clone() {
        DeviceCommand::Check { device_ids } => DeviceRequest::Check(Check { device_ids }),
        DeviceCommand::Info {
            device_id,
            auth_info,
        } => DeviceRequest::Info(Info {
            device_id,
            auth_info,
        }),
        DeviceCommand::Certificate { device_id, slot } => {
            DeviceRequest::Certificate(CertificateRequest { device_id, slot })
        }
        DeviceCommand::Create {
            device_id,
            csr,
            period,
            asp,
            auth_info,
        } => DeviceRequest::Create(Create {
            device_id,
            period,
            csr,
            asp,
            auth_info,
        }),
        DeviceCommand::Renew {
            device_id,
            current_expiry,
            period,
        } => DeviceRequest::Renew(Renew {
            device_id,
            current_expiry,
            period,
        }),
        DeviceCommand::Delete { device_id } => DeviceRequest::Delete { device_id },
        DeviceCommand::List { .. } | DeviceCommand::Process { .. } => return None,
        update => DeviceRequest::Update(update_of(update)?),
    })
}

fn update_of(command: DeviceCommand) -> Option<Update> {
    let mut update = Update {
        device_id: command.device_id()?,
        add: StatusesAndBindings::default(),
        remove: StatusesAndBindings::default(),
        change: Change::default(),
    };
    match command {
        DeviceCommand::NewSlot { csr, asp, .. } => {
            update.change.new_slot = Some(NewSlot { csr, asp });
        }
        DeviceCommand::Restore { .. } => update.change.restore = true,
        DeviceCommand::Deactivate { .. } => update.add.statuses.push(DeviceStatus::ClientHold),
        DeviceCommand::Activate { .. } => update.remove.statuses.push(DeviceStatus::ClientHold),
        DeviceCommand::Update { changes, .. } => {
            for change in changes {
                add_change(&mut update, change);
            }
        }
        _ => return None,
    }
    Some(update)
}

fn add_change(update: &mut Update, change: DeviceChange) {
    match change {
        DeviceChange::AddStatus(status) => update.add.statuses.push(as_status(status)),
        DeviceChange::RemoveStatus(status) => update.remove.statuses.push(as_status(status)),
        DeviceChange::Bind { slot, asp } => update.add.bindings.push(Binding { slot, asp }),
        DeviceChange::Unbind { slot, asp } => update.remove.bindings.push(Binding { slot, asp }),
        DeviceChange::SetAuthInfo(auth_info) => {
            update.change.auth_info = Some(AuthInfoChange::Set(auth_info));
        }
        DeviceChange::ClearAuthInfo => update.change.auth_info = Some(AuthInfoChange::Clear),
        DeviceChange::Withdraw { slot, reason } => {
            update.change.withdrawals.push(Withdrawal { slot, reason });
        }
    }
}

fn as_status(status: SettableStatus) -> DeviceStatus {
    DeviceStatus::from_name(status.as_str()).expect("every settable status is a status")
}

fn transfer(command: &TransferCommand) -> Option<Transfer> {
    let operation = match command.clone() {
        TransferCommand::Pull {
            auth_info, arrival, ..
        } => TransferOperation::Pull { auth_info, arrival },
        TransferCommand::Push { to: gaining, .. } => TransferOperation::Push { gaining },
        TransferCommand::Query { auth_info, .. } => TransferOperation::Query { auth_info },
        TransferCommand::Approve { arrival, .. } => TransferOperation::Approve { arrival },
        TransferCommand::Reject { .. } => TransferOperation::Reject,
        TransferCommand::Cancel { .. } => TransferOperation::Cancel,
        TransferCommand::Force { .. } => return None,
    };
    Some(Transfer {
        device_id: command.device_id(),
        operation,
    })
}
