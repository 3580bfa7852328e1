//! Why a JSON value is not the document that a request needs.

use std::fmt::{self, Display};

use serde::de::{self, Expected, Unexpected};

use super::place::{Step, json_path};
use crate::json::refusal::{Refusal, excerpt};
use crate::result_code::ResultCode;

/// A cause and its place.
#[derive(Debug)]
pub(super) struct BodyError {
    cause: Cause,
    /// Innermost step first: each container adds its own on the way out.
    path: Vec<Step>,
}

#[derive(Debug)]
enum Cause {
    Missing(&'static str),
    Unknown {
        name: String,
        known: &'static [&'static str],
    },
    Kind {
        found: &'static str,
        needed: &'static str,
    },
    NotOne(&'static [&'static str]),
    Range,
    /// What a parser says about a value, in words that quote no secret.
    Value(String),
}

impl BodyError {
    fn new(cause: Cause) -> Self {
        Self {
            cause,
            path: Vec::new(),
        }
    }

    /// A value of another kind than is needed.
    pub(super) fn kind(found: &'static str, needed: &'static str) -> Self {
        Self::new(Cause::Kind { found, needed })
    }

    /// An object that has to have exactly one of these members.
    pub(super) fn not_one(of: &'static [&'static str]) -> Self {
        Self::new(Cause::NotOne(of))
    }

    /// Says in which container the place stands.
    pub(super) fn within(mut self, step: Step) -> Self {
        self.path.push(step);
        self
    }

    pub(super) fn into_refusal(mut self) -> Refusal {
        self.path.reverse();
        let place = place_in_words(&self.path);
        let (code, reason) = match &self.cause {
            Cause::Missing(name) => (
                ResultCode::RequiredParameterMissing,
                format!("the member \"{name}\" is missing"),
            ),
            Cause::Unknown { name, known } => {
                let known = known_in_words(known);
                let reason = format!("unknown member \"{}\"; {known}", excerpt(name));
                (ResultCode::SyntaxError, reason)
            }
            Cause::Kind { found, needed } if self.path.is_empty() => (
                ResultCode::SyntaxError,
                format!("the body is not one JSON object: it is {found}, not {needed}"),
            ),
            Cause::Kind { found, needed } => (
                ResultCode::ParameterSyntax,
                format!("{place} is {found}; it has to be {needed}"),
            ),
            Cause::NotOne(known) => (
                ResultCode::SyntaxError,
                format!(
                    "{place} has to have exactly one of the members {}",
                    known.join(", ")
                ),
            ),
            Cause::Range => (
                ResultCode::ParameterRange,
                format!("{place} is outside the range of its values"),
            ),
            Cause::Value(text) => (ResultCode::ParameterSyntax, format!("{place}: {text}")),
        };
        match self.cause {
            Cause::Missing(name) => self.path.push(Step::Member(name.to_owned())),
            Cause::Unknown { name, .. } => self.path.push(Step::Member(name)),
            Cause::Kind { .. } | Cause::NotOne(_) | Cause::Range | Cause::Value(_) => {}
        }
        Refusal::new(code, reason).at(json_path(&self.path))
    }
}

fn place_in_words(path: &[Step]) -> String {
    match path.last() {
        None => "the body".to_owned(),
        Some(Step::Member(name)) => format!("the member \"{}\"", excerpt(name)),
        Some(Step::Item(index)) => format!("item {index} of the array"),
    }
}

fn known_in_words(known: &[&str]) -> String {
    if known.is_empty() {
        "this object has no members".to_owned()
    } else {
        format!("this object has only: {}", known.join(", "))
    }
}

impl Display for BodyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.cause)
    }
}

impl std::error::Error for BodyError {}

impl de::Error for BodyError {
    fn custom<T: Display>(text: T) -> Self {
        Self::new(Cause::Value(text.to_string()))
    }

    fn invalid_type(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        // The reader has compared kinds before; a visitor that is pickier than it means the value.
        Self::custom("it has another form")
    }

    fn invalid_value(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self::new(Cause::Range)
    }

    fn invalid_length(_: usize, _: &dyn Expected) -> Self {
        Self::new(Cause::Range)
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        let known = known.join(", ");
        Self::custom(format_args!("\"{}\" is none of {known}", excerpt(variant)))
    }

    fn unknown_field(name: &str, known: &'static [&'static str]) -> Self {
        let name = name.to_owned();
        Self::new(Cause::Unknown { name, known })
    }

    fn missing_field(name: &'static str) -> Self {
        Self::new(Cause::Missing(name))
    }

    fn duplicate_field(name: &'static str) -> Self {
        Self::custom(format_args!("the member \"{name}\" comes twice"))
    }
}
