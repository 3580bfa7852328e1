//! Frames as clients write them: every example reads, and comes back as it was.

use iot_epp_api::DeviceStatus;
use iot_epp_api::device::WithdrawReason;
use iot_epp_api::epp::device::*;
use iot_epp_api::epp::{EppCommand, Frame, Poll};
use iot_epp_api::period::{Period, PeriodUnit};
use iot_epp_api::transfer::Arrival;
use time::macros::date;

use crate::samples::{EID, account, client_id, device_id};
use crate::schemas::examples;

fn example(name: &str) -> (EppCommand, String) {
    let (_, document) = examples()
        .into_iter()
        .find(|(found, _)| found == name)
        .unwrap();
    match Frame::read(document.as_bytes()).unwrap() {
        Frame::Command {
            command,
            client_transaction_id,
        } => (*command, client_transaction_id.unwrap().to_string()),
        Frame::Hello => panic!("{name} is hello"),
    }
}

fn device(name: &str) -> DeviceRequest {
    match example(name).0 {
        EppCommand::Device(command) => command,
        other => panic!("{other:?}"),
    }
}

fn update(name: &str) -> Update {
    match device(name) {
        DeviceRequest::Update(update) => update,
        other => panic!("{other:?}"),
    }
}

#[test]
fn examples_of_clients_come_back_as_they_were() {
    let mut frames = 0;
    for (name, document) in examples() {
        if name == "greeting" || name.starts_with("response-") {
            assert!(Frame::read(document.as_bytes()).is_err(), "{name}");
            continue;
        }
        let frame =
            Frame::read(document.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(Frame::read(frame.write().as_bytes()), Ok(frame), "{name}");
        frames += 1;
    }
    assert_eq!(frames, 22);
}

#[test]
fn login_has_its_passwords_from_the_extension() {
    let (EppCommand::Login(login), id) = example("login") else {
        panic!("no login");
    };
    assert_eq!(id, "MNO-0001");
    assert_eq!(login.client_id, "mno-one");
    assert_eq!(login.password.expose(), "an example of a long password");
    let new_password = login.new_password.as_ref().unwrap();
    assert_eq!(new_password.expose(), "another example, longer still");
    assert_eq!(
        (login.version.as_str(), login.language.as_str()),
        ("1.0", "en")
    );
    assert_eq!(
        (login.object_uris.len(), login.extension_uris.len()),
        (1, 4)
    );
    assert_eq!(
        login.user_agent.as_ref().unwrap().application.as_deref(),
        Some("fleet-manager 4.2")
    );
    let shown = format!("{login:?}");
    assert!(!shown.contains("long password") && !shown.contains("longer still"));
}

#[test]
fn commands_say_what_their_examples_say() {
    assert_eq!(example("logout").0, EppCommand::Logout);
    assert_eq!(example("poll-request").0, EppCommand::Poll(Poll::Request));
    let acknowledge = Poll::Acknowledge { message_id: 17 };
    assert_eq!(example("poll-acknowledge").0, EppCommand::Poll(acknowledge));
    assert_eq!(
        device("device-delete"),
        DeviceRequest::Delete {
            device_id: device_id()
        }
    );
    assert_eq!(
        device("device-renew"),
        DeviceRequest::Renew(Renew {
            device_id: device_id(),
            current_expiry: date!(2031 - 11 - 22),
            period: Period::new(18, PeriodUnit::Months),
        })
    );
    let DeviceRequest::Check(check) = device("device-check") else {
        panic!("no check");
    };
    assert_eq!(check.device_ids.len(), 2);
    let DeviceRequest::Info(info) = device("device-info") else {
        panic!("no info");
    };
    assert_eq!(info.auth_info.unwrap().expose(), "Kq9(mZ2!vW7#xR4&tY6e");
    let DeviceRequest::Create(create) = device("device-create") else {
        panic!("no create");
    };
    assert_eq!(create.period, Period::new(5, PeriodUnit::Years));
    assert_eq!((create.csr.len(), create.csr[0]), (48, 0x30));
    assert_eq!(create.asp, Some(account("asp-one")));
    assert_eq!(create.auth_info.unwrap().expose().len(), 20);
}

#[test]
fn updates_say_what_their_examples_say() {
    let hold = update("device-hold");
    assert_eq!(hold.add.statuses, [DeviceStatus::ClientHold]);
    assert_eq!((hold.remove, hold.change), Default::default());
    assert_eq!(
        update("device-unhold").remove.statuses,
        [DeviceStatus::ClientHold]
    );
    let new_slot = update("device-new-slot").change;
    assert_eq!(new_slot.new_slot.unwrap().asp, Some(account("asp-one")));
    assert!(
        new_slot.withdrawals.is_empty(),
        "a new slot is a command of its own"
    );
    assert!(update("device-restore").change.restore);
    let everything = update("device-update");
    assert_eq!(everything.add.bindings[0].asp, account("asp-two"));
    assert_eq!(everything.remove.bindings[0].slot.get(), 1);
    assert_eq!(everything.change.auth_info, Some(AuthInfoChange::Clear));
    assert_eq!(
        everything.change.withdrawals[0].reason,
        WithdrawReason::Compromised
    );
}

#[test]
fn transfers_say_what_their_examples_say() {
    let operation = |name: &str| match device(name) {
        DeviceRequest::Transfer(transfer) => transfer.operation,
        other => panic!("{other:?}"),
    };
    let pull = operation("device-transfer-pull");
    assert!(matches!(
        pull,
        TransferOperation::Pull {
            arrival: Arrival::Held,
            ..
        }
    ));
    let push = TransferOperation::Push {
        gaining: account("mno-two"),
    };
    assert_eq!(operation("device-transfer-push"), push);
    let query = TransferOperation::Query { auth_info: None };
    assert_eq!(operation("device-transfer-query"), query);
    let approve = TransferOperation::Approve {
        arrival: Some(Arrival::AsIs),
    };
    assert_eq!(operation("device-transfer-approve"), approve);
    assert_eq!(
        operation("device-transfer-reject"),
        TransferOperation::Reject
    );
    assert_eq!(
        operation("device-transfer-cancel"),
        TransferOperation::Cancel
    );
}

#[test]
fn prefixes_and_defaults_may_be_any() {
    let document = format!(
        "\u{feff}<?xml version='1.0' encoding='utf-8'?><!-- a comment --><a:epp
         xmlns:a='urn:ietf:params:xml:ns:epp-1.0' xmlns='urn:x'
         xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'
         xsi:schemaLocation='urn:ietf:params:xml:ns:epp-1.0 epp-1.0.xsd'>
         <a:command><a:delete><delete xmlns='tag:iotregistry.example,2026:epp:device-1.0'>
         <a:id xmlns:a='tag:iotregistry.example,2026:epp:device-1.0'> &#56;{} </a:id>
         </delete></a:delete><!-- here too --><a:clTRID>ABC</a:clTRID></a:command></a:epp>",
        &EID[1..]
    );
    let read = Frame::read(document.as_bytes()).unwrap();
    assert_eq!(
        read,
        Frame::Command {
            command: Box::new(EppCommand::Device(DeviceRequest::Delete {
                device_id: device_id()
            })),
            client_transaction_id: Some(client_id("ABC")),
        }
    );
}
