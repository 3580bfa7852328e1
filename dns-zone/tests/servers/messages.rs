//! What arrives over UDP and TCP, from short messages to junk.

use std::net::{TcpStream, UdpSocket};

use hickory_proto::op::Message;
use iot_dns_zone::net::UdpCounters;
use iot_dns_zone::{Answering, Disposition, Patience, Transport, answer};

use crate::fixture::{eid, iccid, system_now};
use crate::{devices, over_tcp, over_udp, query, start};

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_is_what_was_answered() {
    let zone = devices();
    let server = start(&zone, None).await;
    let (udp, tcp) = (server.bound().udp[0], server.bound().tcp[0]);
    let snapshot = zone.writer.snapshot();
    let device = format!("1.{}.IOTregistry.eXample", iccid()).replace("8f", "8F");
    let names = [
        device.clone(),
        format!("2.{}.iotregistry.example", eid(7)),
        format!("{}.iotregistry.example", eid(7)),
        format!("1.{}.iotregistry.example", eid(8)),
        "iotregistry.Example".to_owned(),
        "ns1.iotregistry.example".to_owned(),
        "dns.api.iotregistry.example".to_owned(),
        "example.org".to_owned(),
    ];
    for name in &names {
        for record_type in [
            1, 2, 6, 16, 37, 46, 47, 48, 52, 59, 60, 65, 128, 252, 255, 257,
        ] {
            for dnssec_ok in [false, true] {
                let query = query(name, record_type, dnssec_ok);
                for (transport, received) in [
                    (Transport::Datagram, over_udp(udp, &query).unwrap()),
                    (Transport::Stream, over_tcp(tcp, &query)),
                ] {
                    let mut ours = vec![0; 65_535];
                    let answering = Answering::default();
                    let (now, patience) = (system_now(), Patience::Refuse);
                    let disposition = answer(
                        &snapshot, &answering, &query, transport, patience, now, &mut ours,
                    );
                    let Disposition::Answer(octets) = disposition else {
                        panic!("{name} {record_type} {transport:?}: {disposition:?}");
                    };
                    assert_eq!(
                        received,
                        ours[..octets],
                        "{name} {record_type} {transport:?}"
                    );
                }
            }
        }
    }
    server.shutdown().await.unwrap();
    assert!(
        over_udp(udp, &query(&device, 52, true)).is_none(),
        "closed after shutdown"
    );
    assert!(TcpStream::connect(tcp).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_keep_to_what_the_peer_takes() {
    let zone = devices();
    let server = start(&zone, None).await;
    let (udp, tcp) = (server.bound().udp[0], server.bound().tcp[0]);
    let mut truncated = 0;
    for name in [
        "iotregistry.example".to_owned(),
        format!("1.{}.iotregistry.example", eid(8)),
        format!("1.{}.iotregistry.example", iccid()),
    ] {
        for record_type in [48, 46, 52, 255] {
            let mut query = query(&name, record_type, true);
            let whole = Message::from_vec(&over_tcp(tcp, &query)).unwrap();
            for payload in (480..1300).step_by(23) {
                let at = query.len() - 8;
                query[at..at + 2].copy_from_slice(&u16::to_be_bytes(payload));
                let octets = over_udp(udp, &query).unwrap();
                let limit = payload.clamp(512, 1232);
                assert!(
                    octets.len() <= usize::from(limit),
                    "{} in {limit}",
                    octets.len()
                );
                let message = Message::from_vec(&octets).unwrap();
                let count = |message: &Message| message.answers.len() + message.authorities.len();
                let complete = count(&message) == count(&whole);
                assert_eq!(
                    message.metadata.truncation, !complete,
                    "{name} {record_type}"
                );
                assert_eq!(message.edns.unwrap().max_payload(), 1232);
                truncated += u32::from(!complete);
            }
        }
    }
    assert!(truncated > 10, "the sizes were chosen to truncate");
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_messages_are_dropped_or_get_formerr() {
    let zone = devices();
    let server = start(&zone, None).await;
    let udp = server.bound().udp[0];
    let good = query("iotregistry.example", 6, false);
    let with = |at: usize, octet: u8| {
        let mut query = good.clone();
        query[at] = octet;
        query
    };
    for dropped in [good[..11].to_vec(), vec![0], with(2, 0x80)] {
        assert_eq!(over_udp(udp, &dropped), None);
    }
    for (malformed, what) in [
        (with(5, 0)[..12].to_vec(), "no question"),
        (with(12, 0xc0), "a pointer in the question"),
        (with(12, 0x40), "an unknown label type"),
        (with(7, 0xff), "records that are not there"),
        ([&good[..], &[0]].concat(), "trailing octets"),
        (
            [with(11, 2), [0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0].repeat(2)].concat(),
            "two OPT",
        ),
    ] {
        let response = over_udp(udp, &malformed).unwrap_or_else(|| panic!("{what}: no answer"));
        assert_eq!(response[..2], malformed[..2], "{what}");
        assert_eq!(response[3] & 0x0f, 1, "{what}");
    }
    assert_eq!(over_udp(udp, &good).unwrap()[3] & 0x0f, 0, "still there");
    server.shutdown().await.unwrap();
}

/// Datagrams of one kind each; the second value tells whether that kind is answered.
fn junk(number: u32, good: &[u8]) -> (Vec<u8>, bool) {
    let noise = number.wrapping_mul(2_654_435_761).to_be_bytes();
    match number % 8 {
        0 => (noise.repeat(20)[..(number % 12) as usize].to_vec(), false),
        // Responses, as if we had asked.
        1 => {
            let mut response = good.to_vec();
            response[..2].copy_from_slice(&noise[..2]);
            response[2] |= 0x80;
            (response, false)
        }
        2 => ([&noise[..2], &[0x80], &noise.repeat(50)].concat(), false),
        3 => (noise.repeat(1025), false),
        4 => ([&[0, 0, 0, 0], &noise[..], &noise[..]].concat(), true),
        5 => ([&good[..12], &[0xc0, 12], &good[14..]].concat(), true),
        6 => ([&noise[..2], &[0x28], &good[3..]].concat(), true),
        _ => (
            [&good[..5], &[1], &[0xff; 6], &noise.repeat(8)].concat(),
            true,
        ),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_junk_leaves_it_answering() {
    let zone = devices();
    let server = start(&zone, None).await;
    let udp = server.bound().udp[0];
    let good = query("iotregistry.example", 6, false);
    let flood = UdpSocket::bind("127.0.0.1:0").unwrap();
    flood.connect(udp).unwrap();
    for number in 0..100_000 {
        // Lost or not, it has to be survived.
        let _ = flood.send(&junk(number, &good).0);
    }
    let answered = (0..20).find_map(|_| over_udp(udp, &good)).unwrap();
    assert_eq!(answered[3] & 0x0f, 0);
    let counters: UdpCounters = server.udp_counters().into_iter().sum();
    let seen = counters.answered + counters.dropped + counters.unsent;
    assert!(
        seen > 1000 && counters.dropped > 0 && counters.too_long > 0,
        "{counters:?}"
    );
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_junk_is_dropped_or_answered_with_an_error() {
    let zone = devices();
    let server = start(&zone, None).await;
    let udp = server.bound().udp[0];
    let good = query("iotregistry.example", 6, false);
    for number in 0..8 {
        let (octets, is_answered) = junk(number, &good);
        let answer = over_udp(udp, &octets);
        assert_eq!(answer.is_some(), is_answered, "kind {number}");
        if let Some(answer) = answer {
            assert_eq!(answer[..2], octets[..2], "kind {number}");
            assert!(
                answer[2] & 0x80 != 0 && answer[3] & 0x0f != 0,
                "kind {number}"
            );
            assert!(answer.len() <= octets.len(), "kind {number}");
        }
    }
    server.shutdown().await.unwrap();
}
