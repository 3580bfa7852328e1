//! What the publisher writes back: ceilings before it signs, results after it published.

use iot_dns_zone::serial;
use iot_identity::{DeviceId, Publication, Slot};

use super::rows::{corrupt, publication_columns, sql_time};
use super::sql::{self, Connection};
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

impl Step for RaiseCeiling {
    type Output = ();

    fn run(self, connection: &Connection) -> Result<(), StoreError> {
        let present: i64 = sql::query("SELECT serial_ceiling FROM registry WHERE id = 1")
            .one(connection, sql::scalar)?;
        let present = u32::try_from(present).map_err(corrupt)?;
        // Neither ceiling ever falls.
        sql::query(
            "UPDATE registry SET serial_ceiling = ?, seen_at = ?,
                    expiration_ceiling = max(expiration_ceiling, ?) WHERE id = 1",
        )
        .bind(i64::from(serial::later(present, self.serial)))
        .bind(sql_time(self.now))
        .bind(i64::from(self.expiration))
        .execute(connection)?;
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

impl Step for RecordPublished {
    type Output = ();

    fn run(self, connection: &Connection) -> Result<(), StoreError> {
        for published in &self.published {
            write_result(connection, published)?;
            write_released(connection, published)?;
        }
        Ok(())
    }
}

fn write_result(connection: &Connection, published: &Published) -> Result<(), StoreError> {
    sql::query(
        "UPDATE journal SET published_serial = ?, published_at = ?, believed_until = ?,
                superseded = ?, quarantined = NULL WHERE seq = ?",
    )
    .bind(published.serial)
    .bind(sql_time(published.at))
    .bind(published.believed_until)
    .bind(published.superseded)
    .bind(sql_time(published.seq))
    .execute(connection)?;
    Ok(())
}

fn write_released(connection: &Connection, published: &Published) -> Result<(), StoreError> {
    let Some(until) = published.released_until else {
        return Ok(());
    };
    sql::query(
        "UPDATE credential SET released_until = max(coalesce(released_until, 0), ?)
         WHERE device_id = ? AND slot = ?",
    )
    .bind(until)
    .bind(published.device_id.as_str())
    .bind(i64::from(published.slot.get()))
    .execute(connection)?;
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

impl Step for BoundUnrecorded {
    type Output = ();

    fn run(self, connection: &Connection) -> Result<(), StoreError> {
        sql::query(BOUND_UNRECORDED)
            .bind(i64::from(self.released_until))
            .bind(sql_time(self.applied))
            .execute(connection)?;
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

impl Step for RecordRebuilt {
    type Output = ();

    fn run(self, connection: &Connection) -> Result<(), StoreError> {
        sql::query(RECORD_REBUILT)
            .bind(i64::from(self.serial))
            .bind(sql_time(self.at))
            .bind(i64::from(self.released_until))
            .bind(sql_time(self.applied))
            .bind(self.built.is_some())
            .execute(connection)?;
        let Some(left_out) = self.built else {
            return Ok(());
        };
        for one in &left_out {
            record_left_out(connection, one, self.applied, self.at)?;
        }
        sql::query("UPDATE registry SET zone_stale = 0 WHERE id = 1").execute(connection)?;
        Ok(())
    }
}

/// The newest row of the name is not in the zone. A credential that was loaded has none: it gets one,
/// which the publisher takes as any other.
fn record_left_out(
    connection: &Connection,
    one: &LeftOut,
    applied: u64,
    now: u64,
) -> Result<(), StoreError> {
    let (device_id, slot) = (one.device_id.to_string(), i64::from(one.slot.get()));
    let recorded = sql::query(
        "UPDATE journal SET quarantined = ?, published_serial = NULL, published_at = NULL,
                believed_until = NULL
         WHERE seq = (SELECT max(seq) FROM journal
                      WHERE device_id = ? AND slot = ? AND seq <= ?)",
    )
    .bind(&one.reason)
    .bind(&device_id)
    .bind(slot)
    .bind(sql_time(applied))
    .execute(connection)?;
    if recorded > 0 {
        return Ok(());
    }
    let (publication, fingerprint) = publication_columns(&one.publication);
    sql::query(
        "INSERT INTO journal (seq, device_id, slot, kind, publication, fingerprint, committed_at)
         SELECT journal_head + 1, ?, ?, 'create', ?, ?, ? FROM registry WHERE id = 1",
    )
    .bind(&device_id)
    .bind(slot)
    .bind(publication)
    .bind(fingerprint)
    .bind(sql_time(now))
    .execute(connection)?;
    sql::query("UPDATE registry SET journal_head = journal_head + 1 WHERE id = 1")
        .execute(connection)?;
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

impl Step for RecordQuarantined {
    type Output = ();

    fn run(self, connection: &Connection) -> Result<(), StoreError> {
        for row in &self.quarantined {
            sql::query("UPDATE journal SET quarantined = ? WHERE seq = ?")
                .bind(&row.reason)
                .bind(sql_time(row.seq))
                .execute(connection)?;
        }
        Ok(())
    }
}
