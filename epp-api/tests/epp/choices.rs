//! Every word that an answer can choose, and every part that it can leave out, is valid.

use iot_epp_api::epp::change_data::{Case, ChangeData, ChangeOperation, ChangeState};
use iot_epp_api::epp::device::*;
use iot_epp_api::epp::security_event::{SecurityEvent, SecurityEventKind, SecurityEventLevel};
use iot_epp_api::epp::{Answer, ResponseData, Services};
use iot_epp_api::{DeviceStatus, ResultCode, SlotState};
use iot_identity::{DeviceId, Fingerprint, OwnerName, Slot};

use crate::samples::{NOON, account, device_id, server_id};
use crate::schemas::validate;

const HOSTILE: &str = " <&>\"' \n\t\r ]]> \u{0}\u{ffff} ä\u{202e}🦀 ";

fn info() -> InfoData {
    InfoData {
        device_id: DeviceId::parse("8912230200031010008f").unwrap(),
        repository_id: RepositoryId(u64::MAX),
        statuses: Vec::new(),
        slots: Vec::new(),
        sponsor: account("a-sponsor-of-16c"),
        created_at: NOON,
        updated_at: None,
        expires_at: NOON,
        transferred_at: None,
        restore_until: None,
    }
}

fn slots() -> Vec<SlotData> {
    let reasons = [
        None,
        Some(SlotReason::Superseded),
        Some(SlotReason::Compromised),
        Some(SlotReason::Expired),
    ];
    let states = [SlotState::Live, SlotState::Withdrawn, SlotState::Expired];
    let both = states
        .into_iter()
        .flat_map(|state| reasons.map(|reason| (state, reason)));
    both.map(|(state, reason)| SlotData {
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
    use DeviceStatus::*;
    let all = [
        Ok,
        Inactive,
        ClientHold,
        ServerHold,
        PendingCreate,
        PendingTransfer,
        PendingDelete,
        ClientDeleteProhibited,
        ClientRenewProhibited,
        ClientTransferProhibited,
        ClientUpdateProhibited,
        ServerDeleteProhibited,
        ServerRenewProhibited,
        ServerTransferProhibited,
        ServerUpdateProhibited,
    ];
    let mut full = info();
    full.statuses = all.into_iter().chain(all).collect();
    full.slots = slots();
    [info(), full]
        .map(|info| Answer::completed(ResponseData::Info(Box::new(info))))
        .into()
}

fn changes() -> Vec<Answer> {
    use ChangeOperation::*;
    let operations = [
        Create, Delete, Renew, Transfer, Update, Restore, AutoRenew, AutoDelete, AutoPurge, Custom,
    ];
    let states = [ChangeState::Before, ChangeState::After];
    let both = states
        .into_iter()
        .flat_map(|state| operations.map(|operation| (state, operation)));
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
                case: hostile.then(|| Case {
                    name: (place % 4 == 0).then(|| HOSTILE.to_owned()),
                    id: HOSTILE.to_owned(),
                }),
                reason: hostile.then(|| HOSTILE.repeat(9)),
            });
            answer
        })
        .collect()
}

fn events() -> Answer {
    use SecurityEventKind::*;
    let kinds = [
        Password,
        Certificate,
        Cipher,
        TlsProtocol,
        NewPassword,
        Statistic,
        Custom,
    ];
    let levels = [SecurityEventLevel::Warning, SecurityEventLevel::Error];
    let mut answer = Answer::new(ResultCode::Completed);
    for (kind, level) in kinds
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
    use TransferStatus::*;
    let statuses = [
        Pending,
        ClientApproved,
        ClientCancelled,
        ClientRejected,
        ServerApproved,
        ServerCancelled,
    ];
    let arrivals = [None, Some(Arrival::AsIs), Some(Arrival::Held)];
    let both = statuses
        .into_iter()
        .flat_map(|status| arrivals.map(|arrival| (status, arrival)));
    both.map(|(status, arrival)| {
        Answer::completed(ResponseData::Transfer(TransferData {
            device_id: device_id(),
            direction: if arrival.is_some() {
                Direction::Push
            } else {
                Direction::Pull
            },
            status,
            requested_by: account("abc"),
            requested_at: NOON,
            acting: account("abc"),
            acting_at: NOON,
            arrival,
            replace_by: None,
        }))
    })
    .collect()
}

fn others() -> Vec<Answer> {
    let empty_reason = CheckResult {
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
    };
    let update = UpdateData {
        device_id: device_id(),
        issued: None,
        publication: Some(Publication::default()),
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
    answers.extend(others());
    let mut documents = Vec::new();
    for services in [Services::all(), Services::none()] {
        for answer in &answers {
            let document = answer.write(&services, None, &server_id());
            documents.push((documents.len().to_string(), document));
        }
    }
    assert_eq!(documents.len(), 2 * (1 + 2 + 20 + 18 + 3));
    validate(&documents);
}
