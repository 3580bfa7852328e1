//! What the publisher writes back: ceilings before it signs, results after it published.

use async_trait::async_trait;
use iot_dns_zone::serial;
use iot_identity::{DeviceId, Publication, Slot};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::rows::{corrupt, publication_columns, sql_time};
use super::{Step, StoreError};

/// Raises what the zone may reach; durable before the zone goes there.
#[derive(Debug)]
pub struct RaiseCeiling {
    /// SOA serial that may not be passed (RFC 1982).
    pub serial: u32,
    /// Expiration that no signature may pass.
    pub expiration: u32,
    /// The present time: the next start holds its clock against it.
    pub now: u64,
}

#[async_trait]
impl Step for RaiseCeiling {
    type Output = ();

    async fn run(self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        let present: i64 = sqlx::query_scalar("SELECT serial_ceiling FROM registry WHERE id = 1")
            .fetch_one(&mut *connection)
            .await?;
        let present = u32::try_from(present).map_err(corrupt)?;
        // Neither ceiling ever falls.
        sqlx::query(
            "UPDATE registry SET serial_ceiling = ?, seen_at = ?,
                    expiration_ceiling = max(expiration_ceiling, ?) WHERE id = 1",
        )
        .bind(i64::from(serial::later(present, self.serial)))
        .bind(sql_time(self.now))
        .bind(i64::from(self.expiration))
        .execute(connection)
        .await?;
        Ok(())
    }
}

/// Rows in one statement: five values a row stay far below what SQLite takes.
const STATEMENT_ROWS: usize = 1000;

/// One journal row that is now visible in the zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The journal row.
    pub seq: u64,
    /// The device.
    pub device_id: DeviceId,
    /// The credential.
    pub slot: Slot,
    /// SOA serial of the version that shows it.
    pub serial: u32,
    /// When that version became visible.
    pub at: u64,
    /// Latest expiration of a released signature that says otherwise, if there is one.
    pub believed_until: Option<u32>,
    /// Latest expiration of a released signature over CERT or TLSA at this name.
    pub released_until: Option<u32>,
    /// A later row of the name was published with it.
    pub superseded: bool,
}

/// Writes down what was published.
#[derive(Debug)]
pub struct RecordPublished {
    /// The rows.
    pub published: Vec<Published>,
}

#[async_trait]
impl Step for RecordPublished {
    type Output = ();

    async fn run(self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        for part in self.published.chunks(STATEMENT_ROWS) {
            write_results(connection, part).await?;
            write_released(connection, part).await?;
        }
        Ok(())
    }
}

async fn write_results(
    connection: &mut SqliteConnection,
    part: &[Published],
) -> Result<(), StoreError> {
    let mut query =
        QueryBuilder::<Sqlite>::new("WITH result (seq, serial, at, until, superseded) AS (");
    query.push_values(part, |mut row, published| {
        row.push_bind(sql_time(published.seq))
            .push_bind(i64::from(published.serial))
            .push_bind(sql_time(published.at))
            .push_bind(published.believed_until.map(i64::from))
            .push_bind(published.superseded);
    });
    query.push(
        ") UPDATE journal SET published_serial = result.serial, published_at = result.at,
                  believed_until = result.until, superseded = result.superseded, quarantined = NULL
           FROM result WHERE journal.seq = result.seq",
    );
    query.build().execute(connection).await?;
    Ok(())
}

async fn write_released(
    connection: &mut SqliteConnection,
    part: &[Published],
) -> Result<(), StoreError> {
    let released: Vec<_> = part
        .iter()
        .filter_map(|row| Some((row, row.released_until?)))
        .collect();
    if released.is_empty() {
        return Ok(());
    }
    let mut query = QueryBuilder::<Sqlite>::new("WITH released (device_id, slot, until) AS (");
    query.push_values(released, |mut row, (published, until)| {
        row.push_bind(published.device_id.to_string())
            .push_bind(i64::from(published.slot.get()))
            .push_bind(i64::from(until));
    });
    query.push(
        ") UPDATE credential SET released_until = max(coalesce(released_until, 0), released.until)
           FROM released
           WHERE credential.device_id = released.device_id AND credential.slot = released.slot",
    );
    query.build().execute(connection).await?;
    Ok(())
}

/// By this index: there is one of all withdrawals too, which are many.
pub(super) const BOUND_UNRECORDED: &str =
    "UPDATE credential SET released_until = max(coalesce(released_until, 0), ?1)
     WHERE (device_id, slot) IN (
         SELECT device_id, slot FROM journal INDEXED BY journal_not_written_down
         WHERE published_serial IS NULL AND publication <> 'active' AND seq <= ?2)";
