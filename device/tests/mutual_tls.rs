//! Mutual TLS with the key on the card: with rustls in memory, and with `openssl s_server`.
#![allow(clippy::unwrap_used)] // helpers outside of test functions

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use iot_device::applet::Aid;
use iot_device::payload::layout;
use iot_device::tls::{TlsError, client_config};
use iot_device::{IotSafe, VirtualCard};
use rustls::crypto::ring::default_provider;
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
    SupportedProtocolVersion,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use support::authority::Authority;
use support::{applet, open_door};

const NAME: &str = "1.89049032123451234512345678901235.iotregistry.example";
const HOST: &str = "asp.example";

/// A device with a key, and the two authorities: of devices and of services.
struct Scene {
    card: Arc<Mutex<IotSafe>>,
    devices: Authority,
    services: Authority,
    chain: Vec<CertificateDer<'static>>,
}

fn scene() -> Scene {
    let devices = Authority::new();
    let card = VirtualCard::new(applet(open_door()));
    let mut card = IotSafe::open(card, &Aid::known()).unwrap();
    let key = card
        .generate_key_pair(&layout::client_key().private)
        .unwrap();
    let certificate = devices.device(NAME, &[NAME], &key);
    let chain = vec![
        CertificateDer::from(certificate),
        devices.issuing.der().clone(),
    ];
    Scene {
        card: Arc::new(Mutex::new(card)),
        devices,
        services: Authority::new(),
        chain,
    }
}

fn roots(authority: &Authority) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(authority.root.der().clone()).unwrap();
    roots
}

impl Scene {
    fn client(&self) -> ClientConfig {
        client_config(
            Arc::clone(&self.card),
            &layout::client_key(),
            self.chain.clone(),
            roots(&self.services),
        )
        .unwrap()
    }

    fn server(&self, version: &'static SupportedProtocolVersion) -> ServerConfig {
        let provider = Arc::new(default_provider());
        let clients = Arc::new(roots(&self.devices));
        let verifier = WebPkiClientVerifier::builder_with_provider(clients, Arc::clone(&provider))
            .build()
            .unwrap();
        let (certificate, key) = self.services.server(HOST);
        let chain = vec![
            certificate.der().clone(),
            self.services.issuing.der().clone(),
        ];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .unwrap()
    }
}

/// Joins both ends in memory until neither has anything to say.
fn shake_hands(
    client: ClientConfig,
    server: ServerConfig,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let host = ServerName::try_from(HOST).unwrap();
    let mut client = ClientConnection::new(Arc::new(client), host)?;
    let mut server = ServerConnection::new(Arc::new(server))?;
    while client.wants_write() || server.wants_write() {
        let mut octets = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut octets).unwrap();
        }
        let mut rest = octets.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets()?;
        }
        let mut octets = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut octets).unwrap();
        }
        let mut rest = octets.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok((client, server))
}

#[test]
fn rustls_accepts_the_device_in_both_versions() {
    let scene = scene();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let (mut client, mut server) = shake_hands(scene.client(), scene.server(version)).unwrap();
        assert!(!client.is_handshaking() && !server.is_handshaking());
        assert_eq!(server.protocol_version(), Some(version.version));
        assert_eq!(server.peer_certificates(), Some(&scene.chain[..]));
        client.writer().write_all(b"reading").unwrap();
        let mut octets = Vec::new();
        client.write_tls(&mut octets).unwrap();
        server.read_tls(&mut octets.as_slice()).unwrap();
        server.process_new_packets().unwrap();
        let mut text = [0; 7];
        server.reader().read_exact(&mut text).unwrap();
        assert_eq!(&text, b"reading");
    }
}

#[test]
fn every_connection_is_authenticated_anew() {
    let scene = scene();
    let client = scene.client();
    let server = scene.server(&rustls::version::TLS13);
    for _ in 0..2 {
        let (client, _) = shake_hands(client.clone(), server.clone()).unwrap();
        assert_eq!(client.handshake_kind(), Some(rustls::HandshakeKind::Full));
    }
}

