//! What the simulated disk keeps, loses and refuses.

use super::*;
use std::collections::BTreeSet;

fn contents_after_cuts(disk: &SimulatedDisk, dir: &Path) -> BTreeSet<Option<Vec<u8>>> {
    let outcome = |seed: u64| {
        let into = dir.join(format!("cut {seed}"));
        disk.cut(seed, &into).unwrap();
        fs::read(into.join("file")).ok()
    };
    (0..60).map(outcome).collect()
}

#[test]
fn what_is_synced_stays_and_what_is_not_may_go() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SimulatedDisk::new(&dir.path().join("live")).unwrap();
    let file = disk.open("file", true).unwrap();
    file.write_at(b"durable", 0).unwrap();
    file.sync_data().unwrap();
    disk.sync_directory().unwrap();
    file.write_at(b"D", 0).unwrap();
    let mut live = [0; 7];
    file.read_at(&mut live, 0).unwrap();
    assert_eq!(&live, b"Durable");
    disk.open("other", true).unwrap();
    let found = contents_after_cuts(&disk, dir.path());
    let other = |seed| dir.path().join(format!("cut {seed}/other")).exists();
    assert!((0..60).any(other) && !(0..60).all(other), "a name, too");
    let expected = [&b"durable"[..], b"Durable"].map(|content| Some(content.to_vec()));
    assert_eq!(found, expected.into());
}

#[test]
fn failed_sync_loses_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SimulatedDisk::new(&dir.path().join("live")).unwrap();
    let mut lost = 0;
    for round in 0..20 {
        let name = format!("{round}");
        let file = disk.open(&name, true).unwrap();
        disk.sync_directory().unwrap();
        (0..20).for_each(|at| file.write_at(b"x", at * 600).unwrap());
        disk.fail_sync_at(1, round);
        assert!(file.sync_data().is_err());
        file.sync_data().unwrap();
    }
    let contents = |seed: u64| {
        let into = dir.path().join(format!("cut {seed}"));
        disk.cut(seed, &into).unwrap();
        let files = (0..20).map(|round| fs::read(into.join(round.to_string())).unwrap());
        files.collect::<Vec<_>>()
    };
    let first = contents(0);
    assert!(
        (1..10).all(|seed| contents(seed) == first),
        "nothing is open any more"
    );
    for content in first {
        let kept = content.iter().filter(|octet| **octet == b'x').count();
        lost += usize::from(kept < 20);
    }
    assert!(lost > 5 && lost < 20, "{lost}");
}

#[test]
fn operation_at_which_the_machine_stops_may_have_happened() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SimulatedDisk::new(&dir.path().join("live")).unwrap();
    let file = disk.open("file", true).unwrap();
    disk.sync_directory().unwrap();
    let before = disk.operations();
    disk.stop_at(2);
    file.write_at(b"1", 0).unwrap();
    assert!(file.write_at(b"2", 0).is_err());
    assert!(file.write_at(b"3", 0).is_err());
    assert!(file.sync_data().is_err());
    assert!(disk.rename("file", "other").is_err());
    assert_eq!(disk.operations(), before + 2);
    let found = contents_after_cuts(&disk, dir.path());
    let expected = [&b""[..], b"1", b"2"].map(|content| Some(content.to_vec()));
    assert_eq!(found, expected.into());
}

#[test]
fn room_runs_out_for_what_grows_and_a_failing_write_is_done_by_half() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SimulatedDisk::new(dir.path()).unwrap();
    let file = disk.open("file", true).unwrap();
    file.reserve(100).unwrap();
    disk.leave_room(Some(10));
    file.write_at(&[1; 100], 0).unwrap();
    let error = file.write_at(&[1; 11], 100).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert!(file.reserve(111).is_err());
    file.reserve(110).unwrap();
    disk.fail_write_at(1);
    assert!(file.write_at(&[2; 10], 0).is_err());
    let mut content = [0; 10];
    file.read_at(&mut content, 0).unwrap();
    assert_eq!(content, [2, 2, 2, 2, 2, 1, 1, 1, 1, 1]);
}
