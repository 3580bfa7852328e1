//! Commits and starts: what is taken, what is refused, and what a full disk or damage leaves.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::store::StoreError;
use crate::store::delta::Delta;
use crate::store::page::PAGE_OCTETS;
use crate::store::record_of_commit::tests::record as commit_record;
use crate::store::trial::{Content, NO_CHECKPOINTS, SHAPE, SMALL, Trial};
use crate::store::zone_store::{BLOCKS, Commit, Store};

fn bare(zone_version: u64) -> Commit {
    Commit {
        record: commit_record(zone_version),
        deltas: Vec::new(),
        fixed: None,
    }
}

#[test]
fn commits_are_there_after_a_start_with_and_without_checkpoints() {
    for limits in [SMALL, NO_CHECKPOINTS] {
        let mut trial = Trial::new(7, 300, limits);
        for round in 0..4 {
            for _ in 0..60 {
                let version = trial.commit(12).unwrap();
                trial.check(&version);
            }
            if round == 1 {
                trial.store().checkpoint().unwrap();
            }
            trial.kill();
            assert_eq!(
                trial.open().unwrap().unwrap().record.zone_version,
                1 + 60 * (round + 1)
            );
        }
        let figures = trial.store().figures();
        let checkpoints = figures.checkpoints;
        assert_eq!(
            checkpoints > 3,
            limits.checkpoint_octets == SMALL.checkpoint_octets
        );
    }
}

#[test]
fn empty_zone_grows_and_shrinks_to_nothing() {
    let mut trial = Trial::new(3, 0, SMALL);
    (0..5).for_each(|_| drop(trial.commit(30).unwrap()));
    let content = trial.contents[&trial.acknowledged].clone();
    let deltas = content.records.iter().map(|(key, before)| Delta {
        key: *key,
        before: Some(before.clone()),
        after: None,
    });
    let version = trial.acknowledged + 1;
    let commit = Commit {
        deltas: deltas.collect(),
        ..bare(version)
    };
    trial.contents.insert(
        version,
        Content {
            records: BTreeMap::new(),
            ..content
        },
    );
    let emptied = trial.store().commit(commit).unwrap();
    assert_eq!(emptied.root.page, 0);
    trial.acknowledged = version;
    trial.kill();
    trial.open().unwrap().unwrap();
    trial.commit(30).unwrap();
}

#[test]
fn commit_that_does_not_follow_or_does_not_ascend_changes_nothing() {
    let mut trial = Trial::new(2, 50, SMALL);
    for version in [0, 1, 3] {
        let error = trial.store().commit(bare(version)).unwrap_err();
        assert!(matches!(
            error,
            StoreError::OtherVersion { expected: 2, .. }
        ));
    }
    let delta = crate::store::samples::commit(2).deltas.remove(0);
    let twice = Commit {
        deltas: vec![delta.clone(), delta],
        ..bare(2)
    };
    assert!(matches!(
        trial.store().commit(twice),
        Err(StoreError::NotAscending)
    ));
    trial.commit(5).unwrap();
}

#[test]
fn second_writer_is_refused_while_the_first_one_lives() {
    let mut trial = Trial::new(2, 5, SMALL);
    assert!(matches!(Store::open(trial.disk()), Err(StoreError::InUse)));
    assert!(Store::last_commit(&trial.disk).unwrap().is_some());
    trial.commit(2).unwrap();
    trial.store = None;
    trial.open().unwrap().unwrap();
}

#[test]
fn error_among_the_records_leaves_the_old_zone() {
    let mut trial = Trial::new(1, 10, SMALL);
    trial.store = None;
    let records = Content::first(3).records.into_iter().rev();
    let unsorted = records.map(Ok::<_, StoreError>);
    let record = commit_record(5);
    let made = Store::create(trial.disk(), SHAPE, 1, unsorted, record, Vec::new());
    assert!(matches!(made, Err(StoreError::NotAscending)));
    let mut names = trial.disk().list().unwrap();
    names.retain(|name| name.starts_with("redo-") || name.starts_with("blocks"));
    assert_eq!(names.len(), 2, "nothing is left of the new one: {names:?}");
    trial.open().unwrap().unwrap();
}

