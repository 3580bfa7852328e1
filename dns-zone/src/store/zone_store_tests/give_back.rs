//! Room that goes back to the file system: what a steady load leaves free does not, what a shrunken
//! zone leaves free does.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::store::delta::Delta;
use crate::store::record_of_commit::tests::record as commit_record;
use crate::store::samples::{key, record};
use crate::store::trial::{NO_CHECKPOINTS, Trial};
use crate::store::zone_store::{Commit, StoreLimits};

const NAMES: u64 = 2_000;
/// Checkpoints by the test alone; 16 free pages are kept, and 256 may wait.
const LIMITS: StoreLimits = StoreLimits {
    free_pages: 16,
    ..NO_CHECKPOINTS
};

/// Commits that change so many names each, far from each other; a checkpoint after every tenth.
fn change(trial: &mut Trial, commits: u64, names: u64) {
    for _ in 0..commits {
        let version = trial.acknowledged + 1;
        let chosen: BTreeSet<u64> = (0..names)
            .map(|at| (version * 7 + at * (NAMES / names)) % NAMES)
            .collect();
        let delta = |number: u64| Delta {
            key: key(number * 10),
            before: None,
            after: Some(record(version + number)),
        };
        let commit = Commit {
            record: commit_record(version),
            deltas: chosen.into_iter().map(delta).collect(),
            fixed: None,
        };
        let store = trial.store();
        store.commit(commit).unwrap();
        if version.is_multiple_of(10) {
            store.begin_checkpoint();
            store.checkpointer.wait().unwrap();
        }
        trial.acknowledged = version;
    }
}

#[test]
fn a_steady_load_gives_nothing_back() {
    let mut trial = Trial::new(1, NAMES, LIMITS);
    change(&mut trial, 60, 12);
    let (punches, before) = (trial.disk.punches(), trial.store().figures());
    change(&mut trial, 200, 12);
    let after = trial.store().figures();
    assert_eq!(trial.disk.punches(), punches, "{before:?} {after:?}");
    assert_eq!(after.file_octets, before.file_octets);
    assert!(after.checkpoints >= before.checkpoints + 20);
}

/// Pages that take room on the disk and are in no version.
fn room(trial: &mut Trial) -> u64 {
    let figures = trial.store().figures();
    figures.file_octets / 4096 - figures.pages_punched - figures.pages_live
}

#[test]
fn what_nobody_needs_any_more_goes_back_within_some_commits() {
    let mut trial = Trial::new(1, NAMES, LIMITS);
    let held = Arc::clone(trial.store().version());
    change(&mut trial, 60, 12);
    drop(held);
    assert!(room(&mut trial) > 150, "{}", room(&mut trial));
    change(&mut trial, 60, 1);
    assert!(room(&mut trial) < 60, "{}", room(&mut trial));
}

#[test]
fn what_is_too_much_goes_back_at_once() {
    let mut trial = Trial::new(1, NAMES, LIMITS);
    let mut held = Vec::new();
    for _ in 0..30 {
        held.push(Arc::clone(trial.store().version()));
        change(&mut trial, 1, 40);
    }
    assert!(room(&mut trial) > 900, "{}", room(&mut trial));
    drop(held);
    change(&mut trial, 15, 1);
    assert!(room(&mut trial) < 400, "{}", room(&mut trial));
}
