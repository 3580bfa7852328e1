//! `<poll>` (RFC 5730 §2.9.2.3): the queue of messages, one at a time.

use crate::epp::namespace::epp;
use crate::epp::read_error::ReadError;
use crate::epp::xml::{XmlReader, XmlWriter};

/// What is asked of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll {
    /// The first message.
    Request,
    /// The message with this number was read and can go.
    Acknowledge {
        /// Number of the message, unique in the account's queue.
        message_id: u64,
    },
}

impl Poll {
    /// Reads `<poll>`, which was entered, and leaves it. The schema allows a `msgID` in a request as
    /// well, where it says nothing.
    pub(crate) fn read(reader: &mut XmlReader<'_>) -> Result<Self, ReadError> {
        let operation = reader.required_attribute("op")?;
        let acknowledges = operation.one_of(&[("req", false), ("ack", true)])?;
        let message_id = reader.attribute("msgID");
        let poll = match (acknowledges, message_id) {
            (false, _) => Self::Request,
            (true, None) => return Err(ReadError::MissingAttribute { attribute: "msgID" }),
            (true, Some(message_id)) => Self::Acknowledge {
                message_id: message_id.parse()?,
            },
        };
        reader.leave()?;
        Ok(poll)
    }

    pub(crate) fn write(self, writer: &mut XmlWriter) {
        match self {
            Self::Request => writer.empty(epp("poll"), &[("op", "req")]),
            Self::Acknowledge { message_id } => {
                let message_id = message_id.to_string();
                let attributes = [("op", "ack"), ("msgID", message_id.as_str())];
                writer.empty(epp("poll"), &attributes);
            }
        }
    }
}
