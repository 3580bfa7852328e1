//! Loopback tests. What answers here sends queries back as responses: the zone has its own tests.

#![allow(clippy::unwrap_used, reason = "tests")]

mod crowds;
mod descriptors;
mod judges;
mod limits;
mod memory;
mod records;
mod tcp;
mod tls;
mod turns;
mod unread;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};

use super::scratch::Answer;
use super::{Limits, StreamFigures, Streams, listen};
use crate::answer::{Disposition, Exchange, Patience, Transport};
use crate::net::Listeners;
use crate::net::ended::Watch;
use crate::urgent::UrgentName;

/// First octet of a name: what to do with the query.
const ECHO: u8 = b'e';
/// Wait for ever.
const WAIT: u8 = b'w';
/// A response of 1,400 octets.
const LONG: u8 = b'l';
/// Panic.
const PANIC: u8 = b'p';
/// No response.
const DROP: u8 = b'd';

/// A query of 12 + 9 octets: one label of four octets, type TXT.
fn query(id: u16, what: u8) -> Vec<u8> {
    let mut octets = id.to_be_bytes().to_vec();
    octets.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    octets.extend([4, what, b'x', b'x', b'x', 0, 0, 16, 0, 1]);
    octets
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut octets = u16::try_from(message.len()).unwrap().to_be_bytes().to_vec();
    octets.extend(message);
    octets
}

fn respond(exchange: &mut Exchange<'_>, transport: Transport, patience: Patience) {
    let query = exchange.query;
    let what = query.get(13).copied().unwrap_or(ECHO);
    exchange.disposition = match (what, patience) {
        (DROP, _) => Disposition::Drop,
        (WAIT, Patience::Wait) => Disposition::Wait(somebody()),
        (PANIC, _) => panic!("asked for"),
        _ => {
            exchange.out[..query.len()].copy_from_slice(query);
            // QR and AA; SERVFAIL for those that waited in vain.
            exchange.out[2] |= 0x84;
            exchange.out[3] = if what == WAIT { 2 } else { 0 };
            let octets = match (what, transport) {
                (LONG, _) => 1400,
                // As padding would do it.
                (b'P', Transport::EncryptedStream) => 468,
                _ => query.len(),
            };
            exchange.out[query.len()..octets.max(query.len())].fill(0);
            Disposition::Answer(octets)
        }
    };
}

/// Whose signature they wait for does not matter here.
fn somebody() -> UrgentName {
    UrgentName::Fixed
}

fn responder() -> Box<Answer> {
    Box::new(|exchanges, transport, patience| {
        for exchange in exchanges {
            respond(exchange, transport, patience);
        }
    })
}

/// A server with TCP and DoT, and a client's view of its certificate.
struct Server {
    streams: Streams,
    bound: Listeners,
    roots: RootCertStore,
    watch: Watch,
}

fn start(limits: Limits) -> Server {
    start_with(limits, responder)
}

fn start_with(limits: Limits, answer: impl Fn() -> Box<Answer>) -> Server {
    start_on(1, limits, answer)
}

fn start_on(threads: usize, limits: Limits, answer: impl Fn() -> Box<Answer>) -> Server {
    let (tls, roots) = certified();
    let listeners = Listeners {
        tcp: any_port(),
        dot: any_port(),
        ..Listeners::default()
    };
    let mut bound = Listeners::default();
    let sets = listen(&listeners, Some(&tls), threads, &mut bound).unwrap();
    let watch = Watch::new();
    let streams = Streams::start(sets, limits, &answer, &watch).unwrap();
    Server {
        streams,
        bound,
        roots,
        watch,
    }
}

/// A certificate in a configuration, and who trusts it.
fn certified() -> (ServerConfig, RootCertStore) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["dns.test".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let certificate = CertificateDer::from(cert);
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    (tls, roots)
}

fn any_port() -> Vec<SocketAddr> {
    vec!["127.0.0.1:0".parse().unwrap()]
}

type TlsStream = StreamOwned<ClientConnection, TcpStream>;

impl Server {
    fn tcp_address(&self) -> SocketAddr {
        self.bound.tcp[0]
    }

    fn dot_address(&self) -> SocketAddr {
        self.bound.dot[0]
    }

    fn tcp(&self) -> TcpStream {
        connect(self.tcp_address())
    }

    fn figures(&self) -> StreamFigures {
        self.streams.figures()
    }

    fn client_config(&self) -> ClientConfig {
        self.client_config_with(rustls::crypto::ring::default_provider())
    }

    fn client_config_with(&self, provider: CryptoProvider) -> ClientConfig {
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = vec![b"dot".to_vec()];
        config.resumption = Resumption::in_memory_sessions(8);
        config
    }

    fn dot(&self) -> TlsStream {
        self.dot_with(&Arc::new(self.client_config()))
    }

    fn dot_with(&self, config: &Arc<ClientConfig>) -> TlsStream {
        let name = ServerName::try_from("dns.test").unwrap();
        let client = ClientConnection::new(Arc::clone(config), name).unwrap();
        StreamOwned::new(client, connect(self.dot_address()))
    }

    /// Waits until the figures say so; they are counted after the octets were sent.
    fn eventually(&self, what: &str, fact: impl Fn(&StreamFigures) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !fact(&self.figures()) {
            assert!(Instant::now() < deadline, "{what}: {:?}", self.figures());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_nodelay(true).unwrap();
    let patience = Some(Duration::from_secs(20));
    socket.set_read_timeout(patience).unwrap();
    socket.set_write_timeout(patience).unwrap();
    socket
}

/// Either kind of connection.
trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

/// Reads one message.
fn read_message(stream: &mut impl Read) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message).unwrap();
    message
}

fn id_of(message: &[u8]) -> u16 {
    u16::from_be_bytes([message[0], message[1]])
}

/// Asks one query and takes its answer.
fn ask(stream: &mut (impl Read + Write), id: u16) -> Vec<u8> {
    stream.write_all(&framed(&query(id, ECHO))).unwrap();
    let message = read_message(stream);
    assert_eq!(id_of(&message), id);
    assert_eq!(message[2], 0x84);
    message
}

/// Whether the server closed this connection, in whatever way, before the read timeout.
fn is_closed(stream: &mut impl Read) -> bool {
    let mut octets = Vec::new();
    match stream.read_to_end(&mut octets) {
        Ok(_) => true,
        Err(error) => !matches!(
            error.kind(),
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
        ),
    }
}

fn quick() -> Limits {
    Limits {
        idle: Duration::from_secs(10),
        handshake: Duration::from_millis(600),
        message: Duration::from_millis(600),
        stalled: Duration::from_millis(600),
        ..Limits::default()
    }
}
