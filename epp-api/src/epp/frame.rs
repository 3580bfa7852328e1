//! What a client says: one document of a frame ↔ [`Frame`] (RFC 5730 §2.4, §2.5, §2.9).

use thiserror::Error;

use crate::epp::device::{DeviceRequest, Verb};
use crate::epp::login::{Login, LoginSecurity, ShortLogin};
use crate::epp::namespace::{EPP, epp, login_security};
use crate::epp::poll::Poll;
use crate::epp::read_error::{ReadError, excerpt};
use crate::epp::xml::{DocumentLimits, XmlReader, XmlWriter};
use crate::transaction::ClientTransactionId;

/// What a client can send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Asks for the greeting again.
    Hello,
    /// Asks for something to be done.
    Command {
        /// What.
        command: Box<EppCommand>,
        /// The client's name for this asking.
        client_transaction_id: Option<ClientTransactionId>,
    },
}

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EppCommand {
    /// Begin the session.
    Login(Login),
    /// End the session.
    Logout,
    /// Read the queue of messages.
    Poll(Poll),
    /// Something about devices.
    Device(DeviceRequest),
}

/// A document that was not understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{error}")]
pub struct UnreadFrame {
    /// Why.
    pub error: ReadError,
    /// The client's name for it, where that at least could be read: for the answer.
    pub client_transaction_id: Option<ClientTransactionId>,
}

impl Frame {
    /// Reads one document.
    ///
    /// # Errors
    /// It is not XML within the limits, or not what the schemas allow a client to send.
    pub fn read(document: &[u8]) -> Result<Self, UnreadFrame> {
        Self::read_counted(document).0
    }

    /// Reads one document and says how many elements were read for that: what the work is measured by.
    pub fn read_counted(document: &[u8]) -> (Result<Self, UnreadFrame>, usize) {
        let mut elements = 0;
        let read = read_document(document, &mut elements);
        let read = read.map_err(|error| UnreadFrame {
            client_transaction_id: find_client_transaction_id(document, &mut elements),
            error,
        });
        (read, elements)
    }

    /// The document that reads as this.
    pub fn write(&self) -> String {
        XmlWriter::document(epp("epp"), |writer| match self {
            Self::Hello => writer.empty(epp("hello"), &[]),
            Self::Command {
                command,
                client_transaction_id,
            } => writer.within(epp("command"), &[], |writer| {
                command.write(writer);
                let id = client_transaction_id.as_ref();
                writer.optional(epp("clTRID"), id.map(ClientTransactionId::as_str));
            }),
        })
    }
}

impl EppCommand {
    fn write(&self, writer: &mut XmlWriter) {
        match self {
            Self::Login(login) => {
                login.write(writer);
                login.write_extension(writer);
            }
            Self::Logout => writer.empty(epp("logout"), &[]),
            Self::Poll(poll) => poll.write(writer),
            Self::Device(command) => command.write(writer),
        }
    }
}

fn read_document(document: &[u8], elements: &mut usize) -> Result<Frame, ReadError> {
    let mut reader = XmlReader::open(document, DocumentLimits::COMMANDS)?;
    let read = read_frame(&mut reader);
    *elements += reader.elements();
    let frame = read?;
    reader.finish()?;
    Ok(frame)
}

fn read_frame(reader: &mut XmlReader<'_>) -> Result<Frame, ReadError> {
    if !reader.try_enter(epp("epp"))? {
        return Err(ReadError::NotEpp);
    }
    let frame = if reader.flag(epp("hello"))? {
        Frame::Hello
    } else if reader.try_enter(epp("command"))? {
        let (command, client_transaction_id) = read_command(reader)?;
        reader.leave()?;
        Frame::Command {
            command,
            client_transaction_id,
        }
    } else if reader.try_enter(epp("extension"))? {
        return Err(ReadError::ProtocolExtension);
    } else {
        // Whatever else is there is named by this.
        reader.leave()?;
        return Err(ReadError::NotEpp);
    };
    reader.leave()?;
    Ok(frame)
}

/// A command, which needs its extension to be complete.
enum Unextended {
    Login(Box<ShortLogin>),
    Complete(Box<EppCommand>),
}

fn read_command(
    reader: &mut XmlReader<'_>,
) -> Result<(Box<EppCommand>, Option<ClientTransactionId>), ReadError> {
    let command = read_verb(reader)?;
    let mut security = None;
    if reader.try_enter(epp("extension"))? {
        let extensible = matches!(command, Unextended::Login(_));
        if !extensible || !reader.try_enter(login_security("loginSec"))? {
            return Err(ReadError::UnimplementedExtension);
        }
        security = Some(LoginSecurity::read(reader)?);
        if reader.peek()?.is_some() {
            return Err(ReadError::UnimplementedExtension);
        }
        reader.leave()?;
    }
    let client_transaction_id = reader.optional(epp("clTRID"))?;
    let client_transaction_id = client_transaction_id
        .map(|id| ClientTransactionId::parse(&id.token()))
        .transpose()?;
    let command = match command {
        Unextended::Complete(command) => command,
        Unextended::Login(login) => {
            let login = login.complete(security.unwrap_or_default())?;
            Box::new(EppCommand::Login(login))
        }
    };
    Ok((command, client_transaction_id))
}

fn read_verb(reader: &mut XmlReader<'_>) -> Result<Unextended, ReadError> {
    if reader.try_enter(epp("login"))? {
        let login = ShortLogin::read(reader)?;
        return Ok(Unextended::Login(Box::new(login)));
    }
    let command = if reader.flag(epp("logout"))? {
        EppCommand::Logout
    } else if reader.try_enter(epp("poll"))? {
        EppCommand::Poll(Poll::read(reader)?)
    } else {
        for verb in Verb::ALL {
            if reader.try_enter(epp(verb.as_str()))? {
                let command = DeviceRequest::read(verb, reader)?;
                let command = Box::new(EppCommand::Device(command));
                return Ok(Unextended::Complete(command));
            }
        }
        return Err(match reader.peek()? {
            Some((EPP, "extension" | "clTRID")) | None => ReadError::MissingElement {
                element: "check, create, delete, info, login, logout, poll, renew, transfer or update",
            },
            Some((_, local)) => ReadError::UnknownCommand {
                element: excerpt(local),
            },
        });
    };
    Ok(Unextended::Complete(Box::new(command)))
}

/// Looks for the identifier alone, so that a refusal can carry it.
fn find_client_transaction_id(
    document: &[u8],
    elements: &mut usize,
) -> Option<ClientTransactionId> {
    let mut reader = XmlReader::open(document, DocumentLimits::COMMANDS).ok()?;
    let found = find_in_command(&mut reader);
    *elements += reader.elements();
    found.ok().flatten()
}

fn find_in_command(reader: &mut XmlReader<'_>) -> Result<Option<ClientTransactionId>, ReadError> {
    reader.enter(epp("epp"))?;
    reader.enter(epp("command"))?;
    while reader.peek()?.is_some() {
        if let Some(value) = reader.optional(epp("clTRID"))? {
            return Ok(Some(ClientTransactionId::parse(&value.token())?));
        }
        reader.skip()?;
    }
    Ok(None)
}
