//! Requests that are sent again, under the same account and client transaction id: they are
//! answered with the first result.

use iot_identity::DeviceId;
use sqlx::{Row, SqliteConnection};

use super::rows::{self, sql_time};
use super::{Origin, StoreError};

/// How long a retry is answered with the first result.
const REPLAY_SECS: u64 = 7 * 24 * 3600;
/// An earlier request with the same account and client transaction id.
pub(super) enum Replay {
    /// With the same content.
    Same {
        /// Its first journal row.
        first_seq: u64,
        /// Its last journal row.
        last_seq: u64,
    },
    /// With the same content, and its certificate is being signed.
    InProgress,
    /// With other content.
    OtherContent,
}

pub(super) async fn replay_of(
    connection: &mut SqliteConnection,
    origin: &Origin,
    now: u64,
) -> Result<Option<Replay>, StoreError> {
    let Some(client_transaction_id) = &origin.client_transaction_id else {
        return Ok(None);
    };
    let row = sqlx::query(
        "SELECT request_digest, first_seq, last_seq FROM idempotency
         WHERE account = ? AND client_transaction_id = ? AND created_at > ?",
    )
    .bind(&origin.account)
    .bind(client_transaction_id)
    .bind(sql_time(now.saturating_sub(REPLAY_SECS)))
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else {
        return intent_of(connection, origin, client_transaction_id).await;
    };
    if row.try_get::<&[u8], _>("request_digest")? != origin.digest {
        return Ok(Some(Replay::OtherContent));
    }
    Ok(Some(Replay::Same {
        first_seq: rows::unix(&row, "first_seq")?,
        last_seq: rows::unix(&row, "last_seq")?,
    }))
}

/// A registration under the same client transaction id that has an intent and no certificate yet.
async fn intent_of(
    connection: &mut SqliteConnection,
    origin: &Origin,
    client_transaction_id: &str,
) -> Result<Option<Replay>, StoreError> {
    let digest: Option<Vec<u8>> = sqlx::query_scalar(
        "SELECT request_digest FROM intent WHERE account = ? AND client_transaction_id = ?",
    )
    .bind(&origin.account)
    .bind(client_transaction_id)
    .fetch_optional(connection)
    .await?;
    Ok(digest.map(|digest| {
        if digest == origin.digest {
            Replay::InProgress
        } else {
            Replay::OtherContent
        }
    }))
}

/// Keeps the result of a request for its retries.
pub(super) async fn remember(
    connection: &mut SqliteConnection,
    origin: &Origin,
    device_id: DeviceId,
    (first_seq, last_seq): (u64, u64),
    now: u64,
) -> Result<(), StoreError> {
    let Some(client_transaction_id) = &origin.client_transaction_id else {
        return Ok(());
    };
    sqlx::query(
        "INSERT INTO idempotency (account, client_transaction_id, request_digest, device_id,
                                  first_seq, last_seq, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (account, client_transaction_id) DO UPDATE SET
             request_digest = excluded.request_digest, device_id = excluded.device_id,
             first_seq = excluded.first_seq, last_seq = excluded.last_seq,
             created_at = excluded.created_at",
    )
    .bind(&origin.account)
    .bind(client_transaction_id)
    .bind(origin.digest.as_slice())
    .bind(device_id.as_str())
    .bind(sql_time(first_seq))
    .bind(sql_time(last_seq))
    .bind(sql_time(now))
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets results that are no longer replayed.
pub(super) async fn forget_replays(
    connection: &mut SqliteConnection,
    now: u64,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM idempotency WHERE created_at <= ?")
        .bind(sql_time(now.saturating_sub(REPLAY_SECS)))
        .execute(connection)
        .await?;
    Ok(())
}
