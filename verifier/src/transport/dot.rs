//! DNS over TLS (RFC 7858): one connection, kept and shared; made anew when it was closed.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

use super::pipeline::Pipeline;
use super::{Response, ServerIdentity, Transport, TransportError};
use crate::lookup::{Channel, Query};

/// A DNS-over-TLS client for one server.
pub struct DotTransport {
    address: SocketAddr,
    name: ServerName<'static>,
    connector: TlsConnector,
    connection: Mutex<Option<Arc<Pipeline>>>,
}

impl fmt::Debug for DotTransport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DotTransport")
            .field("address", &self.address)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl DotTransport {
    /// Prepares a client; it connects with the first query.
    ///
    /// # Errors
    /// [`TransportError::Configuration`] when TLS cannot be set up.
    pub fn new(address: SocketAddr, identity: ServerIdentity) -> Result<Self, TransportError> {
        let config = identity.client_config()?;
        let name = match identity {
            ServerIdentity::Name { name, .. } => name,
            // An address is never sent as a server name.
            ServerIdentity::SpkiPin(_) => ServerName::IpAddress(address.ip().into()),
        };
        Ok(Self {
            address,
            name,
            connector: TlsConnector::from(Arc::new(config)),
            connection: Mutex::new(None),
        })
    }

    /// The open connection, or a new one; and whether it was open before.
    async fn connection(&self) -> Result<(Arc<Pipeline>, bool), TransportError> {
        // Held while connecting: who comes meanwhile waits for the same handshake.
        let mut connection = self.connection.lock().await;
        if let Some(open) = connection.as_ref().filter(|open| !open.is_closed()) {
            return Ok((Arc::clone(open), true));
        }
        let opened = Arc::new(self.connect().await?);
        *connection = Some(Arc::clone(&opened));
        Ok((opened, false))
    }

    async fn connect(&self) -> Result<Pipeline, TransportError> {
        let failed = |error: std::io::Error| TransportError::from_io(self.address, &error);
        let stream = TcpStream::connect(self.address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let stream = self
            .connector
            .connect(self.name.clone(), stream)
            .await
            .map_err(failed)?;
        Ok(Pipeline::new(stream, self.address))
    }
}

impl Transport for DotTransport {
    async fn exchange(&self, query: Query) -> Result<Response, TransportError> {
        let (connection, was_open) = self.connection().await?;
        let octets = match connection.exchange(&query.octets).await {
            // Servers close idle connections; that it did shows only when the next query is sent.
            Err(TransportError::Closed { .. }) if was_open => {
                let (connection, _) = self.connection().await?;
                connection.exchange(&query.octets).await?
            }
            other => other?,
        };
        Ok(Response {
            octets,
            channel: Channel::Stream,
        })
    }
}
