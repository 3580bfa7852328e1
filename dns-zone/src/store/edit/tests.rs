//! Edits against a map that is the truth.

use std::collections::{BTreeMap, BTreeSet};

use super::super::page::{Key, PAGE_OCTETS};
use super::super::record::StoredRecord;
use super::super::test_file::{Numbers, TestFile, record};
use super::*;

type Model = BTreeMap<Key, StoredRecord>;

fn assert_same(file: &TestFile, model: &Model) {
    let structure = file.tree().verify_structure().expect("sound");
    assert_eq!(structure.records, model.len() as u64);
    let mut walk = file.tree().walk(None);
    for (key, record) in model {
        let view = walk.next().expect("as many records").expect("whole");
        assert_eq!(view.key(), key);
        assert_eq!(view.to_stored(), *record);
    }
    assert!(walk.next().is_none());
}

fn assert_finds(file: &TestFile, model: &Model, key: &Key) {
    let tree = file.tree();
    let expected = model.range(..=*key).next_back().map(|(key, _)| *key);
    let cursor = tree.floor(key).expect("whole");
    let found = cursor.map(|cursor| *tree.record(cursor).expect("whole").key());
    assert_eq!(found, expected);
    assert_eq!(
        tree.find(key).expect("whole").is_some(),
        model.contains_key(key)
    );
    let Some(cursor) = cursor else { return };
    let above = |key: &Key| {
        let after = (std::ops::Bound::Excluded(*key), std::ops::Bound::Unbounded);
        model.range(after).next().map(|(key, _)| *key)
    };
    let here = expected.expect("found");
    assert_eq!(tree.next_key(cursor).expect("whole"), above(&here));
    let key_at = |cursor| *tree.record(cursor).expect("whole").key();
    assert_eq!(tree.next(cursor).expect("whole").map(key_at), above(&here));
    assert_eq!(
        tree.previous(cursor).expect("whole").map(key_at),
        model.range(..here).next_back().map(|(key, _)| *key)
    );
}

fn apply(file: &mut TestFile, model: &mut Model, edits: &BTreeMap<Key, Option<StoredRecord>>) {
    for (key, after) in edits {
        match after {
            Some(record) => model.insert(*key, record.clone()),
            None => model.remove(key),
        };
    }
    let edits: Vec<Edit> = edits
        .iter()
        .map(|(key, after)| Edit {
            key: *key,
            after: after.clone(),
        })
        .collect();
    file.edit(&edits);
}

/// A batch with additions, changes and removals in shares that the batch chooses, some of them in
/// runs of neighbours.
fn batch(
    numbers: &mut Numbers,
    model: &Model,
    issuers: u64,
) -> BTreeMap<Key, Option<StoredRecord>> {
    let mut edits = BTreeMap::new();
    let removals = numbers.below(101);
    let magnitude = numbers.below(9);
    let length = 1 + numbers.below(1 << magnitude);
    for _ in 0..length {
        let key = numbers.key(issuers);
        if numbers.below(100) >= removals {
            edits.insert(key, Some(record(numbers.next())));
            continue;
        }
        let longest = if numbers.below(4) == 0 { 60 } else { 1 };
        let run = 1 + numbers.below(longest);
        let from = model.range(key..).chain(model.iter()).take(run as usize);
        let removed: Vec<Key> = from.map(|(key, _)| *key).collect();
        let renews = numbers.below(3) == 0;
        for key in &removed {
            edits.insert(*key, renews.then(|| record(numbers.next())));
        }
        if removed.is_empty() {
            edits.insert(key, None);
        }
    }
    edits
}

fn edits_agree_with_a_map(seed: u64, issuers: u64, batches: usize) {
    let mut numbers = Numbers(seed);
    let mut model = Model::new();
    for _ in 0..numbers.below(6_000) * (seed % 2) {
        model.insert(numbers.key(issuers), record(numbers.next()));
    }
    let mut file = TestFile::load(model.clone().into_iter());
    assert_same(&file, &model);
    for at in 0..batches {
        let edits = batch(&mut numbers, &model, issuers);
        apply(&mut file, &mut model, &edits);
        file.tree().verify_structure().expect("sound");
        if at % 16 == 0 {
            assert_same(&file, &model);
        }
        for key in edits.keys().take(4) {
            assert_finds(&file, &model, key);
        }
        assert_finds(&file, &model, &numbers.key(issuers));
    }
    assert_same(&file, &model);
    assert_edges(&file, &model);
    let live: BTreeSet<_> = file
        .tree()
        .live_pages()
        .expect("whole")
        .into_iter()
        .collect();
    assert_eq!(live.len() as u64, file.root.pages_live);
    let free = file.free.reusable() as u64;
    assert_eq!(
        free + file.root.pages_live + 2,
        u64::from(file.free.file_pages())
    );
}

