//! Options of EDNS that mean something here: NSID, padding, extended errors.

use hickory_proto::op::{Message, ResponseCode};
use iot_dns_zone::{Answering, Transport};

use crate::asking::*;
use crate::fixture::{self, NOW, eid, iccid};

const NSID: u16 = 3;
const COOKIE: u16 = 10;
const KEEPALIVE: u16 = 11;
const PADDING: u16 = 12;
const EXTENDED_ERROR: u16 = 15;

fn option(code: u16, octets: &[u8]) -> Vec<u8> {
    let mut option = code.to_be_bytes().to_vec();
    option.extend((octets.len() as u16).to_be_bytes());
    option.extend(octets);
    option
}

/// A query with options in an OPT record of a version.
fn query(name: &str, record_type: u16, version: u8, options: &[Vec<u8>]) -> Vec<u8> {
    let mut octets = Ask::new(name, record_type).plain().octets();
    octets[11] = 1;
    octets.extend(opt(1232, version, DNSSEC_OK, &options.concat()));
    octets
}

/// Codes and octets of the options in a response, whose OPT record is its last.
fn options(response: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let message = Message::from_vec(response).unwrap();
    let edns = message.edns.expect("EDNS is answered with EDNS");
    let number = |at: usize| u16::from_be_bytes([response[at], response[at + 1]]);
    // Backwards from the end: the RDATA of OPT is as long as its options.
    let lengths = (0..response.len() - 11).find(|length| {
        let at = response.len() - length - 11;
        response[at..at + 3] == [0, 0, 41]
            && number(at + 3) == edns.max_payload()
            && usize::from(number(at + 9)) == *length
    });
    let mut rest = &response[response.len() - lengths.expect("OPT is the last record")..];
    let mut found = Vec::new();
    while let [high, low, length_high, length_low, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
        found.push((u16::from_be_bytes([*high, *low]), after[..length].to_vec()));
        rest = &after[length..];
    }
    assert!(rest.is_empty());
    found
}

#[test]
fn nsid_is_told_to_those_who_ask() {
    let zone = devices();
    let named = Answering {
        nsid: Some(b"ns1.a".as_slice().into()),
        padding: false,
        ..Answering::default()
    };
    let cases = [
        (name("1", iccid()), vec![(NSID, b"ns1.a".to_vec())]),
        (name("1", eid(8)), vec![(NSID, b"ns1.a".to_vec())]),
        (
            "example.org".to_owned(),
            vec![(NSID, b"ns1.a".to_vec()), (EXTENDED_ERROR, vec![0, 20])],
        ),
    ];
    for (name, expected) in cases {
        for asked in [vec![option(NSID, b"")], vec![option(NSID, b"x"); 3]] {
            let query = query(&name, TYPE_TLSA, 0, &asked);
            let response = respond_as(&zone, &named, &query, Transport::Datagram, NOW).unwrap();
            assert_eq!(options(&response), expected, "{name}");
        }
        let silent = query(&name, TYPE_TLSA, 0, &[option(COOKIE, b"12345678")]);
        let response = respond_as(&zone, &named, &silent, Transport::Datagram, NOW).unwrap();
        assert!(options(&response).iter().all(|(code, _)| *code != NSID));
        let asked = query(&name, TYPE_TLSA, 0, &[option(NSID, b"")]);
        let response = respond(&zone, &asked, Transport::Datagram, NOW).unwrap();
        assert!(options(&response).iter().all(|(code, _)| *code != NSID));
    }
    // Nobody knows what the option means in another version.
    let later = query(fixture::APEX, 6, 1, &[option(NSID, b"")]);
    let response = respond_as(&zone, &named, &later, Transport::Datagram, NOW).unwrap();
    assert_eq!(options(&response), []);
}

