//! Starts over damaged pages, and what finds those.

use std::fs;
use std::os::unix::fs::FileExt;

use iot_dns_zone::{
    Change, Finding, GateError, Listed, Problem, Profile, Scrub, Snapshot, UrgentName, ZoneError,
    ZoneReader, check_pieces,
};
use iot_identity::{DeviceId, PackedKey, Publication};
use std::convert::Infallible;

use crate::fixture::{NOW, active, apex, config, eid, slot, start};
use crate::{Place, change, devices, listed};

const PAGE_OCTETS: usize = 4096;

/// Flips an octet of a data block; returns its number.
fn damage(place: &Place, nth: usize) -> u32 {
    damage_kind(place, 1, nth)
}

/// Flips an octet of a page of this kind; returns its number.
fn damage_kind(place: &Place, kind: u8, nth: usize) -> u32 {
    let file = place.dir.path().join("blocks");
    let octets = fs::read(&file).unwrap();
    let pages = octets.chunks(PAGE_OCTETS).enumerate().skip(2);
    let mut blocks = pages.filter(|(_, page)| page[4] == kind && page[5] > 0);
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

fn owner(device_id: DeviceId) -> String {
    format!("1.{device_id}.{}.", apex())
}

/// What the check says of a zone in which the database lists the devices 1 to 200.
fn found(snapshot: &Snapshot, change: impl FnOnce(&mut Vec<Listed>)) -> Vec<Finding> {
    let mut listed = listed(200);
    change(&mut listed);
    listed.sort_by_key(|(device_id, slot, _)| PackedKey::new(*device_id, *slot));
    let listed = listed.into_iter().map(Ok::<_, Infallible>);
    check_pieces(&apex(), snapshot.pieces(), listed, NOW).unwrap()
}

#[test]
fn the_check_goes_around_damaged_pages_and_finds_what_is_wrong_everywhere_else() {
    let place = Place::new();
    let first = start(Profile::Standard, NOW);
    let writer = place.build(Profile::Standard, devices(200), first, NOW);
    assert_eq!(found(&writer.snapshot(), |_| ()), []);
    drop(writer);
    // The very first block, two that are neighbours, and the last.
    let pages = [0, 3, 4, 12].map(|nth| damage(&place, nth));
    let writer = place.ready(&config(Profile::Standard), first, NOW);
    let snapshot = writer.snapshot();
    let unread = |at: usize, listed| Problem::Unread {
        page: pages[at],
        names: 16,
        listed,
    };
    let mut findings = found(&snapshot, |_| ());
    for finding in &mut findings {
        if let Problem::Unread { names, .. } = &mut finding.problem {
            assert!((8..=32).contains(names), "{names}");
            *names = 16;
        }
    }
    let finding = |number: Option<u64>, problem| Finding {
        owner: number.map_or(format!("{}.", apex()), |number| owner(eid(number))),
        problem,
    };
    assert_eq!(
        findings,
        [
            finding(None, unread(0, 16)),
            finding(Some(49), unread(1, 16)),
            finding(Some(65), unread(2, 16)),
            finding(Some(193), unread(3, 8)),
        ]
    );

    // Missing and extra names, and other records, in front of damage, in it and behind it.
    let findings = found(&snapshot, |listed| {
        listed.retain(|(device_id, ..)| ![eid(40), eid(50), eid(150)].contains(device_id));
        for number in [48, 64, 80, 192] {
            listed.push((eid(number), slot(2), active(number)));
        }
        let changed = listed.iter_mut().find(|one| one.0 == eid(160)).unwrap();
        changed.2 = Publication::Inactive;
    });
    let others = findings
        .iter()
        .filter(|finding| !matches!(finding.problem, Problem::Unread { .. }));
    let second = |number| format!("2.{}.{}.", eid(number), apex());
    assert_eq!(
        others
            .map(|finding| (finding.owner.clone(), finding.problem.clone()))
            .collect::<Vec<_>>(),
        [
            (owner(eid(40)), Problem::NotListed),
            (second(48), Problem::NotPublished),
            (owner(eid(150)), Problem::NotListed),
            (owner(eid(160)), Problem::OtherPublication),
            (second(192), Problem::NotPublished),
        ]
    );
    assert_eq!(findings.len(), 9);
}

#[test]
fn a_damaged_root_leaves_the_fixed_names_to_the_check() {
    let place = Place::new();
    let first = start(Profile::Standard, NOW);
    let writer = place.build(Profile::Standard, devices(200), first, NOW);
    let snapshot = writer.snapshot();
    damage_kind(&place, 2, 0);
    let finding = Finding {
        owner: format!("{}.", apex()),
        problem: Problem::Unread {
            page: 0,
            names: 200,
            listed: 200,
        },
    };
    drop((snapshot, writer));
    let keys = place.keys().public().clone();
    let reader = ZoneReader::of_last_version(place.dir.path(), &config(Profile::Standard), keys);
    let snapshot = reader.unwrap().unwrap().snapshot();
    let mut findings = found(&snapshot, |_| ());
    if let Some(Problem::Unread { page, .. }) = findings.first_mut().map(|one| &mut one.problem) {
        *page = 0;
    }
    assert_eq!(findings, [finding]);
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
