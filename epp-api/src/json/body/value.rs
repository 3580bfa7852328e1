//! One JSON text as a value, within limits: depth, members of an object, each name once.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

use super::place::{Step, json_path};
use crate::json::refusal::{Refusal, excerpt};
use crate::result_code::ResultCode;

/// Deepest nesting of a body; the deepest document has four levels.
pub(super) const DEPTH_MAX: usize = 8;
/// Most members of one object; the largest document has six.
const MEMBERS_MAX: usize = 32;

/// A JSON value. It may hold secrets, so that it has no Debug and its texts are wiped.
pub(super) enum Value {
    Null,
    Boolean(bool),
    /// A whole number without sign, the only numbers that documents have.
    Whole(u64),
    /// Any other number.
    OtherNumber,
    Text(Zeroizing<String>),
    Array(Vec<Value>),
    /// In the order of the text; each name once.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// Reads a body that is one JSON text and nothing else.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        check_text(body)?;
        let mut context = Context::default();
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let reader = ValueReader {
            context: &mut context,
            depth: 0,
        };
        let value = reader
            .deserialize(&mut deserializer)
            .and_then(|value| deserializer.end().map(|()| value));
        value.map_err(|error| context.refusal.unwrap_or_else(|| syntax_error(&error)))
    }

    /// What kind of value it is, for refusals.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "a boolean",
            Self::Whole(_) | Self::OtherNumber => "a number",
            Self::Text(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// JSON is UTF-8 without byte order mark (RFC 8259 §8.1); saying so beats "expected value".
fn check_text(body: &[u8]) -> Result<(), Refusal> {
    let syntax = |reason: String| Err(Refusal::new(ResultCode::SyntaxError, reason));
    if body.is_empty() {
        return syntax("the body is empty; a JSON object is expected".to_owned());
    }
    if body.starts_with(b"\xef\xbb\xbf")
        || body.starts_with(b"\xfe\xff")
        || body.starts_with(b"\xff\xfe")
    {
        return syntax("the body begins with a byte order mark; send UTF-8 without it".to_owned());
    }
    if let Some(offset) = body.iter().position(|octet| *octet == 0) {
        return syntax(format!(
            "the body has a NUL at octet {offset}; send UTF-8 text"
        ));
    }
    if let Err(error) = std::str::from_utf8(body) {
        let offset = error.valid_up_to();
        return syntax(format!("the body is not UTF-8 at octet {offset}"));
    }
    Ok(())
}

fn syntax_error(error: &serde_json::Error) -> Refusal {
    let reason = format!(
        "the body is not one JSON object: error at line {}, column {}",
        error.line(),
        error.column()
    );
    Refusal::new(ResultCode::SyntaxError, reason)
}

/// Where the reading is, and what was wrong there: the parser's own error could only be a text.
#[derive(Default)]
struct Context {
    path: Vec<Step>,
    refusal: Option<Refusal>,
}

impl Context {
    fn refuse<E: de::Error>(&mut self, reason: String) -> E {
        let refusal = Refusal::new(ResultCode::SyntaxError, reason);
        self.refusal = Some(refusal.at(json_path(&self.path)));
        E::custom("refused")
    }
}

struct ValueReader<'a> {
    context: &'a mut Context,
    depth: usize,
}

impl ValueReader<'_> {
    fn deeper<E: de::Error>(&mut self) -> Result<usize, E> {
        if self.depth == DEPTH_MAX {
            let reason = format!("the body is nested deeper than {DEPTH_MAX} levels");
            return Err(self.context.refuse(reason));
        }
        Ok(self.depth + 1)
    }
}

impl<'de> DeserializeSeed<'de> for ValueReader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueReader<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Whole(number))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Value, E> {
        Ok(Value::OtherNumber)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Value, E> {
        Ok(Value::OtherNumber)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let depth = self.deeper()?;
        let mut values = Vec::new();
        loop {
            self.context.path.push(Step::Item(values.len()));
            let context = &mut *self.context;
            let Some(value) = items.next_element_seed(ValueReader { context, depth })? else {
                self.context.path.pop();
                return Ok(Value::Array(values));
            };
            self.context.path.pop();
            values.push(value);
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        let depth = self.deeper()?;
        let mut members: Vec<(String, Value)> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.len() == MEMBERS_MAX {
                let reason = format!("an object has more than {MEMBERS_MAX} members");
                return Err(self.context.refuse(reason));
            }
            self.context.path.push(Step::Member(name.clone()));
            if members.iter().any(|(present, _)| *present == name) {
                let reason = format!("the member \"{}\" comes twice", excerpt(&name));
                return Err(self.context.refuse(reason));
            }
            let context = &mut *self.context;
            let value = map.next_value_seed(ValueReader { context, depth })?;
            self.context.path.pop();
            members.push((name, value));
        }
        Ok(Value::Object(members))
    }
}
