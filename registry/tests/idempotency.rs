//! Retries are safe and repeats are not swallowed: what the same RPP-Cltrid does when it comes again.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod crafted;
mod inside;

use crafted::Draft;
use http::Method;
use inside::raw::Ask;
use inside::{
    EID, ICCID, Inside, ZONE, activate, create, deactivate, delete, device_id, done, eid,
    fingerprint_of, info, refused, transaction,
};
use iot_epp_api::command::{DeviceCommand, MessageCommand};
use iot_epp_api::message::Detail;
use iot_epp_api::{
    Command, DeviceState, ProcessKind, ProcessState, Reply, Response, ResultCode, Role,
};
use iot_identity::{Publication, Slot};
use iot_registry::https_client::HttpsClient;

async fn mno(inside: &Inside, name: &str) -> HttpsClient {
    inside.client(&inside.account(name, Role::Mno).await)
}

fn published(inside: &Inside, id: &str) -> Publication {
    let snapshot = inside.running.core.service.publisher().reader().snapshot();
    snapshot.publication(device_id(id), Slot::FIRST).unwrap()
}

async fn state(client: &HttpsClient, id: &str) -> DeviceState {
    match done(client.give(info(id)).await.unwrap()) {
        Reply::Device(info) => info.state,
        other => panic!("{other:?}"),
    }
}

