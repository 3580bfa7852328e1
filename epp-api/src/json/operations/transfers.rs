//! Moving devices between accounts.

use crate::command::{Command, TransferCommand};
use crate::json::answer_header::AnswerHeader;
use crate::json::body;
use crate::json::document::device_answer::PROCESS_PENDING;
use crate::json::document::transfer::{
    TRANSFER_APPROVE, TRANSFER_CHANGED, TRANSFER_INFO, TRANSFER_REQUEST, TransferApprove,
    TransferRequest,
};
use crate::json::given::Given;
use crate::json::operation::{Action, Answer, Body, CHANGE, Operation, QUERY, Verb};
use crate::json::refusal::Refusal;
use crate::scope::Scope;

const ANSWERS: &[Answer] = &[
    Answer::document(
        200,
        &TRANSFER_CHANGED,
        "The transfer has ended, and the zone says so.",
    )
    .with(&[AnswerHeader::Location]),
    Answer::document(202, &TRANSFER_CHANGED, "Somebody has to agree.")
        .with(&[AnswerHeader::Location]),
    Answer::document(
        202,
        &PROCESS_PENDING,
        "Decided and durable, not yet published.",
    )
    .with(&[AnswerHeader::Location, AnswerHeader::Link]),
];

const TRANSFER: Operation = Operation {
    scope: Scope::DeviceTransfer,
    answers: ANSWERS,
    ..CHANGE
};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        id: "transferRequest",
        template: "/devices/{deviceId}/processes/transferProcesses",
        summary: "Asks the sponsor for a device (pull), offers it to another account (push), or moves it at once (forced, for the registry's operators).",
        takes_auth_info: true,
        body: Body::OneOf(TRANSFER_REQUEST),
        action: Action::WithBody(request),
        ..TRANSFER
    },
    Operation {
        id: "transferQuery",
        template: "/devices/{deviceId}/processes/transferProcesses/latest",
        summary: "How far the newest transfer of a device is.",
        takes_auth_info: true,
        answers: &[Answer::document(200, &TRANSFER_INFO, "The transfer.")],
        action: Action::Plain(query),
        ..QUERY
    },
    Operation {
        id: "transferCancel",
        method: Verb::Delete,
        template: "/devices/{deviceId}/processes/transferProcesses/latest",
        summary: "Gives the transfer up, as the one who asked.",
        body: Body::Nothing,
        action: Action::Plain(cancel),
        ..TRANSFER
    },
    Operation {
        id: "transferApprove",
        template: "/devices/{deviceId}/processes/transferProcesses/latest/transferApprove",
        summary: "Agrees to the transfer, as the one who has to.",
        body: Body::OptionalDocument(&TRANSFER_APPROVE),
        action: Action::WithBody(approve),
        ..TRANSFER
    },
    Operation {
        id: "transferReject",
        template: "/devices/{deviceId}/processes/transferProcesses/latest/transferReject",
        summary: "Refuses the transfer, as the one who would have to agree.",
        action: Action::Plain(reject),
        ..TRANSFER
    },
];

fn request(given: Given, octets: &[u8]) -> Result<Command, Refusal> {
    let document: TransferRequest = body::read(octets)?;
    document.into_command(given.device_id(), given.auth_info)
}

fn query(given: Given) -> Command {
    Command::Transfer(TransferCommand::Query {
        device_id: given.device_id(),
        auth_info: given.auth_info,
    })
}

fn cancel(given: Given) -> Command {
    let device_id = given.device_id();
    Command::Transfer(TransferCommand::Cancel { device_id })
}

fn approve(given: Given, octets: &[u8]) -> Result<Command, Refusal> {
    let document = match octets {
        [] => TransferApprove::default(),
        octets => body::read(octets)?,
    };
    Ok(Command::Transfer(TransferCommand::Approve {
        device_id: given.device_id(),
        arrival: document.arrival,
    }))
}

fn reject(given: Given) -> Command {
    let device_id = given.device_id();
    Command::Transfer(TransferCommand::Reject { device_id })
}
