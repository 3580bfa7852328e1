//! Messages that are refused or malformed, and flags.

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use iot_dns_zone::Transport;

use crate::asking::*;
use crate::fixture::{self, NOW};

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
        // CD is cleared (RFC 4035 §3.1.6).
        (0x0010, 0x8400),
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
            vec![0, 0, 99, 0, 255, 0, 0, 0, 0, 0, 0],
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
fn a_signature_by_a_key_that_nobody_knows_is_answered_with_badkey() {
    const KEY: &[u8] = b"\x03key\x07example\0";
    const ALGORITHM: &[u8] = b"\x0bhmac-sha256\0";
    let time_and_fudge = [0, 0, 0x6b, 0x49, 0xd2, 0, 1, 44];
    let tsig = |mac: &[u8], error: u16| {
        let [mac_high, mac_low] = (mac.len() as u16).to_be_bytes();
        let [error_high, error_low] = error.to_be_bytes();
        let rdata = [
            ALGORITHM,
            &time_and_fudge,
            &[mac_high, mac_low],
            mac,
            &[0xab, 0xcd, error_high, error_low, 0, 0],
        ]
        .concat();
        let head = [0, 250, 0, 255, 0, 0, 0, 0, 0, rdata.len() as u8];
        [KEY, &head, &rdata].concat()
    };
    let zone = devices();
    let with_additional = |records: &[&[u8]]| {
        let mut octets = Ask::new(fixture::APEX, 6).plain().octets();
        octets[11] = records.len() as u8;
        octets.extend(records.concat());
        octets
    };
    let edns = opt(1232, 0, DNSSEC_OK, &[]);
    let ours = opt(1232, 0, DNSSEC_OK, &[]);
    for transport in [Transport::Datagram, Transport::Stream] {
        for with_edns in [false, true] {
            let signature = tsig(&[7; 32], 0);
            let records = if with_edns {
                vec![&edns[..], &signature]
            } else {
                vec![&signature[..]]
            };
            let query = with_additional(&records);
            let response = respond(&zone, &query, transport, NOW).unwrap();
            let question = Ask::new(fixture::APEX, 6).question();
            let refusal = tsig(&[], 17);
            let expected = if with_edns {
                [&question[..], &ours, &refusal].concat()
            } else {
                [&question[..], &refusal].concat()
            };
            assert_eq!(response[3] & 0x0f, 9, "NOTAUTH");
            let counts = [0, 1, 0, 0, 0, 0, 0, 1 + u8::from(with_edns)];
            assert_eq!(response[4..12], counts);
            assert_eq!(response[12..], expected);
        }
    }
    // Where there is no room for the record, the code alone says it.
    let labels = [&[63][..], &[b'k'; 63]].concat().repeat(3);
    let name = [&labels[..], &[61], &[b'k'; 61], &[0]].concat();
    let rdata = [&name[..], &time_and_fudge, &[0; 8]].concat();
    let [high, low] = (rdata.len() as u16).to_be_bytes();
    let head = [0, 250, 0, 255, 0, 0, 0, 0, high, low];
    let query = with_additional(&[&[&name[..], &head, &rdata].concat()]);
    for (transport, records) in [(Transport::Datagram, 0), (Transport::Stream, 1)] {
        let response = respond(&zone, &query, transport, NOW).unwrap();
        assert_eq!(response[3] & 0x0f, 9, "NOTAUTH");
        assert_eq!(response[11], records);
    }
}
