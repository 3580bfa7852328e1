//! Problem documents (RFC 9457) with the members that RPP adds, written and read.

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::device::DEVICE_ID;
use crate::json::code::{parse_rpp_code, rpp_code};
use crate::json::schema::{ANY_NUMBER, ANY_TEXT, Document, Schema, optional, required};
use crate::problem::Problem;
use crate::response::Availability;
use crate::result_code::ResultCode;

/// Type of every problem document (draft-ietf-rpp-core-01, "Problem Detail responses").
const PROBLEM_TYPE: &str = "urn:ietf:params:rpp:error";
/// Type of the error inside, with the RPP code added.
const ERROR_TYPE_PREFIX: &str = "tag:iotregistry.example,2026:rpp:problem:";

pub(crate) const PROBLEM: Document = Document::new(
    "Problem",
    "Why a request was not carried out (RFC 9457, with the members that RPP adds).",
    &[
        required("type", ANY_TEXT, "urn:ietf:params:rpp:error"),
        required("title", ANY_TEXT, "The kind of problem."),
        required("status", ANY_NUMBER, "The HTTP status."),
        required(
            "detail",
            ANY_TEXT,
            "What was wrong and what to do about it.",
        ),
        required(
            "errors",
            Schema::List {
                of: &Schema::Document(&ERROR),
                fewest: 0,
                most: None,
            },
            "Each error.",
        ),
        optional(
            "retryAfterSecs",
            ANY_NUMBER,
            "The same request may succeed after so many seconds.",
        ),
        optional(
            "deviceId",
            DEVICE_ID,
            "With the answer \"not available\": the id asked.",
        ),
        optional(
            "available",
            Schema::Boolean,
            "With the answer \"not available\": false.",
        ),
        optional(
            "reason",
            ANY_TEXT,
            "With the answer \"not available\": why not.",
        ),
    ],
);

const ERROR: Document = Document::new(
    "Error",
    "One error of a problem.",
    &[
        required("type", ANY_TEXT, "Its type: the result code with a prefix."),
        required(
            "result",
            ANY_TEXT,
            "The result code: five digits, 0 and those of RFC 5730 §3.",
        ),
        required(
            "paths",
            Schema::List {
                of: &ANY_TEXT,
                fewest: 0,
                most: None,
            },
            "JSONPath (RFC 9535) of each offending value in the body.",
        ),
        required(
            "reason",
            ANY_TEXT,
            "What was wrong and what to do about it.",
        ),
    ],
);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProblemDocument {
    #[serde(rename = "type")]
    problem_type: String,
    title: String,
    status: u16,
    detail: String,
    #[serde(default)]
    errors: Vec<ErrorDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after_secs: Option<u32>,
    /// Present in the answer "not available", which is a 404 but not a failure.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    availability: Option<Availability>,
}

#[derive(Serialize, Deserialize)]
struct ErrorDocument {
    #[serde(rename = "type")]
    error_type: String,
    result: String,
    #[serde(default)]
    paths: Vec<String>,
    reason: String,
}

impl ProblemDocument {
    pub(crate) fn new(status: StatusCode, problem: &Problem) -> Self {
        let result = rpp_code(problem.code);
        Self {
            problem_type: PROBLEM_TYPE.to_owned(),
            title: problem.title.clone(),
            status: status.as_u16(),
            detail: problem.reason.clone(),
            errors: vec![ErrorDocument {
                error_type: format!("{ERROR_TYPE_PREFIX}{result}"),
                result,
                paths: problem.paths.clone(),
                reason: problem.reason.clone(),
            }],
            retry_after_secs: problem.retry_after_secs,
            availability: None,
        }
    }

    /// The document for an id that cannot be registered.
    pub(crate) fn unavailable(availability: &Availability) -> Self {
        let reason = availability.reason.as_deref();
        let reason = reason.unwrap_or("this id cannot be registered");
        let mut problem = Problem::new(ResultCode::ObjectExists, reason);
        problem.title = "Not available".to_owned();
        Self {
            availability: Some(availability.clone()),
            ..Self::new(StatusCode::NOT_FOUND, &problem)
        }
    }

    /// The problem that a server meant; `None` when it gives no code that we know.
    pub(crate) fn into_problem(self) -> Option<Problem> {
        let error = self.errors.into_iter().next()?;
        Some(Problem {
            code: parse_rpp_code(&error.result)?,
            title: self.title,
            reason: error.reason,
            paths: error.paths,
            retry_after_secs: self.retry_after_secs,
            precondition_failed: self.status == StatusCode::PRECONDITION_FAILED.as_u16(),
        })
    }

    /// The answer about availability that a server meant.
    pub(crate) fn into_availability(self) -> Option<Availability> {
        self.availability
    }
}
