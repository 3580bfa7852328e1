//! `<changePoll:changeData>` (RFC 8590): what happened to an object that the client did not do, beside
//! the object as it was before or is after.

use time::OffsetDateTime;

use crate::epp::namespace::change_poll;
use crate::epp::read_error::ReadError;
use crate::epp::reason::{short_token, write_reason};
use crate::epp::transaction_id::ServerTransactionId;
use crate::epp::xml::{XmlReader, XmlWriter, instant};
use crate::message::ChangeOperation;

/// A change, as the queue explains it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeData {
    /// Whether the object beside it is that before the change or after it.
    pub state: ChangeState,
    /// What was done.
    pub operation: ChangeOperation,
    /// More exactly: the name of the [`Event`](crate::message::Event).
    pub sub_operation: Option<String>,
    /// When.
    pub changed_at: OffsetDateTime,
    /// Our name for it.
    pub server_transaction_id: ServerTransactionId,
    /// Who did it: an account's name, or `registry` where the text is empty.
    pub who: String,
    /// Why; the schema has room for 32 characters.
    pub reason: Option<String>,
}

/// Which of two views of an object is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeState {
    /// As it was.
    Before,
    /// As it is now.
    After,
}

impl ChangeState {
    /// The name in the schema.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

impl ChangeData {
    pub(crate) fn write(&self, writer: &mut XmlWriter) {
        let state = [("state", self.state.as_str())];
        writer.within(change_poll("changeData"), &state, |writer| {
            let sub_operation = self.sub_operation.as_deref();
            let sub_operation = sub_operation.map(|text| short_token(text, 64));
            let sub_operation = sub_operation.as_deref().map(|text| ("op", text));
            let operation = self.operation.as_str();
            writer.text(
                change_poll("operation"),
                sub_operation.as_slice(),
                operation,
            );
            writer.element(change_poll("date"), &instant(self.changed_at));
            writer.element(change_poll("svTRID"), self.server_transaction_id.as_str());
            let who = short_token(&self.who, 255);
            let who = if who.is_empty() {
                "registry"
            } else {
                who.as_str()
            };
            writer.element(change_poll("who"), who);
            write_reason(change_poll("reason"), self.reason.as_deref(), writer);
        });
    }

    /// Reads `changeData`, which was entered.
    pub(crate) fn read(reader: &mut XmlReader<'_>) -> Result<Self, ReadError> {
        let states = [
            ("before", ChangeState::Before),
            ("after", ChangeState::After),
        ];
        let state = match reader.attribute("state") {
            Some(state) => state.one_of(&states)?,
            None => ChangeState::After,
        };
        reader.enter(change_poll("operation"))?;
        let sub_operation = reader.attribute("op").map(|op| op.token().to_string());
        Ok(Self {
            state,
            sub_operation,
            operation: reader
                .value("operation")?
                .named(ChangeOperation::from_name)?,
            changed_at: reader.instant(change_poll("date"))?,
            server_transaction_id: {
                let id = reader.required(change_poll("svTRID"))?;
                id.named(ServerTransactionId::parse)?
            },
            who: reader
                .required(change_poll("who"))?
                .normalized()
                .to_string(),
            reason: {
                let reason = reader.optional(change_poll("reason"))?;
                reason.map(|reason| reason.token().to_string())
            },
        })
    }
}
