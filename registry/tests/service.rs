//! A service behind TLS: it lets an active device in, refuses it once it was deactivated, and the session
//! that was open ends.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod harness;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use harness::{EID, Registry, Serving, openssl_request, succeed};
use iot_dns_zone::Profile;
use iot_verifier::service::{Refused, Withdrawn, admit, server_config, watch};
use iot_verifier::transport::dot::DotTransport;
use iot_verifier::{Checker, Policy, ServerIdentity, Wanted, ZoneAnchor};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// TTL of the profile `strict`.
const TTL: Duration = Duration::from_secs(15);
const GRACE: Duration = Duration::from_secs(5);

fn unix_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

fn certificates(path: &Path) -> Vec<CertificateDer<'static>> {
    let read = CertificateDer::pem_file_iter(path).unwrap();
    read.map(Result::unwrap).collect()
}

fn roots(path: &Path) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates(path));
    roots
}

/// Registers a device; its certificate with chain, and its key.
fn registered(serving: &Serving) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let scratch = serving.registry.scratch.path();
    let (key, csr) = openssl_request(scratch, "x");
    let path = |name: &str| scratch.join(name).to_str().unwrap().to_owned();
    let (out, chain) = (path("x.pem"), path("chain.pem"));
    let register = [
        "device",
        "register",
        "--id",
        EID,
        "--csr",
        csr.to_str().unwrap(),
    ];
    let files = ["--out", &out, "--chain", &chain];
    succeed(&serving.run(&[&register[..], &files].concat()));
    let mut shown = certificates(out.as_ref());
    shown.extend(certificates(chain.as_ref()));
    (shown, PrivateKeyDer::from_pem_file(key).unwrap())
}

fn checker(serving: &Serving) -> Checker<DotTransport> {
    let ds = succeed(&serving.run(&["zone", "ds"]));
    let identity = ServerIdentity::Name {
        name: "localhost".try_into().unwrap(),
        roots: Arc::new(roots(&serving.service_root())),
    };
    let transport = DotTransport::new(serving.dot, identity).unwrap();
    Checker::new(
        transport,
        ZoneAnchor::parse(&ds).unwrap(),
        Policy::default(),
    )
}

/// A service that greets whom it lets in, watches the session, and tells how it ended.
async fn serve(
    serving: &Serving,
) -> (
    SocketAddr,
    CertificateDer<'static>,
    mpsc::Receiver<Withdrawn>,
) {
    let own = rcgen::generate_simple_self_signed(["service.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let device_roots = roots(&serving.registry.dir.join("trust/device/root.cert.pem"));
    let certificate = own.cert.der().clone();
    let config = server_config(device_roots, vec![certificate.clone()], key).unwrap();
    let (acceptor, checker) = (
        TlsAcceptor::from(Arc::new(config)),
        Arc::new(checker(serving)),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (ended, endings) = mpsc::channel(8);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, checker, ended) =
                (acceptor.clone(), Arc::clone(&checker), ended.clone());
            tokio::spawn(session(stream, acceptor, checker, ended));
        }
    });
    (address, certificate, endings)
}

async fn session(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    checker: Arc<Checker<DotTransport>>,
    ended: mpsc::Sender<Withdrawn>,
) {
    let mut stream = acceptor.accept(stream).await.unwrap();
    let certificate = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    let wanted = Wanted::Both;
    match admit(&checker, &certificate, wanted, unix_now()).await {
        Ok(admitted) => {
            stream.write_all(b"welcome").await.unwrap();
            stream.flush().await.unwrap();
            let withdrawn = watch(&checker, admitted, &certificate, wanted, GRACE, unix_now).await;
            ended.send(withdrawn).await.unwrap();
        }
        Err(Refused::Inactive) => stream.write_all(b"inactive").await.unwrap(),
        Err(other) => panic!("{other}"),
    }
    stream.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_active_device_is_let_in_and_goes_when_it_is_deactivated() {
    let serving = Registry::init(Profile::Strict).serve();
    let (chain, key) = registered(&serving);
    let (address, service, mut endings) = serve(&serving).await;
    let mut service_roots = RootCertStore::empty();
    service_roots.add(service).unwrap();
    let config =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(service_roots)
            .with_client_auth_cert(chain, key)
            .unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let connect = || async {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("service.example").unwrap();
        connector.connect(name, stream).await.unwrap()
    };
    let mut open = connect().await;
    let mut said = [0; 7];
    open.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"welcome");

    succeed(&serving.run(&["device", "deactivate", "--id", EID]));
    let deactivated = Instant::now();
    // Whoever comes now is refused.
    let mut refused = String::new();
    connect().await.read_to_string(&mut refused).await.unwrap();
    assert_eq!(refused, "inactive");
    assert!(deactivated.elapsed() < TTL + Duration::from_secs(1));
    // The session that was open ends by itself.
    let mut rest = Vec::new();
    open.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());
    let passed = deactivated.elapsed();
    assert!(passed <= TTL + Duration::from_secs(1), "{passed:?}");
    let ended = endings.recv().await.unwrap();
    assert_eq!(ended, Withdrawn::Refused(Refused::Inactive));
    drop(serving);
}
