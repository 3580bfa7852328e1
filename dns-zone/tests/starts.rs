//! Starts over a zone that is there: what is signed, what is refused, and what is still known.

#![allow(clippy::unwrap_used, reason = "tests")]

mod fixture;

use std::convert::Infallible;
use std::fs;
use std::os::unix::fs::FileExt;

use fixture::{NOW, active, apex, config, eid, entry, in_order, slot, start};
use iot_dns_zone::{
    Change, Entry, GateError, Opening, Profile, Scrub, Start, StaticRecords, UrgentName,
    ZoneConfig, ZoneError, ZoneKeys, ZoneWriter,
};
use iot_identity::{PackedKey, Publication};
use tempfile::TempDir;

const PAGE_OCTETS: usize = 4096;

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
fn bounds_hold_when_the_clock_goes_back_and_over_a_restart() {
    let place = Place::new();
    let standard = config(Profile::Standard);
    let first = start(Profile::Standard, NOW);
    let mut writer = place.build(Profile::Standard, devices(20), first, NOW);
    let until = Some(NOW as u32 + 3600);
    let back = NOW - 2000;
    // Signed again by a clock that is right now: these expire before those of the wrong one.
    writer.apply(&[change(5, active(55))], 1, back).unwrap();
    writer
        .apply(
            &[change(30, active(30)), change(31, Publication::Inactive)],
            2,
            back,
        )
        .unwrap();
    let report = writer
        .apply(
            &[
                change(5, Publication::Inactive),
                change(32, active(32)),
                change(31, active(31)),
            ],
            3,
            back + 10,
        )
        .unwrap();
    assert_eq!(report.outcomes[0].withdrawn_until, until);
    assert_eq!(report.outcomes[1].denied_until, until);
    assert_eq!(report.outcomes[2].denied_until, until);
    assert_eq!(
        writer.snapshot().commit_record().floor_until,
        NOW as u32 + 3600
    );
    drop(writer);

    let mut writer = place.ready(
        &standard,
        Start {
            applied: 3,
            ..first
        },
        back + 20,
    );
    let report = writer
        .apply(
            &[
                change(30, Publication::Absent),
                change(5, Publication::Absent),
            ],
            4,
            back + 30,
        )
        .unwrap();
    assert_eq!(report.outcomes[0].withdrawn_until, until);
    assert_eq!(report.outcomes[1].withdrawn_until, until);
    // What is gone is known until the process ends, then the database tells.
    let again = [change(5, Publication::Absent)];
    let report = writer.apply(&again, 5, back + 31).unwrap();
    assert_eq!(report.outcomes[0].withdrawn_until, until);
    drop(writer);
    let mut writer = place.ready(
        &standard,
        Start {
            applied: 5,
            ..first
        },
        back + 40,
    );
    let report = writer.apply(&again, 6, back + 41).unwrap();
    assert_eq!(report.outcomes[0].withdrawn_until, None);
    writer.remember_released([(eid(5), slot(1), NOW as u32 + 3600)], back + 42);
    let report = writer.apply(&again, 7, back + 42).unwrap();
    assert_eq!(report.outcomes[0].withdrawn_until, until);
    // Once the floor lies in the past, bounds are those of the present signatures.
    let late = NOW + 4000;
    while writer.next_work_at() <= late {
        writer.work(late, 1000).unwrap();
    }
    let report = writer
        .apply(&[change(7, Publication::Absent)], 8, late + 5)
        .unwrap();
    assert_eq!(report.outcomes[0].withdrawn_until, Some(late as u32 + 3600));
}

