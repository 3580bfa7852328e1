//! One question about octets from strangers: are they exactly one value in DER (X.690 §10)?
//!
//! The parsers behind this accept some BER. Asking first means that a CSR has one encoding only,
//! and that nesting and lengths are bounded before anything else looks at it.

/// Deepest nesting of a CSR that we would accept is 10; a little room above it.
const DEPTH_MAX: usize = 16;

/// The bit of a tag that says "made of values"; in DER only sequences and sets are, among the
/// universal types of a CSR (X.690 §8.9, §8.11, §10.2).
const CONSTRUCTED: u8 = 0x20;
const SEQUENCE: u8 = 0x10;
const SET: u8 = 0x11;

/// A value taken apart.
pub type TagAndContent<'a> = (u8, &'a [u8]);

/// True when `octets` are one DER value with nothing behind it: definite minimal lengths, low tag
/// numbers, strings in one piece, no unused bit set, nested at most 16 deep.
pub fn is_one_strict_value(octets: &[u8]) -> bool {
    matches!(split_value(octets), Some((_, rest)) if rest.is_empty())
        && is_sequence_of_values(octets, 0)
}

/// The values that stand one after another in the content of a constructed value: tag and content
/// of each. `None` when they do not fill it exactly.
pub fn values(mut octets: &[u8]) -> Option<Vec<TagAndContent<'_>>> {
    let mut values = Vec::new();
    while !octets.is_empty() {
        let (value, rest) = split_value(octets)?;
        values.push(value);
        octets = rest;
    }
    Some(values)
}

fn is_universal(tag: u8) -> bool {
    tag & 0xc0 == 0
}

fn is_sequence_of_values(mut octets: &[u8], depth: usize) -> bool {
    if depth > DEPTH_MAX {
        return false;
    }
    while !octets.is_empty() {
        let Some(((tag, content), rest)) = split_value(octets) else {
            return false;
        };
        let constructed = tag & CONSTRUCTED != 0;
        if is_universal(tag) && constructed != matches!(tag & 0x1f, SEQUENCE | SET) {
            return false;
        }
        if constructed && !is_sequence_of_values(content, depth + 1) {
            return false;
        }
        if !constructed && !is_minimal_primitive(tag, content) {
            return false;
        }
        octets = rest;
    }
    true
}

/// Integers have no superfluous leading octet, booleans are 00 or FF (X.690 §8.3.2, §11.1), the
/// unused bits of a bit string are 0 (§11.2.1).
fn is_minimal_primitive(tag: u8, content: &[u8]) -> bool {
    match (tag, content) {
        (0x01, content) => matches!(content, [0x00 | 0xff]),
        (0x02 | 0x0a, []) => false,
        (0x02 | 0x0a, [0x00, next, ..]) => next & 0x80 != 0,
        (0x02 | 0x0a, [0xff, next, ..]) => next & 0x80 == 0,
        (0x03, [0, ..]) => true,
        (0x03, [unused_bits @ 1..=7, .., last]) => last.trailing_zeros() >= u32::from(*unused_bits),
        (0x03, _) => false,
        (0x05, content) => content.is_empty(),
        _ => true,
    }
}

/// Takes the first value off `octets`.
fn split_value(octets: &[u8]) -> Option<(TagAndContent<'_>, &[u8])> {
    let (&tag, rest) = octets.split_first()?;
    // Tag numbers from 31 on take several octets; nothing in a CSR has them.
    if tag & 0x1f == 0x1f {
        return None;
    }
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => {
            let (&length, rest) = rest.split_first()?;
            (
                if length > 0x7f {
                    usize::from(length)
                } else {
                    return None;
                },
                rest,
            )
        }
        0x82 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            let length = usize::from(u16::from_be_bytes(*length));
            (if length > 0xff { length } else { return None }, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some(((tag, content), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_whole_value_with_minimal_lengths_is_accepted() {
        assert!(is_one_strict_value(&[0x30, 0x03, 0x02, 0x01, 0x05]));
        let refused: &[&[u8]] = &[
            &[],
            &[0x30],
            &[0x30, 0x03, 0x02, 0x01],
            &[0x30, 0x03, 0x02, 0x01, 0x05, 0x00],
            &[0x30, 0x80, 0x02, 0x01, 0x05, 0x00, 0x00], // indefinite length
            &[0x30, 0x81, 0x03, 0x02, 0x01, 0x05],       // 3 fits the short form
            &[0x30, 0x82, 0x00, 0x03, 0x02, 0x01, 0x05],
            &[0x30, 0x04, 0x02, 0x02, 0x00, 0x05], // integer with a superfluous zero
            &[0x30, 0x04, 0x02, 0x02, 0xff, 0x85],
            &[0x30, 0x02, 0x02, 0x00], // empty integer
            &[0x30, 0x03, 0x01, 0x01, 0x01],
            &[0x3f, 0x01, 0x00],             // high tag number
            &[0x10, 0x03, 0x02, 0x01, 0x05], // sequence that is not constructed
            &[0x30, 0x07, 0x24, 0x05, 0x04, 0x03, 0x31, 0x32, 0x33], // octet string in pieces
            &[0x30, 0x02, 0x03, 0x00],       // bit string without its first octet
            &[0x30, 0x03, 0x03, 0x01, 0x01], // unused bits of no octet
            &[0x30, 0x04, 0x03, 0x02, 0x01, 0x01], // unused bit that is set
            &[0x30, 0x04, 0x03, 0x02, 0x08, 0x00], // more unused bits than an octet has
        ];
        for octets in refused {
            assert!(!is_one_strict_value(octets), "{octets:02x?}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nest = |depth: usize| {
            (0..depth).fold(vec![0x05, 0x00], |inner, _| {
                let mut outer = vec![0x30, inner.len() as u8];
                outer.extend(inner);
                outer
            })
        };
        assert!(is_one_strict_value(&nest(DEPTH_MAX)));
        assert!(!is_one_strict_value(&nest(DEPTH_MAX + 1)));
    }
}
