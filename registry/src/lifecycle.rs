//! What may happen to a device: a pure function from facts, command and time to the next state.
//!
//! The facts are loaded inside the transaction that also writes the outcome, so that a decision is
//! never made on state that has changed since. The DNS is derived in one place,
//! [`publication`], which is the state table of the design.

use iot_identity::{DeviceId, Fingerprint, Publication, Slot};
use thiserror::Error;

/// Days in which a deleted device could be restored before its name is free again.
pub const RESTORE_WINDOW_SECS: u64 = 30 * 24 * 3600;

/// A registered device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its id.
    pub device_id: DeviceId,
    /// Name of the sponsoring account.
    pub account: String,
    /// The sponsor holds it (RFC 5731 `clientHold`).
    pub client_hold: bool,
    /// The registry's operators hold it (`serverHold`).
    pub server_hold: bool,
    /// When deletion was requested (`pendingDelete`), in seconds since 1970.
    pub delete_requested_at: Option<u64>,
    /// When it was registered.
    pub created_at: u64,
    /// When it last changed.
    pub updated_at: u64,
}

impl Device {
    /// When the restore window of a `pendingDelete` ends.
    pub fn restore_until(&self) -> Option<u64> {
        Some(self.delete_requested_at? + RESTORE_WINDOW_SECS)
    }

    /// Deleted for good: the id may be registered again.
    pub fn is_gone(&self, now: u64) -> bool {
        self.restore_until().is_some_and(|until| until <= now)
    }
}

/// A credential on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its number.
    pub slot: Slot,
    /// Withdrawn for good; a withdrawn slot never becomes live again.
    pub withdrawn: bool,
    /// What is published of it.
    pub fingerprint: Fingerprint,
    /// Serial number of the certificate, big-endian; none when it was issued elsewhere.
    pub serial: Option<Vec<u8>>,
    /// First second of validity.
    pub not_before: u64,
    /// Last second of validity.
    pub not_after: u64,
    /// Latest expiration of any signature over its records that was ever released, as far as it
    /// was written down.
    pub released_until: Option<u32>,
}

/// All that a decision about a device rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The device, when there is one.
    pub device: Option<Device>,
    /// Its credentials, live and withdrawn, also of earlier registrations.
    pub credentials: Vec<Credential>,
    /// A registration of this id is between its intent and its certificate.
    pub intent_pending: bool,
    /// Highest slot number that was ever reserved for this id.
    pub slot_reserved_max: u16,
    /// The key of the request is already known, under this or another device.
    pub key_known: bool,
}

/// Who asks, as far as decisions about devices depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor<'a> {
    /// An operator's account, by name.
    Sponsor(&'a str),
    /// The registry's own operators.
    Operator,
}

/// A change of a registered device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Lift the actor's hold.
    Activate,
    /// Set the actor's hold.
    Deactivate,
    /// Begin the restore window.
    Delete,
}

/// Why a command is refused. The texts are for the sponsor.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Unknown, or another account's: the two are not told apart.
    #[error("there is no device {0} in this account; check the id, or register it first")]
    NotFound(DeviceId),
    /// The id is registered, by whomever.
    #[error("the device {0} is registered already; one id is one device")]
    Exists(DeviceId),
    /// The key was used before.
    #[error(
        "the key in the CSR is already in use, or was, so it cannot identify this device: let the device make a new key pair"
    )]
    KeyKnown,
    /// All 9999 slots have been used.
    #[error("all slots of device {0} have been used; slot numbers are never used again")]
    NoSlotLeft(DeviceId),
    /// Deleted, so it cannot be activated.
    #[error("the device {0} is deleted; only a restore within the restore window brings it back")]
    Deleted(DeviceId),
}

/// A slot that was set aside for a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The slot.
    pub slot: Slot,
    /// A device of this id was deleted long enough ago; what is left of it is put away first.
    pub supersedes_deleted: bool,
}

/// Decides whether an id may be registered, and in which slot its first credential goes.
///
/// # Errors
/// [`Refusal::Exists`], [`Refusal::KeyKnown`] or [`Refusal::NoSlotLeft`].
pub fn decide_registration(
    device_id: DeviceId,
    facts: &Facts,
    now: u64,
) -> Result<Reservation, Refusal> {
    let gone = facts
        .device
        .as_ref()
        .is_some_and(|device| device.is_gone(now));
    if facts.intent_pending || (facts.device.is_some() && !gone) {
        return Err(Refusal::Exists(device_id));
    }
    if facts.key_known {
        return Err(Refusal::KeyKnown);
    }
    let slot =
        Slot::new(facts.slot_reserved_max + 1).map_err(|_| Refusal::NoSlotLeft(device_id))?;
    Ok(Reservation {
        slot,
        supersedes_deleted: gone,
    })
}

/// Decides a change of a device: its new state.
///
/// Making a device less trusted is possible in every state; setting a hold that is set, or lifting
/// one that is not, succeeds again.
///
/// # Errors
/// [`Refusal::NotFound`] for absent and foreign devices alike, [`Refusal::Deleted`].
pub fn decide_transition(
    device_id: DeviceId,
    facts: &Facts,
    actor: Actor<'_>,
    transition: Transition,
    now: u64,
) -> Result<Device, Refusal> {
    let mut device = visible_device(device_id, facts, actor, now)?.clone();
    let deleted = device.delete_requested_at.is_some();
    match (transition, actor) {
        (Transition::Activate | Transition::Delete, _) if deleted => {
            return Err(Refusal::Deleted(device_id));
        }
        (Transition::Activate, Actor::Sponsor(_)) => device.client_hold = false,
        (Transition::Activate, Actor::Operator) => device.server_hold = false,
        (Transition::Deactivate, Actor::Sponsor(_)) => device.client_hold = true,
        (Transition::Deactivate, Actor::Operator) => device.server_hold = true,
        (Transition::Delete, _) => device.delete_requested_at = Some(now),
    }
    device.updated_at = now;
    Ok(device)
}

/// The device as the actor may see it.
///
/// # Errors
/// [`Refusal::NotFound`].
pub fn visible_device<'a>(
    device_id: DeviceId,
    facts: &'a Facts,
    actor: Actor<'_>,
    now: u64,
) -> Result<&'a Device, Refusal> {
    facts
        .device
        .as_ref()
        .filter(|device| !device.is_gone(now))
        .filter(|device| match actor {
            Actor::Sponsor(account) => device.account == account,
            Actor::Operator => true,
        })
        .ok_or(Refusal::NotFound(device_id))
}

/// What the DNS says of a credential: the state table of the design, and its only place.
pub fn publication(device: &Device, credential: &Credential, now: u64) -> Publication {
    let held = device.client_hold || device.server_hold;
    if device.delete_requested_at.is_some() {
        Publication::Absent
    } else if held || credential.withdrawn || credential.not_after < now {
        Publication::Inactive
    } else {
        Publication::Active(credential.fingerprint)
    }
}

#[cfg(test)]
mod tests;
