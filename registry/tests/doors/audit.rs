//! The audit log: every change of state has its row, and a row that was tampered with is found.

use std::path::Path;
use std::process::{Command as Process, Output};

use iot_epp_api::Reply;
use iot_epp_api::command::{Command, MessageCommand};
use iot_epp_api::device::WithdrawReason;
use iot_registry::store::{AuditReader, AuditRow};

use crate::matrix::{Actor, Cast};
use crate::stage::*;

/// The rows behind this one.
pub(crate) async fn rows_after(stage: &Stage, id: u64) -> Vec<AuditRow> {
    let reader = AuditReader::open(&stage.directory.database()).await;
    reader.unwrap().after(id, 10_000).await.unwrap()
}

fn allowed(verb: &str) -> Actor {
    match verb {
        "account.consent" => Actor::Sponsor,
        "transfer.pull" => Actor::OtherMno,
        "transfer.force" => Actor::Operator,
        _ if verb.starts_with("account.") => Actor::Operator,
        _ if verb.starts_with("endpoint.") || verb.starts_with("message.") => Actor::BoundAsp,
        _ => Actor::Sponsor,
    }
}

/// The oldest message of a provider, to be acknowledged: there are some of every slot bound to it.
async fn acknowledgement(provider: &Party) -> Command {
    match provider.done(Command::Message(MessageCommand::Head)).await {
        Reply::Messages {
            head: Some(head), ..
        } => Command::Message(MessageCommand::Acknowledge {
            message_id: head.message_id,
        }),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_of_state_has_its_row() {
    let mut cast = Cast::open().await;
    let mut changes = 0;
    for verb in Command::verbs() {
        let actor = allowed(verb);
        let mut command = cast.prepared(verb, actor).await;
        if command.is_query() {
            continue;
        }
        if verb == "message.acknowledge" {
            command = acknowledgement(cast.party(actor)).await;
        }
        changes += 1;
        let before = rows_after(&cast.stage, 0)
            .await
            .last()
            .map_or(0, |row| row.id);
        let id = format!("audited-{changes}");
        let party = cast.party(actor);
        let response = party.give_as(command, &id).await;
        assert!(response.outcome.is_ok(), "{verb}: {response:?}");
        let rows = rows_after(&cast.stage, before).await;
        let of_it: Vec<&AuditRow> = rows
            .iter()
            .filter(|row| row.client_transaction_id.as_deref() == Some(id.as_str()))
            .collect();
        let [row] = of_it[..] else {
            panic!("{verb}: {rows:?}");
        };
        assert_eq!((row.verb.as_str(), row.door.as_str()), (verb, "json"));
        assert_eq!(row.account, party.name.as_str(), "{verb}");
        assert_eq!(row.server_transaction_id, response.server_transaction_id);
        assert!(
            row.hash.is_some() && row.before.is_some() | row.after.is_some(),
            "{row:?}"
        );
        cast.clear_up().await;
    }
    assert_eq!(changes, 28, "commands that change something");
    let refused = cast
        .party(Actor::OtherMno)
        .give_as(delete(eid(1)), "refused-1")
        .await;
    assert!(refused.outcome.is_err());
    let rows = rows_after(&cast.stage, 0).await;
    let refused = Some("refused-1".to_owned());
    assert!(rows.iter().all(|row| row.client_transaction_id != refused));
    cast.stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_names_the_door_and_what_was_before_and_after() {
    let stage = Stage::open().await;
    let mut mno = stage.mno("mno-a").await;
    mno.enrol(&stage).await;
    let id = eid(1);
    mno.issued(create(id)).await;
    let mut talk = stage.talk(&mno);
    talk.give_as(
        &set_status(id, iot_epp_api::device::SettableStatus::ClientHold),
        "HOLD-1",
    );
    let rows = crate::jobs::rows_of(&[id]);
    crate::jobs::carried_out(&mno, iot_epp_api::command::JobAction::Activate, &rows).await;
    stage
        .at(iot_registry::clock::unix_now() + 20 * 366 * 24 * 3600)
        .await;
    let rows = rows_after(&stage, 0).await;
    let of_device: Vec<&AuditRow> = rows
        .iter()
        .filter(|row| row.object == id.as_str())
        .collect();
    let doors: Vec<&str> = of_device.iter().map(|row| row.door.as_str()).collect();
    assert_eq!(doors[..3], ["json", "epp", "bulk"]);
    assert!(
        doors[3..].iter().all(|door| *door == "registry") && doors.len() > 3,
        "{doors:?}"
    );
    assert!(of_device[0].before.is_none());
    let held = |text: &Option<String>| text.as_deref().unwrap().contains("clientHold");
    assert!(!held(&of_device[1].before) && held(&of_device[1].after));
    assert!(held(&of_device[2].before) && !held(&of_device[2].after));
    assert_eq!(
        of_device[1].client_transaction_id.as_deref(),
        Some("HOLD-1")
    );
    let text = format!("{rows:?}");
    let password = mno.password.as_ref().unwrap().expose();
    assert!(
        !text.contains(password) && !text.contains(mno.token.expose()),
        "no secrets"
    );
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_names_the_slot_its_certificate_and_whom_it_is_for() {
    let cast = crate::transfers::Cast::open().await;
    let (id, _) = cast.device(1).await;
    cast.losing.issued(new_slot(id, new_csr(), None)).await;
    cast.losing.changed(bind(id, 2, "asp-one")).await;
    cast.losing
        .changed(withdraw(id, 1, WithdrawReason::Compromised))
        .await;
    cast.losing.transfer(push(id, "mno-gaining")).await;
    let rows = rows_after(&cast.stage, 0).await;
    let of_device = rows.iter().filter(|row| row.object == id.as_str());
    let seen: Vec<_> = of_device
        .map(|row| (state(&row.before), state(&row.after)))
        .collect();
    let [created, auth_info, second, bound, withdrawn, pushed] = seen.as_slice() else {
        panic!("{seen:?}")
    };
    let slot = |one: &serde_json::Value| one["slots"][0].clone();
    assert_eq!(slot(&created.1)["asp"], "asp-one");
    assert_eq!(slot(&created.1)["serial"].as_str().unwrap().len() % 2, 0);
    assert!(auth_info.0["authInfoUntil"].is_null() && auth_info.1["authInfoUntil"].is_u64());
    assert!(auth_info.1["slots"].as_array().unwrap().is_empty());
    assert_eq!(
        (&second.0["slots"], slot(&second.1)["slot"].as_u64()),
        (&serde_json::json!([]), Some(2))
    );
    assert!(slot(&bound.0)["asp"].is_null());
    assert_eq!(slot(&bound.1)["asp"], "asp-one");
    assert!(slot(&withdrawn.0)["withdrawn"].is_null());
    assert_eq!(slot(&withdrawn.1)["withdrawn"], "compromised");
    assert_eq!(slot(&withdrawn.1)["serial"], slot(&created.1)["serial"]);
    assert_eq!(pushed.1["transfer"]["gaining"], "mno-gaining");
    assert_eq!(pushed.1["transfer"]["status"], "pending");
    cast.stage.close().await;
}

/// A state in a row; null where there is none.
pub(crate) fn state(text: &Option<String>) -> serde_json::Value {
    text.as_deref().map_or(serde_json::Value::Null, |text| {
        serde_json::from_str(text).unwrap()
    })
}

fn verify(directory: &Path, more: &[&str]) -> Output {
    Process::new(env!("CARGO_BIN_EXE_iot-registry"))
        .arg("--dir")
        .arg(directory)
        .args(["audit", "verify"])
        .args(more)
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edited_missing_or_swapped_row_is_found() {
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    for number in 1..6 {
        mno.issued(create(eid(number))).await;
        mno.changed(hold(eid(number))).await;
    }
    let rows = rows_after(&stage, 0).await;
    let while_running = verify(stage.directory.root(), &[]);
    assert!(while_running.status.success(), "{while_running:?}");
    let root = stage.directory.root().to_owned();
    let scratch = tempfile::tempdir().unwrap();
    stage.running.stop().await;
    let hexadecimal = |hash: [u8; 32]| iot_identity::Fingerprint::from_octets(hash).to_string();
    let head = hexadecimal(rows.last().unwrap().hash.unwrap());
    let edits: [(&str, &'static str); 6] = [
        ("nothing", "SELECT 1"),
        ("edited", "UPDATE audit SET account = 'mno-b' WHERE id = 5"),
        ("removed", "DELETE FROM audit WHERE id = 5"),
        (
            "swapped",
            "UPDATE audit SET id = 1005 WHERE id = 5; UPDATE audit SET id = 5 WHERE id = 6;
             UPDATE audit SET id = 6 WHERE id = 1005",
        ),
        ("without hash", "UPDATE audit SET hash = NULL WHERE id = 5"),
        ("cut off", "DELETE FROM audit WHERE id > 8"),
    ];
    for (name, edit) in edits {
        let copy = scratch.path().join(name.replace(' ', "-"));
        let copied = Process::new("cp").arg("-r").args([&root, &copy]).status();
        assert!(copied.unwrap().success());
        let database = iot_registry::directory::Directory::new(&copy).database();
        let connection = rusqlite::Connection::open(database).unwrap();
        connection.execute_batch(edit).unwrap();
        drop(connection);
        let plain = verify(&copy, &[]);
        let wanted = verify(&copy, &["--wanted", &head]);
        let said = String::from_utf8_lossy(&plain.stderr).into_owned();
        match name {
            "nothing" => {
                assert!(plain.status.success() && wanted.status.success(), "{said}");
                let told = String::from_utf8(plain.stdout).unwrap();
                assert!(told.contains(&head), "{told}");
            }
            // A log that ends early is whole in itself: who noted its head down finds it.
            "cut off" => assert!(plain.status.success() && !wanted.status.success()),
            _ => {
                assert!(!plain.status.success(), "{name}");
                assert!(said.contains("row 5"), "{name}: {said}");
            }
        }
    }
}
