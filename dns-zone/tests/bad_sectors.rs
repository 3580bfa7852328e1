//! Sectors under the zone that cannot be read: what they cost, and what they do not.

#![allow(clippy::unwrap_used, reason = "tests")]

mod fixture;

use std::fs;
use std::sync::Arc;

use fixture::{NOW, active, config, eid, entry, in_order, slot, start};
use iot_dns_zone::simulation::{Disk, RealDisk, SimulatedDisk, StoreLimits};
use iot_dns_zone::{
    Change, Entry, Ground, Opening, Profile, Snapshot, Start, ZoneKeys, ZoneReader, ZoneWriter,
};
use iot_identity::Publication;
use tempfile::TempDir;

const PAGE_OCTETS: u64 = 4096;
/// A page of records: those after the superblocks are written in order.
const BAD_PAGE: u64 = 5;
const DEVICES: u64 = 200;

/// A zone whose writer has ended, and its keys.
fn zone() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let keys = ZoneKeys::generate().unwrap();
    keys.save(dir.path()).unwrap();
    let entries: Vec<Entry> = (0..DEVICES)
        .map(|number| entry(eid(number), 1, active(number)))
        .collect();
    let disk = Arc::new(RealDisk::new(dir.path()).unwrap());
    let writer = ZoneWriter::build_on(
        Ground::following(disk, StoreLimits::tiny()),
        config(Profile::Standard),
        keys,
        in_order(entries),
        start(Profile::Standard, NOW),
        NOW,
    );
    writer.unwrap().checkpoint().unwrap();
    dir
}

fn keys(dir: &TempDir) -> ZoneKeys {
    ZoneKeys::load(dir.path()).unwrap()
}

/// The devices whose names cannot be read; all others are active.
fn unreadable(snapshot: &Snapshot) -> Vec<u64> {
    let is_refused = |number: &u64| match snapshot.publication(eid(*number), slot(1)) {
        Ok(publication) => {
            assert_eq!(publication, active(*number));
            false
        }
        Err(error) => {
            assert!(error.is_damage(), "{error}");
            true
        }
    };
    (0..DEVICES).filter(is_refused).collect()
}

#[test]
fn a_bad_sector_costs_its_names_and_all_others_are_read_and_changed() {
    let dir = zone();
    let disk = SimulatedDisk::new(dir.path()).unwrap();
    let at = BAD_PAGE * PAGE_OCTETS;
    disk.fail_reads("blocks", at + 1024..at + 1536);
    let keys_now = keys(&dir);
    let public = keys_now.public();
    let standard = config(Profile::Standard);
    let reader = ZoneReader::of_last_version_on(&disk, &standard, public);
    let refused = unreadable(&reader.unwrap().unwrap().snapshot());
    assert!((8..=16).contains(&refused.len()), "{refused:?}");

    let disk: Arc<dyn Disk> = Arc::new(disk);
    let start = Start {
        applied: 2,
        ..start(Profile::Standard, NOW)
    };
    let limits = StoreLimits::tiny();
    let opening = ZoneWriter::open_on(disk, limits, &standard, keys_now, start, NOW + 1);
    let Opening::Ready(mut writer) = opening.unwrap() else {
        panic!("there is no zone");
    };
    assert_eq!(unreadable(&writer.snapshot()), refused);
    let far = (0..DEVICES)
        .find(|number| refused.iter().all(|bad| bad.abs_diff(*number) > 40))
        .unwrap();
    let withdraw = |number| Change {
        device_id: eid(number),
        slot: slot(1),
        publication: Publication::Inactive,
    };
    let changes = [withdraw(far), withdraw(refused[3])];
    let applied = writer.apply(&changes, 2, NOW + 2).unwrap();
    assert_eq!(applied.outcomes.len(), 1);
    assert_eq!(applied.quarantined[0].0.device_id, eid(refused[3]));
    let snapshot = writer.snapshot();
    let said = snapshot.publication(eid(far), slot(1)).unwrap();
    assert_eq!(said, Publication::Inactive);
    assert!(writer.reader().damaged_reads() > 0);
}

#[test]
fn a_dump_ends_where_pages_turn_unreadable_and_says_nothing_wrong() {
    let dir = zone();
    let blocks = dir.path().join("blocks");
    let whole = fs::read(&blocks).unwrap();
    let disk = RealDisk::new(dir.path()).unwrap();
    let read = || {
        let standard = config(Profile::Standard);
        let reader = ZoneReader::of_last_version_on(&disk, &standard, keys(&dir).public());
        reader.unwrap().unwrap().snapshot()
    };
    let snapshot = read();
    let expected: Vec<_> = snapshot.records().map(Result::unwrap).collect();
    for cut_at in (20..expected.len()).step_by(37) {
        fs::write(&blocks, &whole).unwrap();
        let snapshot = read();
        // Every page is verified.
        assert_eq!(snapshot.records().count(), expected.len());
        let mut ended = None;
        for (at, record) in snapshot.records().enumerate() {
            if at == cut_at {
                let file = fs::File::options().write(true).open(&blocks).unwrap();
                file.set_len(2 * PAGE_OCTETS).unwrap();
            }
            match record {
                Ok(record) => assert_eq!(record, expected[at]),
                Err(error) => {
                    assert!(error.is_damage(), "{error}");
                    ended = Some(at);
                }
            }
        }
        // What the present name has was read before.
        let ended = ended.unwrap();
        assert!((cut_at..cut_at + 8).contains(&ended), "{cut_at} {ended}");
    }
}
