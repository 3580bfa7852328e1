//! What idle connections cost.

use std::fs;

use super::*;

/// Resident octets of this process.
fn resident_octets() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// The clients' side of [`idle_connections_measured`], in a process of its own.
#[test]
fn idle_clients() {
    let Ok(spec) = std::env::var("IDLE_CLIENTS") else {
        return;
    };
    let (address, count) = spec.split_once(' ').unwrap();
    let address: SocketAddr = address.parse().unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting(provider)))
        .with_no_client_auth();
    let config = Arc::new(config);
    let name = ServerName::try_from("dns.test").unwrap();
    let mut clients = Vec::new();
    for id in 0..count.parse().unwrap() {
        let client = ClientConnection::new(Arc::clone(&config), name.clone()).unwrap();
        let mut stream = StreamOwned::new(client, connect(address));
        ask(&mut stream, id);
        clients.push(stream);
    }
    // Until the other side has measured and closes.
    assert!(is_closed(&mut clients[0]));
}

/// In a process of its own, whose memory no other test uses.
#[test]
fn an_idle_connection_costs_at_most_32_kib() {
    let measured = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("net::stream::tests::memory::idle_connections_measured")
        .env("IDLE_CONNECTIONS", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&measured.stdout).into_owned();
    assert!(text.contains("resident octets each"), "{text}");
    assert!(measured.status.success(), "{text}");
}

#[test]
fn idle_connections_measured() {
    if std::env::var_os("IDLE_CONNECTIONS").is_none() {
        return;
    }
    let limits = Limits {
        idle: Duration::from_secs(300),
        connections_per_address: 20_000,
        ..Limits::default()
    };
    let count = 500;
    let server = start(limits);
    // What is there once, however many connections there are.
    ask(&mut server.dot(), 1);
    server.eventually("gone", |figures| figures.open == 0);
    let before = resident_octets();
    let mut clients = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "net::stream::tests::memory::idle_clients"])
        .env("IDLE_CLIENTS", format!("{} {count}", server.dot_address()))
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    while server.figures().queries < count as u64 + 1 {
        assert!(Instant::now() < deadline, "{:?}", server.figures());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(server.figures().open, count as u64);
    let each = (resident_octets() - before) / count;
    println!("{count} idle DNS over TLS connections: {each} resident octets each");
    assert!(each <= 32 * 1024);
    server.streams.stop();
    assert!(clients.wait().unwrap().success());
}

/// Takes any certificate: the server under test has a new one every time.
#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
