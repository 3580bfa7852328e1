//! Loading credentials that were issued elsewhere, some thousand lines a transaction.
//!
//! No journal row tells of them: the zone is marked stale, and is built anew before it is served.

use iot_epp_api::device::SettableStatus;
use iot_identity::{DeviceId, Slot};
use thiserror::Error;

use super::audit::write_audit_text;
use super::rows::{sql_time, unix};
use super::sql::{self, Connection};
use super::{Origin, Step, StoreError, accounts};
use crate::lifecycle::Statuses;
use crate::load::LoadedCredential;

/// How far a file was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadProgress {
    /// Lines that are in the database.
    pub lines: u64,
    /// Octets of the file that these lines take.
    pub octets: u64,
    /// When loading began: the mark of the devices that came with it.
    pub begun_at: u64,
}

/// Finds how far a file was loaded, or begins.
#[derive(Debug)]
pub struct BeginLoad {
    /// Who loads.
    pub origin: Origin,
    /// The account that will sponsor the devices.
    pub account: String,
    /// SHA-256 of the file.
    pub digest: [u8; 32],
    /// The present time.
    pub now: u64,
}

impl Step for BeginLoad {
    type Output = LoadProgress;

    fn run(self, connection: &Connection) -> Result<LoadProgress, StoreError> {
        accounts::require_enabled(connection, &self.account)?;
        let found = sql::query("SELECT * FROM load WHERE digest = ? AND account = ?")
            .bind(self.digest.as_slice())
            .bind(&self.account)
            .optional(connection, |row| {
                Ok(LoadProgress {
                    lines: unix(row, "lines")?,
                    octets: unix(row, "octets")?,
                    begun_at: unix(row, "begun_at")?,
                })
            })?;
        if let Some(progress) = found {
            return Ok(progress);
        }
        sql::query(
            "INSERT INTO load (digest, account, lines, octets, begun_at, updated_at)
             VALUES (?1, ?2, 0, 0, ?3, ?3)",
        )
        .bind(self.digest.as_slice())
        .bind(&self.account)
        .bind(sql_time(self.now))
        .execute(connection)?;
        let object: String = self
            .digest
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect();
        write_audit_text(
            connection,
            &self.origin,
            &object,
            None,
            Some(&self.account),
            self.now,
        )?;
        Ok(LoadProgress {
            begun_at: self.now,
            ..LoadProgress::default()
        })
    }
}

/// Writes some lines and how far the file is loaded then.
#[derive(Debug)]
pub struct LoadLines {
    /// The account that will sponsor the devices.
    pub account: String,
    /// SHA-256 of the file.
    pub digest: [u8; 32],
    /// The credentials, each with the number of its line.
    pub(crate) credentials: Vec<(u64, LoadedCredential)>,
    /// How far the file is loaded before.
    pub before: LoadProgress,
    /// How far it is loaded after.
    pub after: LoadProgress,
    /// End of the registrations.
    pub expires_at: u64,
    /// The present time.
    pub now: u64,
}

/// Why lines were not loaded; nothing of their transaction is in the database.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LoadRefusal {
    /// Somebody else loads the same file.
    #[error("the same file is being loaded by another process")]
    Overtaken,
    /// The line's device is registered already, not by this file.
    #[error("line {line}: the device {device_id} is registered already, not by this file")]
    DeviceExists {
        /// The line.
        line: u64,
        /// The device.
        device_id: DeviceId,
    },
    /// The line's slot number was used before.
    #[error("line {line}: the slot {slot} of {device_id} was used before")]
    SlotUsed {
        /// The line.
        line: u64,
        /// The device.
        device_id: DeviceId,
        /// The slot.
        slot: Slot,
    },
    /// The line's fingerprint is another credential's.
    #[error("line {line}: the fingerprint is another credential's")]
    FingerprintUsed {
        /// The line.
        line: u64,
    },
}

/// Looks whether some lines go together with what the database has; writes nothing.
#[derive(Debug)]
pub struct CheckLines {
    /// The account that will sponsor the devices.
    pub account: String,
    /// The credentials, each with the number of its line; no two of the same name or fingerprint.
    pub(crate) credentials: Vec<(u64, LoadedCredential)>,
    /// When loading the file began.
    pub begun_at: u64,
}

impl Step for CheckLines {
    type Output = ();

    fn run(self, connection: &Connection) -> Result<(), StoreError> {
        for (line, credential) in &self.credentials {
            refuse_foreign_device(connection, &self.account, self.begun_at, *line, credential)?;
            refuse_used_before(connection, *line, credential)?;
        }
        Ok(())
    }
}

impl Step for LoadLines {
    type Output = ();

