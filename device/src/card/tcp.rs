//! A card at the other end of a TCP connection, in frames of [`super::frame`].

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::{CardError, CardTransport, frame};

/// A connection to a card. Broken once it has failed: what the card did is then unknown, so
/// later commands are refused and the user connects anew.
#[derive(Debug)]
pub struct TcpCard {
    stream: TcpStream,
    buffer: Vec<u8>,
    broken: bool,
}

impl TcpCard {
    /// Connects within `timeout`, which is then also the time that the card has for an answer.
    ///
    /// # Errors
    /// [`CardError::Unreachable`] or [`CardError::Timeout`].
    pub fn connect(address: impl ToSocketAddrs, timeout: Duration) -> Result<Self, CardError> {
        let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, timeout) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(Some(timeout))?;
                    stream.set_write_timeout(Some(timeout))?;
                    return Ok(Self {
                        stream,
                        buffer: Vec::new(),
                        broken: false,
                    });
                }
                Err(error) => failure = error,
            }
        }
        Err(failure.into())
    }

    fn exchange(&mut self, apdu: &[u8]) -> Result<Vec<u8>, CardError> {
        frame::write(&mut self.stream, apdu)?;
        let response = frame::read(&mut self.stream, &mut self.buffer)?
            .ok_or(io::Error::from(io::ErrorKind::UnexpectedEof))?;
        if self.buffer.is_empty() {
            Ok(response)
        } else {
            // A second answer to one command: later ones would be taken for the wrong command's.
            Err(io::Error::from(io::ErrorKind::InvalidData).into())
        }
    }
}

impl CardTransport for TcpCard {
    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, CardError> {
        if self.broken {
            return Err(io::Error::from(io::ErrorKind::NotConnected).into());
        }
        let result = self.exchange(apdu);
        self.broken = result.is_err();
        result
    }
}
