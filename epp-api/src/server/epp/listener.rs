//! Serving the EPP door on a listener, and the handle of it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tracing::info;

use crate::epp::Greeting;
use crate::server::accepting::{Accepting, Stop};
use crate::server::epp::connection::serve_connection;
use crate::server::epp::sessions::Sessions;
use crate::server::epp::{EppLimits, EppRegistry};
use crate::server::mutual_tls::without_resumption;
use crate::server::networks::Networks;

/// What every connection of a listener shares.
pub(super) struct Shared<R> {
    pub(super) registry: Arc<R>,
    pub(super) greeting: Greeting,
    pub(super) limits: EppLimits,
    pub(super) acceptor: TlsAcceptor,
    pub(super) sessions: Arc<Sessions>,
    /// One permit for each handshake being carried out.
    pub(super) handshakes: Semaphore,
    pub(super) networks: Arc<Networks>,
    /// One permit for each command being carried out.
    pub(super) commands: Arc<Semaphore>,
}

/// A running listener; dropping it begins the graceful end as well.
#[derive(Debug)]
pub struct EppHandle(Accepting);

impl EppHandle {
    /// Address and port of the listener.
    pub fn local_addr(&self) -> SocketAddr {
        self.0.local_addr()
    }

    /// Accepts nothing more, lets the commands that are here finish, ends every session with 2500,
    /// and returns when all connections are closed, at the latest after twice
    /// [`EppLimits::drain_timeout`].
    pub async fn shutdown(self) {
        self.0.shutdown().await;
    }
}

/// Begins to serve the EPP door on a bound listener.
///
/// `tls` has to demand client certificates of the account root, as
/// [`mutual_tls`](crate::server::mutual_tls::mutual_tls) makes it; a client without one is refused
/// here as well. Resumption and early data are turned off here: a session that is resumed would skip
/// the look at the certificate, and early data can be replayed.
///
/// # Errors
/// When the listener has no local address.
pub fn serve_epp<R: EppRegistry>(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    registry: Arc<R>,
    greeting: Greeting,
    limits: EppLimits,
) -> io::Result<EppHandle> {
    let mut tls = without_resumption(ServerConfig::clone(&tls));
    // RFC 5734 has no name for itself in ALPN.
    tls.alpn_protocols = Vec::new();
    let (connections_max, drain_timeout) = (limits.connections_max, limits.drain_timeout);
    let shared = Arc::new(Shared {
        registry,
        greeting,
        acceptor: TlsAcceptor::from(Arc::new(tls)),
        sessions: Arc::new(Sessions::default()),
        handshakes: Semaphore::new(limits.handshakes_max),
        networks: Arc::default(),
        commands: Arc::new(Semaphore::new(limits.commands_max)),
        limits,
    });
    let serve =
        move |socket, peer, stopping| serve_connection(socket, peer, Arc::clone(&shared), stopping);
    let stop = Stop::new();
    let accepting = Accepting::begin(listener, stop, connections_max, drain_timeout, serve)?;
    info!(local_addr = %accepting.local_addr(), "the EPP door is open");
    Ok(EppHandle(accepting))
}
