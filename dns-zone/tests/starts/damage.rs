//! Starts over damaged pages, and what finds those.

use std::fs;
use std::os::unix::fs::FileExt;

use iot_dns_zone::{Change, GateError, Profile, Scrub, UrgentName, ZoneError};
use iot_identity::{PackedKey, Publication};

use crate::fixture::{NOW, active, config, eid, slot, start};
use crate::{Place, change, devices};

const PAGE_OCTETS: usize = 4096;

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
