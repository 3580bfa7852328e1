//! Devices and their credentials.

use crate::command::DeviceChange;
use crate::command::{Command, DEVICES_DEFAULT, DEVICES_MAX, DeviceCommand};
use crate::json::answer_header::AnswerHeader;
use crate::json::body;
use crate::json::csr_text;
use crate::json::document::change::{DEVICE_UPDATE, DeviceUpdate};
use crate::json::document::device::{
    DEVICE_CHECK, DEVICE_CREATE, DEVICE_RENEW, DeviceCheck, DeviceCreate, DeviceRenew, SLOT_CREATE,
    SLOT_WITHDRAW, SlotCreate, SlotWithdraw,
};
use crate::json::document::device_answer::{
    AVAILABILITY, CERTIFICATE, DEVICE_CHANGED, DEVICE_CHECKED, DEVICE_ISSUED, DEVICE_PAGE,
    PROCESS_PENDING, PROCESS_STATUS,
};
use crate::json::document::device_info::DEVICE_INFO;
use crate::json::document::id_list::bounded_ids;
use crate::json::given::{Given, QueryParameter};
use crate::json::operation::{Action, Answer, Body, CHANGE, Condition, Operation, QUERY, Verb};
use crate::json::refusal::Refusal;
use crate::scope::Scope;

const ISSUED: &[Answer] = &[
    Answer::document(
        201,
        &DEVICE_ISSUED,
        "The certificate is signed and published.",
    )
    .with(&[AnswerHeader::Location]),
    PENDING,
];
const CHANGED: &[Answer] = &[
    Answer::document(200, &DEVICE_CHANGED, "Done, and the zone says so."),
    PENDING,
];
const PENDING: Answer = Answer::document(
    202,
    &PROCESS_PENDING,
    "Accepted and durable, not yet published.",
)
.with(&[AnswerHeader::Location, AnswerHeader::Link]);

/// The collection, and one device.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        id: "deviceList",
        template: "/devices",
        summary: "The account's devices, in the order of their ids.",
        query: &[QueryParameter::AfterDevice, QueryParameter::DeviceLimit],
        answers: &[Answer::document(
            200,
            &DEVICE_PAGE,
            "A page; the header Link leads to the next one.",
        )
        .with(&[AnswerHeader::Link])],
        action: Action::Plain(list),
        ..QUERY
    },
    Operation {
        id: "deviceCreate",
        template: "/devices",
        summary: "Registers a device: its certificate is signed and published.",
        scope: Scope::DeviceCreate,
        body: Body::Document(&DEVICE_CREATE),
        answers: ISSUED,
        action: Action::WithBody(create),
        ..CHANGE
    },
    Operation {
        id: "deviceCheck",
        method: Verb::Post,
        template: "/devices/availability",
        summary: "Which of these ids could be registered.",
        body: Body::Document(&DEVICE_CHECK),
        answers: &[Answer::document(
            200,
            &DEVICE_CHECKED,
            "An answer for each id.",
        )],
        action: Action::WithBody(check),
        ..QUERY
    },
    Operation {
        id: "deviceInfo",
        template: "/devices/{deviceId}",
        summary: "Everything about one device.",
        takes_auth_info: true,
        condition: Condition::Read,
        answers: &[Answer::document(200, &DEVICE_INFO, "The device.")],
        action: Action::Plain(info),
        ..QUERY
    },
    Operation {
        id: "deviceUpdate",
        method: Verb::Patch,
        template: "/devices/{deviceId}",
        summary: "Changes statuses, bindings and authorization information, and withdraws slots: all of it or nothing.",
        scope: Scope::DeviceUpdate,
        condition: Condition::Change,
        body: Body::Document(&DEVICE_UPDATE),
        answers: CHANGED,
        action: Action::WithBody(update),
        ..CHANGE
    },
    Operation {
        id: "deviceDelete",
        method: Verb::Delete,
        template: "/devices/{deviceId}",
        summary: "Removes a device; it can be restored for a while.",
        scope: Scope::DeviceDelete,
        condition: Condition::Change,
        body: Body::Nothing,
        answers: CHANGED,
        action: Action::Plain(delete),
        ..CHANGE
    },
    Operation {
        id: "deviceAvailability",
        template: "/devices/{deviceId}/availability",
        summary: "Whether the id could be registered: 200 when it could, 404 when not, both with result 01000.",
        answers: &[Answer::document(200, &AVAILABILITY, "It could.")],
        action: Action::Plain(availability),
        ..QUERY
    },
    Operation {
        id: "slotCreate",
        template: "/devices/{deviceId}/slots",
        summary: "Gives a device one more credential; those that are there stay.",
        scope: Scope::DeviceCreate,
        condition: Condition::Change,
        body: Body::Document(&SLOT_CREATE),
        answers: ISSUED,
        action: Action::WithBody(new_slot),
        ..CHANGE
    },
    Operation {
        id: "slotCertificate",
        template: "/devices/{deviceId}/slots/{slot}/certificate",
        summary: "One certificate of a device, with those above it.",
        answers: &[Answer::document(200, &CERTIFICATE, "The certificate.")],
        action: Action::Plain(certificate),
        ..QUERY
    },
];

