//! Device ids: the EID of an eSIM (SGP.02 §2.2.2, SGP.29) or the ICCID of a SIM profile (ITU-T
//! E.118), in the one spelling that is the primary key, the DNS label and the certificate's name.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// Digits of an EID.
const EID_DIGITS: usize = 32;
/// Characters of an ICCID in its DNS spelling: 19 digits and the filler, or 20 digits.
const ICCID_CHARACTERS: usize = 20;
/// Every ICCID of the telecommunication industry begins with this (ITU-T E.118).
const ICCID_PREFIX: &[u8] = b"89";
/// What fills the half octet that 19 digits leave empty.
const ICCID_FILLER: u8 = b'f';

/// Which numbering plan a [`DeviceId`] belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceIdKind {
    /// Number of an eSIM: 32 digits, number mod 97 = 1 (ISO 7064).
    Eid,
    /// Number of a SIM profile: 19 digits with a Luhn check digit and the filler `f`, or 20 digits.
    Iccid,
}

/// A valid device id in canonical form: ASCII digits, for an ICCID of 19 digits followed by `f`.
///
/// Order is that of the text, which is the canonical order of the DNS labels (RFC 4034 §6.1).
#[derive(Clone, Copy)]
pub struct DeviceId {
    text: [u8; EID_DIGITS],
    length: u8,
}

/// Why a text is not a device id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DeviceIdError {
    /// Neither 32 digits (EID) nor 20 characters (ICCID).
    #[error(
        "a device id has 32 digits (EID) or 20 characters (ICCID of 20 digits, or of 19 digits and a final f); this one has {characters}"
    )]
    Length {
        /// Characters found.
        characters: usize,
    },
    /// A character that is not an ASCII digit.
    #[error(
        "a device id consists of the ASCII digits 0-9 only; character {position} is something else"
    )]
    NotADigit {
        /// Place of the first offending character, counted from 1.
        position: usize,
    },
    /// The check digits of an EID do not fit: number mod 97 is not 1.
    #[error(
        "the last two digits of this EID are not its check digits; check it for a typing error"
    )]
    EidCheckDigits,
    /// The number does not begin with 89.
    #[error("an ICCID begins with 89")]
    IccidPrefix,
    /// The Luhn digit does not fit.
    #[error("the last digit of this ICCID is not its Luhn digit; check it for a typing error")]
    IccidLuhn,
}

impl DeviceId {
    /// Longest text form, in octets.
    pub const OCTETS_MAX: usize = EID_DIGITS;

    /// Parses the only accepted spellings: 32 digits, 20 digits, or 19 digits and `f` or `F`.
    ///
    /// Spaces, hyphens, signs, other digits of Unicode and final line breaks are errors: a second
    /// spelling would be a second device.
    ///
    /// # Errors
    /// Says which rule is broken; see [`DeviceIdError`].
    pub fn parse(text: &str) -> Result<Self, DeviceIdError> {
        let characters = text.chars().count();
        let kind = match characters {
            EID_DIGITS => DeviceIdKind::Eid,
            ICCID_CHARACTERS => DeviceIdKind::Iccid,
            _ => return Err(DeviceIdError::Length { characters }),
        };
        let mut canonical = [0; EID_DIGITS];
        for (index, character) in text.chars().enumerate() {
            let filler = kind == DeviceIdKind::Iccid && index == ICCID_CHARACTERS - 1;
            canonical[index] = match character {
                '0'..='9' => character as u8,
                'f' | 'F' if filler => ICCID_FILLER,
                _ => {
                    return Err(DeviceIdError::NotADigit {
                        position: index + 1,
                    });
                }
            };
        }
        let text = &canonical[..characters];
        match kind {
            DeviceIdKind::Eid => check_eid(text)?,
            DeviceIdKind::Iccid => check_iccid(text)?,
        }
        Ok(Self {
            text: canonical,
            length: characters as u8,
        })
    }

    /// The canonical text: lower case, no separators.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_octets()).expect("parse accepts ASCII only")
    }

    /// The canonical text as octets.
    pub fn as_octets(&self) -> &[u8] {
        &self.text[..usize::from(self.length)]
    }

    /// Which numbering plan the id belongs to.
    pub fn kind(&self) -> DeviceIdKind {
        if usize::from(self.length) == EID_DIGITS {
            DeviceIdKind::Eid
        } else {
            DeviceIdKind::Iccid
        }
    }
}

/// ISO 7064 MOD 97-10: the whole number leaves 1.
fn check_eid(digits: &[u8]) -> Result<(), DeviceIdError> {
    let remainder = digits.iter().fold(0u32, |remainder, digit| {
        (remainder * 10 + u32::from(digit - b'0')) % 97
    });
    if remainder == 1 {
        Ok(())
    } else {
        Err(DeviceIdError::EidCheckDigits)
    }
}

