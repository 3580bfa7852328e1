//! Writes what a decision wants: device, credentials, transfer, journal, messages, audit.

use iot_identity::ZoneName;

use super::audited::{audited, write_audit};
use super::journal::insert_journal;
use super::messages::{Occasion, send_notices};
use super::rows::{corrupt, sql_time};
use super::sql::{self, Connection};
use super::transfers::write_transfer;
use super::{Origin, StoreError};
use crate::lifecycle::{self, Credential, Device, Facts, Outcome, Transfer};

/// Journal rows of a step: first and last, or none.
pub type Rows = Option<(u64, u64)>;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Journal rows; the zone has to follow up to the last one.
    pub rows: Rows,
    /// The facts afterwards.
    pub facts: Facts,
    /// The transfer that began or ended.
    pub transfer: Option<Transfer>,
}

/// Writes an outcome. `kind` is what the journal calls the command; `facts` are those that were decided
/// on.
pub(super) fn write_outcome(
    connection: &Connection,
    origin: &Origin,
    zone: &ZoneName,
    kind: &'static str,
    facts: Facts,
    outcome: Outcome,
    now: u64,
) -> Result<Written, StoreError> {
    update_device(connection, &outcome.device)?;
    for (old, new) in facts.credentials.iter().zip(&outcome.credentials) {
        if old != new {
            update_credential(connection, &outcome.device, new)?;
        }
    }
    if let Some(interrupted) = &outcome.interrupted {
        write_transfer(connection, outcome.device.device_id, interrupted.clone())?;
    }
    let transfer = match outcome.transfer.clone() {
        None => None,
        Some(transfer) => Some(write_transfer(
            connection,
            outcome.device.device_id,
            transfer,
        )?),
    };
    let published = to_publish(&facts, &outcome, now);
    let rows = insert_journal(connection, &outcome.device, &published, kind, now)?;
    let (device, credentials) = (&outcome.device, &outcome.credentials);
    let before = audited(
        facts.device.as_ref(),
        &facts.credentials,
        facts.transfer.as_ref(),
    );
    // A transfer that was not touched is what it was.
    let transfer_after = transfer.as_ref().or(facts.transfer.as_ref());
    let is_moving = (
        facts.transfer.is_some(),
        transfer_after.is_some_and(Transfer::is_pending),
    );
    let after = audited(Some(device), credentials, transfer_after);
    write_audit(connection, origin, device.device_id, (before, after), now)?;
    let occasion = Occasion {
        origin,
        zone,
        before: facts
            .device
            .as_ref()
            .map(|device| (device, facts.credentials.as_slice())),
        after: (&outcome.device, &outcome.credentials),
        is_moving,
        transfer: transfer.as_ref(),
        interrupted: outcome.interrupted.as_ref(),
        now,
    };
    send_notices(connection, &occasion, &outcome.notices)?;
    Ok(Written {
        rows,
        facts: Facts {
            device: Some(outcome.device),
            credentials: outcome.credentials,
            // One that ended is pending no longer; one that was not touched still is.
            transfer: match transfer.clone() {
                Some(transfer) => Some(transfer).filter(Transfer::is_pending),
                None => facts.transfer,
            },
            ..Facts::default()
        },
        transfer,
    })
}

/// The credentials whose name in the zone has to be looked at again.
fn to_publish(facts: &Facts, outcome: &Outcome, now: u64) -> Vec<Credential> {
    let after = outcome.credentials.iter();
    let changed = after.filter(|credential| {
        let old = lifecycle::in_slot(&facts.credentials, credential.slot);
        let before = facts.device.as_ref().zip(old);
        let before = before.map(|(device, old)| lifecycle::publication(device, old, now));
        // A slot that was withdrawn before has nothing to take back, however many a device has had.
        let was_withdrawn = old.is_some_and(|old| old.withdrawn.is_some());
        // One whose certificate has just ended is inactive by the clock, and in the zone still.
        let is_taken_back = credential.withdrawn.is_some() && !was_withdrawn;
        (outcome.publishes_all && !was_withdrawn)
            || is_taken_back
            || before != Some(lifecycle::publication(&outcome.device, credential, now))
    });
    changed.cloned().collect()
}

fn update_device(connection: &Connection, device: &Device) -> Result<(), StoreError> {
    let auth_info = device.auth_info.as_ref();
    let updated = sql::query(
        "UPDATE device SET account = ?1, statuses = ?2, delete_requested_at = ?3, updated_at = ?4,
                expiry_notices = CASE WHEN expires_at = ?5 THEN expiry_notices ELSE 0 END,
                expires_at = ?5, transferred_at = ?6, version = ?7, auth_info_hash = ?8,
                auth_info_until = ?9, auth_info_failures = ?10
         WHERE device_id = ?11",
    )
    .bind(&device.account)
    .bind(i64::from(device.statuses.bits()))
    .bind(device.delete_requested_at.map(sql_time))
    .bind(sql_time(device.updated_at))
    .bind(sql_time(device.expires_at))
    .bind(device.transferred_at.map(sql_time))
    .bind(sql_time(device.version))
    .bind(auth_info.map(|record| record.hash.to_vec()))
    .bind(auth_info.map(|record| sql_time(record.valid_until)))
    .bind(auth_info.map_or(0, |record| i64::from(record.failures)))
    .bind(device.device_id.as_str())
    .execute(connection)?;
    if updated != 1 {
        return Err(corrupt("a device that was decided on is not there"));
    }
    Ok(())
}

fn update_credential(
    connection: &Connection,
    device: &Device,
    credential: &Credential,
) -> Result<(), StoreError> {
    sql::query(
        "UPDATE credential SET withdrawn = ?, asp = ?, replace_by = ? WHERE device_id = ? AND slot = ?",
    )
    .bind(credential.withdrawn.map(|reason| reason.as_str()))
    .bind(&credential.asp)
    .bind(credential.replace_by.map(sql_time))
    .bind(device.device_id.as_str())
    .bind(i64::from(credential.slot.get()))
    .execute(connection)?;
    Ok(())
}
