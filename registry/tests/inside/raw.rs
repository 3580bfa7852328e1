//! HTTPS requests that no client of ours would send.

use std::sync::Arc;

use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Inside;

/// A request to be sent as it is.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: Method,
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Ask {
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Registration of a device with this body.
    pub fn create(body: impl Into<Vec<u8>>) -> Self {
        let mut ask = Self::new(Method::POST, "/rpp/v1/devices");
        ask.headers
            .push(("content-type", "application/rpp+json".to_owned()));
        ask.headers.push(("rpp-cltrid", "raw-request-1".to_owned()));
        ask.body = body.into();
        ask
    }

    /// Registration of a device, as a client would ask for it.
    pub fn register(id: &str, csr: &str) -> Self {
        Self::create(serde_json::json!({ "id": id, "csr": csr }).to_string())
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn token(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Everything of the answer, except what names this one exchange.
    pub fn anonymous(&self) -> (StatusCode, Vec<(String, String)>, Bytes) {
        let named = |name: &&str| !matches!(*name, "date" | "rpp-svtrid");
        let headers = self
            .headers
            .keys()
            .map(http::HeaderName::as_str)
            .filter(named);
        let mut headers: Vec<(String, String)> = headers
            .map(|name| (name.to_owned(), self.header(name).to_owned()))
            .collect();
        headers.sort();
        (self.status, headers, self.body.clone())
    }
}

impl Inside {
    /// Sends the request over a TLS connection of its own.
    pub async fn send(&self, ask: &Ask) -> Answer {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(&self.roots_pem).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(self.running.listen.api).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(tls))
            .connect(name, stream)
            .await
            .unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        let driver = tokio::spawn(connection);
        let mut request = Request::builder().method(&ask.method).uri(&ask.path);
        request = request.header("host", "localhost");
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        let body = Full::new(Bytes::from(ask.body.clone()));
        let (head, body) = sender
            .send_request(request.body(body).unwrap())
            .await
            .unwrap()
            .into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        driver.abort();
        Answer {
            status: head.status,
            headers: head.headers,
            body,
        }
    }
}
