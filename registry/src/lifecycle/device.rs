//! The values that decisions rest on.

use iot_epp_api::Role;
use iot_epp_api::device::SlotReason;
use iot_identity::{DeviceId, DeviceIdKind, Fingerprint, Slot};

use super::status::Statuses;
use super::transfer::Transfer;

/// Time in which a deleted device can be restored before its name is free again.
pub const RESTORE_WINDOW_SECS: u64 = 30 * 24 * 3600;

/// A registered device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its id.
    pub device_id: DeviceId,
    /// Number of this registration in the repository.
    pub repository_id: u64,
    /// Name of the sponsoring account.
    pub account: String,
    /// What accounts have set.
    pub statuses: Statuses,
    /// When deletion was requested (`pendingDelete`), in seconds since 1970.
    pub delete_requested_at: Option<u64>,
    /// When it was registered.
    pub created_at: u64,
    /// When it last changed.
    pub updated_at: u64,
    /// End of the registration.
    pub expires_at: u64,
    /// When it changed its sponsor last.
    pub transferred_at: Option<u64>,
    /// What proves that the sponsor agrees to a transfer.
    pub auth_info: Option<AuthInfoRecord>,
    /// Grows with every change.
    pub version: u64,
}

/// Authorization information as it is kept (RFC 9154 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthInfoRecord {
    /// SHA-256 of the text, which has more than 128 random bits.
    pub hash: [u8; 32],
    /// It is void after this second.
    pub valid_until: u64,
    /// Wrong ones that were presented.
    pub failures: u32,
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

    /// Whether deletion was requested.
    pub fn is_pending_delete(&self) -> bool {
        self.delete_requested_at.is_some()
    }
}

/// A credential on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its number.
    pub slot: Slot,
    /// Why it was withdrawn for good; a withdrawn slot never becomes live again.
    pub withdrawn: Option<SlotReason>,
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
    /// The application service provider that it is for.
    pub asp: Option<String>,
    /// By when it has to be replaced, because it was issued under an earlier sponsor.
    pub replace_by: Option<u64>,
}

/// The credential in a slot, of credentials in the order of their slots: a device may have had thousands.
pub fn in_slot(credentials: &[Credential], slot: Slot) -> Option<&Credential> {
    let at = credentials.binary_search_by_key(&slot, |one| one.slot);
    at.ok().map(|at| &credentials[at])
}

impl Credential {
    /// Whether it is published when its device is.
    pub fn is_live(&self, now: u64) -> bool {
        self.withdrawn.is_none() && now <= self.not_after
    }
}

/// All that a decision about a device rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The device, when there is one.
    pub device: Option<Device>,
    /// Its credentials, live and withdrawn, also of earlier registrations.
    pub credentials: Vec<Credential>,
    /// Its transfer that somebody still has to agree to.
    pub transfer: Option<Transfer>,
    /// A registration of this id is between its intent and its certificate.
    pub intent_pending: bool,
    /// Highest slot number that was ever reserved for this id.
    pub slot_reserved_max: u16,
    /// The key of the request is already known, under this or another device.
    pub key_known: bool,
    /// The asking account may register this id, and has room for it.
    pub permission: Permission,
    /// The sponsor lets the asking provider send certificate requests for slots bound to it.
    pub consent: bool,
}

/// Whether an account may register an id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Permission {
    /// It is in none of its ranges and lists.
    #[default]
    OutsideRanges,
    /// It has as many devices as it may have.
    NoRoom,
    /// Yes.
    Granted,
}

/// Whether a device may change its sponsor: ICCIDs belong to an operator's profile.
pub(super) fn is_transferable(device_id: DeviceId) -> bool {
    device_id.kind() == DeviceIdKind::Eid
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actor<'a> {
    /// Name of the account.
    pub account: &'a str,
    /// Its role.
    pub role: Role,
}

/// What an actor is to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// Its sponsor.
    Sponsor,
    /// An operator of the registry.
    Operator,
    /// A provider to which one of its slots is bound.
    Provider,
}

impl Facts {
    /// The device with what the actor is to it; none where it is nothing, or where there is no device:
    /// the two are not told apart.
    pub fn seen_by(&self, actor: Actor<'_>, now: u64) -> Option<(&Device, Relation)> {
        let device = self.device.as_ref().filter(|device| !device.is_gone(now))?;
        let is_bound = |credential: &Credential| credential.asp.as_deref() == Some(actor.account);
        let relation = match actor.role {
            Role::Operator => Relation::Operator,
            Role::Mno if device.account == actor.account => Relation::Sponsor,
            Role::Asp if self.credentials.iter().any(is_bound) => Relation::Provider,
            Role::Mno | Role::Asp => return None,
        };
        Some((device, relation))
    }
}
