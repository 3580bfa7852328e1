//! The run `kills`, small; and proof that it notices a loss.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod program;

use std::time::Duration;

use iot_dns_zone::Profile;
use iot_identity::{Fingerprint, Slot};
use iot_registry::start::Running;
use iot_trials::accounts::{self, Transactions, certificate_request};
use iot_trials::device_ids::DeviceIds;
use iot_trials::draws::Draws;
use iot_trials::kills::Kills;
use iot_trials::kills::ledger::{Deletion, Entry, Hold, Registration};
use iot_trials::kills::recovery::Witnesses;
use iot_trials::kills::worker::registration;
use iot_trials::names::Names;
use iot_trials::report::Counts;
use program::{has_strace, registry_program};

/// The program is not optimised here, and other tests run beside it.
const READY_MAX: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_nothing_that_was_acknowledged() {
    let kills = Kills {
        count: 20,
        seed: 20_261_122,
        program: registry_program(),
        enumerated: false,
        ready_max: READY_MAX,
    };
    let report = kills.run().await.unwrap();
    print!("{report}");
    for kind in [
        "kills under load",
        "kills right after the start",
        "registrations acknowledged under load",
        "registrations without answer",
        "deactivations acknowledged",
    ] {
        assert!(report.counts.contains_key(kind), "{kind}: {report}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_before_enumerated_calls_lose_nothing_that_was_acknowledged() {
    if !has_strace() {
        return;
    }
    let kills = Kills {
        count: 12,
        seed: 20_261_122,
        program: registry_program(),
        enumerated: true,
        ready_max: READY_MAX,
    };
    let report = kills.run().await.unwrap();
    print!("{report}");
    assert_eq!(report.counts["kills"], 12, "{report}");
    assert!(
        report
            .counts
            .contains_key("kills at a point while starting"),
        "{report}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loss_a_second_certificate_a_lost_hold_and_a_lost_deletion_are_breaches() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = accounts::initialise(&scratch.path().join("data"), Profile::Standard).unwrap();
    let running = Running::start(&directory).await.unwrap();
    let api = running.listen.api;
    let token = accounts::registry_token(&directory).unwrap();
    let registry = accounts::client(&directory, api, token).unwrap();
    let tokens = accounts::make_operators(&registry).await.unwrap();
    let client = accounts::client(&directory, api, tokens[0].clone()).unwrap();
    let names = Names::at(&directory, running.listen.dot[0]).unwrap();
    let witnesses = Witnesses {
        client: &client,
        names: &names,
    };
    let mut counts = Counts::new();
    let mut ids = DeviceIds::new(1, 0, 1, 10);
    let mut draws = Draws::seeded(1, 0);
    let mut transactions = Transactions::new("loss");
    let mut new_entry = || {
        let csr = certificate_request().unwrap();
        Entry::new(ids.next(&mut draws), csr, transactions.new_id())
    };

    let mut registered = new_entry();
    let transaction = registered.created_as.clone();
    let answer = client
        .give_as(registered.create(), transaction)
        .await
        .unwrap();
    registered.registration = registration(&answer).unwrap().0;
    witnesses
        .settle(&mut registered.clone(), &mut counts)
        .await
        .unwrap();

    let other = Registration::Acknowledged {
        fingerprint: Fingerprint::of_certificate(b"another"),
        slot: Slot::FIRST,
    };
    let lost = Entry {
        registration: other,
        ..new_entry()
    };
    let pending_and_lost = Entry {
        registration: Registration::Pending,
        ..new_entry()
    };
    let second = Entry {
        registration: other,
        ..registered.clone()
    };
    let hold_lost = Entry {
        hold: Hold::On,
        ..registered.clone()
    };
    let deletion_lost = Entry {
        deletion: Deletion::Done,
        ..registered.clone()
    };
    for (mut entry, breach) in [
        (lost, "acknowledged and lost"),
        (pending_and_lost, "acknowledged and lost"),
        (second, "another credential"),
        (hold_lost, "acknowledged was On"),
        (deletion_lost, "acknowledged was deletion Done"),
    ] {
        let error = witnesses.settle(&mut entry, &mut counts).await.unwrap_err();
        assert!(error.to_string().contains(breach), "{error}");
    }

    // What was never sent is not there, and the retry registers it once.
    let mut unanswered = new_entry();
    witnesses
        .settle(&mut unanswered, &mut counts)
        .await
        .unwrap();
    assert!(unanswered.is_settled());
    assert_eq!(counts["unanswered registrations without a trace"], 1);
    running.stop().await;
}
