//! Re-signing under a simulated clock: its pace, its bounds, and what interrupts it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod fixture;

use std::collections::BTreeMap;

use fixture::{NOW, Zone, active, eid, entry, slot, zone};
use iot_dns_zone::{Change, Entry, Listed, Profile, UrgentName, ZoneWriter};
use iot_identity::{PackedKey, Publication};

const TYPE_RRSIG: u16 = 46;
const SKEW_SECS: u64 = 300;

fn devices(count: u64) -> Vec<Entry> {
    (1..=count)
        .map(|number| entry(eid(number), 1, active(number)))
        .collect()
}

fn listed(count: u64) -> BTreeMap<u64, Publication> {
    (1..=count).map(|number| (number, active(number))).collect()
}

fn as_listed(state: &BTreeMap<u64, Publication>) -> Vec<Listed> {
    let listed = state.iter();
    listed
        .map(|(number, said)| (eid(*number), slot(1), *said))
        .collect()
}

/// Times of signing in the zone, the records of the keys left out.
fn signed_at(writer: &ZoneWriter) -> Vec<u64> {
    let records = fixture::records(&writer.snapshot());
    let signatures = records.iter().filter(|record| {
        let covered = u16::from_be_bytes([record.rdata[0], record.rdata[1]]);
        record.record_type == TYPE_RRSIG && !matches!(covered, 48 | 59 | 60)
    });
    signatures
        .map(|record| {
            let inception = u32::from_be_bytes(record.rdata[12..16].try_into().unwrap());
            u64::from(inception) + SKEW_SECS
        })
        .collect()
}

fn raise_ceiling(writer: &mut ZoneWriter, now: u64) {
    if let Some(wanted) = writer.ceiling_wanted(now) {
        writer.raise_ceiling(wanted);
    }
}

/// Works on everything that is due; returns the number of signatures.
fn work_on_all(writer: &mut ZoneWriter, now: u64) -> usize {
    raise_ceiling(writer, now);
    let mut signatures = 0;
    let mut turns = 0;
    while writer.next_work_at() <= now {
        let work = writer.work(now, ZoneWriter::WORK_SIGNATURES).unwrap();
        assert!(work.refused.is_empty() && work.damaged_pages.is_empty());
        // A turn is a unit: whole blocks, and the fixed names at most.
        assert!(work.signatures <= ZoneWriter::WORK_SIGNATURES + 48 + 32);
        signatures += work.signatures;
        turns += 1;
        assert!(turns < 10_000, "work that never ends");
    }
    signatures
}

/// Runs the clock in steps; returns the signatures of each minute.
fn run(
    zone: &mut Zone,
    from: u64,
    until: u64,
    mut beside: impl FnMut(&mut ZoneWriter, u64),
) -> Vec<usize> {
    let mut minutes: BTreeMap<u64, usize> = BTreeMap::new();
    let mut now = from;
    while now < until {
        now += 3;
        let made = work_on_all(&mut zone.writer, now);
        *minutes.entry((now - from) / 60).or_default() += made;
        beside(&mut zone.writer, now);
    }
    minutes.into_values().collect()
}

#[test]
fn after_a_bulk_load_no_minute_holds_more_than_twice_the_mean() {
    for (profile, count) in [(Profile::Strict, 300), (Profile::Standard, 900)] {
        let interval = u64::from(profile.resign_after_secs());
        let mut zone = zone(profile, devices(count));
        // A block of names is passed at once.
        let slack = 3 + interval * 16 / count;
        let mut checked = 0;
        let minutes = run(&mut zone, NOW, NOW + 3 * interval, |writer, now| {
            if now % 30 < 3 {
                let oldest = signed_at(writer).into_iter().min().unwrap();
                assert!(
                    now - oldest <= interval * 3 / 2 + slack,
                    "{profile}: a signature is {} s old",
                    now - oldest
                );
                assert_eq!(writer.sweep_behind(now), 0);
                checked += 1;
            }
        });
        assert!(checked > 5);
        let names = usize::try_from(count).unwrap();
        let mean = 3 * names * 60 / usize::try_from(interval).unwrap();
        let busiest = *minutes.iter().max().unwrap();
        assert!(
            busiest <= 2 * mean,
            "{profile}: {busiest} signatures in a minute, {mean} in the mean"
        );
        let total: usize = minutes.iter().sum();
        assert!(
            total >= 2 * 3 * names,
            "{profile}: {total} signatures in three intervals"
        );
        let now = NOW + 3 * interval;
        let snapshot = zone.writer.snapshot();
        let found = fixture::findings(&snapshot, as_listed(&listed(count)), now);
        assert_eq!(found, []);
        assert_eq!(snapshot.applied(), 0);
        let freshness = zone.writer.freshness(now).unwrap();
        assert!(!freshness.is_below_half(), "{freshness:?}");
    }
}

#[test]
fn changes_beside_the_hand_disturb_neither() {
    let profile = Profile::Strict;
    let interval = u64::from(profile.resign_after_secs());
    let mut zone = zone(profile, devices(150));
    let mut state = listed(150);
    let mut seed = 7_u64;
    let mut random = move |limit: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % limit
    };
    let mut applied = 0;
    let until = NOW + 4 * interval;
    run(&mut zone, NOW, until, |writer, now| {
        let changes: Vec<Change> = (0..random(4))
            .map(|_| {
                let number = 1 + random(400);
                let publication = match random(4) {
                    0 => Publication::Absent,
                    1 => Publication::Inactive,
                    other => active(other),
                };
                match publication {
                    Publication::Absent => state.remove(&number),
                    said => state.insert(number, said),
                };
                Change {
                    device_id: eid(number),
                    slot: slot(1),
                    publication,
                }
            })
            .collect();
        applied += 1;
        writer.apply(&changes, applied, now).unwrap();
        let oldest = signed_at(writer).into_iter().min().unwrap();
        assert!(now - oldest <= interval * 3 / 2 + 20, "{}", now - oldest);
    });
    let found = fixture::findings(&zone.writer.snapshot(), as_listed(&state), until);
    assert_eq!(found, []);
}

