//! Listeners: UDP, TCP, DNS over TLS and DNS over HTTPS, through hickory-server.
//!
//! Every answer comes from [`answer`](crate::answer); hickory carries octets in and out. What it
//! decides before our handler sees a message: it drops messages without a whole header and
//! responses (as we do), and answers FORMERR without a question where its parser fails: also for
//! names that go beyond our stricter reading, and for QDCOUNT=0 with trailing octets. It accepts
//! DoH by POST only and closes the stream of any other request. It logs every query at `info`:
//! filter `hickory_server=warn`.

mod handler;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, UdpSocket};

use crate::store::ZoneReader;
use handler::Handler;

pub use handler::Clock;

/// A connection without a query for this long is closed (RFC 7766 §6.2.3 asks for seconds).
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Responses that may wait for a slow TCP reader before its connection is given up.
const RESPONSE_BUFFER: usize = 32;
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;
/// The path of RFC 8484's example, which everybody uses.
const HTTPS_PATH: &str = "/dns-query";

/// Where to listen; port 0 takes any free port.
#[derive(Clone, Debug, Default)]
pub struct Listeners {
    /// DNS over UDP.
    pub udp: Vec<SocketAddr>,
    /// DNS over TCP.
    pub tcp: Vec<SocketAddr>,
    /// DNS over TLS (RFC 7858).
    pub dot: Vec<SocketAddr>,
    /// DNS over HTTPS (RFC 8484), path `/dns-query`.
    pub doh: Vec<SocketAddr>,
}

/// Why the listeners were not started.
#[derive(Debug, Error)]
pub enum ServeError {
    /// An address could not be taken.
    #[error("{transport} {address}: {source}")]
    Bind {
        /// Transport.
        transport: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// DoT or DoH without certificate and key.
    #[error("DNS over TLS and over HTTPS need a certificate and its key")]
    NoTls,
}

/// Running listeners. Dropping it ends them without waiting for anybody.
pub struct Server {
    server: hickory_server::Server<Handler>,
    bound: Listeners,
}

impl Server {
    /// The addresses that are listened on, with their real ports.
    pub fn bound(&self) -> &Listeners {
        &self.bound
    }

    /// Stops accepting, lets tasks end, and returns when they have.
    ///
    /// # Errors
    /// A listener had ended before.
    pub async fn shutdown(mut self) -> Result<(), io::Error> {
        self.server
            .shutdown_gracefully()
            .await
            .map_err(io::Error::other)
    }
}

/// Takes the addresses and starts to answer from whatever version `reader` shows. `tls` holds
/// certificate and key; its ALPN protocols are replaced by `dot` and `h2`.
///
/// # Errors
/// An address could not be taken; then nothing is served.
pub async fn serve(
    reader: ZoneReader,
    listeners: &Listeners,
    tls: Option<Arc<ServerConfig>>,
    clock: Clock,
) -> Result<Server, ServeError> {
    let needs_tls = !listeners.dot.is_empty() || !listeners.doh.is_empty();
    if needs_tls && tls.is_none() {
        return Err(ServeError::NoTls);
    }
    let mut server = hickory_server::Server::new(Handler::new(reader, clock));
    let mut bound = Listeners::default();
    for address in &listeners.udp {
        let socket = UdpSocket::bind(address).await;
        let (socket, local) = taken("udp", *address, socket, UdpSocket::local_addr)?;
        bound.udp.push(local);
        server.register_socket(socket);
    }
    for address in &listeners.tcp {
        let listener = listen(*address);
        let (listener, local) = taken("tcp", *address, listener, TcpListener::local_addr)?;
        bound.tcp.push(local);
        server.register_listener(listener, IDLE_TIMEOUT, RESPONSE_BUFFER);
    }
    let Some(tls) = tls else {
        return Ok(Server { server, bound });
    };
    for address in &listeners.dot {
        let listener = listen(*address);
        let (listener, local) = taken("dot", *address, listener, TcpListener::local_addr)?;
        bound.dot.push(local);
        server
            .register_tls_listener_with_tls_config(listener, IDLE_TIMEOUT, with_alpn(&tls, b"dot"))
            .map_err(|source| bind_error("dot", *address, source))?;
    }
    for address in &listeners.doh {
        let listener = listen(*address);
        let (listener, local) = taken("doh", *address, listener, TcpListener::local_addr)?;
        bound.doh.push(local);
        let (tls, path) = (with_alpn(&tls, b"h2"), HTTPS_PATH.to_owned());
        server
            .register_https_listener_with_tls_config(listener, IDLE_TIMEOUT, tls, None, path)
            .map_err(|source| bind_error("doh", *address, source))?;
    }
    Ok(Server { server, bound })
}

/// Listens without Nagle's algorithm: accepted sockets inherit the option, and an answer that waits
/// for the acknowledgement of the one before it is 40 ms late.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_nodelay(true)?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn taken<S>(
    transport: &'static str,
    address: SocketAddr,
    socket: io::Result<S>,
    local_addr: impl FnOnce(&S) -> io::Result<SocketAddr>,
) -> Result<(S, SocketAddr), ServeError> {
    let with_address = socket.and_then(|socket| {
        let local = local_addr(&socket)?;
        Ok((socket, local))
    });
    with_address.map_err(|source| bind_error(transport, address, source))
}

fn bind_error(transport: &'static str, address: SocketAddr, source: io::Error) -> ServeError {
    ServeError::Bind {
        transport,
        address,
        source,
    }
}

fn with_alpn(tls: &ServerConfig, protocol: &[u8]) -> Arc<ServerConfig> {
    let mut tls = tls.clone();
    tls.alpn_protocols = vec![protocol.to_vec()];
    // Early data can be replayed and would reach us before the client is known to be there.
    tls.max_early_data_size = 0;
    Arc::new(tls)
}
