//! Pull, push, force, and what time does to them.

use iot_epp_api::secret::AuthInfo;
use iot_epp_api::transfer::{Arrival, Direction, TransferStatus};

use super::*;

const SECRET: &str = "a-very-random-authorization";

pub(in super::super) fn pending_pull() -> Transfer {
    Transfer {
        transfer_id: Some(3),
        direction: Direction::Pull,
        status: TransferStatus::Pending,
        losing: "mno-a".to_owned(),
        gaining: "mno-b".to_owned(),
        requested_by: "mno-b".to_owned(),
        requested_at: NOW - DAY,
        acting: "mno-a".to_owned(),
        acting_at: NOW + 4 * DAY,
        arrival: Some(Arrival::AsIs),
        replace_by: None,
    }
}

fn pending_push() -> Transfer {
    Transfer {
        direction: Direction::Push,
        requested_by: "mno-a".to_owned(),
        acting: "mno-b".to_owned(),
        arrival: None,
        ..pending_pull()
    }
}

fn with_transfer(transfer: Transfer) -> Facts {
    let mut facts = facts();
    facts.transfer = Some(transfer);
    facts
}

fn offered() -> Facts {
    let secret = AuthInfo::parse(SECRET).unwrap();
    facts_with(|device| device.auth_info = Some(record_of(&secret, NOW)))
}

fn pull(facts: &Facts, presented: &str) -> Result<Pulled, Refusal> {
    decide_pull(facts, OTHER, presented, Arrival::Held, NOW)
}

fn end(transfer: Transfer, actor: Actor<'_>, end: End) -> Result<Outcome, Refusal> {
    decide_end(id(), &with_transfer(transfer), actor, end, NOW)
}

#[test]
fn a_pull_waits_five_days_for_the_sponsor() {
    let Ok(Pulled::Begun(outcome)) = pull(&offered(), SECRET) else {
        panic!("refused");
    };
    assert_eq!(
        told(&outcome),
        [("asp-one", "statusChanged"), ("mno-a", "transfer")]
    );
    let transfer = outcome.transfer.unwrap();
    assert_eq!(transfer.status, TransferStatus::Pending);
    assert_eq!(transfer.acting, "mno-a");
    assert_eq!(transfer.acting_at, NOW + 5 * DAY);
    assert_eq!(outcome.device.account, "mno-a", "until it is done");
}

#[test]
fn a_wrong_authorization_is_counted_and_an_absent_device_refuses_alike() {
    let Ok(Pulled::Wrong(record)) = pull(&offered(), "wrong") else {
        panic!("accepted");
    };
    assert_eq!(record.failures, 1);
    for nothing in [Facts::default(), facts()] {
        assert_eq!(pull(&nothing, SECRET), Err(Refusal::WrongAuthInfo));
    }
    let mut tried = offered();
    let device = tried.device.as_mut().unwrap();
    device.auth_info.as_mut().unwrap().failures = 20;
    assert!(matches!(pull(&tried, SECRET), Ok(Pulled::Wrong(_))));
    let late = decide_pull(
        &offered(),
        OTHER,
        SECRET,
        Arrival::AsIs,
        NOW + AUTH_INFO_VALID_SECS + 1,
    );
    assert!(matches!(late, Ok(Pulled::Wrong(_))));
}

#[test]
fn what_is_in_the_way_of_a_pull_is_told_to_who_has_the_authorization() {
    let with = |change: fn(&mut Device)| {
        let mut facts = offered();
        change(facts.device.as_mut().unwrap());
        facts
    };
    let deleted = with(|device| device.delete_requested_at = Some(NOW));
    assert_eq!(pull(&deleted, SECRET), Err(Refusal::Deleted(id())));
    let status = SettableStatus::ServerTransferProhibited;
    let locked = with(|device| {
        device.statuses = device
            .statuses
            .with(SettableStatus::ServerTransferProhibited);
    });
    assert_eq!(pull(&locked, SECRET), Err(Refusal::Prohibited(status)));
    let mut moving = offered();
    moving.transfer = Some(pending_push());
    assert_eq!(pull(&moving, SECRET), Err(Refusal::PendingTransfer(id())));
    let own = decide_pull(&offered(), SPONSOR, SECRET, Arrival::AsIs, NOW);
    assert!(matches!(own, Err(Refusal::NotTransferable(_))));
}

