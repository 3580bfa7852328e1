//! DNS over UDP, and over TCP after a truncated answer (RFC 1035 §4.2). Nobody is authenticated and
//! everybody can read along: for tests and trusted links.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::pipeline::Pipeline;
use super::{Response, Transport, TransportError};
use crate::limits::MESSAGE_OCTETS_MAX;
use crate::lookup::{Channel, Query};
use crate::message::answers_query;

/// Datagrams get lost: after this time the query is sent once more.
const RETRANSMIT_AFTER: Duration = Duration::from_millis(1_500);

/// A plain DNS client for one server.
#[derive(Clone, Debug)]
pub struct PlainTransport {
    address: SocketAddr,
}

impl PlainTransport {
    /// A client; each query has its own socket.
    pub fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    async fn exchange_datagrams(&self, query: &[u8]) -> Result<Vec<u8>, TransportError> {
        let failed = |error: std::io::Error| TransportError::from_io(self.address, &error);
        let local = match self.address {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        // The operating system chooses the port at random, and takes datagrams from the server alone.
        let socket = UdpSocket::bind(local).await.map_err(failed)?;
        socket.connect(self.address).await.map_err(failed)?;
        let mut buffer = vec![0; MESSAGE_OCTETS_MAX];
        loop {
            socket.send(query).await.map_err(failed)?;
            let answer = receive_answer(&socket, query, &mut buffer);
            match timeout(RETRANSMIT_AFTER, answer).await {
                Ok(answered) => return answered.map_err(failed),
                Err(_) => continue,
            }
        }
    }

    async fn exchange_stream(&self, query: &[u8]) -> Result<Vec<u8>, TransportError> {
        let failed = |error: std::io::Error| TransportError::from_io(self.address, &error);
        let stream = TcpStream::connect(self.address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        Pipeline::new(stream, self.address).exchange(query).await
    }
}

impl Transport for PlainTransport {
    async fn exchange(&self, query: Query) -> Result<Response, TransportError> {
        let octets = match query.channel {
            Channel::Datagram => self.exchange_datagrams(&query.octets).await?,
            Channel::Stream => self.exchange_stream(&query.octets).await?,
        };
        Ok(Response {
            octets,
            channel: query.channel,
        })
    }
}

/// Waits for the datagram that answers; others are ignored.
async fn receive_answer(
    socket: &UdpSocket,
    query: &[u8],
    buffer: &mut [u8],
) -> Result<Vec<u8>, std::io::Error> {
    loop {
        let length = socket.recv(buffer).await?;
        let datagram = &buffer[..length];
        if answers_query(query, datagram) {
            return Ok(datagram.to_vec());
        }
    }
}
