//! Commands about bulk jobs: one action on many devices, a row each, a result a row.

use serde::{Deserialize, Serialize};

use super::content::Content;
use crate::account::AccountName;
use crate::scope::Scope;
use crate::transfer::Arrival;

/// Longest part of the rows in one command, in octets.
pub const JOB_PART_OCTETS_MAX: usize = 4 * 1024 * 1024;
/// Longest row, in octets: a certificate request in PEM within JSON, with room to spare.
pub const JOB_ROW_OCTETS_MAX: usize = 32 * 1024;
/// Most results in one answer.
pub const JOB_RESULTS_MAX: u32 = 10_000;

/// A command about jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobCommand {
    /// Begin a job; its rows follow.
    Create {
        /// What is done to each row's device.
        action: JobAction,
    },
    /// Add rows.
    Append {
        /// The job.
        job_id: u64,
        /// Octets of rows that the registry has already: what makes a retry harmless.
        offset: u64,
        /// Rows, one JSON object a line (NDJSON), at most [`JOB_PART_OCTETS_MAX`] octets; a line may
        /// go on in the next part.
        rows: Vec<u8>,
    },
    /// Say that no rows follow.
    Close {
        /// The job.
        job_id: u64,
    },
    /// Carry out no further rows; what is done stays done.
    Cancel {
        /// The job.
        job_id: u64,
    },
    /// How far a job is.
    Info {
        /// The job.
        job_id: u64,
    },
    /// The account's jobs, the newest first.
    List,
    /// Results, in the order of the rows.
    Results {
        /// The job.
        job_id: u64,
        /// Begin behind this row; rows count from 1.
        after: u64,
        /// 1 to [`JOB_RESULTS_MAX`].
        limit: u32,
    },
}

/// What a job does to each device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "camelCase")]
pub enum JobAction {
    /// Register it; the row has its certificate request.
    Create,
    /// Lift the account's hold.
    Activate,
    /// Set the account's hold.
    Deactivate,
    /// Remove it.
    Delete,
    /// Bring it back.
    Restore,
    /// Ask its sponsor for it; the row has its authorization information.
    #[serde(rename = "transferPull")]
    Pull {
        /// How it shall arrive.
        arrival: Arrival,
    },
    /// Offer it to another account.
    #[serde(rename = "transferPush")]
    Push {
        /// To whom.
        to: AccountName,
    },
    /// Agree to its transfer.
    #[serde(rename = "transferApprove")]
    Approve {
        /// How it shall arrive, where the gaining account says so now.
        arrival: Option<Arrival>,
    },
    /// Refuse its transfer.
    #[serde(rename = "transferReject")]
    Reject,
    /// Give its transfer up.
    #[serde(rename = "transferCancel")]
    Cancel,
}

impl JobAction {
    /// The name in documents.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Activate => "activate",
            Self::Deactivate => "deactivate",
            Self::Delete => "delete",
            Self::Restore => "restore",
            Self::Pull { .. } => "transferPull",
            Self::Push { .. } => "transferPush",
            Self::Approve { .. } => "transferApprove",
            Self::Reject => "transferReject",
            Self::Cancel => "transferCancel",
        }
    }

    /// What a token has to be made for in order to begin such a job.
    pub fn scope(&self) -> Scope {
        match self {
            Self::Create => Scope::DeviceCreate,
            Self::Activate | Self::Deactivate => Scope::DeviceUpdate,
            Self::Delete | Self::Restore => Scope::DeviceDelete,
            Self::Pull { .. }
            | Self::Push { .. }
            | Self::Approve { .. }
            | Self::Reject
            | Self::Cancel => Scope::DeviceTransfer,
        }
    }

    fn add_to(&self, content: &mut Content) {
        content.parameter(self.as_str());
        match self {
            Self::Pull { arrival } => content.parameter(arrival.as_str()),
            Self::Push { to } => content.parameter(to.as_str()),
            Self::Approve { arrival } => content.optional(arrival.map(Arrival::as_str)),
            Self::Create
            | Self::Activate
            | Self::Deactivate
            | Self::Delete
            | Self::Restore
            | Self::Reject
            | Self::Cancel => {}
        }
    }
}

impl JobCommand {
    /// The verbs in the order of the variants.
    pub const VERBS: [&str; 7] = [
        "job.create",
        "job.append",
        "job.close",
        "job.cancel",
        "job.info",
        "job.list",
        "job.results",
    ];

    pub(super) fn verb(&self) -> &'static str {
        let at = match self {
            Self::Create { .. } => 0,
            Self::Append { .. } => 1,
            Self::Close { .. } => 2,
            Self::Cancel { .. } => 3,
            Self::Info { .. } => 4,
            Self::List => 5,
            Self::Results { .. } => 6,
        };
        Self::VERBS[at]
    }

    pub(super) fn is_query(&self) -> bool {
        matches!(self, Self::Info { .. } | Self::List | Self::Results { .. })
    }

    pub(super) fn replays(&self) -> bool {
        matches!(self, Self::Create { .. })
    }

    pub(super) fn add_to(&self, content: &mut Content) {
        match self {
            Self::Create { action } => action.add_to(content),
            Self::Append {
                job_id,
                offset,
                rows,
            } => {
                content.parameter(job_id.to_be_bytes());
                content.parameter(offset.to_be_bytes());
                content.parameter(rows);
            }
            Self::Close { job_id } | Self::Cancel { job_id } | Self::Info { job_id } => {
                content.parameter(job_id.to_be_bytes());
            }
            Self::List => {}
            Self::Results {
                job_id,
                after,
                limit,
            } => {
                content.parameter(job_id.to_be_bytes());
                content.parameter(after.to_be_bytes());
                content.parameter(limit.to_be_bytes());
            }
        }
    }
}
