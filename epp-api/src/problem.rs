//! Why a command was not carried out, as the peer may know it.

use std::fmt;

use crate::result_code::ResultCode;

/// A refusal: category, sentence for people, and where in the request the cause stands.
///
/// The detail that only operators may know belongs in the log, not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The category (2xxx).
    pub code: ResultCode,
    /// Short text of the kind of problem; the code's meaning unless something better is known.
    pub title: String,
    /// What was wrong and what to do about it.
    pub reason: String,
    /// JSONPath (RFC 9535) of each offending value, such as `$.csr`.
    pub paths: Vec<String>,
    /// Present when the same request may succeed later without change: seconds to wait.
    pub retry_after_secs: Option<u32>,
    /// Whether the object is in another version than the request asked for
    /// ([`crate::Request::if_version`]).
    pub precondition_failed: bool,
}

impl Problem {
    /// A problem whose title is the code's meaning.
    pub fn new(code: ResultCode, reason: impl Into<String>) -> Self {
        Self {
            code,
            title: code.meaning().to_owned(),
            reason: reason.into(),
            paths: Vec::new(),
            retry_after_secs: None,
            precondition_failed: false,
        }
    }

    /// Adds the JSONPath of an offending value.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.paths.push(path.into());
        self
    }

    /// Says that the same request may succeed after this many seconds.
    #[must_use]
    pub fn retry_after(mut self, secs: u32) -> Self {
        self.retry_after_secs = Some(secs);
        self
    }

    /// The object is in another version than the request asked for
    /// ([`crate::Request::if_version`]).
    pub fn precondition_failed() -> Self {
        let reason =
            "the object has changed since the version that the request names; ask for it again";
        Self {
            precondition_failed: true,
            ..Self::new(ResultCode::ParameterPolicy, reason)
        }
    }

    /// The one answer for an object that is absent and for one that belongs to somebody else.
    ///
    /// It names nothing, so that both cases have the same octets.
    pub fn object_does_not_exist() -> Self {
        Self::new(
            ResultCode::ObjectDoesNotExist,
            "no such object is registered for this account",
        )
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} ({}): {}",
            self.title,
            self.code.number(),
            self.reason
        )
    }
}

impl std::error::Error for Problem {}
