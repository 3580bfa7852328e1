//! Loading credentials that were issued elsewhere, some thousand lines a transaction.
//!
//! No journal row tells of them: the zone is marked stale, and is built anew before it is served.

use std::collections::HashSet;

use async_trait::async_trait;
use iot_epp_api::device::SettableStatus;
use iot_identity::{DeviceId, Slot};
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};
use thiserror::Error;

use super::audit::write_audit_text;
use super::rows::{self, sql_time, unix};
use super::{Origin, Step, StoreError, accounts};
use crate::lifecycle::Statuses;
use crate::load::LoadedCredential;

/// Rows in one statement: five values a row stay far below what SQLite takes.
const STATEMENT_ROWS: usize = 1000;

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

#[async_trait]
impl Step for BeginLoad {
    type Output = LoadProgress;

    async fn run(self, connection: &mut SqliteConnection) -> Result<LoadProgress, StoreError> {
        accounts::require_enabled(connection, &self.account).await?;
        let found = sqlx::query("SELECT * FROM load WHERE digest = ? AND account = ?")
            .bind(self.digest.as_slice())
            .bind(&self.account)
            .fetch_optional(&mut *connection)
            .await?;
        if let Some(row) = found {
            return Ok(LoadProgress {
                lines: unix(&row, "lines")?,
                octets: unix(&row, "octets")?,
                begun_at: unix(&row, "begun_at")?,
            });
        }
        sqlx::query(
            "INSERT INTO load (digest, account, lines, octets, begun_at, updated_at)
             VALUES (?1, ?2, 0, 0, ?3, ?3)",
        )
        .bind(self.digest.as_slice())
        .bind(&self.account)
        .bind(sql_time(self.now))
        .execute(&mut *connection)
        .await?;
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
        )
        .await?;
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

#[async_trait]
impl Step for CheckLines {
    type Output = ();

