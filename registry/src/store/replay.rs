//! Requests that are sent again, under the same account and client transaction id: they are
//! answered with the first result.

use iot_epp_api::Door;
use iot_identity::DeviceId;

use super::accounts::is_strict;
use super::outcome::Rows;
use super::rows::{self, sql_time};
use super::sql::{self, Connection, Row};
use super::{Origin, StoreError};

/// How long a retry is answered with the first result.
const REPLAY_SECS: u64 = 7 * 24 * 3600;

/// What is kept of a request for its retries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Remembered {
    /// Its journal rows.
    pub(super) rows: Rows,
    /// Number of the transfer or job that it made.
    pub(super) object_id: Option<u64>,
}

/// An earlier request with the same account and client transaction id.
pub(super) enum Replay {
    /// With the same content.
    Same(Remembered),
    /// With the same content, and its certificate is being signed.
    InProgress,
    /// With other content.
    OtherContent,
}

pub(super) fn replay_of(
    connection: &Connection,
    origin: &Origin,
    now: u64,
) -> Result<Option<Replay>, StoreError> {
    let Some(client_transaction_id) = &origin.client_transaction_id else {
        return Ok(None);
    };
    let found = sql::query(
        // What is being carried out with this content comes before what was carried out with another.
        "SELECT request_digest, first_seq, last_seq, object_id, 0 AS in_progress,
                request_digest = ?4 AS is_same FROM idempotency
         WHERE account = ?1 AND client_transaction_id = ?2 AND created_at > ?3
         UNION ALL
         SELECT request_digest, 0, 0, NULL, 1, request_digest = ?4 FROM intent
         WHERE account = ?1 AND client_transaction_id = ?2
         ORDER BY is_same DESC LIMIT 1",
    )
    .bind(&origin.account)
    .bind(client_transaction_id)
    .bind(sql_time(now.saturating_sub(REPLAY_SECS)))
    .bind(origin.digest.as_slice())
    .optional(connection, Earlier::read)?;
    let Some(earlier) = found else {
        return Ok(None);
    };
    if earlier.digest != origin.digest {
        // EPP's clients number anew in each session (RFC 5730 §2.5): to them it is a new command,
        // unless the account says that its clients do not.
        let is_new = origin.door == Door::Epp.as_str() && !is_strict(connection, &origin.account)?;
        return Ok((!is_new).then_some(Replay::OtherContent));
    }
    if earlier.in_progress {
        return Ok(Some(Replay::InProgress));
    }
    Ok(Some(Replay::Same(earlier.remembered)))
}

/// What was kept of an earlier request.
struct Earlier {
    digest: Vec<u8>,
    in_progress: bool,
    remembered: Remembered,
}

impl Earlier {
    fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        let (first, last) = (rows::unix(row, "first_seq")?, rows::unix(row, "last_seq")?);
        Ok(Self {
            digest: row.get("request_digest")?,
            in_progress: row.get("in_progress")?,
            remembered: Remembered {
                // Rows count from 1.
                rows: (last > 0).then_some((first, last)),
                object_id: rows::optional_unix(row, "object_id")?,
            },
        })
    }
}

/// Keeps the result of a request for its retries.
pub(super) fn remember(
    connection: &Connection,
    origin: &Origin,
    device_id: Option<DeviceId>,
    remembered: Remembered,
    now: u64,
) -> Result<(), StoreError> {
    let Some(client_transaction_id) = &origin.client_transaction_id else {
        return Ok(());
    };
    let (first_seq, last_seq) = remembered.rows.unwrap_or((0, 0));
    sql::query(
        "INSERT INTO idempotency (account, client_transaction_id, request_digest, device_id,
                                  first_seq, last_seq, created_at, object_id)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (account, client_transaction_id, request_digest) DO UPDATE SET
             device_id = excluded.device_id, first_seq = excluded.first_seq, last_seq = excluded.last_seq,
             created_at = excluded.created_at, object_id = excluded.object_id",
    )
    .bind(&origin.account)
    .bind(client_transaction_id)
    .bind(origin.digest.as_slice())
    .bind(device_id.as_ref().map_or("", DeviceId::as_str))
    .bind(sql_time(first_seq))
    .bind(sql_time(last_seq))
    .bind(sql_time(now))
    .bind(remembered.object_id.map(sql_time))
    .execute(connection)?;
    Ok(())
}

/// Results that are forgotten in one step, at most: holds wait for a step that has begun.
const FORGET_MAX: i64 = 1000;

/// Forgets results that are no longer replayed; returns how many.
pub(super) fn forget_replays(connection: &Connection, now: u64) -> Result<usize, StoreError> {
    sql::query(
        "DELETE FROM idempotency WHERE rowid IN (
             SELECT rowid FROM idempotency WHERE created_at <= ? ORDER BY created_at LIMIT ?)",
    )
    .bind(sql_time(now.saturating_sub(REPLAY_SECS)))
    .bind(FORGET_MAX)
    .execute(connection)
}
