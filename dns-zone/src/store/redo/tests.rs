//! The log over segments, torn, recycled and damaged.

use super::super::disk::RealDisk;
use super::super::samples::commit;
use super::super::zone_store::Commit;
use super::*;
use std::fs;
use std::path::{Path, PathBuf};

const ID: [u8; 16] = *b"id of this store";
const START: Position = Position {
    segment: 1,
    offset: 0,
};
const LIMITS: RedoLimits = RedoLimits {
    segment_octets: 2048,
    history_octets: 6 * 2048,
    history_secs: 86_400,
};

fn disk(dir: &Path) -> Arc<dyn Disk> {
    Arc::new(RealDisk::new(dir).unwrap())
}

fn append(redo: &mut Redo, version: u64) {
    append_commit(redo, &commit(version));
}

/// Frames of equal lengths, so that old ones lie where new ones end.
fn append_bare(redo: &mut Redo, version: u64) {
    let bare = Commit {
        deltas: Vec::new(),
        fixed: None,
        ..commit(version)
    };
    append_commit(redo, &bare);
}

fn append_commit(redo: &mut Redo, commit: &Commit) {
    let frame = frame::encode(&ID, commit).unwrap();
    let version = commit.record.zone_version;
    if redo.is_full_for(frame.len()) {
        redo.make_room(frame.len()).unwrap();
        redo.turn(version, commit.record.last_signed_at).unwrap();
    }
    redo.append(&frame).unwrap();
}

/// A log with versions 1 to `last`.
fn written(dir: &Path, last: u64) -> Redo {
    let mut redo = Redo::create(disk(dir), ID, LIMITS, 1).unwrap();
    (1..=last).for_each(|version| append(&mut redo, version));
    redo
}

fn open(dir: &Path, after: u64, position: Position) -> Result<(Redo, Vec<u64>), StoreError> {
    let mut versions = Vec::new();
    let redo = Redo::open(disk(dir), ID, LIMITS, after, position, |frame| {
        assert_eq!(frame.record, commit(frame.record.zone_version).record);
        versions.push(frame.record.zone_version);
        Ok(())
    })?;
    Ok((redo, versions))
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.collect();
    paths.sort();
    paths
}

#[test]
fn tail_is_replayed_over_segments_and_appended_to() {
    let dir = tempfile::tempdir().unwrap();
    let position = written(dir.path(), 20).position();
    assert!(segments(dir.path()).len() > 3);
    let (mut redo, versions) = open(dir.path(), 0, START).unwrap();
    assert_eq!(versions, Vec::from_iter(1..=20));
    assert_eq!(redo.position(), position);
    append(&mut redo, 21);
    let (_, versions) = open(dir.path(), 20, position).unwrap();
    assert_eq!(versions, [21]);
}

#[test]
fn frame_torn_at_any_octet_ends_the_tail_and_is_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let mut redo = written(dir.path(), 2);
    let before = redo.position();
    append(&mut redo, 4); // leaves what is no whole frame of version 3 behind
    let path = segments(dir.path()).pop().unwrap();
    let frame = frame::encode(&ID, &commit(3)).unwrap();
    let content = fs::read(&path).unwrap();
    let at = before.offset as usize;
    for torn in (0..frame.len() - 7).step_by(5).chain([1, 23, 24, 25]) {
        let mut content = content.clone();
        content[at..].fill(0);
        content[at..at + torn].copy_from_slice(&frame[..torn]);
        if frame[torn..].iter().all(|octet| *octet == 0) {
            break; // nothing is missing
        }
        fs::write(&path, content).unwrap();
        let (mut redo, versions) = open(dir.path(), 0, START).unwrap();
        assert_eq!(versions, [1, 2], "{torn}");
        assert_eq!(redo.position(), before, "{torn}");
        append(&mut redo, 3);
        assert_eq!(open(dir.path(), 0, START).unwrap().1, [1, 2, 3]);
    }
}

#[test]
fn whole_frame_behind_a_broken_one_refuses() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 3);
    let path = segments(dir.path()).remove(0);
    let mut content = fs::read(&path).unwrap();
    content[100] ^= 1; // in version 1
    fs::write(&path, content).unwrap();
    let error = open(dir.path(), 0, START).unwrap_err();
    let gap = StoreError::RedoGap {
        expected: 1,
        found: 2,
    };
    assert_eq!(error.to_string(), gap.to_string());
}

