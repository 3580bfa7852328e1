//! Starts over a zone that is there: what is signed, what is refused, and what is still known.

#![allow(clippy::unwrap_used, reason = "tests")]

mod clocks;
mod damage;
#[path = "../fixture/mod.rs"]
mod fixture;

use std::convert::Infallible;

use fixture::{NOW, active, apex, config, eid, entry, in_order, slot, start};
use iot_dns_zone::{
    Change, Entry, Opening, Profile, Start, StaticRecords, ZoneConfig, ZoneError, ZoneKeys,
    ZoneWriter,
};
use iot_identity::{PackedKey, Publication};
use tempfile::TempDir;

struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        ZoneKeys::generate().unwrap().save(dir.path()).unwrap();
        Self { dir }
    }

    fn keys(&self) -> ZoneKeys {
        ZoneKeys::load(self.dir.path()).unwrap()
    }

    fn build(&self, profile: Profile, entries: Vec<Entry>, start: Start, now: u64) -> ZoneWriter {
        let path = self.dir.path();
        let entries = in_order(entries);
        ZoneWriter::build(path, config(profile), self.keys(), entries, start, now).unwrap()
    }

    fn open(&self, config: &ZoneConfig, start: Start, now: u64) -> Result<Opening, ZoneError> {
        ZoneWriter::open(self.dir.path(), config, self.keys(), start, now)
    }

    fn ready(&self, config: &ZoneConfig, start: Start, now: u64) -> ZoneWriter {
        match self.open(config, start, now).unwrap() {
            Opening::Ready(writer) => *writer,
            Opening::Build { reason, .. } => panic!("{reason}"),
        }
    }
}

fn change(number: u64, publication: Publication) -> Change {
    Change {
        device_id: eid(number),
        slot: slot(1),
        publication,
    }
}

fn devices(count: u64) -> Vec<Entry> {
    (1..=count)
        .map(|number| entry(eid(number), 1, active(number)))
        .collect()
}

fn listed(count: u64) -> Vec<iot_dns_zone::Listed> {
    (1..=count)
        .map(|number| (eid(number), slot(1), active(number)))
        .collect()
}

#[test]
fn a_zone_that_is_there_is_answered_from_at_once() {
    let place = Place::new();
    let standard = config(Profile::Standard);
    let first = start(Profile::Standard, NOW);
    let mut writer = place.build(Profile::Standard, devices(100), first, NOW);
    writer.apply(&[change(101, active(101))], 7, NOW).unwrap();
    let before = fixture::records(&writer.snapshot());
    let version = writer.snapshot().zone_version();
    drop(writer);

    let again = Start {
        fencing_token: 2,
        applied: 9,
        ..first
    };
    // Long after every signature has expired.
    let late = NOW + 30 * 86_400;
    let later = Start {
        ceiling: iot_dns_zone::Ceiling::for_start(Profile::Standard, 200, late),
        ..again
    };
    let writer = place.ready(&standard, later, late);
    let snapshot = writer.snapshot();
    assert_eq!(fixture::records(&snapshot), before, "nothing was signed");
    assert_eq!(
        snapshot.applied(),
        7,
        "what came since is still to be applied"
    );
    assert_eq!(snapshot.zone_version(), version + 1);
    let record = ZoneWriter::last_commit(place.dir.path()).unwrap().unwrap();
    assert_eq!(record.fencing_token, 2, "the start is on disk");
    drop(writer);
    let fenced = place.open(&standard, first, NOW).unwrap_err();
    assert!(matches!(fenced, ZoneError::Fenced { .. }), "{fenced}");
}

#[test]
fn a_serial_that_may_have_been_served_elsewhere_is_passed() {
    let place = Place::new();
    let first = start(Profile::Standard, NOW);
    drop(place.build(Profile::Standard, devices(3), first, NOW));
    let beyond = Start {
        serial_above: 5_000,
        ..first
    };
    let writer = place.ready(&config(Profile::Standard), beyond, NOW + 1);
    assert_eq!(writer.snapshot().serial(), 5_001);
}

#[test]
fn other_times_or_keys_ask_for_a_build() {
    let place = Place::new();
    let first = start(Profile::Standard, NOW);
    assert!(matches!(
        place.open(&config(Profile::Standard), first, NOW).unwrap(),
        Opening::Build { .. }
    ));
    drop(place.build(
        Profile::Archive,
        devices(40),
        start(Profile::Archive, NOW),
        NOW,
    ));
    // The long signatures bound what is believed of everything that was published then.
    let week = NOW as u32 / 16 * 16 + 7 * 86_400;
    let again = Start {
        released_until: week,
        fencing_token: 2,
        ..first
    };
    let opening = place
        .open(&config(Profile::Standard), again, NOW + 60)
        .unwrap();
    let Opening::Build { keys, .. } = opening else {
        panic!("another profile needs other signatures");
    };
    let path = place.dir.path();
    let config = config(Profile::Standard);
    let entries = in_order(devices(40));
    let mut writer = ZoneWriter::build(path, config, *keys, entries, again, NOW + 60).unwrap();
    let found = fixture::findings(&writer.snapshot(), listed(40), NOW + 60);
    assert_eq!(found, []);
    let report = writer
        .apply(
            &[change(7, Publication::Inactive), change(41, active(41))],
            1,
            NOW + 61,
        )
        .unwrap();
    assert_eq!(report.outcomes[0].withdrawn_until, Some(week));
    assert_eq!(report.outcomes[1].denied_until, Some(week));

    let other = ZoneKeys::generate().unwrap();
    drop(writer);
    let opening = ZoneWriter::open(
        place.dir.path(),
        &fixture::config(Profile::Standard),
        other,
        Start {
            applied: 1,
            ..again
        },
        NOW + 62,
    );
    assert!(matches!(opening.unwrap(), Opening::Build { .. }));
}

