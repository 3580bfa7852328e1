//! What may happen to a device and what the DNS then says of it, through the real door; with the
//! time handed to the store's steps where weeks have to pass.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod crafted;
mod inside;

use crafted::Draft;
use inside::{
    EID, Inside, TYPE_CERT, ZONE, activate, create, deactivate, delete, device_id, done,
    fingerprint_of, info, issued, refused, transaction,
};
use iot_epp_api::command::TransferCommand;
use iot_epp_api::{AccountName, Command, DeviceState, DeviceStatus, Reply, ResultCode, Role};
use iot_identity::{OwnerName, Publication, Slot, ZoneName};
use iot_registry::ca::TbsDevice;
use iot_registry::clock::unix_now;
use iot_registry::csr::{AcceptedCsr, accept};
use iot_registry::https_client::HttpsClient;
use iot_registry::lifecycle::{RESTORE_WINDOW_SECS, Refusal};
use iot_registry::store::{
    ChangeDevice, Changed, Complete, Completed, Expire, Origin, Purpose, Reserve, Reserved, Wish,
};

const WEEK_SECS: u64 = 7 * 24 * 3600;
const VALIDITY_SECS: u64 = 365 * 24 * 3600;

fn publication(inside: &Inside, slot: u16) -> Publication {
    let snapshot = inside.running.core.service.publisher().reader().snapshot();
    let slot = Slot::new(slot).unwrap();
    snapshot.publication(device_id(EID), slot).unwrap()
}

fn zone() -> ZoneName {
    ZoneName::parse(ZONE).unwrap()
}

fn origin(account: &str, client_transaction_id: &str, digest: [u8; 32]) -> Origin {
    Origin {
        account: account.to_owned(),
        door: "json",
        verb: "device.create",
        client_transaction_id: Some(client_transaction_id.to_owned()),
        server_transaction_id: "test".to_owned(),
        digest,
    }
}

fn accepted(draft: &Draft) -> AcceptedCsr {
    accept(&draft.der(), device_id(EID), &zone()).unwrap()
}

fn registration(now: u64) -> Purpose {
    Purpose::Registration {
        expires_at: now + 10 * VALIDITY_SECS,
        auth_info: None,
    }
}

/// Asks the store to register [`EID`] with a key at a time.
async fn reserve(inside: &Inside, origin: &Origin, key: &Draft, now: u64) -> Reserved {
    let step = Reserve {
        origin: origin.clone(),
        role: Role::Mno,
        device_id: device_id(EID),
        purpose: registration(now),
        asp: None,
        if_version: None,
        key_hash: accepted(key).key_hash(),
        serial: serial_of(key),
        closed: None,
        now,
    };
    inside
        .running
        .core
        .service
        .store()
        .commit(step)
        .await
        .unwrap()
}

fn reserved_slot(reserved: Reserved) -> Slot {
    match reserved {
        Reserved::Slot(reservation) => reservation.slot,
        other => panic!("not reserved: {other:?}"),
    }
}

/// Every key gets a serial number of its own.
fn serial_of(key: &Draft) -> [u8; 16] {
    accepted(key).key_hash()[..16].try_into().unwrap()
}

/// Asks the store for a change of [`EID`] at a time.
async fn change_at(inside: &Inside, wish: Wish, now: u64) -> Changed {
    let step = ChangeDevice {
        origin: origin("mno-a", "step", [7; 32]),
        role: Role::Mno,
        zone: zone(),
        device_id: device_id(EID),
        wish,
        if_version: None,
        now,
    };
    inside
        .running
        .core
        .service
        .store()
        .commit(step)
        .await
        .unwrap()
}

async fn registered(role_name: &str) -> (Inside, HttpsClient, Draft) {
    let inside = Inside::start().await;
    let client = inside.client(&inside.account(role_name, Role::Mno).await);
    let key = Draft::new();
    let command = create(EID, &key.der());
    done(client.give_as(command, transaction("first")).await.unwrap());
    (inside, client, key)
}

