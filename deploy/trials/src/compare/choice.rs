//! Which queries are asked: names around those of the zone, and every way of asking for them.

use super::question::{AskedEdns, Question};
use super::scene::Labels;
use crate::draws::Draws;

/// RR types and how often they are asked for.
const TYPES: [(u32, u16); 31] = [
    (8, 1),     // A
    (14, 37),   // CERT
    (14, 52),   // TLSA
    (10, 16),   // TXT
    (4, 6),     // SOA
    (4, 2),     // NS
    (4, 48),    // DNSKEY
    (4, 43),    // DS
    (3, 59),    // CDS
    (2, 60),    // CDNSKEY
    (6, 47),    // NSEC
    (5, 46),    // RRSIG
    (4, 255),   // ANY
    (3, 28),    // AAAA
    (2, 257),   // CAA
    (2, 64),    // SVCB
    (2, 65),    // HTTPS
    (2, 5),     // CNAME
    (2, 39),    // DNAME
    (1, 15),    // MX
    (1, 50),    // NSEC3
    (1, 51),    // NSEC3PARAM
    (2, 65280), // private use
    (1, 1000),  // unassigned
    (1, 65534), // private use
    (1, 10),    // NULL
    (1, 12),    // PTR
    (1, 33),    // SRV
    (1, 24),    // SIG
    (1, 25),    // KEY
    (1, 32769), // DLV
];

/// Where a name lies.
#[derive(Clone, Copy)]
enum Place {
    Owner,
    Above,
    Apex,
    Below,
    Wildcard,
    Beside,
    NextTo,
    First,
    Last,
    Arbitrary,
    Longest,
    OtherZone,
}

const PLACES: [(u32, Place); 12] = [
    (30, Place::Owner),
    (12, Place::Above),
    (8, Place::Apex),
    (10, Place::Below),
    (4, Place::Wildcard),
    (10, Place::Beside),
    (14, Place::NextTo),
    (2, Place::First),
    (2, Place::Last),
    (3, Place::Arbitrary),
    (1, Place::Longest),
    (4, Place::OtherZone),
];

/// The next query.
pub(super) fn question(draws: &mut Draws, apex: &Labels, owners: &[Labels]) -> Question {
    let mut labels = name(draws, apex, owners);
    if draws.chance(40) {
        mix_case(draws, &mut labels);
    }
    // Other opcodes, and EDNS that is wrong, are asked for in the test of RFC 8906's list.
    let flags = [0x0100, 0x0020, 0x0010, 0x0040];
    let shares = [50, 20, 20, 2];
    let flags = flags
        .iter()
        .zip(shares)
        .filter(|(_, share)| draws.chance(*share));
    Question {
        flags: flags.map(|(flag, _)| flag).sum(),
        id: draws.below(65_536) as u16,
        labels,
        record_type: draws.weighted(&TYPES),
        class: draws.weighted(&[(97, 1), (1, 3), (1, 255), (1, 4)]),
        edns: edns(draws),
    }
}

fn edns(draws: &mut Draws) -> Option<AskedEdns> {
    if draws.chance(25) {
        return None;
    }
    let sizes = [
        0, 511, 512, 513, 700, 1000, 1220, 1231, 1232, 1233, 4096, 65_535,
    ];
    let mut options = Vec::new();
    if draws.chance(8) {
        // Local use (RFC 6891 §9): no server knows it.
        options.push((65_001, vec![0xab; draws.below(20) as usize]));
    }
    Some(AskedEdns {
        payload_octets: draws.pick(&sizes).copied().unwrap_or(1232),
        version: draws.weighted(&[(98, 0), (1, 1), (1, 255)]),
        dnssec_ok: draws.chance(70),
        options,
    })
}

