//! What the DNS says in every state of a device and its slots, and what time does by itself.

use iot_epp_api::command::DeviceChange;
use iot_epp_api::device::{SettableStatus, SlotReason, WithdrawReason};
use iot_epp_api::message::{Event, Message};
use iot_epp_api::{DeviceState, DeviceStatus, ResultCode, SlotState};

use crate::stage::*;

const DAY_SECS: u64 = 24 * 3600;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dns_says_what_the_state_table_says() {
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let id = eid(1);
    assert_eq!(stage.dns(id, 1).await, Said::Absent, "never registered");
    let issued = mno.issued(create(id)).await;
    let active = Said::Active(issued.info.slots[0].fingerprint);
    assert_eq!(issued.info.state, DeviceState::Active);
    assert_eq!(stage.dns(id, 1).await, active);
    assert_eq!(stage.dns(id, 2).await, Said::Absent, "no such slot");

    let held = mno.changed(hold(id)).await;
    assert_eq!(held.state, DeviceState::Inactive);
    assert_eq!(stage.dns(id, 1).await, Said::Inactive, "clientHold");
    stage.operator.changed(hold(id)).await;
    mno.changed(unhold(id)).await;
    assert_eq!(stage.dns(id, 1).await, Said::Inactive, "serverHold");
    stage.operator.changed(unhold(id)).await;
    assert_eq!(stage.dns(id, 1).await, active);

    let deleted = mno.changed(delete(id)).await;
    assert_eq!(deleted.state, DeviceState::PendingDelete);
    assert!(deleted.restore_until.is_some());
    assert_eq!(stage.dns(id, 1).await, Said::Absent, "pendingDelete");
    let restored = mno.changed(restore(id)).await;
    assert!(
        restored.statuses.contains(&DeviceStatus::ClientHold),
        "it comes back held"
    );
    assert_eq!(stage.dns(id, 1).await, Said::Inactive);
    mno.changed(unhold(id)).await;
    assert_eq!(stage.dns(id, 1).await, active);

    let withdrawn = mno
        .changed(withdraw(id, 1, WithdrawReason::Compromised))
        .await;
    assert_eq!(stage.dns(id, 1).await, Said::Inactive, "withdrawn");
    assert!(
        withdrawn.statuses.contains(&DeviceStatus::Inactive),
        "no live slot"
    );
    mno.changed(hold(id)).await;
    mno.changed(unhold(id)).await;
    assert_eq!(
        stage.dns(id, 1).await,
        Said::Inactive,
        "withdrawn is for ever"
    );
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_slot_overlaps_with_the_old_one_until_that_is_withdrawn() {
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let id = eid(1);
    let first = mno.issued(create(id)).await.info.slots[0].fingerprint;
    let issued = mno.issued(new_slot(id, new_csr(), None)).await;
    assert_eq!(issued.certificate.slot, slot(2));
    assert_eq!(issued.info.slots.len(), 2);
    let second = issued.info.slots[1].fingerprint;
    assert_eq!(stage.dns(id, 1).await, Said::Active(first));
    assert_eq!(stage.dns(id, 2).await, Said::Active(second));
    let after = mno
        .changed(withdraw(id, 1, WithdrawReason::Superseded))
        .await;
    assert_eq!(after.slots[0].state, SlotState::Withdrawn);
    assert_eq!(after.slots[0].reason, Some(SlotReason::Superseded));
    assert_eq!(after.state, DeviceState::Active);
    assert_eq!(stage.dns(id, 1).await, Said::Inactive);
    assert_eq!(stage.dns(id, 2).await, Said::Active(second));
    let code = mno.code(withdraw(id, 3, WithdrawReason::Superseded)).await;
    assert_eq!(code, ResultCode::ParameterRange);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_a_device_less_trusted_is_accepted_in_every_state() {
    let stage = Stage::open().await;
    let (mno, other) = (stage.mno("mno-a").await, stage.mno("mno-b").await);
    let locks = [
        SettableStatus::ClientUpdateProhibited,
        SettableStatus::ClientRenewProhibited,
        SettableStatus::ClientTransferProhibited,
    ];
    let changes = locks.map(DeviceChange::AddStatus);
    for state in [
        "locked",
        "locked by the registry",
        "pendingTransfer",
        "pendingDelete",
    ] {
        let id = eid(state.len() as u64);
        mno.issued(create(id)).await;
        match state {
            "locked" => drop(mno.changed(update(id, &changes)).await),
            "locked by the registry" => {
                let lock = SettableStatus::ServerUpdateProhibited;
                drop(stage.operator.changed(set_status(id, lock)).await);
            }
            "pendingTransfer" => {
                mno.changed(set_auth_info(id)).await;
                let arrival = iot_epp_api::transfer::Arrival::AsIs;
                drop(other.done(pull(id, AUTH_INFO, arrival)).await);
            }
            _ => drop(mno.changed(delete(id)).await),
        }
        mno.changed(hold(id)).await;
        stage.operator.changed(hold(id)).await;
        let info = mno
            .changed(withdraw(id, 1, WithdrawReason::Compromised))
            .await;
        assert_eq!(info.slots[0].state, SlotState::Withdrawn, "{state}");
        let said = if state == "pendingDelete" {
            Said::Absent
        } else {
            Said::Inactive
        };
        assert_eq!(stage.dns(id, 1).await, said, "{state}");
        if state != "pendingDelete" {
            mno.changed(delete(id)).await;
            assert_eq!(stage.dns(id, 1).await, Said::Absent, "{state}");
        }
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prohibitions_prohibit_and_their_owner_lifts_them() {
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let id = eid(1);
    let info = mno.issued(create(id)).await.info;
    for (lock, command) in [
        (SettableStatus::ClientDeleteProhibited, delete(id)),
        (SettableStatus::ClientRenewProhibited, renew(&info)),
        (SettableStatus::ClientUpdateProhibited, set_auth_info(id)),
        (
            SettableStatus::ClientUpdateProhibited,
            new_slot(id, new_csr(), None),
        ),
    ] {
        mno.changed(set_status(id, lock)).await;
        assert_eq!(
            mno.code(command).await,
            ResultCode::StatusProhibits,
            "{lock}"
        );
        mno.changed(clear_status(id, lock)).await;
    }
    for (lock, command) in [
        (SettableStatus::ServerDeleteProhibited, delete(id)),
        (SettableStatus::ServerRenewProhibited, renew(&info)),
        (SettableStatus::ServerUpdateProhibited, set_auth_info(id)),
        (
            SettableStatus::ServerTransferProhibited,
            push(id, "operator"),
        ),
    ] {
        assert_eq!(
            mno.code(set_status(id, lock)).await,
            ResultCode::ParameterPolicy
        );
        stage.operator.changed(set_status(id, lock)).await;
        let code = mno.code(command).await;
        assert!(!code.is_success(), "{lock}");
        stage.operator.changed(clear_status(id, lock)).await;
    }
    let renewed = mno.changed(renew(&info)).await;
    assert_eq!(renewed.expires_at.year(), info.expires_at.year() + 10);
    assert_eq!(renewed.slots, info.slots, "certificates stay as they are");
    assert_eq!(
        mno.code(renew(&info)).await,
        ResultCode::ParameterRange,
        "a retry extends nothing"
    );
    stage.close().await;
}

fn of(event: Event, messages: &[Message]) -> usize {
    messages.iter().filter(|one| one.event == event).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_ends_by_itself_after_messages_90_30_and_7_days_before() {
    let stage = Stage::open().await;
    let (mno, asp) = (stage.mno("mno-a").await, stage.asp("asp-one").await);
    let id = eid(1);
    let issued = mno
        .issued(create_with(id, new_csr(), Some("asp-one")))
        .await;
    let end = u64::try_from(issued.info.slots[0].not_after.unix_timestamp()).unwrap();
    asp.messages().await;
    stage.at(end - 91 * DAY_SECS).await;
    assert!(mno.messages().await.is_empty());
    for days in [89, 29, 6] {
        stage.at(end - days * DAY_SECS).await;
        stage.at(end - days * DAY_SECS + 3600).await;
        for party in [&mno, &asp] {
            let told = party.messages().await;
            assert_eq!(
                (told.len(), of(Event::SlotExpires, &told)),
                (1, 1),
                "{days} days"
            );
        }
    }
    stage.at(end).await;
    assert!(
        matches!(stage.dns(id, 1).await, Said::Active(_)),
        "the last second"
    );
    stage.at(end + 1).await;
    assert_eq!(stage.dns(id, 1).await, Said::Inactive);
    for party in [&mno, &asp] {
        let told = party.messages().await;
        assert_eq!((told.len(), of(Event::SlotExpired, &told)), (1, 1));
    }
    let seen = mno.sees(id).await;
    assert_eq!(seen.slots[0].state, SlotState::Expired);
    assert!(seen.statuses.contains(&DeviceStatus::Inactive));
    mno.changed(hold(id)).await;
    mno.changed(unhold(id)).await;
    assert_eq!(
        stage.dns(id, 1).await,
        Said::Inactive,
        "expired is for ever"
    );
    let fresh = mno.issued(new_slot(id, new_csr(), None)).await;
    assert_eq!(fresh.certificate.slot, slot(2));
    assert!(matches!(stage.dns(id, 2).await, Said::Active(_)));
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registration_ends_by_itself_and_can_be_restored() {
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let id = eid(1);
    let short = iot_epp_api::command::DeviceCommand::Create {
        device_id: id,
        csr: new_csr(),
        period: Some("P12M".parse().unwrap()),
        asp: None,
        auth_info: None,
    };
    let issued = mno.issued(iot_epp_api::Command::Device(short)).await;
    let end = u64::try_from(issued.info.expires_at.unix_timestamp()).unwrap();
    for days in [89, 29, 6] {
        stage.at(end - days * DAY_SECS).await;
        let told = mno.messages().await;
        assert_eq!(
            of(Event::RegistrationExpires, &told),
            1,
            "{days} days: {told:?}"
        );
    }
    stage.at(end + 1).await;
    assert_eq!(stage.dns(id, 1).await, Said::Absent);
    assert_eq!(of(Event::RegistrationExpired, &mno.messages().await), 1);
    assert_eq!(mno.sees(id).await.state, DeviceState::PendingDelete);
    mno.changed(restore(id)).await;
    assert_eq!(stage.dns(id, 1).await, Said::Inactive);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_has_no_more_than_sixteen_live_slots_and_a_hold_looks_at_those_alone() {
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let id = eid(1);
    mno.issued(create(id)).await;
    for _ in 2..=16 {
        mno.issued(new_slot(id, new_csr(), None)).await;
    }
    let one_more = new_slot(id, new_csr(), None);
    let refused = mno.refused(one_more.clone()).await;
    assert_eq!(refused.code, ResultCode::DataManagementPolicy, "{refused}");
    mno.changed(withdraw(id, 1, WithdrawReason::Superseded))
        .await;
    assert_eq!(mno.issued(one_more).await.certificate.slot, slot(17));
    let rows = "SELECT count(*) FROM journal";
    let before = stage.count(rows).await;
    mno.changed(hold(id)).await;
    assert_eq!(stage.count(rows).await, before + 16);
    assert!(matches!(stage.dns(id, 17).await, Said::Inactive));
    mno.changed(unhold(id)).await;
    assert!(matches!(stage.dns(id, 17).await, Said::Active(_)));
    assert!(matches!(stage.dns(id, 1).await, Said::Inactive));
    stage.close().await;
}
