//! The end of a device or of its credentials, and what comes before and after it: renew, delete,
//! restore, expiry.

use iot_epp_api::device::{SettableStatus, SlotReason};
use iot_epp_api::message::Event;
use iot_epp_api::transfer::TransferStatus;
use iot_identity::{DeviceId, Slot};
use time::{Date, OffsetDateTime};

use super::device::{Actor, Device, Facts, Relation};
use super::outcome::Outcome;
use super::refusal::Refusal;
use super::status::Prohibited;

/// How far ahead a registration may end, in years.
pub const EXPIRY_YEARS_MAX: u32 = 20;

/// Decides on a renewal: the registration lasts longer, certificates stay as they are.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::Deleted`], [`Refusal::Prohibited`],
/// [`Refusal::PendingTransfer`], [`Refusal::OtherExpiry`] or [`Refusal::ExpiryTooFar`].
pub fn decide_renewal(
    device_id: DeviceId,
    facts: &Facts,
    actor: Actor<'_>,
    current_expiry: Date,
    months: u32,
    now: u64,
) -> Result<Outcome, Refusal> {
    let device = of_sponsor(device_id, facts, actor, now)?;
    if device.is_pending_delete() {
        return Err(Refusal::Deleted(device_id));
    }
    if let Some(status) = device.statuses.prohibition(Prohibited::Renew) {
        return Err(Refusal::Prohibited(status));
    }
    if facts.transfer.is_some() {
        return Err(Refusal::PendingTransfer(device_id));
    }
    if day_of(device.expires_at) != Some(current_expiry) {
        return Err(Refusal::OtherExpiry);
    }
    let mut outcome = Outcome::of(device, facts, now);
    let too_far = Refusal::ExpiryTooFar(EXPIRY_YEARS_MAX);
    outcome.device.expires_at = months_after(device.expires_at, months)
        .filter(|until| months_after(now, EXPIRY_YEARS_MAX * 12).is_some_and(|max| *until <= max))
        .ok_or(too_far)?;
    Ok(outcome)
}

/// Decides on a deletion: the device is absent from now on, and can be restored for a while. A
/// transfer that is pending ends with it.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::Deleted`] or [`Refusal::Prohibited`].
pub fn decide_deletion(
    device_id: DeviceId,
    facts: &Facts,
    actor: Actor<'_>,
    now: u64,
) -> Result<Outcome, Refusal> {
    let device = of_sponsor(device_id, facts, actor, now)?;
    if device.is_pending_delete() {
        return Err(Refusal::Deleted(device_id));
    }
    if let Some(status) = device.statuses.prohibition(Prohibited::Delete) {
        return Err(Refusal::Prohibited(status));
    }
    Ok(deleted(device, facts, Event::Deleted, now))
}

/// The registration has ended: the device is deleted, as its sponsor would delete it.
pub fn registration_expired(device: &Device, facts: &Facts, now: u64) -> Outcome {
    let mut outcome = deleted(device, facts, Event::Deleted, now);
    outcome.tell(&device.account, Event::RegistrationExpired, None);
    outcome
}

fn deleted(device: &Device, facts: &Facts, event: Event, now: u64) -> Outcome {
    let mut outcome = Outcome::of(device, facts, now);
    outcome.tell_providers(event);
    outcome.device.delete_requested_at = Some(now);
    outcome.device.auth_info = None;
    outcome.publishes_all = true;
    if let Some(transfer) = &facts.transfer {
        let transfer = transfer.ended(TransferStatus::ServerCancelled, now);
        outcome.tell(&transfer.gaining, Event::Transfer, None);
        outcome.transfer = Some(transfer);
    }
    outcome
}

/// Decides on a restoration: the device comes back held.
///
/// # Errors
/// [`Refusal::NotFound`] or [`Refusal::NotDeleted`].
pub fn decide_restoration(
    device_id: DeviceId,
    facts: &Facts,
    actor: Actor<'_>,
    months_of_registration: u32,
    now: u64,
) -> Result<Outcome, Refusal> {
    let device = of_sponsor(device_id, facts, actor, now)?;
    if !device.is_pending_delete() {
        return Err(Refusal::NotDeleted(device_id));
    }
    let mut outcome = Outcome::of(device, facts, now);
    bring_back(&mut outcome, months_of_registration, now)?;
    outcome.tell_providers(Event::Restored);
    Ok(outcome)
}

/// A deleted device is there again, held; with a new registration where the old one has ended.
pub(super) fn bring_back(
    outcome: &mut Outcome,
    months_of_registration: u32,
    now: u64,
) -> Result<(), Refusal> {
    let device = &mut outcome.device;
    device.delete_requested_at = None;
    device.statuses = device.statuses.with(SettableStatus::ClientHold);
    if device.expires_at <= now {
        let until = months_after(now, months_of_registration);
        device.expires_at = until.ok_or(Refusal::ExpiryTooFar(EXPIRY_YEARS_MAX))?;
    }
    outcome.publishes_all = true;
    Ok(())
}

/// The certificate of a slot has ended: the slot is withdrawn.
pub fn credential_expired(device: &Device, facts: &Facts, slot: Slot, now: u64) -> Outcome {
    let mut outcome = Outcome::of(device, facts, now);
    let expired = outcome.credentials.iter_mut().find(|one| one.slot == slot);
    let asp = expired.and_then(|credential| {
        credential.withdrawn.get_or_insert(SlotReason::Expired);
        credential.asp.clone()
    });
    outcome.tell(&device.account, Event::SlotExpired, Some(slot));
    if let Some(asp) = asp {
        outcome.tell(&asp, Event::SlotExpired, Some(slot));
    }
    outcome
}

/// The device, for its sponsor alone.
pub(super) fn of_sponsor<'a>(
    device_id: DeviceId,
    facts: &'a Facts,
    actor: Actor<'_>,
    now: u64,
) -> Result<&'a Device, Refusal> {
    match facts.seen_by(actor, now) {
        Some((device, Relation::Sponsor)) => Ok(device),
        _ => Err(Refusal::NotFound(device_id)),
    }
}

fn day_of(unix: u64) -> Option<Date> {
    Some(moment(unix)?.date())
}

fn moment(unix: u64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(i64::try_from(unix).ok()?).ok()
}

/// The same second of the day so many calendar months later; on the last day of a shorter month.
pub fn months_after(unix: u64, months: u32) -> Option<u64> {
    let at = moment(unix)?;
    let date = at.date();
    let counted = u32::from(u8::from(date.month())) - 1 + months;
    let year = date.year().checked_add(i32::try_from(counted / 12).ok()?)?;
    let month = time::Month::try_from(u8::try_from(counted % 12).ok()? + 1).ok()?;
    let day = date.day().min(month.length(year));
    let date = Date::from_calendar_date(year, month, day).ok()?;
    u64::try_from(at.replace_date(date).unix_timestamp()).ok()
}
