//! Damaged pages, signatures that were never made, and patience.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;

use hickory_proto::op::{Message, ResponseCode};

use super::zone::*;
use crate::answer::batch::Exchange;
use crate::answer::{Disposition, Patience, Transport};
use crate::position::Key;
use crate::store::disk::{Disk, RealFile};
use crate::store::mapping::Mapping;
use crate::store::page::PAGE_OCTETS;
use crate::store::simulation::SimulatedDisk;
use crate::urgent::UrgentName;

/// Code and extended error of a response.
fn verdict(response: &[u8]) -> (ResponseCode, Option<u8>) {
    let message = Message::from_vec(response).unwrap();
    let failed = message.metadata.response_code == ResponseCode::ServFail;
    if failed {
        assert!(message.answers.is_empty() && message.authorities.is_empty());
    }
    let extended = response.ends_with(&[0, response[response.len() - 1]])
        && response[..response.len() - 2].ends_with(&[0, 6, 0, 15, 0, 2]);
    let extended = extended.then(|| response[response.len() - 1]);
    (message.metadata.response_code, extended)
}

fn ask(zone: &TestZone, labels: &[&[u8]], patience: Patience, now: u64) -> (Disposition, Vec<u8>) {
    let query = query(labels, 37, 1232, true);
    let mut out = vec![0; 1232];
    let mut exchanges = [Exchange::new(&query, &mut out)];
    zone.batch(Transport::Datagram, patience, now)
        .answer_all(&mut exchanges);
    let disposition = exchanges[0].disposition;
    if let Disposition::Answer(length) = disposition {
        out.truncate(length);
    }
    (disposition, out)
}

fn three_blocks() -> TestZone {
    let devices: BTreeMap<_, _> = (0..48)
        .map(|number| (key(eid(number), 1), active(number as u32)))
        .collect();
    TestZone::new(devices, vec![static_name(&[b"ns1"])])
}

#[test]
fn a_damaged_block_fails_alone_and_says_so() {
    let mut zone = three_blocks();
    // The second of three blocks of 16 records: pages are written in order, from 2 on.
    let at = 3 * PAGE_OCTETS as u64 + 2000;
    zone.file.write_all_at(&[0x55; 8], at).unwrap();
    zone.mapping = Mapping::new(RealFile::of(&zone.file), zone.pages).unwrap();
    let keys: Vec<_> = zone.devices.keys().copied().collect();
    let mut failed = 0;
    for (index, key) in keys.iter().enumerate() {
        let name = crate::position::DeviceName::of(key);
        let (_, response) = ask(&zone, &[name.slot(), name.id()], Patience::Wait, NOW);
        let damaged = (16..32).contains(&index);
        let expected = if damaged {
            (ResponseCode::ServFail, Some(0))
        } else {
            (ResponseCode::NoError, None)
        };
        assert_eq!(verdict(&response), expected, "{index}");
        failed += u32::from(damaged);
    }
    assert_eq!(failed, 16);
    assert!(zone.mapping.damaged() > 0, "it is counted");
    // What needs no block, and what is denied by others, is answered.
    for labels in [&[&b"ns1"[..]][..], &[b"0"], &[b"zzz"], &[]] {
        let (_, response) = ask(&zone, labels, Patience::Wait, NOW);
        assert_ne!(verdict(&response).0, ResponseCode::ServFail, "{labels:?}");
    }
}

/// The same zone on a disk that can be made to fail.
fn on_a_disk(zone: &mut TestZone) -> (tempfile::TempDir, SimulatedDisk) {
    let dir = tempfile::tempdir().unwrap();
    let mut octets = vec![0; zone.pages as usize * PAGE_OCTETS];
    zone.file.read_exact_at(&mut octets, 0).unwrap();
    std::fs::write(dir.path().join("blocks"), octets).unwrap();
    let disk = SimulatedDisk::new(dir.path()).unwrap();
    zone.mapping = Mapping::new(disk.open("blocks", false).unwrap(), zone.pages).unwrap();
    (dir, disk)
}

#[test]
fn a_bad_sector_costs_the_names_of_its_block() {
    let mut zone = three_blocks();
    let (_dir, disk) = on_a_disk(&mut zone);
    disk.fail_reads("blocks", 3 * 4096 + 512..3 * 4096 + 1024);
    let keys: Vec<_> = zone.devices.keys().copied().collect();
    for (index, key) in keys.iter().enumerate() {
        let name = crate::position::DeviceName::of(key);
        let (_, response) = ask(&zone, &[name.slot(), name.id()], Patience::Wait, NOW);
        let expected = if (16..32).contains(&index) {
            (ResponseCode::ServFail, Some(0))
        } else {
            (ResponseCode::NoError, None)
        };
        assert_eq!(verdict(&response), expected, "{index}");
    }
    assert!(zone.mapping.damaged() > 0, "it is counted");
}

