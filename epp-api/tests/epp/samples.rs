//! One answer of each kind, with everything in it that can be in it.

use iot_epp_api::device::{RepositoryId, SlotReason};
use iot_epp_api::epp::change_data::{ChangeData, ChangeState};
use iot_epp_api::epp::device::*;
use iot_epp_api::epp::response::{Answer, MessageQueue, QueuedMessage};
use iot_epp_api::epp::security_event::SecurityEvent;
use iot_epp_api::epp::{Greeting, ResponseData, ServerTransactionId, Services};
use iot_epp_api::message::{ChangeOperation, Event};
use iot_epp_api::response::SlotCertificate;
use iot_epp_api::transfer::{Arrival, Direction, TransferInfo, TransferStatus};
use iot_epp_api::{
    AccountName, Availability, ClientTransactionId, DeviceInfo, DeviceState, DeviceStatus,
    PublicationTimes, ResultCode, SlotInfo, SlotState,
};
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
    let update = |issued, times| {
        completed(ResponseData::Update(UpdateData {
            device_id: device_id(),
            issued,
            pending_slot: None,
            times,
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
        ("response-poll-event", event_message()),
        ("response-poll-acknowledged", acknowledged()),
        ("response-device-check", check()),
        (
            "response-device-info",
            completed(ResponseData::Info(Box::new(info()))),
        ),
        (
            "response-device-certificate",
            completed(ResponseData::Certificate(CertificateData {
                device_id: device_id(),
                certificate: issued(2),
            })),
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
            pending.with_data(transfer(TransferStatus::Pending, None))
        }),
        ("response-device-delete", update(None, Some(denied()))),
        ("response-device-delete-again", {
            let mut again = update(None, Some(denied()));
            again.replayed = true;
            again
        }),
    ]
}

pub(crate) fn write(answer: &Answer, services: &Services) -> String {
    answer.write(services, Some(&client_id("MNO-0042")), &server_id())
}

fn login() -> Answer {
    let mut answer = Answer::new(ResultCode::Completed);
    answer.security_events = vec![
        SecurityEvent::certificate_expires(datetime!(2026-12-01 00:00 UTC)),
        SecurityEvent::failed_logins(17, 7),
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
        sub_operation: Some(Event::StatusChanged.as_str().to_owned()),
        changed_at: NOON,
        server_transaction_id: server_id(),
        who: "operator".to_owned(),
        reason: Some("reported stolen, and this text is far too long for it".to_owned()),
    });
    answer.before = Some(Box::new(DeviceInfo {
        state: DeviceState::Active,
        statuses: Vec::new(),
        slots: Vec::new(),
        version: 41,
        ..info()
    }));
    answer
}

fn transfer_message() -> Answer {
    let mut answer = Answer::new(ResultCode::CompletedAckToDequeue);
    answer.queue = Some(queue("Transfer completed."));
    answer.with_data(transfer(TransferStatus::ServerApproved, Some(denied())))
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
        slot: Some(slot(1)),
        times: Some(visible()),
    }))
}

fn event_message() -> Answer {
    let mut answer = Answer::new(ResultCode::CompletedAckToDequeue);
    answer.queue = Some(queue("A certificate was issued for you."));
    answer.with_data(ResponseData::Event(EventData {
        event: Event::SlotIssued,
        device_id: Some(device_id()),
        slot: Some(EventSlot {
            slot: slot(2),
            not_after: YEARS_5,
            reason: None,
            certificate: Some(vec![0x30, 0x03, 0x02, 0x01, 0x00]),
        }),
        job: None,
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
        Availability {
            device_id: device_id(),
            available: true,
            reason: None,
        },
        Availability {
            device_id: DeviceId::parse("8912230200031010008f").unwrap(),
            available: false,
            reason: Some("In use".to_owned()),
        },
    ]))
}

fn slot(number: u16) -> Slot {
    Slot::new(number).unwrap()
}

fn slot_info(number: u16, state: SlotState, reason: Option<SlotReason>) -> SlotInfo {
    let name = format!("{number}.{EID}.iotregistry.example");
    SlotInfo {
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

pub(crate) fn info() -> DeviceInfo {
    DeviceInfo {
        device_id: device_id(),
        repository_id: RepositoryId(17),
        state: DeviceState::Inactive,
        statuses: vec![
            DeviceStatus::ServerHold,
            DeviceStatus::PendingTransfer,
            DeviceStatus::ServerHold,
        ],
        slots: vec![
            slot_info(1, SlotState::Withdrawn, Some(SlotReason::Compromised)),
            slot_info(2, SlotState::Live, None),
            slot_info(9999, SlotState::Expired, Some(SlotReason::Expired)),
        ],
        account: account("mno-one"),
        created_at: NOON,
        updated_at: NOON,
        expires_at: YEARS_5,
        transferred_at: Some(NOON),
        restore_until: Some(YEARS_5),
        version: 42,
    }
}

fn issued(number: u16) -> SlotCertificate {
    SlotCertificate {
        slot: slot(number),
        certificate: vec![0x30, 0x03, 0x02, 0x01, 0x00],
        chain: vec![
            vec![0x30, 0x03, 0x02, 0x01, 0x01],
            vec![0x30, 0x03, 0x02, 0x01, 0x02],
        ],
    }
}

fn visible() -> PublicationTimes {
    PublicationTimes {
        published_serial: u32::MAX,
        visible_everywhere_by: Some(NOON),
        ..PublicationTimes::default()
    }
}

fn denied() -> PublicationTimes {
    PublicationTimes {
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
        pending_slot: (!done).then(|| slot(1)),
        created_at: NOON,
        expires_at: YEARS_5,
        times: done.then(visible),
    }
}

fn transfer(status: TransferStatus, times: Option<PublicationTimes>) -> ResponseData {
    let transfer = Box::new(TransferInfo {
        transfer_id: 4,
        device_id: device_id(),
        direction: Direction::Pull,
        status,
        losing: account("mno-one"),
        gaining: account("mno-two"),
        requested_by: account("mno-two"),
        requested_at: NOON,
        acting: account("mno-one"),
        acting_at: YEARS_5,
        arrival: Some(Arrival::Held),
        replace_by: Some(YEARS_5),
    });
    ResponseData::Transfer { transfer, times }
}
