//! TCP and DNS over TLS with a real zone behind.

#![allow(clippy::unwrap_used, reason = "tests")]

mod fixture;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fixture::{Zone, active, entry, iccid, judge, system_now};
use hickory_proto::op::{Message, ResponseCode};
use iot_dns_zone::Answering;
use iot_dns_zone::Profile;
use iot_dns_zone::net::{Listeners, Options, Server, serve_with};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

async fn start(zone: &Zone) -> Server {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["dns.test".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.into()], key)
        .unwrap();
    let any_port: Vec<SocketAddr> = vec!["127.0.0.1:0".parse().unwrap()];
    let listeners = Listeners {
        tcp: any_port.clone(),
        dot: any_port.clone(),
        doh: any_port.clone(),
        udp: any_port,
    };
    let options = Options {
        answering: Answering {
            nsid: Some(b"ns1".as_slice().into()),
            padding: true,
            ..Answering::default()
        },
        ..Options::default()
    };
    let reader = zone.writer.reader();
    serve_with(reader, &listeners, Some(Arc::new(tls)), system_now, options)
        .await
        .unwrap()
}

fn devices() -> Zone {
    let entries = vec![entry(iccid(), 1, active(1))];
    fixture::zone_at(Profile::Standard, entries, system_now())
}

/// A query for the TLSA record of the device, behind its length.
fn framed_query(id: u16) -> Vec<u8> {
    let mut query = id.to_be_bytes().to_vec();
    query.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in format!("1.{}.iotregistry.example", iccid()).split('.') {
        query.push(label.len() as u8);
        query.extend(label.bytes());
    }
    query.extend([0, 0, 52, 0, 1]);
    let mut framed = u16::try_from(query.len()).unwrap().to_be_bytes().to_vec();
    framed.extend(query);
    framed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_is_answered_whole_and_the_server_ends_in_time() {
    let zone = devices();
    let server = start(&zone).await;
    let mut socket = TcpStream::connect(server.bound().tcp[0]).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let queries: Vec<u8> = (0..500).flat_map(framed_query).collect();
    let mut writer = socket.try_clone().unwrap();
    let thread = std::thread::spawn(move || writer.write_all(&queries).unwrap());
    for id in 0..500 {
        let mut length = [0; 2];
        socket.read_exact(&mut length).unwrap();
        let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
        socket.read_exact(&mut octets).unwrap();
        let message = Message::from_vec(&octets).unwrap();
        assert_eq!(message.metadata.id, id);
        assert_eq!(message.metadata.response_code, ResponseCode::NoError);
        assert_eq!(message.answers.len(), 1);
    }
    thread.join().unwrap();
    let figures = server.stream_figures();
    assert_eq!(
        (figures.queries, figures.responses, figures.open),
        (500, 500, 1)
    );
    let start = Instant::now();
    server.shutdown().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(socket.read(&mut [0]).unwrap(), 0);
}

/// RFC 8467 §4.1: blocks of 468 octets, for who pads the query, and only where it is encrypted.
#[tokio::test(flavor = "multi_thread")]
async fn encrypted_answers_are_padded_to_blocks() {
    let zone = devices();
    let server = start(&zone).await;
    let name = format!("1.{}.iotregistry.example", iccid());
    let bound = server.bound().clone();
    for (address, how, is_padded) in [
        (bound.dot[0], ["+tls", "+padding=128"], true),
        (bound.dot[0], ["+tls", "+nopadding"], false),
        (bound.tcp[0], ["+tcp", "+padding=128"], false),
        (bound.doh[0], ["+https", "+padding=128"], true),
        (bound.doh[0], ["+https", "+nopadding"], false),
    ] {
        let port = address.port().to_string();
        for (name, record_type) in [
            (name.as_str(), "TLSA"),
            ("x.iotregistry.example", "A"),
            ("iotregistry.example", "DNSKEY"),
        ] {
            let mut arguments = vec!["@127.0.0.1", "-p", &port, "+dnssec", "+retry=0"];
            arguments.extend(how);
            arguments.extend([name, record_type]);
            let Some(output) = judge("kdig", &arguments) else {
                return;
            };
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let received = text.split(";; Received ").nth(1).unwrap();
            let octets: usize = received.split(' ').next().unwrap().parse().unwrap();
            assert_eq!(octets.is_multiple_of(468), is_padded, "{text}");
        }
    }
    server.shutdown().await.unwrap();
}

/// RFC 7828: the limit of our own listeners, where there is a connection that is ours to keep.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_is_told_how_long_a_connection_may_be_idle() {
    let zone = devices();
    let server = start(&zone).await;
    let bound = server.bound().clone();
    // Payload 1232, and an empty keepalive.
    let mut query = framed_query(7);
    query.extend([0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 4, 0, 11, 0, 0]);
    query[1] += 15;
    query[13] = 1;
    let mut socket = TcpStream::connect(bound.tcp[0]).unwrap();
    socket.write_all(&query).unwrap();
    let mut length = [0; 2];
    socket.read_exact(&mut length).unwrap();
    let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
    socket.read_exact(&mut octets).unwrap();
    let idle_10_s = [0, 11, 0, 2, 0, 100];
    assert!(octets.ends_with(&idle_10_s), "{octets:?}");
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    udp.send_to(&query[2..], bound.udp[0]).unwrap();
    let mut datagram = [0; 1500];
    let length = udp.recv(&mut datagram).unwrap();
    let without = &octets[..octets.len() - idle_10_s.len()];
    assert_eq!(datagram[..length - 1], without[..without.len() - 1]);
    assert_eq!((datagram[length - 1], without[without.len() - 1]), (0, 6));
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_names_itself_over_every_transport() {
    let zone = devices();
    let server = start(&zone).await;
    let bound = server.bound().clone();
    for (address, how) in [
        (bound.udp[0], "+notcp"),
        (bound.tcp[0], "+tcp"),
        (bound.dot[0], "+tls"),
        (bound.doh[0], "+https"),
    ] {
        let port = address.port().to_string();
        let arguments = ["@127.0.0.1", "-p", &port, how, "+nsid", "+retry=0"];
        let arguments = [&arguments[..], &["iotregistry.example", "SOA"]].concat();
        let Some(output) = judge("kdig", &arguments) else {
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("6E7331 \"ns1\""), "{how}: {text}");
    }
    server.shutdown().await.unwrap();
}
