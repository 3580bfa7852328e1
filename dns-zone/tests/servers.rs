//! The listeners, asked by programs of others.

#![allow(clippy::unwrap_used, reason = "tests")]

mod fixture;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fixture::{Zone, active, apex, eid, entry, iccid, judge, system_now};
use hickory_proto::op::Message;
use iot_dns_zone::net::{Listeners, Options, ServeError, Server, UdpCounters, serve, serve_with};
use iot_dns_zone::{Answering, Change, Disposition, Patience, Profile, Transport, answer};
use iot_identity::Publication;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

fn devices() -> Zone {
    let entries = vec![
        entry(iccid(), 1, active(1)),
        entry(eid(7), 1, active(2)),
        entry(eid(7), 2, Publication::Inactive),
    ];
    fixture::zone_at(Profile::Standard, entries, system_now())
}

/// Certificate and key of a server, made by openssl.
fn tls(dir: &Path) -> Option<Arc<ServerConfig>> {
    let (key, cert) = (dir.join("tls.key"), dir.join("tls.crt"));
    let made = judge(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=dns.test",
            "-addext",
            "subjectAltName=DNS:dns.test",
            "-keyout",
            key.to_str().unwrap(),
            "-out",
            cert.to_str().unwrap(),
        ],
    )?;
    assert!(made.status.success());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(cert).unwrap()],
            PrivateKeyDer::from_pem_file(key).unwrap(),
        )
        .unwrap();
    Some(Arc::new(config))
}

fn any_port() -> Vec<SocketAddr> {
    vec!["127.0.0.1:0".parse().unwrap()]
}

async fn start(zone: &Zone, tls: Option<Arc<ServerConfig>>) -> Server {
    let encrypted = if tls.is_some() {
        any_port()
    } else {
        Vec::new()
    };
    let listeners = Listeners {
        udp: any_port(),
        tcp: any_port(),
        dot: encrypted.clone(),
        doh: encrypted,
    };
    serve(zone.writer.reader(), &listeners, tls, system_now)
        .await
        .unwrap()
}

fn query(name: &str, record_type: u16, dnssec_ok: bool) -> Vec<u8> {
    let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(dnssec_ok)];
    for label in name.split('.') {
        query.push(label.len() as u8);
        query.extend(label.bytes());
    }
    query.push(0);
    query.extend(record_type.to_be_bytes());
    query.extend([0, 1]);
    if dnssec_ok {
        query.extend([0, 0, 41, 4, 0xd0, 0, 0, 0x80, 0, 0, 0]);
    }
    query
}

fn over_udp(address: SocketAddr, query: &[u8]) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(700)))
        .unwrap();
    socket.send_to(query, address).unwrap();
    let mut octets = vec![0; 65_535];
    let length = socket.recv(&mut octets).ok()?;
    octets.truncate(length);
    Some(octets)
}

fn over_tcp(address: SocketAddr, query: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    stream
        .write_all(&(query.len() as u16).to_be_bytes())
        .unwrap();
    stream.write_all(query).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut octets).unwrap();
    octets
}

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