#[test]
fn cookies_are_not_known_whatever_they_are() {
    let zone = devices();
    for name in [name("1", iccid()), name("1", eid(8)), "example.org".into()] {
        let without = query(&name, TYPE_TLSA, 0, &[]);
        let expected = respond(&zone, &without, Transport::Datagram, NOW).unwrap();
        // A client's part is 8 octets, a server's 8 to 32 (RFC 7873 §4); these are of others.
        for length in [0, 1, 7, 8, 9, 15, 16, 24, 40, 41, 400] {
            for times in [1, 2] {
                let cookies = vec![option(COOKIE, &vec![0x5a; length]); times];
                let asked = query(&name, TYPE_TLSA, 0, &cookies);
                let response = respond(&zone, &asked, Transport::Datagram, NOW).unwrap();
                assert_eq!(response, expected, "{length} octets");
            }
        }
    }
}

#[test]
fn an_identifier_never_breaks_the_limit() {
    let zone = devices();
    for length in [0, 100, 300, 480, 500, 1200, 65_535] {
        let answering = Answering {
            nsid: Some(vec![7; length].into()),
            padding: false,
            ..Answering::default()
        };
        for payload in [512, 1232] {
            let mut octets = Ask::new(&name("1", iccid()), TYPE_TLSA).plain().octets();
            octets[11] = 1;
            octets.extend(opt(payload, 0, DNSSEC_OK, &option(NSID, b"")));
            for transport in [Transport::Datagram, Transport::Stream] {
                let response = respond_as(&zone, &answering, &octets, transport, NOW).unwrap();
                let limit = match transport {
                    Transport::Datagram => usize::from(payload),
                    _ => 65_535,
                };
                assert!(response.len() <= limit, "{} in {limit}", response.len());
                let message = Message::from_vec(&response).unwrap();
                assert!(message.metadata.truncation || message.answers.len() == 2);
            }
        }
    }
}

#[test]
fn answers_of_the_exact_size_are_not_truncated() {
    let zone = devices();
    let names = [name("1", iccid()), name("1", eid(8)), name("2", eid(7))];
    let mut exact = 0;
    for name in &names {
        for record_type in [TYPE_TLSA, TYPE_CERT, TYPE_NSEC] {
            let mut question = Ask::new(name, record_type);
            let query = question.octets();
            let whole = respond(&zone, &query, Transport::Stream, NOW)
                .unwrap()
                .len();
            for (payload, truncated) in [(whole, false), (whole - 1, true)] {
                if payload < 512 {
                    continue;
                }
                question.edns = Some((payload as u16, DNSSEC_OK));
                let octets = question.octets();
                let response = respond(&zone, &octets, Transport::Datagram, NOW).unwrap();
                let message = Message::from_vec(&response).unwrap();
                assert_eq!(
                    message.metadata.truncation, truncated,
                    "{name} in {payload}"
                );
                exact += 1;
            }
        }
    }
    assert!(exact > 4, "some answers are longer than 512 octets");
}

#[test]
fn padded_queries_get_whole_blocks_where_that_is_encrypted() {
    let zone = devices();
    let padding = Answering {
        nsid: Some(b"ns1".as_slice().into()),
        padding: true,
        ..Answering::default()
    };
    let names = [
        name("1", iccid()),
        name("1", eid(8)),
        "example.org".to_owned(),
    ];
    for name in &names {
        for others in [vec![], vec![option(NSID, b"")]] {
            let padded = [others, vec![option(PADDING, &[0; 30])]].concat();
            let query = query(name, TYPE_TLSA, 0, &padded);
            let encrypted = Transport::EncryptedStream;
            let response = respond_as(&zone, &padding, &query, encrypted, NOW).unwrap();
            assert_eq!(response.len() % 468, 0, "{name}");
            let last = options(&response).pop().unwrap();
            assert_eq!(last.0, PADDING);
            assert!(last.1.iter().all(|octet| *octet == 0) && last.1.len() < 468);
            for (answering, transport) in [
                (&padding, Transport::Stream),
                (&padding, Transport::Datagram),
                (&Answering::default(), encrypted),
            ] {
                let plain = respond_as(&zone, answering, &query, transport, NOW).unwrap();
                assert!(options(&plain).iter().all(|(code, _)| *code != PADDING));
            }
        }
        let unpadded = query(name, TYPE_TLSA, 0, &[]);
        let encrypted = Transport::EncryptedStream;
        let response = respond_as(&zone, &padding, &unpadded, encrypted, NOW).unwrap();
        assert!(options(&response).iter().all(|(code, _)| *code != PADDING));
    }
}

