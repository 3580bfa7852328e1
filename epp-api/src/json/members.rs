//! The body of a request: one flat JSON object of strings (RFC 8259), read without tolerance.
//!
//! Refused by name: members that are not known, come twice, or hold something else than a string.
//! Nested values end the reading where they begin, so that no depth can be reached.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::json::refusal::{Refusal, excerpt};
use crate::result_code::ResultCode;

/// The members of a body, all of them among those allowed.
pub(super) struct Members(Vec<(&'static str, String)>);

impl Members {
    /// Reads a body whose members may be `allowed` and nothing else.
    pub(super) fn parse(body: &[u8], allowed: &'static [&'static str]) -> Result<Self, Refusal> {
        check_text(body)?;
        let mut refusal = None;
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let reader = ObjectReader {
            allowed,
            refusal: &mut refusal,
        };
        let members = reader
            .deserialize(&mut deserializer)
            .and_then(|members| deserializer.end().map(|()| members));
        members.map_err(|error| refusal.unwrap_or_else(|| syntax_error(&error)))
    }

    /// Takes the value of a member that has to be there.
    pub(super) fn take(&mut self, name: &'static str) -> Result<String, Refusal> {
        let place = self.0.iter().position(|(present, _)| *present == name);
        let place = place.ok_or_else(|| {
            let reason = format!("the member \"{name}\" is missing");
            Refusal::new(ResultCode::RequiredParameterMissing, reason).at(format!("$.{name}"))
        })?;
        Ok(self.0.swap_remove(place).1)
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

/// Reads the object; what is wrong with it is left in `refusal`, because the parser's own error
/// could only be a text.
struct ObjectReader<'a> {
    allowed: &'static [&'static str],
    refusal: &'a mut Option<Refusal>,
}

impl ObjectReader<'_> {
    fn refuse<E: de::Error>(&mut self, refusal: Refusal) -> E {
        *self.refusal = Some(refusal);
        E::custom("refused")
    }

    fn known<E: de::Error>(
        &mut self,
        name: &str,
        seen: &[(&str, String)],
    ) -> Result<&'static str, E> {
        let Some(known) = self.allowed.iter().find(|allowed| **allowed == name) else {
            let reason = if self.allowed.is_empty() {
                format!(
                    "unknown member \"{}\"; this body has no members",
                    excerpt(name)
                )
            } else {
                format!(
                    "unknown member \"{}\"; this body has only: {}",
                    excerpt(name),
                    self.allowed.join(", ")
                )
            };
            let refusal = Refusal::new(ResultCode::SyntaxError, reason).at(json_path(name));
            return Err(self.refuse(refusal));
        };
        if seen.iter().any(|(seen, _)| seen == known) {
            let reason = format!("the member \"{known}\" comes twice");
            let refusal = Refusal::new(ResultCode::SyntaxError, reason).at(format!("$.{known}"));
            return Err(self.refuse(refusal));
        }
        Ok(known)
    }
}

impl<'de> DeserializeSeed<'de> for ObjectReader<'_> {
    type Value = Members;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Members, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ObjectReader<'_> {
    type Value = Members;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Vec::with_capacity(self.allowed.len());
        while let Some(name) = map.next_key::<String>()? {
            let name = self.known(&name, &members)?;
            let mut found = None;
            let text = map.next_value_seed(TextReader { found: &mut found });
            let text = text.map_err(|error| match found {
                None => error,
                Some(kind) => {
                    let reason = format!("the member \"{name}\" is {kind}; it has to be a string");
                    let refusal =
                        Refusal::new(ResultCode::ParameterSyntax, reason).at(format!("$.{name}"));
                    self.refuse(refusal)
                }
            })?;
            members.push((name, text));
        }
        Ok(Members(members))
    }
}

/// Reads a string; anything else is named in `found`.
struct TextReader<'a> {
    found: &'a mut Option<&'static str>,
}

impl TextReader<'_> {
    fn refuse<E: de::Error>(self, kind: &'static str) -> Result<String, E> {
        *self.found = Some(kind);
        Err(E::custom("not a string"))
    }
}

