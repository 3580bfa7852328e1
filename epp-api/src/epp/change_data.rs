//! `<changePoll:changeData>` (RFC 8590): what happened to an object that the client did not do, beside
//! the object as it was before or is after.

use time::OffsetDateTime;

use crate::epp::namespace::change_poll;
use crate::epp::reason::{short_token, write_reason};
use crate::epp::transaction_id::ServerTransactionId;
use crate::epp::xml::{XmlWriter, instant};

/// A change, as the queue explains it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeData {
    /// Whether the object beside it is that before the change or after it.
    pub state: ChangeState,
    /// What was done.
    pub operation: ChangeOperation,
    /// More exactly: such as `hold` beside `update`.
    pub sub_operation: Option<String>,
    /// When.
    pub changed_at: OffsetDateTime,
    /// Our name for it.
    pub server_transaction_id: ServerTransactionId,
    /// Who did it: an account's name, or `registry` where the text is empty.
    pub who: String,
    /// A case that it belongs to.
    pub case: Option<Case>,
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

/// What can be done to an object (RFC 8590 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeOperation {
    /// Registered.
    Create,
    /// Deleted; with a restore window.
    Delete,
    /// Extended.
    Renew,
    /// Moved to another account.
    Transfer,
    /// Changed: holds, slots, prohibitions.
    Update,
    /// Brought back.
    Restore,
    /// Extended by itself.
    AutoRenew,
    /// Deleted by itself.
    AutoDelete,
    /// Gone when the restore window ended.
    AutoPurge,
    /// Something else, which the sub-operation names.
    Custom,
}

/// A case of dispute or abuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Whose cases these are, such as `abuse-desk`.
    pub name: Option<String>,
    /// The case's number there.
    pub id: String,
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

impl ChangeOperation {
    /// The name in the schema.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Renew => "renew",
            Self::Transfer => "transfer",
            Self::Update => "update",
            Self::Restore => "restore",
            Self::AutoRenew => "autoRenew",
            Self::AutoDelete => "autoDelete",
            Self::AutoPurge => "autoPurge",
            Self::Custom => "custom",
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
            if let Some(case) = &self.case {
                case.write(writer);
            }
            write_reason(change_poll("reason"), self.reason.as_deref(), writer);
        });
    }
}

impl Case {
    /// Our cases are none of the two domain name policies that the schema names.
    fn write(&self, writer: &mut XmlWriter) {
        let mut attributes = vec![("type", "custom")];
        attributes.extend(self.name.as_deref().map(|name| ("name", name)));
        writer.text(change_poll("caseId"), &attributes, &self.id);
    }
}
