//! The certificate of a slot, asked for after the answer that should have brought it.

use iot_epp_api::command::{Command, DeviceCommand};
use iot_epp_api::epp::ResponseData;
use iot_epp_api::response::SlotCertificate;
use iot_epp_api::{Reply, ResultCode};
use iot_identity::DeviceId;

use crate::stage::*;
use crate::stories::enrolled;

fn certificate(device_id: DeviceId, number: u16) -> Command {
    let slot = slot(number);
    Command::Device(DeviceCommand::Certificate { device_id, slot })
}

/// The certificate as the EPP door gives it.
fn told(talk: &mut Talk, device_id: DeviceId, number: u16) -> SlotCertificate {
    let answer = talk.give(&certificate(device_id, number)).answer;
    match answer.data {
        Some(ResponseData::Certificate(data)) if data.device_id == device_id => data.certificate,
        other => panic!("{:?}: {other:?}", answer.code),
    }
}

async fn told_as_json(party: &Party, device_id: DeviceId, number: u16) -> SlotCertificate {
    match party.done(certificate(device_id, number)).await {
        Reply::Certificate(certificate) => certificate,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sees_a_slot_gets_its_certificate_through_either_door() {
    let stage = Stage::open().await;
    let mno = enrolled(&stage, "mno-a").await;
    let mut asp = stage.asp("asp-one").await;
    asp.enrol(&stage).await;
    let id = eid(1);
    let first = mno.issued(create(id)).await.certificate;
    let command = new_slot(id, new_csr(), Some("asp-one"));
    let second = mno.issued(command).await.certificate;

    let mut talk = stage.talk(&mno);
    for issued in [&first, &second] {
        let number = issued.slot.get();
        assert_eq!(told(&mut talk, id, number), *issued);
        assert_eq!(told_as_json(&mno, id, number).await, *issued);
        assert!(!issued.chain.is_empty());
    }
    let mut provider = stage.talk(&asp);
    assert_eq!(told(&mut provider, id, 2), second);
    let absent = ResultCode::ObjectDoesNotExist;
    assert_eq!(provider.code(&certificate(id, 1)), absent);
    assert_eq!(talk.code(&certificate(id, 3)), absent);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_slot_is_answered_with_the_octets_of_an_info_of_nothing() {
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let mut asp = stage.asp("asp-one").await;
    asp.enrol(&stage).await;
    mno.issued(create(eid(1))).await;
    mno.issued(create_with(eid(2), new_csr(), Some("asp-one")))
        .await;
    let mut talk = RawTalk::begin(&stage, &asp).await;
    let nothing = talk.give(&info(eid(9)), "absent-1").await;
    assert!(nothing.contains("code=\"2303\""), "{nothing}");
    for command in [
        info(eid(1)),
        certificate(eid(1), 1),
        certificate(eid(1), 2),
        certificate(eid(2), 2),
        certificate(eid(9), 1),
    ] {
        let answer = talk.give(&command, "absent-1").await;
        assert_eq!(answer, nothing, "{command:?}");
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pending_answer_names_the_slot_whose_certificate_can_be_had() {
    let stage = Stage::open().await;
    let mno = enrolled(&stage, "mno-a").await;
    let mut talk = stage.talk(&mno);
    // Nobody carries what is committed into the zone.
    stage.running.core.service.publisher().stop();
    for (number, command) in [(1, create(eid(1))), (2, new_slot(eid(1), new_csr(), None))] {
        let answer = talk.give(&command).answer;
        assert_eq!(answer.code, ResultCode::CompletedPending, "{answer:?}");
        let (issued, pending_slot) = match answer.data {
            Some(ResponseData::Create(data)) => (data.issued, data.pending_slot),
            Some(ResponseData::Update(data)) => (data.issued, data.pending_slot),
            other => panic!("{other:?}"),
        };
        assert_eq!((issued, pending_slot), (None, Some(slot(number))));
        let certificate = told(&mut talk, eid(1), number);
        assert_eq!(certificate, told_as_json(&mno, eid(1), number).await);
    }
    stage.close().await;
}
