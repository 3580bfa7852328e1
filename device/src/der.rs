//! The few DER forms (X.690) that a certificate request and an ECDSA signature need: a writer,
//! and the length of a DER object at the head of a file.

/// Universal tag SEQUENCE.
const SEQUENCE: u8 = 0x30;
/// Universal tag SET.
const SET: u8 = 0x31;
/// Universal tag INTEGER.
const INTEGER: u8 = 0x02;
/// Universal tag BIT STRING.
const BIT_STRING: u8 = 0x03;
/// Universal tag OBJECT IDENTIFIER.
const OBJECT_IDENTIFIER: u8 = 0x06;
/// Universal tag UTF8String.
const UTF8_STRING: u8 = 0x0C;

/// An object with definite, shortest length.
///
/// # Panics
/// When the content is longer than 65,535 octets, which nothing in this crate is.
pub(crate) fn object(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("objects of this crate are short");
    let [high, low] = length.to_be_bytes();
    let mut octets = Vec::with_capacity(content.len() + 4);
    octets.push(tag);
    match length {
        0..=0x7F => octets.push(low),
        0x80..=0xFF => octets.extend_from_slice(&[0x81, low]),
        _ => octets.extend_from_slice(&[0x82, high, low]),
    }
    octets.extend_from_slice(content);
    octets
}

/// SEQUENCE of already encoded members.
pub(crate) fn sequence(members: &[&[u8]]) -> Vec<u8> {
    object(SEQUENCE, &members.concat())
}

/// SET of one already encoded member, so that no ordering is needed.
pub(crate) fn set_of_one(member: &[u8]) -> Vec<u8> {
    object(SET, member)
}

/// INTEGER from the big-endian octets of a number that is not negative.
pub(crate) fn unsigned_integer(octets: &[u8]) -> Vec<u8> {
    let first = octets.iter().position(|octet| *octet != 0);
    let digits = first.map_or(&[0][..], |first| &octets[first..]);
    if digits[0] & 0x80 == 0 {
        object(INTEGER, digits)
    } else {
        object(INTEGER, &[&[0], digits].concat())
    }
}

/// BIT STRING of whole octets.
pub(crate) fn bit_string(octets: &[u8]) -> Vec<u8> {
    object(BIT_STRING, &[&[0], octets].concat())
}

/// OBJECT IDENTIFIER from its content octets.
pub(crate) fn object_identifier(content: &[u8]) -> Vec<u8> {
    object(OBJECT_IDENTIFIER, content)
}

/// UTF8String.
pub(crate) fn utf8_string(text: &str) -> Vec<u8> {
    object(UTF8_STRING, text.as_bytes())
}

/// Takes a non-negative INTEGER of at most 32 significant octets off `octets`; strict DER.
pub(crate) fn take_unsigned_32(octets: &[u8]) -> Option<([u8; 32], &[u8])> {
    let (&[tag, length], rest) = octets.split_first_chunk()?;
    if tag != INTEGER || length == 0 || length > 33 {
        return None;
    }
    let (content, rest) = rest.split_at_checked(usize::from(length))?;
    let digits = match *content {
        [0, second, ..] if second & 0x80 == 0 => return None, // longer than needed
        [first, ..] if first & 0x80 != 0 => return None,      // negative
        [0, ref digits @ ..] => digits,
        ref digits => digits,
    };
    let mut value = [0; 32];
    let start = value.len().checked_sub(digits.len())?;
    value[start..].copy_from_slice(digits);
    Some((value, rest))
}

/// Takes the content of a SEQUENCE of at most 127 octets that fills `octets`; strict DER.
pub(crate) fn short_sequence(octets: &[u8]) -> Option<&[u8]> {
    let (&[tag, length], content) = octets.split_first_chunk()?;
    (tag == SEQUENCE && length < 0x80 && content.len() == usize::from(length)).then_some(content)
}

/// Length in octets, header included, of the SEQUENCE at the head of a file; `None` while the
/// header is not whole, or when it is no SEQUENCE of at most 65,535 octets.
pub(crate) fn sequence_octets(file: &[u8]) -> Option<usize> {
    match *file {
        [SEQUENCE, length @ 0..=0x7F, ..] => Some(2 + usize::from(length)),
        [SEQUENCE, 0x81, length, ..] => Some(3 + usize::from(length)),
        [SEQUENCE, 0x82, high, low, ..] => Some(4 + usize::from(u16::from_be_bytes([high, low]))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_the_shortest_that_stay_positive() {
        assert_eq!(unsigned_integer(&[0, 0, 0x7F]), [2, 1, 0x7F]);
        assert_eq!(unsigned_integer(&[0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(unsigned_integer(&[0, 0]), [2, 1, 0]);
        assert_eq!(unsigned_integer(&[]), [2, 1, 0]);
    }

    #[test]
    fn loose_integers_are_refused() {
        let padded = [2, 2, 0, 1];
        let negative = [2, 1, 0x80];
        let empty = [2, 0];
        let cut = [2, 2, 1];
        let long = [&[2, 33][..], &[1; 33]].concat();
        for octets in [&padded[..], &negative, &empty, &cut, &long, &[]] {
            assert_eq!(take_unsigned_32(octets), None, "{octets:02x?}");
        }
        let (value, rest) = take_unsigned_32(&[2, 2, 0, 0x80, 9]).unwrap();
        assert_eq!((value[31], rest), (0x80, &[9][..]));
    }

    #[test]
    fn long_objects_carry_their_length() {
        for length in [0x7F, 0x80, 0x100] {
            let encoded = object(SEQUENCE, &vec![1; length]);
            assert_eq!(sequence_octets(&encoded), Some(encoded.len()));
        }
        assert_eq!(sequence_octets(&[SEQUENCE, 0x82, 1]), None);
        assert_eq!(sequence_octets(b"{}"), None);
    }
}
