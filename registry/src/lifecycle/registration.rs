//! May an id be registered, may a device have another credential, and in which slot?

use iot_identity::{DeviceId, Slot};

use super::device::{Actor, Facts, Permission, Relation};
use super::refusal::Refusal;
use super::status::Prohibited;

/// Live slots of a device: one for each use, and as many again while certificates are replaced.
const LIVE_SLOTS_MAX: usize = 16;

/// A slot that was set aside for a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The slot.
    pub slot: Slot,
    /// The provider that it will be for.
    pub asp: Option<String>,
    /// A device of this id was deleted long enough ago; what is left of it is put away first.
    pub supersedes_deleted: bool,
}

/// Decides whether an id may be registered, and in which slot its first credential goes.
///
/// # Errors
/// [`Refusal::OutsideRanges`], [`Refusal::Exists`], [`Refusal::NoRoom`], [`Refusal::KeyKnown`] or
/// [`Refusal::NoSlotLeft`].
pub fn decide_registration(
    device_id: DeviceId,
    facts: &Facts,
    asp: Option<String>,
    now: u64,
) -> Result<Reservation, Refusal> {
    let gone = facts.device.as_ref().is_some_and(|one| one.is_gone(now));
    // First, so that an id of other accounts' ranges is answered alike whoever has it.
    if facts.permission == Permission::OutsideRanges {
        return Err(Refusal::OutsideRanges(device_id));
    }
    if facts.intent_pending || (facts.device.is_some() && !gone) {
        return Err(Refusal::Exists(device_id));
    }
    if facts.permission == Permission::NoRoom {
        return Err(Refusal::NoRoom);
    }
    let slot = next_slot(device_id, facts)?;
    Ok(Reservation {
        slot,
        asp,
        supersedes_deleted: gone,
    })
}

/// Decides whether a device may have another credential, beside those that it has.
///
/// A provider may ask for one in the place of one that is bound to it, where the sponsor consents; it
/// is bound to it as well.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::NoConsent`], [`Refusal::Deleted`], [`Refusal::Prohibited`],
/// [`Refusal::PendingTransfer`], [`Refusal::IssuingAlready`], [`Refusal::TooManySlots`],
/// [`Refusal::KeyKnown`] or [`Refusal::NoSlotLeft`].
pub fn decide_new_slot(
    device_id: DeviceId,
    facts: &Facts,
    actor: Actor<'_>,
    asp: Option<String>,
    now: u64,
) -> Result<Reservation, Refusal> {
    let seen = facts.seen_by(actor, now);
    let (device, relation) = seen.ok_or(Refusal::NotFound(device_id))?;
    let asp = match relation {
        Relation::Provider => {
            let is_own = asp.as_deref().is_none_or(|asp| asp == actor.account);
            let has_live = facts
                .credentials
                .iter()
                .any(|one| one.asp.as_deref() == Some(actor.account) && one.is_live(now));
            if !(facts.consent && is_own && has_live) {
                return Err(Refusal::NoConsent);
            }
            Some(actor.account.to_owned())
        }
        Relation::Sponsor | Relation::Operator => asp,
    };
    if device.is_pending_delete() {
        return Err(Refusal::Deleted(device_id));
    }
    if let Some(status) = device.statuses.prohibition(Prohibited::Update) {
        return Err(Refusal::Prohibited(status));
    }
    if facts.transfer.is_some() {
        return Err(Refusal::PendingTransfer(device_id));
    }
    if facts.intent_pending {
        return Err(Refusal::IssuingAlready(device_id));
    }
    let live = facts.credentials.iter().filter(|one| one.is_live(now));
    if live.count() >= LIVE_SLOTS_MAX {
        return Err(Refusal::TooManySlots(LIVE_SLOTS_MAX));
    }
    Ok(Reservation {
        slot: next_slot(device_id, facts)?,
        asp,
        supersedes_deleted: false,
    })
}

fn next_slot(device_id: DeviceId, facts: &Facts) -> Result<Slot, Refusal> {
    if facts.key_known {
        return Err(Refusal::KeyKnown);
    }
    Slot::new(facts.slot_reserved_max + 1).map_err(|_| Refusal::NoSlotLeft(device_id))
}
