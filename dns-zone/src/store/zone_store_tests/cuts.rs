//! Power cuts, failed writes and failed syncs: nothing acknowledged is lost, nothing is half there.

use std::fs;
use std::os::unix::fs::FileExt;

use crate::store::StoreError;
use crate::store::page::{PAGE_OCTETS, PageNo};
use crate::store::trial::{Content, NO_CHECKPOINTS, SMALL, Trial};
use crate::store::zone_store::BLOCKS;

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