fn code(response: Response) -> ResultCode {
    refused(response).code
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn create_retried_twenty_times_is_one_device_with_one_certificate() {
    let inside = Inside::start().await;
    let client = mno(&inside, "mno-a").await;
    let command = create(EID, &Draft::new().der());
    let give = || client.give_as(command.clone(), transaction("create-1"));
    let (a, b, c, d, e) = tokio::join!(give(), give(), give(), give(), give());
    let (f, g, h, i, j) = tokio::join!(give(), give(), give(), give(), give());
    let mut responses: Vec<Response> = [a, b, c, d, e, f, g, h, i, j]
        .into_iter()
        .map(Result::unwrap)
        .collect();
    for _ in 0..10 {
        responses.push(give().await.unwrap());
    }
    let first: Vec<bool> = responses
        .iter()
        .map(|response| !response.replayed)
        .collect();
    assert_eq!(first.iter().filter(|first| **first).count(), 1, "{first:?}");
    let mut transactions: Vec<String> = responses
        .iter()
        .map(|response| response.server_transaction_id.clone())
        .collect();
    let mut replies: Vec<Reply> = responses.into_iter().map(done).collect();
    replies.dedup();
    assert_eq!(replies.len(), 1, "every answer is the same: {replies:?}");
    transactions.sort();
    transactions.dedup();
    assert_eq!(
        transactions.len(),
        20,
        "every exchange has a name of its own"
    );

    let found = Publication::Active(fingerprint_of(&replies[0]));
    assert_eq!(published(&inside, EID), found);
    for (table, rows) in [
        ("device", 1),
        ("credential", 1),
        ("journal", 1),
        ("idempotency", 1),
    ] {
        assert_eq!(inside.trace().await.tables[table].len(), rows, "{table}");
    }
    let trace = inside.trace().await;
    assert!(trace.tables["intent"].is_empty() && trace.tables["voided_serial"].is_empty());
    inside.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn same_transaction_id_with_other_content_is_refused_and_leaves_no_trace() {
    let inside = Inside::start().await;
    let client = mno(&inside, "mno-a").await;
    let first = Draft::new();
    done(
        client
            .give_as(create(EID, &first.der()), transaction("create-1"))
            .await
            .unwrap(),
    );
    let before = inside.trace().await;
    for (what, command) in [
        ("another id", create(ICCID, &Draft::new().der())),
        ("another key", create(EID, &Draft::new().der())),
        ("the same key, signed again", create(EID, &first.der())),
        ("another verb", delete(EID)),
    ] {
        let response = client
            .give_as(command, transaction("create-1"))
            .await
            .unwrap();
        let problem = refused(response);
        assert_eq!(problem.code, ResultCode::ParameterPolicy, "{what}");
        assert!(
            problem.reason.contains("RPP-Cltrid"),
            "{what}: {}",
            problem.reason
        );
    }
    assert_eq!(inside.trace().await, before);

    // A refused command is not remembered: its id may be used again for what is right.
    let wrong = client.give_as(create(EID, &Draft::new().der()), transaction("create-2"));
    assert_eq!(code(wrong.await.unwrap()), ResultCode::ObjectExists);
    let right = client.give_as(create(ICCID, &Draft::new().der()), transaction("create-2"));
    assert!(!right.await.unwrap().replayed);
    inside.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_accounts_use_the_same_transaction_id_independently() {
    let inside = Inside::start().await;
    let (a, b) = (mno(&inside, "mno-a").await, mno(&inside, "mno-b").await);
    let (command_a, command_b) = (
        create(EID, &Draft::new().der()),
        create(ICCID, &Draft::new().der()),
    );
    let id = || transaction("the-same-id");
    let first_a = a.give_as(command_a.clone(), id()).await.unwrap();
    let first_b = b.give_as(command_b.clone(), id()).await.unwrap();
    assert!(!first_a.replayed && !first_b.replayed);
    // What the one account was answered is not what the other one gets.
    let of_a = b.give_as(command_a, id()).await.unwrap();
    assert_eq!(code(of_a), ResultCode::ParameterPolicy);
    let again_b = b.give_as(command_b, id()).await.unwrap();
    assert!(again_b.replayed);
    assert_eq!(done(again_b), done(first_b));
    done(
        a.give_as(delete(EID), transaction("delete-1"))
            .await
            .unwrap(),
    );
    let foreign = b
        .give_as(delete(EID), transaction("delete-1"))
        .await
        .unwrap();
    assert_eq!(code(foreign), ResultCode::ObjectDoesNotExist);
    inside.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delete_retried_gives_the_first_result_and_a_new_delete_is_refused() {
    let inside = Inside::start().await;
    let client = mno(&inside, "mno-a").await;
    done(client.give(create(EID, &Draft::new().der())).await.unwrap());
    let first = client
        .give_as(delete(EID), transaction("delete-1"))
        .await
        .unwrap();
    assert!(!first.replayed);
    let first = done(first);
    assert_eq!(published(&inside, EID), Publication::Absent);
    let before = inside.trace().await;
    for _ in 0..5 {
        let again = client
            .give_as(delete(EID), transaction("delete-1"))
            .await
            .unwrap();
        assert!(again.replayed);
        assert_eq!(done(again), first);
    }
    let anew = client
        .give_as(delete(EID), transaction("delete-2"))
        .await
        .unwrap();
    assert_eq!(code(anew), ResultCode::StatusProhibits);
    assert_eq!(inside.trace().await, before);
    inside.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deactivation_under_a_used_transaction_id_is_carried_out_every_time() {
    let inside = Inside::start().await;
    let client = mno(&inside, "mno-a").await;
    let id = || transaction("one-id-for-all");
    done(
        client
            .give_as(create(EID, &Draft::new().der()), id())
            .await
            .unwrap(),
    );
    for round in 0..5 {
        for (command, active) in [(deactivate(EID), false), (activate(EID), true)] {
            let response = client.give_as(command, id()).await.unwrap();
            assert!(!response.replayed, "round {round}");
            let Reply::Changed { info, .. } = done(response) else {
                panic!("round {round}: not published in time");
            };
            let is_active = info.state == DeviceState::Active;
            assert_eq!(is_active, active, "round {round}");
            let is_published = matches!(published(&inside, EID), Publication::Active(_));
            assert_eq!(is_published, active, "round {round}");
        }
    }
    // Twice in a row, and the last word counts.
    for command in [activate(EID), deactivate(EID), deactivate(EID)] {
        done(client.give_as(command, id()).await.unwrap());
    }
    assert_eq!(published(&inside, EID), Publication::Inactive);
    assert_eq!(state(&client, EID).await, DeviceState::Inactive);
    inside.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_published_in_time_is_pending_and_completed_by_the_next_start() {
    let inside = Inside::start().await;
    let token = inside.account("mno-a", Role::Mno).await;
    let client = inside.client(&token);
    let (held, deleted) = (eid(1), eid(2));
    for id in [&held, &deleted] {
        done(client.give(create(id, &Draft::new().der())).await.unwrap());
    }
    // The publisher ends; commands are committed, and nobody carries them into the zone.
    inside.running.core.service.publisher().stop();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let commands = [
        (ProcessKind::Create, create(EID, &Draft::new().der())),
        (ProcessKind::Deactivate, deactivate(&held)),
        (ProcessKind::Delete, delete(&deleted)),
    ];
    let mut processes = Vec::new();
    for (kind, command) in commands {
        let id = transaction(&format!("pending-{kind}"));
        let response = client.give_as(command.clone(), id.clone()).await.unwrap();
        assert_eq!(response.code, ResultCode::CompletedPending, "{kind}");
        let Reply::Pending(pending) = done(response) else {
            panic!("{kind}: not pending");
        };
        assert_eq!(
            (Some(pending.device_id), pending.kind),
            (command.device_id(), kind)
        );
        let process = Command::Device(DeviceCommand::Process {
            device_id: pending.device_id,
            kind,
            process_id: pending.process_id,
        });
        assert_eq!(
            process_state(&client, &process).await,
            ProcessState::Pending,
            "{kind}"
        );
        let made = (kind == ProcessKind::Create).then_some(Slot::FIRST);
        assert_eq!(pending.slot, made, "{kind}");
        processes.push((kind, command, id, process));
    }
    // What was made can be had already.
    let certificate = Command::Device(DeviceCommand::Certificate {
        device_id: device_id(EID),
        slot: Slot::FIRST,
    });
    let certificate = done(client.give(certificate).await.unwrap());
    assert!(matches!(certificate, Reply::Certificate(_)));
    assert_eq!(published(&inside, EID), Publication::Absent);
    assert!(matches!(published(&inside, &held), Publication::Active(_)));
    let retry = Ask::new(Method::DELETE, format!("/rpp/v1/devices/{deleted}"));
    let retry = retry
        .header("rpp-cltrid", "pending-delete")
        .token(token.expose());
    let answer = inside.send(&retry).await;
    assert_eq!(answer.status.as_u16(), 202, "{}", answer.json());
    let location = answer.header("location").to_owned();
    assert!(
        location.contains("/processes/deleteProcesses/"),
        "{location}"
    );

    let inside = inside.restart().await;
    let client = inside.client(&token);
    for slot in [Some(Slot::FIRST), None, None] {
        assert_eq!(slot_of_the_next_end(&client).await, slot);
    }
    for (kind, command, id, process) in processes {
        assert_eq!(
            process_state(&client, &process).await,
            ProcessState::Completed,
            "{kind}"
        );
        let retried = client.give_as(command, id).await.unwrap();
        let is_replayed = kind != ProcessKind::Deactivate;
        assert_eq!(retried.replayed, is_replayed, "{kind}");
        match done(retried) {
            reply @ Reply::Issued(_) => {
                let active = Publication::Active(fingerprint_of(&reply));
                assert_eq!(published(&inside, EID), active);
                assert!(inside::issued(&reply).times.visible_everywhere_by.is_some());
            }
            Reply::Changed { times, .. } => {
                let denied_by = times.unwrap().denied_everywhere_by;
                assert!(denied_by.is_some(), "{kind}");
            }
            other => panic!("{kind}: {other:?}"),
        }
    }
    assert_eq!(published(&inside, &held), Publication::Inactive);
    assert_eq!(published(&inside, &deleted), Publication::Absent);
    assert!(
        inside
            .records_at(&format!("1.{deleted}.{ZONE}"), inside::TYPE_CERT)
            .is_empty()
    );
    let followed = inside
        .send(&Ask::new(Method::GET, location).token(token.expose()))
        .await;
    assert_eq!(followed.json()["state"], "completed");
    inside.stop().await;
}

/// Takes a message about the end of a pending command out of the queue: the slot that it names.
async fn slot_of_the_next_end(client: &HttpsClient) -> Option<Slot> {
    let message = loop {
        let head = Command::Message(MessageCommand::Head);
        match done(client.give(head).await.unwrap()) {
            Reply::Messages {
                head: Some(message),
                ..
            } => break message,
            _ => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    };
    let message_id = message.message_id;
    let acknowledge = Command::Message(MessageCommand::Acknowledge { message_id });
    done(client.give(acknowledge).await.unwrap());
    match message.detail {
        Detail::PendingAction { is_done, slot, .. } => {
            assert!(is_done);
            slot
        }
        other => panic!("{other:?}"),
    }
}

async fn process_state(client: &HttpsClient, process: &Command) -> ProcessState {
    match done(client.give(process.clone()).await.unwrap()) {
        Reply::Process(status) => status.state,
        other => panic!("{other:?}"),
    }
}
