//! The listener that asks for client certificates.

use std::io;
use std::sync::Arc;

use http::{Method, Request};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use iot_epp_api::AccountName;
use iot_epp_api::server::{Admission, Limits, ServerHandle, serve};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, HandshakeKind, RootCertStore, ServerConfig};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::registry::MemoryRegistry;
use crate::support::{Answer, MNO, OTHER_MNO, discovery};

const DEVICES: &str = "/rpp/v1/devices";

/// A certification authority.
struct Root {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key.
struct Holder {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Root {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        let key = KeyPair::generate().unwrap();
        Self {
            certificate: params.self_signed(&key).unwrap().der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    fn holder(&self, usage: ExtendedKeyUsagePurpose) -> Holder {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.extended_key_usages.push(usage);
        let key = KeyPair::generate().unwrap();
        Holder {
            certificate: params.signed_by(&key, &self.issuer).unwrap().der().clone(),
            key: key.serialize_der(),
        }
    }
}

impl Holder {
    fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }
}

struct CertificateDoor {
    registry: Arc<MemoryRegistry>,
    handle: ServerHandle,
    accounts: Root,
    services: Root,
}

impl CertificateDoor {
    async fn open() -> Self {
        let (accounts, services) = (Root::new(), Root::new());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(accounts.certificate.clone()).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
        let own = services.holder(ExtendedKeyUsagePurpose::ServerAuth);
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(vec![own.certificate.clone()], own.key())
            .unwrap();
        let registry = Arc::new(MemoryRegistry::new());
        let handle = serve(
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            Arc::new(tls),
            Admission::ClientCertificates,
            Arc::clone(&registry),
            discovery(),
            Limits::default(),
        )
        .unwrap();
        Self {
            registry,
            handle,
            accounts,
            services,
        }
    }

    /// A client certificate that the registry knows.
    fn known(&self, account: &'static str) -> Holder {
        let holder = self.accounts.holder(ExtendedKeyUsagePurpose::ClientAuth);
        let der = holder.certificate.to_vec();
        self.registry
            .certificates
            .lock()
            .unwrap()
            .insert(der, account);
        holder
    }

    fn client(&self, holder: Option<&Holder>) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.services.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match holder {
            None => builder.with_no_client_auth(),
            Some(holder) => {
                let chain = vec![holder.certificate.clone()];
                builder.with_client_auth_cert(chain, holder.key()).unwrap()
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        TlsConnector::from(Arc::new(config))
    }

    async fn connect(&self, client: &TlsConnector) -> io::Result<TlsStream<TcpStream>> {
        let socket = TcpStream::connect(self.handle.local_addr()).await?;
        client
            .connect(ServerName::try_from("localhost").unwrap(), socket)
            .await
    }

    async fn send(&self, holder: &Holder, token: Option<&str>) -> Answer {
        let client = self.client(Some(holder));
        let stream = TokioIo::new(self.connect(&client).await.unwrap());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Answer::read(sender.send_request(asked(token)).await.unwrap()).await
    }

    /// Whether the server ends the connection before any answer.
    async fn refuses(&self, holder: Option<&Holder>) -> bool {
        let client = self.client(holder);
        let Ok(mut stream) = self.connect(&client).await else {
            return true;
        };
        // With TLS 1.3 the client learns of the refusal when it reads.
        stream.read_u8().await.is_err()
    }
}

fn asked(token: Option<&str>) -> Request<Full<Bytes>> {
    let mut asked = Request::builder()
        .method(Method::GET)
        .uri(DEVICES)
        .header("host", "localhost")
        .header("rpp-cltrid", "test-0001");
    if let Some(token) = token {
        asked = asked.header("authorization", format!("Bearer {token}"));
    }
    asked.body(Full::default()).unwrap()
}

#[tokio::test]
async fn certificate_says_who_asks_and_a_token_has_to_agree() {
    let door = CertificateDoor::open().await;
    let holder = door.known("mno-one");
    assert_eq!(door.send(&holder, None).await.status, 200);
    assert_eq!(door.registry.last_request().0.account.as_str(), "mno-one");
    assert_eq!(door.send(&holder, Some(MNO)).await.status, 200);
    let other = door.send(&holder, Some(OTHER_MNO)).await;
    assert!(other.reason(401, "02200").contains("different accounts"));
    door.send(&holder, Some("x")).await.reason(401, "02202");
    door.send(&holder, Some("token-of-nobody-000000001"))
        .await
        .reason(401, "02202");
    assert_eq!(door.registry.request_count(), 2);
}

#[tokio::test]
async fn certificate_that_the_registry_does_not_know_is_401_even_with_a_token() {
    let door = CertificateDoor::open().await;
    let stranger = door.accounts.holder(ExtendedKeyUsagePurpose::ClientAuth);
    for token in [None, Some(MNO)] {
        let refused = door.send(&stranger, token).await;
        assert!(refused.reason(401, "02200").contains("no account"));
    }
    assert_eq!(door.registry.request_count(), 0);
}

#[tokio::test]
async fn revocation_takes_effect_on_the_next_request_of_an_open_connection() {
    let door = CertificateDoor::open().await;
    let holder = door.known("mno-one");
    let client = door.client(Some(&holder));
    let stream = TokioIo::new(door.connect(&client).await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let first = Answer::read(sender.send_request(asked(None)).await.unwrap()).await;
    assert_eq!(first.status, 200);
    door.registry.certificates.lock().unwrap().clear();
    let second = Answer::read(sender.send_request(asked(None)).await.unwrap()).await;
    second.reason(401, "02200");

    let name = AccountName::parse("mno-two").unwrap();
    let disabled = door.known("mno-two");
    door.registry.disabled.lock().unwrap().insert(name);
    door.send(&disabled, None).await.reason(401, "02200");
}

#[tokio::test]
async fn other_roots_and_usages_and_no_certificate_fail_the_handshake() {
    let door = CertificateDoor::open().await;
    assert!(!door.refuses_known().await, "a good one is let in");
    let devices = Root::new();
    let device = devices.holder(ExtendedKeyUsagePurpose::ClientAuth);
    assert!(door.refuses(Some(&device)).await, "a device's certificate");
    let service = door.accounts.holder(ExtendedKeyUsagePurpose::ServerAuth);
    assert!(door.refuses(Some(&service)).await, "a server's certificate");
    let of_services = door.services.holder(ExtendedKeyUsagePurpose::ClientAuth);
    assert!(door.refuses(Some(&of_services)).await, "the service root");
    assert!(door.refuses(None).await, "none");
    assert_eq!(door.registry.request_count(), 0);
}

impl CertificateDoor {
    async fn refuses_known(&self) -> bool {
        let holder = self.known("mno-one");
        let client = self.client(Some(&holder));
        let mut stream = self.connect(&client).await.unwrap();
        let silence = std::time::Duration::from_millis(300);
        tokio::time::timeout(silence, stream.read_u8())
            .await
            .is_ok()
    }
}

#[tokio::test]
async fn sessions_are_never_resumed() {
    let door = CertificateDoor::open().await;
    let holder = door.known("mno-one");
    let client = door.client(Some(&holder));
    for _ in 0..3 {
        let stream = TokioIo::new(door.connect(&client).await.unwrap());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        let driver = tokio::spawn(connection.without_shutdown());
        let answer = Answer::read(sender.send_request(asked(None)).await.unwrap()).await;
        assert_eq!(answer.status, 200);
        drop(sender);
        let stream = driver.await.unwrap().unwrap().io.into_inner();
        assert_eq!(
            stream.get_ref().1.handshake_kind(),
            Some(HandshakeKind::Full)
        );
    }
}
