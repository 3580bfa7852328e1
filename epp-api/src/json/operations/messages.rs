//! The account's messages.

use crate::command::{Command, MessageCommand};
use crate::json::answer_header::AnswerHeader;
use crate::json::document::message::{ACKNOWLEDGED, MESSAGE};
use crate::json::given::Given;
use crate::json::operation::{Action, Answer, Body, CHANGE, Content, Operation, QUERY, Verb};
use crate::scope::Scope;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        id: "messageHead",
        template: "/messages",
        summary: "The oldest message; the header RPP-Queue-Size tells how many there are.",
        scope: Scope::Message,
        answers: &[
            Answer::document(200, &MESSAGE, "The oldest message.").with(&[AnswerHeader::QueueSize]),
            Answer::nothing("The queue is empty.").with(&[AnswerHeader::QueueSize]),
        ],
        action: Action::Plain(head),
        ..QUERY
    },
    Operation {
        id: "messageAcknowledge",
        method: Verb::Delete,
        template: "/messages/{messageId}",
        summary: "Takes the oldest message out of the queue; a later one is refused (409), with the number of the oldest one.",
        scope: Scope::Message,
        body: Body::Nothing,
        answers: &[
            Answer::document(200, &ACKNOWLEDGED, "It is gone.").with(&[AnswerHeader::QueueSize])
        ],
        action: Action::Plain(acknowledge),
        ..CHANGE
    },
    Operation {
        id: "events",
        template: "/events",
        summary: "The account's messages as server-sent events: those in the queue behind Last-Event-ID, then each new one. They stay in the queue until they are acknowledged, the oldest first.",
        scope: Scope::Message,
        answers: &[Answer {
            status: 200,
            content: Content::Events,
            about: "An event a message, its id the number of the message; a comment every 15 seconds.",
            headers: &[],
        }],
        action: Action::Events,
        ..QUERY
    },
];

fn head(_: Given) -> Command {
    Command::Message(MessageCommand::Head)
}

fn acknowledge(given: Given) -> Command {
    let message_id = given.number();
    Command::Message(MessageCommand::Acknowledge { message_id })
}
