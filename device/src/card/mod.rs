//! Reaching a card, and speaking to the IoT SAFE applet on it.
//!
//! In reading order: [`CardTransport`] with its implementations [`virtual_card`] (a card in this
//! process) and [`tcp`] (a card at the other end of a connection, framed by [`frame`]); [`serve`],
//! the card's end of such a connection; `exchange`, which turns a command into a whole answer
//! whatever the card's way of delivering it; and [`iot_safe`], the client.

mod channel;
mod exchange;
mod file_content;
pub mod frame;
pub mod iot_safe;
mod object_attributes;
pub mod serve;
pub mod tcp;
pub mod virtual_card;

use std::io;

use thiserror::Error;

use crate::apdu::{CommandError, StatusWord};
pub use iot_safe::IotSafe;
pub use object_attributes::{ObjectAttributes, ObjectKind};
pub use tcp::TcpCard;
pub use virtual_card::VirtualCard;

/// A way to a card. One command is under way at a time.
pub trait CardTransport: Send {
    /// Sends a command APDU and waits for the response APDU: data, then the two octets of the
    /// status word. Blocks.
    ///
    /// # Errors
    /// When the card cannot be reached or does not answer in time; then the state of the card is
    /// unknown.
    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, CardError>;
}

impl<T: CardTransport + ?Sized> CardTransport for Box<T> {
    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, CardError> {
        (**self).transmit(apdu)
    }
}

/// How a client names an object on the card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectReference {
    /// By id, 1 to 20 octets.
    Id(Vec<u8>),
    /// By label, 1 to 60 octets.
    Label(String),
}

/// A key pair as a client names it: cards number private and public keys apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPairReference {
    /// The private key.
    pub private: ObjectReference,
    /// Its public half.
    pub public: ObjectReference,
}

/// Why a card did not do what it was asked.
#[derive(Debug, Error)]
pub enum CardError {
    /// The way to the card is broken.
    #[error("the card cannot be reached: {0}")]
    Unreachable(#[source] io::Error),
    /// No answer in time.
    #[error("the card did not answer in time")]
    Timeout,
    /// The card is out of order: a thread failed while it used it.
    #[error("the card is out of order after a failure in another thread")]
    OutOfOrder,
    /// The card refuses.
    #[error("the card refuses {command}: {status}")]
    Refused {
        /// Name of the command.
        command: &'static str,
        /// The card's status word.
        status: StatusWord,
    },
    /// The card has no applet with any of the identifiers.
    #[error("the card has no IoT SAFE applet with any of the {tried} identifiers tried")]
    NoApplet {
        /// How many were tried.
        tried: usize,
    },
    /// The card's answer makes no sense.
    #[error("the card's answer to {command} cannot be used: {reason}")]
    Malformed {
        /// Name of the command.
        command: &'static str,
        /// What is wrong with the answer.
        reason: &'static str,
    },
    /// The data does not fit a command.
    #[error("the data for the card is too long")]
    TooLong(#[from] CommandError),
}

impl From<io::Error> for CardError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Self::Timeout,
            _ => Self::Unreachable(error),
        }
    }
}

/// An answer that makes no sense.
fn malformed(command: &'static str, reason: &'static str) -> CardError {
    CardError::Malformed { command, reason }
}
