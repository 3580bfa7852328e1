//! Why a command is refused.

use iot_epp_api::device::SettableStatus;
use iot_identity::{DeviceId, Slot};
use thiserror::Error;

/// Why a command is refused. The texts are for who may see the device.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Unknown, or another account's: the two are not told apart.
    #[error("there is no device {0} in this account; check the id, or register it first")]
    NotFound(DeviceId),
    /// The id is registered, by whomever.
    #[error("the device {0} is registered already; one id is one device")]
    Exists(DeviceId),
    /// The account may not register this id.
    #[error(
        "the id {0} is in none of this account's ranges and lists; ask the registry's operators to add it"
    )]
    OutsideRanges(DeviceId),
    /// The account has as many devices as it may have.
    #[error(
        "this account has as many devices as it may have; ask the registry's operators for more"
    )]
    NoRoom,
    /// The key was used before.
    #[error(
        "the key in the CSR is already in use, or was, so it cannot identify this device: let the device make a new key pair"
    )]
    KeyKnown,
    /// All 9999 slots have been used.
    #[error("all slots of device {0} have been used; slot numbers are never used again")]
    NoSlotLeft(DeviceId),
    /// The device has as many live slots as it may have.
    #[error("the device has {0} live slots, which is the most; withdraw one first")]
    TooManySlots(usize),
    /// Another certificate is being issued for it.
    #[error(
        "another certificate is being issued for device {0}; send this again when that is done"
    )]
    IssuingAlready(DeviceId),
    /// Deleted, so this is not possible.
    #[error("the device {0} is deleted; only a restore within the restore window brings it back")]
    Deleted(DeviceId),
    /// Not deleted, so it cannot be restored.
    #[error("the device {0} is not deleted, so there is nothing to restore")]
    NotDeleted(DeviceId),
    /// A status prohibits it.
    #[error("the status {0} of the device prohibits this; remove it first, if it is yours")]
    Prohibited(SettableStatus),
    /// The status is not this account's to set or remove.
    #[error(
        "the status {0} is not for this account to change: client statuses are the sponsor's, server statuses the registry's"
    )]
    StatusOfOther(SettableStatus),
    /// There is no such slot.
    #[error("the device has no slot {0}")]
    NoSlot(Slot),
    /// The slot is withdrawn or expired, which is final.
    #[error("the slot {0} is withdrawn or expired, and stays so")]
    SlotEnded(Slot),
    /// There is no such provider.
    #[error("there is no application service provider {0}")]
    NoProvider(String),
    /// The sponsor has not consented.
    #[error(
        "the sponsor of this device has not consented that providers send certificate requests; ask the sponsor"
    )]
    NoConsent,
    /// A transfer is pending, which prohibits this.
    #[error("a transfer of device {0} is pending, and this waits for its end")]
    PendingTransfer(DeviceId),
    /// No transfer is pending.
    #[error("no transfer of device {0} is pending")]
    NotPendingTransfer(DeviceId),
    /// Somebody else has to decide.
    #[error("this is for the other side of the transfer to decide")]
    OtherSide,
    /// The device cannot be moved there.
    #[error("{0}")]
    NotTransferable(&'static str),
    /// Wrong authorization information, or no such object: the two are not told apart.
    #[error(
        "the authorization information is wrong or void, or there is no such device; ask its sponsor"
    )]
    WrongAuthInfo,
    /// The registration ends on another day.
    #[error(
        "the registration does not end on the day that was given; ask for the device and renew from the day that it names"
    )]
    OtherExpiry,
    /// The registration would end too late.
    #[error("the registration would end more than {0} years from now")]
    ExpiryTooFar(u32),
    /// The device has changed since.
    #[error("the device has changed since its version {0} was read; read it again")]
    OtherVersion(u64),
}
