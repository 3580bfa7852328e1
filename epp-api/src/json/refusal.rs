//! What the door itself refuses, before any registry is asked.

use http::{Method, StatusCode};

use crate::json::code::http_status;
use crate::problem::Problem;
use crate::result_code::ResultCode;

/// A problem with the HTTP status that HTTP itself has for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status; differs from the code's where HTTP knows better (405, 413, 415, 503).
    pub status: StatusCode,
    /// What is wrong and what to do.
    pub problem: Problem,
    /// With 405: the methods that the resource has.
    pub allow: Option<String>,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self {
            status: status_of(&problem),
            problem,
            allow: None,
        }
    }
}

/// The status of the problem's code; 412 for a failed precondition (RFC 9110 §15.5.13), 503 when the failure is ours and passes by waiting
/// (RFC 9110 §15.6.4).
pub(super) fn status_of(problem: &Problem) -> StatusCode {
    if problem.precondition_failed {
        return StatusCode::PRECONDITION_FAILED;
    }
    let status = http_status(problem.code);
    if status.is_server_error() && problem.retry_after_secs.is_some() {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    status
}

impl Refusal {
    /// A refusal with the status of its code.
    pub(crate) fn new(code: ResultCode, reason: impl Into<String>) -> Self {
        Problem::new(code, reason).into()
    }

    /// Names the offending value.
    pub(crate) fn at(mut self, path: impl Into<String>) -> Self {
        self.problem = self.problem.at(path);
        self
    }

    fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// No token.
    pub(crate) fn token_missing() -> Self {
        Self::new(
            ResultCode::AuthenticationError,
            "send the account's token in the header \"Authorization: Bearer <token>\"",
        )
    }

    /// A token that is none, or is not known (any more).
    pub(crate) fn token_invalid() -> Self {
        Self::new(
            ResultCode::InvalidAuthorizationInformation,
            "the token is not valid; ask the registry's operator for a new one",
        )
    }

    /// No such resource.
    pub(crate) fn no_resource() -> Self {
        Self::new(
            ResultCode::UnknownCommand,
            "there is no such resource; /.well-known/rpp.json lists what there is",
        )
        .with_status(StatusCode::NOT_FOUND)
    }

    /// The resource has other methods.
    pub(crate) fn method(method: &Method, allow: String) -> Self {
        let reason = format!(
            "{} is not a method of this resource; it has {allow}",
            excerpt(method.as_str())
        );
        let mut refusal = Self::new(ResultCode::UnknownCommand, reason)
            .with_status(StatusCode::METHOD_NOT_ALLOWED);
        refusal.allow = Some(allow);
        refusal
    }

    /// The body is in a format or encoding that this door does not read.
    pub(crate) fn media_type(reason: impl Into<String>) -> Self {
        Self::new(ResultCode::SyntaxError, reason).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
    }

    /// A body where none belongs.
    pub(crate) fn body_not_taken() -> Self {
        Self::new(ResultCode::SyntaxError, "this method takes no body")
    }

    /// The account has too much at work.
    #[cfg(feature = "server")]
    pub(crate) fn too_many(reason: &str) -> Self {
        Problem::new(ResultCode::SessionLimitClosing, reason)
            .retry_after(1)
            .into()
    }

    /// A certificate and a token of different accounts.
    #[cfg(feature = "server")]
    pub(crate) fn credentials_differ() -> Self {
        Self::new(
            ResultCode::AuthenticationError,
            "the client certificate and the token belong to different accounts",
        )
    }

    /// A client certificate that belongs to no account (any more).
    #[cfg(feature = "server")]
    pub(crate) fn certificate_unknown() -> Self {
        Self::new(
            ResultCode::AuthenticationError,
            "the client certificate belongs to no account; ask the registry's operator for a new one",
        )
    }

    /// The body is too long.
    pub(crate) fn body_too_large(octets_max: usize) -> Self {
        Self::new(
            ResultCode::ParameterRange,
            format!("the body is longer than {octets_max} octets"),
        )
        .with_status(StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// The client did not send its request in time.
    #[cfg(feature = "server")]
    pub(crate) fn request_timeout() -> Self {
        Self::new(
            ResultCode::SyntaxError,
            "the request did not arrive in time; send it again",
        )
        .with_status(StatusCode::REQUEST_TIMEOUT)
    }

    /// The registry has no room or did not answer in time.
    #[cfg(feature = "server")]
    pub(crate) fn busy(reason: &str) -> Self {
        Problem::new(ResultCode::CommandFailed, reason)
            .retry_after(1)
            .into()
    }
}

/// Peer input as it may be quoted: at most 40 characters, control characters escaped.
pub(super) fn excerpt(text: &str) -> String {
    const CHARACTERS_MAX: usize = 40;
    let mut quoted: String = text
        .chars()
        .take(CHARACTERS_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(CHARACTERS_MAX).is_some() {
        quoted.push('…');
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_input_is_short_and_printable() {
        assert_eq!(excerpt("owner"), "owner");
        assert_eq!(excerpt("a\r\nb\0"), "a\\r\\nb\\0");
        assert_eq!(excerpt(&"x".repeat(1000)).chars().count(), 41);
    }

    #[test]
    fn passing_failure_is_503_and_lasting_failure_500() {
        let failed = Problem::new(ResultCode::CommandFailed, "no");
        assert_eq!(status_of(&failed), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(
            status_of(&failed.retry_after(1)),
            StatusCode::SERVICE_UNAVAILABLE
        );
        let stale = Problem::precondition_failed();
        assert_eq!(status_of(&stale), StatusCode::PRECONDITION_FAILED);
        let foreign = Problem::object_does_not_exist().retry_after(1);
        assert_eq!(status_of(&foreign), StatusCode::NOT_FOUND);
    }
}
