//! Passwords and authorization information: wiped when dropped, absent from Debug and logs.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use zeroize::Zeroizing;

/// Whatever somebody presents to prove something: a password, or the authInfo of an object.
///
/// Any text at all; a wrong one is wrong, not malformed, so that no answer tells more than that.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// A secret of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    pub(crate) fn from_zeroizing(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The secret itself: for hashing and comparing.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(redacted)")
    }
}

impl PartialEq for Secret {
    /// Without early exit within the shorter of the two.
    fn eq(&self, other: &Self) -> bool {
        let (left, right) = (self.0.as_bytes(), other.0.as_bytes());
        let pairs = left.iter().zip(right);
        let difference = pairs.fold(0, |difference, (left, right)| difference | (left ^ right));
        left.len() == right.len() && difference == 0
    }
}

impl Eq for Secret {}

/// Authorization information that is set on an object (RFC 9154 §4.1): 20 to 64 printable ASCII
/// characters without space, which are 128 bits where they are random.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthInfo(Secret);

/// The text cannot be set as authorization information. It is not quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "authorization information has 20 to 64 random printable ASCII characters without space, and is empty where none is set (RFC 9154)"
)]
pub struct AuthInfoError;

impl AuthInfo {
    /// Most characters.
    pub const CHARACTERS_MAX: usize = 64;
    /// Fewest characters: 20 of 94 kinds are 131 bits.
    pub const CHARACTERS_MIN: usize = 20;

    /// Parses the text.
    ///
    /// # Errors
    /// When length or characters are outside the rule of the type.
    pub fn parse(text: &str) -> Result<Self, AuthInfoError> {
        let length = Self::CHARACTERS_MIN..=Self::CHARACTERS_MAX;
        if !length.contains(&text.len()) || !text.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(AuthInfoError);
        }
        Ok(Self(Secret::new(text)))
    }

    /// The text itself: for hashing, and for the client that sends it.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl FromStr for AuthInfo {
    type Err = AuthInfoError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// Fewest characters of a new password.
pub const NEW_PASSWORD_CHARACTERS_MIN: usize = 12;
/// Fewest different characters in it.
const NEW_PASSWORD_KINDS_MIN: usize = 6;

/// Why a new password is too weak for this client identifier, if it is.
pub fn weakness(new: &Secret, present: &Secret, client_id: &str) -> Option<&'static str> {
    let text = new.expose();
    let mut kinds: Vec<char> = text.chars().collect();
    let characters = kinds.len();
    kinds.sort_unstable();
    kinds.dedup();
    let holds_name = || {
        let name = client_id.to_ascii_lowercase();
        text.to_ascii_lowercase().contains(&name)
    };
    if characters < NEW_PASSWORD_CHARACTERS_MIN {
        Some("the new password is shorter than 12 characters")
    } else if kinds.len() < NEW_PASSWORD_KINDS_MIN {
        Some("the new password has fewer than 6 different characters")
    } else if new == present {
        Some("the new password is the present one")
    } else if holds_name() {
        Some("the new password contains the client identifier")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_absent_from_debug() {
        let secret = Secret::new("open sesame");
        let auth_info = AuthInfo::parse("open-sesame-open-sesame").unwrap();
        assert!(!format!("{secret:?} {auth_info:?}").contains("sesame"));
        assert_ne!(secret, Secret::new("open sesamf"));
        assert_ne!(secret, Secret::new("open sesame!"));
    }

    #[test]
    fn authorization_information_has_20_to_64_printable_characters() {
        for good in ["!".repeat(20), "~".repeat(64)] {
            assert_eq!(AuthInfo::parse(&good).unwrap().expose(), good);
        }
        let space = format!("{} ", "a".repeat(20));
        for bad in [
            "",
            &"a".repeat(19),
            &"a".repeat(65),
            &space,
            &"ä".repeat(20),
        ] {
            assert_eq!(AuthInfo::parse(bad), Err(AuthInfoError), "{bad}");
        }
    }

    #[test]
    fn weak_new_passwords_are_named() {
        let present = Secret::new("correct horse 9");
        let weak = |text| weakness(&Secret::new(text), &present, "mno-one");
        assert!(weak("short-1").is_some_and(|why| why.contains("shorter")));
        assert!(weak("abababababababab").is_some_and(|why| why.contains("different")));
        assert!(weak("correct horse 9").is_some_and(|why| why.contains("present")));
        assert!(weak("xyz-MNO-one-12345").is_some_and(|why| why.contains("identifier")));
        assert_eq!(weak("battery staple 7"), None);
    }
}
