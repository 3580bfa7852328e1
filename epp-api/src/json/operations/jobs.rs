//! Bulk jobs.

use crate::command::{Command, JobCommand};
use crate::json::answer_header::AnswerHeader;
use crate::json::body;
use crate::json::document::job::{JOB_CREATE, JOB_INFO, JOB_RESULT, JOBS, JobCreate};
use crate::json::given::{Given, QueryParameter};
use crate::json::operation::{Action, Answer, Body, CHANGE, Content, Operation, QUERY, Verb};
use crate::json::refusal::Refusal;
use crate::scope::Scope;

/// Results in an answer when the client names no number.
const RESULTS_DEFAULT: u32 = 1000;

const JOB: Operation = Operation {
    scope: Scope::Job,
    answers: &[Answer::document(200, &JOB_INFO, "The job.")],
    ..CHANGE
};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        id: "jobList",
        template: "/jobs",
        summary: "The account's jobs, the newest first.",
        scope: Scope::Job,
        answers: &[Answer::document(200, &JOBS, "The jobs.")],
        action: Action::Plain(list),
        ..QUERY
    },
    Operation {
        id: "jobCreate",
        template: "/jobs",
        summary: "Begins a bulk job: one action on many devices. Its rows follow.",
        body: Body::OneOf(JOB_CREATE),
        answers: &[Answer::document(201, &JOB_INFO, "The job, open for rows.")
            .with(&[AnswerHeader::Location])],
        action: Action::WithBody(create),
        ..JOB
    },
    Operation {
        id: "jobInfo",
        template: "/jobs/{jobId}",
        summary: "How far a job is.",
        scope: Scope::Job,
        answers: &[Answer::document(200, &JOB_INFO, "The job.")],
        action: Action::Plain(info),
        ..QUERY
    },
    Operation {
        id: "jobAppend",
        method: Verb::Patch,
        template: "/jobs/{jobId}/rows",
        summary: "Adds rows, one JSON object a line, at the octet where the last part ended; a line may go on in the next part.",
        query: &[QueryParameter::Offset],
        body: Body::Rows,
        action: Action::WithBody(append),
        ..JOB
    },
    Operation {
        id: "jobClose",
        template: "/jobs/{jobId}/processes/closeProcesses",
        summary: "Says that no rows follow.",
        action: Action::Plain(close),
        ..JOB
    },
    Operation {
        id: "jobCancel",
        template: "/jobs/{jobId}/processes/cancelProcesses",
        summary: "Carries out no further rows; what is done stays done.",
        action: Action::Plain(cancel),
        ..JOB
    },
    Operation {
        id: "jobResults",
        template: "/jobs/{jobId}/results",
        summary: "Results in the order of the rows; the header Link leads on while there are or will be more.",
        scope: Scope::Job,
        query: &[QueryParameter::AfterRow, QueryParameter::ResultLimit],
        answers: &[Answer {
            status: 200,
            content: Content::Lines(&JOB_RESULT),
            about: "A result a line.",
            headers: &[AnswerHeader::Link],
        }],
        action: Action::Plain(results),
        ..QUERY
    },
];

fn list(_: Given) -> Command {
    Command::Job(JobCommand::List)
}

fn create(_: Given, octets: &[u8]) -> Result<Command, Refusal> {
    let document: JobCreate = body::read(octets)?;
    document.into_command()
}

fn info(given: Given) -> Command {
    let job_id = given.number();
    Command::Job(JobCommand::Info { job_id })
}

fn append(given: Given, octets: &[u8]) -> Result<Command, Refusal> {
    Ok(Command::Job(JobCommand::Append {
        job_id: given.number(),
        offset: given.offset.expect("the query's offset is required"),
        rows: octets.to_vec(),
    }))
}

fn close(given: Given) -> Command {
    let job_id = given.number();
    Command::Job(JobCommand::Close { job_id })
}

fn cancel(given: Given) -> Command {
    let job_id = given.number();
    Command::Job(JobCommand::Cancel { job_id })
}

fn results(given: Given) -> Command {
    Command::Job(JobCommand::Results {
        job_id: given.number(),
        after: given.after_row.unwrap_or(0),
        limit: given.limit.unwrap_or(RESULTS_DEFAULT),
    })
}