#[test]
fn missing_segment_refuses() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 20);
    let paths = segments(dir.path());
    fs::remove_file(&paths[1]).unwrap();
    let error = open(dir.path(), 0, START).unwrap_err();
    assert!(matches!(error, StoreError::RedoGap { .. }), "{error}");
    fs::remove_file(&paths[0]).unwrap();
    let error = open(dir.path(), 0, START).unwrap_err();
    assert!(matches!(
        error,
        StoreError::RedoMissing { first_version: 1 }
    ));
}

#[test]
fn offset_beyond_the_segment_or_between_frames_refuses() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 1);
    for offset in [1, 2056, u64::MAX] {
        let segment = 1;
        let error = open(dir.path(), 0, Position { segment, offset }).unwrap_err();
        assert!(matches!(error, StoreError::RedoDamaged { .. }));
    }
}

#[test]
fn segment_of_another_store_is_not_read_and_is_cleaned_up() {
    let dir = tempfile::tempdir().unwrap();
    let other = *b"another store's ";
    Redo::create(disk(dir.path()), other, LIMITS, 3).unwrap();
    written(dir.path(), 2);
    fs::write(dir.path().join("blocks"), b"stays").unwrap();
    fs::write(dir.path().join(SPARE), b"goes").unwrap();
    assert_eq!(open(dir.path(), 0, START).unwrap().1, [1, 2]);
    remove_others(&*disk(dir.path()), &ID).unwrap();
    assert_eq!(disk(dir.path()).list().unwrap().len(), 2);
    assert_eq!(open(dir.path(), 0, START).unwrap().1, [1, 2]);
}

#[test]
fn recycled_segment_s_old_frames_are_not_taken_for_frames() {
    let dir = tempfile::tempdir().unwrap();
    let mut redo = written(dir.path(), 0);
    (1..=90).for_each(|version| append_bare(&mut redo, version));
    let checkpointed = redo.position();
    let count = redo.segments.len();
    redo.retire(checkpointed, 0).unwrap();
    assert!(redo.segments.len() < count);
    assert!(redo.octets() <= LIMITS.history_octets);
    let spare = fs::read(dir.path().join(SPARE)).unwrap();
    assert!(frame::whole(&ID, &spare).is_some(), "it was not wiped");
    let mut version = 90;
    while dir.path().join(SPARE).exists() {
        version += 1;
        append_bare(&mut redo, version);
    }
    let content = fs::read(segments(dir.path()).pop().unwrap()).unwrap();
    assert!(frame::whole(&ID, &content[redo.offset as usize..]).is_some());
    let (mut redo, versions) = open(dir.path(), 90, checkpointed).unwrap();
    assert_eq!(versions, Vec::from_iter(91..=version));
    append_bare(&mut redo, version + 1);
    let (_, versions) = open(dir.path(), 90, checkpointed).unwrap();
    assert_eq!(versions, Vec::from_iter(91..=version + 1));
}

#[test]
fn segments_that_the_checkpoint_needs_are_never_retired_and_old_ones_go_by_age() {
    let dir = tempfile::tempdir().unwrap();
    let mut redo = written(dir.path(), 40);
    let count = redo.segments.len();
    redo.retire(START, u32::MAX).unwrap();
    assert_eq!(redo.segments.len(), count);
    let third = Position {
        segment: redo.segments[2].first_version,
        offset: 0,
    };
    redo.retire(third, u32::MAX).unwrap();
    assert_eq!(redo.segments.len(), count - 2);
    let (mut redo, _) = open(dir.path(), third.segment - 1, third).unwrap();
    let now = commit(1).record.last_signed_at;
    redo.limits.history_octets = u64::MAX;
    redo.retire(redo.position(), now + 86_400).unwrap();
    assert_eq!(redo.segments.len(), count - 2);
    redo.retire(redo.position(), now + 86_401).unwrap();
    assert_eq!(redo.segments.len(), 1);
}

#[test]
fn frame_larger_than_a_segment_has_one_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let mut redo = written(dir.path(), 1);
    let mut large = commit(2);
    large.fixed = Some(vec![7; 9000]);
    let frame = frame::encode(&ID, &large).unwrap();
    redo.make_room(frame.len()).unwrap();
    redo.turn(2, 0).unwrap();
    redo.append(&frame).unwrap();
    append(&mut redo, 3);
    assert_eq!(open(dir.path(), 0, START).unwrap().1, [1, 2, 3]);
}
