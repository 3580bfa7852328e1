//! One query to one server, one response: over UDP with patience, over TCP on a connection that is
//! kept.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context, ensure};

/// Longest wait for one response; a machine under load may be slow.
const PATIENCE: Duration = Duration::from_secs(3);
/// Times that a query is sent over UDP, where it may be lost.
const ATTEMPTS: u32 = 3;
const MESSAGE_OCTETS_MAX: usize = 65_535;

/// A server, asked over UDP and TCP.
#[derive(Debug)]
pub(super) struct Asked {
    udp: SocketAddr,
    tcp: SocketAddr,
    socket: UdpSocket,
    stream: Option<TcpStream>,
}

impl Asked {
    /// Prepares to ask a server.
    ///
    /// # Errors
    /// Those of the operating system.
    pub(super) fn new(udp: SocketAddr, tcp: SocketAddr) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(udp)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            udp,
            tcp,
            socket,
            stream: None,
        })
    }

    /// The response over UDP; `None` when there is none.
    ///
    /// # Errors
    /// Those of the operating system.
    pub(super) fn over_udp(&mut self, query: &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
        let mut buffer = vec![0; MESSAGE_OCTETS_MAX];
        for _ in 0..ATTEMPTS {
            self.socket
                .send(query)
                .with_context(|| format!("{} over UDP", self.udp))?;
            loop {
                match self.socket.recv(&mut buffer) {
                    // A late response to an earlier query is passed over.
                    Ok(length) if length < 2 || buffer[..2] != query[..2] => {}
                    Ok(length) => return Ok(Some(buffer[..length].to_vec())),
                    Err(error) if is_timeout(&error) => break,
                    Err(error) => {
                        return Err(error).with_context(|| format!("{} over UDP", self.udp));
                    }
                }
            }
        }
        Ok(None)
    }

    /// The response over TCP; `None` when the connection was closed instead, also a new one.
    ///
    /// # Errors
    /// Those of the operating system, and a response with another id.
    pub(super) fn over_tcp(&mut self, query: &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
        // Servers may close a connection after a number of queries.
        for _ in 0..2 {
            if let Some(response) = self.on_connection(query)? {
                ensure!(
                    response.starts_with(&query[..2]),
                    "a response with another id"
                );
                return Ok(Some(response));
            }
            self.stream = None;
        }
        Ok(None)
    }

    fn on_connection(&mut self, query: &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let stream = TcpStream::connect(self.tcp)
                    .with_context(|| format!("{} over TCP", self.tcp))?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                none.insert(stream)
            }
        };
        let mut octets = u16::try_from(query.len())?.to_be_bytes().to_vec();
        octets.extend_from_slice(query);
        let received = stream.write_all(&octets).and_then(|()| {
            let mut length = [0; 2];
            stream.read_exact(&mut length)?;
            let mut response = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut response)?;
            Ok(response)
        });
        match received {
            Ok(response) => Ok(Some(response)),
            Err(error) if is_closed(&error) || is_timeout(&error) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{} over TCP", self.tcp)),
        }
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn is_closed(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
    )
}
