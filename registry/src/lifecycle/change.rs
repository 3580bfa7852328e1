//! Holds, and the changes of an update: all of them or none.

use std::collections::BTreeSet;

use iot_epp_api::command::DeviceChange;
use iot_epp_api::device::{SettableStatus, SlotReason, WithdrawReason};
use iot_epp_api::message::Event;
use iot_identity::{DeviceId, Slot};

use super::auth_info::record_of;
use super::device::{Actor, Credential, Device, Facts, Relation, is_transferable};
use super::outcome::Outcome;
use super::refusal::Refusal;
use super::status::Prohibited;

/// Decides on the actor's own hold: `clientHold` of the sponsor, `serverHold` of an operator.
///
/// Setting a hold is possible in every state; setting one that is set, or lifting one that is not,
/// succeeds again.
///
/// # Errors
/// [`Refusal::NotFound`]; and when it is to be lifted, [`Refusal::Deleted`] and
/// [`Refusal::Prohibited`].
pub fn decide_hold(
    device_id: DeviceId,
    facts: &Facts,
    actor: Actor<'_>,
    is_held: bool,
    now: u64,
) -> Result<Outcome, Refusal> {
    let hold = match facts.seen_by(actor, now) {
        Some((_, Relation::Sponsor)) => SettableStatus::ClientHold,
        Some((_, Relation::Operator)) => SettableStatus::ServerHold,
        Some((_, Relation::Provider)) | None => return Err(Refusal::NotFound(device_id)),
    };
    let change = if is_held {
        DeviceChange::AddStatus(hold)
    } else {
        DeviceChange::RemoveStatus(hold)
    };
    let mut outcome = decide_update(device_id, facts, actor, &[change], &BTreeSet::new(), now)?;
    outcome.publishes_all = true;
    Ok(outcome)
}

/// Decides on an update. `providers` are those of the named providers that there are.
///
/// # Errors
/// The first change that is refused refuses all of them.
pub fn decide_update(
    device_id: DeviceId,
    facts: &Facts,
    actor: Actor<'_>,
    changes: &[DeviceChange],
    providers: &BTreeSet<String>,
    now: u64,
) -> Result<Outcome, Refusal> {
    let (device, relation) = match facts.seen_by(actor, now) {
        Some((_, Relation::Provider)) | None => return Err(Refusal::NotFound(device_id)),
        Some(seen) => seen,
    };
    let mut outcome = Outcome::of(device, facts, now);
    for change in changes {
        if !lessens_trust(change) {
            check_state(device, facts, relation, changes, change)?;
        }
        apply(&mut outcome, relation, change, providers, now)?;
    }
    let touches_hold = |change: &DeviceChange| match change {
        DeviceChange::AddStatus(status) | DeviceChange::RemoveStatus(status) => is_hold(*status),
        _ => false,
    };
    outcome.publishes_all = changes.iter().any(touches_hold);
    if outcome.device.statuses != device.statuses {
        outcome.tell_of_statuses(now);
    }
    if relation == Relation::Operator {
        let sponsor = outcome.device.account.clone();
        outcome.tell(&sponsor, Event::StatusChanged, None);
    }
    Ok(outcome)
}

fn is_hold(status: SettableStatus) -> bool {
    matches!(
        status,
        SettableStatus::ClientHold | SettableStatus::ServerHold
    )
}

/// Whether a change makes the device less trusted: it is possible in every state.
fn lessens_trust(change: &DeviceChange) -> bool {
    match change {
        DeviceChange::AddStatus(status) => is_hold(*status),
        DeviceChange::Withdraw { .. } => true,
        _ => false,
    }
}

/// What the state of the device says to a change that does not make it less trusted.
fn check_state(
    device: &Device,
    facts: &Facts,
    relation: Relation,
    changes: &[DeviceChange],
    change: &DeviceChange,
) -> Result<(), Refusal> {
    if device.is_pending_delete() {
        return Err(Refusal::Deleted(device.device_id));
    }
    if relation == Relation::Operator {
        return Ok(());
    }
    let unlocks = DeviceChange::RemoveStatus(SettableStatus::ClientUpdateProhibited);
    match device.statuses.prohibition(Prohibited::Update) {
        // The sponsor's own lock may be opened and used in one command.
        Some(SettableStatus::ClientUpdateProhibited) if changes.contains(&unlocks) => {}
        Some(status) => return Err(Refusal::Prohibited(status)),
        None => {}
    }
    let lifts_hold = DeviceChange::RemoveStatus(SettableStatus::ClientHold);
    if facts.transfer.is_some() && *change != lifts_hold {
        return Err(Refusal::PendingTransfer(device.device_id));
    }
    Ok(())
}

