//! Registration in two transactions with the signature between them.
//!
//! [`Reserve`] writes the intent (serial, key, slot) before anything is signed; [`Complete`] turns
//! it into device, certificate and journal row. A crash between the two leaves an intent, which
//! the next start voids: no serial is ever used for two contents.

use async_trait::async_trait;
use iot_identity::{DeviceId, Slot};
use sqlx::{Row, SqliteConnection};

use super::audit::write_audit;
use super::replay::{Replay, remember, replay_of};
use super::rows::{self, corrupt, sql_time};
use super::transition::insert_journal;
use super::{Origin, Step, StoreError, accounts};
use crate::ca::{Issued, SERIAL_OCTETS};
use crate::lifecycle::{self, Credential, Device, Refusal};

/// Why no new registrations are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Signing again is far behind.
    SigningIsLate,
    /// Pages of the database are damaged.
    DatabaseIsDamaged,
}

/// Decides on a registration and writes its intent.
#[derive(Clone, Debug)]
pub struct Reserve {
    /// Who asks.
    pub origin: Origin,
    /// The id to be registered.
    pub device_id: DeviceId,
    /// Hash of the CSR's key.
    pub key_hash: [u8; 32],
    /// Serial number that the certificate will have.
    pub serial: [u8; SERIAL_OCTETS],
    /// Nothing new is taken; what was asked before is answered.
    pub closed: Option<Closed>,
    /// The time of the decision.
    pub now: u64,
}

/// What came of [`Reserve`].
#[derive(Debug)]
pub enum Reserved {
    /// The slot is set aside; sign now.
    Slot(Slot),
    /// The same request was carried out before, with this journal row.
    Replay {
        /// Sequence number of the first journal row.
        seq: u64,
    },
    /// The same request is being carried out at this moment.
    InProgress,
    /// The client transaction id was used for another request.
    OtherContent,
    /// New, and nothing new is taken.
    Closed(Closed),
    /// Refused.
    Refused(Refusal),
}

#[async_trait]
impl Step for Reserve {
    type Output = Reserved;

    async fn run(self, connection: &mut SqliteConnection) -> Result<Reserved, StoreError> {
        accounts::require_enabled(connection, &self.origin.account).await?;
        match replay_of(connection, &self.origin, self.now).await? {
            Some(Replay::Same { first_seq, .. }) => return Ok(Reserved::Replay { seq: first_seq }),
            Some(Replay::OtherContent) => return Ok(Reserved::OtherContent),
            Some(Replay::InProgress) => return Ok(Reserved::InProgress),
            None => {}
        }
        if let Some(closed) = self.closed {
            return Ok(Reserved::Closed(closed));
        }
        let facts = rows::facts(connection, self.device_id, Some(&self.key_hash)).await?;
        let reservation = match lifecycle::decide_registration(self.device_id, &facts, self.now) {
            Ok(reservation) => reservation,
            Err(refusal) => return Ok(Reserved::Refused(refusal)),
        };
        if reservation.supersedes_deleted {
            put_away(connection, self.device_id).await?;
        }
        self.write_intent(connection, reservation.slot).await?;
        Ok(Reserved::Slot(reservation.slot))
    }
}

impl Reserve {
    async fn write_intent(
        &self,
        connection: &mut SqliteConnection,
        slot: Slot,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO intent (serial, device_id, slot, key_hash, request_digest, account,
                                 client_transaction_id, created_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(self.serial.as_slice())
        .bind(self.device_id.as_str())
        .bind(i64::from(slot.get()))
        .bind(self.key_hash.as_slice())
        .bind(self.origin.digest.as_slice())
        .bind(&self.origin.account)
        .bind(&self.origin.client_transaction_id)
        .bind(sql_time(self.now))
        .execute(&mut *connection)
        .await?;
        sqlx::query(
            "INSERT INTO slot_reserved (device_id, slot_max) VALUES (?1, ?2)
             ON CONFLICT (device_id) DO UPDATE SET slot_max = max(slot_max, ?2)",
        )
        .bind(self.device_id.as_str())
        .bind(i64::from(slot.get()))
        .execute(connection)
        .await?;
        Ok(())
    }
}

/// Puts away a device whose restore window has ended; its credentials stay, withdrawn.
async fn put_away(
    connection: &mut SqliteConnection,
    device_id: DeviceId,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM device WHERE device_id = ?")
        .bind(device_id.as_str())
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "UPDATE credential SET withdrawn = coalesce(withdrawn, 'deleted') WHERE device_id = ?",
    )
    .bind(device_id.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

/// Makes a device of an intent and its certificate.
#[derive(Clone, Debug)]
pub struct Complete {
    /// Who asked.
    pub origin: Origin,
    /// The id that was reserved.
    pub device_id: DeviceId,
    /// The slot that was reserved.
    pub slot: Slot,
    /// The serial that was reserved.
    pub serial: [u8; SERIAL_OCTETS],
    /// The certificate, or `None` to give the reservation up.
    pub issued: Option<Issued>,
    /// The time of the registration.
    pub now: u64,
}

/// What [`Complete`] wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completed {
    /// Sequence number of the new credential's journal row.
    pub seq: u64,
    /// Newest journal row of this step: wait for this one.
    pub last_seq: u64,
}

#[async_trait]
impl Step for Complete {
    type Output = Option<Completed>;

