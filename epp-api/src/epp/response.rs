//! `<response>` (RFC 5730 §2.6), and what becomes of the parts that the client did not log in for
//! (RFC 9038 §3): they move into the result, each with the namespace it is of.

use time::OffsetDateTime;

use crate::device::DeviceInfo;
use crate::epp::change_data::ChangeData;
use crate::epp::device::write_device_info;
use crate::epp::namespace::{CHANGE_POLL, DEVICE, LOGIN_SECURITY, Name, device, epp};
use crate::epp::reason::short_token;
use crate::epp::response_data::ResponseData;
use crate::epp::security_event::SecurityEvent;
use crate::epp::services::Services;
use crate::epp::transaction_id::ServerTransactionId;
use crate::epp::xml::{XmlWriter, instant};
use crate::result_code::ResultCode;
use crate::transaction::ClientTransactionId;

/// Longest sentence in an answer, in characters.
const SENTENCE_CHARACTERS_MAX: usize = 1024;
/// Behind the message of a result that was found before.
pub(crate) const REPLAYED: &str = "; result of an earlier request";
/// What the schema wants in the place of a value, where no element is known.
pub(crate) const UNDEFINED: Name = epp("undef");

/// What a command is answered with, but for the names of the transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The result; its meaning is the message.
    pub code: ResultCode,
    /// Whether it is the result of an earlier request with the same client transaction id; the message
    /// says so too, since EPP has no other place for it.
    pub replayed: bool,
    /// Why not, when not.
    pub reasons: Vec<Reason>,
    /// The queue, where it was asked for or has something.
    pub queue: Option<MessageQueue>,
    /// What was found or done.
    pub data: Option<ResponseData>,
    /// Beside a change that left the device there: what it was before.
    pub before: Option<Box<DeviceInfo>>,
    /// Beside a message of the queue: what was changed.
    pub change: Option<ChangeData>,
    /// Beside a login: what the client should know.
    pub security_events: Vec<SecurityEvent>,
}

/// A sentence about what was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The element with the cause.
    pub element: Option<Name>,
    /// What was wrong and what to do about it. Never quotes a secret.
    pub text: String,
}

/// The state of the queue, and its first message where that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageQueue {
    /// Messages in it.
    pub count: u64,
    /// Number of the first of them.
    pub message_id: u64,
    /// The first message.
    pub head: Option<QueuedMessage>,
}

/// A message's envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedMessage {
    /// Since when it is in the queue.
    pub queued_at: OffsetDateTime,
    /// A sentence.
    pub text: String,
}

impl Answer {
    /// An answer of the code alone.
    pub fn new(code: ResultCode) -> Self {
        Self {
            code,
            replayed: false,
            reasons: Vec::new(),
            queue: None,
            data: None,
            before: None,
            change: None,
            security_events: Vec::new(),
        }
    }

    /// Completed, with what was found or done.
    pub fn completed(data: ResponseData) -> Self {
        Self::new(ResultCode::Completed).with_data(data)
    }

    /// A refusal with its reason.
    pub fn refused(code: ResultCode, reason: impl Into<String>) -> Self {
        Self::new(code).because(None, reason)
    }

    /// Adds a reason.
    #[must_use]
    pub fn because(mut self, element: Option<Name>, text: impl Into<String>) -> Self {
        let text = text.into();
        self.reasons.push(Reason { element, text });
        self
    }

    /// Adds what was found or done.
    #[must_use]
    pub fn with_data(mut self, data: ResponseData) -> Self {
        self.data = Some(data);
        self
    }

    /// The document, for a client that logged in for these services.
    pub fn write(
        &self,
        services: &Services,
        client_transaction_id: Option<&ClientTransactionId>,
        server_transaction_id: &ServerTransactionId,
    ) -> String {
        XmlWriter::document(epp("epp"), |writer| {
            writer.within(epp("response"), &[], |writer| {
                self.write_result(services, writer);
                if let Some(queue) = &self.queue {
                    queue.write(writer);
                }
                self.write_parts(services, writer);
                writer.within(epp("trID"), &[], |writer| {
                    let client = client_transaction_id.map(ClientTransactionId::as_str);
                    writer.optional(epp("clTRID"), client);
                    writer.element(epp("svTRID"), server_transaction_id.as_str());
                });
            });
        })
    }