#[test]
fn names_that_come_in_before_older_ones_let_none_of_these_expire() {
    let profile = Profile::Standard;
    let interval = u64::from(profile.resign_after_secs());
    let entries = (5001..=5400).map(|number| entry(eid(number), 1, active(number)));
    let mut zone = zone(profile, entries.collect());
    let at = |percent: u64| NOW + interval * percent / 100;
    let work_from = |from: u64, until: u64, writer: &mut ZoneWriter| {
        for percent in from..=until {
            work_on_all(writer, at(percent));
        }
    };
    let changes = |numbers: std::ops::RangeInclusive<u64>| -> Vec<Change> {
        let change = |number| Change {
            device_id: eid(number),
            slot: slot(1),
            publication: active(7),
        };
        numbers.map(change).collect()
    };
    // Younger than half an interval when the hand comes by in the second lap.
    work_from(1, 62, &mut zone.writer);
    zone.writer.apply(&changes(5001..=5008), 1, at(62)).unwrap();
    work_from(63, 107, &mut zone.writer);
    // In the third lap the hand comes by late.
    zone.writer.apply(&changes(1..=2000), 2, at(107)).unwrap();
    for until in [264, 272, 280, 290] {
        work_from(
            if until == 264 { 108 } else { until - 8 },
            until,
            &mut zone.writer,
        );
        let oldest = signed_at(&zone.writer).into_iter().min().unwrap();
        assert!(at(until) - oldest < u64::from(profile.validity_secs()));
    }
}

#[test]
fn after_a_stop_of_a_day_the_hand_catches_up() {
    let profile = Profile::Standard;
    let count = 400;
    let mut zone = zone(profile, devices(count));
    run(&mut zone, NOW, NOW + 700, |_, _| {});
    let back = NOW + 86_400;
    assert!(zone.writer.sweep_behind(back) > 80_000);
    assert_eq!(
        zone.writer.next_work_at().min(back),
        zone.writer.next_work_at()
    );
    let freshness = zone.writer.freshness(back).unwrap();
    assert!(freshness.is_below_quarter() && freshness.remaining_secs < 0);

    let signatures = work_on_all(&mut zone.writer, back);
    let names = usize::try_from(count).unwrap();
    assert!(
        (3 * names..=3 * names + names).contains(&signatures),
        "every name once, and a SOA a unit: {signatures}"
    );
    assert!(signed_at(&zone.writer).iter().all(|at| *at == back));
    assert_eq!(zone.writer.sweep_behind(back), 0);
    let found = fixture::findings(&zone.writer.snapshot(), as_listed(&listed(count)), back);
    assert_eq!(found, []);
    // And goes on at its pace from there.
    let minutes = run(&mut zone, back, back + 1800, |_, _| {});
    assert!(*minutes.iter().max().unwrap() <= 2 * 3 * names / 30);
}

#[test]
fn a_name_that_a_query_waits_for_is_signed_first() {
    let mut zone = zone(Profile::Standard, devices(400));
    let back = NOW + 86_400;
    raise_ceiling(&mut zone.writer, back);
    let wanted = eid(333);
    let reader = zone.writer.reader();
    let key = *PackedKey::new(wanted, slot(1)).as_octets();
    assert!(reader.urgent().want(UrgentName::Device(key)));
    assert_eq!(zone.writer.next_work_at(), 0);
    let work = zone.writer.work(back, 1).unwrap();
    assert_eq!(work.urgent, 1);
    let snapshot = reader.snapshot();
    let owner = iot_identity::OwnerName::new(slot(1), wanted, &fixture::apex()).wire();
    let fresh = fixture::records(&snapshot).into_iter().filter(|record| {
        let inception = |rdata: &[u8]| u32::from_be_bytes(rdata[12..16].try_into().unwrap());
        record.owner == owner
            && record.record_type == TYPE_RRSIG
            && u64::from(inception(&record.rdata)) + SKEW_SECS == back
    });
    assert_eq!(fresh.count(), 3, "CERT, TLSA and NSEC");
    let signed_now = signed_at(&zone.writer).into_iter().filter(|at| *at == back);
    assert!(
        signed_now.count() <= 48 + 32,
        "its block and the fixed names, not the zone"
    );
    assert!(reader.urgent().is_empty());
    // Fixed names that wait are renewed with whatever comes next.
    assert!(reader.urgent().want(UrgentName::Fixed));
    assert_eq!(zone.writer.work(back, 1).unwrap().urgent, 1);
}

#[test]
fn an_empty_zone_has_its_apex_renewed() {
    let mut zone = zone(Profile::Standard, Vec::new());
    let mut made = 0;
    for minute in 1..=90 {
        made += work_on_all(&mut zone.writer, NOW + minute * 60);
    }
    assert!((30..120).contains(&made), "{made}");
    let now = NOW + 90 * 60;
    let found = fixture::findings(&zone.writer.snapshot(), Vec::new(), now);
    assert_eq!(found, []);
}
