//! From the registry's own values to the documents that accounts see. Pure.

use iot_epp_api::device::{RepositoryId, SlotReason};
use iot_epp_api::transfer::TransferInfo;
use iot_epp_api::{AccountName, DeviceInfo, DeviceState, DeviceStatus, SlotInfo, SlotState};
use iot_identity::{DeviceId, OwnerName, Publication, ZoneName};
use thiserror::Error;
use time::OffsetDateTime;

use crate::lifecycle::{self, Credential, Device, Facts, Relation, Transfer};

/// The database has what no document can say; nobody's input causes this.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the database contains what no registry wrote: {0}")]
pub struct Inconsistent(pub &'static str);

/// Seconds since 1970 as a calendar time; the end of the calendar when it is beyond.
pub fn calendar(unix: u64) -> OffsetDateTime {
    i64::try_from(unix)
        .ok()
        .and_then(|unix| OffsetDateTime::from_unix_timestamp(unix).ok())
        .unwrap_or(time::macros::datetime!(9999-12-31 23:59:59 UTC))
}

/// The name of an account.
///
/// # Errors
/// [`Inconsistent`].
pub fn account_name(text: &str) -> Result<AccountName, Inconsistent> {
    AccountName::parse(text).map_err(|_| Inconsistent("an account's name"))
}

/// A device as its sponsor and operators see it.
///
/// # Errors
/// [`Inconsistent`].
pub fn device(
    device: &Device,
    credentials: &[Credential],
    has_pending_transfer: bool,
    zone: &ZoneName,
    now: u64,
) -> Result<DeviceInfo, Inconsistent> {
    let slots = credentials
        .iter()
        .map(|credential| slot(device, credential, zone, now));
    Ok(DeviceInfo {
        device_id: device.device_id,
        repository_id: RepositoryId(device.repository_id),
        account: account_name(&device.account)?,
        state: state(device, credentials, now),
        statuses: statuses(device, credentials, has_pending_transfer, now),
        slots: slots.collect::<Result<_, _>>()?,
        created_at: calendar(device.created_at),
        updated_at: calendar(device.updated_at),
        expires_at: calendar(device.expires_at),
        transferred_at: device.transferred_at.map(calendar),
        restore_until: device.restore_until().map(calendar),
        version: device.version,
    })
}

/// A device as somebody who is this to it sees it: a provider sees the slots bound to it.
///
/// # Errors
/// [`Inconsistent`].
pub fn device_for(
    asking: &str,
    relation: Relation,
    shown: &Device,
    facts: &Facts,
    zone: &ZoneName,
    now: u64,
) -> Result<DeviceInfo, Inconsistent> {
    let mut info = device(
        shown,
        &facts.credentials,
        facts.transfer.is_some(),
        zone,
        now,
    )?;
    if relation == Relation::Provider {
        let is_own = |slot: &SlotInfo| slot.asp.as_ref().is_some_and(|asp| asp.as_str() == asking);
        info.slots.retain(is_own);
    }
    Ok(info)
}

fn state(device: &Device, credentials: &[Credential], now: u64) -> DeviceState {
    let active = |credential: &Credential| {
        let publication = lifecycle::publication(device, credential, now);
        matches!(publication, Publication::Active(_))
    };
    if device.is_pending_delete() {
        DeviceState::PendingDelete
    } else if credentials.iter().any(active) {
        DeviceState::Active
    } else {
        DeviceState::Inactive
    }
}

fn statuses(
    device: &Device,
    credentials: &[Credential],
    has_pending_transfer: bool,
    now: u64,
) -> Vec<DeviceStatus> {
    let set = device.statuses.iter();
    let named = set.filter_map(|status| DeviceStatus::from_name(status.as_str()));
    let mut statuses: Vec<DeviceStatus> = named.collect();
    if !credentials.iter().any(|one| one.is_live(now)) {
        statuses.push(DeviceStatus::Inactive);
    }
    if has_pending_transfer {
        statuses.push(DeviceStatus::PendingTransfer);
    }
    if device.is_pending_delete() {
        statuses.push(DeviceStatus::PendingDelete);
    }
    // A lock alone does not keep a device from serving, but RFC 5731 has "ok" alone or not at all.
    if statuses.is_empty() {
        statuses.push(DeviceStatus::Ok);
    }
    statuses.sort_unstable();
    statuses
}

fn slot(
    device: &Device,
    credential: &Credential,
    zone: &ZoneName,
    now: u64,
) -> Result<SlotInfo, Inconsistent> {
    let (state, reason) = match credential.withdrawn {
        Some(SlotReason::Expired) => (SlotState::Expired, Some(SlotReason::Expired)),
        Some(reason) => (SlotState::Withdrawn, Some(reason)),
        None if !credential.is_live(now) => (SlotState::Expired, Some(SlotReason::Expired)),
        None => (SlotState::Live, None),
    };
    let digits = |serial: &Vec<u8>| serial.iter().map(|octet| format!("{octet:02x}")).collect();
    Ok(SlotInfo {
        slot: credential.slot,
        owner_name: OwnerName::new(credential.slot, device.device_id, zone),
        fingerprint: credential.fingerprint,
        serial: credential.serial.as_ref().map(digits),
        not_before: calendar(credential.not_before),
        not_after: calendar(credential.not_after),
        state,
        reason,
        asp: credential.asp.as_deref().map(account_name).transpose()?,
        inherited: credential.replace_by.is_some(),
        replace_by: credential.replace_by.map(calendar),
    })
}

/// A transfer, as both sides see it.
///
/// # Errors
/// [`Inconsistent`].
pub fn transfer(device_id: DeviceId, transfer: &Transfer) -> Result<TransferInfo, Inconsistent> {
    let number = transfer.transfer_id;
    Ok(TransferInfo {
        transfer_id: number.ok_or(Inconsistent("a transfer without number"))?,
        device_id,
        direction: transfer.direction,
        status: transfer.status,
        losing: account_name(&transfer.losing)?,
        gaining: account_name(&transfer.gaining)?,
        requested_by: account_name(&transfer.requested_by)?,
        requested_at: calendar(transfer.requested_at),
        acting: account_name(&transfer.acting)?,
        acting_at: calendar(transfer.acting_at),
        arrival: transfer.arrival,
        replace_by: transfer.replace_by.map(calendar),
    })
}
