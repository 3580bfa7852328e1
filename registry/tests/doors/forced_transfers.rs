//! Transfers that an operator forces: who is told of what, and what the sides of the transfer that ends
//! with it still see.

use iot_epp_api::message::{Detail, Event};
use iot_epp_api::transfer::{Arrival, Direction, TransferInfo, TransferStatus};
use iot_epp_api::{DeviceState, DeviceStatus, ResultCode};

use crate::stage::*;
use crate::transfers::Cast;

/// Messages about transfers, oldest first; there are no others.
async fn transfers_told(party: &Party) -> Vec<TransferInfo> {
    let messages = party.messages().await;
    let transfers = messages.into_iter().map(|one| match one.detail {
        Detail::Transfer(transfer) if one.event == Event::Transfer => {
            let text = format!(
                "transfer of device {}: {}",
                transfer.device_id, transfer.status
            );
            assert_eq!(one.text, text);
            *transfer
        }
        other => panic!("{other:?}"),
    });
    transfers.collect()
}

fn ends(told: &[TransferInfo]) -> Vec<(Direction, TransferStatus)> {
    let ends = told.iter().map(|one| (one.direction, one.status));
    ends.collect()
}

const FORCED: (Direction, TransferStatus) = (Direction::Forced, TransferStatus::ServerApproved);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_had_a_transfer_that_a_forced_one_ends_is_told_of_his_own_and_sees_no_other() {
    let cast = Cast::open().await;
    let third = cast.stage.mno("mno-third").await;
    for (number, direction) in [(1, Direction::Pull), (2, Direction::Push)] {
        let (id, _) = cast.device(number).await;
        let begun = match direction {
            Direction::Pull => third.transfer(pull(id, AUTH_INFO, Arrival::AsIs)).await,
            _ => cast.losing.transfer(push(id, "mno-third")).await,
        };
        for party in [&cast.losing, &cast.gaining, &cast.asp, &third] {
            party.messages().await;
        }
        let forced = force(id, "mno-gaining", Arrival::Held);
        cast.stage.operator.done(forced).await;

        let cancelled = (direction, TransferStatus::ServerCancelled);
        let told = transfers_told(&third).await;
        assert_eq!(ends(&told), [cancelled], "his own, once");
        assert_eq!(told[0].transfer_id, begun.transfer_id);
        let shown = format!("{told:?}");
        assert!(
            !shown.contains("mno-gaining") && !shown.contains("operator"),
            "{shown}"
        );
        assert_eq!(
            third.transfer(query(id)).await,
            told[0],
            "and it sees that one"
        );
        let void = third.transfer(query_with(id, AUTH_INFO)).await;
        assert_eq!(void, told[0]);
        assert_eq!(third.code(info(id)).await, ResultCode::ObjectDoesNotExist);

        assert_eq!(
            ends(&transfers_told(&cast.losing).await),
            [cancelled, FORCED]
        );
        assert_eq!(ends(&transfers_told(&cast.gaining).await), [FORCED]);
        assert_eq!(ends(&transfers_told(&cast.asp).await), [FORCED]);
        for side in [&cast.losing, &cast.gaining] {
            let newest = side.transfer(query(id)).await;
            assert_eq!((newest.direction, newest.status), FORCED);
        }
    }
    cast.stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gets_by_force_what_he_had_asked_for_is_told_of_both_transfers_once() {
    let cast = Cast::open().await;
    let (id, _) = cast.device(1).await;
    cast.gaining.done(pull(id, AUTH_INFO, Arrival::AsIs)).await;
    for party in [&cast.losing, &cast.gaining, &cast.asp] {
        party.messages().await;
    }
    let forced = force(id, "mno-gaining", Arrival::AsIs);
    cast.stage.operator.done(forced).await;
    let cancelled = (Direction::Pull, TransferStatus::ServerCancelled);
    for side in [&cast.losing, &cast.gaining] {
        assert_eq!(ends(&transfers_told(side).await), [cancelled, FORCED]);
    }
    assert_eq!(ends(&transfers_told(&cast.asp).await), [FORCED]);
    cast.stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forced_transfer_brings_a_deleted_device_back_held() {
    let cast = Cast::open().await;
    let operator = &cast.stage.operator;
    let (id, active) = cast.device(1).await;
    operator.done(hold(id)).await;
    cast.losing.done(delete(id)).await;
    assert_eq!(cast.stage.dns(id, 1).await, Said::Absent);
    for party in [&cast.losing, &cast.gaining, &cast.asp] {
        party.messages().await;
    }
    let forced = operator
        .transfer(force(id, "mno-gaining", Arrival::AsIs))
        .await;
    assert_eq!((forced.direction, forced.status), FORCED);
    assert_eq!(
        forced.arrival,
        Some(Arrival::Held),
        "whatever was asked for"
    );
    for party in [&cast.losing, &cast.gaining, &cast.asp] {
        assert_eq!(transfers_told(party).await, std::slice::from_ref(&forced));
    }
    let seen = cast.gaining.sees(id).await;
    assert_eq!(seen.account, cast.gaining.name);
    assert_eq!(
        (seen.state, seen.restore_until),
        (DeviceState::Inactive, None)
    );
    assert!(!seen.statuses.contains(&DeviceStatus::PendingDelete));
    for status in [DeviceStatus::ClientHold, DeviceStatus::ServerHold] {
        assert!(seen.statuses.contains(&status), "{status}");
    }
    assert_eq!(cast.stage.dns(id, 1).await, Said::Inactive);
    let code = cast.losing.code(restore(id)).await;
    assert_eq!(code, ResultCode::ObjectDoesNotExist);
    operator.done(unhold(id)).await;
    assert_eq!(
        cast.stage.dns(id, 1).await,
        Said::Inactive,
        "its own hold is left"
    );
    cast.gaining.done(unhold(id)).await;
    assert_eq!(cast.stage.dns(id, 1).await, active);
    cast.stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_whose_restore_window_is_over_is_not_forced_anywhere() {
    let cast = Cast::open().await;
    let (id, _) = cast.device(1).await;
    cast.losing.done(delete(id)).await;
    let over = iot_registry::clock::unix_now() + 30 * 24 * 3600 + 60;
    cast.stage.at(over).await;
    let forced = force(id, "mno-gaining", Arrival::AsIs);
    let code = cast.stage.operator.code(forced).await;
    assert_eq!(code, ResultCode::ObjectDoesNotExist);
    assert_eq!(cast.stage.dns(id, 1).await, Said::Absent);
    cast.stage.close().await;
}
