//! What frames mean, and how answers are told: valid whatever the registry says, and read by our own
//! client without loss.

use iot_epp_api::command::{Command, DeviceChange, DeviceCommand, MessageCommand, TransferCommand};
use iot_epp_api::device::{SettableStatus, WithdrawReason};
use iot_epp_api::epp::client::{Received, ReceivedResponse};
use iot_epp_api::epp::device::DeviceRequest;
use iot_epp_api::epp::mapping::{Asked, answer, device_command, poll_command, said};
use iot_epp_api::epp::{Answer, EppCommand, Frame, ResponseData, Services};
use iot_epp_api::message::{Change, ChangeOperation, Detail, Event, Message};
use iot_epp_api::transfer::Arrival;
use iot_epp_api::{Reply, Response, ResultCode};
use iot_identity::Slot;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::arbitrary::{asked, response};
use crate::commands::device_command as device_frame;
use crate::samples::{
    NOON, account, answers, client_id, device_id, greeting, info, server_id, write,
};
use crate::schemas::{examples, validate};

/// The command that an example means.
fn meant(name: &str) -> Command {
    let (_, document) = examples()
        .into_iter()
        .find(|(found, _)| found == name)
        .unwrap();
    let Ok(Frame::Command { command, .. }) = Frame::read(document.as_bytes()) else {
        panic!("{name}");
    };
    match *command {
        EppCommand::Device(said) => device_command(said).unwrap(),
        EppCommand::Poll(poll) => poll_command(poll),
        other => panic!("{other:?}"),
    }
}

fn slot(number: u16) -> Slot {
    Slot::new(number).unwrap()
}

#[test]
fn updates_mean_one_command_each() {
    let device_id = device_id();
    let update = |changes| Command::Device(DeviceCommand::Update { device_id, changes });
    let hold = SettableStatus::ClientHold;
    assert_eq!(
        meant("device-hold"),
        update(vec![DeviceChange::AddStatus(hold)])
    );
    assert_eq!(
        meant("device-unhold"),
        update(vec![DeviceChange::RemoveStatus(hold)])
    );
    let everything = update(vec![
        DeviceChange::RemoveStatus(SettableStatus::ClientUpdateProhibited),
        DeviceChange::AddStatus(SettableStatus::ClientTransferProhibited),
        DeviceChange::Unbind {
            slot: slot(1),
            asp: account("asp-one"),
        },
        DeviceChange::Bind {
            slot: slot(2),
            asp: account("asp-two"),
        },
        DeviceChange::ClearAuthInfo,
        DeviceChange::Withdraw {
            slot: slot(1),
            reason: WithdrawReason::Compromised,
        },
    ]);
    assert_eq!(meant("device-update"), everything);
    let restore = Command::Device(DeviceCommand::Restore { device_id });
    assert_eq!(meant("device-restore"), restore);
    let Command::Device(DeviceCommand::NewSlot { csr, asp, .. }) = meant("device-new-slot") else {
        panic!("no new slot");
    };
    assert_eq!((csr.len(), asp), (48, Some(account("asp-one"))));
}

#[test]
fn transfers_and_polls_mean_their_commands() {
    let device_id = device_id();
    let transfer = |command| Command::Transfer(command);
    let to = account("mno-two");
    let arrival = Some(Arrival::AsIs);
    for (name, command) in [
        (
            "device-transfer-push",
            transfer(TransferCommand::Push { device_id, to }),
        ),
        (
            "device-transfer-approve",
            transfer(TransferCommand::Approve { device_id, arrival }),
        ),
        (
            "device-transfer-reject",
            transfer(TransferCommand::Reject { device_id }),
        ),
        (
            "device-transfer-cancel",
            transfer(TransferCommand::Cancel { device_id }),
        ),
        (
            "device-certificate",
            Command::Device(DeviceCommand::Certificate {
                device_id,
                slot: slot(2),
            }),
        ),
        ("poll-request", Command::Message(MessageCommand::Head)),
        (
            "poll-acknowledge",
            Command::Message(MessageCommand::Acknowledge { message_id: 17 }),
        ),
        (
            "device-delete",
            Command::Device(DeviceCommand::Delete { device_id }),
        ),
    ] {
        assert_eq!(meant(name), command, "{name}");
    }
    assert!(matches!(
        meant("device-transfer-pull"),
        Command::Transfer(TransferCommand::Pull {
            arrival: Arrival::Held,
            ..
        })
    ));
}

