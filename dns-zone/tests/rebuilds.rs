//! A zone made anew in place of another: until the one rename, the old one is whole.

#![allow(clippy::unwrap_used, reason = "tests")]

mod fixture;

use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use fixture::{NOW, active, config, eid, entry, in_order, slot, start};
use iot_dns_zone::simulation::{Disk, RealDisk, SimulatedDisk, StoreLimits};
use iot_dns_zone::{
    Change, Entry, Ground, Listed, Opening, Profile, Start, StoreError, ZoneError, ZoneKeys,
    ZoneWriter,
};
use tempfile::TempDir;

const OLD_DATABASE: [u8; 16] = [9; 16];
const NEW_DATABASE: [u8; 16] = [5; 16];
const OLD_DEVICES: std::ops::RangeInclusive<u64> = 1..=40;
const NEW_DEVICES: std::ops::RangeInclusive<u64> = 31..=60;

/// A zone of forty devices, of a database that is ahead of the one it is made anew from.
struct Old {
    keys_dir: TempDir,
    dir: TempDir,
}

impl Old {
    fn make() -> Self {
        let keys_dir = tempfile::tempdir().unwrap();
        let dir = tempfile::tempdir().unwrap();
        ZoneKeys::generate().unwrap().save(keys_dir.path()).unwrap();
        let old = Self { keys_dir, dir };
        let disk = Arc::new(RealDisk::new(old.dir.path()).unwrap());
        let entries = in_order(devices(OLD_DEVICES));
        let standard = config(Profile::Standard);
        let ground = Ground::following(disk, StoreLimits::tiny());
        let first = start(Profile::Standard, NOW);
        let mut writer =
            ZoneWriter::build_on(ground, standard, old.keys(), entries, first, NOW).unwrap();
        let gone = Change {
            device_id: eid(40),
            slot: slot(1),
            publication: iot_identity::Publication::Absent,
        };
        writer.apply(&[gone], 7, NOW + 1).unwrap();
        old
    }

    fn keys(&self) -> ZoneKeys {
        ZoneKeys::load(self.keys_dir.path()).unwrap()
    }

    /// The same in another directory.
    fn copy(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        for file in fs::read_dir(self.dir.path()).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
        copy
    }

    fn rebuild(
        &self,
        disk: Arc<dyn Disk>,
        entries: Vec<Result<Entry, &'static str>>,
    ) -> Result<ZoneWriter, ZoneError> {
        let standard = config(Profile::Standard);
        let ground = Ground::replacing(disk, StoreLimits::tiny());
        let start = new_start();
        ZoneWriter::build_on(ground, standard, self.keys(), entries, start, NOW + 2)
    }

    /// What the next start finds in a directory: true for the new zone. Either is whole.
    fn is_new(&self, directory: &Path) -> bool {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(directory).unwrap());
        let last = ZoneWriter::last_commit(directory).unwrap().unwrap();
        let is_new = last.database_id == NEW_DATABASE;
        let (start, listed) = if is_new {
            (new_start(), listed(NEW_DEVICES))
        } else {
            assert_eq!((last.database_id, last.applied), (OLD_DATABASE, 7));
            let first = start(Profile::Standard, NOW);
            (
                Start {
                    applied: 7,
                    ..first
                },
                listed(1..=39),
            )
        };
        assert!(!is_new || last.serial > 5_000, "its apex is signed");
        let limits = StoreLimits::tiny();
        let standard = config(Profile::Standard);
        let opening = ZoneWriter::open_on(
            Arc::clone(&disk),
            limits,
            &standard,
            self.keys(),
            start,
            NOW + 3,
        );
        let Opening::Ready(writer) = opening.unwrap() else {
            panic!("there is no zone");
        };
        let found = fixture::findings(&writer.snapshot(), listed, NOW + 3);
        assert_eq!(found, []);
        drop(writer);
        let mut names = zone_files(&*disk);
        names.retain(|name| name != "redo-spare");
        assert_eq!(names.len(), 2, "one file of blocks and its log: {names:?}");
        is_new
    }
}

fn new_start() -> Start {
    Start {
        database_id: NEW_DATABASE,
        serial_above: 5_000,
        applied: 3,
        ceiling: iot_dns_zone::Ceiling::for_start(Profile::Standard, 5_000, NOW),
        ..start(Profile::Standard, NOW)
    }
}

fn devices(numbers: std::ops::RangeInclusive<u64>) -> Vec<Entry> {
    numbers
        .map(|number| entry(eid(number), 1, active(number)))
        .collect()
}

fn new_entries() -> Vec<Result<Entry, &'static str>> {
    let entries = in_order(devices(NEW_DEVICES)).into_iter();
    entries
        .map(|entry: Result<Entry, Infallible>| Ok(entry.unwrap()))
        .collect()
}

fn listed(numbers: std::ops::RangeInclusive<u64>) -> Vec<Listed> {
    numbers
        .map(|number| (eid(number), slot(1), active(number)))
        .collect()
}

fn zone_files(disk: &dyn Disk) -> Vec<String> {
    let mut names = disk.list().unwrap();
    names.retain(|name| name.starts_with("redo-") || name.starts_with("blocks"));
    names
}

