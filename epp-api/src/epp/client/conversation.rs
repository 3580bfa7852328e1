//! A session as a client has it: one frame out, one document back (RFC 5734 §2, §3).

use std::io::{self, Read, Write};

use thiserror::Error;
use zeroize::Zeroizing;

use crate::account::AccountName;
use crate::epp::client::{Received, ReceivedResponse, ServerGreeting};
use crate::epp::frame::{EppCommand, Frame};
use crate::epp::framing::{FrameDecoder, FramingError, encode_frame};
use crate::epp::login::Login;
use crate::epp::read_error::ReadError;
use crate::epp::response::Answer;
use crate::result_code::ResultCode;
use crate::secret::Secret;
use crate::transaction::ClientTransactionId;

/// Octets that are read at once.
const PIECE_OCTETS: usize = 16 * 1024;

/// A session over a connection that is there: TLS over TCP in earnest, octets in memory in tests.
///
/// How long a read may take is the connection's to say.
pub struct Conversation<C> {
    connection: C,
    decoder: FrameDecoder,
}

/// Why a conversation cannot go on.
#[derive(Debug, Error)]
pub enum ConversationError {
    /// The connection.
    #[error("the connection failed: {0}")]
    Connection(#[from] io::Error),
    /// The server closed the connection instead of answering.
    #[error("the server closed the connection; whether the command was carried out is not known")]
    Closed,
    /// Octets that are no frames.
    #[error("the server does not speak EPP: {0}")]
    Framing(#[from] FramingError),
    /// A document that is none of ours.
    #[error("the server's answer is not understood: {0}")]
    Unread(#[from] ReadError),
    /// The server refused the connection instead of greeting.
    #[error("the server refused the connection: {0}")]
    NotGreeted(Refused),
    /// A greeting where a response was due, or a response to something else.
    #[error("the server answered something else than what was asked")]
    OutOfOrder,
}

/// A refusal in a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{code}{reasons}")]
pub struct Refused {
    /// The result.
    pub code: ResultCode,
    /// The reasons, each behind a colon.
    reasons: String,
}

impl Refused {
    /// The refusal that an answer is.
    pub fn of(answer: &Answer) -> Self {
        let reasons = answer.reasons.iter();
        Self {
            code: answer.code,
            reasons: reasons.map(|reason| format!(": {}", reason.text)).collect(),
        }
    }
}

impl<C: Read + Write> Conversation<C> {
    /// Begins with the server's greeting.
    ///
    /// # Errors
    /// The connection fails, or the server refuses it.
    pub fn begin(connection: C) -> Result<(Self, ServerGreeting), ConversationError> {
        let mut conversation = Self {
            connection,
            decoder: FrameDecoder::of_answers(),
        };
        match conversation.receive()? {
            Received::Greeting(greeting) => Ok((conversation, greeting)),
            Received::Response(response) => {
                let refused = Refused::of(&response.answer);
                Err(ConversationError::NotGreeted(refused))
            }
        }
    }

    /// Asks for the greeting again, which keeps an idle session.
    ///
    /// # Errors
    /// The connection fails, or something else comes back.
    pub fn hello(&mut self) -> Result<ServerGreeting, ConversationError> {
        self.send(&Frame::Hello)?;
        match self.receive()? {
            Received::Greeting(greeting) => Ok(greeting),
            Received::Response(_) => Err(ConversationError::OutOfOrder),
        }
    }

    /// Logs in for everything that the server has.
    ///
    /// # Errors
    /// As for [`ask`](Self::ask); a refused login is an answer.
    pub fn login(
        &mut self,
        account: &AccountName,
        password: Secret,
        new_password: Option<Secret>,
        id: &ClientTransactionId,
    ) -> Result<ReceivedResponse, ConversationError> {
        let mut login = Login::for_everything(account, password);
        login.new_password = new_password;
        self.ask(EppCommand::Login(login), id)
    }

    /// Says a command and waits for its answer.
    ///
    /// # Errors
    /// The connection fails or ends, or what comes back is not the answer. Whether the command was
    /// carried out is not known then: ask again with the same identifier.
    pub fn ask(
        &mut self,
        command: EppCommand,
        id: &ClientTransactionId,
    ) -> Result<ReceivedResponse, ConversationError> {
        self.send(&Frame::Command {
            command: Box::new(command),
            client_transaction_id: Some(id.clone()),
        })?;
        match self.receive()? {
            // A session that ends by itself says so without the name of a command.
            Received::Response(response)
                if response
                    .client_transaction_id
                    .as_ref()
                    .is_none_or(|named| named == id) =>
            {
                Ok(*response)
            }
            _ => Err(ConversationError::OutOfOrder),
        }
    }

    /// The connection, for closing it.
    pub fn into_connection(self) -> C {
        self.connection
    }

    fn send(&mut self, frame: &Frame) -> Result<(), ConversationError> {
        let document = Zeroizing::new(frame.write());
        let octets = Zeroizing::new(encode_frame(&document));
        self.connection.write_all(&octets)?;
        self.connection.flush()?;
        Ok(())
    }

    fn receive(&mut self) -> Result<Received, ConversationError> {
        let mut piece = vec![0; PIECE_OCTETS];
        loop {
            if let Some(document) = self.decoder.next_document()? {
                return Ok(Received::read(&document)?);
            }
            let read = match self.connection.read(&mut piece) {
                Ok(0) => return Err(ConversationError::Closed),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(ConversationError::Closed);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            self.decoder.push(&piece[..read]);
        }
    }
}
