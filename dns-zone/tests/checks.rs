//! The own check finds every damage that the usual tools were seen to miss, and names it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod fixture;

use fixture::{NOW, active, apex, eid, entry, slot, zone};
use std::convert::Infallible;

use iot_dns_zone::{CheckError, Finding, Listed, Problem, Profile, Record};
use iot_identity::Publication;

const CERT: u16 = 37;
const TXT: u16 = 16;
const RRSIG: u16 = 46;
const NSEC: u16 = 47;
const DNSKEY: u16 = 48;
const TLSA: u16 = 52;

fn listed() -> Vec<Listed> {
    vec![
        (eid(1), slot(1), active(1)),
        (eid(2), slot(1), Publication::Inactive),
        (eid(3), slot(1), active(3)),
    ]
}

fn records() -> Vec<Record> {
    let entries = listed().into_iter();
    let entries = entries.map(|(device_id, slot, said)| entry(device_id, slot.get(), said));
    fixture::records(&zone(Profile::Standard, entries.collect()).writer.snapshot())
}

/// The check, over records put into the order of their names.
fn check(mut records: Vec<Record>, listed: Vec<Listed>, now: u64) -> Vec<Finding> {
    records.sort_by_key(|record| downwards(&record.owner));
    run(records, listed, now).unwrap()
}

fn run(records: Vec<Record>, listed: Vec<Listed>, now: u64) -> Result<Vec<Finding>, CheckError> {
    let records = records.into_iter().map(Ok::<_, Infallible>);
    let listed = listed.into_iter().map(Ok::<_, Infallible>);
    iot_dns_zone::check(&apex(), records, listed, now)
}

/// The labels of a name from the root downwards, which compare canonically.
fn downwards(mut wire: &[u8]) -> Vec<Vec<u8>> {
    let mut labels = Vec::new();
    while let [length @ 1..=63, rest @ ..] = wire {
        labels.insert(0, rest[..usize::from(*length)].to_vec());
        wire = &rest[usize::from(*length)..];
    }
    labels
}

fn owner(number: u64) -> Vec<u8> {
    iot_identity::OwnerName::new(slot(1), eid(number), &apex()).wire()
}

fn covered(record: &Record) -> Option<u16> {
    (record.record_type == RRSIG).then(|| u16::from_be_bytes([record.rdata[0], record.rdata[1]]))
}

fn is(record: &Record, number: u64, record_type: u16) -> bool {
    record.owner == owner(number) && record.record_type == record_type
}

fn signs(record: &Record, number: u64, record_type: u16) -> bool {
    record.owner == owner(number) && covered(record) == Some(record_type)
}

/// Damages a good zone and returns what the check says.
fn damaged(damage: impl FnOnce(&mut Vec<Record>)) -> Vec<Problem> {
    let mut records = records();
    damage(&mut records);
    problems(check(records, listed(), NOW))
}

fn problems(findings: Vec<Finding>) -> Vec<Problem> {
    findings
        .into_iter()
        .map(|finding| finding.problem)
        .collect()
}

#[test]
fn a_good_zone_has_no_findings() {
    assert_eq!(damaged(|_| {}), []);
}

#[test]
fn each_damage_has_its_name() {
    let found = damaged(|records| records.retain(|record| !is(record, 1, TLSA)));
    let expected = [
        Problem::OtherPublication,
        Problem::Bitmap,
        Problem::OrphanSignature(TLSA),
    ];
    assert_eq!(found, expected, "TLSA removed, signature and bit left");

    let found = damaged(|records| {
        records.retain(|record| !is(record, 1, NSEC) && !signs(record, 1, NSEC));
    });
    assert_eq!(found, [Problem::NsecCount(0)]);

    let found = damaged(|records| records.retain(|record| !signs(record, 2, TXT)));
    assert_eq!(found, [Problem::Unsigned(TXT)]);

    let found = damaged(|records| records.retain(|record| record.owner != owner(2)));
    assert!(found.contains(&Problem::NotPublished));
    assert!(
        found
            .iter()
            .any(|problem| matches!(problem, Problem::BrokenChain(_)))
    );

    let found = damaged(|records| {
        let mut twin = records
            .iter()
            .find(|record| signs(record, 1, CERT))
            .unwrap()
            .clone();
        twin.rdata[16] ^= 1;
        records.push(twin);
    });
    let expected = [Problem::UnknownKey(CERT), Problem::SignedTwice(CERT)];
    assert_eq!(
        found, expected,
        "a left-over signature of an unpublished key beside a good one"
    );

    let found = damaged(|records| {
        let record = records
            .iter_mut()
            .find(|record| signs(record, 3, CERT))
            .unwrap();
        *record.rdata.last_mut().unwrap() ^= 1;
    });
    assert_eq!(found, [Problem::BadSignature(CERT)]);

    let found = damaged(|records| {
        let record = records
            .iter_mut()
            .find(|record| is(record, 3, CERT))
            .unwrap();
        *record.rdata.last_mut().unwrap() ^= 1;
    });
    assert_eq!(
        found,
        [Problem::OtherPublication, Problem::BadSignature(CERT)]
    );

    let found = damaged(|records| {
        let record = records
            .iter_mut()
            .find(|record| signs(record, 3, TLSA))
            .unwrap();
        record.rdata.truncate(10);
    });
    assert_eq!(
        found,
        [Problem::MalformedSignature, Problem::Unsigned(TLSA)]
    );

    let found = damaged(|records| {
        let twin = records
            .iter()
            .find(|record| is(record, 2, TXT))
            .unwrap()
            .clone();
        records.push(twin);
    });
    let expected = [
        Problem::OtherPublication,
        Problem::BadSignature(TXT),
        Problem::NotASet(TXT),
    ];
    assert_eq!(found, expected);

    let found = damaged(|records| {
        let record = records
            .iter_mut()
            .find(|record| is(record, 2, TXT))
            .unwrap();
        record.ttl_secs += 1;
    });
    assert_eq!(
        found,
        [Problem::BadSignature(TXT)],
        "the TTL is not the signed one"
    );

    let found = damaged(|records| {
        let mut stray = records
            .iter()
            .find(|record| is(record, 2, TXT))
            .unwrap()
            .clone();
        stray.owner = [b"\x01x".to_vec(), owner(2)].concat();
        records.push(stray);
    });
    assert!(found.contains(&Problem::StrayDeviceName));

    let found = damaged(|records| {
        let mut foreign = records[0].clone();
        foreign.owner = b"\x07example\0".to_vec();
        records.push(foreign);
    });
    assert_eq!(found, [Problem::OutOfZone]);

    let found = damaged(|records| records.retain(|record| record.record_type != DNSKEY));
    assert!(found.contains(&Problem::ApexIncomplete(DNSKEY)));
    assert!(
        found.contains(&Problem::UnknownKey(CERT)),
        "without keys nothing verifies"
    );
}

