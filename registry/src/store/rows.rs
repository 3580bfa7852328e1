//! Rows to values. A row that does not read as a value means that somebody else wrote it.

use iot_epp_api::device::SlotReason;
use iot_epp_api::transfer::{Arrival, Direction, TransferStatus};
use iot_identity::{DeviceId, DeviceIdKind, Fingerprint, Publication, Slot};

use super::StoreError;
use super::sql::{self, Connection, Row};
use crate::lifecycle::{AuthInfoRecord, Credential, Device, Facts, Permission, Statuses, Transfer};

pub(super) fn corrupt(what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(what.to_string())
}

/// Seconds since 1970 as the database keeps them.
pub(super) fn sql_time(unix: u64) -> i64 {
    i64::try_from(unix).unwrap_or(i64::MAX)
}

pub(super) fn unix(row: &Row<'_>, column: &str) -> Result<u64, StoreError> {
    u64::try_from(row.get::<_, i64>(column)?).map_err(corrupt)
}

pub(super) fn optional_unix(row: &Row<'_>, column: &str) -> Result<Option<u64>, StoreError> {
    row.get::<_, Option<i64>>(column)?
        .map(u64::try_from)
        .transpose()
        .map_err(corrupt)
}

pub(super) fn optional_u32(row: &Row<'_>, column: &str) -> Result<Option<u32>, StoreError> {
    row.get::<_, Option<i64>>(column)?
        .map(u32::try_from)
        .transpose()
        .map_err(corrupt)
}

pub(super) fn device_id(row: &Row<'_>) -> Result<DeviceId, StoreError> {
    DeviceId::parse(sql::text(row, "device_id")?).map_err(corrupt)
}

pub(super) fn slot(row: &Row<'_>) -> Result<Slot, StoreError> {
    let number = u16::try_from(row.get::<_, i64>("slot")?).map_err(corrupt)?;
    Slot::new(number).map_err(corrupt)
}

/// A name in the zone: device and slot.
pub(super) fn name(row: &Row<'_>) -> Result<(DeviceId, Slot), StoreError> {
    Ok((device_id(row)?, slot(row)?))
}

pub(super) fn fingerprint(octets: &[u8]) -> Result<Fingerprint, StoreError> {
    octets
        .try_into()
        .map(Fingerprint::from_octets)
        .map_err(corrupt)
}

/// A value that has a name in the database.
pub(super) fn named<T>(
    row: &Row<'_>,
    column: &str,
    from_name: impl Fn(&str) -> Option<T>,
) -> Result<T, StoreError> {
    let name = sql::text(row, column)?;
    from_name(name).ok_or_else(|| corrupt(name))
}

