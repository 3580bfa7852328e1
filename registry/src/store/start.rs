//! The first step of every process: which database this is, and what the last one left behind.

use iot_identity::ZoneName;

use super::completion::void_serial;
use super::rows::{self, corrupt, optional_u32, sql_time, unix};
use super::sql::{self, Connection, Row};
use super::{Step, StoreError};

/// Makes the registry row in a new database; in an old one, voids the intents of the last process.
#[derive(Debug)]
pub struct StartUp {
    /// The configured zone.
    pub zone: ZoneName,
    /// SHA-256 of the key signing key's DNSKEY RDATA.
    pub ksk_hash: [u8; 32],
    /// Id for a new database: 128 random bits.
    pub new_database_id: [u8; 16],
    /// The present time; also the first serial of a new zone.
    pub now: u64,
}

/// What the database says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Tells this database from a copy of another registry.
    pub database_id: [u8; 16],
    /// Token of this process; higher than that of every earlier one.
    pub fencing_token: u64,
    /// SOA serial that the zone may not pass.
    pub serial_ceiling: u32,
    /// Expiration that no signature may pass, and none has passed.
    pub expiration_ceiling: u32,
    /// No signature of credentials that a newer, lost database knew expires later; 0 when nothing
    /// was lost.
    pub lost_until: u32,
    /// Newest journal row.
    pub journal_head: u64,
    /// Registrations that were begun and never answered.
    pub voided: usize,
    /// The database has something that no journal row tells: the zone has to be built anew.
    pub zone_stale: bool,
}

impl Step for StartUp {
    type Output = Opened;

    fn run(self, connection: &Connection) -> Result<Opened, StoreError> {
        self.make_row(connection)?;
        let voided = self.void_intents(connection)?;
        let (found, opened) = sql::query(
            "UPDATE registry SET fencing_token = fencing_token + 1 WHERE id = 1 RETURNING *",
        )
        .one(connection, |row| {
            Ok((row.get("zone")?, opened(row, voided)?))
        })?;
        let found: String = found;
        if found != self.zone.as_str() {
            return Err(StoreError::OtherZone {
                found,
                expected: self.zone.to_string(),
            });
        }
        Ok(opened)
    }
}

fn opened(row: &Row<'_>, voided: usize) -> Result<Opened, StoreError> {
    let ceiling = |column| optional_u32(row, column)?.ok_or_else(|| corrupt(column));
    Ok(Opened {
        database_id: sql::octets(row, "database_id")?
            .try_into()
            .map_err(corrupt)?,
        fencing_token: unix(row, "fencing_token")?,
        serial_ceiling: ceiling("serial_ceiling")?,
        expiration_ceiling: ceiling("expiration_ceiling")?,
        lost_until: ceiling("lost_until")?,
        journal_head: unix(row, "journal_head")?,
        voided,
        zone_stale: row.get("zone_stale")?,
    })
}

impl StartUp {
    fn make_row(&self, connection: &Connection) -> Result<(), StoreError> {
        // The time as first serial: a zone made anew under an old name still counts upwards.
        let serial = i64::from(self.now as u32);
        sql::query(
            "INSERT INTO registry (id, database_id, zone, ksk_hash, created_at, fencing_token,
                                   serial_ceiling, expiration_ceiling, journal_head, seen_at)
             VALUES (1, ?1, ?2, ?5, ?3, 0, ?4, 0, 0, ?3)
             ON CONFLICT (id) DO UPDATE SET seen_at = ?3",
        )
        .bind(self.new_database_id.as_slice())
        .bind(self.zone.as_str())
        .bind(sql_time(self.now))
        .bind(serial)
        .bind(self.ksk_hash.as_slice())
        .execute(connection)?;
        Ok(())
    }

    fn void_intents(&self, connection: &Connection) -> Result<usize, StoreError> {
        let intents =
            sql::query("SELECT serial, device_id, slot FROM intent").all(connection, |row| {
                let serial: Vec<u8> = row.get("serial")?;
                Ok((serial, rows::name(row)?))
            })?;
        for (serial, (device_id, slot)) in &intents {
            void_serial(connection, serial, *device_id, *slot, self.now)?;
        }
        sql::query("DELETE FROM intent").execute(connection)?;
        Ok(intents.len())
    }
}

/// Takes the present time as right although the last time written down is far from it.
#[derive(Debug)]
pub struct AcceptClock {
    /// The present time.
    pub now: u64,
}

impl Step for AcceptClock {
    type Output = ();

    fn run(self, connection: &Connection) -> Result<(), StoreError> {
        sql::query("UPDATE registry SET seen_at = ? WHERE id = 1")
            .bind(sql_time(self.now))
            .execute(connection)?;
        Ok(())
    }
}

/// Takes another key signing key as right.
#[derive(Debug)]
pub struct AcceptKey {
    /// SHA-256 of the key signing key's DNSKEY RDATA.
    pub ksk_hash: [u8; 32],
}

impl Step for AcceptKey {
    type Output = ();

    fn run(self, connection: &Connection) -> Result<(), StoreError> {
        sql::query("UPDATE registry SET ksk_hash = ? WHERE id = 1")
            .bind(self.ksk_hash.as_slice())
            .execute(connection)?;
        Ok(())
    }
}

/// Writes down that a newer database, or the zone, is lost for good: the zone on the disk is not this
/// database's any more, and no start takes it for that until one was built.
#[derive(Debug)]
pub struct RecordLoss {
    /// No signature of what was lost expires later.
    pub lost_until: u32,
}

impl Step for RecordLoss {
    type Output = ();

    fn run(self, connection: &Connection) -> Result<(), StoreError> {
        sql::query(
            "UPDATE registry SET lost_until = max(lost_until, ?), zone_stale = 1 WHERE id = 1",
        )
        .bind(i64::from(self.lost_until))
        .execute(connection)?;
        Ok(())
    }
}
