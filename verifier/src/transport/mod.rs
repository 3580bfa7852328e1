//! How queries reach a resolver or the registry's own servers.
//!
//! [`dot`] is the transport to use: DNS over TLS with a server that is authenticated strictly.
//! [`plain`] (UDP and TCP) is for tests and links that are trusted by other means; the verdict never
//! depends on it, but everybody on the way sees which device is asked about.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use thiserror::Error;

use crate::lookup::{Channel, Query};

pub mod dot;
pub mod failover;
mod frame;
pub mod identity;
mod pipeline;
pub mod plain;

pub use failover::Failover;
pub use identity::ServerIdentity;

/// A message that answers a query: same id and question. Nothing more is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The message, without a stream's length field.
    pub octets: Vec<u8>,
    /// What carried it.
    pub channel: Channel,
}

/// Carries one query to the server and its answer back, ignoring whatever else comes. Without
/// deadline: the caller has one for the whole check, and drops the future when it is over.
pub trait Transport: Send + Sync + 'static {
    /// Sends `query` and waits for the message that answers it.
    fn exchange(
        &self,
        query: Query,
    ) -> impl Future<Output = Result<Response, TransportError>> + Send;
}

/// Why no answer came.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TransportError {
    /// No connection, or the operating system refused.
    #[error("{address}: {message}")]
    Io {
        /// The server.
        address: SocketAddr,
        /// The kind of failure.
        kind: io::ErrorKind,
        /// What the operating system says.
        message: String,
    },
    /// The server is not the one that was named or pinned.
    #[error("{address} is not the expected server: {message}")]
    Identity {
        /// The server.
        address: SocketAddr,
        /// What the TLS library says.
        message: String,
    },
    /// The TLS handshake or session failed for another reason.
    #[error("TLS with {address}: {message}")]
    Tls {
        /// The server.
        address: SocketAddr,
        /// What the TLS library says.
        message: String,
    },
    /// The server closed the connection before it answered.
    #[error("{address} closed the connection without an answer")]
    Closed {
        /// The server.
        address: SocketAddr,
    },
    /// Too many queries wait for answers on one connection.
    #[error("too many queries wait for answers from {address}")]
    Busy {
        /// The server.
        address: SocketAddr,
    },
    /// The time was over before the answers had come.
    #[error("no answer within {} ms", .0.as_millis())]
    Deadline(std::time::Duration),
    /// The TLS configuration cannot be made.
    #[error("TLS configuration: {0}")]
    Configuration(String),
}

impl TransportError {
    /// Wraps an error of a socket or of the TLS session on it.
    pub(crate) fn from_io(address: SocketAddr, error: &io::Error) -> Self {
        let message = error.to_string();
        let inner = error.get_ref();
        match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidCertificate(_)) => Self::Identity { address, message },
            Some(_) => Self::Tls { address, message },
            None => Self::Io {
                address,
                kind: error.kind(),
                message,
            },
        }
    }
}