#[tokio::test(flavor = "multi_thread")]
async fn threads_are_as_many_as_asked_for_and_end_with_the_server() {
    let zone = devices();
    let listeners = Listeners {
        udp: vec!["0.0.0.0:0".parse().unwrap(), "[::1]:0".parse().unwrap()],
        ..Listeners::default()
    };
    let options = Options {
        threads: NonZero::new(3),
        ..Options::default()
    };
    let reader = zone.writer.reader();
    let serving = serve_with(reader, &listeners, None, system_now, options).await;
    let server = serving.unwrap();
    assert_eq!(server.udp_counters().len(), 3);
    let port = server.bound().udp[0].port();
    let good = query("iotregistry.example", 6, false);
    assert!(over_udp(SocketAddr::from(([127, 0, 0, 1], port)), &good).is_some());
    let ended = server.ended();
    server.shutdown().await.unwrap();
    assert_eq!(ended.await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_free_again_after_shutdown_and_not_before() {
    let zone = devices();
    let server = start(&zone, None).await;
    let listeners = Listeners {
        udp: server.bound().udp.clone(),
        ..Listeners::default()
    };
    let reader = zone.writer.reader();
    let error = serve(reader.clone(), &listeners, None, system_now)
        .await
        .err();
    let transport = match error {
        Some(ServeError::Bind { transport, .. }) => transport,
        _ => "none",
    };
    assert_eq!(transport, "udp");
    server.shutdown().await.unwrap();
    let again = serve(reader, &listeners, None, system_now).await.unwrap();
    let good = query("iotregistry.example", 6, false);
    assert!(over_udp(again.bound().udp[0], &good).is_some());
    again.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_answered_at_once() {
    let mut zone = devices();
    let server = start(&zone, None).await;
    let query = query(&format!("1.{}.iotregistry.example", iccid()), 52, true);
    let count = |octets: Vec<u8>| Message::from_vec(&octets).unwrap().answers.len();
    assert_eq!(count(over_udp(server.bound().udp[0], &query).unwrap()), 2);
    let change = Change {
        device_id: iccid(),
        slot: fixture::slot(1),
        publication: Publication::Inactive,
    };
    zone.writer.apply(&[change], 1, system_now()).unwrap();
    assert_eq!(count(over_udp(server.bound().udp[0], &query).unwrap()), 0);
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn kdig_is_answered_over_every_transport() {
    let zone = devices();
    let Some(tls) = tls(zone.dir.path()) else {
        return;
    };
    let server = start(&zone, Some(tls)).await;
    let bound = server.bound().clone();
    let ca = format!("+tls-ca={}", zone.dir.path().join("tls.crt").display());
    let name = format!("1.{}.iotregistry.example", iccid());
    let expected = fixture::fingerprint(1).to_string().to_uppercase();
    for (address, options) in [
        (bound.udp[0], vec!["+notcp", "+ignore"]),
        (bound.tcp[0], vec!["+tcp"]),
        (bound.dot[0], vec!["+tls", &ca, "+tls-hostname=dns.test"]),
        (bound.doh[0], vec!["+https", &ca, "+tls-hostname=dns.test"]),
    ] {
        let port = address.port().to_string();
        let mut arguments = vec!["@127.0.0.1", "-p", &port, "+dnssec", "+retry=0"];
        arguments.extend(options.iter().copied());
        arguments.extend([name.as_str(), "TLSA"]);
        let output = judge("kdig", &arguments).expect("openssl was there, so nothing is skipped");
        let text = String::from_utf8_lossy(&output.stdout).to_uppercase();
        assert!(output.status.success(), "{options:?}: {text}");
        assert!(text.contains("STATUS: NOERROR"), "{options:?}: {text}");
        assert!(text.contains("FLAGS: QR AA RD"), "{options:?}: {text}");
        let record = text.split_whitespace().collect::<String>();
        assert!(
            record.contains(&format!("TLSA301{expected}")),
            "{options:?}: {text}"
        );
    }
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn delv_validates_presence_inactivity_and_absence() {
    let zone = devices();
    let server = start(&zone, None).await;
    let port = server.bound().udp[0].port();
    // delv asks over TCP too when an answer is truncated, on the same port number; ours are not.
    let anchor = zone.dir.path().join("anchor.conf");
    let ds = zone.writer.keys().ds_presentation(&apex());
    let fields: Vec<&str> = ds.split(' ').collect();
    let text = format!(
        "trust-anchors {{ {} static-ds {} {} {} \"{}\"; }};\n",
        fields[0], fields[3], fields[4], fields[5], fields[6]
    );
    fs::write(&anchor, text).unwrap();
    let (port, anchor) = (port.to_string(), anchor.display().to_string());
    for (name, record_type, expected) in [
        (format!("1.{}", iccid()), "TLSA", "; fully validated"),
        (format!("1.{}", iccid()), "CERT", "; fully validated"),
        (
            format!("2.{}", eid(7)),
            "TLSA",
            "; negative response, fully validated",
        ),
        (
            format!("{}", eid(7)),
            "TLSA",
            "; negative response, fully validated",
        ),
        (
            format!("1.{}", eid(8)),
            "TLSA",
            "; negative response, fully validated",
        ),
        (
            format!("3.{}", eid(7)),
            "TLSA",
            "; negative response, fully validated",
        ),
        ("_853._tcp.ns1".to_owned(), "TLSA", "; fully validated"),
    ] {
        let name = format!("{name}.iotregistry.example");
        let arguments = [
            "@127.0.0.1",
            "-p",
            &port,
            "-a",
            &anchor,
            "+root=iotregistry.example",
            name.as_str(),
            record_type,
        ];
        let Some(output) = judge("delv", &arguments) else {
            return;
        };
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(text.contains(expected), "{name} {record_type}: {text}");
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn encrypted_listeners_need_a_certificate_and_addresses_must_be_free() {
    let zone = devices();
    let reader = zone.writer.reader();
    let dot = Listeners {
        dot: any_port(),
        ..Listeners::default()
    };
    let error = serve(reader.clone(), &dot, None, system_now).await.err();
    assert!(matches!(error, Some(ServeError::NoTls)));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp = Listeners {
        tcp: vec![taken.local_addr().unwrap()],
        ..Listeners::default()
    };
    let error = serve(reader, &tcp, None, system_now).await.err();
    assert!(matches!(
        error,
        Some(ServeError::Bind {
            transport: "tcp",
            ..
        })
    ));
}
