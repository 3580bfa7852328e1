//! The apex of the registry's zone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// Name of the registry's zone, in lower case: host name labels (letters, digits, inner hyphens).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneName {
    text: String,
    wire: Vec<u8>,
}

/// Why a text cannot name the registry's zone.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ZoneNameError {
    /// The root or an empty text.
    #[error("the zone needs a name of at least one label")]
    Empty,
    /// So long that a device's name would not fit into a certificate's common name.
    #[error(
        "a zone name has at most {max} characters, so that <slot>.<device id>.<zone> fits into the 64 of a certificate's common name; this one has {characters}",
        max = ZoneName::CHARACTERS_MAX
    )]
    TooLong {
        /// Characters without the final dot.
        characters: usize,
    },
    /// A label that is empty, longer than 63 octets, or not letters, digits and inner hyphens.
    #[error(
        "{label:?} is not a host name label (letters, digits and inner hyphens, 1 to 63 of them)"
    )]
    Label {
        /// The offending label.
        label: String,
    },
}

impl ZoneName {
    /// Longest name without the final dot: 64 characters of a common name (RFC 5280, ub-common-name)
    /// less four digits of a slot, 32 of an EID and two dots.
    pub const CHARACTERS_MAX: usize = 26;

    /// Parses a name with or without the final dot, in any case.
    ///
    /// # Errors
    /// Says what is wrong; see [`ZoneNameError`].
    pub fn parse(text: &str) -> Result<Self, ZoneNameError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return Err(ZoneNameError::Empty);
        }
        let characters = text.chars().count();
        if characters > Self::CHARACTERS_MAX {
            return Err(ZoneNameError::TooLong { characters });
        }
        let text = text.to_ascii_lowercase();
        let mut wire = Vec::with_capacity(text.len() + 2);
        for label in text.split('.') {
            if !is_host_label(label) {
                return Err(ZoneNameError::Label {
                    label: label.to_owned(),
                });
            }
            wire.push(label.len() as u8);
            wire.extend_from_slice(label.as_bytes());
        }
        wire.push(0);
        Ok(Self { text, wire })
    }

    /// The name without the final dot.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name as uncompressed wire octets, root label included.
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// Labels, the root not counted (the Labels field of an RRSIG at the apex).
    pub fn label_count(&self) -> u8 {
        // At most 26 characters, so at most 13 labels.
        self.text.split('.').count() as u8
    }
}

fn is_host_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl FromStr for ZoneName {
    type Err = ZoneNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for ZoneName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.text)
    }
}

impl fmt::Debug for ZoneName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ZoneName({self})")
    }
}

impl Serialize for ZoneName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for ZoneName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_form_is_lower_case_and_ends_with_the_root() {
        let zone = ZoneName::parse("IoTregistry.Example.").unwrap();
        assert_eq!(zone.as_str(), "iotregistry.example");
        assert_eq!(zone.wire(), b"\x0biotregistry\x07example\0");
        assert_eq!(zone.label_count(), 2);
        assert_eq!(zone, ZoneName::parse("iotregistry.example").unwrap());
    }

    #[test]
    fn names_that_cannot_be_the_zone_are_refused() {
        assert_eq!(ZoneName::parse("."), Err(ZoneNameError::Empty));
        assert!(ZoneName::parse(&"a".repeat(26)).is_ok());
        assert_eq!(
            ZoneName::parse(&"a".repeat(27)),
            Err(ZoneNameError::TooLong { characters: 27 })
        );
        for text in [
            "a..b",
            ".a",
            "-a.b",
            "a-.b",
            "a_b.c",
            "a b",
            "ä.example",
            "*.example",
            "a.\\046b",
        ] {
            assert!(
                matches!(ZoneName::parse(text), Err(ZoneNameError::Label { .. })),
                "{text}"
            );
        }
    }
}
