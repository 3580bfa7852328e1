//! Answering from a zone that cannot be opened for writing: what is read, what is refused, and how a
//! writer takes over.

#![allow(clippy::unwrap_used, reason = "tests")]

mod fixture;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fixture::{NOW, active, config, eid, entry, in_order, slot, start};
use iot_dns_zone::simulation::{Disk, SimulatedDisk, StoreLimits};
use iot_dns_zone::{
    Change, Entry, Ground, Opening, Profile, Start, StoreError, UrgentName, ZoneError, ZoneKeys,
    ZoneReader, ZoneWriter,
};
use iot_identity::Publication;
use tempfile::TempDir;

const PAGE_OCTETS: usize = 4096;
const DATA: u8 = 1;
const INDEX: u8 = 2;

struct Place {
    dir: TempDir,
}

impl Place {
    /// A zone of these devices, each with one credential.
    fn build(numbers: impl Iterator<Item = u64>) -> (Self, ZoneWriter) {
        let dir = tempfile::tempdir().unwrap();
        ZoneKeys::generate().unwrap().save(dir.path()).unwrap();
        let place = Self { dir };
        let entries: Vec<Entry> = numbers
            .map(|number| entry(eid(number), 1, active(number)))
            .collect();
        let writer = ZoneWriter::build(
            place.path(),
            config(Profile::Standard),
            place.keys(),
            in_order(entries),
            start(Profile::Standard, NOW),
            NOW,
        );
        (place, writer.unwrap())
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn keys(&self) -> ZoneKeys {
        ZoneKeys::load(self.path()).unwrap()
    }

    fn last_version(&self) -> Result<Option<ZoneReader>, ZoneError> {
        let public = self.keys().public().clone();
        ZoneReader::of_last_version(self.path(), &config(Profile::Standard), public)
    }

    fn open(&self, applied: u64) -> Result<ZoneWriter, ZoneError> {
        let standard = config(Profile::Standard);
        let first = start(Profile::Standard, NOW);
        let start = Start { applied, ..first };
        match ZoneWriter::open(self.path(), &standard, self.keys(), start, NOW + 10)? {
            Opening::Ready(writer) => Ok(*writer),
            Opening::Build { reason, .. } => panic!("{reason}"),
        }
    }

    /// Names and octets of the zone's blocks and log.
    fn content(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files = fs::read_dir(self.path()).unwrap();
        let paths = files.map(|file| file.unwrap().path());
        let mut content: Vec<_> = paths
            .filter(|path| {
                let name = path.file_name().unwrap().to_str().unwrap();
                name == "blocks" || name.starts_with("redo-")
            })
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect();
        content.sort();
        content
    }

    /// Numbers of the pages of a kind, and the octet after it: records, or the level of an index.
    fn pages(&self, kind: u8) -> Vec<(usize, u8)> {
        let octets = fs::read(self.path().join("blocks")).unwrap();
        let pages = octets.chunks(PAGE_OCTETS).enumerate().skip(2);
        let of_kind = pages.filter(|(_, page)| page[4] == kind && page[5] > 0);
        of_kind.map(|(number, page)| (number, page[5])).collect()
    }

    fn damage(&self, page: usize) {
        let file = self.path().join("blocks");
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(file)
            .unwrap();
        let at = (page * PAGE_OCTETS + 1000) as u64;
        let mut octet = [0];
        file.read_exact_at(&mut octet, at).unwrap();
        file.write_all_at(&[octet[0] ^ 1], at).unwrap();
    }
}

fn change(number: u64, publication: Publication) -> Change {
    Change {
        device_id: eid(number),
        slot: slot(1),
        publication,
    }
}

/// What a reader says of a device; none where it is refused.
fn said(reader: &ZoneReader, number: u64) -> Option<Publication> {
    reader.snapshot().publication(eid(number), slot(1)).ok()
}

#[test]
fn the_last_version_is_read_without_changing_the_zone() {
    let (place, mut writer) = Place::build(1..=200);
    writer.checkpoint().unwrap();
    // In the log alone: what came, what went, and blocks that were split for it.
    let changes: Vec<Change> = (300..=400)
        .map(|number| change(number, active(number)))
        .chain((50..=60).map(|number| change(number, Publication::Inactive)))
        .chain([change(7, Publication::Absent)])
        .collect();
    writer.apply(&changes, 5, NOW + 1).unwrap();
    let expected = fixture::records(&writer.snapshot());
    let in_use = place.last_version().unwrap_err();
    assert!(
        matches!(in_use, ZoneError::Store(StoreError::InUse)),
        "{in_use}"
    );
    drop(writer);
    let before = place.content();
    let reader = place.last_version().unwrap().unwrap();
    assert_eq!(fixture::records(&reader.snapshot()), expected);
    assert_eq!(reader.snapshot().applied(), 5);
    assert!(!reader.urgent().want(UrgentName::Fixed), "nobody signs");
    drop(reader);
    assert!(place.content() == before, "it was written to");
}

#[test]
fn there_is_no_last_version_of_nothing_or_of_another_zone() {
    let nowhere = tempfile::tempdir().unwrap();
    let keys = ZoneKeys::generate().unwrap().public().clone();
    let standard = config(Profile::Standard);
    let found = ZoneReader::of_last_version(nowhere.path(), &standard, keys.clone());
    assert!(found.unwrap().is_none());
    let (place, writer) = Place::build(1..=3);
    drop(writer);
    let other = ZoneReader::of_last_version(place.path(), &standard, keys);
    assert!(matches!(other, Err(ZoneError::OtherShape)));
}

#[test]
fn acknowledged_commits_that_are_gone_are_not_guessed() {
    let (place, mut writer) = Place::build(1..=30);
    writer
        .apply(&[change(3, Publication::Inactive)], 1, NOW + 1)
        .unwrap();
    drop(writer);
    for (path, _) in place.content() {
        if path.file_name().unwrap() != "blocks" {
            fs::remove_file(path).unwrap();
        }
    }
    let error = place.last_version().unwrap_err();
    assert!(error.is_damage(), "{error}");
}

#[test]
fn a_damaged_index_page_costs_the_names_under_it_and_no_others() {
    // Two index pages below the root: keys that share little are long there.
    let far = |number: u64| number * 1_000_000_000_000_000;
    let (place, mut writer) = Place::build((1..=6_000).map(far));
    writer.checkpoint().unwrap();
    let changes = [10, 11, 5_990].map(|number| change(far(number), Publication::Inactive));
    writer.apply(&changes, 3, NOW + 1).unwrap();
    drop(writer);
    // Only pages that the checkpoint reaches: the commit's own were written behind them.
    let level_one: Vec<usize> = place
        .pages(INDEX)
        .into_iter()
        .filter(|(_, level)| *level == 1)
        .map(|(page, _)| page)
        .collect();
    let (first, last) = (level_one[0], level_one[1]);
    for (damaged, refused, answered) in [(last, 5_990, 10), (first, 10, 5_990)] {
        place.damage(damaged);
        let error = place.open(3).unwrap_err();
        assert!(error.is_damage(), "{error}");
        let reader = place.last_version().unwrap().unwrap();
        assert_eq!(said(&reader, far(refused)), None, "not its old state");
        assert_eq!(
            said(&reader, far(answered)),
            Some(Publication::Inactive),
            "what the log says of healthy names"
        );
        let lost = (1..=6_000).filter(|number| said(&reader, far(*number)).is_none());
        let lost = lost.count();
        assert!((900..=5_100).contains(&lost), "{lost}");
        assert_eq!(reader.snapshot().applied(), 3);
        place.damage(damaged); // whole again
    }
    drop(place.open(3).unwrap());
}

#[test]
fn what_the_log_does_to_a_damaged_block_is_refused_with_its_neighbour() {
    let (place, mut writer) = Place::build(1..=200);
    writer.checkpoint().unwrap();
    let blocks: Vec<usize> = place
        .pages(DATA)
        .into_iter()
        .map(|(page, _)| page)
        .collect();
    // The first name of the fourth block goes: the NSEC of the one before it says another next name.
    let gone = 3 * 16 + 1;
    let changes = [
        change(gone, Publication::Absent),
        change(100, Publication::Inactive),
    ];
    writer.apply(&changes, 3, NOW + 1).unwrap();
    drop(writer);
    place.damage(blocks[3]);
    let reader = place.last_version().unwrap().unwrap();
    for number in [gone - 1, gone, gone + 1] {
        assert_eq!(said(&reader, number), None, "{number}");
    }
    assert_eq!(said(&reader, 100), Some(Publication::Inactive));
    assert_eq!(said(&reader, 30), Some(active(30)));
    assert_eq!(said(&reader, 66), Some(active(66)));
}

#[test]
fn a_writer_takes_over_and_leaves_the_pages_alone_that_are_answered_from() {
    let (place, mut writer) = Place::build(1..=300);
    writer
        .apply(&[change(9, Publication::Inactive)], 1, NOW + 1)
        .unwrap();
    drop(writer);
    let reader = place.last_version().unwrap().unwrap();
    assert!(reader.gives_way());
    let held = reader.snapshot();
    let expected = fixture::records(&held);

    let mut writer = place.open(1).unwrap();
    writer.answer_through(&reader);
    assert!(reader.snapshot().zone_version() > held.zone_version());
    assert!(reader.urgent().want(UrgentName::Fixed), "somebody signs");
    for round in 1..=40 {
        let changes: Vec<Change> = (0..20)
            .map(|number| change(1 + number * 7 + round, active(round * 1000 + number)))
            .collect();
        writer.apply(&changes, 1 + round, NOW + 10 + round).unwrap();
        if round % 8 == 0 {
            writer.checkpoint().unwrap();
        }
    }
    assert_eq!(said(&reader, 41), Some(active(40_000)));
    assert_eq!(
        fixture::records(&held),
        expected,
        "the version from before is as it was"
    );
}

#[test]
fn a_disk_without_room_for_the_log_is_no_obstacle_to_reading() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SimulatedDisk::new(dir.path()).unwrap();
    let keys = ZoneKeys::generate().unwrap();
    let public = keys.public().clone();
    let entries = in_order(
        (1..=100)
            .map(|number| entry(eid(number), 1, active(number)))
            .collect(),
    );
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (limits, standard) = (StoreLimits::tiny(), config(Profile::Standard));
    let first = start(Profile::Standard, NOW);
    let mut writer = ZoneWriter::build_on(
        Ground::following(Arc::clone(&shared), limits),
        standard.clone(),
        keys,
        entries,
        first,
        NOW,
    )
    .unwrap();
    for number in 200..=230 {
        writer
            .apply(&[change(number, active(number))], number, NOW + number)
            .unwrap();
    }
    let expected = fixture::records(&writer.snapshot());
    drop((writer, shared));
    disk.leave_room(Some(0));
    // Every write is refused, too.
    disk.fail_write_at(1);
    let reader = ZoneReader::of_last_version_on(&disk, &standard, public).unwrap();
    assert_eq!(fixture::records(&reader.unwrap().snapshot()), expected);
}
