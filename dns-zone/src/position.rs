//! Names as places among the devices, and packed keys as names again.
//!
//! The store holds devices alone, by [`PackedKey`](iot_identity::PackedKey) octets: half octets of
//! digit + 1, `f` = 11, end = 0, 32 for the id and 4 for the slot, whose order is the canonical
//! order of the owner names (RFC 4034 §6.1). A [`Position`] puts any other name of the zone among
//! those keys, so that one search finds the device before it. Eight octets are packed and unpacked
//! at a time.

use iot_identity::PackedKey;

use crate::name::NameKey;

/// Octets of a packed key.
pub(crate) type Key = [u8; PackedKey::OCTETS];

/// Half octets of a device id.
const ID_NIBBLES: usize = 32;
/// Half octets of a slot.
const SLOT_NIBBLES: usize = 4;
/// Octets of the longest device name below the apex: slot and id with their lengths.
pub(crate) const DEVICE_OCTETS_MAX: usize = 2 + ID_NIBBLES + SLOT_NIBBLES;

/// Where a name stands among the devices: the device with key `k` sorts before the name, or is the
/// name, exactly when `k <= key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) key: Key,
    /// The labels fit the code: the name may be a device's credential, or the id above one. Then
    /// `key` is its own, and of two exact names the keys compare as the names do.
    pub(crate) exact: bool,
}

impl Position {
    /// The apex, which sorts before every device.
    pub(crate) const APEX: Self = Self {
        key: [0; PackedKey::OCTETS],
        exact: false,
    };

    /// The position of a name given by its labels below the apex, from the apex downwards, in any
    /// case.
    #[inline]
    pub(crate) fn of<'a>(labels_downwards: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut labels = labels_downwards.into_iter();
        let Some(label) = labels.next() else {
            return Self::APEX;
        };
        let id = pack(label, ID_NIBBLES);
        if !id.exact {
            return Self::new(id.codes, u16::MAX, false);
        }
        let Some(label) = labels.next() else {
            return Self::new(id.codes, 0, true);
        };
        let slot = pack(label, SLOT_NIBBLES);
        // Four half octets are 16 bits.
        let exact = slot.exact && labels.next().is_none();
        Self::new(id.codes, slot.codes as u16, exact)
    }

    /// The position of a name of the zone.
    pub(crate) fn of_name(name: &NameKey) -> Self {
        let labels = name.labels();
        Self::of(labels.iter().rev().map(Vec::as_slice))
    }

    #[inline]
    fn new(id: u128, slot: u16, exact: bool) -> Self {
        let mut key = [0; PackedKey::OCTETS];
        key[..16].copy_from_slice(&id.to_be_bytes());
        key[16..].copy_from_slice(&slot.to_be_bytes());
        Self { key, exact }
    }
}

/// A label in half octets.
struct Packed {
    /// Left-justified within the field's half octets.
    codes: u128,
    /// Every octet has a code and the field holds them all.
    exact: bool,
}

/// Packs a label into a field. The first octet without a code becomes the code below it, and what
/// follows is filled with ones: that sorts after everything that is smaller there, and before
/// everything that is greater.
#[inline]
fn pack(label: &[u8], nibbles: usize) -> Packed {
    let field = &label[..label.len().min(nibbles)];
    let mut codes = 0_u128;
    let mut at = 0;
    while let Some(digits) = field.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let Some(packed) = pack_digits(*digits) else {
            break;
        };
        codes = codes << 32 | u128::from(packed);
        at += 8;
    }
    for octet in &field[at..] {
        let (code, exact) = code_at_or_below(*octet);
        codes = codes << 4 | code;
        at += 1;
        if !exact {
            let ones = (1_u128 << (4 * (nibbles - at))) - 1;
            let codes = codes << (4 * (nibbles - at)) | ones;
            return Packed {
                codes,
                exact: false,
            };
        }
    }
    // An empty field (which no label is) has no codes to move.
    let shift = 4 * (nibbles - at) as u32;
    Packed {
        codes: codes.checked_shl(shift).unwrap_or(0),
        exact: label.len() <= nibbles,
    }
}

/// The code of an octet, or the one of the character before it and `false`.
#[inline]
fn code_at_or_below(octet: u8) -> (u128, bool) {
    match octet.to_ascii_lowercase() {
        ..b'0' => (0, false),
        digit @ b'0'..=b'9' => (u128::from(digit - b'0') + 1, true),
        b':'..=b'e' => (10, false),
        b'f' => (11, true),
        _ => (11, false),
    }
}

