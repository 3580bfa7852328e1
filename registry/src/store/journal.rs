//! The journal: what the zone shall say, in commit order.

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::StoreError;
use super::rows::{corrupt, publication_columns, sql_time};
use crate::lifecycle::{self, Credential, Device};

/// Rows in one statement: seven values a row stay below what SQLite takes.
const STATEMENT_ROWS: usize = 1000;

/// Appends the resulting publication of each credential; returns the first and last sequence number.
///
/// Sequence numbers are dense and in commit order, because only the one writer takes them.
pub(super) async fn insert_journal(
    connection: &mut SqliteConnection,
    device: &Device,
    credentials: &[Credential],
    kind: &'static str,
    now: u64,
) -> Result<Option<(u64, u64)>, StoreError> {
    if credentials.is_empty() {
        return Ok(None);
    }
    let count = i64::try_from(credentials.len()).map_err(corrupt)?;
    let head: i64 = sqlx::query_scalar(
        "UPDATE registry SET journal_head = journal_head + ? WHERE id = 1 RETURNING journal_head",
    )
    .bind(count)
    .fetch_one(&mut *connection)
    .await?;
    let first = head - count + 1;
    let numbered: Vec<(i64, &Credential)> = (first..).zip(credentials).collect();
    for part in numbered.chunks(STATEMENT_ROWS) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT INTO journal (seq, device_id, slot, kind, publication, fingerprint, committed_at) ",
        );
        query.push_values(part, |mut row, (seq, credential)| {
            let publication = lifecycle::publication(device, credential, now);
            let (publication, fingerprint) = publication_columns(&publication);
            row.push_bind(*seq)
                .push_bind(device.device_id.to_string())
                .push_bind(i64::from(credential.slot.get()))
                .push_bind(kind)
                .push_bind(publication)
                .push_bind(fingerprint.map(<[u8]>::to_vec))
                .push_bind(sql_time(now));
        });
        query.build().execute(&mut *connection).await?;
    }
    let unsigned = |seq: i64| u64::try_from(seq).map_err(corrupt);
    Ok(Some((unsigned(first)?, unsigned(head)?)))
}
