//! Commands that race for one device: one wins, the other leaves nothing.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod crafted;
mod inside;

use crafted::Draft;
use inside::{
    Inside, TYPE_CERT, TYPE_TLSA, ZONE, activate, create, deactivate, device_id, eid,
    fingerprint_of, transaction,
};
use iot_epp_api::device::SettableStatus;
use iot_epp_api::{Reply, Response, ResultCode, Role};
use iot_identity::{CertRecord, Publication, Slot, TlsaRecord};
use iot_registry::https_client::HttpsClient;
use iot_registry::lifecycle::Statuses;

const PAIRS: u64 = 50;

async fn two_accounts(inside: &Inside) -> (HttpsClient, HttpsClient) {
    let a = inside.account("mno-a", Role::Mno).await;
    let b = inside.account("mno-b", Role::Mno).await;
    (inside.client(&a), inside.client(&b))
}

/// The reply of the only success, whether it was the first's, and the other's code.
fn one_winner(first: Response, second: Response) -> (Reply, bool, ResultCode) {
    match (first.outcome, second.outcome) {
        (Ok(reply), Err(problem)) => (reply, true, problem.code),
        (Err(problem), Ok(reply)) => (reply, false, problem.code),
        other => panic!("not one winner: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_accounts_racing_for_one_id_one_gets_it_and_the_other_leaves_nothing() {
    let inside = Inside::start().await;
    let (a, b) = two_accounts(&inside).await;
    let mut won_by_a = 0;
    for number in 0..PAIRS {
        let id = eid(number);
        let keys = [Draft::new(), Draft::new()];
        let (first, second) = if number % 2 == 0 {
            tokio::join!(
                a.give(create(&id, &keys[0].der())),
                b.give(create(&id, &keys[1].der()))
            )
        } else {
            let b_first = b.give(create(&id, &keys[1].der()));
            let (second, first) = tokio::join!(b_first, a.give(create(&id, &keys[0].der())));
            (first, second)
        };
        let (reply, a_won, code) = one_winner(first.unwrap(), second.unwrap());
        assert_eq!(code, ResultCode::ObjectExists, "{id}");
        won_by_a += u64::from(a_won);

        let name = format!("1.{id}.{ZONE}");
        let fingerprint = fingerprint_of(&reply);
        let cert = CertRecord { fingerprint }.rdata().to_vec();
        let tlsa = TlsaRecord { fingerprint }.rdata().to_vec();
        assert_eq!(inside.records_at(&name, TYPE_CERT), [cert], "{id}");
        assert_eq!(inside.records_at(&name, TYPE_TLSA), [tlsa], "{id}");
        // The loser's key is as good as new.
        let (loser, key) = if a_won {
            (&b, &keys[1])
        } else {
            (&a, &keys[0])
        };
        let other = loser
            .give(create(&eid(1000 + number), &key.der()))
            .await
            .unwrap();
        assert!(other.outcome.is_ok(), "{id}: {other:?}");
    }
    println!("{won_by_a} of {PAIRS} races won by the first account");
    let rows = inside.trace().await.tables;
    let count = |table: &str| rows[table].len() as u64;
    for table in ["device", "credential", "journal", "idempotency"] {
        assert_eq!(count(table), 2 * PAIRS, "{table}");
    }
    for table in ["intent", "voided_serial", "slot_reserved"] {
        assert_eq!(count(table), 0, "{table}");
    }
    assert!(rows["credential"].iter().all(|row| row.contains("slot=1 ")));
    inside.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_requests_racing_under_one_transaction_id_one_is_refused() {
    let inside = Inside::start().await;
    let (client, _) = two_accounts(&inside).await;
    for number in 0..PAIRS {
        let id = transaction(&format!("race-{number}"));
        let first = create(&eid(2 * number), &Draft::new().der());
        let second = create(&eid(2 * number + 1), &Draft::new().der());
        let (first, second) = tokio::join!(
            client.give_as(first, id.clone()),
            client.give_as(second, id)
        );
        let (_, _, code) = one_winner(first.unwrap(), second.unwrap());
        assert_eq!(code, ResultCode::ParameterPolicy, "pair {number}");
    }
    assert_eq!(inside.trace().await.tables["device"].len() as u64, PAIRS);
    inside.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_racing_for_two_ids_gets_one() {
    let inside = Inside::start().await;
    let (a, b) = two_accounts(&inside).await;
    for number in 0..PAIRS {
        let key = Draft::new();
        let first = a.give(create(&eid(2 * number), &key.der()));
        let second = b.give(create(&eid(2 * number + 1), &key.der()));
        let (first, second) = tokio::join!(first, second);
        let (_, _, code) = one_winner(first.unwrap(), second.unwrap());
        assert_eq!(code, ResultCode::AssociationProhibits, "pair {number}");
    }
    let rows = inside.trace().await.tables;
    assert_eq!(rows["device"].len() as u64, PAIRS);
    assert_eq!(rows["credential"].len() as u64, PAIRS);
    inside.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_order_racing_holds_are_committed_in_zone_and_database_agree() {
    let inside = Inside::start().await;
    let (client, _) = two_accounts(&inside).await;
    let id = eid(1);
    client.give(create(&id, &Draft::new().der())).await.unwrap();
    for round in 0..PAIRS {
        let hold = client.give(deactivate(&id));
        let lift = client.give(activate(&id));
        let (hold, lift) = tokio::join!(hold, lift);
        assert!(
            hold.unwrap().outcome.is_ok() && lift.unwrap().outcome.is_ok(),
            "round {round}"
        );
        let bits = inside.count("SELECT statuses FROM device").await;
        let statuses = Statuses::from_bits(bits.try_into().unwrap()).unwrap();
        let held = statuses.contains(SettableStatus::ClientHold);
        let snapshot = inside.running.core.service.publisher().reader().snapshot();
        let publication = snapshot.publication(device_id(&id), Slot::FIRST).unwrap();
        assert_eq!(
            publication == Publication::Inactive,
            held,
            "round {round}: {publication:?}"
        );
    }
    inside.stop().await;
}