pub(super) const RECORD_REBUILT: &str =
    "UPDATE journal SET published_serial = ?, published_at = ?, believed_until = ?,
            quarantined = NULL
     WHERE published_serial IS NULL AND seq <= ? AND (? OR quarantined IS NULL)";

/// At a start: credentials whose withdrawal was published, or may have been, without being written
/// down. What was released of them is known only by its bound.
#[derive(Debug)]
pub struct BoundUnrecorded {
    /// Newest journal row that the zone includes.
    pub applied: u64,
    /// No signature released before expires later.
    pub released_until: u32,
}

#[async_trait]
impl Step for BoundUnrecorded {
    type Output = ();

    async fn run(self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        sqlx::query(BOUND_UNRECORDED)
            .bind(i64::from(self.released_until))
            .bind(sql_time(self.applied))
            .execute(connection)
            .await?;
        Ok(())
    }
}

/// After a start: rows whose publication was not written down are in the zone now, except those that
/// the gate refused; a zone that was built anew lacks only what its build left out.
#[derive(Debug)]
pub struct RecordRebuilt {
    /// Newest journal row in the new zone.
    pub applied: u64,
    /// SOA serial of the new zone.
    pub serial: u32,
    /// When it was built.
    pub at: u64,
    /// No signature released before expires later.
    pub released_until: u32,
    /// The zone was built from the whole database, but for these.
    pub built: Option<Vec<LeftOut>>,
}

/// A credential that a build left out because the gate refused it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The device.
    pub device_id: DeviceId,
    /// The credential.
    pub slot: Slot,
    /// What should have been published.
    pub publication: Publication,
    /// What the gate said.
    pub reason: String,
}

#[async_trait]
impl Step for RecordRebuilt {
    type Output = ();

    async fn run(self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        sqlx::query(RECORD_REBUILT)
            .bind(i64::from(self.serial))
            .bind(sql_time(self.at))
            .bind(i64::from(self.released_until))
            .bind(sql_time(self.applied))
            .bind(self.built.is_some())
            .execute(&mut *connection)
            .await?;
        let Some(left_out) = self.built else {
            return Ok(());
        };
        for one in &left_out {
            record_left_out(connection, one, self.applied, self.at).await?;
        }
        sqlx::query("UPDATE registry SET zone_stale = 0 WHERE id = 1")
            .execute(connection)
            .await?;
        Ok(())
    }
}

/// The newest row of the name is not in the zone. A credential that was loaded has none: it gets one,
/// which the publisher takes as any other.
async fn record_left_out(
    connection: &mut SqliteConnection,
    one: &LeftOut,
    applied: u64,
    now: u64,
) -> Result<(), StoreError> {
    let (device_id, slot) = (one.device_id.to_string(), i64::from(one.slot.get()));
    let recorded = sqlx::query(
        "UPDATE journal SET quarantined = ?, published_serial = NULL, published_at = NULL,
                believed_until = NULL
         WHERE seq = (SELECT max(seq) FROM journal
                      WHERE device_id = ? AND slot = ? AND seq <= ?)",
    )
    .bind(&one.reason)
    .bind(&device_id)
    .bind(slot)
    .bind(sql_time(applied))
    .execute(&mut *connection)
    .await?;
    if recorded.rows_affected() > 0 {
        return Ok(());
    }
    let (publication, fingerprint) = publication_columns(&one.publication);
    sqlx::query(
        "INSERT INTO journal (seq, device_id, slot, kind, publication, fingerprint, committed_at)
         SELECT journal_head + 1, ?, ?, 'create', ?, ?, ? FROM registry WHERE id = 1",
    )
    .bind(&device_id)
    .bind(slot)
    .bind(publication)
    .bind(fingerprint)
    .bind(sql_time(now))
    .execute(&mut *connection)
    .await?;
    sqlx::query("UPDATE registry SET journal_head = journal_head + 1 WHERE id = 1")
        .execute(connection)
        .await?;
    Ok(())
}

/// A journal row that the gate refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// The journal row.
    pub seq: u64,
    /// What the gate said.
    pub reason: String,
}

/// Writes down what was not published, for an operator to look at.
#[derive(Debug)]
pub struct RecordQuarantined {
    /// The rows.
    pub quarantined: Vec<Quarantined>,
}

#[async_trait]
impl Step for RecordQuarantined {
    type Output = ();

    async fn run(self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        for row in &self.quarantined {
            sqlx::query("UPDATE journal SET quarantined = ? WHERE seq = ?")
                .bind(&row.reason)
                .bind(sql_time(row.seq))
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }
}
