//! The codec and the session of the EPP door (RFC 5730 over RFC 5734), without I/O: octets ↔ frames ↔
//! plain data. What a command means is mapped and decided elsewhere.
//!
//! In reading order: [`framing`] takes the stream apart; `xml` reads and writes documents within
//! limits; [`frame`] is what clients say, with [`login`], [`poll`] and [`device`] as its parts;
//! [`greeting`] and [`response`] are what we say, with [`change_data`] (RFC 8590) and
//! [`security_event`] (RFC 8807); [`services`] is what a client logged in for (RFC 9038); [`session`]
//! is the order in which all of it may be said.
//!
//! The schemas are in `schema/`, an example of every frame in `schema/examples/`. Limits: 64 KiB a
//! frame, and those of `xml`; each list states its own. Whatever is not understood is refused, never
//! skipped. Passwords and authInfo are [`secret`]s: absent from Debug, wiped when dropped.

pub mod change_data;
pub mod device;
pub mod frame;
pub mod framing;
pub mod greeting;
pub mod login;
pub mod namespace;
pub mod poll;
pub mod read_error;
mod reason;
pub mod response;
pub mod secret;
pub mod security_event;
pub mod services;
pub mod session;
pub mod transaction_id;
mod xml;

pub use device::DeviceCommand;
pub use frame::{EppCommand, Frame, UnreadFrame};
pub use framing::{FRAME_OCTETS_MAX, FrameDecoder, encode_frame};
pub use greeting::Greeting;
pub use login::Login;
pub use poll::Poll;
pub use read_error::ReadError;
pub use response::{Answer, MessageQueue, QueuedMessage, Reason, ResponseData};
pub use secret::{AuthInfo, Secret};
pub use services::Services;
pub use session::{Action, LoginVerdict, Session, SessionLimits};
pub use transaction_id::ServerTransactionId;
pub use xml::{ATTRIBUTES_MAX, DEPTH_MAX, ELEMENTS_MAX};
