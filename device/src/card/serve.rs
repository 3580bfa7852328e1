//! The card's end of a TCP connection: a virtual card for other programs on this machine.
//!
//! A card has one reader: connections are served one after the other, and each begins with a
//! reset. There is no authentication, so whoever connects can sign with the card's keys; listen on
//! a loopback address only.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use super::{CardError, CardTransport, VirtualCard, frame};

/// After this long without a command a connection is closed, so that a forgotten client does not
/// keep the card from others.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(600);

/// Serves `card` on `listener` until the listener or the card fails. Failures of one connection
/// are told to `on_failure` and end that connection only.
///
/// # Errors
/// When the listener refuses to listen, or the card is out of order.
pub fn serve(
    listener: &TcpListener,
    card: &VirtualCard,
    mut on_failure: impl FnMut(&CardError),
) -> Result<(), CardError> {
    if !listener.local_addr()?.ip().is_loopback() {
        return Err(CardError::Unreachable(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a virtual card listens on loopback addresses only",
        )));
    }
    loop {
        let (stream, _) = listener.accept()?;
        card.reset()?;
        if let Err(error) = serve_connection(stream, card.clone()) {
            on_failure(&error);
        }
    }
}

fn serve_connection(mut stream: TcpStream, mut card: VirtualCard) -> Result<(), CardError> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(IDLE_TIMEOUT))?;
    stream.set_write_timeout(Some(IDLE_TIMEOUT))?;
    let mut buffer = Vec::new();
    while let Some(apdu) = frame::read(&mut stream, &mut buffer)? {
        frame::write(&mut stream, &card.transmit(&apdu)?)?;
    }
    Ok(())
}