#[test]
fn a_certificate_for_another_key_is_refused_before_any_connection() {
    let mut scene = scene();
    scene.chain[0] = self::scene().chain[0].clone();
    let key = layout::client_key();
    let make = |chain| client_config(Arc::clone(&scene.card), &key, chain, roots(&scene.services));
    let refused = make(scene.chain.clone()).unwrap_err();
    assert!(matches!(refused, TlsError::Certificate(_)));
    assert!(matches!(make(vec![]), Err(TlsError::Certificate(_))));
}

#[test]
fn a_key_that_was_replaced_on_the_card_authenticates_no_more() {
    let scene = scene();
    let client = scene.client();
    let private = layout::client_key().private;
    scene
        .card
        .lock()
        .unwrap()
        .generate_key_pair(&private)
        .unwrap();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        assert!(shake_hands(client.clone(), scene.server(version)).is_err());
    }
}

#[test]
fn a_stranger_is_refused() {
    let scene = scene();
    let mut stranger = self::scene();
    stranger.services = Authority::new();
    let server = || scene.server(&rustls::version::TLS13);
    // A device of another registry.
    let mut client = stranger.client();
    let trusted = client_config(
        Arc::clone(&stranger.card),
        &layout::client_key(),
        stranger.chain.clone(),
        roots(&scene.services),
    );
    assert!(shake_hands(trusted.unwrap(), server()).is_err());
    // A server that the device does not know.
    client.enable_sni = true;
    assert!(shake_hands(client, server()).is_err());
}

/// `openssl s_server` on a port of its own choice, ended when dropped.
struct OpensslServer {
    process: Child,
    port: u16,
    summary: PathBuf,
}

impl OpensslServer {
    fn start(scene: &Scene, directory: &Path, version: &str) -> Self {
        let (certificate, key) = scene.services.server(HOST);
        let write = |name: &str, text: String| {
            let path = directory.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let certificate = write("server.pem", certificate.pem());
        let key = write("server.key", key.serialize_pem());
        let chain = write("chain.pem", scene.services.issuing.pem());
        let clients = write("clients.pem", scene.devices.root.pem());
        let summary = directory.join("summary");
        let mut process = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-Verify", "3"])
            .args(["-verify_return_error", "-rev", version, "-cert"])
            .arg(certificate)
            .arg("-key")
            .arg(key)
            .arg("-cert_chain")
            .arg(chain)
            .arg("-CAfile")
            .arg(clients)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&summary).unwrap())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let port = loop {
            let mut line = String::new();
            assert_ne!(
                output.read_line(&mut line).unwrap(),
                0,
                "s_server has ended"
            );
            if let Some(address) = line.trim().strip_prefix("ACCEPT ") {
                break address.rsplit(':').next().unwrap().parse().unwrap();
            }
        };
        Self {
            process,
            port,
            summary,
        }
    }

    /// What the server says about the connection, once it has said what signed it.
    fn summary(&self) -> String {
        for _ in 0..200 {
            let text = std::fs::read_to_string(&self.summary).unwrap();
            if text.contains("Signature type") {
                return text;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the server says nothing about the connection");
    }
}

impl Drop for OpensslServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn openssl_accepts_the_device_in_both_versions() {
    let scene = scene();
    let directory = tempfile::tempdir().unwrap();
    for version in ["-tls1_2", "-tls1_3"] {
        let server = OpensslServer::start(&scene, directory.path(), version);
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let host = ServerName::try_from(HOST).unwrap();
        let mut client = ClientConnection::new(Arc::new(scene.client()), host).unwrap();
        let mut tls = rustls::Stream::new(&mut client, &mut stream);
        tls.write_all(b"reading\n").unwrap();
        let mut answer = [0; 8];
        tls.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"gnidaer\n", "the server turns lines round");
        let said = server.summary();
        assert!(said.contains("Peer certificate: CN = "), "{said}");
        assert!(said.contains(NAME), "{said}");
        assert!(said.contains("Signature type: ECDSA"), "{said}");
    }
}
