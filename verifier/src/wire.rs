//! Reading octets of a DNS message within stated bounds, without recursion (RFC 1035 §4.1.4).

use thiserror::Error;

use crate::limits::NAME_POINTERS_MAX;
use crate::name::{NAME_OCTETS_MAX, Name};

/// Why octets are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// The octets end inside a field.
    #[error("the octets end inside a field")]
    Short,
    /// A label's first two bits are 01 or 10.
    #[error("a label of an unknown kind")]
    LabelKind,
    /// A name of more than 255 octets.
    #[error("a name of more than {NAME_OCTETS_MAX} octets")]
    NameTooLong,
    /// A compression pointer that does not point backwards.
    #[error("a compression pointer that does not point backwards")]
    PointerForward,
    /// More than [`NAME_POINTERS_MAX`] pointers in one name.
    #[error("a name with more than {NAME_POINTERS_MAX} compression pointers")]
    Pointers,
    /// A pointer where names must be written out (RFC 3597 §4).
    #[error("a compressed name where names are never compressed")]
    Compressed,
    /// Type bit maps in another form than RFC 4034 §4.1.2 prescribes.
    #[error("malformed type bit maps")]
    BitMaps,
    /// Octets after the end.
    #[error("octets after the end")]
    Trailing,
}

/// A position in octets; every read checks the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    octets: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Self {
            octets,
            position: 0,
        }
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let end = self.position.checked_add(length).ok_or(WireError::Short)?;
        let taken = self.octets.get(self.position..end);
        self.position = end.min(self.octets.len());
        taken.ok_or(WireError::Short)
    }

    fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], WireError> {
        let taken = self.take(LENGTH)?;
        taken.try_into().map_err(|_| WireError::Short)
    }

    pub(crate) fn octet(&mut self) -> Result<u8, WireError> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, WireError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Everything that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        let rest = self.octets.get(self.position..).unwrap_or_default();
        self.position = self.octets.len();
        rest
    }

    pub(crate) fn expect_end(&self) -> Result<(), WireError> {
        if self.position == self.octets.len() {
            Ok(())
        } else {
            Err(WireError::Trailing)
        }
    }

    /// Reads a name that may be compressed against the octets before it.
    pub(crate) fn name(&mut self) -> Result<Name, WireError> {
        self.read_name(NAME_POINTERS_MAX)
    }

    /// Reads a name that must be written out.
    pub(crate) fn uncompressed_name(&mut self) -> Result<Name, WireError> {
        self.read_name(0)
    }

    fn read_name(&mut self, pointers_max: usize) -> Result<Name, WireError> {
        let mut wire = Vec::with_capacity(64);
        let mut reader = *self;
        // Each pointer must lead to before the place where the run of labels it ends began, so the
        // walk goes backwards only and ends.
        let mut run_start = reader.position;
        let mut pointers = 0;
        loop {
            let length = reader.octet()?;
            match length >> 6 {
                0b00 => {
                    let label = reader.take(usize::from(length))?;
                    if wire.len() + 1 + label.len() > NAME_OCTETS_MAX {
                        return Err(WireError::NameTooLong);
                    }
                    wire.push(length);
                    wire.extend_from_slice(label);
                }
                0b11 => {
                    let low = reader.octet()?;
                    if pointers_max == 0 {
                        return Err(WireError::Compressed);
                    }
                    if pointers == 0 {
                        self.position = reader.position;
                    }
                    pointers += 1;
                    if pointers > pointers_max {
                        return Err(WireError::Pointers);
                    }
                    let target = usize::from(length & 0x3f) << 8 | usize::from(low);
                    if target >= run_start {
                        return Err(WireError::PointerForward);
                    }
                    run_start = target;
                    reader.position = target;
                }
                _ => return Err(WireError::LabelKind),
            }
            if length == 0 {
                if pointers == 0 {
                    self.position = reader.position;
                }
                return Ok(Name::from_checked_wire(wire));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_at(octets: &[u8], position: usize) -> Result<Name, WireError> {
        let mut reader = Reader::new(octets);
        reader.take(position).unwrap();
        reader.name()
    }

    #[test]
    fn a_pointer_is_followed_backwards_and_reading_goes_on_after_it() {
        let octets = b"\x03Zon\x00\x01a\xc0\x00\xff";
        let mut reader = Reader::new(octets);
        reader.take(5).unwrap();
        assert_eq!(reader.name().unwrap().to_string(), "a.zon.");
        assert_eq!(reader.octet(), Ok(0xff));
        assert_eq!(reader.expect_end(), Ok(()));
        assert_eq!(reader.octet(), Err(WireError::Short));
    }

    #[test]
    fn pointers_to_themselves_forwards_and_in_loops_are_refused() {
        assert_eq!(name_at(b"\xc0\x00", 0), Err(WireError::PointerForward));
        assert_eq!(name_at(b"\xc0\x02\x00", 0), Err(WireError::PointerForward));
        // A label, then a pointer back to that label.
        assert_eq!(name_at(b"\x01a\xc0\x00", 0), Err(WireError::PointerForward));
        assert_eq!(
            name_at(b"\x00\x01a\xc0\x01", 1),
            Err(WireError::PointerForward)
        );
    }

    #[test]
    fn a_long_chain_of_pointers_is_refused() {
        let mut octets = vec![0, 0];
        for target in 0..=NAME_POINTERS_MAX {
            octets.extend_from_slice(&[0xc0, (target * 2) as u8]);
        }
        let last = octets.len() - 2;
        assert_eq!(name_at(&octets, last), Err(WireError::Pointers));
        assert!(name_at(&octets, last - 2).is_ok());
    }

    #[test]
    fn names_over_255_octets_are_refused() {
        let mut octets = b"\x3f".to_vec();
        octets.extend_from_slice(&[b'a'; 63]);
        let label = octets.clone();
        octets.extend_from_slice(&label);
        octets.extend_from_slice(&label);
        let longest = [&octets[..], &[61], &[b'b'; 61], &[0]].concat();
        assert_eq!(name_at(&longest, 0).unwrap().wire().len(), 255);
        let longer = [&octets[..], &[62], &[b'b'; 62], &[0]].concat();
        assert_eq!(name_at(&longer, 0), Err(WireError::NameTooLong));
    }

    #[test]
    fn other_label_kinds_and_cut_names_are_refused() {
        assert_eq!(name_at(b"\x40a\x00", 0), Err(WireError::LabelKind));
        assert_eq!(name_at(b"\x80", 0), Err(WireError::LabelKind));
        assert_eq!(name_at(b"\x02a", 0), Err(WireError::Short));
        assert_eq!(name_at(b"\x01a", 0), Err(WireError::Short));
        assert_eq!(name_at(b"\x00\xc0", 1), Err(WireError::Short));
        let mut reader = Reader::new(b"\x00\xc0\x00");
        reader.octet().unwrap();
        assert_eq!(reader.uncompressed_name(), Err(WireError::Compressed));
    }
}
