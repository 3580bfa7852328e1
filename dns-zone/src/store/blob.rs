//! Longer values, in chains of pages: the fixed names, opaque here.
//!
//! A blob page: checksum 4, kind 1, zero 3, next page 4 (0: the last), length 2, zero 2, then up to
//! 4,080 octets.

use super::frame::MAX_FIXED_OCTETS;
use super::page::{
    self, Damaged, PAGE_OCTETS, Page, PageKind, PageNo, read_u16, read_u32, write_u16, write_u32,
};

const NEXT_AT: usize = 8;
const LENGTH_AT: usize = 12;
const CONTENT_AT: usize = 16;
const CONTENT_OCTETS: usize = PAGE_OCTETS - CONTENT_AT;

/// Where a value begins; page 0 when it is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) page: PageNo,
    pub(crate) octets: u32,
}

/// Pages of a value, and where it begins.
pub(super) fn write(
    value: &[u8],
    mut allocate: impl FnMut() -> PageNo,
) -> (Blob, Vec<(PageNo, Box<Page>)>) {
    let mut pages: Vec<_> = value
        .chunks(CONTENT_OCTETS)
        .map(|content| {
            let mut page = page::blank(PageKind::Blob);
            write_u16(&mut page, LENGTH_AT, content.len() as u16);
            page[CONTENT_AT..CONTENT_AT + content.len()].copy_from_slice(content);
            (allocate(), page)
        })
        .collect();
    let mut next = 0;
    for (number, page) in pages.iter_mut().rev() {
        write_u32(page, NEXT_AT, next);
        page::seal(page);
        next = *number;
    }
    let octets = u32::try_from(value.len()).expect("fixed names are bounded to 1 MiB");
    (Blob { page: next, octets }, pages)
}

/// Reads a value, and which pages it lies in; the pages are given checked.
pub(super) fn read<'a>(
    blob: Blob,
    mut page_at: impl FnMut(PageNo) -> Result<&'a Page, Damaged>,
) -> Result<(Vec<u8>, Vec<PageNo>), Damaged> {
    let damaged = |page| Damaged { page };
    let wanted = blob.octets as usize;
    if wanted > MAX_FIXED_OCTETS {
        return Err(damaged(blob.page));
    }
    let mut value = Vec::with_capacity(wanted);
    let mut pages = Vec::new();
    let mut number = blob.page;
    while number != 0 {
        let page = page_at(number)?;
        let length = usize::from(read_u16(page, LENGTH_AT));
        let fits = length > 0 && length <= CONTENT_OCTETS && value.len() + length <= wanted;
        if !page::is_kind(page, PageKind::Blob) || !fits {
            return Err(damaged(number));
        }
        value.extend_from_slice(&page[CONTENT_AT..CONTENT_AT + length]);
        pages.push(number);
        number = read_u32(page, NEXT_AT);
    }
    if value.len() == wanted {
        Ok((value, pages))
    } else {
        Err(damaged(blob.page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn written(value: &[u8]) -> (Blob, HashMap<PageNo, Box<Page>>) {
        let mut next = 10;
        let (blob, pages) = write(value, || {
            next += 3;
            next
        });
        (blob, pages.into_iter().collect())
    }

    fn read_back(blob: Blob, pages: &HashMap<PageNo, Box<Page>>) -> Result<Vec<u8>, Damaged> {
        let page_at = |page: PageNo| pages.get(&page).map(|it| &**it).ok_or(Damaged { page });
        read(blob, page_at).map(|(value, numbers)| {
            assert_eq!(numbers.len(), pages.len());
            value
        })
    }

    #[test]
    fn values_of_every_number_of_pages_are_read_back() {
        for length in [0, 1, 4079, 4080, 4081, 8160, 20_000] {
            let value: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let (blob, pages) = written(&value);
            assert_eq!(read_back(blob, &pages), Ok(value));
        }
    }

    #[test]
    fn chain_that_is_short_long_or_a_ring_is_damaged() {
        let (blob, mut pages) = written(&[7; 9000]);
        for octets in [8999, 9001, u32::MAX] {
            assert!(read_back(Blob { octets, ..blob }, &pages).is_err());
        }
        let last = pages.get_mut(&19).unwrap();
        write_u32(last, NEXT_AT, 13);
        assert!(read_back(blob, &pages).is_err());
        pages.remove(&19);
        assert!(read_back(blob, &pages).is_err());
    }
}
