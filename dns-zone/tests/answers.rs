//! Every case of an answer, with and without DNSSEC, read back by another implementation.

#![allow(clippy::unwrap_used, reason = "tests")]

mod fixture;

use fixture::{NOW, Zone, active, eid, entry, iccid, zone};
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, RRSIG};
use hickory_proto::dnssec::{DigestType, Verifier};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use iot_dns_zone::{Disposition, Profile, Transport, answer};
use iot_identity::Publication;

/// A query, as it is asked.
#[derive(Clone)]
struct Ask {
    labels: Vec<Vec<u8>>,
    record_type: u16,
    class: u16,
    flags: u16,
    /// Payload and the upper half of the TTL's lower 16 bits.
    edns: Option<(u16, u16)>,
}

const DNSSEC_OK: u16 = 0x8000;
const TYPE_CERT: u16 = 37;
const TYPE_TLSA: u16 = 52;
const TYPE_TXT: u16 = 16;
const TYPE_NSEC: u16 = 47;

impl Ask {
    fn new(name: &str, record_type: u16) -> Self {
        let labels = name.split('.').filter(|label| !label.is_empty());
        Self {
            labels: labels.map(|label| label.as_bytes().to_vec()).collect(),
            record_type,
            class: 1,
            flags: 0x0100,
            edns: Some((1232, DNSSEC_OK)),
        }
    }

    fn plain(mut self) -> Self {
        self.edns = None;
        self
    }

    fn question(&self) -> Vec<u8> {
        let mut octets = Vec::new();
        for label in &self.labels {
            octets.push(label.len() as u8);
            octets.extend(label);
        }
        octets.push(0);
        octets.extend(self.record_type.to_be_bytes());
        octets.extend(self.class.to_be_bytes());
        octets
    }

    fn octets(&self) -> Vec<u8> {
        let mut octets = 0xbeef_u16.to_be_bytes().to_vec();
        octets.extend(self.flags.to_be_bytes());
        octets.extend([0, 1, 0, 0, 0, 0, 0, u8::from(self.edns.is_some())]);
        octets.extend(self.question());
        if let Some((payload, flags)) = self.edns {
            octets.extend(opt(payload, 0, flags, &[]));
        }
        octets
    }
}

fn opt(payload: u16, version: u8, flags: u16, options: &[u8]) -> Vec<u8> {
    let mut octets = vec![0, 0, 41];
    octets.extend(payload.to_be_bytes());
    octets.extend([0, version]);
    octets.extend(flags.to_be_bytes());
    octets.extend((options.len() as u16).to_be_bytes());
    octets.extend(options);
    octets
}

fn respond(zone: &Zone, octets: &[u8], transport: Transport, now: u64) -> Option<Vec<u8>> {
    let mut out = vec![0xaa; 7];
    match answer(&zone.writer.snapshot(), octets, transport, now, &mut out) {
        Disposition::Answer => Some(out),
        Disposition::Drop => None,
    }
}

fn ask(zone: &Zone, ask: &Ask) -> Message {
    let octets = respond(zone, &ask.octets(), Transport::Stream, NOW).unwrap();
    let question = ask.question();
    assert_eq!(
        octets[12..12 + question.len()],
        question,
        "the question is repeated as it came"
    );
    let message = Message::from_vec(&octets).unwrap();
    assert_eq!(message.metadata.id, 0xbeef);
    assert!(message.metadata.recursion_desired && !message.metadata.recursion_available);
    assert!(!message.metadata.authentic_data, "AD is for validators");
    assert_eq!(message.edns.is_some(), ask.edns.is_some());
    if let (Some(edns), Some((_, flags))) = (&message.edns, ask.edns) {
        assert_eq!(edns.max_payload(), 1232);
        assert_eq!(edns.flags().dnssec_ok, flags & DNSSEC_OK != 0);
    }
    message
}

/// The zone of the tests: two devices with one and two slots, around the static names.
fn devices() -> Zone {
    let inactive = entry(eid(7), 2, Publication::Inactive);
    let actives = [entry(iccid(), 1, active(1)), entry(eid(7), 1, active(2))];
    zone(Profile::Fleet, [actives.to_vec(), vec![inactive]].concat())
}

fn name(slot: &str, device: iot_identity::DeviceId) -> String {
    format!("{slot}.{device}.{}", fixture::APEX)
}

fn under_apex(name: &str) -> String {
    format!("{name}.{}", fixture::APEX)
}

fn fqdn(name: &str) -> Name {
    let mut name = Name::from_ascii(name).unwrap();
    name.set_fqdn(true);
    name
}