fn name(draws: &mut Draws, apex: &Labels, owners: &[Labels]) -> Labels {
    let owner = draws.pick(owners).cloned().unwrap_or_default();
    let mut below = match draws.weighted(&PLACES) {
        Place::OtherZone => return other_zone(draws, apex),
        Place::Owner => owner,
        Place::Above => owner.into_iter().skip(1).collect(),
        Place::Apex => Labels::new(),
        Place::Below => {
            let mut labels = owner;
            for _ in 0..=draws.below(2) {
                labels.insert(0, label(draws));
            }
            labels
        }
        Place::Wildcard => {
            let above = draws.below(2) as usize;
            let mut labels: Labels = owner.into_iter().skip(above).collect();
            labels.insert(0, b"*".to_vec());
            labels
        }
        Place::Beside => {
            let mut labels: Labels = owner.into_iter().skip(1).collect();
            labels.insert(0, label(draws));
            labels
        }
        Place::NextTo => next_to(draws, owner),
        Place::First => {
            let firsts = [&b"\0"[..], b"\0\0", b"!", b"*", b"+", b"-", b","];
            vec![draws.pick(&firsts).map_or(vec![0], |first| first.to_vec())]
        }
        Place::Last => {
            let lasts = [&b"zz\0"[..], b"zzz", b"\xff", b"{", b"~", &[0xff; 63]];
            vec![draws.pick(&lasts).map_or(vec![255], |last| last.to_vec())]
        }
        Place::Arbitrary => (0..=draws.below(4)).map(|_| label(draws)).collect(),
        Place::Longest => {
            let octets: usize = apex.iter().map(|label| label.len() + 1).sum();
            let mut left = 254 - octets;
            let mut labels = Labels::new();
            while left > 1 {
                let length = left.min(64) - 1;
                // The label that remains has at least one octet.
                let length = if left - length - 1 == 1 {
                    length - 1
                } else {
                    length
                };
                labels.push(vec![b'a' + draws.below(26) as u8; length]);
                left -= length + 1;
            }
            labels
        }
    };
    below.extend(apex.iter().cloned());
    if wire_octets(&below) > 255 {
        return apex.clone();
    }
    below
}

/// A name that differs from one of the zone as little as possible.
fn next_to(draws: &mut Draws, mut labels: Labels) -> Labels {
    let count = labels.len() as u32;
    let Some(label) = labels.get_mut(draws.below(count) as usize) else {
        return vec![b"\0".to_vec()];
    };
    let last = label.len() - 1;
    let at = draws.below(label.len() as u32) as usize;
    match draws.below(8) {
        0 if label.len() < 63 => label.push(0),
        1 if label.len() < 63 => label.push(b'0' + draws.below(10) as u8),
        2 if last > 0 => {
            label.pop();
        }
        3 => label[last] = label[last].wrapping_add(1),
        4 => label[last] = label[last].wrapping_sub(1),
        5 => label[at] = b'0' + draws.below(10) as u8,
        6 => label[at] = draws.below(256) as u8,
        // A dot inside a label is not a boundary.
        7 if count > 1 && labels[0].len() + labels[1].len() < 63 => {
            let second = labels.remove(1);
            labels[0].push(b'.');
            labels[0].extend(second);
        }
        _ => labels.insert(0, vec![0]),
    }
    labels
}

fn label(draws: &mut Draws) -> Vec<u8> {
    let known = [
        &b"0"[..],
        b"1",
        b"01",
        b"2",
        b"10",
        b"9999",
        b"10000",
        b"a",
        b"*",
        b"_tcp",
    ];
    if draws.chance(60) {
        return draws
            .pick(&known)
            .map_or(vec![b'1'], |label| label.to_vec());
    }
    let digits_only = draws.chance(50);
    let longest = if draws.chance(10) { 63 } else { 32 };
    let length = 1 + draws.below(longest);
    let octet = |draws: &mut Draws| match digits_only {
        true => b'0' + draws.below(10) as u8,
        false => draws.below(256) as u8,
    };
    (0..length).map(|_| octet(draws)).collect()
}

fn other_zone(draws: &mut Draws, apex: &Labels) -> Labels {
    let mut labels = apex.clone();
    match draws.below(5) {
        0 => labels.clear(),
        1 => {
            labels.remove(0);
        }
        2 => labels[0].push(b'x'),
        3 => labels.push(b"org".to_vec()),
        _ => labels = vec![label(draws), b"com".to_vec()],
    }
    labels
}

/// Draws the case of every letter anew.
fn mix_case(draws: &mut Draws, labels: &mut Labels) {
    for octet in labels.iter_mut().flatten() {
        if draws.chance(50) {
            octet.make_ascii_uppercase();
        }
    }
}

fn wire_octets(labels: &Labels) -> usize {
    labels.iter().map(|label| label.len() + 1).sum::<usize>() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_query_is_well_formed_and_all_kinds_occur() {
        let labels =
            |text: &str| -> Labels { text.split('.').map(|l| l.as_bytes().to_vec()).collect() };
        let apex = labels("iotregistry.example");
        let owners = [
            labels("1.8912230200031010008f"),
            labels("_853._tcp.ns1"),
            Labels::new(),
        ];
        let mut draws = Draws::seeded(5, 0);
        let (mut types, mut longest) = (BTreeSet::new(), 0);
        for _ in 0..20_000 {
            let question = question(&mut draws, &apex, &owners);
            assert!(
                question
                    .labels
                    .iter()
                    .all(|label| (1..=63).contains(&label.len()))
            );
            let octets = question.name().len();
            assert!(octets <= 255, "{question}");
            longest = longest.max(octets);
            types.insert(question.record_type);
        }
        assert_eq!((types.len(), longest), (TYPES.len(), 255));
    }
}
