//! The other side of the codec: what a server of this registry says, read within limits, and a
//! session from greeting to logout. Without sockets and without the feature `server`.
//!
//! [`Received`] is one document; [`Conversation`] says one thing after the other over whatever can be
//! read and written. Limits: [`ANSWER_OCTETS_MAX`](crate::epp::ANSWER_OCTETS_MAX) and
//! [`ANSWER_ELEMENTS_MAX`](crate::epp::ANSWER_ELEMENTS_MAX). What we do not emit is not understood.

mod conversation;
mod received;

pub use conversation::{Conversation, ConversationError, Refused};
pub use received::{Received, ReceivedResponse, ServerGreeting};
