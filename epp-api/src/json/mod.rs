//! The codec of the JSON door: HTTP messages ↔ the command model, in the shape of RPP
//! (draft-ietf-rpp-core-01, draft-ietf-rpp-json-00), without I/O.
//!
//! In reading order: [`code`] is the table of results; `route` knows the resources; [`header`] and
//! `members` read what clients send; [`decode`] makes it a request; [`mod@encode`] writes the answer;
//! [`refusal`] and `problem_document` are what goes wrong; [`discovery`] is what strangers may read.
//!
//! Limits: bodies of 64 KiB, certificate requests of 16 KiB, identifiers of 64 characters. Whatever
//! is not understood is refused by name; nothing is guessed or ignored.

pub mod code;
pub(crate) mod csr_text;
pub mod decode;
pub mod discovery;
pub(crate) mod document;
pub mod encode;
pub mod header;
mod members;
pub(crate) mod problem_document;
pub mod refusal;
pub(crate) mod route;

pub use decode::{BODY_OCTETS_MAX, Head};
pub use discovery::Discovery;
pub use encode::{Asked, encode, encode_refusal};
pub use refusal::Refusal;
pub use route::{BASE_PATH, DISCOVERY_PATH};
