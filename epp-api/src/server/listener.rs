//! Serving the JSON door on a listener, and the handle of it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tracing::info;

use crate::json::{Discovery, OpenDocuments};
use crate::server::accepting::{Accepting, Stop, Stopping};
use crate::server::connection::serve_connection;
use crate::server::mutual_tls::without_resumption;
use crate::server::networks::Networks;
use crate::server::quota::Quota;
use crate::server::{Limits, Registry};

/// What every connection of a listener shares.
pub(super) struct Shared<R> {
    pub(super) registry: Arc<R>,
    pub(super) open: OpenDocuments,
    pub(super) limits: Limits,
    pub(super) admission: Admission,
    pub(super) acceptor: TlsAcceptor,
    /// One permit for each command being carried out.
    pub(super) commands: Arc<Semaphore>,
    pub(super) commands_of_accounts: Arc<Quota>,
    pub(super) job_parts_of_accounts: Arc<Quota>,
    pub(super) event_streams_of_accounts: Arc<Quota>,
    pub(super) networks: Arc<Networks>,
    /// True when the listener is to end.
    pub(super) stopping: Stopping,
}

/// Whom a listener lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Whoever brings a token with each request.
    Tokens,
    /// Whoever shows a client certificate in the handshake; a token may come with a request, and has
    /// to be of the same account. TLS sessions are never resumed: each connection proves its key.
    ClientCertificates,
}

/// A running listener; dropping it begins the graceful end as well.
#[derive(Debug)]
pub struct ServerHandle(Accepting);

impl ServerHandle {
    /// Address and port of the listener.
    pub fn local_addr(&self) -> SocketAddr {
        self.0.local_addr()
    }

    /// Accepts nothing more, lets the requests that are here finish, and returns when all
    /// connections are closed, at the latest after [`Limits::drain_timeout`].
    pub async fn shutdown(self) {
        self.0.shutdown().await;
    }
}

/// Begins to serve the JSON door on a bound listener.
///
/// `tls` has the server's certificate and, for [`Admission::ClientCertificates`], a verifier that
/// demands a certificate under the account root. ALPN, early data and resumption are set here: `h2`
/// and `http/1.1`, and no early data, because it could be replayed. Quotas are those of one listener.
///
/// # Errors
/// When the listener has no local address.
pub fn serve<R: Registry>(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    admission: Admission,
    registry: Arc<R>,
    discovery: Discovery,
    limits: Limits,
) -> io::Result<ServerHandle> {
    let mut tls = ServerConfig::clone(&tls);
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    tls.max_early_data_size = 0;
    if admission == Admission::ClientCertificates {
        tls = without_resumption(tls);
    }
    let stop = Stop::new();
    let (connections_max, drain_timeout) = (limits.connections_max, limits.drain_timeout);
    let shared = Arc::new(Shared {
        registry,
        open: OpenDocuments::new(&discovery),
        admission,
        acceptor: TlsAcceptor::from(Arc::new(tls)),
        commands: Arc::new(Semaphore::new(limits.commands_max)),
        commands_of_accounts: Quota::new(limits.commands_per_account_max),
        job_parts_of_accounts: Quota::new(limits.job_parts_per_account_max),
        event_streams_of_accounts: Quota::new(limits.event_streams_per_account_max),
        networks: Arc::default(),
        stopping: stop.stopping(),
        limits,
    });
    let serve =
        move |socket, peer, stopping| serve_connection(socket, peer, Arc::clone(&shared), stopping);
    let accepting = Accepting::begin(listener, stop, connections_max, drain_timeout, serve)?;
    info!(local_addr = %accepting.local_addr(), "the JSON door is open");
    Ok(ServerHandle(accepting))
}
