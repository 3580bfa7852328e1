//! Octets that nobody in good faith sends: always an answer within its limit, or none.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use hickory_proto::op::Message;
use iot_dns_zone::{Answering, Disposition, Patience, Profile, Transport, answer};
use iot_identity::Publication;
use proptest::prelude::*;

use crate::asking::respond;
use crate::fixture::{NOW, Zone, active, eid, entry, zone};
use crate::traps::{Fate, traps};

/// Longest time that a message may take; ten times that without optimisation.
const ANSWER_TIME_MAX: Duration =
    Duration::from_millis(if cfg!(debug_assertions) { 10 } else { 1 });

static ZONE: LazyLock<Zone> = LazyLock::new(|| {
    let entries = (1..20).map(|number| entry(eid(number), 1, active(number)));
    let inactive = entry(eid(3), 2, Publication::Inactive);
    zone(Profile::Standard, entries.chain([inactive]).collect())
});

fn check(query: &[u8]) {
    let snapshot = ZONE.writer.snapshot();
    let answering = Answering {
        nsid: Some(b"server 1".as_slice().into()),
        padding: true,
        ..Answering::default()
    };
    for (transport, limit) in [
        (Transport::Datagram, 1232),
        (Transport::Stream, 65_535),
        (Transport::EncryptedStream, 65_535),
    ] {
        let mut out = vec![0xaa; 65_535];
        let patience = Patience::Wait;
        match answer(
            &snapshot, &answering, query, transport, patience, NOW, &mut out,
        ) {
            Disposition::Drop => {
                assert!(query.len() < 12 || query[2] & 0x80 != 0);
                assert!(out.iter().all(|octet| *octet == 0xaa));
            }
            Disposition::Answer(length) => {
                assert!(length <= limit);
                let out = &out[..length];
                assert_eq!(out[..2], query[..2]);
                assert_eq!(out[2] & 0xf8, 0x80 | query[2] & 0x78);
                Message::from_vec(out).expect("what we send can be read");
            }
            Disposition::Wait(name) => panic!("{name:?} was signed just now"),
        }
    }
}

fn seed() -> Vec<u8> {
    let mut query = vec![1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 1, b'1', 32];
    query.extend(eid(3).as_str().bytes());
    query.extend(b"\x0biotregistry\x07example\0\0\x34\0\x01\0\0\x29\x04\xd0\0\0\x80\0\0\0");
    query
}

#[test]
fn traps_of_other_parsers_get_formerr_or_an_answer_in_no_time() {
    for (what, query, fate) in traps() {
        check(&query);
        let code = |transport| {
            let response = respond(&ZONE, &query, transport, NOW).unwrap();
            assert_eq!(response[..2], query[..2], "{what}");
            response[3] & 0x0f
        };
        for transport in [Transport::Datagram, Transport::Stream] {
            let is_malformed = code(transport) == 1;
            assert_eq!(is_malformed, fate == Fate::Malformed, "{what}");
        }
        // The shortest of several tries: other tests run beside this one.
        let snapshot = ZONE.writer.snapshot();
        let mut out = vec![0; 65_535];
        let mut took = Duration::MAX;
        for _ in 0..20 {
            let (transport, patience) = (Transport::Stream, Patience::Refuse);
            let begin = Instant::now();
            let answering = &Answering::default();
            let _ = answer(
                &snapshot, answering, &query, transport, patience, NOW, &mut out,
            );
            took = took.min(begin.elapsed());
        }
        assert!(took <= ANSWER_TIME_MAX, "{what}: {took:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_octets_never_panic(query in prop::collection::vec(any::<u8>(), 0..600)) {
        check(&query);
    }

    #[test]
    fn damaged_queries_never_panic(
        damage in prop::collection::vec((0..100_usize, any::<u8>()), 0..6),
        cut in 0..100_usize,
        tail in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        let mut query = seed();
        for (at, octet) in damage {
            let length = query.len();
            query[at % length] = octet;
        }
        if cut < 40 {
            query.truncate(query.len() - cut);
        } else {
            query.extend(tail);
        }
        check(&query);
    }

    #[test]
    fn random_names_and_types_in_the_zone_never_panic(
        labels in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..12), 0..5),
        record_type in prop_oneof![0..300_u16, any::<u16>()],
        payload in any::<u16>(),
    ) {
        let mut query = vec![1, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
        for label in labels {
            query.push(label.len() as u8);
            query.extend(label);
        }
        query.extend(b"\x0bIOTREGISTRY\x07example\0");
        query.extend(record_type.to_be_bytes());
        query.extend(b"\0\x01\0\0\x29");
        query.extend(payload.to_be_bytes());
        query.extend(b"\0\0\x80\0\0\0");
        check(&query);
    }
}
