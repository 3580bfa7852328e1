//! Holds and updates.

use std::collections::BTreeSet;

use iot_epp_api::AccountName;
use iot_epp_api::command::DeviceChange;
use iot_epp_api::device::{SlotReason, WithdrawReason};
use iot_epp_api::secret::AuthInfo;

use super::*;

fn hold(facts: &Facts, actor: Actor<'_>, is_held: bool) -> Result<Outcome, Refusal> {
    decide_hold(id(), facts, actor, is_held, NOW)
}

fn update(facts: &Facts, actor: Actor<'_>, changes: &[DeviceChange]) -> Result<Outcome, Refusal> {
    let providers = BTreeSet::from(["asp-one".to_owned(), "asp-two".to_owned()]);
    decide_update(id(), facts, actor, changes, &providers, NOW)
}

fn name(text: &str) -> AccountName {
    AccountName::parse(text).unwrap()
}

fn withdraw(reason: WithdrawReason) -> DeviceChange {
    let slot = Slot::FIRST;
    DeviceChange::Withdraw { slot, reason }
}

fn bind(asp: &str) -> DeviceChange {
    DeviceChange::Bind {
        slot: Slot::FIRST,
        asp: name(asp),
    }
}

const ADD_HOLD: DeviceChange = DeviceChange::AddStatus(SettableStatus::ClientHold);
const REMOVE_HOLD: DeviceChange = DeviceChange::RemoveStatus(SettableStatus::ClientHold);

#[test]
fn each_side_has_a_hold_of_its_own_and_both_hold() {
    let by_sponsor = hold(&facts(), SPONSOR, true).unwrap().device;
    assert!(by_sponsor.statuses.contains(SettableStatus::ClientHold));
    let mut both = facts();
    both.device = Some(by_sponsor);
    let both_held = hold(&both, OPERATOR, true).unwrap().device;
    assert!(both_held.statuses.contains(SettableStatus::ServerHold));
    both.device = Some(both_held);
    let one_left = hold(&both, SPONSOR, false).unwrap().device;
    assert!(one_left.statuses.is_held(), "the registry's hold stays");
}

#[test]
fn holding_again_succeeds_and_is_published_again() {
    let held = with_status(SettableStatus::ClientHold);
    let outcome = hold(&held, SPONSOR, true).unwrap();
    assert!(outcome.publishes_all);
    assert!(outcome.device.version > held.device.unwrap().version);
    assert!(hold(&facts(), SPONSOR, false).unwrap().publishes_all);
}

#[test]
fn hold_is_possible_in_every_state_and_lifting_it_is_not() {
    let mut states = vec![pending_delete()];
    let mut moving = facts();
    moving.transfer = Some(transfers::pending_pull());
    states.push(moving);
    for status in SettableStatus::ALL {
        states.push(with_status(*status));
    }
    for state in &states {
        assert!(hold(state, SPONSOR, true).is_ok(), "{state:?}");
        assert!(update(state, SPONSOR, &[withdraw(WithdrawReason::Compromised)]).is_ok());
    }
    assert_eq!(
        hold(&pending_delete(), SPONSOR, false),
        Err(Refusal::Deleted(id()))
    );
    let locked = with_status(SettableStatus::ServerUpdateProhibited);
    assert_eq!(
        hold(&locked, SPONSOR, false),
        Err(Refusal::Prohibited(SettableStatus::ServerUpdateProhibited))
    );
    assert!(hold(&locked, OPERATOR, false).is_ok());
}

#[test]
fn strangers_and_providers_change_nothing() {
    for actor in [OTHER, PROVIDER] {
        assert_eq!(hold(&facts(), actor, true), Err(Refusal::NotFound(id())));
        let change = [withdraw(WithdrawReason::Superseded)];
        assert_eq!(
            update(&facts(), actor, &change),
            Err(Refusal::NotFound(id()))
        );
    }
    assert_eq!(
        hold(&Facts::default(), SPONSOR, true),
        Err(Refusal::NotFound(id()))
    );
}

#[test]
fn client_statuses_are_the_sponsors_and_server_statuses_the_registrys() {
    for status in SettableStatus::ALL {
        for change in [
            DeviceChange::AddStatus(*status),
            DeviceChange::RemoveStatus(*status),
        ] {
            let of_other = Err(Refusal::StatusOfOther(*status));
            let change = [change];
            let (own, foreign) = if status.is_client() {
                (SPONSOR, OPERATOR)
            } else {
                (OPERATOR, SPONSOR)
            };
            assert!(update(&facts(), own, &change).is_ok(), "{status}");
            assert_eq!(update(&facts(), foreign, &change), of_other, "{status}");
        }
    }
}

#[test]
fn one_refused_change_refuses_all() {
    let change = DeviceChange::AddStatus(SettableStatus::ServerHold);
    let refused = update(&facts(), SPONSOR, &[ADD_HOLD, change]);
    assert_eq!(
        refused,
        Err(Refusal::StatusOfOther(SettableStatus::ServerHold))
    );
}

#[test]
fn a_lock_is_opened_and_used_in_one_command() {
    let lock = SettableStatus::ClientUpdateProhibited;
    let locked = with_status(lock);
    let change = bind("asp-two");
    assert_eq!(
        update(&locked, SPONSOR, std::slice::from_ref(&change)),
        Err(Refusal::Prohibited(lock))
    );
    let opened = [DeviceChange::RemoveStatus(lock), change];
    assert!(update(&locked, SPONSOR, &opened).is_ok());
}