#[test]
fn full_disk_refuses_a_commit_and_the_next_one_is_taken_when_there_is_room() {
    let mut trial = Trial::new(2, 200, SMALL);
    let mut refused = 0;
    for _ in 0..40 {
        trial.disk.leave_room(Some(0));
        let before = trial.acknowledged;
        match trial.commit(40) {
            Ok(_) => {}
            Err(StoreError::Io { source, .. }) => {
                assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
                assert_eq!(trial.store().version().record.zone_version, before);
                refused += 1;
                trial.disk.leave_room(None);
                trial.commit(40).unwrap();
            }
            Err(error) => panic!("{error}"),
        }
        let newest = Arc::clone(trial.store().version());
        trial.check(&newest);
    }
    assert!(refused > 3, "{refused}");
    trial.cut();
    trial.open().unwrap().unwrap();
}

#[test]
fn full_disk_refuses_a_commit_into_pages_that_were_given_back() {
    let mut trial = Trial::new(12, 600, SMALL);
    let mut refused = 0;
    for round in 0..6 {
        // Pages that are held make the file longer; when they are free again they are punched.
        let present = Arc::clone(trial.store().version());
        trial.held.push(present);
        (0..30).for_each(|_| drop(trial.commit(12).unwrap()));
        trial.held.clear();
        (0..2).for_each(|_| drop(trial.commit(1).unwrap()));
        trial.store().checkpoint().unwrap();
        if round % 2 == 1 {
            trial.kill();
            trial.open().unwrap().unwrap();
        }
        let present = Arc::clone(trial.store().version());
        trial.held.push(present);
        trial.disk.leave_room(Some(0));
        for _ in 0..40 {
            match trial.commit(12) {
                Ok(_) => {}
                Err(StoreError::Io { .. }) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        trial.disk.leave_room(None);
        let newest = trial.commit(12).unwrap();
        trial.check(&newest);
    }
    assert!(refused > 20, "{refused}");
    let figures = trial.store().figures();
    assert!(
        figures.file_octets < 4096 * (2 * figures.pages_live + 2000),
        "refused commits leave nothing: {figures:?}"
    );
}

#[test]
fn commit_after_a_page_turned_to_zeros_is_refused_once() {
    let mut trial = Trial::new(2, 200, NO_CHECKPOINTS);
    let version = trial.commit(9).unwrap();
    let root = version.root.page;
    let held = version.mapping.page(root).unwrap();
    let blocks = trial.directory().join(BLOCKS);
    let octets = fs::read(&blocks).unwrap();
    // As when the page was dropped from memory and cannot be read, but later can.
    let file = fs::OpenOptions::new().write(true).open(&blocks).unwrap();
    file.set_len(2 * PAGE_OCTETS as u64).unwrap();
    assert_eq!(std::hint::black_box(held)[0..4], [0; 4]);
    file.write_all_at(&octets, 0).unwrap();
    version.mapping.scrub(root).unwrap();

    let refused = trial.commit(9);
    assert!(matches!(refused, Err(StoreError::PageLost)), "{refused:?}");
    assert_eq!(trial.store().version().record, version.record);
    let next = trial.commit(9).unwrap();
    trial.check(&next);
    drop((version, next));
    trial.kill();
    trial.open().unwrap().unwrap();
}

#[test]
fn damaged_superblocks_pages_and_log_refuse_to_open() {
    let damage = |path: &std::path::Path, at: u64| {
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .unwrap();
        let mut octet = [0];
        file.read_exact_at(&mut octet, at).unwrap();
        file.write_all_at(&[octet[0] ^ 1], at).unwrap();
    };
    let mut trial = Trial::new(2, 500, NO_CHECKPOINTS);
    (0..5).for_each(|_| drop(trial.commit(9).unwrap()));
    let root = trial.store().version().root.page;
    trial.store().checkpoint().unwrap();
    trial.commit(9).unwrap();
    trial.store = None;
    let blocks = trial.directory().join(BLOCKS);
    // One slot alone is no loss.
    damage(&blocks, 50);
    trial.open().unwrap().unwrap();
    trial.store = None;
    damage(&blocks, 4096 + 50);
    trial.open().unwrap().unwrap();
    trial.store = None;
    let root_at = u64::from(root) * PAGE_OCTETS as u64;
    damage(&blocks, root_at + 100);
    assert!(matches!(trial.open(), Err(StoreError::Damaged { page }) if page == root));
    damage(&blocks, root_at + 100);
    trial.open().unwrap().unwrap();
    trial.store = None;
    damage(&blocks, 50);
    damage(&blocks, 4096 + 50);
    assert!(matches!(trial.open(), Err(StoreError::SuperblockDamaged)));
}
