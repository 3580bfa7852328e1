//! Damaged pages, bad sectors, bounds, and private pages.

use std::fs::File;
use std::hint::black_box;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};

use super::super::disk::{Disk, RealFile};
use super::super::page::{PageKind, blank, seal};
use super::super::simulated_disk::SimulatedDisk;
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
    let mapping = Mapping::new(RealFile::of(&file), 4).expect("mapped");
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
    let mapping = Mapping::new(RealFile::of(&file), 4).expect("mapped");
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
    let mapping = Mapping::new(RealFile::of(&file), 4).expect("mapped");
    mapping.populate(0..900).expect("populated");
    mapping.populate(7..9).expect("nothing to do");
    mapping.prefetch(PageNo::MAX, 64);
    assert!(mapping.page(0).is_ok());
}

#[test]
fn private_pages_are_changed_and_the_file_is_not() {
    let file = file_of(4);
    let mut mapping = Mapping::private(RealFile::of(&file), 4).expect("mapped");
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
    let mut shared = Mapping::new(RealFile::of(&file), 4).expect("mapped");
    assert_eq!(shared.page(1).expect("whole")[100], 1);
    assert_eq!(file.metadata().expect("a file").len(), 4 * 4096);
    assert!(shared.write(1, &page).is_err());
}

#[test]
fn page_noted_as_written_is_not_verified_again() {
    let file = file_of(1);
    let mapping = Mapping::new(RealFile::of(&file), 1).expect("mapped");
    mapping.note_written(0);
    file.write_all_at(&[0x55], 2000).expect("written");
    assert!(mapping.page(0).is_ok());
    mapping.note_written(PageNo::MAX);
}

/// A disk with a file `blocks` of so many pages.
fn disk_of(pages: usize) -> (tempfile::TempDir, SimulatedDisk) {
    let dir = tempfile::tempdir().expect("a directory");
    let file = File::create(dir.path().join("blocks")).expect("a file");
    (0..pages).for_each(|number| write(&file, number, number as u8));
    let disk = SimulatedDisk::new(dir.path()).expect("a disk");
    (dir, disk)
}

fn sector(page: u64) -> Range<u64> {
    page * 4096 + 512..page * 4096 + 1024
}

#[test]
fn bad_sector_costs_its_page_and_is_not_asked_for_again_but_by_the_scrub() {
    let (_dir, disk) = disk_of(4);
    disk.fail_reads("blocks", sector(2));
    let mapping = Mapping::new(disk.open("blocks", false).expect("open"), 4).expect("mapped");
    for number in [2, 2] {
        assert_eq!(mapping.page(number), Err(Damaged { page: 2 }));
    }
    for number in [0, 1, 3] {
        assert_eq!(mapping.page(number).expect("whole")[100], number as u8);
    }
    assert_eq!(mapping.scrub(2), Err(Damaged { page: 2 }));
    // One that was read before is lost when the scrub finds it.
    disk.fail_reads("blocks", sector(3));
    assert!(mapping.page(3).is_ok());
    assert_eq!(mapping.scrub(3), Err(Damaged { page: 3 }));
    assert_eq!(mapping.page(3), Err(Damaged { page: 3 }));
    assert!(disk.mend());
    assert_eq!(mapping.page(2), Err(Damaged { page: 2 }), "remembered");
    mapping.scrub(2).expect("read again");
    assert_eq!(mapping.page(2).expect("whole")[100], 2);
}

#[test]
fn page_that_is_written_again_is_read_again() {
    let (_dir, disk) = disk_of(3);
    disk.fail_reads("blocks", sector(1));
    let file = disk.open("blocks", false).expect("open");
    let mapping = Mapping::new(Arc::clone(&file), 3).expect("mapped");
    assert!(mapping.page(1).is_err());
    write(file.raw(), 1, 77);
    mapping.note_written(1);
    assert_eq!(mapping.page(1).expect("whole")[100], 77);
}

#[test]
fn private_page_is_changed_though_the_file_s_cannot_be_read() {
    let (_dir, disk) = disk_of(3);
    disk.fail_reads("blocks", sector(1));
    let file = disk.open("blocks", false).expect("open");
    let mut mapping = Mapping::private(file, 3).expect("mapped");
    assert!(mapping.page(1).is_err());
    let mut page = blank(PageKind::Data);
    page[100] = 78;
    seal(&mut page);
    mapping.write(1, &page).expect("within bounds");
    assert_eq!(mapping.page(1).expect("whole")[100], 78);
}

