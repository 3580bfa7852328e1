//! Limits of datagrams.

use hickory_proto::op::Message;
use iot_dns_zone::Transport;

use crate::asking::*;
use crate::fixture::{self, NOW, eid, iccid};

#[test]
fn datagrams_are_clamped_and_truncated_between_record_sets() {
    let zone = devices();
    let mut truncated = 0;
    let names = [
        name("1", eid(8)),
        name("1", iccid()),
        fixture::APEX.to_owned(),
    ];
    for name in &names {
        for record_type in [TYPE_CERT, 48, 46, 2] {
            let mut question = Ask::new(name, record_type);
            let whole = ask(&zone, &question);
            for payload in [
                0, 1, 511, 512, 600, 700, 800, 1000, 1231, 1232, 4096, 65_535,
            ] {
                question.edns = Some((payload, DNSSEC_OK));
                let octets = respond(&zone, &question.octets(), Transport::Datagram, NOW).unwrap();
                let limit = payload.clamp(512, 1232);
                assert!(
                    octets.len() <= usize::from(limit),
                    "{} in {limit}",
                    octets.len()
                );
                let message = Message::from_vec(&octets).unwrap();
                assert!(message.edns.is_some());
                assert_eq!(message.metadata.response_code, whole.metadata.response_code);
                let complete = message.answers.len() == whole.answers.len()
                    && message.authorities.len() == whole.authorities.len();
                assert_eq!(
                    message.metadata.truncation, !complete,
                    "{name} {record_type} {payload}"
                );
                truncated += u32::from(!complete);
                if record_type != 46 {
                    verify_section(&zone, &message.answers);
                    verify_section(&zone, &message.authorities);
                }
            }
        }
    }
    assert!(truncated > 10, "the sizes were chosen to truncate");
    let mut plain = Ask::new(fixture::APEX, 48).plain();
    plain.flags = 0;
    let octets = respond(&zone, &plain.octets(), Transport::Datagram, NOW).unwrap();
    assert!(octets.len() <= 512);
}

#[test]
fn a_denial_fits_into_a_datagram() {
    let zone = devices();
    let question = Ask::new(&name("9999", eid(8)), TYPE_TLSA);
    let octets = respond(&zone, &question.octets(), Transport::Datagram, NOW).unwrap();
    assert!(octets.len() < 700, "{}", octets.len());
    assert!(!Message::from_vec(&octets).unwrap().metadata.truncation);
}

#[test]
fn whatever_may_be_compressed_is() {
    let zone = devices();
    let absent = name("1", eid(4_711_000));
    let question = Ask::new(&absent, TYPE_CERT);
    let octets = respond(&zone, &question.octets(), Transport::Datagram, NOW).unwrap();
    let records = records_of(&octets);
    let types: Vec<u16> = records.iter().map(|record| record.0).collect();
    assert_eq!(types, [6, 46, 47, 46, 47, 46, 41]);
    let signatures = records.iter().filter(|record| record.0 == 46);
    assert!(
        signatures.clone().all(|record| record.1 == 2),
        "{records:?}"
    );
    // Labels `ns1` and `host.master`, two pointers, five numbers.
    assert_eq!(records[0].2, 4 + 2 + 12 + 2 + 20);
    // A signature has its signer in full, an NSEC record its next name (RFC 4034 §3.1.7, §4.1.1).
    let apex_octets = fixture::APEX.len() + 2;
    assert!(
        signatures
            .clone()
            .all(|record| record.2 == 18 + apex_octets + 64)
    );
    assert!(
        octets
            .windows(apex_octets)
            .filter(|part| part.starts_with(b"\x0biotregistry"))
            .count()
            == 1 + 3 + 2
    );

    let question = Ask::new(fixture::APEX, 2);
    let octets = respond(&zone, &question.octets(), Transport::Datagram, NOW).unwrap();
    let name_servers = records_of(&octets);
    let lengths = name_servers.iter().filter(|record| record.0 == 2);
    let lengths: Vec<usize> = lengths.map(|record| record.2).collect();
    assert!(
        lengths.contains(&(4 + 2)) && lengths.contains(&17),
        "{lengths:?}"
    );
}

/// Type, octets of the owner and octets of RDATA of each record of a response.
fn records_of(octets: &[u8]) -> Vec<(u16, usize, usize)> {
    let number = |at: usize| u16::from_be_bytes([octets[at], octets[at + 1]]);
    let end_of_name = |mut at: usize| loop {
        match octets[at] {
            0 => return at + 1,
            length @ 1..=63 => at += 1 + usize::from(length),
            _ => return at + 2,
        }
    };
    let mut at = end_of_name(12) + 4;
    let mut records = Vec::new();
    while at < octets.len() {
        let end = end_of_name(at);
        let rdata_octets = usize::from(number(end + 8));
        records.push((number(end), end - at, rdata_octets));
        at = end + 10 + rdata_octets;
    }
    records
}