#[test]
fn during_a_transfer_the_loser_holds_and_withdraws_only() {
    let mut moving = facts();
    moving.transfer = Some(transfers::pending_pull());
    assert!(update(&moving, SPONSOR, &[ADD_HOLD]).is_ok());
    assert!(update(&moving, SPONSOR, &[REMOVE_HOLD]).is_ok());
    for change in [
        bind("asp-two"),
        DeviceChange::ClearAuthInfo,
        DeviceChange::RemoveStatus(SettableStatus::ClientTransferProhibited),
    ] {
        assert_eq!(
            update(&moving, SPONSOR, &[change]),
            Err(Refusal::PendingTransfer(id()))
        );
    }
}

#[test]
fn withdrawal_is_final_and_its_graver_reason_stays() {
    use {SlotReason as Is, WithdrawReason as Wanted};
    let withdrawn = "slotWithdrawn";
    for (before, wanted, after, told_of) in [
        (None, Wanted::Superseded, Is::Superseded, Some(withdrawn)),
        (None, Wanted::Compromised, Is::Compromised, Some(withdrawn)),
        (
            Some(Is::Superseded),
            Wanted::Superseded,
            Is::Superseded,
            None,
        ),
        (
            Some(Is::Superseded),
            Wanted::Compromised,
            Is::Compromised,
            Some(withdrawn),
        ),
        (Some(Is::Expired), Wanted::Superseded, Is::Expired, None),
        (
            Some(Is::Expired),
            Wanted::Compromised,
            Is::Compromised,
            Some(withdrawn),
        ),
        (
            Some(Is::Compromised),
            Wanted::Superseded,
            Is::Compromised,
            None,
        ),
        (
            Some(Is::Compromised),
            Wanted::Compromised,
            Is::Compromised,
            None,
        ),
        (Some(Is::Deleted), Wanted::Compromised, Is::Deleted, None),
    ] {
        let mut facts = facts();
        facts.credentials[0].withdrawn = before;
        let outcome = update(&facts, SPONSOR, &[withdraw(wanted)]).unwrap();
        assert_eq!(
            outcome.credentials[0].withdrawn,
            Some(after),
            "{before:?} {wanted}"
        );
        let expected: Vec<_> = told_of
            .map(|event| ("asp-one", event))
            .into_iter()
            .collect();
        assert_eq!(told(&outcome), expected, "{before:?} {wanted}");
    }
    // Time has not looked at this one yet, and will.
    let mut ended = facts();
    ended.credentials[0].not_after = NOW - 1;
    let outcome = update(&ended, SPONSOR, &[withdraw(Wanted::Superseded)]).unwrap();
    assert_eq!(
        (outcome.credentials[0].withdrawn, told(&outcome)),
        (None, vec![])
    );
    let outcome = update(&ended, SPONSOR, &[withdraw(Wanted::Compromised)]).unwrap();
    assert_eq!(outcome.credentials[0].withdrawn, Some(Is::Compromised));
    let missing = DeviceChange::Withdraw {
        slot: Slot::new(9).unwrap(),
        reason: WithdrawReason::Superseded,
    };
    let refused = update(&facts(), SPONSOR, &[missing]);
    assert_eq!(refused, Err(Refusal::NoSlot(Slot::new(9).unwrap())));
}

#[test]
fn bindings_are_told_to_both_providers() {
    let outcome = update(&facts(), SPONSOR, &[bind("asp-two")]).unwrap();
    assert_eq!(outcome.credentials[0].asp.as_deref(), Some("asp-two"));
    assert_eq!(
        told(&outcome),
        [("asp-one", "slotUnbound"), ("asp-two", "slotBound")]
    );
    assert_eq!(
        update(&facts(), SPONSOR, &[bind("asp-three")]),
        Err(Refusal::NoProvider("asp-three".to_owned()))
    );
    let mut ended = facts();
    ended.credentials[0].not_after = NOW - 1;
    assert_eq!(
        update(&ended, SPONSOR, &[bind("asp-two")]),
        Err(Refusal::SlotEnded(Slot::FIRST))
    );
    let unbind = DeviceChange::Unbind {
        slot: Slot::FIRST,
        asp: name("asp-two"),
    };
    let outcome = update(&facts(), SPONSOR, &[unbind]).unwrap();
    assert_eq!(outcome.credentials[0].asp.as_deref(), Some("asp-one"));
}

#[test]
fn authorization_information_is_kept_hashed_and_ends() {
    let text = AuthInfo::parse("a-very-random-authorization").unwrap();
    let outcome = update(&facts(), SPONSOR, &[DeviceChange::SetAuthInfo(text)]).unwrap();
    let record = outcome.device.auth_info.unwrap();
    assert_eq!(record.valid_until, NOW + AUTH_INFO_VALID_SECS);
    assert!(opens(&outcome.device, "a-very-random-authorization", NOW));
    assert!(!opens(&outcome.device, "a-very-random-authorizatioN", NOW));
    let later = record.valid_until + 1;
    assert!(!opens(
        &outcome.device,
        "a-very-random-authorization",
        later
    ));
}

#[test]
fn an_operators_change_is_told_to_the_sponsor_and_a_status_to_providers() {
    let outcome = hold(&facts(), OPERATOR, true).unwrap();
    assert_eq!(
        told(&outcome),
        [("asp-one", "statusChanged"), ("mno-a", "statusChanged")]
    );
    let outcome = hold(&facts(), SPONSOR, true).unwrap();
    assert_eq!(told(&outcome), [("asp-one", "statusChanged")]);
    let held = with_status(SettableStatus::ServerHold);
    let outcome = hold(&held, SPONSOR, true).unwrap();
    assert_eq!(told(&outcome), [("asp-one", "statusChanged")]);
    let held = with_status(SettableStatus::ClientHold);
    let outcome = hold(&held, SPONSOR, true).unwrap();
    assert_eq!(told(&outcome), [], "nothing changed");
}
