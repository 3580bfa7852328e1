//! Pages: the unit in which the zone file is written, checksummed and given back.
//!
//! Every page begins with the CRC32C of the octets after it and the kind of the page. Numbers are
//! little-endian; what is compared as octets (keys and their parts) is big-endian.

use thiserror::Error;

/// Number of a page in the zone file; pages 0 and 1 are superblocks, so that 0 also says "none".
pub(crate) type PageNo = u32;

/// Octets of a page.
pub(crate) const PAGE_OCTETS: usize = 4096;

/// The octets of one page.
pub(crate) type Page = [u8; PAGE_OCTETS];

/// A device key as packed octets; their order is the canonical order of the owner names.
pub(crate) type Key = [u8; KEY_OCTETS];

/// Octets of a key.
pub(crate) const KEY_OCTETS: usize = 18;

/// First page that is not a superblock.
pub(crate) const FIRST_PAGE: PageNo = 2;

/// What a page holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum PageKind {
    /// Up to 16 records.
    Data = 1,
    /// First keys and page numbers of the level below.
    Index = 2,
    /// A piece of a longer value.
    Blob = 3,
}

/// A page that cannot be trusted: checksum, kind or a length in it is wrong, or it lies outside the
/// file. What it held is unknown; the zone must be rebuilt from the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("page {page} of the zone file is damaged")]
pub(crate) struct Damaged {
    /// The page in question.
    pub(crate) page: PageNo,
}

const CHECKSUM_AT: usize = 0;
const KIND_AT: usize = 4;

/// A zeroed page on the heap, of this kind.
pub(crate) fn blank(kind: PageKind) -> Box<Page> {
    let mut page = Box::new([0; PAGE_OCTETS]);
    page[KIND_AT] = kind as u8;
    page
}

/// Whether the page says it is of this kind.
#[inline]
pub(crate) fn is_kind(page: &Page, kind: PageKind) -> bool {
    page[KIND_AT] == kind as u8
}

/// Writes the checksum; last step before a page leaves memory.
pub(crate) fn seal(page: &mut Page) {
    let checksum = checksum(page);
    write_u32(page, CHECKSUM_AT, checksum);
}

/// Whether the checksum is right. A page of zeros (never written, or punched) is not.
pub(crate) fn is_whole(page: &Page) -> bool {
    read_u32(page, CHECKSUM_AT) == checksum(page)
}

fn checksum(page: &Page) -> u32 {
    crc32c::crc32c(&page[KIND_AT..])
}

/// Two octets at a place, little-endian.
#[inline]
pub(crate) fn read_u16(page: &Page, at: usize) -> u16 {
    u16::from_le_bytes(*array(page, at))
}

/// Four octets at a place, little-endian.
#[inline]
pub(crate) fn read_u32(page: &Page, at: usize) -> u32 {
    u32::from_le_bytes(*array(page, at))
}

/// Eight octets at a place, little-endian.
#[inline]
#[cfg(test)]
pub(crate) fn read_u64(page: &Page, at: usize) -> u64 {
    u64::from_le_bytes(*array(page, at))
}

/// `N` octets at a place, which the caller has bounded.
#[inline]
pub(crate) fn array<const N: usize>(octets: &[u8], at: usize) -> &[u8; N] {
    octets[at..]
        .first_chunk()
        .expect("the layout keeps every field inside its page")
}

/// Writes two octets, little-endian.
pub(crate) fn write_u16(page: &mut Page, at: usize, value: u16) {
    page[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

/// Writes four octets, little-endian.
pub(crate) fn write_u32(page: &mut Page, at: usize, value: u32) {
    page[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// Writes eight octets, little-endian.
pub(crate) fn write_u64(page: &mut Page, at: usize, value: u64) {
    page[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// Octets that two keys share from the beginning.
#[inline]
pub(crate) fn shared_octets(first: &Key, second: &Key) -> usize {
    let differing = leading_word(first, 0) ^ leading_word(second, 0);
    match (differing.leading_zeros() / 8) as usize {
        LEADING_OCTETS if first[LEADING_OCTETS] != second[LEADING_OCTETS] => LEADING_OCTETS,
        LEADING_OCTETS if first[LEADING_OCTETS + 1] != second[LEADING_OCTETS + 1] => {
            LEADING_OCTETS + 1
        }
        LEADING_OCTETS => KEY_OCTETS,
        shared => shared,
    }
}

/// Octets of [`leading_word`].
pub(crate) const LEADING_OCTETS: usize = 16;

/// Sixteen octets at a place as a number that sorts as they do: compared at once where a slice of
/// variable length would cost a call.
#[inline]
pub(crate) fn leading_word(octets: &[u8], at: usize) -> u128 {
    u128::from_be_bytes(*array(octets, at))
}

/// The first octets of a [`leading_word`], as many as said; at most 16.
#[inline]
pub(crate) fn mask_of_leading(octets: usize) -> u128 {
    u128::MAX
        .checked_shr(8 * octets as u32)
        .map_or(u128::MAX, |rest| !rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_single_bit_is_seen_by_the_checksum() {
        let mut page = blank(PageKind::Data);
        for (at, octet) in page.iter_mut().enumerate().skip(8) {
            *octet = (at * 7) as u8;
        }
        seal(&mut page);
        assert!(is_whole(&page));
        for bit in (0..PAGE_OCTETS * 8).step_by(61) {
            page[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_whole(&page), "bit {bit}");
            page[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(is_whole(&page));
    }

    #[test]
    fn shared_octets_are_counted_at_every_length() {
        let key = [7; KEY_OCTETS];
        assert_eq!(shared_octets(&key, &key), KEY_OCTETS);
        for shared in 0..KEY_OCTETS {
            let mut other = key;
            other[shared] = 8;
            assert_eq!(shared_octets(&key, &other), shared);
        }
        assert_eq!(mask_of_leading(0), 0);
        assert_eq!(mask_of_leading(1).to_be_bytes()[..2], [0xFF, 0]);
        assert_eq!(mask_of_leading(16), u128::MAX);
    }

    #[test]
    fn page_of_zeros_is_not_whole() {
        assert!(!is_whole(&[0; PAGE_OCTETS]));
    }

    #[test]
    fn checksum_is_the_castagnoli_polynomial() {
        assert_eq!(crc32c::crc32c(b"123456789"), 0xE306_9283);
    }
}
