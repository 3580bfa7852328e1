//! The zone as a whole, for the registry's operators.

use crate::command::{Command, ZoneCommand};
use crate::json::document::zone::ZONE_REPORT;
use crate::json::operation::{Action, Answer, Content, Operation, QUERY};
use crate::scope::Scope;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        id: "zoneDump",
        template: "/zone",
        summary: "The zone in presentation form (RFC 1035 §5).",
        scope: Scope::Zone,
        answers: &[Answer {
            status: 200,
            content: Content::Zone,
            about: "The zone.",
            headers: &[],
        }],
        action: Action::Plain(|_| Command::Zone(ZoneCommand::Dump)),
        ..QUERY
    },
    Operation {
        id: "zoneCheck",
        template: "/zone/check",
        summary: "Verifies the published zone and compares it with the database.",
        scope: Scope::Zone,
        answers: &[Answer::document(200, &ZONE_REPORT, "What was found.")],
        action: Action::Plain(|_| Command::Zone(ZoneCommand::Check)),
        ..QUERY
    },
];
