//! One question about octets from strangers: are they exactly one value in DER (X.690 §10)?
//!
//! The parsers behind this accept some BER. Asking first means that a CSR has one encoding only,
//! and that nesting and lengths are bounded before anything else looks at it.

/// Deepest nesting of a CSR that we would accept is 10; a little room above it.
const DEPTH_MAX: usize = 16;

/// True when `octets` are one DER value with nothing behind it: definite minimal lengths, low tag
/// numbers, nested at most 16 deep.
pub fn is_one_strict_value(octets: &[u8]) -> bool {
    matches!(split_value(octets), Some((_, rest)) if rest.is_empty())
        && is_sequence_of_values(octets, 0)
}

fn is_sequence_of_values(mut octets: &[u8], depth: usize) -> bool {
    if depth > DEPTH_MAX {
        return false;
    }
    while !octets.is_empty() {
        let Some(((tag, content), rest)) = split_value(octets) else {
            return false;
        };
        let constructed = tag & 0x20 != 0;
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

/// Integers have no superfluous leading octet, booleans are 00 or FF (X.690 §8.3.2, §11.1).
fn is_minimal_primitive(tag: u8, content: &[u8]) -> bool {
    match (tag, content) {
        (0x01, content) => matches!(content, [0x00 | 0xff]),
        (0x02 | 0x0a, []) => false,
        (0x02 | 0x0a, [0x00, next, ..]) => next & 0x80 != 0,
        (0x02 | 0x0a, [0xff, next, ..]) => next & 0x80 == 0,
        (0x05, content) => content.is_empty(),
        _ => true,
    }
}

type TagAndContent<'a> = (u8, &'a [u8]);

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
            &[0x3f, 0x01, 0x00], // high tag number
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
