//! The list of RFC 8906 §8, whole: what a server must make of queries that are unusual but right.
//! Octets in, octets out, over real sockets; each row over UDP and over TCP.

#![allow(clippy::unwrap_used, reason = "tests")]

mod fixture;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use fixture::{Zone, active, eid, entry, iccid, system_now};
use iot_dns_zone::Profile;
use iot_dns_zone::net::{Listeners, Server, serve};
use iot_identity::Publication;

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

fn plain(flags: u16, record_type: u16) -> Asked {
    Asked {
        opcode: 0,
        flags,
        question: Some(record_type),
        edns: None,
    }
}

fn with_edns(version: u8, flags: u16, options: &[(u16, &[u8])]) -> Asked {
    let options = options
        .iter()
        .map(|(code, octets)| (*code, octets.to_vec()));
    let edns = Edns {
        payload_octets: 1232,
        version,
        flags,
        options: options.collect(),
    };
    Asked {
        edns: Some(edns),
        ..plain(0, SOA)
    }
}

fn soa(flags: u16) -> Expected {
    Expected {
        code: NOERROR,
        flags,
        answer: Answer::Soa,
        edns_flags: 0,
    }
}

fn badvers(edns_flags: u16) -> Expected {
    Expected {
        code: BADVERS,
        flags: 0,
        answer: Answer::Empty,
        edns_flags,
    }
}

/// Section of the RFC, query, expectation.
fn list() -> Vec<(&'static str, Asked, Expected)> {
    let signed = Expected {
        answer: Answer::SignedSoa,
        edns_flags: DNSSEC_OK,
        ..soa(AA)
    };
    let header_only = Asked {
        opcode: 15,
        question: None,
        ..plain(0, SOA)
    };
    let mut small = with_edns(0, DNSSEC_OK, &[]);
    small.question = Some(DNSKEY);
    small.edns.as_mut().unwrap().payload_octets = 512;
    // Cookie of a client, NSID, EXPIRE, client subnet 0.0.0.0/0.
    let known: [(u16, &[u8]); 4] = [
        (10, &[1, 2, 3, 4, 5, 6, 7, 8]),
        (3, &[]),
        (9, &[]),
        (8, &[0, 1, 0, 0]),
    ];
    vec![
        ("8.1.1 configured for the zone", plain(0, SOA), soa(AA)),
        (
            "8.1.2 unknown type",
            plain(0, TYPE1000),
            Expected {
                answer: Answer::Empty,
                ..soa(AA)
            },
        ),
        ("8.1.3.1 CD=1", plain(CD, SOA), soa(AA)),
        ("8.1.3.2 AD=1", plain(AD, SOA), soa(AA)),
        ("8.1.3.3 reserved flag", plain(Z, SOA), soa(AA)),
        ("8.1.3.4 RD=1", plain(RD, SOA), soa(AA | RD)),
        (
            "8.1.4 unknown opcode",
            header_only,
            Expected {
                code: NOTIMP,
                answer: Answer::Empty,
                ..soa(0)
            },
        ),
        // 8.1.5 TCP: every row is asked over TCP too.
        ("8.2.1 minimal EDNS", with_edns(0, 0, &[]), soa(AA)),
        ("8.2.2 EDNS version", with_edns(1, 0, &[]), badvers(0)),
        (
            "8.2.3 unknown option",
            with_edns(0, 0, &[(100, b"")]),
            soa(AA),
        ),
        (
            "8.2.3 unknown option with octets",
            with_edns(0, 0, &[(100, b"octets")]),
            soa(AA),
        ),
        (
            "8.2.4 unknown flag",
            with_edns(0, UNKNOWN_FLAG, &[]),
            soa(AA),
        ),
        (
            "8.2.5 version and unknown flag",
            with_edns(1, UNKNOWN_FLAG, &[]),
            badvers(0),
        ),
        (
            "8.2.6 version and unknown option",
            with_edns(1, 0, &[(100, b"")]),
            badvers(0),
        ),
        (
            "8.2.7 truncated response",
            small,
            Expected {
                answer: Answer::Keys,
                ..signed
            },
        ),
        ("8.2.8 DO=1", with_edns(0, DNSSEC_OK, &[]), signed),
        (
            "8.2.9 version and DO=1",
            with_edns(1, DNSSEC_OK, &[]),
            badvers(DNSSEC_OK),
        ),
        (
            "8.2.10 several defined options",
            with_edns(0, 0, &known),
            soa(AA),
        ),
    ]
}

impl Asked {
    fn octets(&self) -> Vec<u8> {
        let flags = self.opcode << 11 | self.flags;
        let counts = [
            u16::from(self.question.is_some()),
            0,
            0,
            u16::from(self.edns.is_some()),
        ];
        let header = [0x8906, flags].into_iter().chain(counts);
        let mut octets: Vec<u8> = header.flat_map(u16::to_be_bytes).collect();
        if let Some(record_type) = self.question {
            octets.extend(b"\x0biotregistry\x07example\0");
            octets.extend(record_type.to_be_bytes());
            octets.extend([0, 1]);
        }
        if let Some(edns) = &self.edns {
            octets.extend([0, 0, 41]);
            octets.extend(edns.payload_octets.to_be_bytes());
            octets.extend([0, edns.version]);
            octets.extend(edns.flags.to_be_bytes());
            let option = |(code, octets): &(u16, Vec<u8>)| {
                let head = [*code, octets.len() as u16].map(u16::to_be_bytes).concat();
                [head, octets.clone()].concat()
            };
            let rdata: Vec<u8> = edns.options.iter().flat_map(option).collect();
            octets.extend((rdata.len() as u16).to_be_bytes());
            octets.extend(rdata);
        }
        octets
    }
}

