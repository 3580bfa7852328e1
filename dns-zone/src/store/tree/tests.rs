//! Lookups over whole and damaged files.

use std::collections::BTreeMap;

use super::super::disk::RealFile;
use super::super::edit::{Edit, edit};
use super::super::page::PAGE_OCTETS;
use super::super::record::StoredRecord;
use super::super::test_file::{Numbers, TestFile, UNIT_SECS, record};
use super::*;

fn model(numbers: &mut Numbers, records: u64, issuers: u64) -> BTreeMap<Key, StoredRecord> {
    (0..records)
        .map(|at| (numbers.key(issuers), record(at)))
        .collect()
}

#[test]
fn key_before_borrows_through_zeros() {
    let mut key = [0; 18];
    assert_eq!(key_before(&key), None);
    key[16] = 1;
    let mut before = [0; 18];
    before[17] = 0xFF;
    assert_eq!(key_before(&key), Some(before));
}

#[test]
fn empty_tree_has_nothing() {
    let file = TestFile::load(std::iter::empty());
    let tree = file.tree();
    assert_eq!(tree.locate(&[7; 18]), Ok(None));
    assert_eq!(tree.first(), Ok(None));
    assert_eq!(tree.last(), Ok(None));
    assert!(tree.walk(None).next().is_none());
    assert_eq!(tree.live_pages(), Ok(Vec::new()));
    assert!(tree.verify_structure().is_ok());
}

#[test]
fn halves_of_a_lookup_agree_with_the_whole() {
    let mut numbers = Numbers(5);
    let model = model(&mut numbers, 5000, 3);
    let file = TestFile::load(model.clone().into_iter());
    let tree = file.tree();
    for _ in 0..2000 {
        let key = numbers.key(3);
        let Some(page) = tree.locate(&key).expect("whole") else {
            assert_eq!(tree.floor(&key), Ok(None));
            continue;
        };
        tree.prefetch_head(page);
        let cursor = tree.floor_in(page, &key).expect("whole");
        tree.prefetch_record(cursor);
        assert_eq!(tree.floor(&key), Ok(Some(cursor)));
        let below = model.range(..=key).next_back().expect("found");
        assert_eq!(tree.record(cursor).expect("whole").to_stored(), *below.1);
    }
}

/// Keys of a batch: some in the tree, some between, one before all, and places without a key.
fn batch(numbers: &mut Numbers, issuers: u64) -> [Option<Key>; 32] {
    std::array::from_fn(|at| match at {
        0 => Some([0; 18]),
        1 => Some([0xFF; 18]),
        at if at % 7 == 0 => None,
        _ => Some(numbers.key(issuers)),
    })
}

#[test]
fn many_keys_are_located_as_each_alone() {
    let mut numbers = Numbers(7);
    for (records, issuers) in [(0, 1), (10, 1), (5_000, 3), (40_000, 1), (40_000, 1000)] {
        let model = model(&mut numbers, records, issuers);
        let file = TestFile::load(model.clone().into_iter());
        let tree = file.tree();
        for _ in 0..50 {
            let keys = batch(&mut numbers, issuers);
            let located = tree.locate_all(&keys.each_ref().map(Option::as_ref));
            for (key, located) in keys.iter().zip(located) {
                let alone = key.as_ref().map_or(Ok(None), |key| tree.locate(key));
                assert_eq!(located, alone);
            }
        }
    }
}

#[test]
fn damage_under_one_key_of_many_is_only_that_key_s() {
    let mut numbers = Numbers(8);
    let model = model(&mut numbers, 40_000, 1000);
    let mut file = TestFile::load(model.into_iter());
    let root = file.tree().root().clone();
    assert!(root.levels >= 2, "there is a level below the topmost page");
    let damaged = file
        .tree()
        .index(root.page, root.levels)
        .expect("whole")
        .child(0);
    file.flip(damaged, 12_345);
    file.mapping = Mapping::new(RealFile::of(&file.file), file.free.file_pages()).expect("mapped");
    let tree = file.tree();
    let mut met = 0;
    for _ in 0..50 {
        let keys = batch(&mut numbers, 1000);
        let located = tree.locate_all(&keys.each_ref().map(Option::as_ref));
        for (key, located) in keys.iter().zip(located) {
            let alone = key.as_ref().map_or(Ok(None), |key| tree.locate(key));
            assert_eq!(located, alone);
            met += usize::from(located == Err(Damaged { page: damaged }));
        }
    }
    assert!(met > 0);
}

#[test]
fn cursor_of_no_record_is_damage_and_not_a_record() {
    let file = TestFile::load([([5; 18], record(1))].into_iter());
    let page = file.root.page;
    let cursor = Cursor { page, slot: 1 };
    assert!(matches!(file.tree().record(cursor), Err(Damaged { .. })));
    assert_eq!(file.tree().floor_in(page, &[4; 18]), Err(Damaged { page }));
}

