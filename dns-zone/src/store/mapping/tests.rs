//! Damaged pages, bounds, and private pages.

use super::super::page::{PageKind, blank, seal};
use super::*;
use std::os::unix::fs::FileExt;

fn file_of(pages: usize) -> File {
    let file = tempfile::tempfile().expect("a file");
    for number in 0..pages {
        write(&file, number, number as u8);
    }
    file
}

fn write(file: &File, number: usize, mark: u8) {
    let mut page = blank(PageKind::Data);
    page[100] = mark;
    seal(&mut page);
    file.write_all_at(&page[..], (number * PAGE_OCTETS) as u64)
        .expect("written");
}

#[test]
fn flipped_bit_is_seen_at_first_touch_and_by_the_scrub() {
    let file = file_of(4);
    let mapping = Mapping::new(&file, 4).expect("mapped");
    assert_eq!(mapping.page(2).expect("whole")[100], 2);
    for number in [2, 3] {
        file.write_all_at(&[0x55], number * 4096 + 2000)
            .expect("written");
    }
    assert_eq!(mapping.page(3), Err(Damaged { page: 3 }));
    assert_eq!(mapping.page(3), Err(Damaged { page: 3 }));
    assert!(mapping.page(2).is_ok(), "verified before");
    assert_eq!(mapping.scrub(2), Err(Damaged { page: 2 }));
    assert_eq!(mapping.page(2), Err(Damaged { page: 2 }));
    assert_eq!(mapping.damaged(), 4);
    assert!(mapping.page(1).is_ok());
}

#[test]
fn page_beyond_the_bounds_is_damaged_until_the_file_has_grown() {
    let file = file_of(4);
    let mapping = Mapping::new(&file, 4).expect("mapped");
    assert!(mapping.page(4).is_err());
    assert!(mapping.page(PageNo::MAX).is_err());
    write(&file, 4, 9);
    mapping.set_bounds(5).expect("reserved");
    assert_eq!(mapping.page(4).expect("whole")[100], 9);
    mapping.set_bounds(3).expect("reserved");
    assert!(mapping.page(3).is_err());
    assert!(mapping.set_bounds(PageNo::MAX).is_err());
}

#[test]
fn populated_and_prefetched_range_may_reach_beyond_the_file() {
    let file = file_of(4);
    let mapping = Mapping::new(&file, 4).expect("mapped");
    mapping.populate(0..900).expect("populated");
    mapping.populate(7..9).expect("nothing to do");
    mapping.prefetch(PageNo::MAX, 64);
    assert!(mapping.page(0).is_ok());
}

#[test]
fn private_pages_are_changed_and_the_file_is_not() {
    let file = file_of(4);
    let mut mapping = Mapping::private(&file, 4).expect("mapped");
    mapping.set_bounds(9).expect("reserved");
    assert_eq!(mapping.page(3).expect("whole")[100], 3);
    assert!(mapping.page(6).is_err(), "memory that nobody has written");
    let mut page = blank(PageKind::Data);
    page[100] = 77;
    seal(&mut page);
    for number in [1, 8] {
        mapping.write(number, &page).expect("within bounds");
        assert_eq!(mapping.page(number).expect("whole")[100], 77);
    }
    mapping.write(3, &[0; PAGE_OCTETS]).expect("within bounds");
    assert!(mapping.page(3).is_err(), "verified before");
    assert!(mapping.write(9, &page).is_err());
    let mut shared = Mapping::new(&file, 4).expect("mapped");
    assert_eq!(shared.page(1).expect("whole")[100], 1);
    assert_eq!(file.metadata().expect("a file").len(), 4 * 4096);
    assert!(shared.write(1, &page).is_err());
}

#[test]
fn page_noted_as_written_is_not_verified_again() {
    let file = file_of(1);
    let mapping = Mapping::new(&file, 1).expect("mapped");
    mapping.note_written(0);
    file.write_all_at(&[0x55], 2000).expect("written");
    assert!(mapping.page(0).is_ok());
    mapping.note_written(PageNo::MAX);
}
