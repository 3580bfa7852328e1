//! What stays of devices and slots that are no more.

use std::sync::Arc;

use iot_dns_zone::{KSK_FILE, ZSK_FILE};
use iot_epp_api::command::AccountChange;
use iot_epp_api::device::WithdrawReason;
use iot_epp_api::{DeviceState, ResultCode, SlotState};
use iot_registry::clock::unix_now;
use iot_registry::lifecycle::RESTORE_WINDOW_SECS;
use iot_registry::store::{ChangeDevice, Changed, Origin, Wish};
use rcgen::KeyPair;

use crate::stage::*;

/// The device's deletion lies so long back that its restore window is over.
async fn delete_long_ago(stage: &Stage, mno: &Party, id: iot_identity::DeviceId) {
    let origin = Origin {
        account: mno.name.to_string(),
        door: "json",
        verb: "device.delete",
        client_transaction_id: None,
        server_transaction_id: "IOTR-long-ago".to_owned(),
        digest: [0; 32],
    };
    let step = ChangeDevice {
        origin,
        role: mno.role,
        zone: iot_identity::ZoneName::parse(ZONE).unwrap(),
        device_id: id,
        wish: Wish::Delete,
        if_version: None,
        now: unix_now() - RESTORE_WINDOW_SECS - 60,
    };
    let changed = stage.commit(step).await;
    assert!(matches!(changed, Changed::Done(_)), "{changed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_id_is_registered_again_with_the_next_slot_and_un_revokes_nothing() {
    let stage = Stage::open().await;
    let (one, two) = (stage.mno("mno-a").await, stage.mno("mno-b").await);
    let id = eid(1);
    let (key, spare) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let first = one.issued(create_with(id, csr_of(&key), None)).await.info;
    one.issued(new_slot(id, csr_of(&spare), None)).await;
    one.changed(withdraw(id, 2, WithdrawReason::Compromised))
        .await;
    one.changed(delete(id)).await;
    assert_eq!(
        one.code(create(id)).await,
        ResultCode::ObjectExists,
        "within the window"
    );
    assert_eq!(two.code(create(id)).await, ResultCode::ObjectExists);
    one.changed(restore(id)).await;
    delete_long_ago(&stage, &one, id).await;
    assert_eq!(one.code(info(id)).await, ResultCode::ObjectDoesNotExist);
    assert_eq!(one.code(restore(id)).await, ResultCode::ObjectDoesNotExist);

    for old in [&key, &spare] {
        let code = two.code(create_with(id, csr_of(old), None)).await;
        assert_eq!(
            code,
            ResultCode::AssociationProhibits,
            "its keys are refused for ever"
        );
    }
    let issued = two.issued(create(id)).await;
    assert_eq!(issued.certificate.slot, slot(3));
    assert_ne!(issued.info.repository_id, first.repository_id);
    assert_eq!(stage.dns(id, 1).await, Said::Inactive);
    assert_eq!(stage.dns(id, 2).await, Said::Inactive);
    assert!(matches!(stage.dns(id, 3).await, Said::Active(_)));
    two.changed(hold(id)).await;
    two.changed(unhold(id)).await;
    assert_eq!(stage.dns(id, 1).await, Said::Inactive);
    let seen = two.sees(id).await;
    assert_eq!(seen.state, DeviceState::Active);
    for number in [1, 2] {
        let state = seen.slots.iter().find(|one| one.slot == slot(number));
        assert!(
            state.is_none_or(|one| one.state == SlotState::Withdrawn),
            "{seen:?}"
        );
    }
    assert_eq!(one.code(info(id)).await, ResultCode::ObjectDoesNotExist);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_device_takes_its_place_until_it_can_be_restored_no_longer() {
    let stage = Stage::open().await;
    let (one, two) = (stage.mno("mno-a").await, stage.mno("mno-b").await);
    stage.change("mno-a", AccountChange::SetDevicesMax(1)).await;
    one.issued(create(eid(1))).await;
    one.changed(delete(eid(1))).await;
    stage.at(unix_now()).await;
    let code = one.code(create(eid(2))).await;
    assert_eq!(code, ResultCode::DataManagementPolicy, "it may be restored");
    one.changed(restore(eid(1))).await;
    delete_long_ago(&stage, &one, eid(1)).await;
    stage.at(unix_now()).await;
    one.issued(create(eid(2))).await;
    let purged = "SELECT count(*) FROM audit WHERE verb = 'registry.purge' AND after IS NULL";
    assert_eq!(stage.count(purged).await, 1);
    assert_eq!(stage.dns(eid(1), 1).await, Said::Absent);
    let again = two.issued(create(eid(1))).await;
    assert_eq!(again.certificate.slot, slot(2), "a slot is used once");
    assert_eq!(stage.dns(eid(1), 1).await, Said::Inactive);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_of_a_withdrawn_slot_is_refused_for_ever_and_everywhere() {
    let stage = Stage::open().await;
    let (one, two) = (stage.mno("mno-a").await, stage.mno("mno-b").await);
    let key = KeyPair::generate().unwrap();
    one.issued(create_with(eid(1), csr_of(&key), None)).await;
    let live = two.code(create_with(eid(2), csr_of(&key), None)).await;
    assert_eq!(live, ResultCode::AssociationProhibits);
    one.changed(withdraw(eid(1), 1, WithdrawReason::Compromised))
        .await;
    for (party, command) in [
        (&one, new_slot(eid(1), csr_of(&key), None)),
        (&one, create_with(eid(2), csr_of(&key), None)),
        (&two, create_with(eid(3), csr_of(&key), None)),
    ] {
        assert_eq!(party.code(command).await, ResultCode::AssociationProhibits);
    }
    assert_eq!(stage.count("SELECT count(*) FROM credential").await, 1);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_device_gets_a_key_of_the_registry_itself() {
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let trust = stage.directory.trust();
    let zone = stage.directory.zone();
    let mut own = vec![zone.join(KSK_FILE), zone.join(ZSK_FILE)];
    own.extend(["device", "service", "account"].map(|root| trust.join(root).join("root.key.pem")));
    own.extend(["device/issuing.key.pem", "service/server.key.pem"].map(|key| trust.join(key)));
    let keys = own.iter().map(|path| {
        let pem = std::fs::read_to_string(path).unwrap();
        KeyPair::from_pem(&pem).unwrap()
    });
    for key in keys {
        let code = mno.code(create_with(eid(1), csr_of(&key), None)).await;
        assert_eq!(code, ResultCode::AssociationProhibits);
    }
    assert_eq!(stage.count("SELECT count(*) FROM intent").await, 0);
    mno.issued(create(eid(1))).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_comes_after_the_deletion_of_its_device_never_counts() {
    let stage = Stage::open().await;
    let mno = Arc::new(stage.mno("mno-a").await);
    let mut late = 0;
    for number in 1..6 {
        let id = eid(number);
        mno.issued(create(id)).await;
        let slots = (0..4).map(|_| new_slot(id, new_csr(), None));
        let tasks: Vec<_> = slots
            .chain([delete(id)])
            .map(|command| {
                let mno = Arc::clone(&mno);
                tokio::spawn(async move { mno.code(command).await })
            })
            .collect();
        let mut codes = Vec::new();
        for task in tasks {
            codes.push(task.await.unwrap());
        }
        assert_eq!(codes.pop(), Some(ResultCode::Completed), "the deletion");
        late += codes.iter().filter(|code| !code.is_success()).count();
        stage.settled().await;
        for number in 1..7 {
            assert_eq!(stage.dns(id, number).await, Said::Absent, "slot {number}");
        }
    }
    assert!(late > 0, "no deletion came before its certificates");
    assert_eq!(stage.count("SELECT count(*) FROM intent").await, 0);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_earlier_registration_of_an_id_tells_the_next_sponsor_and_the_old_provider_nothing() {
    let stage = Stage::open().await;
    let sponsor = stage.mno("mno-sponsor").await;
    let next = stage.mno("mno-next").await;
    let id = eid(7);
    let old_provider = stage.asp("asp-old").await;
    let third = stage.mno("mno-third").await;
    let create_it = create_with(id, new_csr(), Some("asp-old"));
    sponsor.issued(create_it).await;
    sponsor.done(push(id, "mno-third")).await;
    third.done(reject(id)).await;
    delete_long_ago(&stage, &sponsor, id).await;
    // Registrations are told apart by the second.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    next.issued(create(id)).await;
    assert_eq!(
        old_provider.code(info(id)).await,
        ResultCode::ObjectDoesNotExist
    );
    let seen = format!("{:?}", next.sees(id).await);
    assert!(
        !seen.contains("asp-old") && !seen.contains("mno-sponsor"),
        "{seen}"
    );
    assert_eq!(next.code(query(id)).await, ResultCode::NotPendingTransfer);
    let own = third.transfer(query(id)).await;
    assert_eq!(
        own.losing.as_str(),
        "mno-sponsor",
        "who took part still sees it"
    );
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_comes_after_its_device_has_gone_to_another_sponsor_never_counts() {
    let stage = Stage::open().await;
    let mno = Arc::new(stage.mno("mno-a").await);
    let gaining = stage.mno("mno-b").await;
    let (mut late, mut issued) = (0, 0);
    for number in 1..9 {
        let id = eid(number);
        mno.issued(create(id)).await;
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let (mno, asked) = (Arc::clone(&mno), new_slot(id, new_csr(), None));
                tokio::spawn(async move { mno.code(asked).await })
            })
            .collect();
        let moved = force(id, "mno-b", iot_epp_api::transfer::Arrival::AsIs);
        stage.operator.done(moved).await;
        let slots = gaining.sees(id).await.slots.len();
        for task in tasks {
            match task.await.unwrap().is_success() {
                true => issued += 1,
                false => late += 1,
            }
        }
        let seen = gaining.sees(id).await;
        assert_eq!(seen.slots.len(), slots, "none of them came afterwards");
        assert!(seen.slots.iter().all(|one| one.inherited), "{seen:?}");
    }
    assert!(
        late > 0,
        "no transfer came before its certificates ({issued} did)"
    );
    assert_eq!(stage.count("SELECT count(*) FROM intent").await, 0);
    stage.close().await;
}
