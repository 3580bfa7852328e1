//! What a server says: one document of a frame → [`Received`] (RFC 5730 §2.4, §2.6).

use time::OffsetDateTime;

use crate::epp::change_data::ChangeData;
use crate::epp::device::{read_device_info, read_transaction};
use crate::epp::namespace::{
    DEVICE, Name, change_poll, device, device_element, epp, login_security,
};
use crate::epp::read_error::{ReadError, excerpt};
use crate::epp::response::{Answer, MessageQueue, QueuedMessage, REPLAYED, Reason};
use crate::epp::response_data::ResponseData;
use crate::epp::security_event::SecurityEvent;
use crate::epp::transaction_id::ServerTransactionId;
use crate::epp::xml::{DocumentLimits, XmlReader};
use crate::result_code::ResultCode;
use crate::transaction::ClientTransactionId;

/// Most services of either kind, versions and languages that a greeting may list.
const SERVICES_MAX: usize = 64;
/// Most reasons of one result.
const REASONS_MAX: usize = 64;

/// What a server can send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Who it is and what can be logged in for.
    Greeting(ServerGreeting),
    /// What came of a command.
    Response(Box<ReceivedResponse>),
}

/// A greeting; what becomes of data is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerGreeting {
    /// `svID`.
    pub server_id: String,
    /// The server's time.
    pub date: OffsetDateTime,
    /// Protocol versions.
    pub versions: Vec<String>,
    /// Languages of messages.
    pub languages: Vec<String>,
    /// Namespaces of objects.
    pub object_uris: Vec<String>,
    /// Namespaces of extensions.
    pub extension_uris: Vec<String>,
}

/// A response with the names of its transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedResponse {
    /// What came of the command.
    pub answer: Answer,
    /// The client's name for it.
    pub client_transaction_id: Option<ClientTransactionId>,
    /// The server's name for it.
    pub server_transaction_id: ServerTransactionId,
}

impl Received {
    /// Reads one document.
    ///
    /// # Errors
    /// It is not XML within the limits, or not what a server of this registry sends.
    pub fn read(document: &[u8]) -> Result<Self, ReadError> {
        let mut reader = XmlReader::open(document, DocumentLimits::ANSWERS)?;
        reader.enter(epp("epp"))?;
        let received = if reader.try_enter(epp("greeting"))? {
            Self::Greeting(ServerGreeting::read(&mut reader)?)
        } else {
            reader.enter(epp("response"))?;
            Self::Response(Box::new(ReceivedResponse::read(&mut reader)?))
        };
        reader.leave()?;
        reader.leave()?;
        reader.finish()?;
        Ok(received)
    }
}

impl ServerGreeting {
    fn read(reader: &mut XmlReader<'_>) -> Result<Self, ReadError> {
        let server_id = reader.required(epp("svID"))?.token().to_string();
        let date = reader.instant(epp("svDate"))?;
        reader.enter(epp("svcMenu"))?;
        let mut greeting = Self {
            server_id,
            date,
            versions: texts(reader, epp("version"))?,
            languages: texts(reader, epp("lang"))?,
            object_uris: texts(reader, epp("objURI"))?,
            extension_uris: Vec::new(),
        };
        if reader.try_enter(epp("svcExtension"))? {
            greeting.extension_uris = texts(reader, epp("extURI"))?;
            reader.leave()?;
        }
        reader.leave()?;
        match reader.peek()? {
            Some((_, "dcp")) => reader.skip()?,
            _ => return Err(ReadError::MissingElement { element: "dcp" }),
        }
        Ok(greeting)
    }
}

fn texts(reader: &mut XmlReader<'_>, name: Name) -> Result<Vec<String>, ReadError> {
    let mut texts = Vec::new();
    while let Some(text) = reader.optional(name)? {
        if texts.len() == SERVICES_MAX {
            return Err(too_many(name.local, SERVICES_MAX));
        }
        texts.push(text.token().to_string());
    }
    Ok(texts)
}

fn too_many(name: &'static str, most: usize) -> ReadError {
    ReadError::range(name, format!("comes at most {most} times"))
}

impl ReceivedResponse {
    fn read(reader: &mut XmlReader<'_>) -> Result<Self, ReadError> {
        let mut answer = read_result(reader)?;
        answer.queue = read_queue(reader)?;
        if reader.try_enter(epp("resData"))? {
            answer.data = ResponseData::read(reader)?;
            if reader.try_enter(device("preData"))? {
                answer.before = Some(Box::new(read_device_info(reader)?));
                reader.leave()?;
            }
            reader.leave()?;
        }
        if reader.try_enter(epp("extension"))? {
            read_extensions(reader, &mut answer)?;
            reader.leave()?;
        }
        reader.enter(epp("trID"))?;
        let (client_transaction_id, server_transaction_id) = read_transaction(reader)?;
        reader.leave()?;
        Ok(Self {
            answer,
            client_transaction_id,
            server_transaction_id,
        })
    }
}

fn read_result(reader: &mut XmlReader<'_>) -> Result<Answer, ReadError> {
    reader.enter(epp("result"))?;
    let code = reader.required_attribute("code")?;
    let code = code.named(|number| ResultCode::from_number(number.parse().ok()?))?;
    let mut answer = Answer::new(code);
    answer.replayed = reader.required(epp("msg"))?.token().ends_with(REPLAYED);
    while reader.try_enter(epp("extValue"))? {
        if answer.reasons.len() == REASONS_MAX {
            return Err(too_many("extValue", REASONS_MAX));
        }
        reader.enter(epp("value"))?;
        let element = match reader.peek()? {
            Some((DEVICE, local)) => device_element(local),
            _ => None,
        };
        reader.skip()?;
        reader.leave()?;
        let text = reader.required(epp("reason"))?.token().to_string();
        reader.leave()?;
        answer.reasons.push(Reason { element, text });
    }
    reader.leave()?;
    Ok(answer)
}

fn read_queue(reader: &mut XmlReader<'_>) -> Result<Option<MessageQueue>, ReadError> {
    if !reader.try_enter(epp("msgQ"))? {
        return Ok(None);
    }
    let mut queue = MessageQueue {
        count: reader.required_attribute("count")?.parse()?,
        message_id: reader.required_attribute("id")?.parse()?,
        head: None,
    };
    if let Some(queued_at) = reader.optional_instant(epp("qDate"))? {
        let text = reader.required(epp("msg"))?.token().to_string();
        queue.head = Some(QueuedMessage { queued_at, text });
    }
    reader.leave()?;
    Ok(Some(queue))
}

fn read_extensions(reader: &mut XmlReader<'_>, answer: &mut Answer) -> Result<(), ReadError> {
    if reader.try_enter(change_poll("changeData"))? {
        answer.change = Some(ChangeData::read(reader)?);
        reader.leave()?;
    }
    if reader.try_enter(login_security("loginSecData"))? {
        answer.security_events = SecurityEvent::read_all(reader)?;
        reader.leave()?;
    }
    match reader.peek()? {
        None => Ok(()),
        Some((_, local)) => Err(ReadError::UnexpectedElement {
            element: excerpt(local),
        }),
    }
}
