//! Sending a command to a registry's HTTPS door and reading its answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderValue, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use iot_epp_api::client::{ClientError, ClientRequest, RESPONSE_OCTETS_MAX};
use iot_epp_api::{BearerToken, ClientTransactionId, Command, Response};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

/// Longest wait for an answer.
const DEADLINE: Duration = Duration::from_secs(60);
/// How long an idle connection is used again: less than servers keep it.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum HttpsError {
    /// The server's address is not one.
    #[error("{0:?} is not the address of a registry; it has the form host:port")]
    Address(String),
    /// The roots that the server is to be recognised by.
    #[error("the service root certificate: {0}")]
    Roots(String),
    /// No connection.
    #[error("connecting to {address}: {source}")]
    Connect {
        /// The address.
        address: String,
        /// What the system or TLS said.
        source: std::io::Error,
    },
    /// HTTP.
    #[error("HTTP: {0}")]
    Http(#[from] hyper::Error),
    /// The answer is too long or was cut off.
    #[error("reading the answer: {0}")]
    Body(String),
    /// No answer in time.
    #[error("no answer within {} s", DEADLINE.as_secs())]
    Deadline,
    /// The request cannot be sent, or the answer cannot be believed.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// A registry's HTTPS door and the account to use there.
pub struct HttpsClient {
    address: String,
    name: ServerName<'static>,
    tls: Arc<ClientConfig>,
    token: BearerToken,
    idle: Mutex<Option<Connection>>,
}

impl HttpsClient {
    /// `address` is `host:port`; `roots_pem` are the certificates that may vouch for the server.
    ///
    /// # Errors
    /// [`HttpsError::Address`], [`HttpsError::Roots`].
    pub fn new(address: &str, roots_pem: &[u8], token: BearerToken) -> Result<Self, HttpsError> {
        let address = address.trim_start_matches("https://").trim_end_matches('/');
        let host = address
            .rsplit_once(':')
            .map(|(host, _)| host.trim_matches(['[', ']']));
        let name = host
            .and_then(|host| ServerName::try_from(host.to_owned()).ok())
            .ok_or_else(|| HttpsError::Address(address.to_owned()))?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(roots_pem) {
            let certificate = certificate.map_err(|error| HttpsError::Roots(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| HttpsError::Roots(error.to_string()))?;
        }
        let tls =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| HttpsError::Roots(error.to_string()))?
                .with_root_certificates(roots)
                .with_no_client_auth();
        Ok(Self {
            address: address.to_owned(),
            name,
            tls: Arc::new(tls),
            token,
            idle: Mutex::default(),
        })
    }

    /// Gives a command under a new client transaction id.
    ///
    /// # Errors
    /// [`HttpsError`]; a refusal by the registry is a response.
    pub async fn give(&self, command: Command) -> Result<Response, HttpsError> {
        self.give_as(command, new_transaction_id()).await
    }

    /// Gives a command under this client transaction id: the same one again is a retry.
    ///
    /// # Errors
    /// [`HttpsError`]; a refusal by the registry is a response.
    pub async fn give_as(
        &self,
        command: Command,
        client_transaction_id: ClientTransactionId,
    ) -> Result<Response, HttpsError> {
        let request = ClientRequest::new(command, client_transaction_id);
        tokio::time::timeout(DEADLINE, self.exchange(&request))
            .await
            .unwrap_or(Err(HttpsError::Deadline))
    }

    async fn exchange(&self, request: &ClientRequest) -> Result<Response, HttpsError> {
        if let Some(connection) = self.take_idle() {
            let failure = match self.ask(connection, request).await {
                Err(HttpsError::Http(failure)) => failure,
                other => return other,
            };
            // Most likely the server has closed it in the meantime. It is the same command under the
            // same id: a retry. Where no other connection can be had, it stays unknown what came of it.
            let Ok(connection) = self.connect().await else {
                return Err(failure.into());
            };
            return self.ask(connection, request).await;
        }
        self.ask(self.connect().await?, request).await
    }

    async fn connect(&self) -> Result<Connection, HttpsError> {
        let connect = |source| HttpsError::Connect {
            address: self.address.clone(),
            source,
        };
        let stream = TcpStream::connect(&self.address).await.map_err(connect)?;
        stream.set_nodelay(true).map_err(connect)?;
        let stream = TlsConnector::from(Arc::clone(&self.tls))
            .connect(self.name.clone(), stream)
            .await
            .map_err(connect)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Connection {
            sender,
            driver: tokio::spawn(connection),
            used_at: Instant::now(),
        })
    }

    async fn ask(
        &self,
        mut connection: Connection,
        request: &ClientRequest,
    ) -> Result<Response, HttpsError> {
        let mut http = request
            .to_http(&self.token)?
            .map(|body| Full::new(Bytes::from(body)));
        let host = HeaderValue::try_from(&self.address)
            .map_err(|_| HttpsError::Address(self.address.clone()))?;
        http.headers_mut().insert(header::HOST, host);
        connection.sender.ready().await?;
        let answer = connection.sender.send_request(http).await?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, RESPONSE_OCTETS_MAX).collect().await;
        let body = body
            .map_err(|error| HttpsError::Body(error.to_string()))?
            .to_bytes();
        self.keep(connection);
        Ok(request.parse_response(head.status, &head.headers, &body)?)
    }

    fn take_idle(&self) -> Option<Connection> {
        // A connection or none: whole even if a holder panicked.
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = idle.take()?;
        let is_usable = connection.used_at.elapsed() < IDLE_MAX && !connection.sender.is_closed();
        is_usable.then_some(connection)
    }

    fn keep(&self, mut connection: Connection) {
        connection.used_at = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        *idle = Some(connection);
    }
}

/// An open connection; closed when it is dropped.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<hyper::Result<()>>,
    used_at: Instant,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A client transaction id that was never used before.
pub(crate) fn new_transaction_id() -> ClientTransactionId {
    let random = u128::from_be_bytes(crate::service::random_octets());
    ClientTransactionId::parse(&format!("cli-{random:032x}"))
        .expect("hexadecimal digits are allowed")
}
