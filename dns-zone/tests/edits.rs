//! Whatever order changes come in, the zone is the one that a full signing of the same state makes.

#![allow(clippy::unwrap_used, reason = "tests")]

mod fixture;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use fixture::{NOW, Zone, active, apex, eid, entry, iccid, judge, slot, zone};
use iot_dns_zone::{Change, Profile, Snapshot, dump};
use iot_identity::{DeviceId, PackedKey, Publication};
use proptest::prelude::*;

type State = BTreeMap<PackedKey, Publication>;

const TYPE_SOA: u16 = 6;
const TYPE_RRSIG: u16 = 46;
const TYPE_DNSKEY: u16 = 48;
const TYPE_CDS: u16 = 59;
const TYPE_CDNSKEY: u16 = 60;

/// A small set of devices, neighbours among them, with both forms of id.
fn device(index: u8) -> DeviceId {
    match index {
        0 => iccid(),
        index => eid(u64::from(index)),
    }
}

fn listed(state: &State) -> Vec<(DeviceId, iot_identity::Slot, Publication)> {
    state
        .iter()
        .map(|(key, publication)| {
            let (device_id, slot) = key.unpack().unwrap();
            (device_id, slot.unwrap(), *publication)
        })
        .collect()
}

/// Everything that does not depend on keys and on the moment of signing.
fn unsigned(snapshot: &Snapshot) -> BTreeSet<(Vec<u8>, u16, u32, Vec<u8>)> {
    fixture::records(snapshot)
        .into_iter()
        .filter(|record| !matches!(record.record_type, TYPE_DNSKEY | TYPE_CDS | TYPE_CDNSKEY))
        .map(|record| {
            let mut rdata = record.rdata;
            match record.record_type {
                // The type covered, algorithm, labels and TTL of the signature, and its signer.
                TYPE_RRSIG => {
                    rdata.truncate(18 + apex().wire().len());
                    rdata[8..18].fill(0);
                }
                TYPE_SOA => {
                    let at = rdata.len() - 20;
                    rdata[at..at + 4].fill(0);
                }
                _ => {}
            }
            (record.owner, record.record_type, record.ttl_secs, rdata)
        })
        .collect()
}

fn assert_equals_full_build(zone: &Zone, state: &State, now: u64) {
    let snapshot = zone.writer.snapshot();
    let entries = listed(state)
        .into_iter()
        .map(|(device_id, slot, publication)| entry(device_id, slot.get(), publication))
        .collect();
    let full = fixture::zone(Profile::Standard, entries);
    assert_eq!(
        unsigned(&snapshot),
        unsigned(&full.writer.snapshot()),
        "incremental and full signing differ"
    );
    assert_eq!(snapshot.device_names(), state.len() as u64);
    let findings = fixture::findings(&snapshot, listed(state), now);
    assert_eq!(findings, [], "own check");
}

fn apply(zone: &mut Zone, state: &mut State, changes: &[Change], applied: u64, now: u64) {
    let report = zone.writer.apply(changes, applied, now).unwrap();
    assert_eq!(report.outcomes.len(), changes.len());
    assert!(report.quarantined.is_empty());
    for change in changes {
        let key = PackedKey::new(change.device_id, change.slot);
        match change.publication {
            Publication::Absent => state.remove(&key),
            publication => state.insert(key, publication),
        };
    }
}

fn change() -> impl Strategy<Value = Change> {
    let publication = prop_oneof![
        (0..5_u64).prop_map(active),
        Just(Publication::Inactive),
        Just(Publication::Absent),
    ];
    (
        0..6_u8,
        prop_oneof![1..4_u16, Just(10), Just(9999)],
        publication,
    )
        .prop_map(|(index, slot_number, publication)| Change {
            device_id: device(index),
            slot: slot(slot_number),
            publication,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn incremental_signing_equals_full_signing(
        batches in prop::collection::vec(prop::collection::vec(change(), 1..6), 1..8),
    ) {
        let mut zone = zone(Profile::Standard, Vec::new());
        let mut state = State::new();
        let mut now = NOW;
        for (index, batch) in batches.iter().enumerate() {
            now += 7;
            apply(&mut zone, &mut state, batch, index as u64 + 1, now);
        }
        assert_equals_full_build(&zone, &state, now);
    }
}

fn one(device_id: DeviceId, slot_number: u16, publication: Publication) -> Change {
    Change {
        device_id,
        slot: slot(slot_number),
        publication,
    }
}

#[test]
fn neighbours_the_first_the_last_and_one_deleted_and_added_again() {
    let mut zone = zone(Profile::Standard, Vec::new());
    let mut state = State::new();
    let absent = Publication::Absent;
    let steps: Vec<Vec<Change>> = vec![
        // Around the static name `8a`, which sorts after every device with a longer number.
        vec![one(eid(5), 1, active(1)), one(eid(6), 1, active(2))],
        vec![one(eid(1), 1, active(3))],
        vec![one(eid(9_999_999), 9999, active(4))],
        // Slots sort as text: 1, 10, 2.
        vec![one(eid(5), 10, active(5)), one(eid(5), 2, active(6))],
        vec![one(eid(5), 10, absent), one(eid(6), 1, absent)],
        vec![one(eid(1), 1, absent)],
        vec![
            one(eid(9_999_999), 9999, absent),
            one(eid(9_999_999), 9999, active(7)),
        ],
        vec![one(eid(5), 1, absent), one(eid(5), 2, absent)],
        vec![
            one(eid(5), 1, Publication::Inactive),
            one(eid(5), 1, active(8)),
        ],
        vec![one(eid(7), 1, active(9)), one(eid(7), 1, absent)],
        vec![one(eid(5), 1, absent), one(eid(9_999_999), 9999, absent)],
    ];
    for (index, step) in steps.iter().enumerate() {
        apply(
            &mut zone,
            &mut state,
            step,
            index as u64 + 1,
            NOW + index as u64,
        );
        assert_equals_full_build(&zone, &state, NOW + index as u64);
    }
    assert!(state.is_empty());
}

#[test]
fn a_dump_after_many_edits_satisfies_every_judge() {
    let now = fixture::system_now();
    let mut zone = fixture::zone_at(Profile::Standard, Vec::new(), now);
    let mut state = State::new();
    let mut seed = 20_261_122_u64;
    let mut random = |limit: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % limit
    };
    for index in 0..300 {
        let publication = match random(4) {
            0 => Publication::Inactive,
            1 => Publication::Absent,
            number => active(number),
        };
        let device_id = if random(10) == 0 {
            iccid()
        } else {
            eid(random(60))
        };
        let change = one(device_id, 1 + random(3) as u16, publication);
        apply(&mut zone, &mut state, &[change], index + 1, now);
    }
    assert_equals_full_build(&zone, &state, now);

    let file = zone.dir.path().join("dump.zone");
    let mut text = Vec::new();
    dump(&zone.writer.snapshot(), &mut text).unwrap();
    fs::write(&file, &text).unwrap();
    let file = file.to_str().unwrap();
    // Signatures live for an hour.
    for (program, arguments) in [
        ("dnssec-verify", vec!["-q", "-o", fixture::APEX, file]),
        ("kzonecheck", vec!["-d", "on", "-o", fixture::APEX, file]),
        (
            "kzonecheck",
            vec!["-d", "on", "-t", "+2700", "-o", fixture::APEX, file],
        ),
        ("ldns-verify-zone", vec!["-V", "1", file]),
        ("named-checkzone", vec!["-q", fixture::APEX, file]),
    ] {
        let Some(output) = judge(program, &arguments) else {
            return;
        };
        assert!(
            output.status.success(),
            "{program}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
