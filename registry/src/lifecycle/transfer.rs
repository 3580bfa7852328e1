//! Moving a device to another account: pulled with authorization information, pushed by its sponsor,
//! or forced by an operator who decides a dispute.

use iot_epp_api::device::SettableStatus;
use iot_epp_api::message::Event;
use iot_epp_api::transfer::{Arrival, Direction, TransferStatus};
use iot_identity::DeviceId;

use super::auth_info::{hash_of, wrong_auth_info};
use super::change::ICCID_STAYS;
use super::device::{Actor, AuthInfoRecord, Device, Facts, is_transferable};
use super::end::{bring_back, of_sponsor};
use super::outcome::Outcome;
use super::refusal::Refusal;
use super::status::{Prohibited, Statuses};

/// How long the sponsor may take to answer a pull.
pub const PULL_WINDOW_SECS: u64 = 5 * 24 * 3600;
/// How long the gaining account may take to answer a push.
pub const PUSH_WINDOW_SECS: u64 = 14 * 24 * 3600;
/// Time in which inherited credentials are to be replaced.
pub const REPLACE_WINDOW_SECS: u64 = 180 * 24 * 3600;

/// A transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Its number; none until it is written.
    pub transfer_id: Option<u64>,
    /// Who began it.
    pub direction: Direction,
    /// How far it is.
    pub status: TransferStatus,
    /// Who has the device, or had it before.
    pub losing: String,
    /// Who shall have it, or has it now.
    pub gaining: String,
    /// Who asked for it.
    pub requested_by: String,
    /// When.
    pub requested_at: u64,
    /// Who has to act, or did.
    pub acting: String,
    /// By when, or when.
    pub acting_at: u64,
    /// How the device arrives, once that is said.
    pub arrival: Option<Arrival>,
    /// After completion: by when inherited credentials have to be replaced.
    pub replace_by: Option<u64>,
}

impl Transfer {
    /// Whether somebody still has to agree to it.
    pub fn is_pending(&self) -> bool {
        self.status == TransferStatus::Pending
    }

    /// The transfer after its end.
    pub(super) fn ended(&self, status: TransferStatus, now: u64) -> Self {
        Self {
            status,
            acting_at: now,
            ..self.clone()
        }
    }
}

/// What came of a pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pulled {
    /// It is pending.
    Begun(Box<Outcome>),
    /// Refused, and the wrong authorization information is counted.
    Wrong(AuthInfoRecord),
}

/// Decides on a pull.
///
/// # Errors
/// [`Refusal::WrongAuthInfo`], also where there is no device; with the right one whatever else is in
/// the way.
pub fn decide_pull(
    facts: &Facts,
    actor: Actor<'_>,
    presented: &str,
    arrival: Arrival,
    now: u64,
) -> Result<Pulled, Refusal> {
    // The digest is made in every case, so that absent objects take as long as present ones.
    let presented = hash_of(presented);
    let device = facts.device.as_ref().filter(|device| !device.is_gone(now));
    let device = device.ok_or(Refusal::WrongAuthInfo)?;
    if let Some(wrong) = wrong_auth_info(device, &presented, now)? {
        return Ok(Pulled::Wrong(wrong));
    }
    if device.account == actor.account {
        return Err(Refusal::NotTransferable(
            "the device is in this account already",
        ));
    }
    check_transferable(device, facts)?;
    let mut outcome = Outcome::of(device, facts, now);
    outcome.transfer = Some(Transfer {
        transfer_id: None,
        direction: Direction::Pull,
        status: TransferStatus::Pending,
        losing: device.account.clone(),
        gaining: actor.account.to_owned(),
        requested_by: actor.account.to_owned(),
        requested_at: now,
        acting: device.account.clone(),
        acting_at: now + PULL_WINDOW_SECS,
        arrival: Some(arrival),
        replace_by: None,
    });
    outcome.tell(&device.account, Event::Transfer, None);
    // Of the status alone: with whom is for the sides, until the device is the other's.
    outcome.tell_of_statuses(now);
    Ok(Pulled::Begun(Box::new(outcome)))
}

