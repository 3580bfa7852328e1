//! The whole text of one element or attribute, in the white space rules of XML Schema's types
//! (XML Schema part 2, §4.3.6).

use std::fmt::Display;
use std::str::FromStr;

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};
use zeroize::Zeroizing;

use crate::epp::read_error::ReadError;

/// A value as it stands in the document; wiped when dropped, since it may be a secret.
pub(crate) struct Value {
    name: &'static str,
    text: Zeroizing<String>,
}

impl Value {
    pub(super) fn new(name: &'static str, text: Zeroizing<String>) -> Self {
        Self { name, text }
    }

    /// As `token`: no white space at the ends, single spaces inside.
    pub(crate) fn token(&self) -> Zeroizing<String> {
        let mut token = Zeroizing::new(String::with_capacity(self.text.len()));
        for word in self
            .text
            .split([' ', '\t', '\n', '\r'])
            .filter(|word| !word.is_empty())
        {
            if !token.is_empty() {
                token.push(' ');
            }
            token.push_str(word);
        }
        token
    }

    /// As `normalizedString`: every white space character is a space.
    pub(crate) fn normalized(&self) -> Zeroizing<String> {
        let mut normalized = Zeroizing::new(String::with_capacity(self.text.len()));
        for character in self.text.chars() {
            normalized.push(match character {
                '\t' | '\n' | '\r' => ' ',
                other => other,
            });
        }
        normalized
    }

    /// The token's value by its own parser, whose error says what the rule is.
    pub(crate) fn parse<T: FromStr<Err: Display>>(&self) -> Result<T, ReadError> {
        let parsed = self.token().parse();
        parsed.map_err(|error| ReadError::syntax(self.name, error))
    }

    /// One of a few words.
    pub(crate) fn one_of<T: Copy>(&self, words: &[(&'static str, T)]) -> Result<T, ReadError> {
        let token = self.token();
        let found = words.iter().find(|(word, _)| *word == token.as_str());
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            ReadError::syntax(self.name, format!("has to be one of {}", words.join(", ")))
        })
    }

    /// One of the words that a type has names for.
    pub(crate) fn named<T>(&self, from_name: impl Fn(&str) -> Option<T>) -> Result<T, ReadError> {
        let unknown = || ReadError::syntax(self.name, "is none of the words of the schema");
        from_name(&self.token()).ok_or_else(unknown)
    }

    /// A time (`dateTime` with a zone), in UTC.
    pub(crate) fn instant(&self) -> Result<OffsetDateTime, ReadError> {
        let time = OffsetDateTime::parse(&self.token(), &Rfc3339).ok();
        let time = time.and_then(|time| time.checked_to_offset(UtcOffset::UTC));
        time.ok_or_else(|| {
            ReadError::syntax(self.name, "has to be a time such as 2027-11-22T12:00:00Z")
        })
    }

    /// `boolean`, as the schema spells it.
    pub(crate) fn boolean(&self) -> Result<bool, ReadError> {
        self.one_of(&[("1", true), ("0", false), ("true", true), ("false", false)])
    }

    /// A token with bounds on its characters.
    pub(crate) fn bounded_token(
        &self,
        least: usize,
        most: usize,
    ) -> Result<Zeroizing<String>, ReadError> {
        let token = self.token();
        if (least..=most).contains(&token.chars().count()) {
            return Ok(token);
        }
        let reason = format!("has {least} to {most} characters");
        Err(ReadError::syntax(self.name, reason))
    }

    /// Octets in base64 (`base64Binary`: white space anywhere), at least one and at most `most`.
    pub(crate) fn base64(&self, most: usize) -> Result<Vec<u8>, ReadError> {
        use base64::Engine;
        use base64::engine::general_purpose::STANDARD;
        let too_long = || ReadError::range(self.name, format!("has at most {most} octets"));
        let digits: Vec<u8> = self
            .text
            .bytes()
            .filter(|octet| !is_space(*octet))
            .collect();
        if digits.len() > most.div_ceil(3) * 4 {
            return Err(too_long());
        }
        let octets = STANDARD.decode(digits).unwrap_or_default();
        if octets.is_empty() {
            return Err(ReadError::syntax(self.name, "is not base64 (RFC 4648 §4)"));
        }
        if octets.len() > most {
            return Err(too_long());
        }
        Ok(octets)
    }

    /// The text as it stands, nothing folded.
    #[cfg(test)]
    pub(crate) fn raw(&self) -> &str {
        &self.text
    }
}

fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        Value::new("v", Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn white_space_follows_the_schema_type() {
        let text = " a\tb \r\n c ";
        assert_eq!(value(text).token().as_str(), "a b c");
        assert_eq!(value(text).normalized().as_str(), " a b    c ");
        assert_eq!(value(" 17\n").parse(), Ok(17_u16));
        // A space of another script is a character like any other.
        assert_eq!(value("\u{a0}a").token().as_str(), "\u{a0}a");
    }

    #[test]
    fn base64_is_bounded_and_padded() {
        assert_eq!(value(" AA\n ==").base64(1), Ok(vec![0]));
        let syntax = |text| matches!(value(text).base64(9), Err(ReadError::ValueSyntax { .. }));
        assert!(syntax("") && syntax("A") && syntax("AA") && syntax("_-==") && syntax("AB=="));
        let range = |text| matches!(value(text).base64(1), Err(ReadError::ValueRange { .. }));
        assert!(range("AAA=") && range("AAAAAAAA"));
    }
}
