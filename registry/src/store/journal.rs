//! The journal: what the zone shall say, in commit order.

use super::StoreError;
use super::rows::{corrupt, publication_columns, sql_time};
use super::sql::{self, Connection};
use crate::lifecycle::{self, Credential, Device};

/// Appends the resulting publication of each credential; returns the first and last sequence number.
///
/// Sequence numbers are dense and in commit order, because only the one writer takes them.
pub(super) fn insert_journal(
    connection: &Connection,
    device: &Device,
    credentials: &[Credential],
    kind: &'static str,
    now: u64,
) -> Result<Option<(u64, u64)>, StoreError> {
    if credentials.is_empty() {
        return Ok(None);
    }
    let count = i64::try_from(credentials.len()).map_err(corrupt)?;
    let head: i64 = sql::query(
        "UPDATE registry SET journal_head = journal_head + ? WHERE id = 1 RETURNING journal_head",
    )
    .bind(count)
    .one(connection, sql::scalar)?;
    let first = head - count + 1;
    for (seq, credential) in (first..).zip(credentials) {
        let publication = lifecycle::publication(device, credential, now);
        let (publication, fingerprint) = publication_columns(&publication);
        sql::query(
            "INSERT INTO journal (seq, device_id, slot, kind, publication, fingerprint, committed_at)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(seq)
        .bind(device.device_id.as_str())
        .bind(i64::from(credential.slot.get()))
        .bind(kind)
        .bind(publication)
        .bind(fingerprint)
        .bind(sql_time(now))
        .execute(connection)?;
    }
    let unsigned = |seq: i64| u64::try_from(seq).map_err(corrupt);
    Ok(Some((unsigned(first)?, unsigned(head)?)))
}
