//! A registry in memory, the real server before it, and clients that speak to it over TLS.

#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod registry;
pub(crate) mod samples;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use iot_epp_api::json::Discovery;
use iot_epp_api::server::{Admission, Limits, ServerHandle, serve};
use iot_identity::{DeviceId, ZoneName};
use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use registry::MemoryRegistry;

pub(crate) const EID: &str = "89049032123451234512345678901235";
pub(crate) const ICCID: &str = "8912230200031010008f";
pub(crate) const MNO: &str = "token-of-mno-one-000000000001";
pub(crate) const OTHER_MNO: &str = "token-of-mno-two-000000000002";
pub(crate) const OPERATOR: &str = "token-of-operator-00000000003";

pub(crate) fn eid() -> DeviceId {
    DeviceId::parse(EID).unwrap()
}

/// What the server says about itself.
pub(crate) fn discovery() -> Discovery {
    Discovery {
        origin: "https://localhost:8443".to_owned(),
        certificate_origin: Some("https://localhost:8445".to_owned()),
        name: "test".to_owned(),
        status: "test".to_owned(),
        zone: ZoneName::parse("iotregistry.example").unwrap(),
    }
}

/// A running door.
pub(crate) struct Door {
    pub(crate) registry: Arc<MemoryRegistry>,
    pub(crate) handle: ServerHandle,
    connector: TlsConnector,
}

impl Door {
    pub(crate) async fn open() -> Self {
        Self::open_with(Limits::default()).await
    }

    pub(crate) async fn open_with(limits: Limits) -> Self {
        let issued = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let certificate = issued.cert.der().clone();
        let key = PrivatePkcs8KeyDer::from(issued.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key.into())
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let registry = Arc::new(MemoryRegistry::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let handle = serve(
            listener,
            Arc::new(server),
            Admission::Tokens,
            Arc::clone(&registry),
            discovery(),
            limits,
        )
        .unwrap();
        Self {
            registry,
            handle,
            connector: TlsConnector::from(Arc::new(client)),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.handle.local_addr()
    }

    pub(crate) async fn tls(&self, alpn: &[u8]) -> io::Result<TlsStream<TcpStream>> {
        let mut config = ClientConfig::clone(self.connector.config());
        config.alpn_protocols = vec![alpn.to_vec()];
        let socket = TcpStream::connect(self.address()).await?;
        socket.set_nodelay(true)?;
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, socket).await
    }

    /// One request on a connection of its own.
    pub(crate) async fn send(&self, request: Request<Vec<u8>>) -> Answer {
        let stream = TokioIo::new(self.tls(b"http/1.1").await.unwrap());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        let driver = tokio::spawn(connection);
        let mut request = request.map(|body| Full::new(Bytes::from(body)));
        let host = http::HeaderValue::from_static("localhost");
        request.headers_mut().insert("host", host);
        let answer = sender.send_request(request).await.unwrap();
        let answer = Answer::read(answer).await;
        drop(sender);
        let _ = driver.await;
        answer
    }

    /// Opens the stream of events and gives what arrives, part by part, with the connection.
    pub(crate) async fn events(&self, request: Request<Vec<u8>>) -> EventStream {
        let stream = TokioIo::new(self.tls(b"http/1.1").await.unwrap());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let mut request = request.map(|body| Full::new(Bytes::from(body)));
        let host = http::HeaderValue::from_static("localhost");
        request.headers_mut().insert("host", host);
        let answer = sender.send_request(request).await.unwrap();
        EventStream {
            answer,
            _sender: sender,
        }
    }

    pub(crate) async fn http2(&self) -> hyper::client::conn::http2::SendRequest<Full<Bytes>> {
        let stream = TokioIo::new(self.tls(b"h2").await.unwrap());
        let executor = TokioExecutor::new();
        let (sender, connection) = hyper::client::conn::http2::handshake(executor, stream)
            .await
            .unwrap();
        tokio::spawn(connection);
        sender
    }

    /// HTTP/2 by a client that takes so many octets of an answer until it has read them.
    pub(crate) async fn http2_with_window(
        &self,
        octets: u32,
    ) -> hyper::client::conn::http2::SendRequest<Full<Bytes>> {
        let stream = TokioIo::new(self.tls(b"h2").await.unwrap());
        let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(octets)
            .handshake(stream)
            .await
            .unwrap();
        tokio::spawn(connection);
        sender
    }

    /// Octets as they are; gives what comes back until the server closes or is silent.
    pub(crate) async fn raw(&self, octets: &[u8]) -> String {
        let mut stream = self.tls(b"http/1.1").await.unwrap();
        // A server that refuses early may close while we still write.
        let _ = stream.write_all(octets).await;
        let mut answer = Vec::new();
        let silence = Duration::from_secs(2);
        let mut buffer = [0; 4096];
        while let Ok(Ok(read @ 1..)) = tokio::time::timeout(silence, stream.read(&mut buffer)).await
        {
            answer.extend_from_slice(&buffer[..read]);
        }
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// An answer whose body goes on.
pub(crate) struct EventStream {
    pub(crate) answer: Response<hyper::body::Incoming>,
    _sender: hyper::client::conn::http1::SendRequest<Full<Bytes>>,
}

impl EventStream {
    /// The next part; none at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Vec<u8>> {
        let frame = tokio::time::timeout(Duration::from_secs(10), self.answer.frame());
        let frame = frame.await.expect("something arrives")?.ok()?;
        frame.into_data().ok().map(|octets| octets.to_vec())
    }
}

/// An answer with its whole body.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) async fn read(answer: Response<hyper::body::Incoming>) -> Self {
        let (parts, body) = answer.into_parts();
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes().to_vec(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        match self.headers.get(name) {
            Some(value) => value.to_str().unwrap(),
            None => "",
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Checks what every refusal has, and gives its reason.
    pub(crate) fn reason(&self, status: u16, code: &str) -> String {
        assert_eq!(self.status, status, "{self:?} {}", self.text());
        assert_eq!(self.header("rpp-code"), code, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert!(self.header("rpp-svtrid").starts_with("IOTR-"));
        let document = self.json();
        assert_eq!(document["type"], "urn:ietf:params:rpp:error");
        assert_eq!(document["status"], status);
        assert!(
            document["title"]
                .as_str()
                .is_some_and(|title| !title.is_empty())
        );
        let error = &document["errors"][0];
        assert_eq!(error["result"], code);
        assert!(
            error["type"]
                .as_str()
                .is_some_and(|text| text.ends_with(code))
        );
        assert_eq!(error["reason"], document["detail"]);
        error["reason"].as_str().unwrap().to_owned()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A request of an account, with a transaction id.
pub(crate) fn request(method: Method, target: &str, token: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(target)
        .header("authorization", format!("Bearer {token}"))
        .header("rpp-cltrid", "test-0001")
}

pub(crate) fn get(target: &str, token: &str) -> Request<Vec<u8>> {
    request(Method::GET, target, token)
        .body(Vec::new())
        .unwrap()
}

pub(crate) fn post(target: &str, token: &str, body: impl Into<Vec<u8>>) -> Request<Vec<u8>> {
    request(Method::POST, target, token)
        .header("content-type", "application/rpp+json")
        .body(body.into())
        .unwrap()
}

pub(crate) const PEM: &str =
    "-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n";

pub(crate) fn create_body(id: &str) -> Vec<u8> {
    serde_json::json!({"id": id, "csr": PEM})
        .to_string()
        .into_bytes()
}