/// Decides on a push: the sponsor offers the device. `to_is_mno` says whether there is such an account
/// that could have it.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::NotTransferable`], [`Refusal::Deleted`],
/// [`Refusal::Prohibited`] or [`Refusal::PendingTransfer`].
pub fn decide_push(
    device_id: DeviceId,
    facts: &Facts,
    actor: Actor<'_>,
    to: &str,
    to_is_mno: bool,
    now: u64,
) -> Result<Outcome, Refusal> {
    let device = of_sponsor(device_id, facts, actor, now)?;
    check_destination(device, to, to_is_mno)?;
    check_transferable(device, facts)?;
    let mut outcome = Outcome::of(device, facts, now);
    outcome.transfer = Some(Transfer {
        transfer_id: None,
        direction: Direction::Push,
        status: TransferStatus::Pending,
        losing: device.account.clone(),
        gaining: to.to_owned(),
        requested_by: actor.account.to_owned(),
        requested_at: now,
        acting: to.to_owned(),
        acting_at: now + PUSH_WINDOW_SECS,
        arrival: None,
        replace_by: None,
    });
    outcome.tell(to, Event::Transfer, None);
    outcome.tell_of_statuses(now);
    Ok(outcome)
}

/// Decides on a forced transfer: an operator moves the device at once. A transfer that is pending ends
/// with it, and a deletion that can be undone too: a sponsor who deletes keeps no device from who is to
/// have it.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::NotTransferable`] or [`Refusal::ExpiryTooFar`].
pub fn decide_force(
    device_id: DeviceId,
    facts: &Facts,
    actor: Actor<'_>,
    (to, to_is_mno): (&str, bool),
    arrival: Arrival,
    months_of_registration: u32,
    now: u64,
) -> Result<Outcome, Refusal> {
    let seen = facts.seen_by(actor, now);
    let (device, _) = seen.ok_or(Refusal::NotFound(device_id))?;
    check_destination(device, to, to_is_mno)?;
    let mut outcome = Outcome::of(device, facts, now);
    let is_brought_back = device.is_pending_delete();
    if is_brought_back {
        bring_back(&mut outcome, months_of_registration, now)?;
    }
    let transfer = Transfer {
        transfer_id: None,
        direction: Direction::Forced,
        status: TransferStatus::Pending,
        losing: device.account.clone(),
        gaining: to.to_owned(),
        requested_by: actor.account.to_owned(),
        requested_at: now,
        acting: actor.account.to_owned(),
        acting_at: now,
        arrival: Some(if is_brought_back {
            Arrival::Held
        } else {
            arrival
        }),
        replace_by: None,
    };
    if let Some(pending) = &facts.transfer {
        outcome.interrupt(pending.ended(TransferStatus::ServerCancelled, now));
    }
    let status = TransferStatus::ServerApproved;
    Ok(complete(outcome, &transfer, status, now))
}

/// Decides on the end of a pending transfer by one of its sides.
///
/// # Errors
/// [`Refusal::NotFound`] for who takes no part in it, [`Refusal::NotPendingTransfer`],
/// [`Refusal::OtherSide`] and [`Refusal::Prohibited`].
pub fn decide_end(
    device_id: DeviceId,
    facts: &Facts,
    actor: Actor<'_>,
    end: End,
    now: u64,
) -> Result<Outcome, Refusal> {
    let device = facts.device.as_ref().filter(|device| !device.is_gone(now));
    let device = device.ok_or(Refusal::NotFound(device_id))?;
    let sides = facts
        .transfer
        .as_ref()
        .map(|one| (&one.losing, &one.gaining));
    let takes_part =
        sides.is_some_and(|(losing, gaining)| losing == actor.account || gaining == actor.account);
    if !takes_part && device.account != actor.account {
        return Err(Refusal::NotFound(device_id));
    }
    let pending = facts.transfer.as_ref();
    let transfer = pending.ok_or(Refusal::NotPendingTransfer(device_id))?;
    let (who, status) = match end {
        End::Approve(_) => (&transfer.acting, TransferStatus::ClientApproved),
        End::Reject => (&transfer.acting, TransferStatus::ClientRejected),
        End::Cancel => (&transfer.requested_by, TransferStatus::ClientCancelled),
    };
    if who != actor.account {
        return Err(Refusal::OtherSide);
    }
    let mut transfer = transfer.clone();
    transfer.acting = actor.account.to_owned();
    let End::Approve(arrival) = end else {
        return Ok(given_up(device, facts, &transfer, status, now));
    };
    if device
        .statuses
        .contains(SettableStatus::ServerTransferProhibited)
    {
        return Err(Refusal::Prohibited(
            SettableStatus::ServerTransferProhibited,
        ));
    }
    // How a device arrives is for the gaining account to say.
    if let Some(arrival) = arrival {
        if transfer.gaining != actor.account {
            return Err(Refusal::OtherSide);
        }
        transfer.arrival = Some(arrival);
    }
    Ok(completed(device, facts, &transfer, status, now))
}

