//! Versions that are held, here and by other processes, and their pages.

use std::sync::Arc;

use crate::store::foreign_reader::ForeignReader;
use crate::store::simulated_disk::SimulatedDisk;
use crate::store::trial::{Content, NO_CHECKPOINTS, SMALL, Trial};

#[test]
fn held_versions_stay_as_they_are_and_their_pages_come_back_afterwards() {
    let mut trial = Trial::new(11, 400, SMALL);
    for round in 0..200 {
        let version = trial.commit(10).unwrap();
        if round % 20 == 0 {
            trial.held.push(version);
        }
        if round % 10 == 0 {
            trial.held.iter().for_each(|version| trial.check(version));
        }
    }
    let held = trial.store().figures();
    assert!(held.versions_held >= 10);
    trial.held.clear();
    for _ in 0..2 {
        trial.commit(1).unwrap();
        trial.store().checkpoint().unwrap();
    }
    let figures = trial.store().figures();
    assert!(
        figures.pages_pending * 4 < held.pages_pending,
        "{figures:?} {held:?}"
    );
    assert!(
        figures.file_octets < held.file_octets,
        "{figures:?} {held:?}"
    );
    let kept = figures.pages_live / 40 + 4 + 16;
    assert!(figures.pages_free <= kept, "{figures:?}");
}

#[test]
fn reader_of_another_process_holds_its_version() {
    let mut trial = Trial::new(21, 300, SMALL);
    let mut reader = ForeignReader::open(trial.disk()).unwrap().unwrap();
    let first = reader.version().unwrap();
    trial.check(&first);
    for round in 0..120 {
        trial.commit(12).unwrap();
        if round % 30 == 0 {
            trial.held.push(reader.version().unwrap());
            assert_eq!(
                trial.held.last().unwrap().record.zone_version,
                trial.acknowledged
            );
        }
        if round % 7 == 0 {
            trial.store().checkpoint().unwrap();
            trial.check(&first);
            trial.held.iter().for_each(|version| trial.check(version));
        }
    }
    let pending = trial.store().figures().pages_pending;
    assert!(pending > 20, "{pending}");
    trial.held.clear();
    drop((first, reader));
    trial.commit(1).unwrap();
    trial.store().checkpoint().unwrap();
    let left = trial.store().figures().pages_pending;
    assert!(left * 4 < pending, "{left} {pending}");
}

#[test]
fn new_writer_leaves_the_versions_that_readers_hold() {
    let mut trial = Trial::new(22, 300, NO_CHECKPOINTS);
    let mut reader = ForeignReader::open(trial.disk()).unwrap().unwrap();
    (0..10).for_each(|_| drop(trial.commit(12).unwrap()));
    let held = reader.version().unwrap();
    (0..10).for_each(|_| drop(trial.commit(12).unwrap()));
    let contents = trial.contents.clone();
    trial.store = None;
    trial.open().unwrap().unwrap();
    for _ in 0..60 {
        trial.commit(12).unwrap();
        let expected = &contents[&held.record.zone_version];
        assert!(Content::of(&held) == *expected);
    }
    assert_eq!(
        reader.version().unwrap().record.zone_version,
        trial.acknowledged
    );
}

#[test]
fn pages_that_a_replay_gives_up_wait_for_readers_that_hold_them() {
    let mut trial = Trial::new(24, 300, NO_CHECKPOINTS);
    let mut reader = ForeignReader::open(trial.disk()).unwrap().unwrap();
    let held = reader.version().unwrap();
    let expected = Content::of(&held);
    (0..10).for_each(|_| drop(trial.commit(12).unwrap()));
    trial.store = None;
    trial.open().unwrap().unwrap();
    for _ in 0..60 {
        trial.store().checkpoint().unwrap();
        trial.commit(12).unwrap();
        held.tree().verify_structure().unwrap();
        assert!(Content::of(&held) == expected);
    }
    drop((held, reader));
    let pending = trial.store().figures().pages_pending;
    trial.commit(1).unwrap();
    trial.store().checkpoint().unwrap();
    let left = trial.store().figures().pages_pending;
    assert!(left * 4 < pending, "{left} {pending}");
}

#[test]
fn reader_follows_a_zone_that_is_replaced_and_ends_with_the_writer() {
    let mut trial = Trial::new(23, 300, SMALL);
    let mut reader = ForeignReader::open(trial.disk()).unwrap().unwrap();
    let old = reader.version().unwrap();
    let old_content = Content::of(&old);
    trial.create(50, Content::first(20)).unwrap();
    let new = reader.version().unwrap();
    trial.check(&new);
    assert!(Content::of(&old) == old_content);
    trial.store = None;
    assert!(ForeignReader::open(trial.disk()).unwrap().is_none());
    let nowhere = tempfile::tempdir().unwrap();
    let disk = SimulatedDisk::new(nowhere.path()).unwrap();
    assert!(ForeignReader::open(Arc::new(disk)).unwrap().is_none());
}