fn told(reply: Reply) -> Answer {
    answer(Asked::Other, Response::success("IOTR-1", reply))
}

fn told_change(before: bool, after: bool) -> Answer {
    told(Reply::Messages {
        count: 1,
        head: Some(Box::new(Message {
            message_id: 3,
            queued_at: NOON,
            event: Event::Deleted,
            text: "Deleted.".to_owned(),
            device_id: Some(device_id()),
            detail: Detail::Change(Box::new(Change {
                operation: ChangeOperation::Delete,
                who: "operator".to_owned(),
                server_transaction_id: "IOTR-2".to_owned(),
                at: NOON,
                reason: None,
                before: before.then(info),
                after: after.then(info),
            })),
        })),
    })
}

#[test]
fn a_change_shows_the_device_as_it_is_or_as_it_was() {
    use iot_epp_api::epp::change_data::ChangeState::{After, Before};
    for (before, after, state, is_info) in [
        (true, true, After, true),
        (false, true, After, true),
        (true, false, Before, true),
        (false, false, After, false),
    ] {
        let told = told_change(before, after);
        assert_eq!(told.code, ResultCode::CompletedAckToDequeue);
        assert_eq!(told.before.is_some(), before && after);
        assert_eq!(matches!(told.data, Some(ResponseData::Info(_))), is_info);
        let change = told.change.unwrap();
        assert_eq!(
            (change.state, change.sub_operation.as_deref()),
            (state, Some("deleted"))
        );
    }
}

#[test]
fn an_empty_queue_is_not_described() {
    let acknowledged = |count, next_message_id| {
        let reply = Reply::Acknowledged {
            count,
            next_message_id,
        };
        let asked = Asked::Acknowledge { message_id: 17 };
        answer(asked, Response::success("IOTR-1", reply))
    };
    assert_eq!(acknowledged(0, None).queue, None);
    let queue = acknowledged(4, Some(18)).queue.unwrap();
    assert_eq!((queue.count, queue.message_id, queue.head), (4, 18, None));
    let empty = told(Reply::Messages {
        count: 0,
        head: None,
    });
    assert_eq!(
        (empty.code, empty.queue),
        (ResultCode::CompletedNoMessages, None)
    );
}

#[test]
fn the_result_of_an_earlier_request_says_so() {
    let response = || Response::success("IOTR-1", Reply::Done);
    for (response, message) in [
        (response(), "Command completed successfully"),
        (
            response().as_replay(),
            "Command completed successfully; result of an earlier request",
        ),
    ] {
        let replayed = response.replayed;
        let document = write(&answer(Asked::Other, response), &Services::all());
        assert!(
            document.contains(&format!("<msg>{message}</msg>")),
            "{document}"
        );
        let Ok(Received::Response(received)) = Received::read(document.as_bytes()) else {
            panic!("not read: {document}");
        };
        assert_eq!(received.answer.replayed, replayed);
    }
}

#[test]
fn our_client_reads_what_we_emit() {
    let greeting = greeting().write(NOON);
    let Ok(Received::Greeting(greeting)) = Received::read(greeting.as_bytes()) else {
        panic!("no greeting");
    };
    assert_eq!(
        (greeting.server_id.as_str(), greeting.date),
        ("IoT device registry", NOON)
    );
    assert_eq!((greeting.versions.len(), greeting.languages.len()), (1, 1));
    assert_eq!(
        (greeting.object_uris.len(), greeting.extension_uris.len()),
        (1, 4)
    );
    for (name, mut answer) in answers() {
        // What has no room in the schema is cut, and statuses are a set.
        if let Some(change) = &mut answer.change {
            change.reason = change.reason.as_deref().map(|text| text[..32].to_owned());
        }
        for info in infos(&mut answer) {
            info.statuses.sort_unstable();
            info.statuses.dedup();
            if info.statuses.is_empty() {
                info.statuses.push(iot_epp_api::DeviceStatus::Ok);
            }
        }
        let document = write(&answer, &Services::all());
        let received = Received::read(document.as_bytes());
        let expected = Received::Response(Box::new(ReceivedResponse {
            answer,
            client_transaction_id: Some(client_id("MNO-0042")),
            server_transaction_id: server_id(),
        }));
        assert_eq!(received, Ok(expected), "{name}");
    }
}