async fn change(client: &HttpsClient, command: Command) -> (DeviceState, Vec<DeviceStatus>) {
    match done(client.give(command).await.unwrap()) {
        Reply::Changed { info, .. } => (info.state, info.statuses),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_device_can_be_held_but_not_brought_back_by_activation() {
    let (inside, client, _) = registered("mno-a").await;
    let (state, _) = change(&client, delete(EID)).await;
    assert_eq!(state, DeviceState::PendingDelete);
    assert_eq!(publication(&inside, 1), Publication::Absent);

    let (state, statuses) = change(&client, deactivate(EID)).await;
    assert_eq!(state, DeviceState::PendingDelete);
    for status in [DeviceStatus::ClientHold, DeviceStatus::PendingDelete] {
        assert!(statuses.contains(&status), "{statuses:?}");
    }
    assert_eq!(publication(&inside, 1), Publication::Absent);

    let before = inside.trace().await;
    for command in [activate(EID), delete(EID)] {
        let problem = refused(client.give(command).await.unwrap());
        assert_eq!(problem.code, ResultCode::StatusProhibits);
        assert!(problem.reason.contains("deleted"), "{}", problem.reason);
    }
    assert_eq!(inside.trace().await, before);
    // Not even a start brings it back.
    let inside = inside.restart().await;
    assert_eq!(publication(&inside, 1), Publication::Absent);
    inside.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_that_a_deletion_ends_is_pending_for_nobody() {
    let (inside, client, _) = registered("mno-a").await;
    let other = inside.client(&inside.account("mno-b", Role::Mno).await);
    let device_id = device_id(EID);
    let to = AccountName::parse("mno-b").unwrap();
    let push = Command::Transfer(TransferCommand::Push { device_id, to });
    done(client.give(push).await.unwrap());
    let pending = DeviceStatus::PendingTransfer;
    let (_, statuses) = change(&client, deactivate(EID)).await;
    assert!(statuses.contains(&pending), "{statuses:?}");
    let (state, statuses) = change(&client, delete(EID)).await;
    assert_eq!(state, DeviceState::PendingDelete);
    assert!(!statuses.contains(&pending), "{statuses:?}");
    let approve = Command::Transfer(TransferCommand::Approve {
        device_id,
        arrival: None,
    });
    let problem = refused(other.give(approve).await.unwrap());
    assert_eq!(problem.code, ResultCode::ObjectDoesNotExist);
    inside.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_hold_is_lifted_by_operators_only() {
    let (inside, client, _) = registered("mno-a").await;
    let operator = inside.client(&inside.operator_token());
    let holds_of = |(state, statuses): (DeviceState, Vec<DeviceStatus>)| {
        assert_eq!(state, DeviceState::Inactive);
        let holds = [DeviceStatus::ServerHold, DeviceStatus::ClientHold];
        holds.map(|hold| statuses.contains(&hold))
    };
    let changed = change(&operator, deactivate(EID)).await;
    assert_eq!(holds_of(changed), [true, false]);
    // The sponsor's command succeeds, as far as it is his.
    for _ in 0..2 {
        let changed = change(&client, activate(EID)).await;
        assert_eq!(holds_of(changed), [true, false]);
        assert_eq!(publication(&inside, 1), Publication::Inactive);
    }
    change(&client, deactivate(EID)).await;
    let changed = change(&operator, activate(EID)).await;
    assert_eq!(holds_of(changed), [false, true]);
    assert_eq!(publication(&inside, 1), Publication::Inactive);
    let (state, _) = change(&client, activate(EID)).await;
    assert_eq!(state, DeviceState::Active);
    assert!(matches!(publication(&inside, 1), Publication::Active(_)));
    inside.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn result_of_a_create_is_kept_for_seven_days() {
    let (inside, _, key) = registered("mno-a").await;
    inside.account("mno-b", Role::Mno).await;
    let created_at = inside.count("SELECT created_at FROM idempotency").await as u64;
    let digest = {
        let query = "SELECT request_digest FROM idempotency";
        let digest = inside.database().query_row(query, [], |row| row.get(0));
        digest.unwrap()
    };
    let same = origin("mno-a", "first", digest);
    let other = origin("mno-a", "first", [0; 32]);
    let foreign = origin("mno-b", "first", digest);
    let within = created_at + WEEK_SECS - 1;
    let before = inside.trace().await;
    let replayed = reserve(&inside, &same, &key, within).await;
    assert!(
        matches!(replayed, Reserved::Replay { rows: Some((1, 1)) }),
        "{replayed:?}"
    );
    let refused = reserve(&inside, &other, &key, within).await;
    assert!(matches!(refused, Reserved::OtherContent), "{refused:?}");
    for (origin, now) in [
        (&foreign, within),
        (&same, within + 1),
        (&other, within + 1),
    ] {
        let refused = reserve(&inside, origin, &key, now).await;
        assert!(
            matches!(refused, Reserved::Refused(Refusal::Exists(_))),
            "{refused:?}"
        );
    }
    assert_eq!(inside.trace().await, before);
    inside.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn id_deleted_thirty_days_ago_is_registered_anew_in_the_next_slot() {
    let (inside, client, first_key) = registered("mno-a").await;
    let mno_b = inside.account("mno-b", Role::Mno).await;
    // Long ago, as the store is told.
    let now = unix_now();
    let deleted_at = now - RESTORE_WINDOW_SECS;
    let deleted = change_at(&inside, Wish::Delete, deleted_at).await;
    assert!(matches!(deleted, Changed::Done(_)), "{deleted:?}");
    inside.running.core.service.publisher().journal_grew();
    let before = inside.trace().await;
    assert_eq!(publication(&inside, 1), Publication::Absent);

    // Now it is gone for everybody, its sponsor included.
    assert_eq!(
        refused(client.give(info(EID)).await.unwrap()).code,
        ResultCode::ObjectDoesNotExist
    );
    let late = change_at(&inside, Wish::Hold(true), now).await;
    assert!(
        matches!(late, Changed::Refused(Refusal::NotFound(_))),
        "{late:?}"
    );
    // One second earlier it was still taken; and its key stays used for good.
    let second_key = Draft::new();
    let by_b = origin("mno-b", "second", [9; 32]);
    let refused_exists = reserve(&inside, &by_b, &second_key, now - 1).await;
    assert!(matches!(
        refused_exists,
        Reserved::Refused(Refusal::Exists(_))
    ));
    let refused_key = reserve(&inside, &by_b, &first_key, now).await;
    assert!(matches!(refused_key, Reserved::Refused(Refusal::KeyKnown)));
    assert_eq!(inside.trace().await, before);

    // Another account registers it, through the door.
    let client_b = inside.client(&mno_b);
    let reply = done(client_b.give(create(EID, &second_key.der())).await.unwrap());
    let info = &issued(&reply).info;
    assert_eq!(info.account.as_str(), "mno-b");
    let slots: Vec<u16> = info.slots.iter().map(|slot| slot.slot.get()).collect();
    assert_eq!(slots, [1, 2]);
    let second = fingerprint_of(&reply);
    assert_eq!(publication(&inside, 2), Publication::Active(second));
    // The first credential is listed again, and withdrawn for good.
    assert_eq!(publication(&inside, 1), Publication::Inactive);
    assert!(
        inside
            .records_at(&format!("1.{EID}.{ZONE}"), TYPE_CERT)
            .is_empty()
    );
    // Its former sponsor has no part in it.
    assert_eq!(
        refused(client.give(deactivate(EID)).await.unwrap()).code,
        ResultCode::ObjectDoesNotExist
    );
    let inside = inside.restart().await;
    assert_eq!(publication(&inside, 1), Publication::Inactive);
    assert_eq!(publication(&inside, 2), Publication::Active(second));
    inside.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slot_and_serial_of_a_certificate_that_was_not_made_are_never_used() {
    let inside = Inside::start().await;
    let client = inside.client(&inside.account("mno-a", Role::Mno).await);
    let store = inside.running.core.service.store().clone();
    let now = unix_now();
    let origin = origin("mno-a", "given-up", [1; 32]);
    let key = Draft::new();
    let slot = reserved_slot(reserve(&inside, &origin, &key, now).await);
    assert_eq!(slot, Slot::FIRST);
    // While it is reserved nobody gets the id, and nothing is published.
    let problem = refused(client.give(create(EID, &Draft::new().der())).await.unwrap());
    assert_eq!(problem.code, ResultCode::ObjectExists);
    assert_eq!(publication(&inside, 1), Publication::Absent);
    let (device_id, serial) = (device_id(EID), serial_of(&key));
    let give_up = Complete {
        origin,
        zone: zone(),
        device_id,
        purpose: registration(now),
        slot,
        serial,
        issued: None,
        now,
    };
    assert_eq!(store.commit(give_up).await.unwrap(), Completed::Void);
    assert_eq!(inside.count("SELECT count(*) FROM voided_serial").await, 1);
    // The same key may be used again, in the next slot.
    let reply = done(client.give(create(EID, &key.der())).await.unwrap());
    let active = Publication::Active(fingerprint_of(&reply));
    assert_eq!(
        (publication(&inside, 1), publication(&inside, 2)),
        (Publication::Absent, active)
    );
    drop(store);
    inside.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificate_past_its_time_is_inactive_without_anybodys_command() {
    let inside = Inside::start().await;
    let client = inside.client(&inside.account("mno-a", Role::Mno).await);
    let service = &inside.running.core.service;
    let key = Draft::new();
    let now = unix_now();
    let origin = origin("mno-a", "short", [1; 32]);
    let slot = reserved_slot(reserve(&inside, &origin, &key, now).await);
    let owner = OwnerName::new(slot, device_id(EID), &zone());
    let serial = serial_of(&key);
    let tbs = TbsDevice {
        csr: accepted(&key),
        owner,
        serial,
    };
    let issued = Some(
        service
            .trust()
            .issuing
            .issue(tbs, VALIDITY_SECS, now)
            .unwrap(),
    );
    let device_id = device_id(EID);
    let step = Complete {
        origin,
        zone: zone(),
        device_id,
        purpose: registration(now),
        slot,
        serial,
        issued,
        now,
    };
    let completed = service.store().commit(step).await.unwrap();
    assert!(matches!(completed, Completed::Done { .. }), "{completed:?}");
    service.publisher().journal_grew();
    inside.trace().await;
    assert!(matches!(publication(&inside, 1), Publication::Active(_)));
    let not_after = inside.count("SELECT not_after FROM credential").await as u64;
    // What there is to do before are the messages that it will end.
    let expire = |now| Expire {
        zone: zone(),
        random: [7; 16],
        now,
    };
    while service.store().commit(expire(not_after)).await.unwrap() > 0 {}
    inside.trace().await;
    assert!(matches!(publication(&inside, 1), Publication::Active(_)));
    assert_eq!(
        service.store().commit(expire(not_after + 1)).await.unwrap(),
        1
    );
    service.publisher().journal_grew();
    inside.trace().await;
    assert_eq!(publication(&inside, 1), Publication::Inactive);
    // Final: lifting a hold that is not there does not bring it back.
    let (state, _) = change(&client, activate(EID)).await;
    assert_eq!(state, DeviceState::Inactive);
    assert_eq!(publication(&inside, 1), Publication::Inactive);
    inside.stop().await;
}
