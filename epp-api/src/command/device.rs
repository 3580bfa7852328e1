//! Commands about devices and their credentials.

use iot_identity::{DeviceId, Slot};
use time::Date;

use super::content::Content;
use crate::account::AccountName;
use crate::device::{SettableStatus, WithdrawReason};
use crate::period::Period;
use crate::response::ProcessKind;
use crate::secret::{AuthInfo, Secret};

/// Most devices on one page of a list, and most ids in one check.
pub const DEVICES_MAX: u16 = 1000;
/// Devices on a page when the client names no number.
pub const DEVICES_DEFAULT: u16 = 100;
/// Longest certificate request as received (DER or PEM), in octets: a P-256 request has about 400,
/// and everything beyond is somebody's experiment.
pub const CSR_OCTETS_MAX: usize = 16 * 1024;
/// Most changes in one update.
pub const CHANGES_MAX: usize = 256;

/// A command about devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceCommand {
    /// Which of these ids could be registered.
    Check {
        /// At most [`DEVICES_MAX`] ids.
        device_ids: Vec<DeviceId>,
    },
    /// Everything about one device.
    Info {
        /// The device.
        device_id: DeviceId,
        /// Given by who is not the sponsor.
        auth_info: Option<Secret>,
    },
    /// The account's devices, in the order of their ids.
    List {
        /// Begin behind this id.
        after: Option<DeviceId>,
        /// 1 to [`DEVICES_MAX`].
        limit: u16,
    },
    /// One certificate of a device.
    Certificate {
        /// The device.
        device_id: DeviceId,
        /// Number of the credential.
        slot: Slot,
    },
    /// Register a device: sign its certificate and publish it.
    Create {
        /// The device.
        device_id: DeviceId,
        /// Certificate request as received, DER or PEM, at most [`CSR_OCTETS_MAX`] octets.
        csr: Vec<u8>,
        /// How long the registration lasts; the registry's default when none.
        period: Option<Period>,
        /// The application service provider that the first slot is for.
        asp: Option<AccountName>,
        /// Authorization information to set at once.
        auth_info: Option<AuthInfo>,
    },
    /// A new credential beside those that are there.
    NewSlot {
        /// The device.
        device_id: DeviceId,
        /// Certificate request as received, DER or PEM, at most [`CSR_OCTETS_MAX`] octets.
        csr: Vec<u8>,
        /// The application service provider that it is for.
        asp: Option<AccountName>,
    },
    /// Change a device: all of the changes or none.
    Update {
        /// The device.
        device_id: DeviceId,
        /// 1 to [`CHANGES_MAX`] changes.
        changes: Vec<DeviceChange>,
    },
    /// Lift the caller's hold: the device's live certificates are published again.
    Activate {
        /// The device.
        device_id: DeviceId,
    },
    /// Set the caller's hold: the device's certificates are withdrawn; it stays registered.
    Deactivate {
        /// The device.
        device_id: DeviceId,
    },
    /// Extend the registration; certificates stay as they are.
    Renew {
        /// The device.
        device_id: DeviceId,
        /// The day (UTC) on which the client believes that the registration ends: what keeps a retry
        /// from extending it twice.
        current_expiry: Date,
        /// By how much; the registry's default when none.
        period: Option<Period>,
    },
    /// Remove the device; it can be restored for a while.
    Delete {
        /// The device.
        device_id: DeviceId,
    },
    /// Bring a deleted device back, held.
    Restore {
        /// The device.
        device_id: DeviceId,
    },
    /// How far a command has come that was answered with "pending".
    Process {
        /// The device that the command was about.
        device_id: DeviceId,
        /// What the command was.
        kind: ProcessKind,
        /// Number from the pending answer.
        process_id: u64,
    },
}

/// One change of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceChange {
    /// The device has this status from now on.
    AddStatus(SettableStatus),
    /// The device has this status no longer.
    RemoveStatus(SettableStatus),
    /// The slot is for this application service provider from now on.
    Bind {
        /// The slot.
        slot: Slot,
        /// The provider.
        asp: AccountName,
    },
    /// The slot is for this application service provider no longer.
    Unbind {
        /// The slot.
        slot: Slot,
        /// The provider.
        asp: AccountName,
    },
    /// Authorization information is this from now on (RFC 9154).
    SetAuthInfo(AuthInfo),
    /// There is no authorization information from now on.
    ClearAuthInfo,
    /// The slot is taken back, for ever.
    Withdraw {
        /// The slot.
        slot: Slot,
        /// Why.
        reason: WithdrawReason,
    },
}

impl DeviceCommand {
    /// The verbs in the order of the variants.
    pub const VERBS: [&str; 13] = [
        "device.check",
        "device.info",
        "device.list",
        "device.certificate",
        "device.create",
        "device.new-slot",
        "device.update",
        "device.activate",
        "device.deactivate",
        "device.renew",
        "device.delete",
        "device.restore",
        "device.process",
    ];

