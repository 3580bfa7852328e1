//! What the publisher writes back: ceilings before it signs, results after it published.

use async_trait::async_trait;
use iot_dns_zone::serial;
use iot_identity::{DeviceId, Slot};
use sqlx::SqliteConnection;

use super::rows::{corrupt, sql_time};
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
        for row in &self.published {
            sqlx::query(
                "UPDATE journal SET published_serial = ?, published_at = ?, believed_until = ?,
                        superseded = ?, quarantined = NULL
                 WHERE seq = ?",
            )
            .bind(i64::from(row.serial))
            .bind(sql_time(row.at))
            .bind(row.believed_until.map(i64::from))
            .bind(row.superseded)
            .bind(sql_time(row.seq))
            .execute(&mut *connection)
            .await?;
            let Some(released_until) = row.released_until else {
                continue;
            };
            sqlx::query(
                "UPDATE credential SET released_until = max(coalesce(released_until, 0), ?)
                 WHERE device_id = ? AND slot = ?",
            )
            .bind(i64::from(released_until))
            .bind(row.device_id.as_str())
            .bind(i64::from(row.slot.get()))
            .execute(&mut *connection)
            .await?;
        }
        Ok(())
    }
}

/// Before the zone is built anew: credentials whose withdrawal was published, or may have been,
/// without being written down. What was released of them is known only by its bound.
#[derive(Debug)]
pub struct BoundUnrecorded {
    /// No signature released before expires later.
    pub released_until: u32,
}

#[async_trait]
impl Step for BoundUnrecorded {
    type Output = ();

    async fn run(self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE credential SET released_until = max(coalesce(released_until, 0), ?1)
             WHERE (device_id, slot) IN (
                 SELECT device_id, slot FROM journal
                 WHERE published_serial IS NULL AND publication <> 'active')",
        )
        .bind(i64::from(self.released_until))
        .execute(connection)
        .await?;
        Ok(())
    }
}

/// After the zone was built anew: rows whose publication was not written down are in it now.
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
}

#[async_trait]
impl Step for RecordRebuilt {
    type Output = ();

    async fn run(self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE journal SET published_serial = ?, published_at = ?, believed_until = ?,
                    quarantined = NULL
             WHERE published_serial IS NULL AND seq <= ?",
        )
        .bind(i64::from(self.serial))
        .bind(sql_time(self.at))
        .bind(i64::from(self.released_until))
        .bind(sql_time(self.applied))
        .execute(connection)
        .await?;
        Ok(())
    }
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