#[test]
fn a_clock_that_was_ahead_by_far_leaves_no_signature_of_the_future() {
    let place = Place::new();
    let ahead = NOW + 400 * 86_400;
    let mut writer = place.build(
        Profile::Standard,
        devices(60),
        start(Profile::Standard, ahead),
        ahead,
    );
    let mut turns = 0;
    while writer.next_work_at() <= NOW || turns < 400 {
        writer.work(NOW + turns * 5, 200).unwrap();
        turns += 1;
    }
    let now = NOW + 400 * 5;
    let found = fixture::findings(&writer.snapshot(), listed(60), now);
    assert_eq!(found, []);
    assert_eq!(writer.sweep_behind(now), 0);
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

/// Flips an octet of a data block; returns its number.
fn damage(place: &Place, nth: usize) -> u32 {
    let file = place.dir.path().join("blocks");
    let octets = fs::read(&file).unwrap();
    let pages = octets.chunks(PAGE_OCTETS).enumerate().skip(2);
    let mut blocks = pages.filter(|(_, page)| page[4] == 1 && page[5] > 0);
    let (number, page) = blocks.nth(nth).unwrap();
    let file = fs::OpenOptions::new().write(true).open(file).unwrap();
    let at = (number * PAGE_OCTETS + 200) as u64;
    file.write_all_at(&[page[200] ^ 1], at).unwrap();
    u32::try_from(number).unwrap()
}

#[test]
fn a_damaged_page_costs_its_own_names_and_nothing_else() {
    let place = Place::new();
    let first = start(Profile::Standard, NOW);
    drop(place.build(Profile::Standard, devices(200), first, NOW));
    let page = damage(&place, 3);
    let mut writer = place.ready(&config(Profile::Standard), first, NOW + 1);
    // The fourth block of sixteen.
    let lost = eid(56);
    let snapshot = writer.snapshot();
    let error = snapshot.publication(lost, slot(1)).unwrap_err();
    assert!(matches!(error, ZoneError::Damaged { page: found } if found == page));
    assert_eq!(
        snapshot.publication(eid(100), slot(1)).unwrap(),
        active(100)
    );
    assert!(snapshot.records().any(|record| record.is_err()));
    drop(snapshot);

    let report = writer
        .apply(
            &[
                change(56, Publication::Absent),
                change(100, Publication::Absent),
            ],
            1,
            NOW + 2,
        )
        .unwrap();
    assert_eq!(report.outcomes.len(), 1);
    let [(refused, GateError::Damaged { .. })] = report.quarantined.as_slice() else {
        panic!("{:?}", report.quarantined);
    };
    assert_eq!(refused.device_id, lost);

    let mut around = Vec::new();
    for tick in 1..=900 {
        around.extend(writer.work(NOW + 2 + tick * 4, 200).unwrap().damaged_pages);
    }
    assert!((1..=3).contains(&around.len()), "{around:?}");
    let now = NOW + 3602;
    assert_eq!(writer.sweep_behind(now), 0);
    let key = *PackedKey::new(eid(120), slot(1)).as_octets();
    assert!(writer.reader().urgent().want(UrgentName::Device(key)));
    writer.work(now, 200).unwrap();
}

#[test]
fn a_change_beside_a_damaged_page_holds_up_no_other() {
    let place = Place::new();
    let first = start(Profile::Standard, NOW);
    drop(place.build(Profile::Standard, devices(200), first, NOW));
    // The fourth block of sixteen; all blocks are full.
    damage(&place, 3);
    let mut writer = place.ready(&config(Profile::Standard), first, NOW + 1);
    let beside = |number| Change {
        slot: slot(2),
        ..change(number, active(number))
    };
    let changes: Vec<Change> = (33..=48)
        .map(beside)
        .chain([change(100, Publication::Absent), beside(150)])
        .collect();
    let report = writer.apply(&changes, 9, NOW + 2).unwrap();
    assert!(report.quarantined.is_empty(), "{:?}", report.quarantined);
    // And nearly all of them go again.
    let gone: Vec<Change> = (34..=47)
        .flat_map(|number| [1, 2].map(|slot_number| (number, slot_number)))
        .map(|(number, slot_number)| Change {
            slot: slot(slot_number),
            ..change(number, Publication::Absent)
        })
        .chain((66..=79).map(|number| change(number, Publication::Absent)))
        .collect();
    let report = writer.apply(&gone, 10, NOW + 3).unwrap();
    assert!(report.quarantined.is_empty(), "{:?}", report.quarantined);
    let snapshot = writer.snapshot();
    let said = |number, slot_number| snapshot.publication(eid(number), slot(slot_number));
    for number in [33, 48, 65, 80] {
        assert_eq!(said(number, 1).unwrap(), active(number));
    }
    for number in [40, 70, 100] {
        assert_eq!(said(number, 1).unwrap(), Publication::Absent);
    }
    assert_eq!(said(48, 2).unwrap(), active(48));
    assert!(said(49, 1).is_err());
}

#[test]
fn the_scrub_finds_a_damaged_page_and_nothing_in_a_good_zone() {
    let place = Place::new();
    let first = start(Profile::Standard, NOW);
    let writer = place.build(Profile::Standard, devices(100), first, NOW);
    let snapshot = writer.snapshot();
    let mut scrub = Scrub::started(&snapshot, NOW);
    let mut seen = (0, 0);
    for tick in 1..=360 {
        let now = NOW + tick * 10;
        let step = scrub.step(&snapshot, now, 50);
        assert_eq!(step.findings, Vec::<String>::new());
        assert!(step.signatures <= 50 + 48 + 32, "an even pace");
        seen = (seen.0 + step.names, seen.1 + step.signatures);
    }
    assert!((100..=132).contains(&seen.0), "{seen:?}");
    assert!(seen.1 >= 300);

    // Damage under a running writer, in a page that was read before.
    let page = damage(&place, 2);
    let mut found = Vec::new();
    for tick in 361..=760 {
        found.extend(scrub.step(&snapshot, NOW + tick * 10, 50).findings);
    }
    let named = format!("page {page} ");
    assert!(found.iter().any(|one| one.contains(&named)), "{found:?}");
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