/// How one of the sides ends a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Agreed to; with how the device shall arrive.
    Approve(Option<Arrival>),
    /// Refused.
    Reject,
    /// Given up.
    Cancel,
}

/// Nobody has answered in time. A pull is carried out unless a status prohibits it, which it does by
/// default; an offer is over.
pub fn transfer_overdue(device: &Device, facts: &Facts, transfer: &Transfer, now: u64) -> Outcome {
    let prohibition = device.statuses.prohibition(Prohibited::Transfer);
    if transfer.direction == Direction::Pull && prohibition.is_none() {
        completed(device, facts, transfer, TransferStatus::ServerApproved, now)
    } else {
        given_up(
            device,
            facts,
            transfer,
            TransferStatus::ServerCancelled,
            now,
        )
    }
}

/// The account that should gain the device cannot have it any more.
pub fn transfer_void(device: &Device, facts: &Facts, transfer: &Transfer, now: u64) -> Outcome {
    let status = TransferStatus::ServerCancelled;
    given_up(device, facts, transfer, status, now)
}

fn check_destination(device: &Device, to: &str, to_is_mno: bool) -> Result<(), Refusal> {
    if !is_transferable(device.device_id) {
        Err(Refusal::NotTransferable(ICCID_STAYS))
    } else if device.account == to {
        Err(Refusal::NotTransferable(
            "the device is in that account already",
        ))
    } else if !to_is_mno {
        Err(Refusal::NotTransferable(
            "there is no operator account of that name",
        ))
    } else {
        Ok(())
    }
}

/// What prohibits that a transfer begins. The sponsor's own prohibition does not: it decides what
/// silence means.
fn check_transferable(device: &Device, facts: &Facts) -> Result<(), Refusal> {
    let device_id = device.device_id;
    if !is_transferable(device_id) {
        Err(Refusal::NotTransferable(ICCID_STAYS))
    } else if device.is_pending_delete() {
        Err(Refusal::Deleted(device_id))
    } else if device
        .statuses
        .contains(SettableStatus::ServerTransferProhibited)
    {
        Err(Refusal::Prohibited(
            SettableStatus::ServerTransferProhibited,
        ))
    } else if facts.transfer.is_some() {
        Err(Refusal::PendingTransfer(device_id))
    } else {
        Ok(())
    }
}

/// The device is the gaining account's; its names stay as they are.
fn completed(
    device: &Device,
    facts: &Facts,
    transfer: &Transfer,
    status: TransferStatus,
    now: u64,
) -> Outcome {
    complete(Outcome::of(device, facts, now), transfer, status, now)
}

fn complete(
    mut outcome: Outcome,
    transfer: &Transfer,
    status: TransferStatus,
    now: u64,
) -> Outcome {
    let mut transfer = transfer.ended(status, now);
    let replace_by = now + REPLACE_WINDOW_SECS;
    transfer.replace_by = Some(replace_by);
    let after = &mut outcome.device;
    let before = after.statuses;
    after.account.clone_from(&transfer.gaining);
    after.transferred_at = Some(now);
    after.auth_info = None;
    after.statuses = statuses_after(before, transfer.arrival.unwrap_or_default());
    for credential in outcome
        .credentials
        .iter_mut()
        .filter(|one| one.is_live(now))
    {
        credential.replace_by = Some(replace_by);
    }
    outcome.tell(&transfer.losing, Event::Transfer, None);
    outcome.tell(&transfer.gaining, Event::Transfer, None);
    outcome.tell_providers(Event::Transfer);
    outcome.publishes_all |= outcome.device.statuses.is_held() != before.is_held();
    outcome.transfer = Some(transfer);
    outcome
}

/// The registry's statuses stay; of the old sponsor's only the hold does.
fn statuses_after(before: Statuses, arrival: Arrival) -> Statuses {
    let of_registry = before.iter().filter(|status| !status.is_client());
    let mut after = of_registry.fold(Statuses::at_registration(), Statuses::with);
    if arrival == Arrival::Held || before.contains(SettableStatus::ClientHold) {
        after = after.with(SettableStatus::ClientHold);
    }
    after
}

fn given_up(
    device: &Device,
    facts: &Facts,
    transfer: &Transfer,
    status: TransferStatus,
    now: u64,
) -> Outcome {
    let mut outcome = Outcome::of(device, facts, now);
    outcome.tell(&transfer.losing, Event::Transfer, None);
    outcome.tell(&transfer.gaining, Event::Transfer, None);
    outcome.tell_of_statuses(now);
    outcome.transfer = Some(transfer.ended(status, now));
    outcome
}