/// What is started with a device.
pub(super) const PROCESSES: &[Operation] = &[
    Operation {
        id: "deviceActivate",
        template: "/devices/{deviceId}/processes/activateProcesses",
        summary: "Lifts the caller's hold: live certificates are published again.",
        answers: CHANGED,
        action: Action::Plain(activate),
        ..PROCESS
    },
    Operation {
        id: "deviceDeactivate",
        template: "/devices/{deviceId}/processes/deactivateProcesses",
        summary: "Sets the caller's hold: certificates leave the zone, the device stays registered.",
        answers: CHANGED,
        action: Action::Plain(deactivate),
        ..PROCESS
    },
    Operation {
        id: "deviceRenew",
        template: "/devices/{deviceId}/processes/renewProcesses",
        summary: "Extends the registration; certificates stay as they are.",
        body: Body::Document(&DEVICE_RENEW),
        answers: CHANGED,
        action: Action::WithBody(renew),
        ..PROCESS
    },
    Operation {
        id: "deviceRestore",
        template: "/devices/{deviceId}/processes/restoreProcesses",
        summary: "Brings a deleted device back, held.",
        scope: Scope::DeviceDelete,
        answers: CHANGED,
        action: Action::Plain(restore),
        ..PROCESS
    },
    Operation {
        id: "slotWithdraw",
        template: "/devices/{deviceId}/processes/withdrawProcesses",
        summary: "Takes one slot back, for ever: an update with this one change.",
        body: Body::Document(&SLOT_WITHDRAW),
        answers: CHANGED,
        action: Action::WithBody(withdraw),
        ..PROCESS
    },
    Operation {
        id: "deviceProcess",
        template: "/devices/{deviceId}/processes/{processCollection}/{processId}",
        summary: "How far a command is that was answered with 202.",
        answers: &[Answer::document(200, &PROCESS_STATUS, "The process.")],
        action: Action::Plain(process),
        ..QUERY
    },
];

const PROCESS: Operation = Operation {
    scope: Scope::DeviceUpdate,
    condition: Condition::Change,
    ..CHANGE
};

fn list(given: Given) -> Command {
    let limit = given.limit.and_then(|limit| u16::try_from(limit).ok());
    Command::Device(DeviceCommand::List {
        after: given.after_device,
        limit: limit.unwrap_or(DEVICES_DEFAULT),
    })
}

fn create(_: Given, octets: &[u8]) -> Result<Command, Refusal> {
    body::read::<DeviceCreate>(octets)?.into_command()
}

fn check(_: Given, octets: &[u8]) -> Result<Command, Refusal> {
    let document: DeviceCheck = body::read(octets)?;
    let device_ids = bounded_ids(document.device_ids, "deviceIds", DEVICES_MAX.into())?;
    Ok(Command::Device(DeviceCommand::Check { device_ids }))
}

fn info(given: Given) -> Command {
    Command::Device(DeviceCommand::Info {
        device_id: given.device_id(),
        auth_info: given.auth_info,
    })
}

fn update(given: Given, octets: &[u8]) -> Result<Command, Refusal> {
    let document: DeviceUpdate = body::read(octets)?;
    document.into_command(given.device_id())
}

fn delete(given: Given) -> Command {
    let device_id = given.device_id();
    Command::Device(DeviceCommand::Delete { device_id })
}

fn availability(given: Given) -> Command {
    let device_ids = vec![given.device_id()];
    Command::Device(DeviceCommand::Check { device_ids })
}

fn new_slot(given: Given, octets: &[u8]) -> Result<Command, Refusal> {
    let document: SlotCreate = body::read(octets)?;
    Ok(Command::Device(DeviceCommand::NewSlot {
        device_id: given.device_id(),
        csr: csr_text::from_text(&document.csr)?,
        asp: document.asp,
    }))
}

fn certificate(given: Given) -> Command {
    Command::Device(DeviceCommand::Certificate {
        device_id: given.device_id(),
        slot: given.slot(),
    })
}

fn activate(given: Given) -> Command {
    let device_id = given.device_id();
    Command::Device(DeviceCommand::Activate { device_id })
}

fn deactivate(given: Given) -> Command {
    let device_id = given.device_id();
    Command::Device(DeviceCommand::Deactivate { device_id })
}

fn renew(given: Given, octets: &[u8]) -> Result<Command, Refusal> {
    let document: DeviceRenew = body::read(octets)?;
    Ok(Command::Device(DeviceCommand::Renew {
        device_id: given.device_id(),
        current_expiry: document.current_expiry,
        period: document.period,
    }))
}

fn restore(given: Given) -> Command {
    let device_id = given.device_id();
    Command::Device(DeviceCommand::Restore { device_id })
}

fn withdraw(given: Given, octets: &[u8]) -> Result<Command, Refusal> {
    let SlotWithdraw { slot, reason } = body::read(octets)?;
    Ok(Command::Device(DeviceCommand::Update {
        device_id: given.device_id(),
        changes: vec![DeviceChange::Withdraw { slot, reason }],
    }))
}

fn process(given: Given) -> Command {
    Command::Device(DeviceCommand::Process {
        device_id: given.device_id(),
        kind: given.kind(),
        process_id: given.number(),
    })
}