    fn run(self, connection: &Connection) -> Result<(), StoreError> {
        self.move_on(connection)?;
        sql::query("UPDATE registry SET zone_stale = 1 WHERE id = 1").execute(connection)?;
        let begun_at = self.after.begun_at;
        for (line, credential) in &self.credentials {
            self.write_device(connection, credential)?;
            refuse_foreign_device(connection, &self.account, begun_at, *line, credential)?;
            refuse_used_before(connection, *line, credential)?;
            self.write_credential(connection, credential)?;
        }
        Ok(())
    }
}

impl LoadLines {
    fn move_on(&self, connection: &Connection) -> Result<(), StoreError> {
        let moved = sql::query(
            "UPDATE load SET lines = ?, octets = ?, updated_at = ?
             WHERE digest = ? AND account = ? AND lines = ? AND octets = ?",
        )
        .bind(sql_time(self.after.lines))
        .bind(sql_time(self.after.octets))
        .bind(sql_time(self.now))
        .bind(self.digest.as_slice())
        .bind(&self.account)
        .bind(sql_time(self.before.lines))
        .bind(sql_time(self.before.octets))
        .execute(connection)?;
        if moved == 1 {
            Ok(())
        } else {
            Err(LoadRefusal::Overtaken.into())
        }
    }

    /// Makes the device unless it is there.
    fn write_device(
        &self,
        connection: &Connection,
        credential: &LoadedCredential,
    ) -> Result<(), StoreError> {
        // One line that says "held" is enough, whichever of a device's lines it is.
        sql::query(
            "INSERT INTO device (device_id, account, statuses, created_at, updated_at, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?4, ?5)
             ON CONFLICT (device_id) DO UPDATE SET statuses = statuses | excluded.statuses
                WHERE excluded.statuses & ~statuses <> 0
                  AND account = excluded.account AND created_at = excluded.created_at",
        )
        .bind(credential.device_id.as_str())
        .bind(&self.account)
        .bind(i64::from(statuses_of(credential).bits()))
        .bind(sql_time(self.after.begun_at))
        .bind(sql_time(self.expires_at))
        .execute(connection)?;
        Ok(())
    }

    fn write_credential(
        &self,
        connection: &Connection,
        credential: &LoadedCredential,
    ) -> Result<(), StoreError> {
        let slot = i64::from(credential.slot.get());
        sql::query(
            "INSERT INTO credential (device_id, slot, fingerprint, not_before, not_after)
             VALUES (?, ?, ?, ?, ?)",
        )
        .bind(credential.device_id.as_str())
        .bind(slot)
        .bind(credential.fingerprint.as_octets())
        .bind(sql_time(self.after.begun_at))
        .bind(sql_time(credential.not_after))
        .execute(connection)?;
        Ok(())
    }
}

fn statuses_of(credential: &LoadedCredential) -> Statuses {
    let statuses = Statuses::at_registration();
    if credential.held {
        statuses.with(SettableStatus::ClientHold)
    } else {
        statuses
    }
}

/// Refuses a device that did not come with this file.
fn refuse_foreign_device(
    connection: &Connection,
    account: &str,
    begun_at: u64,
    line: u64,
    credential: &LoadedCredential,
) -> Result<(), StoreError> {
    let device_id = credential.device_id;
    let foreign = sql::query(
        "SELECT 1 FROM device WHERE device_id = ?1
             AND (account <> ?2 OR created_at <> ?3 OR delete_requested_at IS NOT NULL
                  OR EXISTS (SELECT 1 FROM credential WHERE credential.device_id = ?1
                             AND certificate IS NOT NULL))",
    )
    .bind(device_id.as_str())
    .bind(account)
    .bind(sql_time(begun_at))
    .optional(connection, |_| Ok(()))?;
    match foreign {
        Some(()) => Err(LoadRefusal::DeviceExists { line, device_id }.into()),
        None => Ok(()),
    }
}

/// Refuses a name or a fingerprint that the database has, an earlier line's included.
fn refuse_used_before(
    connection: &Connection,
    line: u64,
    credential: &LoadedCredential,
) -> Result<(), StoreError> {
    let (device_id, slot) = (credential.device_id, credential.slot);
    let (slot_used, fingerprint_used) = sql::query(
        "SELECT EXISTS (SELECT 1 FROM credential WHERE device_id = ? AND slot = ?) AS slot_used,
                EXISTS (SELECT 1 FROM credential WHERE fingerprint = ?) AS fingerprint_used",
    )
    .bind(device_id.as_str())
    .bind(i64::from(slot.get()))
    .bind(credential.fingerprint.as_octets())
    .one(connection, |row| {
        Ok((row.get("slot_used")?, row.get("fingerprint_used")?))
    })?;
    let refusal = match (slot_used, fingerprint_used) {
        (false, false) => return Ok(()),
        (true, _) => LoadRefusal::SlotUsed {
            line,
            device_id,
            slot,
        },
        (false, true) => LoadRefusal::FingerprintUsed { line },
    };
    Err(refusal.into())
}
