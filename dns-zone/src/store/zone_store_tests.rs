//! The store as a whole: what a commit promises, under power cuts, failures and readers.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::StoreError;
use super::page::{PAGE_OCTETS, PageNo};
use super::readers::ForeignReader;
use super::record_of_commit::tests::record as commit_record;
use super::simulated_disk::SimulatedDisk;
use super::trial::{Content, NO_CHECKPOINTS, SHAPE, SMALL, Trial};
use super::zone_store::{BLOCKS, Commit, Store};

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
    let deltas = content
        .records
        .iter()
        .map(|(key, before)| super::delta::Delta {
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
fn page_of_the_durable_checkpoint_is_not_written_before_the_next_one() {
    let mut trial = Trial::new(5, 500, NO_CHECKPOINTS);
    (0..20).for_each(|_| drop(trial.commit(10).unwrap()));
    trial.store().checkpoint().unwrap();
    let store = trial.store();
    let mut pages = store.version().tree().live_pages().unwrap();
    pages.extend(&store.fixed_pages);
    let path = trial.directory().join(BLOCKS);
    let content = |pages: &[PageNo]| -> Vec<u8> {
        let file = fs::File::open(&path).unwrap();
        let mut content = vec![0; pages.len() * PAGE_OCTETS];
        for (page, octets) in pages.iter().zip(content.chunks_mut(PAGE_OCTETS)) {
            file.read_exact_at(octets, u64::from(*page) * PAGE_OCTETS as u64)
                .unwrap();
        }
        content
    };
    let before = content(&pages);
    for _ in 0..300 {
        trial.commit(10).unwrap();
        // This is what the store would do if it took commits for checkpoints.
        let newest = trial.acknowledged;
        let mut eager = trial.store().free.clone();
        eager.reclaim(newest, newest);
        let would_take: Vec<_> = (0..eager.reusable())
            .map(|_| eager.allocate(newest))
            .collect();
        assert!(pages.iter().any(|page| would_take.contains(page)) || newest < 30);
        assert!(content(&pages) == before, "version {newest}");
    }
    trial.cut();
    trial.open().unwrap().unwrap();
}

#[test]
fn checkpoint_that_is_not_durable_yet_does_not_free_pages_of_the_one_before() {
    for seed in 0..10 {
        let mut trial = Trial::new(seed, 300, NO_CHECKPOINTS);
        (0..5).for_each(|_| drop(trial.commit(10).unwrap()));
        // The second sync of the checkpoint, that of the superblock, fails.
        trial.disk.fail_sync_at(2, seed);
        assert!(trial.store().checkpoint().is_err());
        assert!(matches!(trial.commit(3), Err(StoreError::Failed { .. })));
        trial.kill();
        // The system's cache has the new superblock; the disk may have the old one.
        trial.open().unwrap().unwrap();
        (0..30).for_each(|_| drop(trial.commit(10).unwrap()));
        trial.cut();
        trial.open().unwrap().unwrap();
    }
}

#[test]
fn commit_whose_sync_failed_is_kept_once_a_start_has_found_it() {
    let mut found = 0;
    for seed in 0..20 {
        let mut trial = Trial::new(seed, 30, NO_CHECKPOINTS);
        trial.commit(5).unwrap();
        trial.disk.fail_sync_at(1, seed);
        assert!(trial.commit(5).is_err());
        trial.kill();
        trial.open().unwrap().unwrap();
        found += u32::from(trial.acknowledged == 3);
        trial.commit(5).unwrap();
        trial.cut();
        trial.open().unwrap().unwrap();
    }
    assert!(found > 0);
}

/// One life of a store that ends by a cut or a failure somewhere.
fn live_until_stopped(trial: &mut Trial) {
    let horizon = 2 + trial.chance.below(260);
    match trial.chance.below(6) {
        0 => trial.disk.fail_sync_at(1 + horizon / 3, horizon),
        1 => trial.disk.fail_write_at(1 + horizon / 2),
        2 => trial.disk.leave_room(Some(horizon * 300)),
        _ => trial.disk.stop_at(horizon),
    }
    for _ in 0..1 + trial.chance.below(60) {
        let most = [1, 3, 40][trial.chance.below(3) as usize];
        let committed = trial.commit(most);
        match committed {
            Ok(version) if trial.chance.below(10) == 0 => trial.held.push(version),
            Ok(_) => {}
            Err(StoreError::Io { .. } | StoreError::Failed { .. }) => break,
            Err(error) => panic!("{error}"),
        }
        if trial.chance.below(12) == 0 && trial.store().checkpoint().is_err() {
            break;
        }
        if trial.chance.below(12) == 0 && !trial.held.is_empty() {
            trial.held.remove(0);
        }
    }
    trial.held.iter().for_each(|version| trial.check(version));
}

#[test]
fn nothing_acknowledged_is_lost_by_cuts_and_failures() {
    for seed in 0..150 {
        let count = [0, 1, 40, 300][seed as usize % 4];
        let mut trial = Trial::new(seed, count, SMALL);
        for _ in 0..4 {
            live_until_stopped(&mut trial);
            if trial.chance.below(4) == 0 {
                trial.kill();
            } else {
                trial.cut();
            }
            let opened = trial.open();
            assert!(matches!(opened, Ok(Some(_))), "seed {seed}: {opened:?}");
        }
    }
}

#[test]
fn start_that_is_cut_is_started_again() {
    for seed in 0..60 {
        let mut trial = Trial::new(seed, 200, SMALL);
        for _ in 0..30 {
            trial.commit(20).unwrap();
        }
        trial.cut();
        let at = 1 + trial.chance.below(12);
        trial.disk.stop_at(at);
        if let Ok(version) = trial.open() {
            version.unwrap();
        }
        trial.cut();
        trial.open().unwrap().unwrap();
        trial.commit(5).unwrap();
    }
}

#[test]
fn cut_while_a_zone_is_made_leaves_the_old_one_or_the_new_one() {
    let (mut old, mut new) = (0, 0);
    for seed in 0..120 {
        let mut trial = Trial::new(seed, 60, SMALL);
        (0..3).for_each(|_| drop(trial.commit(5).unwrap()));
        let last = trial.acknowledged;
        let at = 1 + seed % 30;
        trial.disk.stop_at(at);
        let made = trial.create(last + 10, Content::first(90));
        trial.cut();
        let found = trial.open().unwrap().unwrap().record.zone_version;
        assert!(found == last + 10 || (found == last && made.is_err()));
        if found == last {
            old += 1
        } else {
            new += 1
        }
        trial.commit(5).unwrap();
    }
    assert!(old > 10 && new > 10, "{old} {new}");
}

#[test]
fn cut_while_the_first_zone_is_made_leaves_none_or_the_whole() {
    for seed in 0..60 {
        let mut trial = Trial::without_zone(seed, SMALL);
        trial.disk.stop_at(1 + seed % 20);
        let made = trial.create(1, Content::first(90));
        trial.cut();
        match trial.open().unwrap() {
            Some(_) => {}
            None => {
                assert!(made.is_err());
                trial.create(1, Content::first(10)).unwrap();
            }
        }
        trial.commit(5).unwrap();
    }
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
fn failed_sync_is_final_until_the_next_start() {
    let mut trial = Trial::new(2, 50, SMALL);
    trial.commit(5).unwrap();
    trial.disk.fail_sync_at(1, 1);
    assert!(matches!(trial.commit(5), Err(StoreError::Failed { .. })));
    for _ in 0..3 {
        assert!(matches!(trial.commit(5), Err(StoreError::Failed { .. })));
        assert!(trial.store().checkpoint().is_err());
    }
    trial.cut();
    trial.open().unwrap().unwrap();
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
    let delta = super::samples::commit(2).deltas.remove(0);
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