    async fn run(self, connection: &mut SqliteConnection) -> Result<Self::Output, StoreError> {
        let intent = sqlx::query("SELECT * FROM intent WHERE serial = ?")
            .bind(self.serial.as_slice())
            .fetch_optional(&mut *connection)
            .await?
            .ok_or_else(|| corrupt("a reservation has vanished"))?;
        if rows::device_id(&intent)? != self.device_id || rows::slot(&intent)? != self.slot {
            return Err(corrupt("a reservation has changed"));
        }
        sqlx::query("DELETE FROM intent WHERE serial = ?")
            .bind(self.serial.as_slice())
            .execute(&mut *connection)
            .await?;
        let Some(issued) = &self.issued else {
            void_serial(
                connection,
                &self.serial,
                self.device_id,
                self.slot,
                self.now,
            )
            .await?;
            return Ok(None);
        };
        let device = self.new_device();
        self.write_device(connection, &device).await?;
        self.write_credential(connection, issued, intent.try_get("key_hash")?)
            .await?;
        let completed = self.write_journal(connection, &device).await?;
        write_audit(
            connection,
            &self.origin,
            self.device_id,
            None,
            Some(&device),
            self.now,
        )
        .await?;
        remember(
            connection,
            &self.origin,
            self.device_id,
            (completed.seq, completed.last_seq),
            self.now,
        )
        .await?;
        Ok(Some(completed))
    }
}

impl Complete {
    fn new_device(&self) -> Device {
        Device {
            device_id: self.device_id,
            account: self.origin.account.clone(),
            client_hold: false,
            server_hold: false,
            delete_requested_at: None,
            created_at: self.now,
            updated_at: self.now,
        }
    }

    async fn write_device(
        &self,
        connection: &mut SqliteConnection,
        device: &Device,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO device (device_id, account, client_hold, server_hold, created_at, updated_at)
             VALUES (?, ?, 0, 0, ?, ?)",
        )
        .bind(device.device_id.as_str())
        .bind(&device.account)
        .bind(sql_time(self.now))
        .bind(sql_time(self.now))
        .execute(connection)
        .await?;
        Ok(())
    }

    async fn write_credential(
        &self,
        connection: &mut SqliteConnection,
        issued: &Issued,
        key_hash: Vec<u8>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO credential (device_id, slot, key_hash, serial, fingerprint, not_before,
                                     not_after, certificate)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(self.device_id.as_str())
        .bind(i64::from(self.slot.get()))
        .bind(key_hash)
        .bind(self.serial.as_slice())
        .bind(issued.fingerprint.as_octets().as_slice())
        .bind(sql_time(issued.not_before))
        .bind(sql_time(issued.not_after))
        .bind(&issued.der)
        .execute(connection)
        .await?;
        Ok(())
    }

    /// The new credential, and those of an earlier registration, which become "inactive" again.
    async fn write_journal(
        &self,
        connection: &mut SqliteConnection,
        device: &Device,
    ) -> Result<Completed, StoreError> {
        let facts = rows::facts(connection, self.device_id, None).await?;
        let (new, earlier): (Vec<Credential>, Vec<Credential>) = facts
            .credentials
            .into_iter()
            .partition(|credential| credential.slot == self.slot);
        let seq = insert_journal(connection, device, &new, "create", self.now).await?;
        let last_seq = match earlier.as_slice() {
            [] => seq,
            earlier => insert_journal(connection, device, earlier, "create", self.now).await?,
        };
        Ok(Completed { seq, last_seq })
    }
}

/// Keeps a serial number from ever being used.
pub(super) async fn void_serial(
    connection: &mut SqliteConnection,
    serial: &[u8],
    device_id: DeviceId,
    slot: Slot,
    now: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO voided_serial (serial, device_id, slot, voided_at) VALUES (?, ?, ?, ?)",
    )
    .bind(serial)
    .bind(device_id.as_str())
    .bind(i64::from(slot.get()))
    .bind(sql_time(now))
    .execute(connection)
    .await?;
    Ok(())
}
