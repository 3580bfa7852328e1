//! Slots: the number of a credential on a device.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// Number of a credential on a device, 1 to 9999. The registry never reuses one, not even after
/// the device was deleted and registered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u16);

/// The text or number is not a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a slot is a number from 1 to 9999 without leading zeros")]
pub struct SlotError;

impl Slot {
    /// The slot of a device's first credential.
    pub const FIRST: Self = Self(1);
    /// Largest slot number.
    pub const NUMBER_MAX: u16 = 9999;

    /// Takes a number.
    ///
    /// # Errors
    /// Outside of 1 to 9999.
    pub fn new(number: u16) -> Result<Self, SlotError> {
        if (1..=Self::NUMBER_MAX).contains(&number) {
            Ok(Self(number))
        } else {
            Err(SlotError)
        }
    }

    /// Parses one to four ASCII digits without leading zeros: the spelling that a DNS label has.
    ///
    /// # Errors
    /// Any other text, and 0.
    pub fn parse(text: &str) -> Result<Self, SlotError> {
        let digits =
            (1..=4).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit());
        if !digits || text.starts_with('0') {
            return Err(SlotError);
        }
        Self::new(text.parse().map_err(|_| SlotError)?)
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }

    /// The slot after this one; none after 9999.
    pub fn next(self) -> Option<Self> {
        Self::new(self.0 + 1).ok()
    }
}

impl FromStr for Slot {
    type Err = SlotError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Serialize for Slot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.0)
    }
}

impl<'de> Deserialize<'de> for Slot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(u16::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_one_spelling() {
        for number in 1..=Slot::NUMBER_MAX {
            let slot = Slot::new(number).unwrap();
            assert_eq!(Slot::parse(&slot.to_string()), Ok(slot));
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "", "0", "00", "01", "0001", "10000", "+1", "-1", " 1", "1 ", "1a", "１", "٣",
        ] {
            assert_eq!(Slot::parse(text), Err(SlotError), "{text:?}");
        }
        assert_eq!(Slot::new(0), Err(SlotError));
        assert_eq!(Slot::new(10_000), Err(SlotError));
    }

    #[test]
    fn the_last_slot_has_no_next() {
        assert_eq!(Slot::FIRST.next().map(Slot::get), Some(2));
        assert_eq!(Slot::new(9999).unwrap().next(), None);
    }
}
