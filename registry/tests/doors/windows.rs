//! Transfers that nobody answers, and devices that move by the dozen.

use std::time::Instant;

use iot_epp_api::command::{AccountChange, JobAction, JobCommand};
use iot_epp_api::device::SettableStatus;
use iot_epp_api::job::JobState;
use iot_epp_api::message::Event;
use iot_epp_api::transfer::{Arrival, Direction, TransferStatus};
use iot_epp_api::{Command, Reply, ResultCode};
use iot_identity::DeviceId;
use iot_registry::clock::unix_now;
use iot_registry::lifecycle::{PULL_WINDOW_SECS, PUSH_WINDOW_SECS};

use crate::jobs::{carried_out, rows_of};
use crate::stage::*;
use crate::transfers::Cast;

const DAY_SECS: u64 = 24 * 3600;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_is_consent_unless_the_sponsor_prohibits_transfers() {
    let cast = Cast::open().await;
    let (open, open_active) = cast.device(1).await;
    let (locked, locked_active) = cast.device(2).await;
    let lock = SettableStatus::ClientTransferProhibited;
    cast.losing.done(clear_status(open, lock)).await;
    for id in [open, locked] {
        cast.gaining.done(pull(id, AUTH_INFO, Arrival::AsIs)).await;
    }
    cast.told().await;
    let begun = unix_now();
    cast.stage.at(begun + PULL_WINDOW_SECS - DAY_SECS).await;
    assert_eq!(
        cast.losing.sees(open).await.account,
        cast.losing.name,
        "not yet"
    );
    cast.stage.at(begun + PULL_WINDOW_SECS + 60).await;
    assert_eq!(cast.gaining.sees(open).await.account, cast.gaining.name);
    assert_eq!(cast.losing.sees(locked).await.account, cast.losing.name);
    let status = cast.losing.transfer(query(open)).await.status;
    assert_eq!(status, TransferStatus::ServerApproved);
    let status = cast.gaining.transfer(query(locked)).await.status;
    assert_eq!(status, TransferStatus::ServerCancelled);
    let both = [
        TransferStatus::ServerApproved,
        TransferStatus::ServerCancelled,
    ];
    let [losing, gaining, asp] = cast.told().await;
    for told in [losing, gaining] {
        assert!(
            told.len() == 2 && both.iter().all(|one| told.contains(one)),
            "{told:?}"
        );
    }
    assert_eq!(asp, [TransferStatus::ServerApproved]);
    assert_eq!(cast.stage.dns(open, 1).await, open_active);
    assert_eq!(cast.stage.dns(locked, 1).await, locked_active);
    cast.stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pushed_device_is_accepted_within_14_days_or_stays() {
    let cast = Cast::open().await;
    let (taken, active) = cast.device(1).await;
    let (left, left_active) = cast.device(2).await;
    for id in [taken, left] {
        let pushed = cast.losing.transfer(push(id, "mno-gaining")).await;
        let days = (pushed.acting_at - pushed.requested_at).whole_days();
        assert_eq!((pushed.direction, days), (Direction::Push, 14));
        assert_eq!(pushed.acting, cast.gaining.name);
    }
    assert_eq!(
        cast.losing.code(approve(taken, None)).await,
        ResultCode::AuthorizationError
    );
    let approved = approve(taken, Some(Arrival::AsIs));
    cast.gaining.done(approved).await;
    assert_eq!(cast.gaining.sees(taken).await.account, cast.gaining.name);
    assert_eq!(cast.stage.dns(taken, 1).await, active);
    cast.stage.at(unix_now() + PUSH_WINDOW_SECS + 60).await;
    let status = cast.losing.transfer(query(left)).await.status;
    assert_eq!(status, TransferStatus::ServerCancelled);
    assert_eq!(cast.losing.sees(left).await.account, cast.losing.name);
    assert_eq!(cast.stage.dns(left, 1).await, left_active);

    cast.losing.done(push(left, "mno-gaining")).await;
    assert_eq!(
        cast.gaining.code(cancel(left)).await,
        ResultCode::AuthorizationError
    );
    let rejected = cast.gaining.transfer(reject(left)).await;
    assert_eq!(rejected.status, TransferStatus::ClientRejected);
    cast.losing.done(push(left, "mno-gaining")).await;
    let cancelled = cast.losing.transfer(cancel(left)).await;
    assert_eq!(cancelled.status, TransferStatus::ClientCancelled);
    for (to, why) in [
        ("mno-losing", "its own"),
        ("asp-one", "no operator"),
        ("nobody", "none"),
    ] {
        let code = cast.losing.code(push(left, to)).await;
        assert_eq!(code, ResultCode::NotEligibleForTransfer, "{why}");
    }
    cast.stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_never_goes_to_an_account_that_was_disabled_meanwhile() {
    let cast = Cast::open().await;
    let (id, active) = cast.device(1).await;
    let lock = SettableStatus::ClientTransferProhibited;
    cast.losing.done(clear_status(id, lock)).await;
    cast.gaining.done(pull(id, AUTH_INFO, Arrival::AsIs)).await;
    cast.losing.messages().await;
    let disable = AccountChange::Disable;
    cast.stage.change("mno-gaining", disable).await;
    assert_eq!(
        cast.losing.code(approve(id, None)).await,
        ResultCode::NotEligibleForTransfer
    );
    cast.stage.at(unix_now() + PULL_WINDOW_SECS + 60).await;
    let status = cast.losing.transfer(query(id)).await.status;
    assert_eq!(status, TransferStatus::ServerCancelled);
    let told = cast.losing.messages().await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(cast.losing.sees(id).await.account, cast.losing.name);
    let rows = "SELECT count(*) FROM audit WHERE verb = 'transfer.overdue'";
    assert_eq!(cast.stage.count(rows).await, 1);
    assert_eq!(cast.stage.dns(id, 1).await, active);
    cast.stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_moves_with_a_result_for_each_row() {
    let cast = Cast::open().await;
    let mut fleet = Vec::new();
    for number in 0..12 {
        fleet.push(cast.device(number).await);
    }
    let foreign = eid(99);
    let mut ids: Vec<DeviceId> = fleet.iter().map(|(id, _)| *id).collect();
    ids.insert(5, foreign);
    let to = cast.gaining.name.clone();
    let pushed = carried_out(&cast.losing, JobAction::Push { to }, &rows_of(&ids)).await;
    assert_eq!(pushed.len(), 13);
    for (number, result) in pushed.iter().enumerate() {
        let expected = match number {
            5 => ResultCode::ObjectDoesNotExist,
            _ => ResultCode::CompletedPending,
        };
        assert_eq!((result.row, result.code), (number as u64 + 1, expected));
        assert_eq!(result.device_id, Some(ids[number]));
    }
    let arrival = Some(Arrival::Held);
    let action = JobAction::Approve { arrival };
    let approved = carried_out(&cast.gaining, action, &rows_of(&ids)).await;
    let failed: Vec<u64> = approved
        .iter()
        .filter(|one| !one.code.is_success())
        .map(|one| one.row)
        .collect();
    assert_eq!(failed, [6]);
    for (id, _) in &fleet {
        assert_eq!(cast.gaining.sees(*id).await.account, cast.gaining.name);
        assert_eq!(cast.stage.dns(*id, 1).await, Said::Inactive);
    }
    let woken = carried_out(&cast.gaining, JobAction::Activate, &rows_of(&ids)).await;
    assert_eq!(woken.iter().filter(|one| one.code.is_success()).count(), 12);
    for (id, active) in &fleet {
        assert_eq!(
            cast.stage.dns(*id, 1).await,
            *active,
            "the same name and certificate"
        );
    }
    let told = cast.asp.messages().await;
    let transfers = told
        .iter()
        .filter(|one| one.event == Event::Transfer)
        .count();
    assert_eq!(transfers, 12);
    let begin = Instant::now();
    let finished = loop {
        let jobs = cast.losing.done(Command::Job(JobCommand::List)).await;
        let Reply::Jobs(jobs) = jobs else {
            panic!("{jobs:?}")
        };
        if jobs[0].state == JobState::Finished || begin.elapsed() > PATIENCE {
            break jobs;
        }
    };
    assert_eq!(
        (finished[0].rows_succeeded, finished[0].rows_failed),
        (12, 1)
    );
    cast.stage.close().await;
}
