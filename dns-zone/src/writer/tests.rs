//! What the writer does when a signer fails for some names.

use std::collections::BTreeSet;
use std::convert::Infallible;

use iot_identity::{DeviceId, Fingerprint, PackedKey, Publication, Slot, ZoneName};

use super::*;
use crate::change::Change;
use crate::check::check;
use crate::config::ZoneConfig;
use crate::profile::Profile;
use crate::sign::fault::spoil;
use crate::static_records::StaticRecords;

const NOW: u64 = 1_800_000_000;

fn eid(number: u64) -> DeviceId {
    let body = format!("89049032{number:022}");
    let digits = body.bytes().chain(*b"00");
    let remainder = digits.fold(0_u64, |rest, digit| {
        (rest * 10 + u64::from(digit - b'0')) % 97
    });
    DeviceId::parse(&format!("{body}{:02}", 98 - remainder)).unwrap()
}

fn active(number: u64) -> Publication {
    Publication::Active(Fingerprint::of_certificate(&number.to_be_bytes()))
}

fn key(number: u64) -> crate::position::Key {
    *PackedKey::new(eid(number), Slot::FIRST).as_octets()
}

fn change(number: u64, publication: Publication) -> Change {
    Change {
        device_id: eid(number),
        slot: Slot::FIRST,
        publication,
    }
}

fn built(dir: &Path, numbers: impl Iterator<Item = u64>) -> ZoneWriter {
    let config = ZoneConfig {
        apex: ZoneName::parse("iotregistry.example").unwrap(),
        profile: Profile::Standard,
        name_servers: vec!["ns.example.net".into()],
        contact: "h@example.net".into(),
        static_records: StaticRecords::default(),
    };
    let start = Start {
        database_id: [1; 16],
        fencing_token: 1,
        applied: 0,
        serial_above: 0,
        ceiling: Ceiling::for_start(Profile::Standard, 0, NOW),
        released_until: 0,
        lost_until: 0,
    };
    let entries = numbers.map(|number| {
        Ok::<_, Infallible>(Entry {
            device_id: eid(number),
            slot: Slot::FIRST,
            publication: active(number),
            released_until: None,
        })
    });
    let keys = ZoneKeys::generate().unwrap();
    ZoneWriter::build(dir, config, keys, entries, start, NOW).unwrap()
}

fn assert_whole(writer: &ZoneWriter, numbers: impl Iterator<Item = u64>, now: u64) {
    let snapshot = writer.snapshot();
    let listed =
        numbers.map(|number| Ok::<_, Infallible>((eid(number), Slot::FIRST, active(number))));
    let found = check(snapshot.apex(), snapshot.records(), listed, now).unwrap();
    assert_eq!(found, []);
}

#[test]
fn a_build_leaves_out_what_the_gate_refuses_and_closes_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    // The first, the last, and neighbours.
    let bad = BTreeSet::from([1001, 1050, 1051, 1100]);
    bad.iter().for_each(|number| spoil(key(*number)));
    let mut writer = built(dir.path(), 1001..=1100);
    let left_out: Vec<DeviceId> = writer
        .take_quarantined()
        .into_iter()
        .map(|(entry, error)| {
            assert!(matches!(error, GateError::Signature { .. }));
            entry.device_id
        })
        .collect();
    assert_eq!(left_out, bad.iter().copied().map(eid).collect::<Vec<_>>());
    assert_whole(
        &writer,
        (1001..=1100).filter(|number| !bad.contains(number)),
        NOW,
    );
    assert!(writer.take_quarantined().is_empty());
}

#[test]
fn a_batch_goes_through_without_the_changes_that_the_gate_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = built(dir.path(), 2001..=2010);
    spoil(key(2013));
    spoil(key(2019));
    let changes: Vec<Change> = (2011..=2020)
        .map(|number| change(number, active(number)))
        .collect();
    let applied = writer.apply(&changes, 10, NOW + 1).unwrap();
    assert_eq!(applied.outcomes.len(), 8);
    let refused: Vec<Change> = applied
        .quarantined
        .iter()
        .map(|(change, _)| *change)
        .collect();
    assert_eq!(refused, [changes[2], changes[8]]);
    let numbers = (2001..=2020).filter(|number| ![2013, 2019].contains(number));
    assert_whole(&writer, numbers, NOW + 1);
    assert_eq!(writer.snapshot().applied(), 10);
}

#[test]
fn a_name_whose_new_signature_is_refused_keeps_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = built(dir.path(), 3001..=3020);
    spoil(key(3007));
    let later = NOW + 1800;
    let mut refused = BTreeSet::new();
    while writer.next_work_at() <= later {
        let work = writer.work(later, ZoneWriter::WORK_SIGNATURES).unwrap();
        refused.extend(work.refused.into_iter().map(|(owner, _)| owner));
    }
    let owner = crate::snapshot::device_presentation(&key(3007), writer.snapshot().apex());
    assert_eq!(refused, BTreeSet::from([owner]));
    assert_whole(&writer, 3001..=3020, later);
    let snapshot = writer.snapshot();
    let signed_at = |number| {
        snapshot
            .device(&key(number))
            .unwrap()
            .unwrap()
            .first()
            .unwrap()
            .0
    };
    assert_eq!(u64::from(signed_at(3007)), NOW);
    assert_eq!(u64::from(signed_at(3008)), later);
}

