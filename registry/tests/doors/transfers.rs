//! Devices that move between operators: pulled, forced, and what is in the way of it.

use iot_epp_api::command::AccountChange;
use iot_epp_api::device::SettableStatus;
use iot_epp_api::message::{Detail, Event, Message};
use iot_epp_api::transfer::{Arrival, Direction, TransferStatus};
use iot_epp_api::{DeviceState, DeviceStatus, ResultCode};
use iot_identity::DeviceId;

use crate::stage::*;

/// Two operators and a provider.
pub(crate) struct Cast {
    pub(crate) stage: Stage,
    pub(crate) losing: Party,
    pub(crate) gaining: Party,
    pub(crate) asp: Party,
}

impl Cast {
    pub(crate) async fn open() -> Self {
        let stage = Stage::open().await;
        let losing = stage.mno("mno-losing").await;
        let gaining = stage.mno("mno-gaining").await;
        let asp = stage.asp("asp-one").await;
        Self {
            stage,
            losing,
            gaining,
            asp,
        }
    }

    /// A device of the losing side with authorization information, bound to the provider.
    pub(crate) async fn device(&self, number: u64) -> (DeviceId, Said) {
        let id = eid(number);
        let create = create_with(id, new_csr(), Some("asp-one"));
        let issued = self.losing.issued(create).await;
        self.losing.changed(set_auth_info(id)).await;
        self.asp.messages().await;
        (id, Said::Active(issued.info.slots[0].fingerprint))
    }

