//! BER-TLV with tags of one octet and lengths up to 65,535 (ISO/IEC 7816-4 §5.2.2).
//!
//! All tags of IoT.05 have one octet, those with low bits 11111 included. Lengths may be longer
//! than needed (`81 05`), as clients write them so; indefinite lengths are refused.

use thiserror::Error;

/// Most objects in one data field: no command of IoT.05 has more than eight.
pub const OBJECTS_MAX: usize = 8;

/// One data object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// Tag.
    pub tag: u8,
    /// Value.
    pub value: &'a [u8],
}

/// Why octets are not a sequence of data objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TlvError {
    /// The length field is cut off, indefinite or longer than two octets.
    #[error("the length of a data object cannot be read")]
    Length,
    /// The value is shorter than its length says.
    #[error("a data object is cut off")]
    CutOff,
    /// More objects than any command has.
    #[error("too many data objects")]
    TooMany,
}

impl<'a> Tlv<'a> {
    /// Takes the first data object off `octets`, and returns the rest.
    ///
    /// # Errors
    /// See [`TlvError`].
    pub fn take(octets: &'a [u8]) -> Result<(Self, &'a [u8]), TlvError> {
        let (&tag, rest) = octets.split_first().ok_or(TlvError::CutOff)?;
        let (length, rest) = take_length(rest)?;
        let (value, rest) = rest.split_at_checked(length).ok_or(TlvError::CutOff)?;
        Ok((Self { tag, value }, rest))
    }

    /// Reads a whole data field of at most [`OBJECTS_MAX`] objects.
    ///
    /// # Errors
    /// See [`TlvError`].
    pub fn read_all(octets: &'a [u8]) -> Result<Vec<Self>, TlvError> {
        Self::read_at_most(octets, OBJECTS_MAX)
    }

    /// Reads a whole data field of at most `objects_max` objects.
    ///
    /// # Errors
    /// See [`TlvError`].
    pub fn read_at_most(mut octets: &'a [u8], objects_max: usize) -> Result<Vec<Self>, TlvError> {
        let mut objects = Vec::new();
        while !octets.is_empty() {
            if objects.len() == objects_max {
                return Err(TlvError::TooMany);
            }
            let (object, rest) = Self::take(octets)?;
            objects.push(object);
            octets = rest;
        }
        Ok(objects)
    }
}

/// Appends a data object with the shortest length field.
///
/// # Panics
/// When the value is longer than 65,535 octets, which no value of this crate is.
pub fn append(octets: &mut Vec<u8>, tag: u8, value: &[u8]) {
    let length = u16::try_from(value.len()).expect("values of this crate are short");
    let [high, low] = length.to_be_bytes();
    octets.push(tag);
    match length {
        0..=0x7F => octets.push(low),
        0x80..=0xFF => octets.extend_from_slice(&[0x81, low]),
        _ => octets.extend_from_slice(&[0x82, high, low]),
    }
    octets.extend_from_slice(value);
}

/// Reads a BER length of one to three octets.
fn take_length(octets: &[u8]) -> Result<(usize, &[u8]), TlvError> {
    match *octets {
        [length @ 0..=0x7F, ref rest @ ..] => Ok((usize::from(length), rest)),
        [0x81, length, ref rest @ ..] => Ok((usize::from(length), rest)),
        [0x82, high, low, ref rest @ ..] => {
            Ok((usize::from(u16::from_be_bytes([high, low])), rest))
        }
        _ => Err(TlvError::Length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_form_is_read_and_the_shortest_written() {
        for length in [0, 1, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF] {
            let value = vec![0xAB; length];
            let mut octets = Vec::new();
            append(&mut octets, 0x77, &value);
            let header = octets.len() - length;
            let shortest = [2, 3, 4][usize::from(length > 0x7F) + usize::from(length > 0xFF)];
            assert_eq!(header, shortest);
            let (object, rest) = Tlv::take(&octets).unwrap();
            assert_eq!((object.tag, object.value), (0x77, &value[..]));
            assert!(rest.is_empty());
        }
        let (object, _) = Tlv::take(&[0x84, 0x81, 1, 9]).unwrap();
        assert_eq!(object.value, [9]);
    }

    #[test]
    fn broken_objects_are_refused() {
        assert_eq!(Tlv::read_all(&[0x84]), Err(TlvError::Length));
        assert_eq!(Tlv::read_all(&[0x84, 0x80]), Err(TlvError::Length));
        assert_eq!(
            Tlv::read_all(&[0x84, 0x83, 0, 0, 1, 9]),
            Err(TlvError::Length)
        );
        assert_eq!(Tlv::read_all(&[0x84, 2, 1]), Err(TlvError::CutOff));
        assert_eq!(Tlv::read_all(&[0x84, 0].repeat(9)), Err(TlvError::TooMany));
    }
}
