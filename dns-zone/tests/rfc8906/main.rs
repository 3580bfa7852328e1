//! The list of RFC 8906 §8, whole: what a server must make of queries that are unusual but right.
//! Octets in, octets out, over real sockets; each row over UDP and over TCP.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../fixture/mod.rs"]
mod fixture;
mod list;
mod response;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use fixture::{Zone, active, eid, entry, iccid, system_now};
use iot_dns_zone::Profile;
use iot_dns_zone::net::{Listeners, Server, serve};
use iot_identity::Publication;
use list::{list, plain, soa};
use response::{Response, judge};

const RD: u16 = 0x0100;

const Z: u16 = 0x0040;

const AD: u16 = 0x0020;

const CD: u16 = 0x0010;

const AA: u16 = 0x0400;

const TC: u16 = 0x0200;

const QR: u16 = 0x8000;

const RA: u16 = 0x0080;

const SOA: u16 = 6;

const OPT: u16 = 41;

const RRSIG: u16 = 46;

const DNSKEY: u16 = 48;

/// Unassigned, as in the RFC.
const TYPE1000: u16 = 1000;

const NOERROR: u16 = 0;

const NOTIMP: u16 = 4;

const BADVERS: u16 = 16;

const DNSSEC_OK: u16 = 0x8000;

/// The lowest unassigned EDNS flag.
const UNKNOWN_FLAG: u16 = 0x0040;

/// What is asked.
#[derive(Clone, Debug)]
struct Asked {
    opcode: u16,
    flags: u16,
    /// Name and type of the question; a header alone without it.
    question: Option<u16>,
    edns: Option<Edns>,
}

#[derive(Clone, Debug)]
struct Edns {
    payload_octets: u16,
    version: u8,
    flags: u16,
    options: Vec<(u16, Vec<u8>)>,
}

/// What the response has to be; what is not named has to be absent.
#[derive(Clone, Copy, Debug)]
struct Expected {
    code: u16,
    /// Flags besides QR that have to be set. TC may be.
    flags: u16,
    answer: Answer,
    /// Flags of the OPT record, where there is one in the query.
    edns_flags: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Empty,
    Soa,
    SignedSoa,
    /// The keys with their signature, or TC.
    Keys,
}

async fn start() -> (Zone, Server) {
    let entries = vec![
        entry(iccid(), 1, active(1)),
        entry(eid(7), 1, active(2)),
        entry(eid(7), 2, Publication::Inactive),
    ];
    let zone = fixture::zone_at(Profile::Standard, entries, system_now());
    let any: Vec<SocketAddr> = vec!["127.0.0.1:0".parse().unwrap()];
    let listeners = Listeners {
        udp: any.clone(),
        tcp: any,
        ..Listeners::default()
    };
    let server = serve(zone.writer.reader(), &listeners, None, system_now).await;
    (zone, server.unwrap())
}

fn over_udp(address: SocketAddr, query: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    socket.send_to(query, address).unwrap();
    let mut octets = vec![0; 65_535];
    let length = socket.recv(&mut octets).expect("an answer");
    octets.truncate(length);
    octets
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
    stream.read_exact(&mut length).expect("an answer");
    let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut octets).unwrap();
    octets
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_list_passes_over_udp_and_over_tcp() {
    let (_zone, server) = start().await;
    let (udp, tcp) = (server.bound().udp[0], server.bound().tcp[0]);
    let mut wrong = Vec::new();
    for (section, asked, expected) in list() {
        let query = asked.octets();
        for (way, octets) in [
            ("UDP", over_udp(udp, &query)),
            ("TCP", over_tcp(tcp, &query)),
        ] {
            let response = Response::read(&octets);
            let limit = match (way, &asked.edns) {
                ("TCP", _) => usize::from(u16::MAX),
                (_, Some(edns)) => usize::from(edns.payload_octets),
                (_, None) => 512,
            };
            assert!(
                response.octets <= limit,
                "{section} over {way}: {} octets",
                response.octets
            );
            if let Err(what) = judge(&asked, expected, &response) {
                wrong.push(format!("{section} over {way}: {what}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    server.shutdown().await.unwrap();
}

#[test]
fn the_list_is_whole_and_its_judge_objects() {
    let rows = list();
    assert_eq!(rows.len(), 18);
    let good = || Response {
        flags: QR | AA,
        code: NOERROR,
        question: plain(0, SOA).octets()[12..].to_vec(),
        answer: vec![SOA],
        opts: Vec::new(),
        octets: 100,
    };
    let held = |response| judge(&plain(0, SOA), soa(AA), &response);
    held(good()).unwrap();
    let set = |flag| Response {
        flags: QR | AA | flag,
        ..good()
    };
    for response in [
        Response { code: 5, ..good() },
        Response {
            answer: Vec::new(),
            ..good()
        },
        Response {
            answer: vec![SOA, SOA],
            ..good()
        },
        Response {
            question: Vec::new(),
            ..good()
        },
        Response {
            opts: vec![(0, 0, Vec::new())],
            ..good()
        },
        Response {
            flags: QR,
            ..good()
        },
        set(RD),
        set(RA),
        set(Z),
        set(AD),
        set(CD),
        set(TC),
        set(15 << 11),
    ] {
        let shown = format!("{response:?}");
        assert!(held(response).is_err(), "{shown}");
    }
}