fn apply(
    outcome: &mut Outcome,
    relation: Relation,
    change: &DeviceChange,
    providers: &BTreeSet<String>,
    now: u64,
) -> Result<(), Refusal> {
    match change {
        DeviceChange::AddStatus(status) => {
            check_owner(relation, *status)?;
            outcome.device.statuses = outcome.device.statuses.with(*status);
        }
        DeviceChange::RemoveStatus(status) => {
            check_owner(relation, *status)?;
            outcome.device.statuses = outcome.device.statuses.without(*status);
        }
        DeviceChange::Bind { slot, asp } => {
            if !providers.contains(asp.as_str()) {
                return Err(Refusal::NoProvider(asp.to_string()));
            }
            bind(outcome, *slot, Some(asp.as_str()), now)?;
        }
        DeviceChange::Unbind { slot, asp } => {
            let credential = credential(&mut outcome.credentials, *slot)?;
            if credential.asp.as_deref() == Some(asp.as_str()) {
                bind(outcome, *slot, None, now)?;
            }
        }
        DeviceChange::SetAuthInfo(auth_info) => {
            if !is_transferable(outcome.device.device_id) {
                return Err(Refusal::NotTransferable(ICCID_STAYS));
            }
            outcome.device.auth_info = Some(record_of(auth_info, now));
        }
        DeviceChange::ClearAuthInfo => outcome.device.auth_info = None,
        DeviceChange::Withdraw { slot, reason } => withdraw(outcome, *slot, *reason, now)?,
    }
    Ok(())
}

/// Why ICCIDs are not transferred.
pub(super) const ICCID_STAYS: &str = "a device that is registered by its ICCID belongs to its operator's profile and is never transferred";

fn check_owner(relation: Relation, status: SettableStatus) -> Result<(), Refusal> {
    if status.is_client() == (relation == Relation::Sponsor) {
        Ok(())
    } else {
        Err(Refusal::StatusOfOther(status))
    }
}

fn credential(credentials: &mut [Credential], slot: Slot) -> Result<&mut Credential, Refusal> {
    let found = credentials.iter_mut().find(|one| one.slot == slot);
    found.ok_or(Refusal::NoSlot(slot))
}

fn bind(outcome: &mut Outcome, slot: Slot, asp: Option<&str>, now: u64) -> Result<(), Refusal> {
    let credential = credential(&mut outcome.credentials, slot)?;
    if asp.is_some() && !credential.is_live(now) {
        return Err(Refusal::SlotEnded(slot));
    }
    if credential.asp.as_deref() == asp {
        return Ok(());
    }
    let before = std::mem::replace(&mut credential.asp, asp.map(str::to_owned));
    if let Some(before) = before {
        outcome.tell(&before, Event::SlotUnbound, Some(slot));
    }
    if let Some(asp) = asp {
        outcome.tell(asp, Event::SlotBound, Some(slot));
    }
    Ok(())
}

/// Takes a slot back. Of one that was taken back or has expired before only the reason may change, to
/// the graver one: that its key may be known to others.
fn withdraw(
    outcome: &mut Outcome,
    slot: Slot,
    reason: WithdrawReason,
    now: u64,
) -> Result<(), Refusal> {
    let credential = credential(&mut outcome.credentials, slot)?;
    let has_expired = (!credential.is_live(now)).then_some(SlotReason::Expired);
    credential.withdrawn = Some(match (credential.withdrawn.or(has_expired), reason) {
        (None, WithdrawReason::Superseded) => SlotReason::Superseded,
        (
            None | Some(SlotReason::Superseded | SlotReason::Expired),
            WithdrawReason::Compromised,
        ) => SlotReason::Compromised,
        (Some(_), _) => return Ok(()),
    });
    if let Some(asp) = credential.asp.clone() {
        outcome.tell(&asp, Event::SlotWithdrawn, Some(slot));
    }
    Ok(())
}
