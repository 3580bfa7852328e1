//! Every word that an answer can choose, and every part that it can leave out, is valid.

use iot_epp_api::device::{RepositoryId, SlotReason};
use iot_epp_api::epp::change_data::{ChangeData, ChangeState};
use iot_epp_api::epp::device::*;
use iot_epp_api::epp::security_event::{SecurityEvent, SecurityEventKind, SecurityEventLevel};
use iot_epp_api::epp::{Answer, ResponseData, Services};
use iot_epp_api::message::{ChangeOperation, Event};
use iot_epp_api::transfer::{Arrival, Direction, TransferInfo, TransferStatus};
use iot_epp_api::{
    Availability, DeviceInfo, DeviceState, DeviceStatus, PublicationTimes, ResultCode, SlotInfo,
    SlotState,
};
use iot_identity::{DeviceId, Fingerprint, OwnerName, Slot};

use crate::samples::{NOON, account, device_id, server_id};
use crate::schemas::validate;

const HOSTILE: &str = " <&>\"' \n\t\r ]]> \u{0}\u{ffff} ä\u{202e}🦀 ";

fn info() -> DeviceInfo {
    DeviceInfo {
        device_id: DeviceId::parse("8912230200031010008f").unwrap(),
        repository_id: RepositoryId(u64::MAX),
        state: DeviceState::Active,
        statuses: Vec::new(),
        slots: Vec::new(),
        account: account("a-sponsor-of-16c"),
        created_at: NOON,
        updated_at: NOON,
        expires_at: NOON,
        transferred_at: None,
        restore_until: None,
        version: u64::MAX,
    }
}

fn slots() -> Vec<SlotInfo> {
    let reasons = [
        None,
        Some(SlotReason::Superseded),
        Some(SlotReason::Compromised),
        Some(SlotReason::Expired),
        Some(SlotReason::Deleted),
    ];
    let states = [SlotState::Live, SlotState::Withdrawn, SlotState::Expired];
    let both = states
        .into_iter()
        .flat_map(|state| reasons.map(|reason| (state, reason)));
    both.map(|(state, reason)| SlotInfo {
        slot: Slot::FIRST,
        state,
        reason,
        owner_name: OwnerName::parse_in_any_zone("1.8912230200031010008f.z.example").unwrap(),
        fingerprint: Fingerprint::of_certificate(b"x"),
        serial: None,
        not_before: NOON,
        not_after: NOON,
        asp: None,
        inherited: false,
        replace_by: None,
    })
    .collect()
}

fn infos() -> Vec<Answer> {
    let mut full = info();
    full.statuses = [DeviceStatus::ALL, DeviceStatus::ALL].concat();
    full.state = DeviceState::PendingDelete;
    full.slots = slots();
    [info(), full]
        .map(|info| Answer::completed(ResponseData::Info(Box::new(info))))
        .into()
}

fn changes() -> Vec<Answer> {
    let states = [ChangeState::Before, ChangeState::After];
    let both = states.into_iter().flat_map(|state| {
        ChangeOperation::ALL
            .iter()
            .map(move |operation| (state, *operation))
    });
    both.enumerate()
        .map(|(place, (state, operation))| {
            let hostile = place % 2 == 0;
            let mut answer = Answer::new(ResultCode::CompletedAckToDequeue);
            answer.change = Some(ChangeData {
                state,
                operation,
                sub_operation: hostile.then(|| HOSTILE.to_owned()),
                changed_at: NOON,
                server_transaction_id: server_id(),
                who: if hostile {
                    HOSTILE.repeat(50)
                } else {
                    String::new()
                },
                reason: hostile.then(|| HOSTILE.repeat(9)),
            });
            answer
        })
        .collect()
}

fn events() -> Answer {
    let levels = [SecurityEventLevel::Warning, SecurityEventLevel::Error];
    let mut answer = Answer::new(ResultCode::Completed);
    for (kind, level) in SecurityEventKind::ALL
        .into_iter()
        .flat_map(|kind| levels.map(|level| (kind, level)))
    {
        let hostile = level == SecurityEventLevel::Error;
        answer.security_events.push(SecurityEvent {
            kind,
            level,
            name: hostile.then(|| HOSTILE.to_owned()),
            expires_at: None,
            value: hostile.then(|| HOSTILE.to_owned()),
            duration_days: hostile.then_some(u16::MAX),
            text: if hostile {
                HOSTILE.to_owned()
            } else {
                String::new()
            },
        });
    }
    answer
}

fn transfers() -> Vec<Answer> {
    let arrivals = [None, Some(Arrival::AsIs), Some(Arrival::Held)];
    let both = TransferStatus::ALL
        .iter()
        .flat_map(|status| arrivals.map(|arrival| (*status, arrival)));
    both.zip(Direction::ALL.iter().cycle())
        .map(|((status, arrival), direction)| {
            let transfer = Box::new(TransferInfo {
                transfer_id: u64::MAX,
                device_id: device_id(),
                direction: *direction,
                status,
                losing: account("abc"),
                gaining: account("abc"),
                requested_by: account("abc"),
                requested_at: NOON,
                acting: account("abc"),
                acting_at: NOON,
                arrival,
                replace_by: None,
            });
            let times = arrival.map(|_| PublicationTimes::default());
            Answer::completed(ResponseData::Transfer { transfer, times })
        })
        .collect()
}

fn messages() -> Vec<Answer> {
    let events = Event::ALL.iter().enumerate();
    events
        .map(|(place, event)| {
            Answer::completed(ResponseData::Event(EventData {
                event: *event,
                device_id: (place % 2 == 0).then(device_id),
                slot: (place % 3 == 0).then(|| EventSlot {
                    slot: Slot::FIRST,
                    not_after: NOON,
                    reason: SlotReason::ALL.get(place / 3).copied(),
                    certificate: (place % 2 == 0).then(|| vec![0x30, 0]),
                }),
                job: (place % 5 == 0).then_some(EventJob {
                    job_id: u64::MAX,
                    succeeded: 0,
                    failed: u64::MAX,
                }),
            }))
        })
        .collect()
}

fn others() -> Vec<Answer> {
    let empty_reason = Availability {
        device_id: device_id(),
        available: false,
        reason: Some(" \n".to_owned()),
    };
    let pending = PendingActionData {
        device_id: device_id(),
        carried_out: false,
        client_transaction_id: None,
        server_transaction_id: server_id(),
        settled_at: NOON,
        slot: None,
        times: None,
    };
    let update = UpdateData {
        device_id: device_id(),
        issued: None,
        pending_slot: None,
        times: Some(PublicationTimes::default()),
    };
    vec![
        Answer::completed(ResponseData::Check(vec![empty_reason; 1000])),
        Answer::completed(ResponseData::PendingAction(pending)),
        Answer::completed(ResponseData::Update(update)),
    ]
}

#[test]
fn every_choice_and_every_absence_is_valid() {
    let mut answers = vec![events()];
    answers.extend(infos());
    answers.extend(changes());
    answers.extend(transfers());
    answers.extend(messages());
    answers.extend(others());
    let mut documents = Vec::new();
    for services in [Services::all(), Services::none()] {
        for answer in &answers {
            let document = answer.write(&services, None, &server_id());
            documents.push((documents.len().to_string(), document));
        }
    }
    assert_eq!(documents.len(), 2 * (1 + 2 + 14 + 18 + 15 + 3));
    validate(&documents);
}