#[test]
fn page_that_is_lost_after_it_was_verified_is_refused_and_counted() {
    let file = file_of(5);
    for mapping in [Mapping::new, Mapping::private] {
        file.set_len(0).expect("cut");
        (0..5).for_each(|number| write(&file, number, number as u8));
        let mapping = mapping(RealFile::of(&file), 5).expect("mapped");
        let held = mapping.page(4).expect("whole");
        assert!(mapping.page(1).is_ok());
        let lost = mapping.lost();
        // As when the page was dropped from memory and its sector cannot be read.
        file.set_len(2 * 4096).expect("cut");
        assert!(!mapping.has_lost_since(lost), "nobody has looked");
        assert_eq!(black_box(held)[100], 0, "and nobody dies");
        assert!(mapping.has_lost_since(lost));
        assert_eq!(mapping.page(4), Err(Damaged { page: 4 }));
        assert_eq!(mapping.lost(), lost + 1);
        // Never touched before: an error, and nothing is lost.
        assert_eq!(mapping.page(3), Err(Damaged { page: 3 }));
        assert_eq!(mapping.lost(), lost + 1);
        assert!(mapping.page(1).is_ok());
    }
}

#[test]
fn lost_page_is_the_file_s_again_once_it_is_written_or_can_be_read() {
    let file = file_of(4);
    let mapping = Mapping::new(RealFile::of(&file), 4).expect("mapped");
    let touch = |number: PageNo| black_box(mapping.page(number).expect("whole"))[100];
    assert_eq!([touch(2), touch(3)], [2, 3]);
    let held = [2, 3].map(|number| mapping.page(number).expect("whole"));
    file.set_len(2 * 4096).expect("cut");
    assert_eq!(held.map(|page| black_box(page)[100]), [0, 0]);
    write(&file, 2, 72);
    write(&file, 3, 73);
    assert!(mapping.page(2).is_err() && mapping.page(3).is_err());
    mapping.note_written(2);
    assert_eq!(touch(2), 72);
    mapping.scrub(3).expect("whole again");
    assert_eq!(touch(3), 73);
}

#[test]
fn populating_goes_around_what_cannot_be_read() {
    let file = file_of(40);
    let mapping = Mapping::new(RealFile::of(&file), 40).expect("mapped");
    file.set_len(38 * 4096).expect("cut");
    assert_eq!(mapping.populate(0..40).expect("advice"), 2);
    assert!(mapping.page(38).is_err() && mapping.page(37).is_ok());
    assert_eq!(mapping.populate(0..38).expect("advice"), 0);
}

const DIE: &str = "IOT_TEST_BUS_ERROR";

/// Run again by the tests below as a process of its own.
#[test]
fn process_with_a_bus_error() {
    let Ok(how) = std::env::var(DIE) else { return };
    let file = file_of(4);
    let mapping = Mapping::new(RealFile::of(&file), 4).expect("mapped");
    let held = mapping.page(1).expect("whole");
    if how == "lost" {
        file.set_len(0).expect("cut");
        assert_eq!(black_box(held)[100], 0);
        return;
    }
    if how == "signal" {
        // SAFETY: sends a signal to this thread.
        unsafe { libc::raise(libc::SIGBUS) };
    }
    let base = map(4096, Some(file.as_raw_fd())).expect("mapped");
    file.set_len(0).expect("cut");
    // SAFETY: a mapping of one page; reading it is the bus error that is wanted.
    black_box(unsafe { base.as_ptr().read_volatile() });
}

fn child(how: &str) -> (ExitStatus, String) {
    let child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "--nocapture"])
        .arg("store::mapping::tests::process_with_a_bus_error")
        .env(DIE, how)
        .stdout(Stdio::null())
        .output()
        .expect("a process");
    let said = String::from_utf8_lossy(&child.stderr).into_owned();
    (child.status, said)
}

#[test]
fn lost_page_is_told_by_its_number() {
    let (status, said) = child("lost");
    assert!(status.success(), "{said}");
    assert!(
        said.contains("alarm=true page=1 a page of zone/blocks"),
        "{said}"
    );
    assert!(said.contains("'iot-registry zone rebuild'\n"), "{said}");
}

#[test]
fn any_other_bus_error_ends_the_process_and_says_so() {
    for how in ["fault", "signal"] {
        let (status, said) = child(how);
        assert_eq!(status.signal(), Some(libc::SIGBUS), "{how}");
        assert!(
            said.contains("the service manager starts it anew"),
            "{said}"
        );
    }
}
