//! What clients ask for, and what asking again does.

use iot_epp_api::command::{Command, DeviceChange, DeviceCommand, TransferCommand};
use iot_epp_api::device::WithdrawReason;
use iot_epp_api::period::{Period, PeriodUnit};
use iot_epp_api::secret::{AuthInfo, Secret};
use iot_epp_api::transfer::{Arrival, TransferStatus};
use iot_epp_api::{AccountName, ClientTransactionId, ResultCode};
use iot_identity::{DeviceId, Slot};
use time::Date;

/// Who takes part: two operators, and the provider that slots are for.
pub const MEMBERS: [&str; 3] = ["mno-a", "mno-b", "asp-a"];
/// Place of the provider among the members.
pub const PROVIDER: usize = 2;

/// What is asked for a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Register it.
    Create {
        /// Certificate request, DER.
        csr: Vec<u8>,
        /// For the provider.
        is_bound: bool,
    },
    /// Another credential.
    NewSlot {
        /// Certificate request, DER.
        csr: Vec<u8>,
        /// For the provider.
        is_bound: bool,
    },
    /// The sponsor's hold.
    SetHold(bool),
    /// The slot is for the provider.
    Bind(Slot),
    /// The slot is for the provider no longer.
    Unbind(Slot),
    /// The slot is taken back, for ever.
    Withdraw(Slot),
    /// A year more, counted from this day.
    Renew(Date),
    /// Authorization information.
    SetAuthInfo,
    /// The other operator asks for the device.
    Pull(Arrival),
    /// The sponsor offers it to the other operator.
    Push,
    /// Who has to agree does.
    Approve(Option<Arrival>),
    /// Who has to agree does not.
    Reject,
    /// Who asked gives up.
    Cancel,
    /// Remove it.
    Delete,
    /// Bring it back.
    Restore,
}

/// What a command does that is given again under the same client transaction id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Nothing, and it is answered as the first time.
    IsReplayed,
    /// The same again: by its nature it may be carried out twice.
    IsCarriedOut,
    /// It is refused with this code: what it names is no longer so.
    IsRefused(ResultCode),
}

/// A command that was given at least once.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What.
    pub wish: Wish,
    /// By which member.
    pub by: usize,
    /// The client's name for it.
    pub id: ClientTransactionId,
    /// How often it was given.
    pub attempts: u32,
    /// How often since the registry was started again.
    pub settling: u32,
    /// An answer said that it is durable.
    pub is_acknowledged: bool,
}

impl Asked {
    /// A command that was not given yet.
    pub fn new(wish: Wish, by: usize, id: ClientTransactionId) -> Self {
        Self {
            wish,
            by,
            id,
            attempts: 0,
            settling: 0,
            is_acknowledged: false,
        }
    }

    /// How often it may have been carried out.
    pub fn effects_max(&self) -> u64 {
        match self.wish.again() {
            Again::IsCarriedOut => u64::from(self.attempts),
            Again::IsReplayed | Again::IsRefused(_) => 1,
        }
    }
}

impl Wish {
    /// The command in the model of the doors.
    pub fn command(&self, device_id: DeviceId, by: usize) -> Command {
        let asp = |is_bound: bool| is_bound.then(|| member(PROVIDER));
        let device = match self {
            Self::Create { csr, is_bound } => DeviceCommand::Create {
                device_id,
                csr: csr.clone(),
                period: None,
                asp: asp(*is_bound),
                auth_info: None,
            },
            Self::NewSlot { csr, is_bound } => DeviceCommand::NewSlot {
                device_id,
                csr: csr.clone(),
                asp: asp(*is_bound),
            },
            Self::SetHold(true) => DeviceCommand::Deactivate { device_id },
            Self::SetHold(false) => DeviceCommand::Activate { device_id },
            Self::Bind(slot) => {
                let (slot, asp) = (*slot, member(PROVIDER));
                update(device_id, DeviceChange::Bind { slot, asp })
            }
            Self::Unbind(slot) => {
                let (slot, asp) = (*slot, member(PROVIDER));
                update(device_id, DeviceChange::Unbind { slot, asp })
            }
            Self::Withdraw(slot) => {
                let (slot, reason) = (*slot, WithdrawReason::Superseded);
                update(device_id, DeviceChange::Withdraw { slot, reason })
            }
            Self::Renew(current_expiry) => DeviceCommand::Renew {
                device_id,
                current_expiry: *current_expiry,
                period: Period::new(1, PeriodUnit::Years),
            },
            Self::SetAuthInfo => {
                let text = AuthInfo::parse(&auth_info(device_id)).expect("long enough");
                update(device_id, DeviceChange::SetAuthInfo(text))
            }
            Self::Delete => DeviceCommand::Delete { device_id },
            Self::Restore => DeviceCommand::Restore { device_id },
            Self::Pull(_) | Self::Push | Self::Approve(_) | Self::Reject | Self::Cancel => {
                return Command::Transfer(self.transfer(device_id, by));
            }
        };
        Command::Device(device)
    }

