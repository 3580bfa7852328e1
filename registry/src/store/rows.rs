//! Rows to values. A row that does not read as a value means that somebody else wrote it.

use iot_identity::{DeviceId, Fingerprint, Publication, Slot};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::StoreError;
use crate::lifecycle::{Credential, Device, Facts};

pub(super) fn corrupt(what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(what.to_string())
}

/// Seconds since 1970 as the database keeps them.
pub(super) fn sql_time(unix: u64) -> i64 {
    i64::try_from(unix).unwrap_or(i64::MAX)
}

pub(super) fn unix(row: &SqliteRow, column: &str) -> Result<u64, StoreError> {
    u64::try_from(row.try_get::<i64, _>(column)?).map_err(corrupt)
}

pub(super) fn optional_unix(row: &SqliteRow, column: &str) -> Result<Option<u64>, StoreError> {
    row.try_get::<Option<i64>, _>(column)?
        .map(u64::try_from)
        .transpose()
        .map_err(corrupt)
}

pub(super) fn optional_u32(row: &SqliteRow, column: &str) -> Result<Option<u32>, StoreError> {
    row.try_get::<Option<i64>, _>(column)?
        .map(u32::try_from)
        .transpose()
        .map_err(corrupt)
}

pub(super) fn device_id(row: &SqliteRow) -> Result<DeviceId, StoreError> {
    DeviceId::parse(row.try_get("device_id")?).map_err(corrupt)
}

pub(super) fn slot(row: &SqliteRow) -> Result<Slot, StoreError> {
    let number = u16::try_from(row.try_get::<i64, _>("slot")?).map_err(corrupt)?;
    Slot::new(number).map_err(corrupt)
}

pub(super) fn fingerprint(octets: &[u8]) -> Result<Fingerprint, StoreError> {
    octets
        .try_into()
        .map(Fingerprint::from_octets)
        .map_err(corrupt)
}

/// The columns of table `device`.
pub(super) fn device(row: &SqliteRow) -> Result<Device, StoreError> {
    Ok(Device {
        device_id: device_id(row)?,
        account: row.try_get("account")?,
        client_hold: row.try_get("client_hold")?,
        server_hold: row.try_get("server_hold")?,
        delete_requested_at: optional_unix(row, "delete_requested_at")?,
        created_at: unix(row, "created_at")?,
        updated_at: unix(row, "updated_at")?,
    })
}

/// The columns of table `credential` that decisions need.
pub(super) fn credential(row: &SqliteRow) -> Result<Credential, StoreError> {
    Ok(Credential {
        slot: slot(row)?,
        withdrawn: row.try_get::<Option<&str>, _>("withdrawn")?.is_some(),
        fingerprint: fingerprint(row.try_get("fingerprint")?)?,
        serial: row.try_get("serial")?,
        not_before: unix(row, "not_before")?,
        not_after: unix(row, "not_after")?,
        released_until: optional_u32(row, "released_until")?,
    })
}

/// The publication of a journal row.
pub(super) fn publication(row: &SqliteRow) -> Result<Publication, StoreError> {
    match row.try_get("publication")? {
        "active" => Ok(Publication::Active(fingerprint(
            row.try_get("fingerprint")?,
        )?)),
        "inactive" => Ok(Publication::Inactive),
        "absent" => Ok(Publication::Absent),
        other => Err(corrupt(other)),
    }
}

/// A publication as the two columns of a journal row.
pub(super) fn publication_columns(publication: &Publication) -> (&'static str, Option<&[u8]>) {
    match publication {
        Publication::Active(fingerprint) => ("active", Some(fingerprint.as_octets())),
        Publication::Inactive => ("inactive", None),
        Publication::Absent => ("absent", None),
    }
}

/// Loads what decisions about one device rest on. `key_hash` is that of a request's key.
pub(super) async fn facts(
    connection: &mut SqliteConnection,
    device_id: DeviceId,
    key_hash: Option<&[u8; 32]>,
) -> Result<Facts, StoreError> {
    let id = device_id.as_str();
    let device = sqlx::query("SELECT * FROM device WHERE device_id = ?")
        .bind(id)
        .fetch_optional(&mut *connection)
        .await?;
    let credentials = sqlx::query("SELECT * FROM credential WHERE device_id = ? ORDER BY slot")
        .bind(id)
        .fetch_all(&mut *connection)
        .await?;
    let marks = sqlx::query(
        "SELECT EXISTS (SELECT 1 FROM intent WHERE device_id = ?1) AS intent_pending,
                coalesce((SELECT slot_max FROM slot_reserved WHERE device_id = ?1), 0) AS slot_max,
                EXISTS (SELECT 1 FROM credential WHERE key_hash = ?2)
                    OR EXISTS (SELECT 1 FROM intent WHERE key_hash = ?2) AS key_known",
    )
    .bind(id)
    .bind(key_hash.map(|hash| hash.as_slice()))
    .fetch_one(&mut *connection)
    .await?;
    Ok(Facts {
        device: device.as_ref().map(self::device).transpose()?,
        credentials: credentials
            .iter()
            .map(credential)
            .collect::<Result<_, _>>()?,
        intent_pending: marks.try_get("intent_pending")?,
        slot_reserved_max: u16::try_from(marks.try_get::<i64, _>("slot_max")?).map_err(corrupt)?,
        key_known: marks.try_get("key_known")?,
    })
}
