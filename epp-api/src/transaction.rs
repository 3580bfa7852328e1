//! The two identifiers of a transaction (RFC 5730 §2.5): the client's, which makes a retry
//! recognisable, and the server's, which names what was done.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// Fewest characters of either identifier (`trIDStringType`, RFC 5730 §4.1).
pub const TRANSACTION_ID_CHARACTERS_MIN: usize = 3;
/// Most characters of either identifier.
pub const TRANSACTION_ID_CHARACTERS_MAX: usize = 64;

/// The client's transaction identifier: a token of 3 to 64 characters, with single blanks inside where
/// there are any. The characters are printable ASCII, and the letters and digits of any script; a header
/// field of HTTP carries the former only.
///
/// EPP would allow all that XML does. What is invisible, or turns the direction of the text around it,
/// would let one identifier look like another where it is written down.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClientTransactionId(String);

/// The text is no client transaction identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "a client transaction identifier has 3 to 64 characters: letters and digits, printable ASCII, and blanks only one at a time and inside; choose a new one for each request and repeat it only to retry the same request"
)]
pub struct ClientTransactionIdError;

impl ClientTransactionId {
    /// Parses the identifier.
    ///
    /// # Errors
    /// When length or characters are outside the rule of the type.
    pub fn parse(text: &str) -> Result<Self, ClientTransactionIdError> {
        if is_token_of(text, |one| one.is_ascii_graphic() || is_visible_letter(one)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ClientTransactionIdError)
        }
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a text may stand as either identifier in a header field: a `token` of XML Schema in printable
/// ASCII.
pub(crate) fn is_transaction_id(text: &str) -> bool {
    is_token_of(text, |one| one.is_ascii_graphic())
}

/// A `token` of XML Schema of such characters, as long as an identifier. No line ends in it, so that it
/// cannot begin another one where it is written down.
fn is_token_of(text: &str, allowed: impl Fn(char) -> bool) -> bool {
    (TRANSACTION_ID_CHARACTERS_MIN..=TRANSACTION_ID_CHARACTERS_MAX).contains(&text.chars().count())
        && text
            .split(' ')
            .all(|word| !word.is_empty() && word.chars().all(&allowed))
}

/// A letter or digit of any script, but for the four letters of Hangul that fill a place and show nothing.
/// Controls, format characters and blanks are neither.
fn is_visible_letter(one: char) -> bool {
    one.is_alphanumeric() && !matches!(one, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}')
}

/// The server's transaction identifier from 16 random octets: `IOTR-` and 32 hexadecimal digits.
///
/// Registry and door make them the same way, so that a refusal at the door looks like any other.
pub fn server_transaction_id(random: [u8; 16]) -> String {
    format!("IOTR-{:032x}", u128::from_be_bytes(random))
}

impl FromStr for ClientTransactionId {
    type Err = ClientTransactionIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for ClientTransactionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl fmt::Debug for ClientTransactionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ClientTransactionId({})", self.0)
    }
}

impl Serialize for ClientTransactionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ClientTransactionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_identifier_has_3_to_64_visible_characters_and_single_blanks_inside() {
        for good in [
            "abc",
            "!~#",
            "a b",
            "order 17 of today",
            "Größe-17",
            "äbc",
            "заказ 17",
            "端末登録",
            "طلب-١٧",
            &"x".repeat(64),
            &"ß".repeat(64),
        ] {
            assert_eq!(ClientTransactionId::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "ab",
            "a  b",
            " abc",
            "abc ",
            "   ",
            "a\tbc",
            "abc\r\n",
            "abc\nd",
            "abc\u{a0}d",
            "abc\u{7f}",
            "ab\0",
            "äb",
            "ab\u{85}c",
            "ab\u{2028}c",
            "ab\u{3000}c",
            "ab\u{ad}c",
            "ab\u{200b}c",
            "ab\u{200d}c",
            "ab\u{200f}c",
            "ab\u{202e}c",
            "ab\u{2066}c",
            "ab\u{61c}c",
            "ab\u{feff}c",
            "ab\u{fe0f}c",
            "ab\u{115f}c",
            "ab\u{3164}c",
            "ab\u{ffa0}c",
            "ab\u{e0041}c",
            "ab\u{e000}c",
            "ab🦀",
            &"x".repeat(65),
            &"ß".repeat(65),
        ] {
            assert!(ClientTransactionId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn server_identifier_carries_all_random_octets_in_fixed_length() {
        let text = server_transaction_id([0; 16]);
        assert_eq!(text.len(), 37);
        assert!(is_transaction_id(&text));
        let mut random = [0; 16];
        random[15] = 0xab;
        assert!(server_transaction_id(random).ends_with("00ab"));
    }
}
