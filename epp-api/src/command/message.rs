//! Commands about the account's queue of messages (RFC 5730 §2.9.2.3).

use super::content::Content;

/// A command about messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageCommand {
    /// The oldest message, and how many there are.
    Head,
    /// Take the oldest message out of the queue; no other one can be.
    Acknowledge {
        /// Its number.
        message_id: u64,
    },
}

impl MessageCommand {
    /// The verbs in the order of the variants.
    pub const VERBS: [&str; 2] = ["message.head", "message.acknowledge"];

    pub(super) fn verb(self) -> &'static str {
        match self {
            Self::Head => Self::VERBS[0],
            Self::Acknowledge { .. } => Self::VERBS[1],
        }
    }

    pub(super) fn is_query(self) -> bool {
        matches!(self, Self::Head)
    }

    pub(super) fn add_to(self, content: &mut Content) {
        if let Self::Acknowledge { message_id } = self {
            content.parameter(message_id.to_be_bytes());
        }
    }
}