    async fn run(self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        for part in self.credentials.chunks(STATEMENT_ROWS) {
            refuse_foreign_devices(connection, &self.account, self.begun_at, part).await?;
            if is_any_used(connection, part).await? {
                refuse_used_before(connection, part).await?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Step for LoadLines {
    type Output = ();

    async fn run(self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        self.move_on(connection).await?;
        sqlx::query("UPDATE registry SET zone_stale = 1 WHERE id = 1")
            .execute(&mut *connection)
            .await?;
        for part in self.credentials.chunks(STATEMENT_ROWS) {
            self.write_devices(connection, part).await?;
            let begun_at = self.after.begun_at;
            refuse_foreign_devices(connection, &self.account, begun_at, part).await?;
            if let Err(error) = self.write_credentials(connection, part).await {
                refuse_used_before(connection, part).await?;
                return Err(error);
            }
            reserve_slots(connection, part).await?;
        }
        Ok(())
    }
}

impl LoadLines {
    async fn move_on(&self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        let moved = sqlx::query(
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
        .execute(connection)
        .await?;
        if moved.rows_affected() == 1 {
            Ok(())
        } else {
            Err(LoadRefusal::Overtaken.into())
        }
    }

    /// Makes the devices that are not there yet.
    async fn write_devices(
        &self,
        connection: &mut SqliteConnection,
        part: &[(u64, LoadedCredential)],
    ) -> Result<(), StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT INTO device (device_id, account, statuses, created_at, updated_at, expires_at) ",
        );
        let begun_at = sql_time(self.after.begun_at);
        query.push_values(part, |mut row, (_, credential)| {
            row.push_bind(credential.device_id.to_string())
                .push_bind(&self.account)
                .push_bind(i64::from(statuses_of(credential).bits()))
                .push_bind(begun_at)
                .push_bind(begun_at)
                .push_bind(sql_time(self.expires_at));
        });
        // One line that says "held" is enough, whichever of a device's lines it is.
        query.push(
            " ON CONFLICT (device_id) DO UPDATE SET statuses = statuses | excluded.statuses
                WHERE excluded.statuses & ~statuses <> 0
                  AND account = excluded.account AND created_at = excluded.created_at",
        );
        query.build().execute(connection).await?;
        Ok(())
    }

    async fn write_credentials(
        &self,
        connection: &mut SqliteConnection,
        part: &[(u64, LoadedCredential)],
    ) -> Result<(), StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT INTO credential (device_id, slot, fingerprint, not_before, not_after) ",
        );
        query.push_values(part, |mut row, (_, credential)| {
            row.push_bind(credential.device_id.to_string())
                .push_bind(i64::from(credential.slot.get()))
                .push_bind(credential.fingerprint.as_octets().to_vec())
                .push_bind(sql_time(self.after.begun_at))
                .push_bind(sql_time(credential.not_after));
        });
        query.build().execute(connection).await?;
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
async fn refuse_foreign_devices(
    connection: &mut SqliteConnection,
    account: &str,
    begun_at: u64,
    part: &[(u64, LoadedCredential)],
) -> Result<(), StoreError> {
    let mut query = QueryBuilder::<Sqlite>::new("SELECT device_id FROM device WHERE (account <> ");
    query
        .push_bind(account)
        .push(" OR created_at <> ")
        .push_bind(sql_time(begun_at))
        .push(
            " OR delete_requested_at IS NOT NULL
              OR EXISTS (SELECT 1 FROM credential WHERE credential.device_id = device.device_id
                         AND certificate IS NOT NULL)) AND device_id IN (",
        );
    let mut ids = query.separated(", ");
    for (_, credential) in part {
        ids.push_bind(credential.device_id.to_string());
    }
    query.push(") ORDER BY device_id LIMIT 1");
    let foreign = query.build().fetch_optional(connection).await?;
    let Some(row) = foreign else { return Ok(()) };
    let device_id = rows::device_id(&row)?;
    let line = part.iter().find(|(_, one)| one.device_id == device_id);
    let line = line.map_or(0, |(line, _)| *line);
    Err(LoadRefusal::DeviceExists { line, device_id }.into())
}

/// Whether a name or a fingerprint of these lines is in the database.
async fn is_any_used(
    connection: &mut SqliteConnection,
    part: &[(u64, LoadedCredential)],
) -> Result<bool, StoreError> {
    // A join in this order: SQLite would read the whole table for `(device_id, slot) IN (VALUES …)`.
    let mut query = QueryBuilder::<Sqlite>::new("WITH line (device_id, slot) AS (");
    query.push_values(part, |mut row, (_, credential)| {
        row.push_bind(credential.device_id.to_string())
            .push_bind(i64::from(credential.slot.get()));
    });
    query.push(
        ") SELECT EXISTS (SELECT 1 FROM line CROSS JOIN credential USING (device_id, slot))
              OR EXISTS (SELECT 1 FROM credential WHERE fingerprint IN (",
    );
    let mut fingerprints = query.separated(", ");
    for (_, credential) in part {
        fingerprints.push_bind(credential.fingerprint.as_octets().to_vec());
    }
    let found = query
        .push(")) AS used")
        .build()
        .fetch_one(connection)
        .await?;
    Ok(found.try_get("used")?)
}

/// Says which line has a name or a fingerprint that was used before, if one has.
async fn refuse_used_before(
    connection: &mut SqliteConnection,
    part: &[(u64, LoadedCredential)],
) -> Result<(), StoreError> {
    let mut names = HashSet::new();
    let mut fingerprints = HashSet::new();
    for (line, credential) in part {
        let (line, device_id, slot) = (*line, credential.device_id, credential.slot);
        let fingerprint = credential.fingerprint.as_octets();
        let known = sqlx::query(
            "SELECT EXISTS (SELECT 1 FROM credential WHERE device_id = ? AND slot = ?) AS slot_used,
                    EXISTS (SELECT 1 FROM credential WHERE fingerprint = ?) AS fingerprint_used",
        )
        .bind(device_id.as_str())
        .bind(i64::from(slot.get()))
        .bind(fingerprint.as_slice())
        .fetch_one(&mut *connection)
        .await?;
        if known.try_get::<bool, _>("slot_used")? || !names.insert((device_id, slot)) {
            return Err(LoadRefusal::SlotUsed {
                line,
                device_id,
                slot,
            }
            .into());
        }
        if known.try_get::<bool, _>("fingerprint_used")? || !fingerprints.insert(*fingerprint) {
            return Err(LoadRefusal::FingerprintUsed { line }.into());
        }
    }
    Ok(())
}

async fn reserve_slots(
    connection: &mut SqliteConnection,
    part: &[(u64, LoadedCredential)],
) -> Result<(), StoreError> {
    let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO slot_reserved (device_id, slot_max) ");
    query.push_values(part, |mut row, (_, credential)| {
        row.push_bind(credential.device_id.to_string())
            .push_bind(i64::from(credential.slot.get()));
    });
    query
        .push(" ON CONFLICT (device_id) DO UPDATE SET slot_max = max(slot_max, excluded.slot_max)");
    query.build().execute(connection).await?;
    Ok(())
}