fn assert_edges(file: &TestFile, model: &Model) {
    let tree = file.tree();
    let key_at = |cursor| *tree.record(cursor).expect("whole").key();
    let first = tree.first().expect("whole").map(key_at);
    let last = tree.last().expect("whole").map(key_at);
    assert_eq!(first.as_ref(), model.keys().next());
    assert_eq!(last.as_ref(), model.keys().next_back());
    for from in [[0; 18], [0x80; 18], [0xFF; 18]] {
        let walked = tree
            .walk(Some(&from))
            .map(|record| *record.expect("whole").key());
        assert!(walked.eq(model.range(from..).map(|(key, _)| *key)));
    }
}

#[test]
fn random_ids_agree_with_a_map() {
    for seed in 0..12 {
        edits_agree_with_a_map(seed, 0, 100);
    }
}

#[test]
fn clustered_ids_agree_with_a_map() {
    for seed in 100..112 {
        edits_agree_with_a_map(seed, 20, 100);
    }
}

#[test]
fn ids_of_one_issuer_agree_with_a_map() {
    for seed in 200..206 {
        edits_agree_with_a_map(seed, 1, 100);
    }
}

#[test]
fn removing_everything_leaves_an_empty_tree() {
    for (issuers, step) in [(0, 1_000_000), (20, 700), (0, 33)] {
        let mut numbers = Numbers(7);
        let mut model: Model = (0..9000)
            .map(|at| (numbers.key(issuers), record(at)))
            .collect();
        let mut file = TestFile::load(model.clone().into_iter());
        while !model.is_empty() {
            let start = numbers.key(issuers);
            let keys = model.range(start..).chain(model.iter()).take(step);
            let edits = keys.map(|(key, _)| (*key, None)).collect();
            apply(&mut file, &mut model, &edits);
            file.tree().verify_structure().expect("sound");
        }
        assert_eq!(file.root, Root::default());
        assert!(file.tree().floor(&[0xFF; 18]).expect("whole").is_none());
        let edits = [([5; 18], Some(record(1)))].into_iter().collect();
        apply(&mut file, &mut model, &edits);
        assert_same(&file, &model);
    }
}

#[test]
fn edit_without_effect_writes_nothing() {
    let mut file = TestFile::load([([5; 18], record(1))].into_iter());
    let root = file.root.clone();
    let key = [6; 18];
    file.edit(&[Edit { key, after: None }]);
    assert_eq!((file.written, &file.root), (0, &root));
}

#[test]
fn shared_and_packed_blocks_keep_old_versions_readable() {
    let mut numbers = Numbers(3);
    let model: Model = (0..3000).map(|at| (numbers.key(0), record(at))).collect();
    let mut file = TestFile::load(model.clone().into_iter());
    let held = file.root.clone();
    let mut now = model.clone();
    for _ in 0..20 {
        let edits = batch(&mut numbers, &now, 0);
        // No reclaim: version 1 is held.
        let tree = Tree::new(&file.mapping, &file.root, tree_unit(&file));
        let list: Vec<Edit> = edits
            .iter()
            .map(|(key, after)| Edit {
                key: *key,
                after: after.clone(),
            })
            .collect();
        file.version += 1;
        let edited = edit(tree, &mut file.free, &list, file.version).expect("whole");
        file.write(edited);
        for (key, after) in edits {
            match after {
                Some(record) => now.insert(key, record),
                None => now.remove(&key),
            };
        }
    }
    assert_same(&file, &now);
    file.root = held;
    assert_same(&file, &model);
}

fn tree_unit(file: &TestFile) -> u32 {
    file.tree().unit_secs()
}

/// Octets of blocks for each record, now.
fn block_octets(file: &TestFile) -> f64 {
    let structure = file.tree().verify_structure().expect("sound");
    structure.blocks as f64 * PAGE_OCTETS as f64 / structure.records as f64
}

fn doubling_stays_small(issuers: u64) {
    let devices = 100_000;
    let mut numbers = Numbers(11);
    let loaded: BTreeSet<Key> = (0..devices / 2).map(|_| numbers.key(issuers)).collect();
    let mut file = TestFile::load(loaded.iter().map(|key| (*key, record(2))));
    assert!(block_octets(&file) < 256.1);
    let mut worst = 0_f64;
    for round in 0..50 {
        for _ in 0..2 {
            let added: BTreeSet<Key> = (0..500).map(|_| numbers.key(issuers)).collect();
            let edits: Vec<Edit> = added
                .into_iter()
                .map(|key| Edit {
                    key,
                    after: Some(record(2)),
                })
                .collect();
            file.edit(&edits);
        }
        if round % 5 == 4 {
            worst = worst.max(block_octets(&file));
        }
    }
    let end = block_octets(&file);
    let indexes = file.root.pages_live as f64 * PAGE_OCTETS as f64 / file.root.records as f64 - end;
    println!(
        "blocks {end:.1} octets a device (worst {worst:.1}), index {indexes:.2}, {:.2} pages an addition",
        file.written as f64 / 50_000.0
    );
    assert!(worst <= 309.0, "{worst}");
    assert!(indexes <= 3.0, "{indexes}");
}

#[test]
fn doubling_by_random_ids_stays_small() {
    doubling_stays_small(0);
}

#[test]
fn doubling_by_clustered_ids_stays_small() {
    doubling_stays_small(20);
}
