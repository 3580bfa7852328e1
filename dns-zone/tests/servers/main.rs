//! The listeners, asked over sockets.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../fixture/mod.rs"]
mod fixture;
mod messages;
mod programs;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use fixture::{Zone, active, eid, entry, iccid, system_now};
use hickory_proto::op::Message;
use iot_dns_zone::net::{Listeners, Options, ServeError, Server, serve, serve_with};
use iot_dns_zone::{Change, Profile};
use iot_identity::Publication;
use rustls::ServerConfig;

fn devices() -> Zone {
    let entries = vec![
        entry(iccid(), 1, active(1)),
        entry(eid(7), 1, active(2)),
        entry(eid(7), 2, Publication::Inactive),
    ];
    fixture::zone_at(Profile::Standard, entries, system_now())
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