#[test]
fn a_rebuild_that_stops_at_any_operation_leaves_the_old_zone_or_the_new_one() {
    let old = Old::make();
    let (mut old_left, mut new_left) = (0, 0);
    for operation in 1.. {
        let copy = old.copy();
        let disk = SimulatedDisk::new(copy.path()).unwrap();
        disk.stop_at(operation);
        let rebuilt = old.rebuild(Arc::new(disk.clone()), new_entries());
        let is_done = rebuilt.is_ok();
        drop(rebuilt);
        for seed in 0..3 {
            let cut = tempfile::tempdir().unwrap();
            disk.cut(operation * 8 + seed, cut.path()).unwrap();
            let is_new = old.is_new(cut.path());
            assert!(is_new || !is_done, "a new zone that was reported is gone");
            *(if is_new { &mut new_left } else { &mut old_left }) += 1;
        }
        // A process that was killed: nothing is lost of what it did.
        let is_new = old.is_new(copy.path());
        assert!(is_new || !is_done);
        if is_done {
            assert!(operation > 20, "{operation}");
            break;
        }
    }
    assert!(old_left > 20 && new_left > 3, "{old_left} {new_left}");
}

#[test]
fn entries_that_end_in_the_middle_leave_the_old_zone_alone() {
    let old = Old::make();
    let copy = old.copy();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(copy.path()).unwrap());
    let before = zone_files(&*disk);
    let mut entries = new_entries();
    entries[20] = Err("the database cannot be read");
    let error = old.rebuild(Arc::clone(&disk), entries).unwrap_err();
    assert!(error.to_string().contains("cannot be read"), "{error}");
    assert_eq!(zone_files(&*disk), before, "nothing is left of the new one");
    assert!(!old.is_new(copy.path()));
}

#[test]
fn a_full_disk_leaves_the_old_zone_alone_and_gets_its_room_back() {
    let old = Old::make();
    for room in (0..400).step_by(16) {
        let copy = old.copy();
        let disk = SimulatedDisk::new(copy.path()).unwrap();
        let before = zone_files(&disk);
        disk.leave_room(Some(room << 10));
        match old.rebuild(Arc::new(disk.clone()), new_entries()) {
            Ok(_) => {
                assert!(room > 32, "more than a segment of the log");
                return;
            }
            Err(ZoneError::Store(StoreError::Io { source, .. })) => {
                assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
            }
            Err(error) => panic!("{error}"),
        }
        assert_eq!(zone_files(&disk), before, "nothing is left of the new one");
        disk.leave_room(None);
        assert!(!old.is_new(copy.path()));
    }
    panic!("400 KiB are enough");
}

#[test]
fn a_zone_that_cannot_be_read_is_replaced() {
    let old = Old::make();
    let copy = old.copy();
    let blocks = copy.path().join("blocks");
    let mut octets = fs::read(&blocks).unwrap();
    octets[..8192].fill(0);
    fs::write(&blocks, octets).unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(copy.path()).unwrap());
    let standard = config(Profile::Standard);
    let refused = ZoneWriter::build_on(
        Ground::following(Arc::clone(&disk), StoreLimits::tiny()),
        standard,
        old.keys(),
        new_entries(),
        new_start(),
        NOW + 2,
    );
    assert!(
        refused.unwrap_err().is_damage(),
        "only a decision replaces it"
    );
    let writer = old.rebuild(disk, new_entries()).unwrap();
    assert!(writer.snapshot().serial() > 5_000);
    drop(writer);
    assert!(old.is_new(copy.path()));
}

#[test]
fn a_zone_on_bad_sectors_is_replaced_and_what_refuses_it_names_the_file_and_the_repair() {
    let old = Old::make();
    for what in ["blocks", "redo-"] {
        let copy = old.copy();
        let disk = SimulatedDisk::new(copy.path()).unwrap();
        for name in zone_files(&disk)
            .iter()
            .filter(|name| name.starts_with(what))
        {
            disk.fail_reads(name, 0..u64::MAX);
        }
        let standard = config(Profile::Standard);
        let opened = ZoneWriter::open_on(
            Arc::new(disk.clone()),
            StoreLimits::tiny(),
            &standard,
            old.keys(),
            Start {
                applied: 7,
                ..start(Profile::Standard, NOW)
            },
            NOW + 2,
        );
        let error = opened.unwrap_err();
        assert!(error.is_damage(), "{error}");
        let said = error.to_string();
        assert!(said.contains(&format!("zone/{what}")), "{said}");
        assert!(said.contains("'iot-registry zone rebuild'"), "{said}");
        let writer = old.rebuild(Arc::new(disk), new_entries()).unwrap();
        drop(writer);
        assert!(old.is_new(copy.path()));
    }
}

#[test]
fn one_superblock_that_can_be_read_is_enough() {
    let old = Old::make();
    for slot in [0, 1] {
        let copy = old.copy();
        let disk = SimulatedDisk::new(copy.path()).unwrap();
        disk.fail_reads("blocks", slot * 4096..(slot + 1) * 4096);
        let keys = old.keys().public();
        let reader =
            iot_dns_zone::ZoneReader::of_last_version_on(&disk, &config(Profile::Standard), keys);
        let snapshot = reader.unwrap().unwrap().snapshot();
        assert_eq!((snapshot.applied(), snapshot.device_names()), (7, 39));
        let disk: Arc<dyn Disk> = Arc::new(disk);
        let first = start(Profile::Standard, NOW);
        let again = ZoneWriter::open_on(
            disk,
            StoreLimits::tiny(),
            &config(Profile::Standard),
            old.keys(),
            Start {
                applied: 7,
                ..first
            },
            NOW + 2,
        );
        assert!(matches!(again.unwrap(), Opening::Ready(_)));
    }
}