    fn transfer(&self, device_id: DeviceId, by: usize) -> TransferCommand {
        match self {
            Self::Pull(arrival) => TransferCommand::Pull {
                device_id,
                auth_info: Secret::new(auth_info(device_id)),
                arrival: *arrival,
            },
            Self::Push => TransferCommand::Push {
                device_id,
                to: member(1 - by),
            },
            Self::Approve(arrival) => TransferCommand::Approve {
                device_id,
                arrival: *arrival,
            },
            Self::Reject => TransferCommand::Reject { device_id },
            _ => TransferCommand::Cancel { device_id },
        }
    }

    /// What it does when it is given again.
    pub fn again(&self) -> Again {
        match self {
            Self::Create { .. }
            | Self::NewSlot { .. }
            | Self::Delete
            | Self::Pull(_)
            | Self::Push
            | Self::Approve(_)
            | Self::Reject
            | Self::Cancel => Again::IsReplayed,
            Self::SetHold(_)
            | Self::Bind(_)
            | Self::Unbind(_)
            | Self::Withdraw(_)
            | Self::SetAuthInfo => Again::IsCarriedOut,
            Self::Renew(_) => Again::IsRefused(ResultCode::ParameterRange),
            Self::Restore => Again::IsRefused(ResultCode::StatusProhibits),
        }
    }

    /// The request of a certificate that is asked for.
    pub fn csr(&self) -> Option<&[u8]> {
        match self {
            Self::Create { csr, .. } | Self::NewSlot { csr, .. } => Some(csr),
            _ => None,
        }
    }

    /// How far the transfer is afterwards.
    pub fn transfer_status(&self) -> Option<TransferStatus> {
        Some(match self {
            Self::Pull(_) | Self::Push => TransferStatus::Pending,
            Self::Approve(_) => TransferStatus::ClientApproved,
            Self::Reject => TransferStatus::ClientRejected,
            Self::Cancel => TransferStatus::ClientCancelled,
            _ => return None,
        })
    }

    /// What it is called in the report, when it was acknowledged.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "acknowledged: registrations",
            Self::NewSlot { .. } => "acknowledged: new slots",
            Self::SetHold(true) => "acknowledged: holds",
            Self::SetHold(false) => "acknowledged: releases",
            Self::Bind(_) | Self::Unbind(_) => "acknowledged: slots bound and released",
            Self::Withdraw(_) => "acknowledged: slots withdrawn",
            Self::Renew(_) => "acknowledged: renewals",
            Self::SetAuthInfo => "acknowledged: authInfo set",
            Self::Pull(_) | Self::Push => "acknowledged: transfers begun",
            Self::Approve(_) => "acknowledged: transfers completed",
            Self::Reject | Self::Cancel => "acknowledged: transfers given up",
            Self::Delete => "acknowledged: deletions",
            Self::Restore => "acknowledged: restorations",
        }
    }
}

/// Name of a member.
pub fn member(at: usize) -> AccountName {
    AccountName::parse(MEMBERS[at]).expect("lower-case letters and a hyphen")
}

fn update(device_id: DeviceId, change: DeviceChange) -> DeviceCommand {
    let changes = vec![change];
    DeviceCommand::Update { device_id, changes }
}

fn auth_info(device_id: DeviceId) -> String {
    format!("authInfo-of-{device_id}")
}