pub(super) fn optional_named<T>(
    row: &Row<'_>,
    column: &str,
    from_name: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, StoreError> {
    let name: Option<String> = row.get(column)?;
    let value = name.map(|name| from_name(&name).ok_or_else(|| corrupt(name)));
    value.transpose()
}

/// The columns of table `device`.
pub(super) fn device(row: &Row<'_>) -> Result<Device, StoreError> {
    let bits: i64 = row.get("statuses")?;
    let statuses = u16::try_from(bits).ok().and_then(Statuses::from_bits);
    Ok(Device {
        device_id: device_id(row)?,
        repository_id: unix(row, "repository_id")?,
        account: row.get("account")?,
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

fn auth_info(row: &Row<'_>) -> Result<Option<AuthInfoRecord>, StoreError> {
    let Some(hash) = sql::optional_octets(row, "auth_info_hash")? else {
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
pub(super) fn credential(row: &Row<'_>) -> Result<Credential, StoreError> {
    Ok(Credential {
        slot: slot(row)?,
        withdrawn: optional_named(row, "withdrawn", SlotReason::from_name)?,
        fingerprint: fingerprint(sql::octets(row, "fingerprint")?)?,
        serial: row.get("serial")?,
        not_before: unix(row, "not_before")?,
        not_after: unix(row, "not_after")?,
        released_until: optional_u32(row, "released_until")?,
        asp: row.get("asp")?,
        replace_by: optional_unix(row, "replace_by")?,
    })
}

/// The columns of table `transfer`.
pub(super) fn transfer(row: &Row<'_>) -> Result<Transfer, StoreError> {
    Ok(Transfer {
        transfer_id: Some(unix(row, "transfer_id")?),
        direction: named(row, "direction", Direction::from_name)?,
        status: named(row, "status", TransferStatus::from_name)?,
        losing: row.get("losing")?,
        gaining: row.get("gaining")?,
        requested_by: row.get("requested_by")?,
        requested_at: unix(row, "requested_at")?,
        acting: row.get("acting")?,
        acting_at: unix(row, "acting_at")?,
        arrival: optional_named(row, "arrival", Arrival::from_name)?,
        replace_by: optional_unix(row, "replace_by")?,
    })
}

/// The publication of a journal row.
pub(super) fn publication(row: &Row<'_>) -> Result<Publication, StoreError> {
    match sql::text(row, "publication")? {
        "active" => Ok(Publication::Active(fingerprint(sql::octets(
            row,
            "fingerprint",
        )?)?)),
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

/// Without the certificate, which decisions do not need.
const CREDENTIALS: &str = "SELECT slot, withdrawn, fingerprint, serial, not_before, not_after,
        released_until, asp, replace_by FROM credential WHERE device_id = ? ORDER BY slot";

/// Loads what decisions about a registered device rest on.
pub(super) fn facts(connection: &Connection, device_id: DeviceId) -> Result<Facts, StoreError> {
    let id = device_id.as_str();
    let device = sql::query("SELECT * FROM device WHERE device_id = ?")
        .bind(id)
        .optional(connection, device)?;
    let credentials = credentials(connection, device_id)?;
    let transfer = sql::query("SELECT * FROM transfer WHERE device_id = ? AND status = 'pending'")
        .bind(id)
        .optional(connection, transfer)?;
    Ok(Facts {
        device,
        credentials,
        transfer,
        ..Facts::default()
    })
}

fn credentials(
    connection: &Connection,
    device_id: DeviceId,
) -> Result<Vec<Credential>, StoreError> {
    sql::query(CREDENTIALS)
        .bind(device_id.as_str())
        .all(connection, credential)
}

/// Loads what the issue of a certificate rests on: `key_hash` is that of the request's key, `asking` the
/// account.
///
/// # Errors
/// [`StoreError::AccountDisabled`] too.
pub(super) fn issuance_facts(
    connection: &Connection,
    device_id: DeviceId,
    asking: &str,
    key_hash: Option<&[u8; 32]>,
) -> Result<Facts, StoreError> {
    let marks = sql::query(ISSUANCE)
        .bind(device_id.as_str())
        .bind(key_hash)
        .bind(asking)
        .optional(connection, |row| Marks::read(row, device_id, asking))?
        .ok_or_else(|| StoreError::AccountDisabled(asking.to_owned()))?;
    // Most ids that are registered were never seen before.
    let known = match marks.known {
        true => facts(connection, device_id)?,
        false => Facts::default(),
    };
    Ok(Facts {
        device: known.device,
        credentials: known.credentials,
        transfer: known.transfer,
        ..marks.facts
    })
}

/// What an account may do with an id, and whether there is anything of that id.
struct Marks {
    known: bool,
    /// Without what there is.
    facts: Facts,
}

impl Marks {
    fn read(row: &Row<'_>, device_id: DeviceId, asking: &str) -> Result<Self, StoreError> {
        let slot_max: i64 = row.get("slot_max")?;
        Ok(Self {
            known: row.get("known")?,
            facts: Facts {
                intent_pending: row.get("intent_pending")?,
                slot_reserved_max: u16::try_from(slot_max).map_err(corrupt)?,
                key_known: row.get("key_known")?,
                consent: row.get("consent")?,
                permission: permission(row, device_id, asking)?,
                ..Facts::default()
            },
        })
    }
}

pub(super) const ISSUANCE: &str = "SELECT
    EXISTS (SELECT 1 FROM device WHERE device_id = ?1)
        OR EXISTS (SELECT 1 FROM credential WHERE device_id = ?1) AS known,
    EXISTS (SELECT 1 FROM intent WHERE device_id = ?1) AS intent_pending,
    max(coalesce((SELECT max(slot) FROM credential WHERE device_id = ?1), 0),
        coalesce((SELECT slot_max FROM slot_reserved WHERE device_id = ?1), 0)) AS slot_max,
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
    marks: &Row<'_>,
    device_id: DeviceId,
    asking: &str,
) -> Result<Permission, StoreError> {
    // An id that was imported for one account is in the ranges of no other.
    let in_ranges = match marks.get::<_, Option<String>>("imported_by")? {
        Some(account) => account == asking,
        None => marks.get("in_prefix")?,
    };
    let kind_allowed =
        device_id.kind() == DeviceIdKind::Eid || marks.get::<_, bool>("iccids_allowed")?;
    Ok(if !in_ranges || !kind_allowed {
        Permission::OutsideRanges
    } else if marks.get::<_, bool>("has_room")? {
        Permission::Granted
    } else {
        Permission::NoRoom
    })
}
