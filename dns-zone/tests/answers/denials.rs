//! Names and types that do not exist, and names that exist without records.

use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{RData, Record, RecordType};

use crate::asking::*;
use crate::fixture::{self, Zone, eid, iccid};

/// Owner and types of each NSEC in a section.
pub(crate) fn nsecs(records: &[Record]) -> Vec<(String, String, Vec<RecordType>)> {
    records
        .iter()
        .filter_map(|record| match &record.data {
            RData::DNSSEC(DNSSECRData::NSEC(nsec)) => Some((
                record.name.to_string(),
                nsec.next_domain_name().to_string(),
                nsec.type_bit_maps().collect(),
            )),
            _ => None,
        })
        .collect()
}

/// Asks with and without DNSSEC and checks what every negative answer has in common.
pub(crate) fn negative(zone: &Zone, name: &str, record_type: u16, code: ResponseCode) -> Message {
    let question = Ask::new(name, record_type);
    let signed = ask(zone, &question);
    assert_eq!(signed.metadata.response_code, code, "{name}");
    assert!(signed.metadata.authoritative && signed.answers.is_empty());
    assert_eq!(signed.authorities[0].record_type(), RecordType::SOA);
    for record in &signed.authorities {
        // Fleet: TTL 300, negative TTL 60.
        assert_eq!(record.ttl, 60, "{} {}", record.name, record.record_type());
    }
    let soa_ttl = rrsigs(&signed.authorities)[0].input().original_ttl;
    assert_eq!(soa_ttl, 300, "the SOA itself is signed with its own TTL");
    verify_section(zone, &signed.authorities);
    let plain = ask(zone, &question.plain());
    assert_eq!(plain.metadata.response_code, code);
    assert_eq!(types(&plain.authorities), [RecordType::SOA]);
    signed
}

#[test]
fn types_that_are_not_there_are_denied_by_the_name_itself() {
    let zone = devices();
    for (name, record_type, expected) in [
        (name("1", iccid()), TYPE_TXT, "CERT RRSIG NSEC TLSA"),
        (name("2", eid(7)), TYPE_CERT, "TXT RRSIG NSEC"),
        (name("2", eid(7)), TYPE_TLSA, "TXT RRSIG NSEC"),
        (under_apex("ns1"), 16, "A AAAA RRSIG NSEC"),
        // The parent side is not ours.
        (
            fixture::APEX.into(),
            43,
            "NS SOA TXT RRSIG NSEC DNSKEY CDS CDNSKEY CAA",
        ),
        (name("1", iccid()), 65_535, "CERT RRSIG NSEC TLSA"),
        (name("1", iccid()), 254, "CERT RRSIG NSEC TLSA"),
    ] {
        let message = negative(&zone, &name, record_type, ResponseCode::NoError);
        let [(owner, _, types)] = &nsecs(&message.authorities)[..] else {
            panic!("one NSEC");
        };
        assert_eq!(owner, &format!("{name}."));
        let types: Vec<String> = types.iter().map(ToString::to_string).collect();
        assert_eq!(types.join(" "), expected, "{name}");
    }
}

#[test]
fn an_empty_non_terminal_exists_without_records() {
    let zone = devices();
    let message = negative(
        &zone,
        &under_apex(&eid(7).to_string()),
        TYPE_CERT,
        ResponseCode::NoError,
    );
    let [(owner, next, _)] = &nsecs(&message.authorities)[..] else {
        panic!("one NSEC")
    };
    assert_eq!(
        next,
        &format!("{}.", name("1", eid(7))),
        "the next name is below"
    );
    assert!(fqdn(owner) < fqdn(&under_apex(&eid(7).to_string())));
    // The same for the names between a static record and the apex.
    for static_name in ["_tcp.ns1", "api"] {
        let message = negative(&zone, &under_apex(static_name), 1, ResponseCode::NoError);
        assert_eq!(nsecs(&message.authorities).len(), 1);
    }
}

#[test]
fn names_that_are_not_there_are_denied_with_their_wildcard() {
    let zone = devices();
    let long = format!("{}.{}", "x".repeat(63), fixture::APEX);
    let cases = [
        // An unknown device, a slot never used, a name below a leaf, before the first, after the last.
        (name("1", eid(8)), fixture::APEX.to_owned()),
        (name("3", eid(7)), under_apex(&eid(7).to_string())),
        (name("x.1", eid(7)), name("1", eid(7))),
        (name("a.b.c.1", iccid()), name("1", iccid())),
        (under_apex("0"), fixture::APEX.to_owned()),
        (under_apex("zzz"), fixture::APEX.to_owned()),
        (under_apex("*"), fixture::APEX.to_owned()),
        (under_apex("nothing.api"), under_apex("api")),
        (long, fixture::APEX.to_owned()),
    ];
    for (name, encloser) in cases {
        for record_type in [TYPE_CERT, TYPE_NSEC, 46, 48, 43, 255] {
            let message = negative(&zone, &name, record_type, ResponseCode::NXDomain);
            let proofs = nsecs(&message.authorities);
            assert!(
                (1..=2).contains(&proofs.len()),
                "{name}: minimal and without duplicates"
            );
            for denied in [name.clone(), format!("*.{encloser}")] {
                let denied = fqdn(&denied);
                let covers = |(owner, next, _): &&(String, String, Vec<RecordType>)| {
                    let owner = fqdn(owner);
                    let next = fqdn(next);
                    let after = denied < next || next == fqdn(fixture::APEX);
                    owner < denied && after
                };
                let covering = proofs.iter().filter(covers).count();
                assert_eq!(
                    covering, 1,
                    "{denied} is covered once for {name}: {proofs:?}"
                );
            }
        }
    }
}

#[test]
fn a_dot_inside_a_label_is_another_name() {
    let zone = devices();
    let mut question = Ask::new(fixture::APEX, TYPE_CERT);
    question
        .labels
        .insert(0, format!("1.{}", iccid()).into_bytes());
    assert_eq!(
        ask(&zone, &question).metadata.response_code,
        ResponseCode::NXDomain
    );
    for octets in [&b"\0"[..], b"\xff", b"\x01\x00\x02"] {
        question.labels[0] = octets.to_vec();
        assert_eq!(
            ask(&zone, &question).metadata.response_code,
            ResponseCode::NXDomain
        );
    }
    // A label that looks like the apex by its octets alone.
    question.labels = vec![b"iotregistry.example".to_vec()];
    assert_eq!(
        ask(&zone, &question).metadata.response_code,
        ResponseCode::Refused
    );
}
