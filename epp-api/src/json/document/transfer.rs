//! Transfers: how they are asked for, agreed to, and told.

use iot_identity::DeviceId;
use serde::{Deserialize, Serialize};

use super::device::{ACCOUNT_NAME, DEVICE_ID};
use super::device_info::PUBLICATION;
use crate::account::AccountName;
use crate::command::{Command, TransferCommand};
use crate::device::PublicationTimes;
use crate::json::refusal::Refusal;
use crate::json::schema::{ANY_NUMBER, Document, Schema, TIMESTAMP, optional, required};
use crate::result_code::ResultCode;
use crate::secret::Secret;
use crate::transfer::{Arrival, Direction, TransferInfo, TransferStatus};

/// Asks for a transfer.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TransferRequest {
    transfer_dir: Direction,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gaining_client_id: Option<AccountName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    arrival: Option<Arrival>,
}

/// The three forms of the body.
pub(crate) const TRANSFER_REQUEST: &[&Document] =
    &[&TRANSFER_PULL, &TRANSFER_PUSH, &TRANSFER_FORCED];

const TRANSFER_PULL: Document = Document::new(
    "TransferPull",
    "Asks the sponsor for the device, whose authorization information is in the header RPP-Authorization.",
    &[
        required(
            "transferDir",
            Schema::Names(|| vec![Direction::Pull.as_str()]),
            "Who begins it.",
        ),
        optional("arrival", Schema::Names(arrivals), ARRIVAL_ABOUT),
    ],
);
const TRANSFER_PUSH: Document = Document::new(
    "TransferPush",
    "Offers the device to another account, which says how it shall arrive.",
    &[
        required(
            "transferDir",
            Schema::Names(|| vec![Direction::Push.as_str()]),
            "Who begins it.",
        ),
        required("gainingClientId", ACCOUNT_NAME, "Who shall have it."),
    ],
);
const TRANSFER_FORCED: Document = Document::new(
    "TransferForced",
    "Moves the device at once: an operator's decision of a dispute.",
    &[
        required(
            "transferDir",
            Schema::Names(|| vec![Direction::Forced.as_str()]),
            "Who begins it.",
        ),
        required("gainingClientId", ACCOUNT_NAME, "Who shall have it."),
        optional("arrival", Schema::Names(arrivals), ARRIVAL_ABOUT),
    ],
);
const ARRIVAL_ABOUT: &str = "How it shall arrive; asIs when absent.";

fn directions() -> Vec<&'static str> {
    Direction::ALL.iter().map(|one| one.as_str()).collect()
}

pub(crate) fn arrivals() -> Vec<&'static str> {
    Arrival::ALL.iter().map(|one| one.as_str()).collect()
}

impl TransferRequest {
    /// The body of a command; none when the command begins no transfer.
    pub(crate) fn of(command: &TransferCommand) -> Option<Self> {
        let (transfer_dir, gaining_client_id, arrival) = match command {
            TransferCommand::Pull { arrival, .. } => (Direction::Pull, None, Some(*arrival)),
            TransferCommand::Push { to, .. } => (Direction::Push, Some(to.clone()), None),
            TransferCommand::Force { to, arrival, .. } => {
                (Direction::Forced, Some(to.clone()), Some(*arrival))
            }
            _ => return None,
        };
        Some(Self {
            transfer_dir,
            gaining_client_id,
            arrival,
        })
    }

    pub(crate) fn into_command(
        self,
        device_id: DeviceId,
        auth_info: Option<Secret>,
    ) -> Result<Command, Refusal> {
        let direction = self.transfer_dir;
        if auth_info.is_some() && direction != Direction::Pull {
            let reason = "the header RPP-Authorization belongs to transferDir \"pull\" alone";
            return Err(Refusal::new(ResultCode::SyntaxError, reason));
        }
        let command = match direction {
            Direction::Pull => {
                absent(&self.gaining_client_id, "gainingClientId", direction)?;
                let auth_info = auth_info.ok_or_else(|| {
                    let reason = "the header RPP-Authorization is missing: authinfo value=<base64 of the authorization information>";
                    Refusal::new(ResultCode::RequiredParameterMissing, reason)
                })?;
                TransferCommand::Pull {
                    device_id,
                    auth_info,
                    arrival: self.arrival.unwrap_or_default(),
                }
            }
            Direction::Push => {
                absent(&self.arrival, "arrival", direction)?;
                let to = gaining(self.gaining_client_id)?;
                TransferCommand::Push { device_id, to }
            }
            Direction::Forced => TransferCommand::Force {
                device_id,
                to: gaining(self.gaining_client_id)?,
                arrival: self.arrival.unwrap_or_default(),
            },
        };
        Ok(Command::Transfer(command))
    }
}

fn gaining(account: Option<AccountName>) -> Result<AccountName, Refusal> {
    account.ok_or_else(|| missing("gainingClientId"))
}

/// A member that the other members make necessary.
pub(super) fn missing(name: &str) -> Refusal {
    let reason = format!("the member \"{name}\" is missing");
    Refusal::new(ResultCode::RequiredParameterMissing, reason).at(format!("$.{name}"))
}

/// Refuses a member that the other members leave no room for.
pub(super) fn absent<T>(
    member: &Option<T>,
    name: &str,
    with: impl std::fmt::Display,
) -> Result<(), Refusal> {
    if member.is_none() {
        return Ok(());
    }
    let reason = format!("the member \"{name}\" has no meaning with {with}");
    Err(Refusal::new(ResultCode::SyntaxError, reason).at(format!("$.{name}")))
}

/// Agrees to a transfer.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TransferApprove {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) arrival: Option<Arrival>,
}

pub(crate) const TRANSFER_APPROVE: Document = Document::new(
    "TransferApprove",
    "Agrees to a transfer.",
    &[optional(
        "arrival",
        Schema::Names(arrivals),
        "How the device shall arrive, where the gaining account agrees.",
    )],
);

pub(crate) const TRANSFER_INFO: Document = Document::new(
    "TransferInfo",
    "A transfer as both sides see it.",
    &[
        required("transferId", ANY_NUMBER, "Its number."),
        required("deviceId", DEVICE_ID, "The device."),
        required("direction", Schema::Names(directions), "Who began it."),
        required(
            "status",
            Schema::Names(|| TransferStatus::ALL.iter().map(|one| one.as_str()).collect()),
            "How far it is.",
        ),
        required(
            "losing",
            ACCOUNT_NAME,
            "Who has the device, or had it before.",
        ),
        required("gaining", ACCOUNT_NAME, "Who shall have it, or has it now."),
        required("requestedBy", ACCOUNT_NAME, "Who asked for it."),
        required("requestedAt", TIMESTAMP, "When."),
        required("acting", ACCOUNT_NAME, "Who has to act, or did."),
        required("actingAt", TIMESTAMP, "By when, or when."),
        optional(
            "arrival",
            Schema::Names(arrivals),
            "How the device arrives, once that is said.",
        ),
        optional(
            "replaceBy",
            TIMESTAMP,
            "After completion: by when inherited certificates have to be replaced.",
        ),
    ],
);

/// A transfer that was asked for or decided.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TransferChanged {
    pub(crate) transfer: TransferInfo,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) publication: Option<PublicationTimes>,
}

pub(crate) const TRANSFER_CHANGED: Document = Document::new(
    "TransferChanged",
    "A transfer that was asked for or decided.",
    &[
        required(
            "transfer",
            Schema::Document(&TRANSFER_INFO),
            "The transfer.",
        ),
        optional(
            "publication",
            Schema::Document(&PUBLICATION),
            "By when a change of the zone is believed, where there was one.",
        ),
    ],
);