#[test]
fn static_records_that_change_are_signed_with_their_neighbours() {
    let place = Place::new();
    let first = start(Profile::Standard, NOW);
    drop(place.build(Profile::Standard, devices(100), first, NOW));
    let mut changed = config(Profile::Standard);
    // `8a` goes, which stood behind the devices; others come between, before and behind them.
    let text = fixture::STATIC_RECORDS.replace("8a TXT", "89049032000000000000000000000050 TXT");
    let text = format!("{text}0 TXT \"first\"\nzz.y.x A 192.0.2.9\n");
    changed.static_records = StaticRecords::parse(&text, &apex()).unwrap();
    changed.contact = "someone@example.org".into();
    let writer = place.ready(&changed, first, NOW + 600);
    let snapshot = writer.snapshot();
    let found = fixture::findings(&snapshot, listed(100), NOW + 600);
    assert_eq!(found, []);
    drop(writer);
    let back = place.ready(&config(Profile::Standard), first, NOW + 700);
    let found = fixture::findings(&back.snapshot(), listed(100), NOW + 700);
    assert_eq!(found, []);
}

#[test]
fn entries_out_of_order_are_named_and_leave_the_zone_as_it_was() {
    let place = Place::new();
    let first = start(Profile::Standard, NOW);
    drop(place.build(Profile::Standard, devices(30), first, NOW));
    let refused = |entries: Vec<Result<Entry, &'static str>>| {
        let config = config(Profile::Standard);
        let path = place.dir.path();
        ZoneWriter::build(path, config, place.keys(), entries, first, NOW).unwrap_err()
    };
    let one = |number| Ok(entry(eid(number), 1, active(number)));
    let error = refused(vec![one(1), one(3), one(2)]);
    assert!(
        matches!(error, ZoneError::EntryOrder { device_id, .. } if device_id == eid(2)),
        "{error}"
    );
    let error = refused(vec![one(1), one(2), one(2)]);
    assert!(matches!(error, ZoneError::DuplicateEntry { .. }), "{error}");
    let error = refused(vec![one(1), Err("the database went away")]);
    assert!(error.to_string().contains("went away"), "{error}");
    let writer = place.ready(&config(Profile::Standard), first, NOW + 5);
    let found = fixture::findings(&writer.snapshot(), listed(30), NOW + 5);
    assert_eq!(found, []);
}

#[test]
fn a_build_of_several_chunks_is_one_chain() {
    let place = Place::new();
    let mut entries = Vec::new();
    for number in 1..=9000 {
        // Two slots of one device now and then, withdrawn ones, and names that are gone.
        let said = match number % 7 {
            0 => Publication::Inactive,
            1 => Publication::Absent,
            _ => active(number),
        };
        entries.push(entry(eid(number), 1, said));
        if number % 3 == 0 {
            entries.push(entry(eid(number), 10, active(number)));
        }
    }
    entries.sort_by_key(|entry| PackedKey::new(entry.device_id, entry.slot));
    let listed = entries.clone();
    let dir = place.dir.path();
    let first = start(Profile::Standard, NOW);
    let stream = entries.into_iter().map(Ok::<_, Infallible>);
    let config = config(Profile::Standard);
    let writer = ZoneWriter::build(dir, config, place.keys(), stream, first, NOW).unwrap();
    let listed = listed
        .iter()
        .map(|entry| (entry.device_id, entry.slot, entry.publication));
    let found = fixture::findings(&writer.snapshot(), listed.collect(), NOW);
    assert_eq!(found, []);
    assert_eq!(writer.snapshot().serial(), 101);
}

#[test]
fn an_observer_sees_what_is_committed_and_keeps_what_it_holds() {
    let place = Place::new();
    let first = start(Profile::Standard, NOW);
    let standard = config(Profile::Standard);
    let public = place.keys().public();
    let open = || iot_dns_zone::ZoneObserver::open(place.dir.path(), &standard, public.clone());
    assert!(open().unwrap().is_none(), "nobody writes here");
    let mut writer = place.build(Profile::Standard, devices(50), first, NOW);
    let mut observer = open().unwrap().unwrap();
    let held = observer.snapshot().unwrap();
    for number in 51..=80 {
        let changes = [
            change(number, active(number)),
            change(number - 50, Publication::Absent),
        ];
        writer.apply(&changes, number, NOW + number).unwrap();
    }
    assert_eq!(fixture::findings(&held, listed(50), NOW), []);
    let newest = observer.snapshot().unwrap();
    assert_eq!(newest.serial(), writer.snapshot().serial());
    assert_eq!(
        fixture::records(&newest),
        fixture::records(&writer.snapshot())
    );
    assert_eq!(newest.verify_structure(), Ok(()));
    writer.checkpoint().unwrap();
    drop((writer, observer));
    let again = place.ready(
        &standard,
        Start {
            applied: 80,
            ..first
        },
        NOW + 90,
    );
    assert_eq!(
        fixture::records(&again.snapshot()),
        fixture::records(&newest)
    );
}
