//! DNS over HTTPS through hickory-server, over the octets of our answers.
//!
//! What it decides before our handler sees a message: it drops messages without a whole header and
//! responses (as we do), and answers FORMERR without a question where its parser fails: also for
//! names that go beyond our stricter reading, and for QDCOUNT=0 with trailing octets. It accepts
//! DoH by POST only and closes the stream of any other request. It logs every query at `info`:
//! filter `hickory_server=warn`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket};

use super::handler::Handler;
use super::{Clock, Listeners, ServeError, bind_error};
use crate::reader::ZoneReader;

/// A connection without a query for this long is closed (RFC 7766 §6.2.3 asks for seconds).
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;
/// The path of RFC 8484's example, which everybody uses.
const HTTPS_PATH: &str = "/dns-query";

/// Running listeners. Dropping it ends them.
pub(super) struct Hickory(hickory_server::Server<Handler>);

impl Hickory {
    /// Takes the addresses and notes their real ports in `bound`.
    pub(super) fn start(
        reader: ZoneReader,
        listeners: &Listeners,
        tls: Option<Arc<ServerConfig>>,
        clock: Clock,
        bound: &mut Listeners,
    ) -> Result<Self, ServeError> {
        let mut server = hickory_server::Server::new(Handler::new(reader, clock));
        let Some(tls) = tls else {
            return Ok(Self(server));
        };
        for address in &listeners.doh {
            let (listener, local) = taken("doh", *address)?;
            bound.doh.push(local);
            let (tls, path) = (with_alpn(&tls, b"h2"), HTTPS_PATH.to_owned());
            server
                .register_https_listener_with_tls_config(listener, IDLE_TIMEOUT, tls, None, path)
                .map_err(|source| bind_error("doh", *address, source))?;
        }
        Ok(Self(server))
    }

    /// Lets tasks end, and returns when they have.
    ///
    /// # Errors
    /// A listener had ended before.
    pub(super) async fn shutdown(mut self) -> io::Result<()> {
        let ended = self.0.shutdown_gracefully().await;
        ended.map_err(io::Error::other)
    }
}

fn taken(
    transport: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), ServeError> {
    let with_address = listen(address).and_then(|listener| {
        let local = listener.local_addr()?;
        Ok((listener, local))
    });
    with_address.map_err(|source| bind_error(transport, address, source))
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

fn with_alpn(tls: &ServerConfig, protocol: &[u8]) -> Arc<ServerConfig> {
    let mut tls = tls.clone();
    tls.alpn_protocols = vec![protocol.to_vec()];
    // Early data can be replayed and would reach us before the client is known to be there.
    tls.max_early_data_size = 0;
    Arc::new(tls)
}
