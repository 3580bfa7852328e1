//! Bulk jobs.

use serde::{Deserialize, Serialize};

use super::device::{ACCOUNT_NAME, DEVICE_ID, SLOT};
use super::transfer::{absent, arrivals, missing};
use crate::account::AccountName;
use crate::command::{Command, JobAction, JobCommand};
use crate::job::{JobInfo, JobState};
use crate::json::refusal::Refusal;
use crate::json::schema::{
    ANY_NUMBER, ANY_TEXT, Document, PEM, Schema, TIMESTAMP, optional, required,
};
use crate::transfer::Arrival;

/// Begins a job.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct JobCreate {
    action: ActionName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gaining_client_id: Option<AccountName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    arrival: Option<Arrival>,
}

/// What a job does to each device, by the names of [`JobAction::as_str`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum ActionName {
    #[serde(rename = "create")]
    Create,
    #[serde(rename = "activate")]
    Activate,
    #[serde(rename = "deactivate")]
    Deactivate,
    #[serde(rename = "delete")]
    Delete,
    #[serde(rename = "restore")]
    Restore,
    #[serde(rename = "transferPull")]
    Pull,
    #[serde(rename = "transferPush")]
    Push,
    #[serde(rename = "transferApprove")]
    Approve,
    #[serde(rename = "transferReject")]
    Reject,
    #[serde(rename = "transferCancel")]
    Cancel,
}

const ACTION_NAMES: [&str; 10] = [
    "create",
    "activate",
    "deactivate",
    "delete",
    "restore",
    "transferPull",
    "transferPush",
    "transferApprove",
    "transferReject",
    "transferCancel",
];

/// The three forms of the body.
pub(crate) const JOB_CREATE: &[&Document] = &[&JOB_PLAIN, &JOB_ARRIVING, &JOB_PUSH];

const JOB_PLAIN: Document = Document::new(
    "JobCreate",
    "Begins a bulk job: one action on many devices. Its rows follow.",
    &[required(
        "action",
        Schema::Names(plain_actions),
        ACTION_ABOUT,
    )],
);
const JOB_ARRIVING: Document = Document::new(
    "JobTransferIn",
    "Begins a bulk job that brings devices to the account.",
    &[
        required(
            "action",
            Schema::Names(|| ARRIVING_ACTIONS.to_vec()),
            ACTION_ABOUT,
        ),
        optional(
            "arrival",
            Schema::Names(arrivals),
            "How the devices shall arrive.",
        ),
    ],
);
const JOB_PUSH: Document = Document::new(
    "JobTransferPush",
    "Begins a bulk job that offers devices to another account.",
    &[
        required("action", Schema::Names(|| vec![PUSH_ACTION]), ACTION_ABOUT),
        required(
            "gainingClientId",
            ACCOUNT_NAME,
            "Who shall have the devices.",
        ),
    ],
);
const ACTION_ABOUT: &str = "What is done to each row's device.";
const ARRIVING_ACTIONS: [&str; 2] = ["transferPull", "transferApprove"];
const PUSH_ACTION: &str = "transferPush";

fn plain_actions() -> Vec<&'static str> {
    let is_plain = |name: &&str| !ARRIVING_ACTIONS.contains(name) && *name != PUSH_ACTION;
    ACTION_NAMES.into_iter().filter(is_plain).collect()
}

impl JobCreate {
    pub(crate) fn of(action: &JobAction) -> Self {
        let (name, gaining_client_id, arrival) = match action {
            JobAction::Create => (ActionName::Create, None, None),
            JobAction::Activate => (ActionName::Activate, None, None),
            JobAction::Deactivate => (ActionName::Deactivate, None, None),
            JobAction::Delete => (ActionName::Delete, None, None),
            JobAction::Restore => (ActionName::Restore, None, None),
            JobAction::Pull { arrival } => (ActionName::Pull, None, Some(*arrival)),
            JobAction::Push { to } => (ActionName::Push, Some(to.clone()), None),
            JobAction::Approve { arrival } => (ActionName::Approve, None, *arrival),
            JobAction::Reject => (ActionName::Reject, None, None),
            JobAction::Cancel => (ActionName::Cancel, None, None),
        };
        Self {
            action: name,
            gaining_client_id,
            arrival,
        }
    }

