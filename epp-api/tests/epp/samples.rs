//! One answer of each kind, with everything in it that can be in it.

use iot_epp_api::epp::change_data::{Case, ChangeData, ChangeOperation, ChangeState};
use iot_epp_api::epp::device::*;
use iot_epp_api::epp::response::{Answer, MessageQueue, QueuedMessage, ResponseData};
use iot_epp_api::epp::security_event::{SecurityEvent, SecurityEventKind, SecurityEventLevel};
use iot_epp_api::epp::{Greeting, ServerTransactionId, Services};
use iot_epp_api::{AccountName, ClientTransactionId, DeviceStatus, ResultCode, SlotState};
use iot_identity::{DeviceId, Fingerprint, OwnerName, Slot};
use time::OffsetDateTime;
use time::macros::datetime;

pub(crate) const EID: &str = "89049032123451234512345678901235";
pub(crate) const NOON: OffsetDateTime = datetime!(2026-11-22 12:00:00 UTC);
const YEARS_5: OffsetDateTime = datetime!(2031-11-22 12:00:00 UTC);

pub(crate) fn device_id() -> DeviceId {
    DeviceId::parse(EID).unwrap()
}

pub(crate) fn account(name: &str) -> AccountName {
    AccountName::parse(name).unwrap()
}

pub(crate) fn client_id(text: &str) -> ClientTransactionId {
    ClientTransactionId::parse(text).unwrap()
}

pub(crate) fn server_id() -> ServerTransactionId {
    ServerTransactionId::from_random([0x11; 16])
}

pub(crate) fn greeting() -> Greeting {
    Greeting::new("IoT device registry").unwrap()
}

/// File name in `schema/examples/`, and the answer.
pub(crate) fn answers() -> Vec<(&'static str, Answer)> {
    let completed = Answer::completed;
    let update = |issued, publication| {
        completed(ResponseData::Update(UpdateData {
            device_id: device_id(),
            issued,
            publication,
        }))
    };
    vec![
        ("response-login", login()),
        (
            "response-logout",
            Answer::new(ResultCode::CompletedEndingSession),
        ),
        ("response-refused", refused()),
        (
            "response-poll-empty",
            Answer::new(ResultCode::CompletedNoMessages),
        ),
        ("response-poll-change", change_message()),
        ("response-poll-transfer", transfer_message()),
        ("response-poll-pending", pending_message()),
        ("response-poll-acknowledged", acknowledged()),
        ("response-device-check", check()),
        (
            "response-device-info",
            completed(ResponseData::Info(Box::new(info()))),
        ),
        (
            "response-device-create",
            completed(ResponseData::Create(create(true))),
        ),
        ("response-device-create-pending", {
            let pending = Answer::new(ResultCode::CompletedPending);
            pending.with_data(ResponseData::Create(create(false)))
        }),
        ("response-device-hold", update(None, Some(denied()))),
        (
            "response-device-new-slot",
            update(Some(issued(2)), Some(visible())),
        ),
        ("response-device-update", update(None, None)),
        ("response-device-renew", {
            completed(ResponseData::Renew(RenewData {
                device_id: device_id(),
                expires_at: YEARS_5,
            }))
        }),
        ("response-device-transfer", {
            let pending = Answer::new(ResultCode::CompletedPending);
            pending.with_data(ResponseData::Transfer(transfer(TransferStatus::Pending)))
        }),
        ("response-device-delete", update(None, Some(denied()))),
    ]
}

pub(crate) fn write(answer: &Answer, services: &Services) -> String {
    answer.write(services, Some(&client_id("MNO-0042")), &server_id())
}

fn login() -> Answer {
    let mut answer = Answer::new(ResultCode::Completed);
    answer.security_events = vec![
        SecurityEvent {
            kind: SecurityEventKind::Certificate,
            level: SecurityEventLevel::Warning,
            name: None,
            expires_at: Some(datetime!(2026-12-01 00:00 UTC)),
            value: None,
            duration_days: None,
            text: "the certificate of this account expires".to_owned(),
        },
        SecurityEvent {
            kind: SecurityEventKind::Statistic,
            level: SecurityEventLevel::Warning,
            name: Some("failedLogins".to_owned()),
            expires_at: None,
            value: Some("17".to_owned()),
            duration_days: Some(1),
            text: "17 logins failed within a day".to_owned(),
        },
    ];
    answer
}

fn refused() -> Answer {
    use iot_epp_api::epp::namespace::{DEVICE, Name};
    let csr = Name {
        namespace: DEVICE,
        local: "csr",
    };
    Answer::refused(
        ResultCode::ParameterPolicy,
        "the request is not of P-256 <see the policy>",
    )
    .because(Some(csr), "its key is RSA, 2048 bits")
}

fn queue(text: &str) -> MessageQueue {
    MessageQueue {
        count: 5,
        message_id: 17,
        head: Some(QueuedMessage {
            queued_at: NOON,
            text: text.to_owned(),
        }),
    }
}