fn types(records: &[Record]) -> Vec<RecordType> {
    records.iter().map(Record::record_type).collect()
}

fn rrsigs(records: &[Record]) -> Vec<&RRSIG> {
    let data = records.iter().map(|record| &record.data);
    data.filter_map(|data| match data {
        RData::DNSSEC(DNSSECRData::RRSIG(rrsig)) => Some(rrsig),
        _ => None,
    })
    .collect()
}

/// Verifies every signature of a section with the zone's keys, by hickory's arithmetic.
fn verify_section(zone: &Zone, records: &[Record]) {
    let keys = ask(zone, &Ask::new(fixture::APEX, 48)).answers;
    let keys: Vec<&DNSKEY> = keys
        .iter()
        .filter_map(|record| match &record.data {
            RData::DNSSEC(DNSSECRData::DNSKEY(key)) => Some(key),
            _ => None,
        })
        .collect();
    assert_eq!(keys.len(), 2);
    for signature in records {
        let RData::DNSSEC(DNSSECRData::RRSIG(rrsig)) = &signature.data else {
            continue;
        };
        let input = rrsig.input();
        let covered = records.iter().filter(|record| {
            record.name == signature.name && record.record_type() == input.type_covered
        });
        let key = keys
            .iter()
            .find(|key| key.calculate_key_tag().unwrap() == input.key_tag);
        key.expect("signed by a published key")
            .verify_rrsig(&signature.name, DNSClass::IN, rrsig, covered)
            .unwrap_or_else(|error| panic!("{}: {error}", signature.name));
    }
    let unsigned: Vec<_> = records
        .iter()
        .filter(|record| record.record_type() != RecordType::RRSIG)
        .filter(|record| {
            !records.iter().any(|other| {
                other.name == record.name
                    && matches!(&other.data, RData::DNSSEC(DNSSECRData::RRSIG(rrsig))
                        if rrsig.input().type_covered == record.record_type())
            })
        })
        .collect();
    assert_eq!(
        unsigned,
        Vec::<&Record>::new(),
        "every RRset comes with its signature"
    );
}

#[test]
fn records_that_exist_are_answered_with_their_signature() {
    let zone = devices();
    for (name, record_type, count) in [
        (name("1", iccid()), TYPE_CERT, 1),
        (name("1", iccid()), TYPE_TLSA, 1),
        (name("2", eid(7)), TYPE_TXT, 1),
        (name("1", eid(7)), TYPE_NSEC, 1),
        (fixture::APEX.into(), 6, 1),
        (fixture::APEX.into(), 2, 2),
        (fixture::APEX.into(), 48, 2),
        (fixture::APEX.into(), 59, 1),
        (fixture::APEX.into(), 60, 1),
        (fixture::APEX.into(), 257, 1),
        (fixture::APEX.into(), TYPE_NSEC, 1),
        (under_apex("ns1"), 1, 1),
        (under_apex("_853._tcp.ns1"), TYPE_TLSA, 1),
        (under_apex("dns.api"), 65, 1),
    ] {
        let question = Ask::new(&name, record_type);
        let signed = ask(&zone, &question);
        assert_eq!(
            signed.metadata.response_code,
            ResponseCode::NoError,
            "{name}"
        );
        assert!(signed.metadata.authoritative);
        assert_eq!(signed.answers.len(), count + 1, "{name} {record_type}");
        assert_eq!(rrsigs(&signed.answers).len(), 1);
        assert!(signed.authorities.is_empty());
        verify_section(&zone, &signed.answers);
        let plain = ask(&zone, &question.plain());
        assert_eq!(
            plain.answers.len(),
            count,
            "{name} {record_type} without DNSSEC"
        );
        assert_eq!(rrsigs(&plain.answers).len(), 0);
    }
}

#[test]
fn the_fingerprint_is_in_cert_and_tlsa() {
    let zone = devices();
    let expected = *fixture::fingerprint(1).as_octets();
    let cert = ask(&zone, &Ask::new(&name("1", iccid()), TYPE_CERT));
    let RData::CERT(cert) = &cert.answers[0].data else {
        panic!("no CERT")
    };
    assert_eq!(cert.cert_data, expected);
    let tlsa = ask(&zone, &Ask::new(&name("1", iccid()), TYPE_TLSA));
    let RData::TLSA(tlsa) = &tlsa.answers[0].data else {
        panic!("no TLSA")
    };
    assert_eq!(tlsa.cert_data, expected);
    assert_eq!(tlsa_numbers(tlsa), (3, 0, 1));
}