    pub(crate) fn into_command(self) -> Result<Command, Refusal> {
        let name = self.action;
        if name != ActionName::Push {
            absent(&self.gaining_client_id, "gainingClientId", "this action")?;
        }
        if !matches!(name, ActionName::Pull | ActionName::Approve) {
            absent(&self.arrival, "arrival", "this action")?;
        }
        let action = match name {
            ActionName::Create => JobAction::Create,
            ActionName::Activate => JobAction::Activate,
            ActionName::Deactivate => JobAction::Deactivate,
            ActionName::Delete => JobAction::Delete,
            ActionName::Restore => JobAction::Restore,
            ActionName::Pull => JobAction::Pull {
                arrival: self.arrival.unwrap_or_default(),
            },
            ActionName::Push => JobAction::Push {
                to: self
                    .gaining_client_id
                    .ok_or_else(|| missing("gainingClientId"))?,
            },
            ActionName::Approve => JobAction::Approve {
                arrival: self.arrival,
            },
            ActionName::Reject => JobAction::Reject,
            ActionName::Cancel => JobAction::Cancel,
        };
        Ok(Command::Job(JobCommand::Create { action }))
    }
}

pub(crate) const JOB_INFO: Document = Document::new(
    "JobInfo",
    "A job.",
    &[
        required("jobId", ANY_NUMBER, "Its number."),
        required("action", ANY_TEXT, "What it does to each device."),
        required(
            "state",
            Schema::Names(|| JobState::ALL.iter().map(|one| one.as_str()).collect()),
            "How far it is.",
        ),
        required(
            "octetsReceived",
            ANY_NUMBER,
            "Octets of rows that are here: where the next part begins.",
        ),
        required("rowsDone", ANY_NUMBER, "Rows carried out."),
        required("rowsSucceeded", ANY_NUMBER, "How many of them succeeded."),
        required("rowsFailed", ANY_NUMBER, "How many did not."),
        required("createdAt", TIMESTAMP, "When it was begun."),
        optional("endedAt", TIMESTAMP, "When it ended."),
    ],
);

/// The account's jobs.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Jobs {
    pub(crate) jobs: Vec<JobInfo>,
}

pub(crate) const JOBS: Document = Document::new(
    "Jobs",
    "The account's jobs.",
    &[required(
        "jobs",
        Schema::List {
            of: &Schema::Document(&JOB_INFO),
            fewest: 0,
            most: None,
        },
        "The newest first.",
    )],
);

pub(crate) const JOB_RESULT: Document = Document::new(
    "JobResult",
    "What came of one row.",
    &[
        required("row", ANY_NUMBER, "Number of the row, from 1."),
        optional(
            "deviceId",
            DEVICE_ID,
            "The device, where the row names one.",
        ),
        required("code", ANY_NUMBER, "The result (RFC 5730 §3)."),
        required(
            "serverTransactionId",
            ANY_TEXT,
            "The server's name for the transaction.",
        ),
        optional("reason", ANY_TEXT, "Why not, when not."),
        optional("slot", SLOT, "Number of the credential that was issued."),
        optional("certificatePem", PEM, "Its certificate."),
    ],
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_have_the_names_of_the_model() {
        let to = AccountName::parse("mno-two").unwrap();
        for action in [
            JobAction::Create,
            JobAction::Activate,
            JobAction::Deactivate,
            JobAction::Delete,
            JobAction::Restore,
            JobAction::Pull {
                arrival: Arrival::Held,
            },
            JobAction::Push { to },
            JobAction::Approve { arrival: None },
            JobAction::Reject,
            JobAction::Cancel,
        ] {
            let document = JobCreate::of(&action);
            assert_eq!(
                serde_json::to_value(document.action).unwrap(),
                action.as_str()
            );
            assert!(ACTION_NAMES.contains(&action.as_str()));
            let command = document.into_command().unwrap();
            assert_eq!(command, Command::Job(JobCommand::Create { action }));
        }
    }
}
