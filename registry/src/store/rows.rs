//! Rows to values. A row that does not read as a value means that somebody else wrote it.

use iot_epp_api::device::SlotReason;
use iot_epp_api::transfer::{Arrival, Direction, TransferStatus};
use iot_identity::{DeviceId, DeviceIdKind, Fingerprint, Publication, Slot};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::StoreError;
use crate::lifecycle::{AuthInfoRecord, Credential, Device, Facts, Permission, Statuses, Transfer};

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

/// A value that has a name in the database.
pub(super) fn named<T>(
    row: &SqliteRow,
    column: &str,
    from_name: impl Fn(&str) -> Option<T>,
) -> Result<T, StoreError> {
    let name: &str = row.try_get(column)?;
    from_name(name).ok_or_else(|| corrupt(name))
}

pub(super) fn optional_named<T>(
    row: &SqliteRow,
    column: &str,
    from_name: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, StoreError> {
    let name: Option<&str> = row.try_get(column)?;
    let value = name.map(|name| from_name(name).ok_or_else(|| corrupt(name)));
    value.transpose()
}

/// The columns of table `device`.
pub(super) fn device(row: &SqliteRow) -> Result<Device, StoreError> {
    let bits: i64 = row.try_get("statuses")?;
    let statuses = u16::try_from(bits).ok().and_then(Statuses::from_bits);
    Ok(Device {
        device_id: device_id(row)?,
        repository_id: unix(row, "repository_id")?,
        account: row.try_get("account")?,
        statuses: statuses.ok_or_else(|| corrupt("statuses"))?,
        delete_requested_at: optional_unix(row, "delete_requested_at")?,
        created_at: unix(row, "created_at")?,
        updated_at: unix(row, "updated_at")?,
        expires_at: unix(row, "expires_at")?,
        transferred_at: optional_unix(row, "transferred_at")?,
        auth_info: auth_info(row)?,
        version: unix(row, "version")?,
    })
}

fn auth_info(row: &SqliteRow) -> Result<Option<AuthInfoRecord>, StoreError> {
    let Some(hash) = row.try_get::<Option<&[u8]>, _>("auth_info_hash")? else {
        return Ok(None);
    };
    let failures = u32::try_from(unix(row, "auth_info_failures")?).map_err(corrupt)?;
    Ok(Some(AuthInfoRecord {
        hash: hash.try_into().map_err(corrupt)?,
        valid_until: unix(row, "auth_info_until")?,
        failures,
    }))
}

/// The columns of table `credential` that decisions need.
pub(super) fn credential(row: &SqliteRow) -> Result<Credential, StoreError> {
    Ok(Credential {
        slot: slot(row)?,
        withdrawn: optional_named(row, "withdrawn", SlotReason::from_name)?,
        fingerprint: fingerprint(row.try_get("fingerprint")?)?,
        serial: row.try_get("serial")?,
        not_before: unix(row, "not_before")?,
        not_after: unix(row, "not_after")?,
        released_until: optional_u32(row, "released_until")?,
        asp: row.try_get("asp")?,
        replace_by: optional_unix(row, "replace_by")?,
    })
}

/// The columns of table `transfer`.
pub(super) fn transfer(row: &SqliteRow) -> Result<Transfer, StoreError> {
    Ok(Transfer {
        transfer_id: Some(unix(row, "transfer_id")?),
        direction: named(row, "direction", Direction::from_name)?,
        status: named(row, "status", TransferStatus::from_name)?,
        losing: row.try_get("losing")?,
        gaining: row.try_get("gaining")?,
        requested_by: row.try_get("requested_by")?,
        requested_at: unix(row, "requested_at")?,
        acting: row.try_get("acting")?,
        acting_at: unix(row, "acting_at")?,
        arrival: optional_named(row, "arrival", Arrival::from_name)?,
        replace_by: optional_unix(row, "replace_by")?,
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

/// Columns of `credential` without the certificate, which decisions do not need.
const CREDENTIAL_COLUMNS: &str = "slot, withdrawn, fingerprint, serial, not_before, not_after, \
     released_until, asp, replace_by";

/// Loads what decisions about a registered device rest on.
pub(super) async fn facts(
    connection: &mut SqliteConnection,
    device_id: DeviceId,
) -> Result<Facts, StoreError> {
    let id = device_id.as_str();
    let device = sqlx::query("SELECT * FROM device WHERE device_id = ?")
        .bind(id)
        .fetch_optional(&mut *connection)
        .await?;
    let credentials = credentials(connection, device_id).await?;
    let transfer = sqlx::query("SELECT * FROM transfer WHERE device_id = ? AND status = 'pending'")
        .bind(id)
        .fetch_optional(&mut *connection)
        .await?;
    Ok(Facts {
        device: device.as_ref().map(self::device).transpose()?,
        credentials,
        transfer: transfer.as_ref().map(self::transfer).transpose()?,
        ..Facts::default()
    })
}

async fn credentials(
    connection: &mut SqliteConnection,
    device_id: DeviceId,
) -> Result<Vec<Credential>, StoreError> {
    let statement =
        format!("SELECT {CREDENTIAL_COLUMNS} FROM credential WHERE device_id = ? ORDER BY slot");
    let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(device_id.as_str())
        .fetch_all(connection)
        .await?;
    rows.iter().map(credential).collect()
}

/// Loads what the issue of a certificate rests on: `key_hash` is that of the request's key, `asking` the
/// account.
///
/// # Errors
/// [`StoreError::AccountDisabled`] too.
pub(super) async fn issuance_facts(
    connection: &mut SqliteConnection,
    device_id: DeviceId,
    asking: &str,
    key_hash: Option<&[u8; 32]>,
) -> Result<Facts, StoreError> {
    let marks = sqlx::query(ISSUANCE)
        .bind(device_id.as_str())
        .bind(key_hash.map(|hash| hash.as_slice()))
        .bind(asking)
        .fetch_optional(&mut *connection)
        .await?
        .ok_or_else(|| StoreError::AccountDisabled(asking.to_owned()))?;
    // Most ids that are registered were never seen before.
    let known: bool = marks.try_get("known")?;
    let mut facts = match known {
        true => facts(connection, device_id).await?,
        false => Facts::default(),
    };
    facts.intent_pending = marks.try_get("intent_pending")?;
    facts.slot_reserved_max =
        u16::try_from(marks.try_get::<i64, _>("slot_max")?).map_err(corrupt)?;
    facts.key_known = marks.try_get("key_known")?;
    facts.consent = marks.try_get("consent")?;
    facts.permission = permission(&marks, device_id, asking)?;
    Ok(facts)
}

pub(super) const ISSUANCE: &str = "SELECT
    EXISTS (SELECT 1 FROM device WHERE device_id = ?1)
        OR EXISTS (SELECT 1 FROM credential WHERE device_id = ?1) AS known,
    EXISTS (SELECT 1 FROM intent WHERE device_id = ?1) AS intent_pending,
    coalesce((SELECT slot_max FROM slot_reserved WHERE device_id = ?1), 0) AS slot_max,
    EXISTS (SELECT 1 FROM credential WHERE key_hash = ?2)
        OR EXISTS (SELECT 1 FROM intent WHERE key_hash = ?2) AS key_known,
    (SELECT account FROM imported_id WHERE device_id = ?1) AS imported_by,
    EXISTS (SELECT 1 FROM account_prefix
            WHERE account = ?3 AND substr(?1, 1, length(prefix)) = prefix) AS in_prefix,
    EXISTS (SELECT 1 FROM consent JOIN device ON device.account = consent.mno
            WHERE device.device_id = ?1 AND consent.asp = ?3) AS consent,
    account.iccids_allowed, account.devices < account.devices_max AS has_room
    FROM account WHERE account.name = ?3 AND account.disabled_at IS NULL";

fn permission(
    marks: &SqliteRow,
    device_id: DeviceId,
    asking: &str,
) -> Result<Permission, StoreError> {
    // An id that was imported for one account is in the ranges of no other.
    let in_ranges = match marks.try_get::<Option<&str>, _>("imported_by")? {
        Some(account) => account == asking,
        None => marks.try_get("in_prefix")?,
    };
    let kind_allowed =
        device_id.kind() == DeviceIdKind::Eid || marks.try_get::<bool, _>("iccids_allowed")?;
    Ok(if !in_ranges || !kind_allowed {
        Permission::OutsideRanges
    } else if marks.try_get("has_room")? {
        Permission::Granted
    } else {
        Permission::NoRoom
    })
}
