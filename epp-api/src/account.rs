//! Who asks: accounts, their roles, and the secret by which an account is recognised.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::scope::Scopes;

/// Name of an account: 3 to 16 characters, lower-case ASCII letters, digits and inner hyphens, and
/// not `self`, by which the JSON door calls the caller's own.
///
/// The length is that of an EPP client identifier (`clIDType`, RFC 5730 §4.1), so that one name
/// serves both doors.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountName(String);

/// The text is not an account name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "an account name has 3 to 16 characters: lower-case letters a-z, digits and hyphens, with a letter or digit at both ends; \"self\" is none"
)]
pub struct AccountNameError;

impl AccountName {
    /// Longest name, in characters.
    pub const CHARACTERS_MAX: usize = 16;
    /// Shortest name, in characters.
    pub const CHARACTERS_MIN: usize = 3;

    /// Parses the only accepted spelling; capitals are refused because a second spelling would be a
    /// second account.
    ///
    /// # Errors
    /// When a rule of the type is broken.
    pub fn parse(text: &str) -> Result<Self, AccountNameError> {
        let octets = text.as_bytes();
        let allowed = |octet: &u8| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let length = Self::CHARACTERS_MIN..=Self::CHARACTERS_MAX;
        if !length.contains(&octets.len())
            || !octets.iter().all(allowed)
            || octets.starts_with(b"-")
            || octets.ends_with(b"-")
            || text == "self"
        {
            return Err(AccountNameError);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountName {
    type Err = AccountNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl fmt::Debug for AccountName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "AccountName({})", self.0)
    }
}

impl Serialize for AccountName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AccountName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

/// What an account may be for; what it may do is decided by the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Mobile network operator: registers devices and sponsors them.
    Mno,
    /// Application service provider: devices connect to it.
    Asp,
    /// Operator of the registry itself.
    Operator,
}

/// The text names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a role is one of mno, asp, operator")]
pub struct RoleError;

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Mno, Self::Asp, Self::Operator];

    /// The name used in JSON, on command lines and in the audit log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mno => "mno",
            Self::Asp => "asp",
            Self::Operator => "operator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = |role: &Role| role.as_str() == text;
        Self::ALL.into_iter().find(named).ok_or(RoleError)
    }
}

/// The digits with which device ids begin that an account may register: 2 to 31 of them.
///
/// For EIDs the issuer's number (2 to 19 digits, SGP.29), for ICCIDs the issuer identifier.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdPrefix(String);

/// The text is no prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a prefix of device ids has 2 to 31 digits and begins with 89")]
pub struct IdPrefixError;

impl IdPrefix {
    /// Parses the digits.
    ///
    /// # Errors
    /// When a rule of the type is broken.
    pub fn parse(text: &str) -> Result<Self, IdPrefixError> {
        let digits = text.bytes().all(|octet| octet.is_ascii_digit());
        if !(2..=31).contains(&text.len()) || !digits || !text.starts_with("89") {
            return Err(IdPrefixError);
        }
        Ok(Self(text.to_owned()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdPrefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl fmt::Debug for IdPrefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "IdPrefix({})", self.0)
    }
}

impl Serialize for IdPrefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for IdPrefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

/// An authenticated account, looked up anew for every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account.
    pub account: AccountName,
    /// Its role at this moment.
    pub role: Role,
    /// What it may be used for: those of its token, all of them for a certificate or password.
    pub scopes: Scopes,
}

/// The secret of an account in the syntax of RFC 6750 §2.1 (`b64token`), 16 to 256 octets.
///
/// Wiped when dropped, absent from Debug; compared without early exit.
#[derive(Clone)]
pub struct BearerToken(Zeroizing<String>);

/// The text cannot be a bearer token. It is not quoted: it may be a secret with a typing error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a bearer token has 16 to 256 characters: letters, digits, -._~+/ and final =")]
pub struct BearerTokenError;

impl BearerToken {
    /// Longest token, in octets.
    pub const OCTETS_MAX: usize = 256;
    /// Shortest token, in octets: anything shorter could be guessed.
    pub const OCTETS_MIN: usize = 16;

    /// Parses a token.
    ///
    /// # Errors
    /// When length or characters are outside the syntax.
    pub fn parse(text: &str) -> Result<Self, BearerTokenError> {
        let body = text.trim_end_matches('=');
        let allowed = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~+/".contains(&octet);
        if !(Self::OCTETS_MIN..=Self::OCTETS_MAX).contains(&text.len())
            || body.is_empty()
            || !body.bytes().all(allowed)
        {
            return Err(BearerTokenError);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The secret itself: for hashing, for the one answer that shows it, for the header.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("BearerToken(redacted)")
    }
}

impl PartialEq for BearerToken {
    fn eq(&self, other: &Self) -> bool {
        let (left, right) = (self.0.as_bytes(), other.0.as_bytes());
        let difference = left
            .iter()
            .zip(right)
            .fold(0, |difference, (left, right)| difference | (left ^ right));
        left.len() == right.len() && difference == 0
    }
}

impl Eq for BearerToken {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_names_fit_epp_client_identifiers() {
        for good in ["mno", "mno-example", "0perator", "a234567890123456"] {
            assert_eq!(AccountName::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "ab",
            "a2345678901234567",
            "Mno",
            "-mno",
            "mno-",
            "m no",
            "mnö",
            "mno\n",
            "m_no",
            "self",
        ] {
            assert_eq!(AccountName::parse(bad), Err(AccountNameError), "{bad:?}");
        }
    }

    #[test]
    fn prefixes_have_2_to_31_digits() {
        for good in ["89", "89049032", "8904903212345123451234567890123"] {
            assert_eq!(IdPrefix::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "8",
            "90",
            "89x",
            "89%",
            "89049032123451234512345678901235",
        ] {
            assert_eq!(IdPrefix::parse(bad), Err(IdPrefixError), "{bad:?}");
        }
    }

    #[test]
    fn roles_round_trip_through_their_names() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
            let json = serde_json::to_string(&role).unwrap();
            assert_eq!(json, format!("\"{role}\""));
        }
        assert_eq!("Operator".parse::<Role>(), Err(RoleError));
    }

    #[test]
    fn token_syntax_is_bounded() {
        assert!(BearerToken::parse("abcdefghijklmno=").is_ok());
        assert!(BearerToken::parse(&"a".repeat(256)).is_ok());
        for bad in [
            "",
            "short",
            "================",
            "abc def ghi jkl mno",
            "abcdefgh=abcdefgh",
            "abcdefghijklmnö pq",
        ] {
            assert!(BearerToken::parse(bad).is_err(), "{bad:?}");
        }
        assert!(BearerToken::parse(&"a".repeat(257)).is_err());
    }

    #[test]
    fn token_is_absent_from_debug() {
        let token = BearerToken::parse("very-secret-token-1").unwrap();
        assert!(!format!("{token:?}").contains("secret"));
        assert_ne!(token, BearerToken::parse("very-secret-token-2").unwrap());
        assert_ne!(token, BearerToken::parse("very-secret-token-11").unwrap());
    }
}
