//! What the registry tells about bulk jobs.

use iot_identity::{DeviceId, Slot};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::named::named;
use crate::result_code::ResultCode;

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobInfo {
    /// Its number.
    pub job_id: u64,
    /// What it does to each device.
    pub action: String,
    /// How far it is.
    pub state: JobState,
    /// Octets of rows that are here: where the next part begins.
    pub octets_received: u64,
    /// Rows carried out.
    pub rows_done: u64,
    /// How many of them succeeded.
    pub rows_succeeded: u64,
    /// How many did not.
    pub rows_failed: u64,
    /// When it was begun.
    #[serde(with = "crate::timestamp")]
    pub created_at: OffsetDateTime,
    /// When it ended.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::timestamp::optional"
    )]
    pub ended_at: Option<OffsetDateTime>,
}

named! {
    /// How far a job is.
    JobState {
        /// Rows may follow; those that are here are carried out.
        Open = "open",
        /// No rows follow; those that are here are carried out.
        Closed = "closed",
        /// Every row was carried out.
        Finished = "finished",
        /// Ended by its account; rows that were done stay done.
        Cancelled = "cancelled",
    }
}

/// What came of one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobResult {
    /// Number of the row, from 1.
    pub row: u64,
    /// The device, where the row names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<DeviceId>,
    /// The result.
    #[serde(with = "code_number")]
    pub code: ResultCode,
    /// The server's name for the transaction.
    pub server_transaction_id: String,
    /// Why not, when not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Number of the credential that was issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Slot>,
    /// Its certificate, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_pem: Option<String>,
}

mod code_number {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use super::ResultCode;

    pub(super) fn serialize<S: Serializer>(
        code: &ResultCode,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(code.number())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<ResultCode, D::Error> {
        let number = u16::deserialize(deserializer)?;
        ResultCode::from_number(number).ok_or_else(|| de::Error::custom("no result code"))
    }
}