/// A response, read with nothing of ours.
#[derive(Debug)]
struct Response {
    flags: u16,
    code: u16,
    question: Vec<u8>,
    /// Types of the records in the answer.
    answer: Vec<u16>,
    /// Version, flags and option codes of each OPT record.
    opts: Vec<(u8, u16, Vec<u16>)>,
    octets: usize,
}

impl Response {
    fn read(octets: &[u8]) -> Self {
        let number = |at: usize| u16::from_be_bytes([octets[at], octets[at + 1]]);
        assert_eq!(number(0), 0x8906, "the id is repeated");
        let flags = number(2);
        let mut at = 12;
        for _ in 0..number(4) {
            at = end_of_name(octets, at) + 4;
        }
        let question = octets[12..at].to_vec();
        let (mut answer, mut opts, mut code) = (Vec::new(), Vec::new(), flags & 0x0f);
        for section in 0..3 {
            for _ in 0..number(6 + 2 * section) {
                let fixed = end_of_name(octets, at);
                let (record_type, length) = (number(fixed), usize::from(number(fixed + 8)));
                let rdata = &octets[fixed + 10..fixed + 10 + length];
                if record_type == OPT {
                    assert_eq!(
                        (section, octets[at]),
                        (2, 0),
                        "OPT is additional, at the root"
                    );
                    code |= u16::from(octets[fixed + 4]) << 4;
                    opts.push((octets[fixed + 5], number(fixed + 6), option_codes(rdata)));
                } else if section == 0 {
                    answer.push(record_type);
                }
                at = fixed + 10 + length;
            }
        }
        assert_eq!(at, octets.len(), "nothing follows the last record");
        Self {
            flags,
            code,
            question,
            answer,
            opts,
            octets: octets.len(),
        }
    }
}

fn end_of_name(octets: &[u8], mut at: usize) -> usize {
    loop {
        match octets[at] {
            0 => return at + 1,
            length @ 1..=63 => at += 1 + usize::from(length),
            _ => return at + 2,
        }
    }
}

fn option_codes(mut rdata: &[u8]) -> Vec<u16> {
    let mut codes = Vec::new();
    while let [high, low, length_high, length_low, rest @ ..] = rdata {
        codes.push(u16::from_be_bytes([*high, *low]));
        rdata = &rest[usize::from(u16::from_be_bytes([*length_high, *length_low]))..];
    }
    assert!(rdata.is_empty(), "options fill their record");
    codes
}

/// Holds a response to what its row says; an error says what is wrong.
fn judge(asked: &Asked, expected: Expected, response: &Response) -> Result<(), String> {
    let truncated = response.flags & TC != 0;
    let may_truncate = expected.answer == Answer::Keys;
    let flags = response.flags & !(TC | 0x780f);
    let opcode = response.flags >> 11 & 0x0f;
    let answer: &[u16] = match expected.answer {
        Answer::Empty => &[],
        Answer::Soa => &[SOA],
        Answer::SignedSoa => &[SOA, RRSIG],
        Answer::Keys if truncated => &[],
        Answer::Keys => &[DNSKEY, DNSKEY, RRSIG],
    };
    let known: Vec<u16> = asked
        .edns
        .iter()
        .flat_map(|e| &e.options)
        .map(|o| o.0)
        .collect();
    let opts: Vec<(u8, u16)> = response.opts.iter().map(|opt| (opt.0, opt.1)).collect();
    let expected_opts: Vec<(u8, u16)> = asked
        .edns
        .iter()
        .map(|_| (0, expected.edns_flags))
        .collect();
    let mut codes = response.opts.iter().flat_map(|opt| &opt.2);
    let rules = [
        ("rcode", response.code == expected.code),
        ("opcode", opcode == asked.opcode),
        // CD is cleared, since nothing is validated here (RFC 4035 §3.1.6).
        ("flags", flags == QR | expected.flags),
        ("recursion is not offered", response.flags & RA == 0),
        ("answer", response.answer == answer),
        ("TC", !truncated || may_truncate),
        (
            "one OPT of version 0 and with these flags, or none",
            opts == expected_opts,
        ),
        (
            "options that were not asked for",
            codes.all(|code| known.contains(code) && *code != 100),
        ),
        (
            "question",
            response.question == asked.octets()[12..12 + response.question.len()],
        ),
        (
            "question is there",
            response.question.is_empty() == asked.question.is_none(),
        ),
    ];
    match rules.into_iter().find(|(_, kept)| !kept) {
        None => Ok(()),
        Some((rule, _)) => Err(format!("{rule}: {response:?}")),
    }
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
