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

/// The client's transaction identifier: a token of 3 to 64 printable ASCII characters, with single
/// blanks inside where there are any.
///
/// EPP would allow any Unicode; a header field would not, and a log line should not.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClientTransactionId(String);

/// The text is no client transaction identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "a client transaction identifier has 3 to 64 printable ASCII characters, and blanks only one at a time and inside; choose a new one for each request and repeat it only to retry the same request"
)]
pub struct ClientTransactionIdError;

impl ClientTransactionId {
    /// Parses the identifier.
    ///
    /// # Errors
    /// When length or characters are outside the rule of the type.
    pub fn parse(text: &str) -> Result<Self, ClientTransactionIdError> {
        if is_transaction_id(text) {
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

/// Whether a text may stand as either identifier: a `token` of XML Schema in printable ASCII. No line
/// ends in it, so that it cannot begin another one where it is written down.
pub(crate) fn is_transaction_id(text: &str) -> bool {
    (TRANSACTION_ID_CHARACTERS_MIN..=TRANSACTION_ID_CHARACTERS_MAX).contains(&text.len())
        && text
            .split(' ')
            .all(|word| !word.is_empty() && word.bytes().all(|octet| octet.is_ascii_graphic()))
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
    fn client_identifier_has_3_to_64_printable_ascii_characters_and_single_blanks_inside() {
        for good in ["abc", "!~#", "a b", "order 17 of today", &"x".repeat(64)] {
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
            "äbc",
            "ab\0",
            &"x".repeat(65),
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