#[test]
fn silence_refuses_a_pull_unless_the_sponsor_has_unlocked_the_device() {
    let overdue = |facts: &Facts| {
        let device = facts.device.as_ref().unwrap();
        transfer_overdue(device, facts, facts.transfer.as_ref().unwrap(), NOW)
    };
    let locked = with_transfer(pending_pull());
    let outcome = overdue(&locked);
    assert_eq!(outcome.device.account, "mno-a");
    assert_eq!(
        outcome.transfer.unwrap().status,
        TransferStatus::ServerCancelled
    );
    let mut unlocked = locked;
    let device = unlocked.device.as_mut().unwrap();
    device.statuses = Statuses::default();
    let outcome = overdue(&unlocked);
    assert_eq!(outcome.device.account, "mno-b");
    assert_eq!(
        outcome.transfer.unwrap().status,
        TransferStatus::ServerApproved
    );
    unlocked.transfer = Some(pending_push());
    let outcome = overdue(&unlocked);
    assert_eq!(outcome.device.account, "mno-a", "an offer is only over");
}

#[test]
fn after_a_transfer_the_device_is_the_gainers_with_its_names_and_a_date_to_replace_its_slots() {
    let outcome = end(pending_pull(), SPONSOR, End::Approve(None)).unwrap();
    let device = &outcome.device;
    assert_eq!(device.account, "mno-b");
    assert_eq!(device.auth_info, None);
    assert_eq!(device.transferred_at, Some(NOW));
    assert_eq!(device.statuses, Statuses::at_registration());
    assert_eq!(outcome.credentials[0].slot, Slot::FIRST);
    assert_eq!(
        outcome.credentials[0].replace_by,
        Some(NOW + REPLACE_WINDOW_SECS)
    );
    assert_eq!(outcome.credentials[0].asp.as_deref(), Some("asp-one"));
    assert!(!outcome.publishes_all, "it keeps serving");
    assert_eq!(
        told(&outcome),
        [
            ("asp-one", "transfer"),
            ("mno-a", "transfer"),
            ("mno-b", "transfer")
        ]
    );
}

#[test]
fn a_device_arrives_held_where_the_gainer_wants_it_and_the_registrys_statuses_stay() {
    let mut facts = with_status(SettableStatus::ServerUpdateProhibited);
    facts.transfer = Some(Transfer {
        arrival: Some(Arrival::Held),
        ..pending_pull()
    });
    let outcome = decide_end(id(), &facts, SPONSOR, End::Approve(None), NOW).unwrap();
    let statuses = outcome.device.statuses;
    assert!(statuses.contains(SettableStatus::ClientHold));
    assert!(statuses.contains(SettableStatus::ServerUpdateProhibited));
    assert!(outcome.publishes_all);
    let outcome = end(pending_push(), OTHER, End::Approve(Some(Arrival::Held))).unwrap();
    assert!(outcome.device.statuses.is_held());
}

#[test]
fn each_side_ends_what_is_its_to_end() {
    let other_side = || Err(Refusal::OtherSide);
    for (transfer, asking, deciding) in [
        (pending_pull(), OTHER, SPONSOR),
        (pending_push(), SPONSOR, OTHER),
    ] {
        assert_eq!(
            end(transfer.clone(), asking, End::Approve(None)),
            other_side()
        );
        assert_eq!(end(transfer.clone(), asking, End::Reject), other_side());
        assert_eq!(end(transfer.clone(), deciding, End::Cancel), other_side());
        for (actor, how, status) in [
            (asking, End::Cancel, TransferStatus::ClientCancelled),
            (deciding, End::Reject, TransferStatus::ClientRejected),
        ] {
            let outcome = end(transfer.clone(), actor, how).unwrap();
            assert_eq!(outcome.device.account, "mno-a");
            assert_eq!(told(&outcome)[0], ("asp-one", "statusChanged"));
            assert_eq!(outcome.transfer.unwrap().status, status);
        }
        let stranger = Actor {
            account: "mno-c",
            role: Role::Mno,
        };
        let seen = end(transfer, stranger, End::Reject);
        assert_eq!(seen, Err(Refusal::NotFound(id())));
    }
    let arrival = End::Approve(Some(Arrival::Held));
    assert_eq!(end(pending_pull(), SPONSOR, arrival), other_side());
    let none = decide_end(id(), &facts(), SPONSOR, End::Reject, NOW);
    assert_eq!(none, Err(Refusal::NotPendingTransfer(id())));
}