/// Packs eight digits; `None` when one of them is something else.
#[inline]
fn pack_digits(digits: [u8; 8]) -> Option<u32> {
    const LANES: u64 = 0x0101_0101_0101_0101;
    let values = u64::from_be_bytes(digits) ^ (LANES * 0x30);
    // A value over 9 reaches the top bit of its octet, by itself or with 0x76 added; a carry comes
    // only out of an octet whose own top bit already tells.
    if (values | values.wrapping_add(LANES * 0x76)) & (LANES * 0x80) != 0 {
        return None;
    }
    let codes = values + LANES;
    let pairs = (codes | codes >> 4) & 0x00ff_00ff_00ff_00ff;
    let quads = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    // The mask is that of a u32.
    Some(((quads | quads >> 16) & 0xffff_ffff) as u32)
}

/// The name of a device below the apex, as uncompressed wire octets: slot, then id.
#[derive(Clone, Copy)]
pub(crate) struct DeviceName {
    octets: [u8; DEVICE_OCTETS_MAX],
    id_at: u8,
    length: u8,
}

impl DeviceName {
    /// The name that a key of the store stands for.
    #[inline]
    pub(crate) fn of(key: &Key) -> Self {
        let (id, slot) = key.split_at(16);
        let id: [u8; 16] = id.try_into().expect("a key has 18 octets");
        let slot = u16::from_be_bytes([slot[0], slot[1]]);
        let id = u128::from_be_bytes(id);
        let id_octets = ID_NIBBLES - (id.trailing_zeros() / 4) as usize;
        let slot_octets = SLOT_NIBBLES - (slot.trailing_zeros() / 4) as usize;
        let id_at = 1 + slot_octets;

        let mut octets = [0; DEVICE_OCTETS_MAX];
        octets[0] = slot_octets as u8;
        let slot = unpack_digits(u32::from(slot) << 16);
        octets[1..5].copy_from_slice(&slot[..4]);
        octets[id_at] = id_octets as u8;
        let label = &mut octets[id_at + 1..id_at + 1 + ID_NIBBLES];
        for (index, characters) in label.chunks_exact_mut(8).enumerate() {
            // The upper bits are cut off.
            let codes = (id >> (96 - 32 * index)) as u32;
            characters.copy_from_slice(&unpack_digits(codes));
        }
        Self {
            octets,
            id_at: id_at as u8,
            length: (id_at + 1 + id_octets) as u8,
        }
    }

    /// Both labels with their lengths, without the apex.
    #[inline]
    pub(crate) fn wire(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }

    /// The wire octets and whatever stands behind them, for a copy of fixed length.
    #[inline]
    pub(crate) fn wire_padded(&self) -> (&[u8; DEVICE_OCTETS_MAX], usize) {
        (&self.octets, usize::from(self.length))
    }

    /// The slot's label with its length.
    #[inline]
    pub(crate) fn slot_wire(&self) -> &[u8] {
        &self.octets[..usize::from(self.id_at)]
    }

    /// The slot's characters.
    #[inline]
    pub(crate) fn slot(&self) -> &[u8] {
        &self.octets[1..usize::from(self.id_at)]
    }

    /// The id's characters.
    #[inline]
    pub(crate) fn id(&self) -> &[u8] {
        &self.octets[usize::from(self.id_at) + 1..usize::from(self.length)]
    }
}

/// The characters of eight codes; what an end (0) becomes means nothing.
#[inline]
fn unpack_digits(codes: u32) -> [u8; 8] {
    const LANES: u64 = 0x0101_0101_0101_0101;
    let quads = u64::from(codes);
    let quads = (quads | quads << 16) & 0x0000_ffff_0000_ffff;
    let pairs = (quads | quads << 8) & 0x00ff_00ff_00ff_00ff;
    let codes = (pairs | pairs << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // Codes from 11 on reach 16 with 5 added; code 11 is `f`, 0x2c above where a digit would be.
    let fillers = (codes + LANES * 5) >> 4 & LANES;
    (codes + LANES * 0x2f + fillers * 0x2c).to_be_bytes()
}

#[cfg(test)]
mod tests;
