//! The changes of one update of a device, in the order in which they are asked.

use iot_identity::{DeviceId, Slot};
use serde::{Deserialize, Serialize};

use super::device::{ACCOUNT_NAME, AUTH_INFO, SLOT, SLOT_WITHDRAW, SlotWithdraw};
use super::text::secret;
use crate::account::AccountName;
use crate::command::{CHANGES_MAX, Command, DeviceChange, DeviceCommand, status_added_and_removed};
use crate::device::SettableStatus;
use crate::json::refusal::Refusal;
use crate::json::schema::{Document, Schema, required};
use crate::result_code::ResultCode;
use crate::secret::AuthInfo;

/// Changes a device: all of the changes or none.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DeviceUpdate {
    changes: Vec<Change>,
}

pub(crate) const DEVICE_UPDATE: Document = Document::new(
    "DeviceUpdate",
    "Changes a device: all of the changes or none.",
    &[required(
        "changes",
        Schema::List {
            of: &Schema::Document(&CHANGE),
            fewest: 1,
            most: Some(CHANGES_MAX),
        },
        "The changes, each an object with one member. No status is both added and removed.",
    )],
);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Change {
    AddStatus(SettableStatus),
    RemoveStatus(SettableStatus),
    Bind(Binding),
    Unbind(Binding),
    #[serde(with = "secret::auth_info")]
    SetAuthInfo(AuthInfo),
    ClearAuthInfo {},
    Withdraw(SlotWithdraw),
}

const CHANGE: Document = Document::choice(
    "DeviceChange",
    "One change of a device.",
    &[
        required(
            "addStatus",
            Schema::Names(settable),
            "The device has this status from now on.",
        ),
        required(
            "removeStatus",
            Schema::Names(settable),
            "The device has this status no longer.",
        ),
        required(
            "bind",
            Schema::Document(&BINDING),
            "The slot is for this provider from now on.",
        ),
        required(
            "unbind",
            Schema::Document(&BINDING),
            "The slot is for this provider no longer.",
        ),
        required(
            "setAuthInfo",
            AUTH_INFO,
            "Authorization information is this from now on (RFC 9154).",
        ),
        required(
            "clearAuthInfo",
            Schema::Document(&NOTHING),
            "There is no authorization information from now on.",
        ),
        required(
            "withdraw",
            Schema::Document(&SLOT_WITHDRAW),
            "The slot is taken back, for ever.",
        ),
    ],
);
/// An object without members.
pub(crate) const NOTHING: Document = Document::new("Nothing", "An object without members.", &[]);

fn settable() -> Vec<&'static str> {
    SettableStatus::ALL.iter().map(|one| one.as_str()).collect()
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Binding {
    slot: Slot,
    asp: AccountName,
}

const BINDING: Document = Document::new(
    "Binding",
    "A slot and an application service provider.",
    &[
        required("slot", SLOT, "Number of the slot."),
        required("asp", ACCOUNT_NAME, "The provider."),
    ],
);

impl DeviceUpdate {
    pub(crate) fn of(changes: &[DeviceChange]) -> Self {
        let changes = changes.iter().map(Change::of).collect();
        Self { changes }
    }

    pub(crate) fn into_command(self, device_id: DeviceId) -> Result<Command, Refusal> {
        if !(1..=CHANGES_MAX).contains(&self.changes.len()) {
            let reason = format!("an update has 1 to {CHANGES_MAX} changes");
            return Err(Refusal::new(ResultCode::ParameterRange, reason).at("$.changes"));
        }
        let changes: Vec<_> = self.changes.into_iter().map(Change::into_change).collect();
        if let Some(status) = status_added_and_removed(&changes) {
            let reason = format!("{status} is to be added and removed by the same command");
            return Err(Refusal::new(ResultCode::ParameterPolicy, reason).at("$.changes"));
        }
        Ok(Command::Device(DeviceCommand::Update {
            device_id,
            changes,
        }))
    }
}

impl Change {
    fn of(change: &DeviceChange) -> Self {
        let binding = |slot: &Slot, asp: &AccountName| Binding {
            slot: *slot,
            asp: asp.clone(),
        };
        match change {
            DeviceChange::AddStatus(status) => Self::AddStatus(*status),
            DeviceChange::RemoveStatus(status) => Self::RemoveStatus(*status),
            DeviceChange::Bind { slot, asp } => Self::Bind(binding(slot, asp)),
            DeviceChange::Unbind { slot, asp } => Self::Unbind(binding(slot, asp)),
            DeviceChange::SetAuthInfo(auth_info) => Self::SetAuthInfo(auth_info.clone()),
            DeviceChange::ClearAuthInfo => Self::ClearAuthInfo {},
            DeviceChange::Withdraw { slot, reason } => Self::Withdraw(SlotWithdraw {
                slot: *slot,
                reason: *reason,
            }),
        }
    }

    fn into_change(self) -> DeviceChange {
        match self {
            Self::AddStatus(status) => DeviceChange::AddStatus(status),
            Self::RemoveStatus(status) => DeviceChange::RemoveStatus(status),
            Self::Bind(Binding { slot, asp }) => DeviceChange::Bind { slot, asp },
            Self::Unbind(Binding { slot, asp }) => DeviceChange::Unbind { slot, asp },
            Self::SetAuthInfo(auth_info) => DeviceChange::SetAuthInfo(auth_info),
            Self::ClearAuthInfo {} => DeviceChange::ClearAuthInfo,
            Self::Withdraw(SlotWithdraw { slot, reason }) => {
                DeviceChange::Withdraw { slot, reason }
            }
        }
    }
}