fn tlsa_numbers(tlsa: &hickory_proto::rr::rdata::TLSA) -> (u8, u8, u8) {
    (
        tlsa.cert_usage.into(),
        tlsa.selector.into(),
        tlsa.matching.into(),
    )
}

/// Owner and types of each NSEC in a section.
fn nsecs(records: &[Record]) -> Vec<(String, String, Vec<RecordType>)> {
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
fn negative(zone: &Zone, name: &str, record_type: u16, code: ResponseCode) -> Message {
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
fn any_gets_one_record_set_and_rrsig_the_signatures() {
    let zone = devices();
    let any = ask(&zone, &Ask::new(&name("1", iccid()), 255));
    assert_eq!(types(&any.answers), [RecordType::CERT, RecordType::RRSIG]);
    let any = ask(&zone, &Ask::new(fixture::APEX, 255));
    assert_eq!(
        types(&any.answers),
        [RecordType::NS, RecordType::NS, RecordType::RRSIG]
    );
    let any = ask(&zone, &Ask::new(&name("2", eid(7)), 255).plain());
    assert_eq!(types(&any.answers), [RecordType::TXT]);
    let any = negative(
        &zone,
        &under_apex(&iccid().to_string()),
        255,
        ResponseCode::NoError,
    );
    assert_eq!(any.authorities.len(), 4);

    let signatures = ask(&zone, &Ask::new(&name("1", iccid()), 46).plain());
    let covered: Vec<String> = rrsigs(&signatures.answers)
        .iter()
        .map(|rrsig| rrsig.input().type_covered.to_string())
        .collect();
    assert_eq!(covered, ["CERT", "TLSA", "NSEC"]);
    let signatures = ask(&zone, &Ask::new(fixture::APEX, 46));
    assert_eq!(signatures.answers.len(), 8);
}

#[test]
fn case_is_kept_and_does_not_matter() {
    let zone = devices();
    let mut question = Ask::new(&name("1", iccid()), TYPE_TLSA);
    for label in &mut question.labels {
        for (index, octet) in label.iter_mut().enumerate() {
            if index % 2 == 0 {
                octet.make_ascii_uppercase();
            }
        }
    }
    assert!(question.labels.concat().contains(&b'I'));
    let message = ask(&zone, &question);
    assert_eq!(message.answers.len(), 2);
    verify_section(&zone, &message.answers);
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

#[test]
fn what_is_not_ours_is_refused_without_data() {
    let zone = devices();
    let mut cases = vec![
        (Ask::new("example", 2), ResponseCode::Refused),
        (Ask::new("", 2), ResponseCode::Refused),
        (Ask::new("xiotregistry.example", 2), ResponseCode::Refused),
        (
            Ask::new("iotregistry.example.org", 2),
            ResponseCode::Refused,
        ),
        (Ask::new(fixture::APEX, 252), ResponseCode::Refused),
        (Ask::new(fixture::APEX, 251), ResponseCode::Refused),
        (Ask::new(fixture::APEX, 0), ResponseCode::FormErr),
        (Ask::new(fixture::APEX, 41), ResponseCode::FormErr),
        (Ask::new(fixture::APEX, 128), ResponseCode::FormErr),
        (Ask::new(fixture::APEX, 249), ResponseCode::FormErr),
        (Ask::new(fixture::APEX, 250), ResponseCode::FormErr),
    ];
    for class in [0, 3, 4, 254, 255, 65_535] {
        let mut question = Ask::new(fixture::APEX, 6);
        question.class = class;
        cases.push((question, ResponseCode::Refused));
    }
    for (opcode, code) in [
        (1, ResponseCode::NotImp),
        (2, ResponseCode::NotImp),
        (3, ResponseCode::NotImp),
        (4, ResponseCode::Refused),
        (5, ResponseCode::Refused),
        (6, ResponseCode::NotImp),
        (15, ResponseCode::NotImp),
    ] {
        let mut question = Ask::new(fixture::APEX, 6);
        question.flags |= opcode << 11;
        cases.push((question, code));
    }
    for (question, code) in cases {
        let octets = respond(&zone, &question.octets(), Transport::Datagram, NOW).unwrap();
        assert_eq!(
            octets[2] & 0x78,
            (question.flags >> 8) as u8 & 0x78,
            "opcode is repeated"
        );
        let asked = question.question();
        assert_eq!(octets[12..12 + asked.len()], asked);
        // The response is read octet by octet: hickory has no name for some opcodes.
        assert_eq!(
            u16::from(octets[3] & 0x0f),
            u16::from(code),
            "{:?}",
            question.labels
        );
        assert_eq!(octets[2] & 0x04, 0, "not authoritative");
        assert_eq!(octets[6..12], [0, 0, 0, 0, 0, 1]);
    }
    let outside = ask(&zone, &Ask::new("example.org", 1));
    let options = outside.edns.unwrap();
    let reasons: Vec<_> = options.options().as_ref().iter().collect();
    assert!(matches!(&reasons[..], [(_, EdnsOption::Unknown(15, code))] if code == &[0, 20]));
}

#[test]
fn flags_are_those_of_the_rfcs() {
    let zone = devices();
    for (sent, expected) in [
        (0x0000, 0x8400_u16),
        (0x0100, 0x8500),
        (0x0010, 0x8410),
        // AD, Z, RA, AA and TC of a query mean nothing here.
        (0x0020, 0x8400),
        (0x0040, 0x8400),
        (0x06c0, 0x8400),
    ] {
        let mut question = Ask::new(fixture::APEX, 6);
        question.flags = sent;
        let octets = respond(&zone, &question.octets(), Transport::Stream, NOW).unwrap();
        assert_eq!(octets[2..4], expected.to_be_bytes(), "{sent:#06x}");
    }
}

#[test]
fn malformed_messages_get_formerr_or_nothing() {
    let zone = devices();
    let good = Ask::new(fixture::APEX, 6).plain().octets();
    let code = |octets: &[u8]| {
        let response = respond(&zone, octets, Transport::Datagram, NOW)?;
        assert_eq!(response[..2], octets[..2], "the id is copied");
        assert_eq!(response[2] & 0x80, 0x80);
        Some(response[3] & 0x0f)
    };
    for length in 0..12 {
        assert_eq!(code(&good[..length]), None, "{length} octets");
    }
    let with = |at: usize, octet: u8| {
        let mut changed = good.clone();
        changed[at] = octet;
        changed
    };
    assert_eq!(code(&with(2, 0x80)), None, "a response is never answered");
    for (octets, what) in [
        (good[..12].to_vec(), "a question is promised and missing"),
        (with(5, 0)[..12].to_vec(), "QDCOUNT 0"),
        (with(5, 2), "QDCOUNT 2"),
        (with(4, 0xff), "QDCOUNT 65281"),
        (with(7, 1), "ANCOUNT without records"),
        (
            [&with(6, 0xff)[..], &[0; 40]].concat(),
            "ANCOUNT far beyond the message",
        ),
        (with(11, 1), "ARCOUNT without records"),
        ([&good[..], &[0]].concat(), "trailing octets"),
        (with(12, 0xc0), "a pointer in the question"),
        (with(12, 0x40), "an unknown label type"),
        (with(12, 63), "a label past the end"),
        (good[..good.len() - 1].to_vec(), "a cut class"),
        (
            [
                &good[..12],
                &[1, b'a'].repeat(127),
                &[1, b'a', 0, 0, 6, 0, 1],
            ]
            .concat(),
            "a name of 257 octets",
        ),
    ] {
        assert_eq!(code(&octets), Some(1), "{what}");
    }
    let name_of_255 = [&good[..12], &[1, b'a'].repeat(127), &[0, 0, 6, 0, 1]].concat();
    assert_eq!(
        code(&name_of_255),
        Some(5),
        "the longest name is a name, in no zone of ours"
    );

    let with_additional = |records: &[&[u8]]| {
        let mut octets = with(11, records.len() as u8);
        octets.extend(records.concat());
        octets
    };
    let plain = opt(1232, 0, 0, &[]);
    let elsewhere = [&[1, b'x'][..], &plain].concat();
    for (records, what) in [
        (vec![&plain[..], &plain], "two OPT"),
        (vec![&elsewhere[..]], "OPT below the root"),
        (
            vec![&opt(1232, 0, 0, &[0, 3, 0, 1])[..]],
            "an option past its OPT",
        ),
        (vec![&opt(1232, 0, 0, &[0, 3, 0])[..]], "half an option"),
        (
            vec![&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0][..]],
            "a pointer as owner",
        ),
    ] {
        assert_eq!(code(&with_additional(&records)), Some(1), "{what}");
    }
    let many: Vec<u8> = [0, 3, 0, 0].repeat(500);
    for (record, what) in [
        (opt(1232, 0, 0, &many), "500 options"),
        (
            opt(1232, 0, 0x7fff, &[0xff, 0xff, 0, 1, 7]),
            "unknown flags and options",
        ),
        (
            vec![0, 0, 250, 0, 255, 0, 0, 0, 0, 0, 0],
            "an unknown record beside the question",
        ),
    ] {
        assert_eq!(code(&with_additional(&[&record])), Some(0), "{what}");
    }
    let mut in_answer = good.clone();
    in_answer[7] = 1;
    in_answer.extend(&plain);
    assert_eq!(code(&in_answer), Some(1), "OPT in the answer section");
}

#[test]
fn a_higher_edns_version_is_refused_with_ours() {
    let zone = devices();
    let mut octets = Ask::new(fixture::APEX, 6).plain().octets();
    octets[11] = 1;
    octets.extend(opt(1232, 1, DNSSEC_OK, &[]));
    let response = respond(&zone, &octets, Transport::Datagram, NOW).unwrap();
    let message = Message::from_vec(&response).unwrap();
    // 16 is BADVERS here and BADSIG in TSIG; hickory knows it by the latter name.
    assert_eq!(u16::from(message.metadata.response_code), 16);
    assert_eq!(message.edns.unwrap().version(), 0);
    assert!(message.answers.is_empty());
}

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
    assert!(octets.len() < 800, "{}", octets.len());
    assert!(!Message::from_vec(&octets).unwrap().metadata.truncation);
}

#[test]
fn an_expired_signature_is_never_sent() {
    let zone = devices();
    let late = NOW + 6 * 3600 + 1;
    for (name, record_type) in [
        (name("1", iccid()), TYPE_CERT),
        (name("1", eid(8)), TYPE_CERT),
        (name("2", eid(7)), TYPE_CERT),
        (fixture::APEX.to_owned(), 6),
        (name("1", iccid()), 46),
        (name("1", iccid()), 255),
    ] {
        for question in [
            Ask::new(&name, record_type),
            Ask::new(&name, record_type).plain(),
        ] {
            let octets = respond(&zone, &question.octets(), Transport::Stream, late).unwrap();
            let message = Message::from_vec(&octets).unwrap();
            assert_eq!(
                message.metadata.response_code,
                ResponseCode::ServFail,
                "{name}"
            );
            assert!(message.answers.is_empty() && message.authorities.is_empty());
            if let Some(edns) = message.edns {
                let options: Vec<_> = edns.options().as_ref().iter().collect();
                assert!(
                    matches!(&options[..], [(_, EdnsOption::Unknown(15, code))] if code == &[0, 7])
                );
            }
        }
    }
    // Keys live longer, so the way to a repaired zone stays open.
    let keys = Ask::new(fixture::APEX, 48);
    let octets = respond(&zone, &keys.octets(), Transport::Stream, late).unwrap();
    assert_eq!(Message::from_vec(&octets).unwrap().answers.len(), 3);
    // At its very last second a signature is still good.
    let last = |name: &str| {
        let message = ask(&zone, &Ask::new(name, TYPE_CERT));
        rrsigs(&message.answers)[0].input().sig_expiration.get()
    };
    let name = name("1", iccid());
    for (now, count) in [(u64::from(last(&name)), 2), (u64::from(last(&name)) + 1, 0)] {
        let octets = respond(
            &zone,
            &Ask::new(&name, TYPE_CERT).octets(),
            Transport::Stream,
            now,
        );
        assert_eq!(
            Message::from_vec(&octets.unwrap()).unwrap().answers.len(),
            count
        );
    }
}

#[test]
fn the_ds_line_covers_the_published_ksk() {
    let zone = devices();
    let keys = ask(&zone, &Ask::new(fixture::APEX, 48)).answers;
    let secure_entry_point = keys.iter().find_map(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::DNSKEY(key)) if key.secure_entry_point() => Some(key),
        _ => None,
    });
    let apex = fqdn(fixture::APEX);
    let key = secure_entry_point.unwrap();
    let digest = key.to_digest(&apex, DigestType::SHA256).unwrap();
    let hexadecimal: String = digest
        .as_ref()
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    let expected = format!(
        "{}. IN DS {} 13 2 {hexadecimal}",
        fixture::APEX,
        key.calculate_key_tag().unwrap()
    );
    assert_eq!(
        zone.writer.keys().ds_presentation(&fixture::apex()),
        expected
    );
    let line = zone.writer.keys().dnskey_presentation(&fixture::apex());
    assert!(
        line.starts_with("iotregistry.example. IN DNSKEY 257 3 13 "),
        "{line}"
    );
}