/// Whatever bit of whatever page is wrong: lookups tell the truth or that page's damage.
#[test]
fn damaged_page_is_seen_and_never_a_wrong_answer() {
    let mut numbers = Numbers(17);
    let model = model(&mut numbers, 4000, 20);
    let mut file = TestFile::load(model.clone().into_iter());
    let keys: Vec<Key> = model.keys().copied().collect();
    for page in file.tree().live_pages().expect("whole") {
        let bit = numbers.below(PAGE_OCTETS as u64 * 8) as usize;
        file.flip(page, bit);
        let pages = file.free.file_pages();
        file.mapping = Mapping::new(RealFile::of(&file.file), pages).expect("mapped");
        let damaged = Damaged { page };
        let tree = file.tree();
        for _ in 0..20 {
            let key = &keys[numbers.below(keys.len() as u64) as usize];
            match tree.find(key) {
                Ok(cursor) => {
                    let view = tree.record(cursor.expect("there")).expect("seen before");
                    assert_eq!(view.to_stored(), model[key]);
                }
                Err(error) => assert_eq!(error, damaged),
            }
        }
        let mut expected = model.iter();
        let end = tree.walk(None).find_map(|record| match record {
            Ok(view) => {
                let (key, stored) = expected.next().expect("no record too many");
                assert_eq!((view.key(), view.to_stored()), (key, stored.clone()));
                None
            }
            Err(error) => Some(error),
        });
        assert_eq!(end, Some(damaged));
        assert_eq!(tree.verify_structure(), Err(damaged.into()));
        assert!(file.mapping.damaged() > 0);
        file.flip(page, bit);
    }
}

#[test]
fn edit_of_a_damaged_block_takes_no_page() {
    let mut numbers = Numbers(23);
    let model = model(&mut numbers, 1000, 0);
    let mut file = TestFile::load(model.clone().into_iter());
    let key = *model.keys().nth(500).expect("there");
    let page = file.tree().locate(&key).expect("whole").expect("there");
    file.flip(page, 5000);
    file.mapping = Mapping::new(RealFile::of(&file.file), file.free.file_pages()).expect("mapped");
    let edits: Vec<Edit> = model
        .keys()
        .map(|key| Edit {
            key: *key,
            after: None,
        })
        .collect();
    let tree = Tree::new(&file.mapping, &file.root, UNIT_SECS);
    let pages = file.free.file_pages();
    let error = edit(tree, &mut file.free, &edits, 2).expect_err("damaged");
    assert_eq!(error, Damaged { page });
    assert_eq!((file.free.file_pages(), file.free.pending()), (pages, 0));
}

#[test]
fn signature_too_old_for_its_block_is_gone_after_the_next_edit() {
    let mut old = record(3);
    let mut new = record(3);
    let signature = old.nsec.expect("signed");
    old.nsec = Some(signature);
    new.nsec = Some(super::super::record::StoredSignature {
        signed_at: signature.signed_at + 70_000 * UNIT_SECS,
        ..signature
    });
    (old.first, old.tlsa, new.first, new.tlsa) = (None, None, None, None);
    let mut file = TestFile::load([([5; 18], old.clone())].into_iter());
    let read = |file: &TestFile| {
        let records = file.tree().walk(None);
        records
            .map(|record| record.expect("whole").to_stored())
            .collect::<Vec<_>>()
    };
    assert_eq!(read(&file), [old.clone()]);
    let after = Some(new.clone());
    file.edit(&[Edit {
        key: [6; 18],
        after,
    }]);
    assert_eq!(read(&file), [StoredRecord { nsec: None, ..old }, new]);
}

#[test]
fn behind_a_damaged_page_its_next_neighbour_begins() {
    let mut numbers = Numbers(11);
    let model = model(&mut numbers, 9000, 0);
    let file = TestFile::load(model.into_iter());
    let whole = file.tree();
    assert_eq!(whole.root().levels, 2);
    let root = whole.index(whole.root().page, 2).expect("whole");
    assert!(root.count() > 2);
    let first_below = |at: usize| root.key(at);
    for at in 0..root.count() {
        let next = (at + 1 < root.count()).then(|| first_below(at + 1));
        file.flip(root.child(at), 9000);
        let damaged =
            Mapping::new(RealFile::of(&file.file), file.free.file_pages()).expect("mapped");
        let tree = Tree::new(&damaged, &file.root, UNIT_SECS);
        let mut inside = first_below(at);
        inside[17] = 0xFF;
        assert!(tree.locate(&inside).is_err());
        assert_eq!(tree.gap_at(&inside).next, next, "index page {at}");
        file.flip(root.child(at), 9000);
    }
    // The last block under the first index page: what follows is under the next one.
    let index = whole.index(root.child(0), 1).expect("whole");
    let block = index.child(index.count() - 1);
    let inside = index.key(index.count() - 1);
    file.flip(block, 9000);
    let damaged = Mapping::new(RealFile::of(&file.file), file.free.file_pages()).expect("mapped");
    let tree = Tree::new(&damaged, &file.root, UNIT_SECS);
    assert!(tree.floor(&inside).is_err());
    let gap = tree.gap_at(&inside);
    assert_eq!(gap.next, Some(first_below(1)));
    assert!((8..=32).contains(&gap.names), "{gap:?}");
    assert_eq!(
        tree.gap_at(&[0; 18]).next,
        Some(index.key(1)),
        "before the first key"
    );
    // Nothing is known beyond a root.
    file.flip(whole.root().page, 9000);
    let damaged = Mapping::new(RealFile::of(&file.file), file.free.file_pages()).expect("mapped");
    let tree = Tree::new(&damaged, &file.root, UNIT_SECS);
    let (names, next) = (9000, None);
    assert_eq!(tree.gap_at(&inside), Gap { names, next });
}