/// Cuts the file under threads that answer from verified pages, at any moment of their work: whatever
/// is answered is the whole answer, or SERVFAIL.
#[test]
fn pages_that_are_lost_in_the_middle_of_an_answer_are_in_no_answer() {
    let devices: BTreeMap<_, _> = (0..320)
        .map(|number| (key(eid(number), 1), active(number as u32)))
        .collect();
    let mut zone = TestZone::new(devices, vec![static_name(&[b"ns1"])]);
    let names = zone.devices.keys().copied().collect::<Vec<_>>();
    let queries: Vec<_> = names.iter().step_by(5).map(query_of).collect();
    let expected = answers(&zone, &queries);
    assert!(expected.iter().all(|answer| answer[3] & 15 == 0));
    let mut whole = vec![0; zone.pages as usize * PAGE_OCTETS];
    zone.file.read_exact_at(&mut whole, 0).unwrap();
    let mut refused = 0;
    for round in 0..300 {
        zone.file.write_all_at(&whole, 0).unwrap();
        zone.mapping = Mapping::new(RealFile::of(&zone.file), zone.pages).unwrap();
        assert!(
            answers(&zone, &queries) == expected,
            "all pages are verified"
        );
        let answered = std::thread::scope(|scope| {
            let answering = scope.spawn(|| [(); 6].map(|()| answers(&zone, &queries)));
            let delay = std::time::Duration::from_micros(round % 50 * 20);
            let begin = std::time::Instant::now();
            while begin.elapsed() < delay {}
            zone.file.set_len(2 * PAGE_OCTETS as u64).unwrap();
            answering.join().unwrap()
        });
        for (answer, expected) in answered.iter().flat_map(|all| all.iter().zip(&expected)) {
            if answer != expected {
                assert_eq!(verdict(answer), (ResponseCode::ServFail, Some(0)));
                refused += 1;
            }
        }
    }
    assert!(refused > 1000, "{refused}");
}

fn query_of(key: &Key) -> Vec<u8> {
    let name = crate::position::DeviceName::of(key);
    query(&[name.slot(), name.id()], 37, 1232, true)
}

fn answers(zone: &TestZone, queries: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut outs = vec![vec![0; 1232]; queries.len()];
    let mut exchanges: Vec<_> = queries
        .iter()
        .zip(&mut outs)
        .map(|(query, out)| Exchange::new(query, out))
        .collect();
    zone.batch(Transport::Datagram, Patience::Refuse, NOW)
        .answer_all(&mut exchanges);
    let lengths: Vec<_> = exchanges
        .iter()
        .map(|exchange| match exchange.disposition {
            Disposition::Answer(length) => length,
            other => panic!("{other:?}"),
        })
        .collect();
    outs.iter()
        .zip(lengths)
        .map(|(out, length)| out[..length].to_vec())
        .collect()
}

#[test]
fn a_missing_signature_is_waited_for_or_refused() {
    let (first, second) = (key(eid(1), 1), key(eid(2), 1));
    let mut unsigned = active(1);
    unsigned.first = None;
    let mut gap = active(2);
    gap.nsec = None;
    let zone = TestZone::new([(first, unsigned), (second, gap)].into(), vec![]);
    let after = eid(3);
    for (labels, needed) in [
        (vec![&b"1"[..], eid(1).as_octets()], first),
        (vec![&b"1"[..], after.as_octets()], second),
    ] {
        let (disposition, _) = ask(&zone, &labels, Patience::Wait, NOW);
        assert_eq!(disposition, Disposition::Wait(UrgentName::Device(needed)));
        let (_, response) = ask(&zone, &labels, Patience::Refuse, NOW);
        assert_eq!(verdict(&response), (ResponseCode::ServFail, Some(7)));
    }
    let (_, response) = ask(&zone, &[b"1", eid(2).as_octets()], Patience::Wait, NOW);
    assert_eq!(verdict(&response), (ResponseCode::NoError, None));
}

#[test]
fn what_has_expired_is_named() {
    let device = key(eid(1), 1);
    let zone = TestZone::new([(device, active(1))].into(), vec![static_name(&[b"ns1"])]);
    let late = NOW + u64::from(PROFILE.validity_secs()) + 1;
    let (disposition, _) = ask(&zone, &[b"1", eid(1).as_octets()], Patience::Wait, late);
    assert_eq!(disposition, Disposition::Wait(UrgentName::Device(device)));
    // The SOA of a denial has expired too, and comes first.
    for labels in [&[&b"ns1"[..]][..], &[b"1"], &[]] {
        let (disposition, _) = ask(&zone, labels, Patience::Wait, late);
        assert_eq!(disposition, Disposition::Wait(UrgentName::Fixed));
    }
}

#[test]
fn an_empty_zone_denies_from_the_apex() {
    let zone = TestZone::new(BTreeMap::new(), vec![]);
    for labels in [
        &[&b"1"[..], b"89049032000000000000000000000000"][..],
        &[b"*"],
        &[b"a", b"zz"],
    ] {
        let (_, response) = ask(&zone, labels, Patience::Wait, NOW);
        let message = Message::from_vec(&response).unwrap();
        assert_eq!(message.metadata.response_code, ResponseCode::NXDomain);
        assert_eq!(message.authorities.len(), 4, "SOA and one NSEC, signed");
    }
}
