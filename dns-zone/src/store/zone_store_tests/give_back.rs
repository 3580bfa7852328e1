//! Room that goes back to the file system: what a steady load leaves free does not, what a shrunken
//! zone leaves free does.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::store::delta::Delta;
use crate::store::record_of_commit::tests::record as commit_record;
use crate::store::samples::{key, record};
use crate::store::trial::{NO_CHECKPOINTS, Trial};
use crate::store::zone_store::Commit;

const NAMES: u64 = 2_000;

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
    let mut trial = Trial::new(1, NAMES, NO_CHECKPOINTS);
    change(&mut trial, 60, 12);
    let (punches, before) = (trial.disk.punches(), trial.store().figures());
    change(&mut trial, 200, 12);
    let after = trial.store().figures();
    assert_eq!(trial.disk.punches(), punches, "{before:?} {after:?}");
    assert_eq!(after.file_octets, before.file_octets);
    assert!(after.checkpoints >= before.checkpoints + 20);
}

#[test]
fn what_nobody_needs_any_more_goes_back_within_some_commits() {
    let mut trial = Trial::new(1, NAMES, NO_CHECKPOINTS);
    let held = Arc::clone(trial.store().version());
    change(&mut trial, 60, 40);
    drop(held);
    let room = |trial: &mut Trial| {
        let figures = trial.store().figures();
        figures.file_octets / 4096 - figures.pages_punched - figures.pages_live
    };
    assert!(room(&mut trial) > 150, "{}", room(&mut trial));
    change(&mut trial, 60, 1);
    assert!(room(&mut trial) < 60, "{}", room(&mut trial));
}
