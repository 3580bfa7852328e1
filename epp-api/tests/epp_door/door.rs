//! A running door with its certificates, and clients that speak to it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use iot_epp_api::AccountName;
use iot_epp_api::epp::{FrameDecoder, Greeting, encode_frame};
use iot_epp_api::server::epp::{EppHandle, EppLimits, serve_epp};
use iot_epp_api::server::mutual_tls::mutual_tls;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::client::WantsClientCert;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::frames;
use crate::registry::TestRegistry;

pub(crate) const ONE: &str = "mno-one";
pub(crate) const TWO: &str = "mno-two";

/// How long a test waits for what has to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A certificate authority.
pub(crate) struct Root {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: CertificateDer<'static>,
}

/// A certificate with its key.
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Identity {
    fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }
}

impl Root {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    /// A certificate of this root with this name.
    pub(crate) fn identity(&self, name: &str) -> Identity {
        self.identity_with(name, |_| {})
    }

    pub(crate) fn identity_with(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        Identity {
            certificate: params.signed_by(&key, &self.issuer).unwrap().der().clone(),
            key: key.serialize_der(),
        }
    }
}

/// A running door of a registry with two accounts.
pub(crate) struct Door {
    pub(crate) registry: Arc<TestRegistry>,
    pub(crate) handle: EppHandle,
    pub(crate) accounts: Root,
    service_root: CertificateDer<'static>,
    pub(crate) one: Identity,
    pub(crate) two: Identity,
}

impl Door {
    pub(crate) async fn open() -> Self {
        Self::open_with(EppLimits::default()).await
    }

    pub(crate) async fn open_with(limits: EppLimits) -> Self {
        let services = Root::new("service root");
        let accounts = Root::new("account root");
        let server = services.identity("localhost");
        let (one, two) = (accounts.identity(ONE), accounts.identity(TWO));
        let registry = Arc::new(TestRegistry::new());
        registry.add_account(ONE, &one.certificate);
        registry.add_account(TWO, &two.certificate);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = server.key();
        let root = accounts.certificate.clone();
        let tls = mutual_tls(provider, vec![server.certificate], key, root).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let handle = serve_epp(
            listener,
            Arc::new(tls),
            Arc::clone(&registry),
            Greeting::new("IoT device registry").unwrap(),
            limits,
        )
        .unwrap();
        Self {
            registry,
            handle,
            accounts,
            service_root: services.certificate,
            one,
            two,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.handle.local_addr()
    }

    /// TLS of a client with this certificate.
    pub(crate) fn client_tls(&self, identity: Option<&Identity>) -> ClientConfig {
        let config = self.client_builder(rustls::DEFAULT_VERSIONS);
        match identity {
            None => config.with_no_client_auth(),
            Some(identity) => identified(config, identity),
        }
    }

    /// The same in this version of TLS alone.
    pub(crate) fn client_tls_of(
        &self,
        identity: &Identity,
        version: &'static SupportedProtocolVersion,
    ) -> ClientConfig {
        identified(self.client_builder(&[version]), identity)
    }

    fn client_builder(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientBuilder {
        let mut roots = RootCertStore::empty();
        roots.add(self.service_root.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
    }

    pub(crate) async fn connect_with(&self, config: Arc<ClientConfig>) -> io::Result<Wire> {
        let socket = TcpStream::connect(self.address()).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(config).connect(name, socket).await?;
        Ok(Wire {
            stream,
            decoder: FrameDecoder::of_answers(),
        })
    }

    /// A connection whose first document was not read.
    pub(crate) async fn connect(&self, identity: &Identity) -> io::Result<Wire> {
        let config = Arc::new(self.client_tls(Some(identity)));
        self.connect_with(config).await
    }

    /// A connection after the greeting.
    pub(crate) async fn greeted(&self, identity: &Identity) -> Wire {
        let mut wire = self.connect(identity).await.unwrap();
        assert!(wire.read().await.has("<greeting>"));
        wire
    }

    /// A session of an account, logged in.
    pub(crate) async fn logged_in(&self, name: &str) -> Wire {
        let identity = if name == ONE { &self.one } else { &self.two };
        let mut wire = self.greeted(identity).await;
        let answer = wire.ask(&frames::login(name, &password(name))).await;
        assert_eq!(answer.code(), 1000, "{}", answer.0);
        wire
    }
}

type ClientBuilder = ConfigBuilder<ClientConfig, WantsClientCert>;

fn identified(config: ClientBuilder, identity: &Identity) -> ClientConfig {
    let chain = vec![identity.certificate.clone()];
    config.with_client_auth_cert(chain, identity.key()).unwrap()
}

pub(crate) fn account(name: &str) -> AccountName {
    AccountName::parse(name).unwrap()
}

/// The password that an account begins with.
pub(crate) fn password(name: &str) -> String {
    format!("first of {name}")
}

/// A connection and what came over it.
pub(crate) struct Wire {
    pub(crate) stream: TlsStream<TcpStream>,
    decoder: FrameDecoder,
}

/// A document that a server sent.
#[derive(Clone, Debug)]
pub(crate) struct Document(pub(crate) String);

impl Document {
    pub(crate) fn has(&self, text: &str) -> bool {
        self.0.contains(text)
    }

    pub(crate) fn code(&self) -> u16 {
        let (_, code) = self.0.split_once("<result code=\"").expect("a response");
        code[..4].parse().unwrap()
    }
}

impl Wire {
    pub(crate) async fn send(&mut self, document: &str) {
        self.write(&encode_frame(document)).await.unwrap();
    }

    pub(crate) async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets).await?;
        self.stream.flush().await
    }

    pub(crate) async fn read(&mut self) -> Document {
        self.try_read().await.expect("a document, not the end")
    }

    /// The next document; none at the end.
    pub(crate) async fn try_read(&mut self) -> Option<Document> {
        let mut piece = [0; 4096];
        loop {
            if let Some(document) = self.decoder.next_document().unwrap() {
                return Some(Document(String::from_utf8(document.to_vec()).unwrap()));
            }
            let read = timeout(PATIENCE, self.stream.read(&mut piece)).await;
            match read.expect("something has to come") {
                Ok(0) | Err(_) => return None,
                Ok(octets) => self.decoder.push(&piece[..octets]),
            }
        }
    }

    pub(crate) async fn ask(&mut self, document: &str) -> Document {
        self.send(document).await;
        self.read().await
    }

    /// That nothing more comes.
    pub(crate) async fn ended(&mut self) {
        assert!(self.try_read().await.is_none());
    }
}
