//! The body of a request, from octets to a typed document, without tolerance (RFC 8259).
//!
//! In two steps: [`Value::parse`](value::Value::parse) refuses what is not one bounded JSON text, and
//! [`read`] refuses what is not this document, naming the place as a JSONPath (RFC 9535). The same two
//! steps serve every body, so that no member is ever guessed, ignored or taken twice.

mod error;
mod place;
mod reader;
mod value;

use serde::Deserialize;

use self::reader::Reader;
use self::value::Value;
use crate::json::refusal::Refusal;

/// Reads a document from the octets of a body.
pub(super) fn read<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, Refusal> {
    let value = Value::parse(body)?;
    T::deserialize(Reader::new(&value)).map_err(error::BodyError::into_refusal)
}

/// Checks that a body is an object without members.
pub(super) fn read_empty(body: &[u8]) -> Result<(), Refusal> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Empty {}

    read::<Empty>(body).map(|Empty {}| ())
}

#[cfg(test)]
mod tests;