#[test]
fn a_push_goes_to_an_operator_account_and_waits_fourteen_days() {
    let push = |facts: &Facts, to, is_mno| decide_push(id(), facts, SPONSOR, to, is_mno, NOW);
    let outcome = push(&facts(), "mno-b", true).unwrap();
    assert_eq!(
        told(&outcome),
        [("asp-one", "statusChanged"), ("mno-b", "transfer")]
    );
    assert_eq!(outcome.transfer.unwrap().acting_at, NOW + 14 * DAY);
    for (to, is_mno) in [("asp-one", false), ("mno-a", true)] {
        let refused = push(&facts(), to, is_mno);
        assert!(matches!(refused, Err(Refusal::NotTransferable(_))), "{to}");
    }
    let foreign = decide_push(id(), &facts(), OTHER, "mno-b", true, NOW);
    assert_eq!(foreign, Err(Refusal::NotFound(id())));
}

#[test]
fn an_iccid_is_never_transferred() {
    let secret = AuthInfo::parse(SECRET).unwrap();
    let by_iccid = facts_with(|device| {
        device.device_id = iccid();
        device.auth_info = Some(record_of(&secret, NOW));
    });
    let pulled = decide_pull(&by_iccid, OTHER, SECRET, Arrival::AsIs, NOW);
    assert!(matches!(pulled, Err(Refusal::NotTransferable(_))));
    let pushed = decide_push(iccid(), &by_iccid, SPONSOR, "mno-b", true, NOW);
    assert!(matches!(pushed, Err(Refusal::NotTransferable(_))));
    let arrival = Arrival::AsIs;
    let to = ("mno-b", true);
    let forced = decide_force(iccid(), &by_iccid, OPERATOR, to, arrival, 12, NOW);
    assert!(matches!(forced, Err(Refusal::NotTransferable(_))));
}

#[test]
fn an_operator_decides_a_dispute_whatever_is_pending_or_prohibited() {
    let mut disputed = with_status(SettableStatus::ServerTransferProhibited);
    disputed.transfer = Some(pending_pull());
    let to = ("mno-c", true);
    let forced = decide_force(id(), &disputed, OPERATOR, to, Arrival::Held, 12, NOW);
    let outcome = forced.unwrap();
    assert_eq!(outcome.device.account, "mno-c");
    assert!(outcome.device.statuses.is_held());
    let transfer = outcome.transfer.as_ref().unwrap();
    assert_eq!(transfer.direction, Direction::Forced);
    assert_eq!(transfer.status, TransferStatus::ServerApproved);
    let interrupted = outcome.interrupted.as_ref().unwrap();
    assert_eq!(interrupted.status, TransferStatus::ServerCancelled);
    let told = |is_of_interrupted| {
        let notices = outcome.notices.iter();
        let told = notices.filter(|one| one.is_of_interrupted == is_of_interrupted);
        let told: Vec<_> = told.map(|one| one.to.as_str()).collect();
        told
    };
    assert_eq!(told(true), ["mno-a", "mno-b"]);
    assert_eq!(told(false), ["mno-a", "mno-c", "asp-one"]);
}

#[test]
fn a_deleted_device_is_forced_back_held_until_it_is_gone() {
    let force = |facts: &Facts| {
        let to = ("mno-b", true);
        decide_force(id(), facts, OPERATOR, to, Arrival::AsIs, 12, NOW)
    };
    let mut deleted = pending_delete();
    let outcome = force(&deleted).unwrap();
    let device = &outcome.device;
    assert_eq!(
        (device.account.as_str(), device.delete_requested_at),
        ("mno-b", None)
    );
    assert!(device.statuses.contains(SettableStatus::ClientHold));
    assert!(outcome.publishes_all);
    assert_eq!(
        outcome.transfer.as_ref().unwrap().arrival,
        Some(Arrival::Held)
    );
    assert_eq!(
        told(&outcome),
        [
            ("asp-one", "transfer"),
            ("mno-a", "transfer"),
            ("mno-b", "transfer")
        ]
    );
    deleted.device.as_mut().unwrap().expires_at = NOW - 1;
    let renewed = force(&deleted).unwrap().device.expires_at;
    assert_eq!(Some(renewed), months_after(NOW, 12));
    let gone = facts_with(|device| device.delete_requested_at = Some(NOW - RESTORE_WINDOW_SECS));
    assert_eq!(force(&gone), Err(Refusal::NotFound(id())));
}