    fn write_result(&self, services: &Services, writer: &mut XmlWriter) {
        let code = self.code.number().to_string();
        writer.within(epp("result"), &[("code", code.as_str())], |writer| {
            let mut message = self.code.meaning().to_owned();
            if self.replayed {
                message.push_str(REPLAYED);
            }
            writer.element(epp("msg"), &message);
            for reason in &self.reasons {
                reason.write(writer);
            }
            for part in self
                .parts()
                .filter(|part| !services.handles(part.namespace))
            {
                let reason = format!("{} not in login services", part.namespace);
                write_extended_value(&reason, writer, |writer| (part.write)(self, writer));
            }
        });
    }

    fn write_parts(&self, services: &Services, writer: &mut XmlWriter) {
        for (place, is_data) in [("resData", true), ("extension", false)] {
            let parts = self.parts().filter(|part| part.is_data == is_data);
            let mut handled = parts
                .filter(|part| services.handles(part.namespace))
                .peekable();
            if handled.peek().is_some() {
                writer.within(epp(place), &[], |writer| {
                    handled.for_each(|part| (part.write)(self, writer));
                });
            }
        }
    }

    /// The parts that are of another namespace than EPP's own.
    fn parts(&self) -> impl Iterator<Item = Part> {
        let there = [
            (self.data.is_some(), Part::DATA),
            (self.before.is_some(), Part::BEFORE),
            (self.change.is_some(), Part::CHANGE),
            (!self.security_events.is_empty(), Part::SECURITY),
        ];
        there
            .into_iter()
            .filter_map(|(is_there, part)| is_there.then_some(part))
    }
}

/// One element beside the result.
struct Part {
    namespace: &'static str,
    is_data: bool,
    write: fn(&Answer, &mut XmlWriter),
}

impl Part {
    const DATA: Self = Self {
        namespace: DEVICE,
        is_data: true,
        write: |answer, writer| {
            if let Some(data) = &answer.data {
                data.write(writer);
            }
        },
    };
    const BEFORE: Self = Self {
        namespace: DEVICE,
        is_data: true,
        write: |answer, writer| {
            if let Some(before) = &answer.before {
                write_device_info(device("preData"), before, writer);
            }
        },
    };
    const CHANGE: Self = Self {
        namespace: CHANGE_POLL,
        is_data: false,
        write: |answer, writer| {
            if let Some(change) = &answer.change {
                change.write(writer);
            }
        },
    };
    const SECURITY: Self = Self {
        namespace: LOGIN_SECURITY,
        is_data: false,
        write: |answer, writer| SecurityEvent::write_all(&answer.security_events, writer),
    };
}

impl Reason {
    /// The schema wants an element in the value; where none is known it is `undef`, as registries do.
    fn write(&self, writer: &mut XmlWriter) {
        let element = self.element.unwrap_or(UNDEFINED);
        write_extended_value(&self.text, writer, |writer| writer.empty(element, &[]));
    }
}

fn write_extended_value(reason: &str, writer: &mut XmlWriter, value: impl FnOnce(&mut XmlWriter)) {
    writer.within(epp("extValue"), &[], |writer| {
        writer.within(epp("value"), &[], value);
        writer.element(epp("reason"), &short_token(reason, SENTENCE_CHARACTERS_MAX));
    });
}

impl MessageQueue {
    fn write(&self, writer: &mut XmlWriter) {
        let (count, message_id) = (self.count.to_string(), self.message_id.to_string());
        let attributes = [("count", count.as_str()), ("id", message_id.as_str())];
        let Some(head) = &self.head else {
            return writer.empty(epp("msgQ"), &attributes);
        };
        writer.within(epp("msgQ"), &attributes, |writer| {
            writer.element(epp("qDate"), &instant(head.queued_at));
            writer.element(
                epp("msg"),
                &short_token(&head.text, SENTENCE_CHARACTERS_MAX),
            );
        });
    }
}
