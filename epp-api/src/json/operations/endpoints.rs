//! Profiles of application service providers.

use crate::command::{Command, EndpointCommand};
use crate::endpoint::EndpointProfile;
use crate::json::body;
use crate::json::document::endpoint::{ENDPOINT, check};
use crate::json::given::Given;
use crate::json::operation::{Action, Answer, Body, CHANGE, Operation, QUERY, Verb};
use crate::json::refusal::Refusal;
use crate::scope::Scope;

const PROFILE: &[Answer] = &[Answer::document(200, &ENDPOINT, "The profile.")];

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        id: "endpointSelf",
        template: "/endpoints/self",
        summary: "The caller's own profile.",
        scope: Scope::Endpoint,
        answers: PROFILE,
        action: Action::Plain(|_| Command::Endpoint(EndpointCommand::Info { asp: None })),
        ..QUERY
    },
    Operation {
        id: "endpointSet",
        method: Verb::Put,
        template: "/endpoints/self",
        summary: "Makes this the caller's profile.",
        scope: Scope::Endpoint,
        body: Body::Document(&ENDPOINT),
        answers: &[
            Answer::document(200, &ENDPOINT, "The profile."),
            Answer::nothing("Done."),
        ],
        action: Action::WithBody(set),
        ..CHANGE
    },
    Operation {
        id: "endpointRemove",
        method: Verb::Delete,
        template: "/endpoints/self",
        summary: "The caller has no profile from now on.",
        scope: Scope::Endpoint,
        body: Body::Nothing,
        answers: &[Answer::nothing("Done.")],
        action: Action::Plain(|_| Command::Endpoint(EndpointCommand::Remove)),
        ..CHANGE
    },
    Operation {
        id: "endpointInfo",
        template: "/endpoints/{accountName}",
        summary: "A provider's profile.",
        scope: Scope::Endpoint,
        answers: PROFILE,
        action: Action::Plain(info),
        ..QUERY
    },
];

fn info(given: Given) -> Command {
    let asp = Some(given.account());
    Command::Endpoint(EndpointCommand::Info { asp })
}

fn set(_: Given, octets: &[u8]) -> Result<Command, Refusal> {
    let profile: EndpointProfile = body::read(octets)?;
    let profile = Box::new(check(profile)?);
    Ok(Command::Endpoint(EndpointCommand::Set { profile }))
}