fn change_message() -> Answer {
    let mut answer = Answer::new(ResultCode::CompletedAckToDequeue);
    answer.queue = Some(queue("Registry held the device."));
    answer.data = Some(ResponseData::Info(Box::new(info())));
    answer.change = Some(ChangeData {
        state: ChangeState::After,
        operation: ChangeOperation::Update,
        sub_operation: Some("hold".to_owned()),
        changed_at: NOON,
        server_transaction_id: server_id(),
        who: "operator".to_owned(),
        case: Some(Case {
            name: Some("abuse-desk".to_owned()),
            id: "2026-0815".to_owned(),
        }),
        reason: Some("reported stolen, and this text is far too long for it".to_owned()),
    });
    answer
}

fn transfer_message() -> Answer {
    let mut answer = Answer::new(ResultCode::CompletedAckToDequeue);
    answer.queue = Some(queue("Transfer completed."));
    let data = transfer(TransferStatus::ServerApproved);
    answer.with_data(ResponseData::Transfer(data))
}

fn pending_message() -> Answer {
    let mut answer = Answer::new(ResultCode::CompletedAckToDequeue);
    answer.queue = Some(queue("Pending action completed."));
    answer.with_data(ResponseData::PendingAction(PendingActionData {
        device_id: device_id(),
        carried_out: true,
        client_transaction_id: Some(client_id("MNO-0022")),
        server_transaction_id: server_id(),
        settled_at: NOON,
    }))
}

fn acknowledged() -> Answer {
    let mut answer = Answer::new(ResultCode::Completed);
    answer.queue = Some(MessageQueue {
        count: 4,
        message_id: 17,
        head: None,
    });
    answer
}

fn check() -> Answer {
    Answer::completed(ResponseData::Check(vec![
        CheckResult {
            device_id: device_id(),
            available: true,
            reason: None,
        },
        CheckResult {
            device_id: DeviceId::parse("8912230200031010008f").unwrap(),
            available: false,
            reason: Some("In use".to_owned()),
        },
    ]))
}

fn slot(number: u16) -> Slot {
    Slot::new(number).unwrap()
}

fn slot_data(number: u16, state: SlotState, reason: Option<SlotReason>) -> SlotData {
    let name = format!("{number}.{EID}.iotregistry.example");
    SlotData {
        slot: slot(number),
        state,
        reason,
        owner_name: OwnerName::parse_in_any_zone(&name).unwrap(),
        fingerprint: Fingerprint::of_certificate(&[number as u8]),
        serial: Some("0badc0de".to_owned()),
        not_before: NOON,
        not_after: YEARS_5,
        asp: (number == 2).then(|| account("asp-one")),
        inherited: number == 2,
        replace_by: (number == 2).then_some(YEARS_5),
    }
}

fn info() -> InfoData {
    InfoData {
        device_id: device_id(),
        repository_id: RepositoryId(17),
        statuses: vec![
            DeviceStatus::ServerHold,
            DeviceStatus::PendingTransfer,
            DeviceStatus::ServerHold,
        ],
        slots: vec![
            slot_data(1, SlotState::Withdrawn, Some(SlotReason::Compromised)),
            slot_data(2, SlotState::Live, None),
            slot_data(9999, SlotState::Expired, Some(SlotReason::Expired)),
        ],
        sponsor: account("mno-one"),
        created_at: NOON,
        updated_at: Some(NOON),
        expires_at: YEARS_5,
        transferred_at: Some(NOON),
        restore_until: Some(YEARS_5),
    }
}

fn issued(number: u16) -> Issued {
    Issued {
        slot: slot(number),
        certificate: vec![0x30, 0x03, 0x02, 0x01, 0x00],
        chain: vec![
            vec![0x30, 0x03, 0x02, 0x01, 0x01],
            vec![0x30, 0x03, 0x02, 0x01, 0x02],
        ],
    }
}

fn visible() -> Publication {
    Publication {
        published_serial: u32::MAX,
        visible_everywhere_by: Some(NOON),
        ..Publication::default()
    }
}

fn denied() -> Publication {
    Publication {
        published_serial: 2026112201,
        denied_everywhere_by: Some(YEARS_5),
        honest_caches_by: Some(NOON),
        visible_everywhere_by: None,
    }
}

fn create(done: bool) -> CreateData {
    CreateData {
        device_id: device_id(),
        issued: done.then(|| issued(1)),
        created_at: NOON,
        expires_at: YEARS_5,
        publication: done.then(visible),
    }
}

fn transfer(status: TransferStatus) -> TransferData {
    TransferData {
        device_id: device_id(),
        direction: Direction::Pull,
        status,
        requested_by: account("mno-two"),
        requested_at: NOON,
        acting: account("mno-one"),
        acting_at: YEARS_5,
        arrival: Some(Arrival::Held),
        replace_by: Some(YEARS_5),
    }
}
