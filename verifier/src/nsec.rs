//! NSEC records (RFC 4034 §4).

use crate::name::Name;
use crate::wire::{Reader, WireError};

/// An NSEC record whose signature was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nsec {
    pub(crate) owner: Name,
    pub(crate) next: Name,
    types: Vec<u16>,
}

impl Nsec {
    /// Reads RDATA; type bit maps must be in the form that RFC 4034 §4.1.2 prescribes.
    pub(crate) fn parse(owner: &Name, rdata: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(rdata);
        let next = reader.uncompressed_name()?;
        let types = read_type_bit_maps(reader.rest())?;
        Ok(Self {
            owner: owner.clone(),
            next,
            types,
        })
    }

    /// Whether the bit of a type is set.
    pub(crate) fn has_type(&self, record_type: u16) -> bool {
        self.types.binary_search(&record_type).is_ok()
    }

    /// Whether `name` lies strictly between owner and next name. The last NSEC of a zone, which
    /// points back to the apex, covers everything after its owner.
    pub(crate) fn covers(&self, name: &Name, zone: &Name) -> bool {
        self.owner < *name && (*name < self.next || self.next == *zone)
    }
}

/// Types whose bits are set, ascending: windows ascending, each with 1 to 32 octets, the last of
/// them not zero.
pub(crate) fn read_type_bit_maps(octets: &[u8]) -> Result<Vec<u16>, WireError> {
    let mut reader = Reader::new(octets);
    let mut types = Vec::new();
    let mut windows_seen = 0;
    while reader.expect_end().is_err() {
        let window = u16::from(reader.octet()?);
        let length = usize::from(reader.octet()?);
        let bits = reader.take(length)?;
        let malformed = window < windows_seen || length > 32 || bits.last().is_none_or(|&b| b == 0);
        if malformed {
            return Err(WireError::BitMaps);
        }
        windows_seen = window + 1;
        for (index, octet) in bits.iter().enumerate() {
            let first = window << 8 | (index as u16) << 3;
            types.extend(
                (0..8)
                    .filter(|bit| octet & (0x80 >> bit) != 0)
                    .map(|bit| first | bit),
            );
        }
    }
    Ok(types)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bit_maps_are_read_as_in_the_rfc() {
        // RFC 4034 §4.3: A MX RRSIG NSEC TYPE1234.
        let octets = [
            &[0x00, 0x06, 0x40, 0x01, 0x00, 0x00, 0x00, 0x03, 0x04, 0x1b][..],
            &[0; 26],
            &[0x20],
        ]
        .concat();
        assert_eq!(read_type_bit_maps(&octets), Ok(vec![1, 15, 46, 47, 1234]));
    }

    #[test]
    fn other_forms_of_bit_maps_are_refused() {
        assert!(read_type_bit_maps(&[0, 0]).is_err());
        assert!(read_type_bit_maps(&[0, 1, 0]).is_err());
        assert!(read_type_bit_maps(&[0, 2, 1]).is_err());
        assert!(read_type_bit_maps(&[0]).is_err());
        assert!(read_type_bit_maps(&[0, 1, 1, 0, 1, 1]).is_err());
        assert!(read_type_bit_maps(&[1, 1, 1, 0, 1, 1]).is_err());
        let long = [&[0, 33][..], &[1; 33]].concat();
        assert!(read_type_bit_maps(&long).is_err());
    }
}