impl<'de> DeserializeSeed<'de> for TextReader<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TextReader<'_> {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<String, E> {
        self.refuse("a boolean")
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<String, E> {
        self.refuse("a number")
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<String, E> {
        self.refuse("a number")
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<String, E> {
        self.refuse("a number")
    }

    fn visit_unit<E: de::Error>(self) -> Result<String, E> {
        self.refuse("null")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<String, A::Error> {
        self.refuse("an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<String, A::Error> {
        self.refuse("an object")
    }
}

/// JSONPath (RFC 9535 §2) of a member of the outermost object; of the object itself when the name
/// is not one that the shorthand can write, or long.
fn json_path(name: &str) -> String {
    let shorthand = name.len() <= 40
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || octet == b'_');
    if shorthand {
        format!("$.{name}")
    } else {
        "$".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &[u8]) -> Refusal {
        match Members::parse(body, &["id", "csr"]) {
            Ok(_) => panic!("accepted: {:?}", String::from_utf8_lossy(body)),
            Err(refusal) => refusal,
        }
    }

    #[test]
    fn members_are_read_in_any_order() {
        let mut members =
            Members::parse(br#" {"csr":"x\u0041","id":"y"} "#, &["id", "csr"]).unwrap();
        assert_eq!(members.take("id").unwrap(), "y");
        assert_eq!(members.take("csr").unwrap(), "xA");
        let missing = members.take("csr").unwrap_err();
        assert_eq!(missing.problem.code, ResultCode::RequiredParameterMissing);
        assert_eq!(missing.problem.paths, ["$.csr"]);
    }

    #[test]
    fn unknown_members_are_refused_by_name() {
        for name in ["owner", "serial", "notAfter", "status", "zone", "ID"] {
            let refusal = refusal(format!("{{\"id\":\"1\",\"{name}\":{{}}}}").as_bytes());
            assert_eq!(refusal.problem.code, ResultCode::SyntaxError);
            assert!(refusal.problem.reason.contains(&format!("\"{name}\"")));
            assert_eq!(refusal.problem.paths, [format!("$.{name}")]);
        }
        let long = refusal(format!("{{\"{}\":1}}", "n".repeat(5000)).as_bytes());
        assert!(long.problem.reason.len() < 200);
        assert_eq!(long.problem.paths, ["$"]);
    }

    #[test]
    fn duplicate_members_are_refused_even_when_escaped() {
        for body in [r#"{"id":"1","id":"1"}"#, r#"{"id":"1","\u0069d":"2"}"#] {
            let refusal = refusal(body.as_bytes());
            assert!(refusal.problem.reason.contains("twice"), "{refusal:?}");
            assert_eq!(refusal.problem.paths, ["$.id"]);
        }
    }

    #[test]
    fn values_that_are_not_strings_are_refused_by_kind() {
        for (value, kind) in [
            ("89049032123451234512345678901235", "a number"),
            ("-0", "a number"),
            ("1.5", "a number"),
            ("true", "a boolean"),
            ("null", "null"),
            ("[\"x\"]", "an array"),
            ("{}", "an object"),
        ] {
            let refusal = refusal(format!("{{\"id\":{value}}}").as_bytes());
            assert_eq!(refusal.problem.code, ResultCode::ParameterSyntax);
            assert!(refusal.problem.reason.contains(kind), "{refusal:?}");
            assert_eq!(refusal.problem.paths, ["$.id"]);
        }
    }

    #[test]
    fn depth_is_not_followed() {
        let deep = format!("{{\"id\":{}", "[".repeat(60_000));
        assert!(refusal(deep.as_bytes()).problem.reason.contains("an array"));
        let deep = "[".repeat(60_000);
        assert_eq!(
            refusal(deep.as_bytes()).problem.code,
            ResultCode::SyntaxError
        );
        let deep = format!("{{\"x\":{}", "{\"x\":".repeat(10_000));
        assert!(refusal(deep.as_bytes()).problem.reason.contains("unknown"));
    }

    #[test]
    fn text_that_is_not_plain_utf_8_is_refused_by_cause() {
        for (body, cause) in [
            (&b""[..], "empty"),
            (b"\xef\xbb\xbf{}", "byte order mark"),
            (b"\xff\xfe{\0}\0", "byte order mark"),
            (b"{\0\"\0", "NUL"),
            (b"{\"id\":\"\xc0\xaf\"}", "not UTF-8 at octet 7"),
            (b"{\"id\":\"\\ud800\"}", "column"),
            (b"{\"id\":\"\n\"}", "column"),
            (b"{\"id\":1e400}", "column"),
            (b"{\"id\":\"1\"} {}", "column"),
            (b"{\"id\":\"1\",}", "column"),
            (b"{'id':'1'}", "column"),
            (b"[]", "column"),
            (b"\"id\"", "column"),
            (b"null", "column"),
        ] {
            let refusal = refusal(body);
            assert_eq!(refusal.problem.code, ResultCode::SyntaxError);
            assert!(refusal.problem.reason.contains(cause), "{refusal:?}");
        }
    }

    #[test]
    fn number_beyond_every_range_is_refused() {
        let refusal = refusal(b"{\"id\":1e400}");
        assert_eq!(refusal.problem.code, ResultCode::SyntaxError);
    }
}
