//! DNS over HTTPS through hickory-server, over the octets of our answers.
//!
//! What it decides before our handler sees a message: it drops messages without a whole header and
//! responses (as we do), and answers FORMERR without a question where its parser fails: also for
//! names that go beyond our stricter reading, and for QDCOUNT=0 with trailing octets. It accepts
//! DoH by POST only and closes the stream of any other request. It logs every query at `info`, and
//! peers that break HTTP at `warn`: filter `hickory_server=error`. Connections come to it through a
//! [door](super::https_door) at the loopback, so that is the peer it sees.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket};

use super::handler::Handler;
use super::https_door::Door;
use super::stream::give_up_after;
use super::{Clock, Limits, Listeners, Options, ServeError, bind_error};
use crate::reader::ZoneReader;

/// A connection without a query for this long is closed (RFC 7766 §6.2.3 asks for seconds), and so
/// long a request may take to come in.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;
/// The path of RFC 8484's example, which everybody uses.
const HTTPS_PATH: &str = "/dns-query";

/// Running listeners. Dropping it ends them.
pub(super) struct Hickory {
    server: hickory_server::Server<Handler>,
    doors: Vec<Door>,
}

impl Hickory {
    /// Takes the addresses and notes their real ports in `bound`.
    pub(super) fn start(
        reader: ZoneReader,
        options: &Options,
        listeners: &Listeners,
        tls: Option<Arc<ServerConfig>>,
        clock: Clock,
        bound: &mut Listeners,
    ) -> Result<Self, ServeError> {
        let handler = Handler::new(reader, options.answering.clone(), clock);
        let mut hickory = Self {
            server: hickory_server::Server::new(handler),
            doors: Vec::new(),
        };
        let Some(tls) = tls else {
            return Ok(hickory);
        };
        for address in &listeners.doh {
            let opened = hickory.open(*address, with_alpn(&tls, b"h2"), &options.limits);
            let local = opened.map_err(|source| bind_error("doh", *address, source))?;
            bound.doh.push(local);
        }
        Ok(hickory)
    }

    /// Takes an address for a door, and another one behind it.
    fn open(
        &mut self,
        address: SocketAddr,
        tls: Arc<ServerConfig>,
        limits: &Limits,
    ) -> io::Result<SocketAddr> {
        let outside = listen(address)?;
        give_up_after(&outside, limits.idle.saturating_add(limits.stalled))?;
        let local = outside.local_addr()?;
        let inside = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let door = Door::open(outside, inside.local_addr()?, limits);
        self.doors.push(door);
        let path = HTTPS_PATH.to_owned();
        self.server.register_https_listener_with_tls_config(
            inside,
            IDLE_TIMEOUT,
            tls,
            None,
            path,
        )?;
        Ok(local)
    }

    /// Lets tasks end, and returns when they have.
    ///
    /// # Errors
    /// A listener had ended before.
    pub(super) async fn shutdown(mut self) -> io::Result<()> {
        let ended = self.server.shutdown_gracefully().await;
        for door in self.doors {
            door.close().await;
        }
        ended.map_err(io::Error::other)
    }
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
