//! Device id and slot in 18 octets whose order is the canonical order of the owner names
//! (RFC 4034 §6.1), so that a sorted store of keys is the NSEC chain.
//!
//! Half octets: 32 for the id (digit + 1, filler `f` = 11, end = 0), then 4 for the slot's decimal
//! digits, left-justified in the same code. Labels compare left-justified and octet by octet, with
//! "no octet" before any octet; `f` sorts after the digits. Both hold for this code, and a key
//! without a slot (the empty non-terminal `<id>`) sorts before all of its slots.

use crate::{DeviceId, Slot};

/// Half octets of the device id.
const ID_NIBBLES: usize = 32;
/// Half octets of the slot.
const SLOT_NIBBLES: usize = 4;
/// Code of the filler `f`: one past the code of digit 9.
const FILLER: u8 = 11;

/// The packed form of `<slot>.<device id>` or of `<device id>` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackedKey([u8; PackedKey::OCTETS]);

impl PackedKey {
    /// Length of every key.
    pub const OCTETS: usize = (ID_NIBBLES + SLOT_NIBBLES) / 2;

    /// Packs the name of a credential.
    pub fn new(device_id: DeviceId, slot: Slot) -> Self {
        let mut key = Self::empty_non_terminal(device_id);
        let mut digits = [0; SLOT_NIBBLES];
        let mut rest = slot.get();
        let mut count = 0;
        while rest > 0 {
            digits[count] = (rest % 10) as u8;
            rest /= 10;
            count += 1;
        }
        for (index, digit) in digits[..count].iter().rev().enumerate() {
            key.set(ID_NIBBLES + index, digit + 1);
        }
        key
    }

    /// Packs the name above a device's credentials, which owns no records.
    pub fn empty_non_terminal(device_id: DeviceId) -> Self {
        let mut key = Self([0; Self::OCTETS]);
        for (index, character) in device_id.as_octets().iter().enumerate() {
            let code = if *character == b'f' {
                FILLER
            } else {
                character - b'0' + 1
            };
            key.set(index, code);
        }
        key
    }

    /// Takes octets that came from [`PackedKey::as_octets`]; they are checked by
    /// [`PackedKey::unpack`].
    pub fn from_octets(octets: [u8; Self::OCTETS]) -> Self {
        Self(octets)
    }

    /// The key's octets.
    pub fn as_octets(&self) -> &[u8; Self::OCTETS] {
        &self.0
    }

    /// The device id and slot, or `None` for octets that no name packs to.
    pub fn unpack(&self) -> Option<(DeviceId, Option<Slot>)> {
        let device_id = DeviceId::parse(&self.text(0, ID_NIBBLES)?).ok()?;
        let slot = self.text(ID_NIBBLES, SLOT_NIBBLES)?;
        let slot = if slot.is_empty() {
            None
        } else {
            Some(Slot::parse(&slot).ok()?)
        };
        Some((device_id, slot))
    }

    /// The characters of a left-justified field; `None` when something follows its end.
    fn text(&self, first: usize, count: usize) -> Option<String> {
        let mut text = String::with_capacity(count);
        let mut ended = false;
        for index in first..first + count {
            match self.get(index) {
                0 => ended = true,
                _ if ended => return None,
                FILLER => text.push('f'),
                code if code < FILLER => text.push(char::from(b'0' + code - 1)),
                _ => return None,
            }
        }
        Some(text)
    }

    fn get(&self, nibble: usize) -> u8 {
        let octet = self.0[nibble / 2];
        if nibble.is_multiple_of(2) {
            octet >> 4
        } else {
            octet & 0x0f
        }
    }

    fn set(&mut self, nibble: usize, code: u8) {
        let shift = if nibble.is_multiple_of(2) { 4 } else { 0 };
        self.0[nibble / 2] |= code << shift;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_digit_plus_one_in_half_octets() {
        let device_id = DeviceId::parse("8912230200031010008f").unwrap();
        let key = PackedKey::new(device_id, Slot::new(120).unwrap());
        let expected = [
            0x9a, 0x23, 0x34, 0x13, 0x11, 0x14, 0x21, 0x21, 0x11, 0x9b, 0, 0, 0, 0, 0, 0, 0x23,
            0x10,
        ];
        assert_eq!(key.as_octets(), &expected);
        assert_eq!(key.unpack(), Some((device_id, Slot::new(120).ok())));
    }

    #[test]
    fn octets_that_no_name_packs_to_do_not_unpack() {
        let device_id = DeviceId::parse("8912230200031010008f").unwrap();
        let good = *PackedKey::new(device_id, Slot::FIRST).as_octets();
        assert_eq!(PackedKey::from_octets([0; 18]).unpack(), None);
        assert_eq!(PackedKey::from_octets([0xff; 18]).unpack(), None);
        for (index, value) in [
            (0, 0x0a),
            (9, 0x90),
            (10, 0x10),
            (16, 0x10),
            (16, 0x02),
            (16, 0xb0),
        ] {
            let mut wrong = good;
            wrong[index] = value;
            assert_eq!(
                PackedKey::from_octets(wrong).unpack(),
                None,
                "{index}: {value:#x}"
            );
        }
    }
}