/// RFC 7828: in units of 100 ms, over streams, to those who ask with an empty option.
#[test]
fn idle_time_is_told_on_connections_to_those_who_ask() {
    let zone = devices();
    let open_for_10_s = Answering {
        padding: true,
        keepalive_tenths: Some(100),
        ..Answering::default()
    };
    let streams = [Transport::Stream, Transport::EncryptedStream];
    let device = name("1", iccid());
    let told = vec![(KEEPALIVE, vec![0, 100])];
    for transport in streams {
        let asked = query(&device, TYPE_TLSA, 0, &[option(KEEPALIVE, b"")]);
        let response = respond_as(&zone, &open_for_10_s, &asked, transport, NOW).unwrap();
        assert_eq!(options(&response), told);
        assert_eq!(response[3] & 0x0f, 0);
        let response = respond(&zone, &asked, transport, NOW).unwrap();
        assert_eq!(options(&response), [], "whoever has no time tells none");
        let silent = query(&device, TYPE_TLSA, 0, &[]);
        let response = respond_as(&zone, &open_for_10_s, &silent, transport, NOW).unwrap();
        assert_eq!(options(&response), []);
        let later = query(&device, TYPE_TLSA, 1, &[option(KEEPALIVE, b"")]);
        let response = respond_as(&zone, &open_for_10_s, &later, transport, NOW).unwrap();
        assert_eq!(options(&response), []);
        for time in [&b"\0\x64"[..], b"x", &[0; 300]] {
            let malformed = query(&device, TYPE_TLSA, 0, &[option(KEEPALIVE, time)]);
            let response = respond_as(&zone, &open_for_10_s, &malformed, transport, NOW).unwrap();
            let message = Message::from_vec(&response).unwrap();
            assert_eq!(message.metadata.response_code, ResponseCode::FormErr);
            assert_eq!(message.answers.len(), 0);
        }
    }
    for time in [&b""[..], b"\0\x64", b"x"] {
        let asked = query(&device, TYPE_TLSA, 0, &[option(KEEPALIVE, time)]);
        let datagram = Transport::Datagram;
        let response = respond_as(&zone, &open_for_10_s, &asked, datagram, NOW).unwrap();
        assert_eq!((options(&response), response[3] & 0x0f), (vec![], 0));
    }
    let padded = [option(PADDING, b""), option(KEEPALIVE, b"")];
    let asked = query(&device, TYPE_TLSA, 0, &padded);
    let encrypted = Transport::EncryptedStream;
    let response = respond_as(&zone, &open_for_10_s, &asked, encrypted, NOW).unwrap();
    assert_eq!(
        (response.len() % 468, &options(&response)[0]),
        (0, &told[0])
    );
}

#[test]
fn a_buffer_without_room_gets_nothing_and_one_with_little_is_truncated() {
    let zone = devices();
    let snapshot = zone.writer.snapshot();
    let query = Ask::new(&name("1", iccid()), TYPE_TLSA).octets();
    let whole = respond(&zone, &query, Transport::Datagram, NOW).unwrap();
    for length in 0..=whole.len() + 1 {
        let mut out = vec![0; length];
        let disposition = iot_dns_zone::answer(
            &snapshot,
            &Answering::default(),
            &query,
            Transport::Datagram,
            iot_dns_zone::Patience::Refuse,
            NOW,
            &mut out,
        );
        match disposition {
            iot_dns_zone::Disposition::Answer(written) => {
                assert!(written <= length);
                let message = Message::from_vec(&out[..written]).unwrap();
                assert_eq!(message.metadata.truncation, length < whole.len());
            }
            iot_dns_zone::Disposition::Drop => assert!(length < query.len() + 6),
            iot_dns_zone::Disposition::Wait(_) => panic!("it was signed just now"),
        }
    }
}
