//! DNS messages on a stream (RFC 1035 §4.2.2: two octets of length in front of each), plain or
//! under TLS, over a socket that does not block: all that is there is read, all that is to be said
//! is written at once.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustls::{ClientConnection, ConnectionCommon, ServerConnection};

/// Octets that are read with one call.
const READ_OCTETS: usize = 64 * 1024;

/// The TLS of a stream, from either side.
pub(crate) enum Tls {
    Client(Box<ClientConnection>),
    Server(Box<ServerConnection>),
}

/// One side of a stream.
pub(crate) struct MessageStream {
    pub(crate) socket: TcpStream,
    tls: Option<Tls>,
    incoming: Vec<u8>,
    /// Octets of `incoming` that were taken.
    taken: usize,
    outgoing: Vec<u8>,
    /// The peer has ended the stream.
    pub(crate) ended: bool,
    buffer: Box<[u8]>,
}

impl MessageStream {
    pub(crate) fn new(socket: TcpStream, tls: Option<Tls>) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        Ok(Self {
            socket,
            tls,
            incoming: Vec::new(),
            taken: 0,
            outgoing: Vec::new(),
            ended: false,
            buffer: vec![0; READ_OCTETS].into_boxed_slice(),
        })
    }

    /// Reads all that is there.
    pub(crate) fn fill(&mut self) -> io::Result<()> {
        self.incoming.drain(..self.taken);
        self.taken = 0;
        let ended = match &mut self.tls {
            None => fill_plain(&mut self.socket, &mut self.buffer, &mut self.incoming)?,
            Some(Tls::Client(tls)) => {
                fill_tls(tls, &mut self.socket, &mut self.buffer, &mut self.incoming)?
            }
            Some(Tls::Server(tls)) => {
                fill_tls(tls, &mut self.socket, &mut self.buffer, &mut self.incoming)?
            }
        };
        self.ended |= ended;
        Ok(())
    }

    /// The next whole message that was read.
    pub(crate) fn next_message(&mut self) -> Option<&[u8]> {
        let rest = &self.incoming[self.taken..];
        let length = usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?]));
        if rest.len() < 2 + length {
            return None;
        }
        let begin = self.taken + 2;
        self.taken = begin + length;
        Some(&self.incoming[begin..begin + length])
    }

    /// Where messages are appended, each with its length in front, before [`MessageStream::flush`].
    pub(crate) fn outgoing(&mut self) -> &mut Vec<u8> {
        &mut self.outgoing
    }

    /// Writes what was appended, and what TLS itself has to say; waits when the peer does not read.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            None => write_patiently(&self.outgoing, |octets| self.socket.write(octets))?,
            // Clients ask each question as it comes: a TLS record for each, as dnsperf and stub
            // resolvers do, also where several leave with one call. (Knot 3.4 leaves the rest of a
            // record with many queries unread until the next one comes.)
            Some(Tls::Client(tls)) => {
                let mut rest = &self.outgoing[..];
                while let [high, low, ..] = rest {
                    let framed = 2 + usize::from(u16::from_be_bytes([*high, *low]));
                    let (message, after) = rest.split_at(framed.min(rest.len()));
                    put_tls(tls, &mut self.socket, message)?;
                    rest = after;
                }
                write_tls(tls, &mut self.socket)?;
            }
            Some(Tls::Server(tls)) => {
                put_tls(tls, &mut self.socket, &self.outgoing)?;
                write_tls(tls, &mut self.socket)?;
            }
        }
        self.outgoing.clear();
        Ok(())
    }
}

fn fill_plain(
    socket: &mut TcpStream,
    buffer: &mut [u8],
    incoming: &mut Vec<u8>,
) -> io::Result<bool> {
    loop {
        match socket.read(buffer) {
            Ok(0) => return Ok(true),
            Ok(octets) => {
                incoming.extend_from_slice(&buffer[..octets]);
                if octets < buffer.len() {
                    return Ok(false);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

fn fill_tls<S: rustls::SideData>(
    tls: &mut ConnectionCommon<S>,
    socket: &mut TcpStream,
    buffer: &mut [u8],
    incoming: &mut Vec<u8>,
) -> io::Result<bool> {
    loop {
        match tls.read_tls(socket) {
            Ok(0) => return Ok(true),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
        let state = tls.process_new_packets().map_err(io::Error::other)?;
        let mut left = state.plaintext_bytes_to_read();
        while left > 0 {
            let octets = tls.reader().read(buffer)?;
            incoming.extend_from_slice(&buffer[..octets]);
            left = left.saturating_sub(octets.max(1));
        }
        if state.peer_has_closed() {
            return Ok(true);
        }
    }
}

/// Puts octets into the session; what does not fit is written first.
fn put_tls<S: rustls::SideData>(
    tls: &mut ConnectionCommon<S>,
    socket: &mut TcpStream,
    mut octets: &[u8],
) -> io::Result<()> {
    while !octets.is_empty() {
        let taken = tls.writer().write(octets)?;
        octets = &octets[taken..];
        if taken == 0 {
            write_tls(tls, socket)?;
        }
    }
    Ok(())
}

fn write_tls<S: rustls::SideData>(
    tls: &mut ConnectionCommon<S>,
    socket: &mut TcpStream,
) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(socket) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => pause(),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn write_patiently(
    mut octets: &[u8],
    mut write: impl FnMut(&[u8]) -> io::Result<usize>,
) -> io::Result<()> {
    while !octets.is_empty() {
        match write(octets) {
            Ok(count) => octets = &octets[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => pause(),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The peer's buffer is full: it has the other core.
fn pause() {
    std::thread::sleep(Duration::from_micros(50));
}