    /// Messages of the kind, of all parties in the order of the fields.
    pub(crate) async fn told(&self) -> [Vec<TransferStatus>; 3] {
        let of = |messages: Vec<Message>| {
            let transfers = messages.into_iter().filter_map(|one| match one.detail {
                Detail::Transfer(transfer) if one.event == Event::Transfer => Some(transfer.status),
                _ => None,
            });
            transfers.collect()
        };
        [
            of(self.losing.messages().await),
            of(self.gaining.messages().await),
            of(self.asp.messages().await),
        ]
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pulled_device_keeps_serving_and_everybody_is_told() {
    let cast = Cast::open().await;
    let (id, active) = cast.device(1).await;
    let pulled = cast
        .gaining
        .transfer(pull(id, AUTH_INFO, Arrival::AsIs))
        .await;
    assert_eq!(pulled.direction, Direction::Pull);
    assert_eq!(pulled.status, TransferStatus::Pending);
    let days = (pulled.acting_at - pulled.requested_at).whole_days();
    assert_eq!((days, &pulled.acting), (5, &cast.losing.name));
    let seen = cast.losing.sees(id).await;
    assert!(seen.statuses.contains(&DeviceStatus::PendingTransfer));
    assert_eq!(cast.stage.dns(id, 1).await, active);
    assert_eq!(
        cast.told().await,
        [vec![TransferStatus::Pending], vec![], vec![]]
    );

    let approved = cast.losing.transfer(approve(id, None)).await;
    assert_eq!(approved.status, TransferStatus::ClientApproved);
    assert_eq!(cast.stage.dns(id, 1).await, active, "it serves as before");
    let done = TransferStatus::ClientApproved;
    assert_eq!(cast.told().await, [vec![done], vec![done], vec![done]]);

    assert_eq!(
        cast.losing.code(info(id)).await,
        ResultCode::ObjectDoesNotExist
    );
    let seen = cast.gaining.sees(id).await;
    assert_eq!(seen.account, cast.gaining.name);
    assert_eq!(seen.state, DeviceState::Active);
    assert!(seen.transferred_at.is_some());
    assert!(!seen.statuses.contains(&DeviceStatus::PendingTransfer));
    assert!(
        seen.statuses
            .contains(&DeviceStatus::ClientTransferProhibited)
    );
    assert_eq!(
        seen.slots[0].owner_name.to_string(),
        format!("1.{id}.{ZONE}")
    );
    assert!(seen.slots[0].inherited && seen.slots[0].replace_by.is_some());
    assert_eq!(seen.slots[0].asp, Some(cast.asp.name.clone()));
    let again = cast.losing.code(pull(id, AUTH_INFO, Arrival::AsIs)).await;
    assert_eq!(
        again,
        ResultCode::InvalidAuthorizationInformation,
        "it is void"
    );
    cast.stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_arrives_held_where_the_gaining_side_says_so() {
    let cast = Cast::open().await;
    let (id, active) = cast.device(1).await;
    cast.gaining.done(pull(id, AUTH_INFO, Arrival::Held)).await;
    assert_eq!(cast.stage.dns(id, 1).await, active, "until it is done");
    cast.losing.done(approve(id, None)).await;
    assert_eq!(cast.stage.dns(id, 1).await, Said::Inactive);
    let seen = cast.gaining.sees(id).await;
    assert!(seen.statuses.contains(&DeviceStatus::ClientHold));
    cast.gaining.done(unhold(id)).await;
    assert_eq!(cast.stage.dns(id, 1).await, active);
    cast.stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_window_the_loser_may_hold_but_not_renew_change_or_add_slots() {
    let cast = Cast::open().await;
    let (id, active) = cast.device(1).await;
    cast.gaining.done(pull(id, AUTH_INFO, Arrival::AsIs)).await;
    let seen = cast.losing.sees(id).await;
    for command in [
        renew(&seen),
        new_slot(id, new_csr(), None),
        set_auth_info(id),
        push(id, "mno-gaining"),
    ] {
        let code = cast.losing.code(command.clone()).await;
        assert_eq!(code, ResultCode::PendingTransfer, "{command:?}");
    }
    cast.losing.done(hold(id)).await;
    assert_eq!(cast.stage.dns(id, 1).await, Said::Inactive);
    cast.losing.done(unhold(id)).await;
    assert_eq!(cast.stage.dns(id, 1).await, active);
    cast.losing.done(hold(id)).await;
    cast.losing.done(approve(id, None)).await;
    let seen = cast.gaining.sees(id).await;
    assert!(
        seen.statuses.contains(&DeviceStatus::ClientHold),
        "a hold is never lost"
    );
    assert_eq!(cast.stage.dns(id, 1).await, Said::Inactive);
    cast.stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_is_rejected_and_cancelled_by_whom_it_is_for() {
    let cast = Cast::open().await;
    let (id, active) = cast.device(1).await;
    cast.gaining.done(pull(id, AUTH_INFO, Arrival::AsIs)).await;
    for command in [approve(id, None), reject(id)] {
        let code = cast.gaining.code(command).await;
        assert_eq!(
            code,
            ResultCode::AuthorizationError,
            "the loser answers a pull"
        );
    }
    assert_eq!(
        cast.losing.code(cancel(id)).await,
        ResultCode::AuthorizationError
    );
    let rejected = cast.losing.transfer(reject(id)).await;
    assert_eq!(rejected.status, TransferStatus::ClientRejected);
    assert_eq!(
        cast.losing.code(reject(id)).await,
        ResultCode::NotPendingTransfer
    );
    let pending = TransferStatus::Pending;
    let status = TransferStatus::ClientRejected;
    assert_eq!(
        cast.told().await,
        [vec![pending, status], vec![status], vec![]]
    );

    cast.gaining.done(pull(id, AUTH_INFO, Arrival::AsIs)).await;
    let cancelled = cast.gaining.transfer(cancel(id)).await;
    assert_eq!(cancelled.status, TransferStatus::ClientCancelled);
    let status = TransferStatus::ClientCancelled;
    assert_eq!(
        cast.told().await,
        [vec![pending, status], vec![status], vec![]]
    );
    assert_eq!(cast.losing.sees(id).await.account, cast.losing.name);
    let newest = cast.gaining.transfer(query(id)).await;
    assert_eq!(newest.status, status, "a side still sees how it ended");
    assert_eq!(cast.stage.dns(id, 1).await, active);
    cast.stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispute_ends_with_a_hold_of_the_registry_and_a_forced_transfer() {
    let cast = Cast::open().await;
    let third = cast.stage.mno("mno-third").await;
    let (id, active) = cast.device(1).await;
    third.done(pull(id, AUTH_INFO, Arrival::AsIs)).await;
    let operator = &cast.stage.operator;
    operator.done(hold(id)).await;
    assert_eq!(cast.stage.dns(id, 1).await, Said::Inactive);
    assert_eq!(
        cast.losing
            .code(clear_status(id, SettableStatus::ServerHold))
            .await,
        ResultCode::PendingTransfer
    );
    cast.losing.done(unhold(id)).await;
    assert_eq!(
        cast.stage.dns(id, 1).await,
        Said::Inactive,
        "it is not his hold"
    );
    let forced = operator
        .transfer(force(id, "mno-gaining", Arrival::AsIs))
        .await;
    assert_eq!(forced.direction, Direction::Forced);
    assert_eq!(forced.status, TransferStatus::ServerApproved);
    let seen = cast.gaining.sees(id).await;
    assert!(
        seen.statuses.contains(&DeviceStatus::ServerHold),
        "it stays held"
    );
    let lifted = cast
        .gaining
        .code(clear_status(id, SettableStatus::ServerHold))
        .await;
    assert_eq!(lifted, ResultCode::ParameterPolicy);
    assert_eq!(
        cast.losing.code(info(id)).await,
        ResultCode::ObjectDoesNotExist
    );
    assert_eq!(third.code(cancel(id)).await, ResultCode::ObjectDoesNotExist);
    assert_eq!(
        cast.gaining.code(cancel(id)).await,
        ResultCode::NotPendingTransfer
    );
    operator.done(unhold(id)).await;
    assert_eq!(cast.stage.dns(id, 1).await, active);
    cast.stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletion_ends_a_pending_transfer() {
    let cast = Cast::open().await;
    let (id, _) = cast.device(1).await;
    cast.gaining.done(pull(id, AUTH_INFO, Arrival::AsIs)).await;
    cast.losing.done(delete(id)).await;
    assert_eq!(cast.stage.dns(id, 1).await, Said::Absent);
    let status = cast.gaining.transfer(query(id)).await.status;
    assert_eq!(status, TransferStatus::ServerCancelled);
    let pulled = cast.gaining.code(pull(id, AUTH_INFO, Arrival::AsIs)).await;
    assert_eq!(pulled, ResultCode::InvalidAuthorizationInformation);
    cast.losing.done(restore(id)).await;
    let pulled = cast.gaining.code(pull(id, AUTH_INFO, Arrival::AsIs)).await;
    assert_eq!(
        pulled,
        ResultCode::InvalidAuthorizationInformation,
        "void for ever"
    );
    cast.stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_transfer_command_is_answered_with_its_first_result() {
    let cast = Cast::open().await;
    let (id, _) = cast.device(1).await;
    let first = cast
        .gaining
        .give_as(pull(id, AUTH_INFO, Arrival::AsIs), "pull-1")
        .await;
    let again = cast
        .gaining
        .give_as(pull(id, AUTH_INFO, Arrival::AsIs), "pull-1")
        .await;
    assert!(!first.replayed && again.replayed);
    assert_eq!(first.outcome, again.outcome);
    let first = cast.losing.give_as(approve(id, None), "approve-1").await;
    let again = cast.losing.give_as(approve(id, None), "approve-1").await;
    assert!(first.outcome.is_ok() && again.replayed, "{again:?}");
    assert_eq!(cast.stage.count("SELECT count(*) FROM transfer").await, 1);
    cast.stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejection_is_not_taken_for_that_of_an_earlier_transfer() {
    let cast = Cast::open().await;
    let (id, _) = cast.device(1).await;
    for _ in 0..2 {
        cast.gaining.done(pull(id, AUTH_INFO, Arrival::AsIs)).await;
        let rejected = cast.losing.give_as(reject(id), "reject-1").await;
        assert!(
            rejected.outcome.is_ok() && !rejected.replayed,
            "{rejected:?}"
        );
        let again = cast.losing.give_as(reject(id), "reject-1").await;
        assert!(
            again.replayed && again.outcome == rejected.outcome,
            "{again:?}"
        );
        let pending = "SELECT count(*) FROM transfer WHERE status = 'pending'";
        assert_eq!(cast.stage.count(pending).await, 0);
    }
    cast.stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_device_comes_to_an_account_that_may_have_no_more() {
    let cast = Cast::open().await;
    let (first, _) = cast.device(1).await;
    let (second, _) = cast.device(2).await;
    let (third, _) = cast.device(3).await;
    // Silence would carry it out.
    cast.losing
        .changed(clear_status(
            second,
            SettableStatus::ClientTransferProhibited,
        ))
        .await;
    cast.losing.transfer(push(first, "mno-gaining")).await;
    cast.gaining
        .transfer(pull(second, AUTH_INFO, Arrival::AsIs))
        .await;
    cast.stage
        .change("mno-gaining", AccountChange::SetDevicesMax(0))
        .await;
    let code = cast
        .gaining
        .code(pull(third, AUTH_INFO, Arrival::AsIs))
        .await;
    assert_eq!(code, ResultCode::DataManagementPolicy);
    let accepted = cast.gaining.code(approve(first, None)).await;
    assert_eq!(accepted, ResultCode::NotEligibleForTransfer);
    let approved = cast.losing.code(approve(second, None)).await;
    assert_eq!(approved, ResultCode::NotEligibleForTransfer);
    let forced = force(third, "mno-gaining", Arrival::AsIs);
    let forced = cast.stage.operator.code(forced).await;
    assert_eq!(forced, ResultCode::NotEligibleForTransfer);
    let late = iot_registry::clock::unix_now() + 20 * 24 * 3600;
    cast.stage.at(late).await;
    let moved = "SELECT count(*) FROM device WHERE account = 'mno-gaining'";
    assert_eq!(cast.stage.count(moved).await, 0);
    let pending = "SELECT count(*) FROM transfer WHERE status = 'pending'";
    assert_eq!(cast.stage.count(pending).await, 0);
    cast.stage.close().await;
}
