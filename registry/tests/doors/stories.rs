//! What retries do, and both doors together.

use std::sync::Arc;

use iot_epp_api::command::{AccountChange, AccountCommand, Command, DeviceChange};
use iot_epp_api::device::SettableStatus;
use iot_epp_api::{DeviceState, Reply, ResultCode};
use iot_identity::Fingerprint;
use rcgen::KeyPair;

use crate::stage::*;

/// An operator of a network with a certificate and a password.
pub(crate) async fn enrolled(stage: &Stage, name: &str) -> Party {
    let mut party = stage.mno(name).await;
    party.enrol(stage).await;
    party
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_urgent_hold_is_never_taken_for_an_old_one() {
    let stage = Stage::open().await;
    let mno = enrolled(&stage, "mno-a").await;
    let mut talk = stage.talk(&mno);
    let id = eid(1);
    mno.issued(create(id)).await;
    let hold_it = set_status(id, SettableStatus::ClientHold);
    let first = talk.give_as(&hold_it, "URGENT-1");
    assert_eq!(first.answer.code, ResultCode::Completed);
    assert_eq!(stage.dns(id, 1).await, Said::Inactive);
    let lifted = mno.give_as(unhold(id), "URGENT-1").await;
    assert!(lifted.outcome.is_ok() && !lifted.replayed);
    assert!(matches!(stage.dns(id, 1).await, Said::Active(_)));
    let again = talk.give_as(&hold_it, "URGENT-1");
    assert_eq!(again.answer.code, ResultCode::Completed);
    assert_ne!(again.server_transaction_id, first.server_transaction_id);
    assert_eq!(stage.dns(id, 1).await, Said::Inactive);
    assert_eq!(mno.sees(id).await.state, DeviceState::Inactive);
    for _ in 0..2 {
        mno.give_as(unhold(id), "URGENT-2").await.outcome.unwrap();
        mno.give_as(hold(id), "URGENT-2").await.outcome.unwrap();
        assert_eq!(stage.dns(id, 1).await, Said::Inactive);
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_retries_of_one_create_through_both_doors_are_one_device() {
    let stage = Stage::open().await;
    let mno = Arc::new(enrolled(&stage, "mno-a").await);
    let create = create(eid(1));
    let tasks: Vec<_> = (0..70)
        .map(|_| {
            let (mno, create) = (Arc::clone(&mno), create.clone());
            tokio::spawn(async move { mno.give_as(create, "CREATE-1").await })
        })
        .collect();
    let mut talk = stage.talk(&mno);
    for _ in 0..30 {
        let answer = talk.give_as(&create, "CREATE-1").answer;
        assert_eq!(answer.code, ResultCode::Completed, "{answer:?}");
    }
    let mut firsts = 0;
    let mut certificates = std::collections::BTreeSet::new();
    for task in tasks {
        let response = task.await.unwrap();
        firsts += usize::from(!response.replayed);
        match response.outcome {
            Ok(Reply::Issued(issued)) => {
                certificates.insert(issued.certificate.certificate);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(firsts <= 1, "{firsts}");
    assert_eq!(certificates.len(), 1);
    assert_eq!(stage.count("SELECT count(*) FROM device").await, 1);
    assert_eq!(stage.count("SELECT count(*) FROM credential").await, 1);
    assert_eq!(stage.count("SELECT count(*) FROM voided_serial").await, 0);
    assert_eq!(stage.count("SELECT count(*) FROM journal").await, 1);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_id_with_other_content_is_refused_as_json_and_a_new_command_as_epp() {
    let stage = Stage::open().await;
    let mno = enrolled(&stage, "mno-a").await;
    let mut talk = stage.talk(&mno);
    let first = mno.give_as(create(eid(1)), "SAME-ID").await;
    assert!(first.outcome.is_ok());
    let other = mno.give_as(create(eid(2)), "SAME-ID").await;
    assert_eq!(other.code, ResultCode::ParameterPolicy);
    assert_eq!(mno.code(info(eid(2))).await, ResultCode::ObjectDoesNotExist);
    let other = talk.give_as(&create(eid(3)), "SAME-ID").answer;
    assert_eq!(other.code, ResultCode::Completed, "{other:?}");
    assert!(matches!(stage.dns(eid(3), 1).await, Said::Active(_)));
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_epp_asks_for_under_a_used_id_leaves_the_first_result_to_its_retries() {
    let stage = Stage::open().await;
    let mno = enrolled(&stage, "mno-a").await;
    let mut talk = stage.talk(&mno);
    let create_one = create(eid(1));
    let first = mno.give_as(create_one.clone(), "USED-1").await;
    assert!(first.outcome.is_ok() && !first.replayed);
    let other = create(eid(2));
    let said = talk.give_as(&other, "USED-1").answer;
    assert_eq!(said.code, ResultCode::Completed);
    // Both are retried, in either order, and each has its own result.
    for _ in 0..2 {
        let retried = mno.give_as(create_one.clone(), "USED-1").await;
        assert!(
            retried.replayed && retried.outcome == first.outcome,
            "{retried:?}"
        );
        let retried = talk.give_as(&other, "USED-1").answer;
        assert_eq!(retried.code, ResultCode::Completed, "{retried:?}");
    }
    let third = mno.give_as(create(eid(3)), "USED-1").await;
    assert_eq!(
        third.code,
        ResultCode::ParameterPolicy,
        "other content, in JSON"
    );
    assert_eq!(stage.count("SELECT count(*) FROM credential").await, 2);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_with_blanks_is_one_id_through_both_doors() {
    let stage = Stage::open().await;
    let mno = enrolled(&stage, "mno-a").await;
    let mut talk = stage.talk(&mno);
    let id = "order 17 of today";
    let command = create(eid(1));
    let first = talk.give_as(&command, id);
    assert_eq!(first.answer.code, ResultCode::Completed);
    assert_eq!(first.client_transaction_id.unwrap().as_str(), id);
    let again = mno.give_as(command, id).await;
    assert!(again.replayed && again.outcome.is_ok(), "{again:?}");
    let other = mno.give_as(create(eid(2)), "order 17 of to day").await;
    assert!(!other.replayed && other.outcome.is_ok(), "{other:?}");
    assert_eq!(
        stage
            .count("SELECT count(*) FROM audit WHERE client_transaction_id = 'order 17 of today'")
            .await,
        1
    );
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_of_letters_of_any_script_is_replayed_and_in_the_audit_as_it_came() {
    let stage = Stage::open().await;
    let mno = enrolled(&stage, "mno-a").await;
    let mut talk = stage.talk(&mno);
    for (number, id) in [(1, "Größe-17".to_owned()), (2, "端".repeat(64))] {
        let command = create(eid(number));
        for replayed in [false, true] {
            let told = talk.give_as(&command, &id);
            assert_eq!(told.answer.code, ResultCode::Completed, "{told:?}");
            assert_eq!(told.answer.replayed, replayed);
            assert_eq!(told.client_transaction_id.unwrap().as_str(), id);
        }
    }
    let rows = "SELECT count(*) FROM audit WHERE client_transaction_id = 'Größe-17'";
    assert_eq!(stage.count(rows).await, 1);
    // A header field does not carry it.
    let request = iot_epp_api::client::ClientRequest::new(
        create(eid(3)),
        iot_epp_api::ClientTransactionId::parse("Größe-17").unwrap(),
    );
    let unsent = request.to_http(&mno.token).unwrap_err();
    assert!(unsent.to_string().contains("ASCII"), "{unsent}");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_asks_for_strictness_has_one_id_for_one_content_in_epp_too() {
    let stage = Stage::open().await;
    let (mno, lenient) = (
        enrolled(&stage, "mno-a").await,
        enrolled(&stage, "mno-b").await,
    );
    let strict = AccountChange::StrictTransactionIds;
    stage.change("mno-a", strict(true)).await;
    let Reply::Account(info_of) = mno
        .done(Command::Account(AccountCommand::Info { name: None }))
        .await
    else {
        panic!("no account");
    };
    assert!(info_of.strict_transaction_ids);
    let mut talk = stage.talk(&mno);
    let first = create(eid(1));
    for replayed in [false, true] {
        let answer = talk.give_as(&first, "SAME-ID").answer;
        assert_eq!(answer.code, ResultCode::Completed, "{replayed}: {answer:?}");
    }
    for other in [create(eid(2)), delete(eid(1))] {
        let refused = talk.give_as(&other, "SAME-ID").answer;
        assert_eq!(refused.code, ResultCode::ParameterPolicy, "{refused:?}");
        let said = format!("{refused:?}");
        assert!(said.contains("clTRID"), "{said}");
    }
    assert_eq!(mno.code(info(eid(2))).await, ResultCode::ObjectDoesNotExist);
    // A hold is carried out every time, under whatever id.
    let held = talk.give_as(&hold(eid(1)), "SAME-ID").answer;
    assert_eq!(held.code, ResultCode::Completed, "{held:?}");
    // What one account asks for is no other's.
    let mut other = stage.talk(&lenient);
    for number in [3, 4] {
        let answer = other.give_as(&create(eid(number)), "SAME-ID").answer;
        assert_eq!(answer.code, ResultCode::Completed, "{answer:?}");
    }
    stage.change("mno-a", strict(false)).await;
    let new = talk.give_as(&create(eid(2)), "SAME-ID").answer;
    assert_eq!(new.code, ResultCode::Completed, "{new:?}");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_made_only_to_the_version_that_was_read() {
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let id = eid(1);
    let read = mno.issued(create(id)).await.info;
    let changed = mno.changed(hold(id)).await;
    assert!(changed.version > read.version);
    let caller = iot_epp_api::Caller {
        account: mno.name.clone(),
        role: mno.role,
        scopes: iot_epp_api::Scopes::ALL,
    };
    let lift = DeviceChange::RemoveStatus(SettableStatus::ClientHold);
    for (version, code) in [
        (read.version, ResultCode::ParameterPolicy),
        (changed.version, ResultCode::Completed),
    ] {
        let command = update(id, std::slice::from_ref(&lift));
        let mut request = iot_epp_api::Request::new(command, None, iot_epp_api::Door::Json);
        request.if_version = Some(version);
        let service = &stage.running.core.service;
        let response = iot_epp_api::server::Registry::execute(service, &caller, request).await;
        assert_eq!(response.code, code);
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_walks_the_whole_zone_learns_of_nobody_and_no_key() {
    let stage = Stage::open().await;
    let (sponsor, other) = (
        stage.mno("mno-sponsor").await,
        stage.mno("mno-gaining").await,
    );
    stage.asp("asp-provider").await;
    let key = KeyPair::generate().unwrap();
    let create = create_with(eid(1), csr_of(&key), Some("asp-provider"));
    let issued = sponsor.issued(create).await;
    sponsor.issued(create_with(eid(2), new_csr(), None)).await;
    sponsor.changed(hold(eid(2))).await;
    sponsor.changed(set_auth_info(eid(1))).await;
    sponsor.transfer(push(eid(1), other.name.as_str())).await;
    stage.settled().await;
    let reader = stage.running.core.service.publisher().reader();
    let snapshot = reader.snapshot();
    let mut walked = Vec::new();
    for record in snapshot.records() {
        let record = record.unwrap();
        walked.extend([record.owner, record.rdata]);
    }
    let walked = walked.concat();
    let is_said = |octets: &[u8]| walked.windows(octets.len()).any(|seen| seen == octets);
    // That it is seen when it is there: the device's own name and its certificate's hash.
    assert!(is_said(eid(1).as_str().as_bytes()));
    let fingerprint = Fingerprint::of_certificate(&issued.certificate.certificate);
    assert!(is_said(fingerprint.as_octets()));
    for name in [
        "mno-sponsor",
        "mno-gaining",
        "asp-provider",
        "clientHold",
        "pendingTransfer",
    ] {
        assert!(!is_said(name.as_bytes()), "{name}");
    }
    assert!(!is_said(&key.public_key_raw()[1..]), "the device's key");
    stage.close().await;
}