    pub(super) fn verb(&self) -> &'static str {
        let at = match self {
            Self::Check { .. } => 0,
            Self::Info { .. } => 1,
            Self::List { .. } => 2,
            Self::Certificate { .. } => 3,
            Self::Create { .. } => 4,
            Self::NewSlot { .. } => 5,
            Self::Update { .. } => 6,
            Self::Activate { .. } => 7,
            Self::Deactivate { .. } => 8,
            Self::Renew { .. } => 9,
            Self::Delete { .. } => 10,
            Self::Restore { .. } => 11,
            Self::Process { .. } => 12,
        };
        Self::VERBS[at]
    }

    pub(super) fn is_query(&self) -> bool {
        matches!(
            self,
            Self::Check { .. }
                | Self::Info { .. }
                | Self::List { .. }
                | Self::Certificate { .. }
                | Self::Process { .. }
        )
    }

    /// Changes of statuses and slots are idempotent by nature and always carried out: an urgent hold
    /// must never be taken for an old one. Renewal names the end that it extends.
    pub(super) fn replays(&self) -> bool {
        matches!(
            self,
            Self::Create { .. } | Self::NewSlot { .. } | Self::Delete { .. }
        )
    }

    /// The one device that the command is about.
    pub fn device_id(&self) -> Option<DeviceId> {
        match self {
            Self::Check { .. } | Self::List { .. } => None,
            Self::Info { device_id, .. }
            | Self::Certificate { device_id, .. }
            | Self::Create { device_id, .. }
            | Self::NewSlot { device_id, .. }
            | Self::Update { device_id, .. }
            | Self::Activate { device_id }
            | Self::Deactivate { device_id }
            | Self::Renew { device_id, .. }
            | Self::Delete { device_id }
            | Self::Restore { device_id }
            | Self::Process { device_id, .. } => Some(*device_id),
        }
    }

    pub(super) fn add_to(&self, content: &mut Content) {
        if let Some(device_id) = self.device_id() {
            content.parameter(device_id.as_octets());
        }
        match self {
            Self::Check { device_ids } => {
                for device_id in device_ids {
                    content.parameter(device_id.as_octets());
                }
            }
            Self::Info { auth_info, .. } => {
                content.optional(auth_info.as_ref().map(Secret::expose));
            }
            Self::List { after, limit } => {
                content.optional(after.as_ref().map(DeviceId::as_octets));
                content.parameter(limit.to_be_bytes());
            }
            Self::Certificate { slot, .. } => content.parameter(slot.get().to_be_bytes()),
            Self::Create {
                csr,
                period,
                asp,
                auth_info,
                ..
            } => {
                content.parameter(csr);
                content.optional(period.map(Period::octets));
                content.optional(asp.as_ref().map(AccountName::as_str));
                content.optional(auth_info.as_ref().map(AuthInfo::expose));
            }
            Self::NewSlot { csr, asp, .. } => {
                content.parameter(csr);
                content.optional(asp.as_ref().map(AccountName::as_str));
            }
            Self::Update { changes, .. } => {
                for change in changes {
                    change.add_to(content);
                }
            }
            Self::Renew {
                current_expiry,
                period,
                ..
            } => {
                content.parameter(current_expiry.to_julian_day().to_be_bytes());
                content.optional(period.map(Period::octets));
            }
            Self::Process {
                kind, process_id, ..
            } => {
                content.parameter(kind.as_str());
                content.parameter(process_id.to_be_bytes());
            }
            Self::Activate { .. }
            | Self::Deactivate { .. }
            | Self::Delete { .. }
            | Self::Restore { .. } => {}
        }
    }
}

/// The first status that is both to be added and to be removed: no order of the two is what somebody
/// can mean, so both doors refuse it.
pub fn status_added_and_removed(changes: &[DeviceChange]) -> Option<SettableStatus> {
    changes.iter().find_map(|change| match change {
        DeviceChange::AddStatus(status)
            if changes.contains(&DeviceChange::RemoveStatus(*status)) =>
        {
            Some(*status)
        }
        _ => None,
    })
}

impl DeviceChange {
    fn add_to(&self, content: &mut Content) {
        match self {
            Self::AddStatus(status) => {
                content.parameter("add-status");
                content.parameter(status.as_str());
            }
            Self::RemoveStatus(status) => {
                content.parameter("remove-status");
                content.parameter(status.as_str());
            }
            Self::Bind { slot, asp } => {
                content.parameter("bind");
                content.parameter(slot.get().to_be_bytes());
                content.parameter(asp.as_str());
            }
            Self::Unbind { slot, asp } => {
                content.parameter("unbind");
                content.parameter(slot.get().to_be_bytes());
                content.parameter(asp.as_str());
            }
            Self::SetAuthInfo(auth_info) => {
                content.parameter("set-auth-info");
                content.parameter(auth_info.expose());
            }
            Self::ClearAuthInfo => content.parameter("clear-auth-info"),
            Self::Withdraw { slot, reason } => {
                content.parameter("withdraw");
                content.parameter(slot.get().to_be_bytes());
                content.parameter(reason.as_str());
            }
        }
    }
}
