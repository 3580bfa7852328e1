//! The codec and the session of the EPP door (RFC 5730 over RFC 5734), without I/O: octets ↔ frames ↔
//! plain data ↔ the command model. What a command does is decided elsewhere.
//!
//! In reading order: [`framing`] takes the stream apart; `xml` reads and writes documents within
//! limits; [`frame`] is what clients say, with [`login`], [`poll`] and [`device`] as its parts;
//! [`greeting`] and [`response`] are what we say, with [`change_data`] (RFC 8590) and
//! [`security_event`] (RFC 8807); [`services`] is what a client logged in for (RFC 9038); [`mapping`]
//! is what all of it means in the command model; [`session`] is the order in which it may be said;
//! [`client`] is the other side.
//!
//! ```
//! use std::time::Instant;
//!
//! use iot_epp_api::AccountName;
//! use iot_epp_api::epp::session::Moment;
//! use iot_epp_api::epp::{Action, Frame, Greeting, ServerTransactionId, Session, SessionLimits};
//! use iot_epp_api::epp::{FrameDecoder, encode_frame};
//! use time::OffsetDateTime;
//!
//! let moment = Moment {
//!     now: Instant::now(),
//!     date: OffsetDateTime::UNIX_EPOCH,
//!     server_transaction_id: ServerTransactionId::from_random([7; 16]),
//! };
//! let account = AccountName::parse("mno-one")?; // whose certificate the client showed
//! let greeting = Greeting::new("IoT device registry").expect("it has three characters");
//! let mut session = Session::new(account, greeting, SessionLimits::default(), moment.now);
//! session.receive(&encode_frame(&Frame::Hello.write()), moment.now);
//!
//! // One greeting because the session began, one because it was asked for.
//! let mut client = FrameDecoder::new();
//! while let Some(Action::Send { octets, .. }) = session.next_action(&moment) {
//!     client.push(&octets);
//! }
//! assert!(client.next_document()?.is_some() && client.next_document()?.is_some());
//! assert!(!client.has_begun());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The schemas are in `schema/`, an example of every frame in `schema/examples/`. Limits: 64 KiB a
//! frame, and those of `xml`; each list states its own. Whatever is not understood is refused, never
//! skipped. Passwords and authInfo are [`secret`](crate::secret)s: absent from Debug, wiped when dropped.

pub mod change_data;
pub mod client;
pub mod device;
pub mod frame;
pub mod framing;
pub mod greeting;
pub mod login;
pub mod mapping;
pub mod namespace;
pub mod poll;
pub mod read_error;
mod reason;
pub mod response;
pub mod response_data;
pub mod security_event;
pub mod services;
pub mod session;
pub mod transaction_id;
mod xml;

pub use device::DeviceRequest;
pub use frame::{EppCommand, Frame, UnreadFrame};
pub use framing::{ANSWER_OCTETS_MAX, FRAME_OCTETS_MAX, FrameDecoder, encode_frame};
pub use greeting::Greeting;
pub use login::Login;
pub use poll::Poll;
pub use read_error::ReadError;
pub use response::{Answer, MessageQueue, QueuedMessage, Reason};
pub use response_data::ResponseData;
pub use services::Services;
pub use session::{Action, LoginVerdict, Session, SessionLimits};
pub use transaction_id::ServerTransactionId;
pub use xml::{ANSWER_ELEMENTS_MAX, ATTRIBUTES_MAX, DEPTH_MAX, ELEMENTS_MAX};