fn infos(answer: &mut Answer) -> impl Iterator<Item = &mut iot_epp_api::DeviceInfo> {
    let data = match &mut answer.data {
        Some(ResponseData::Info(info)) => Some(&mut **info),
        _ => None,
    };
    data.into_iter().chain(answer.before.as_deref_mut())
}

#[test]
fn what_a_server_cannot_mean_is_not_read() {
    let response = write(&answers().remove(0).1, &Services::all());
    for (old, new) in [
        ("code=\"1000\"", "code=\"1002\""),
        ("<trID>", "<trid/><trID>"),
        ("IOTR-", "IOTR&#160;"),
        ("</response>", "</response><response/>"),
        ("type=\"certificate\"", "type=\"weather\""),
        ("<?xml", "<!DOCTYPE epp><?xml"),
    ] {
        assert!(response.contains(old), "{old}");
        let broken = response.replacen(old, new, 1);
        assert!(Received::read(broken.as_bytes()).is_err(), "{new}");
    }
    for (_, document) in examples() {
        let by_client = Frame::read(document.as_bytes()).is_ok();
        assert_eq!(Received::read(document.as_bytes()).is_err(), by_client);
    }
}

proptest! {
    #[test]
    fn what_a_command_is_said_with_means_it(frame in device_frame()) {
        let EppCommand::Device(request) = frame else { unreachable!() };
        if let Ok(command) = device_command(request) {
            let Some(EppCommand::Device(again)) = said(&command) else {
                panic!("not said: {command:?}");
            };
            let document = Frame::Command {
                command: Box::new(EppCommand::Device(again)),
                client_transaction_id: None,
            };
            let Ok(Frame::Command { command: read, .. }) = Frame::read(document.write().as_bytes())
            else {
                panic!("not read");
            };
            let EppCommand::Device(read) = *read else { unreachable!() };
            prop_assert_eq!(device_command(read), Ok(command));
        }
    }

    #[test]
    fn every_answer_is_read_by_our_client_without_loss(response in response(), asked in asked()) {
        let document = write(&answer(asked, response), &Services::all());
        let received = Received::read(document.as_bytes());
        let Ok(Received::Response(received)) = received else {
            panic!("{received:?}: {document}");
        };
        prop_assert_eq!(write(&received.answer, &Services::all()), document);
    }

    /// A server that lies costs an error at most.
    #[test]
    fn documents_with_octets_changed_never_panic_the_client(
        place in any::<prop::sample::Index>(),
        octet in any::<u8>(),
        which in any::<prop::sample::Index>(),
    ) {
        let (_, document) = which.get(&examples()).clone();
        let mut octets = document.into_bytes();
        let place = place.index(octets.len());
        octets[place] = octet;
        let _ = Received::read(&octets);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn every_answer_is_valid(responses in vec((response(), asked()), 60)) {
        let mut documents = Vec::new();
        for (response, asked) in responses {
            let told = answer(asked, response);
            for services in [Services::all(), Services::none()] {
                documents.push((documents.len().to_string(), write(&told, &services)));
            }
        }
        validate(&documents);
    }
}

#[test]
fn what_this_door_has_no_words_for_is_not_said() {
    let device_id = device_id();
    let unsaid = [
        Command::Device(DeviceCommand::List {
            after: None,
            limit: 1,
        }),
        Command::Transfer(TransferCommand::Force {
            device_id,
            to: account("mno-two"),
            arrival: Arrival::AsIs,
        }),
    ];
    assert!(unsaid.iter().all(|command| said(command).is_none()));
    let hold = said(&Command::Device(DeviceCommand::Deactivate { device_id }));
    let Some(EppCommand::Device(DeviceRequest::Update(update))) = hold else {
        panic!("{hold:?}");
    };
    assert_eq!(update.add.statuses, [iot_epp_api::DeviceStatus::ClientHold]);
}