#[test]
fn a_zone_signed_by_a_key_that_is_not_published_is_found() {
    let keys_of_another = records()
        .into_iter()
        .filter(|record| record.record_type == DNSKEY || covered(record) == Some(DNSKEY));
    let keys_of_another: Vec<Record> = keys_of_another.collect();
    let found = damaged(|records| {
        records.retain(|record| record.record_type != DNSKEY && covered(record) != Some(DNSKEY));
        records.extend(keys_of_another);
    });
    for record_type in [CERT, TLSA, NSEC, TXT] {
        let blamed = [
            Problem::UnknownKey(record_type),
            Problem::BadSignature(record_type),
        ];
        assert!(
            found.iter().any(|problem| blamed.contains(problem)),
            "{record_type}"
        );
    }
}

#[test]
fn the_database_and_the_clock_are_held_against_the_zone() {
    let with = |change: &dyn Fn(&mut Vec<Listed>)| {
        let mut listed = listed();
        change(&mut listed);
        problems(check(records(), listed, NOW))
    };
    assert_eq!(
        with(&|listed| {
            listed.pop();
        }),
        [Problem::NotListed]
    );
    assert_eq!(
        with(&|listed| listed.push((eid(9), slot(1), active(9)))),
        [Problem::NotPublished]
    );
    assert_eq!(
        with(&|listed| listed.push((eid(9), slot(1), Publication::Absent))),
        []
    );
    assert_eq!(
        with(&|listed| listed[0].2 = active(2)),
        [Problem::OtherPublication]
    );
    assert_eq!(
        with(&|listed| listed[0].2 = Publication::Inactive),
        [Problem::OtherPublication]
    );
    assert_eq!(
        with(&|listed| listed[1].2 = active(2)),
        [Problem::OtherPublication]
    );
    for (now, out_of_time) in [(NOW - 301, true), (NOW - 300, false), (NOW + 3601, true)] {
        let found = problems(check(records(), listed(), now));
        assert_eq!(
            found.contains(&Problem::NotInTime(CERT)),
            out_of_time,
            "{now}"
        );
        assert_eq!(found.is_empty(), !out_of_time);
    }
}

#[test]
fn both_sides_have_to_be_in_order() {
    let mut swapped = records();
    let first = swapped
        .iter()
        .position(|record| record.owner == owner(1))
        .unwrap();
    let (moved, rest): (Vec<_>, Vec<_>) = swapped
        .drain(first..)
        .partition(|record| record.owner == owner(1));
    swapped.extend(rest);
    swapped.extend(moved);
    let found = problems(run(swapped, listed(), NOW).unwrap());
    assert!(found.contains(&Problem::OutOfOrder), "{found:?}");

    let mut backwards = listed();
    backwards.swap(0, 1);
    let error = run(records(), backwards, NOW).unwrap_err();
    assert!(matches!(error, CheckError::ListedOrder { .. }), "{error}");
    let twice = vec![listed()[0], listed()[0]];
    assert!(run(records(), twice, NOW).is_err());
}

#[test]
fn an_empty_stream_is_no_zone() {
    let found = problems(run(Vec::new(), listed(), NOW).unwrap());
    assert!(found.contains(&Problem::ApexIncomplete(DNSKEY)));
    assert_eq!(
        found
            .iter()
            .filter(|problem| **problem == Problem::NotPublished)
            .count(),
        3
    );
}