#[test]
fn a_start_after_a_build_that_was_cut_off_signs_the_apex() {
    let dir = tempfile::tempdir().unwrap();
    let writer = built(dir.path(), 4001..=4040);
    let snapshot = writer.snapshot();
    // What the store holds between its creation and the first commit.
    let mut unsigned = snapshot.fixed.description();
    unsigned.set_soa(snapshot.serial(), None);
    let records: Vec<_> = snapshot
        .tree()
        .walk(None)
        .map(|record| record.map(|record| (*record.key(), record.to_stored())))
        .collect::<Result<_, _>>()
        .unwrap();
    let mut record = snapshot.commit_record().clone();
    record.soa.signed_at = 0;
    let (digest, unit_secs) = (snapshot.shape.digest, snapshot.shape.unit_secs);
    let config = ZoneConfig {
        apex: snapshot.apex().clone(),
        profile: Profile::Standard,
        name_servers: vec!["ns.example.net".into()],
        contact: "h@example.net".into(),
        static_records: StaticRecords::default(),
    };
    let start = Start {
        database_id: [1; 16],
        fencing_token: 2,
        applied: 0,
        serial_above: 0,
        ceiling: Ceiling::for_start(Profile::Standard, 0, NOW),
        released_until: 0,
        lost_until: 0,
    };
    writer.keys().save(dir.path()).unwrap();
    drop((snapshot, writer));
    let records = records.into_iter().map(Ok::<_, ZoneError>);
    let disk = Arc::new(RealDisk::in_directory(dir.path()).unwrap());
    let created = Store::create(disk, digest, unit_secs, records, record, unsigned.encode());
    drop(created.unwrap());
    let keys = ZoneKeys::load(dir.path()).unwrap();
    let opening = ZoneWriter::open(dir.path(), &config, keys, start, NOW + 5).unwrap();
    let Opening::Ready(writer) = opening else {
        panic!("the devices are signed");
    };
    assert_whole(&writer, 4001..=4040, NOW + 5);
}

#[test]
fn the_hand_goes_around_everything_under_a_damaged_index_page() {
    let dir = tempfile::tempdir().unwrap();
    // Keys that share little: a level of index pages below the root.
    let far = |number: u64| number * 1_000_000_000_000_000;
    let mut writer = built(dir.path(), (1..=4_500).map(far));
    let snapshot = writer.snapshot();
    let tree = snapshot.tree();
    assert_eq!(tree.root().levels, 2);
    // The index page of the first names: found damaged while the registry runs.
    let level_one: Vec<_> = tree
        .live_pages()
        .unwrap()
        .into_iter()
        .filter(|page| tree.index(*page, 1).is_ok())
        .collect();
    let page = level_one[0];
    let file = std::fs::File::options()
        .write(true)
        .open(dir.path().join("blocks"))
        .unwrap();
    let at = u64::from(page) * crate::store::page::PAGE_OCTETS as u64 + 4090;
    std::os::unix::fs::FileExt::write_all_at(&file, &[0x55], at).unwrap();
    assert!(tree.mapping().scrub(page).is_err());
    drop(snapshot);

    let mut damaged = Vec::new();
    for tick in 1..=720 {
        let now = NOW + tick * 5;
        if let Some(ceiling) = writer.ceiling_wanted(now) {
            writer.raise_ceiling(ceiling);
        }
        while writer.next_work_at() <= now {
            let work = writer.work(now, ZoneWriter::WORK_SIGNATURES).unwrap();
            damaged.extend(work.damaged_pages);
        }
        assert!(writer.sweep_behind(now) < 5);
    }
    assert!(damaged.iter().all(|found| *found == page), "{damaged:?}");
    assert!(
        (1..=8).contains(&damaged.len()),
        "once a lap, and once for the apex before it: {}",
        damaged.len()
    );
    let snapshot = writer.snapshot();
    let signed_at = |number: u64| {
        let record = snapshot.device(&key(far(number)))?;
        Ok::<_, crate::store::Damaged>(u64::from(record.unwrap().first().unwrap().0))
    };
    assert!(signed_at(1).is_err());
    let healthy: Vec<u64> = (1..=4_500)
        .filter_map(|number| signed_at(number).ok())
        .collect();
    assert!(healthy.len() > 300, "{}", healthy.len());
    assert!(
        healthy.iter().all(|at| *at >= NOW + 3600 - 2700),
        "none is older than one and a half intervals"
    );
}