/// Prefix and Luhn digit; the filler is padding and takes no part.
fn check_iccid(text: &[u8]) -> Result<(), DeviceIdError> {
    if !text.starts_with(ICCID_PREFIX) {
        return Err(DeviceIdError::IccidPrefix);
    }
    let digits = text.strip_suffix(&[ICCID_FILLER]).unwrap_or(text);
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(from_right, digit)| {
            let digit = u32::from(digit - b'0');
            let doubled = if from_right % 2 == 1 {
                digit * 2
            } else {
                digit
            };
            doubled / 10 + doubled % 10
        })
        .sum();
    if sum.is_multiple_of(10) {
        Ok(())
    } else {
        Err(DeviceIdError::IccidLuhn)
    }
}

impl FromStr for DeviceId {
    type Err = DeviceIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DeviceId({self})")
    }
}

impl PartialEq for DeviceId {
    fn eq(&self, other: &Self) -> bool {
        self.as_octets() == other.as_octets()
    }
}

impl Eq for DeviceId {}

impl PartialOrd for DeviceId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for DeviceId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_octets().cmp(other.as_octets())
    }
}

impl Hash for DeviceId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_octets().hash(state);
    }
}

impl Serialize for DeviceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for DeviceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EID: &str = "89049032123451234512345678901235";
    const ICCID: &str = "8912230200031010008f";

    #[test]
    fn both_forms_are_accepted_and_lower_cased() {
        assert_eq!(DeviceId::parse(EID).unwrap().kind(), DeviceIdKind::Eid);
        let iccid = DeviceId::parse("8912230200031010008F").unwrap();
        assert_eq!((iccid.kind(), iccid.as_str()), (DeviceIdKind::Iccid, ICCID));
        assert_eq!(
            DeviceId::parse("89122302000310100085").unwrap_err(),
            DeviceIdError::IccidLuhn
        );
        // 20 digits: the Luhn digit is the last one.
        assert!(DeviceId::parse("89122302000310100087").is_ok());
    }

    #[test]
    fn published_cira_names_are_valid() {
        for text in ["8912230200031060003F", "8912230200031010271F"] {
            assert!(DeviceId::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn an_eid_need_not_begin_with_89() {
        // SGP.29: 30 digits of which none is 89, and check digits 98 - (n*100 mod 97).
        let body: u128 = 123_456_789_012_345_678_901_234_567_890;
        let check = 98 - (body * 100 % 97);
        assert!(DeviceId::parse(&format!("{body:030}{check:02}")).is_ok());
    }

    #[test]
    fn other_spellings_are_refused() {
        let cases = [
            ("", DeviceIdError::Length { characters: 0 }),
            (
                "8904903212345123451234567890123",
                DeviceIdError::Length { characters: 31 },
            ),
            (
                "890490321234512345123456789012350",
                DeviceIdError::Length { characters: 33 },
            ),
            (
                "89049032123451234512345678901236",
                DeviceIdError::EidCheckDigits,
            ),
            (
                "00000000000000000000000000000000",
                DeviceIdError::EidCheckDigits,
            ),
            (
                "8904903212345123451234567890123x",
                DeviceIdError::NotADigit { position: 32 },
            ),
            (
                "8904903212345123451234567890123f",
                DeviceIdError::NotADigit { position: 32 },
            ),
            (
                "+8904903212345123451234567890123",
                DeviceIdError::NotADigit { position: 1 },
            ),
            (
                "8904 032123451234512345678901235",
                DeviceIdError::NotADigit { position: 5 },
            ),
            (
                "89049032123451234512345678901235\n",
                DeviceIdError::Length { characters: 33 },
            ),
            (
                "8904903212345123451234567890123\0",
                DeviceIdError::NotADigit { position: 32 },
            ),
            // Digits of other scripts are digits to Unicode, not to us.
            (
                "８9049032123451234512345678901235",
                DeviceIdError::NotADigit { position: 1 },
            ),
            (
                "٨9049032123451234512345678901235",
                DeviceIdError::NotADigit { position: 1 },
            ),
            ("8912230200031010007f", DeviceIdError::IccidLuhn),
            ("7912230200031010008f", DeviceIdError::IccidPrefix),
            (
                "891223020003101000ff",
                DeviceIdError::NotADigit { position: 19 },
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(DeviceId::parse(text).unwrap_err(), expected, "{text:?}");
        }
    }

    #[test]
    fn every_single_digit_error_and_eid_transposition_is_refused() {
        for text in [EID, ICCID] {
            let octets = text.as_bytes();
            for index in 0..octets.len() {
                for digit in b'0'..=b'9' {
                    let mut wrong = octets.to_vec();
                    if wrong[index] == digit || wrong[index] == ICCID_FILLER {
                        continue;
                    }
                    wrong[index] = digit;
                    let wrong = String::from_utf8(wrong).unwrap();
                    assert!(DeviceId::parse(&wrong).is_err(), "{wrong}");
                }
            }
        }
        let octets = EID.as_bytes();
        for index in 1..octets.len() {
            let mut wrong = octets.to_vec();
            wrong.swap(index - 1, index);
            let wrong = String::from_utf8(wrong).unwrap();
            assert_eq!(DeviceId::parse(&wrong).is_ok(), wrong == EID, "{wrong}");
        }
    }
}
