//! NSEC RDATA: the next name and the types at this one (RFC 4034 §4).

use crate::record_type::{TYPE_NSEC, TYPE_RRSIG};

/// RDATA of the NSEC at a name that owns `types` (besides RRSIG and NSEC themselves).
pub(crate) fn rdata(next_wire: &[u8], types: impl Iterator<Item = u16>) -> Vec<u8> {
    let mut rdata = next_wire.to_vec();
    push_bitmap(&mut rdata, types.chain([TYPE_RRSIG, TYPE_NSEC]).collect());
    rdata
}

/// Writes the type bitmap: for each window of 256 types that has any, its number, length, octets.
fn push_bitmap(rdata: &mut Vec<u8>, mut types: Vec<u16>) {
    types.sort_unstable();
    let windows = types.chunk_by(|left, right| left >> 8 == right >> 8);
    for window in windows {
        let mut octets = [0_u8; 32];
        let mut length = 0;
        for record_type in window {
            let bit = usize::from(record_type & 0xff);
            octets[bit / 8] |= 0x80 >> (bit % 8);
            length = bit / 8 + 1;
        }
        // A window has at most 32 octets and there are 256 windows.
        rdata.extend_from_slice(&[(window[0] >> 8) as u8, length as u8]);
        rdata.extend_from_slice(&octets[..length]);
    }
}

/// Reads a bitmap back; `None` when it is malformed.
pub(crate) fn parse_bitmap(mut bitmap: &[u8]) -> Option<Vec<u16>> {
    let mut types = Vec::new();
    while let [window, length, rest @ ..] = bitmap {
        let (octets, rest) = rest.split_at_checked(usize::from(*length))?;
        if !(1..=32).contains(&octets.len()) {
            return None;
        }
        for (index, octet) in octets.iter().enumerate() {
            for bit in (0..8).filter(|bit| octet & (0x80 >> bit) != 0) {
                // At most 31 * 8 + 7.
                types.push(u16::from(*window) << 8 | (index * 8 + bit) as u16);
            }
        }
        bitmap = rest;
    }
    bitmap.is_empty().then_some(types)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bitmap_is_the_example_of_the_rfc() {
        // RFC 4034 §4.3: A MX RRSIG NSEC TYPE1234.
        let mut expected =
            b"\x04host\x07example\x03com\x00\x00\x06\x40\x01\x00\x00\x00\x03\x04\x1b".to_vec();
        expected.extend([0; 26]);
        expected.push(0x20);
        let next = b"\x04host\x07example\x03com\x00";
        assert_eq!(rdata(next, [1234, 15, 1].into_iter()), expected);
    }

    proptest! {
        #[test]
        fn bitmaps_are_read_back(types in prop::collection::btree_set(any::<u16>(), 1..40)) {
            let mut rdata = Vec::new();
            push_bitmap(&mut rdata, types.iter().copied().collect());
            prop_assert_eq!(parse_bitmap(&rdata), Some(types.into_iter().collect()));
        }
    }
}
