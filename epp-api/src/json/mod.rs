//! The codec of the JSON door: HTTP messages ↔ the command model, in the shape of RPP
//! (draft-ietf-rpp-core-01, draft-ietf-rpp-json-00), without I/O.
//!
//! In reading order: `operation` says what a row of the table is, and `operations` has the rows;
//! `given` reads path and query, [`header`] and `condition` the header fields, `body` and `document`
//! the body; [`decode`] makes all of it a request. [`mod@encode`] writes the answer, [`code`] is the
//! table of results, [`refusal`] is what goes wrong at the door. `schema`, `openapi`, `page` and
//! [`discovery`] describe the table to everybody ([`open`]).
//!
//! Limits: bodies of 64 KiB and eight levels (rows of jobs 4 MiB), certificate requests of 16 KiB,
//! identifiers of 64 characters. Whatever is not understood is refused by name; nothing is guessed or
//! ignored.

mod answer_header;
mod body;
pub mod code;
mod condition;
pub(crate) mod csr_text;
pub mod decode;
pub mod discovery;
pub(crate) mod document;
pub mod encode;
pub mod event;
pub(crate) mod given;
pub mod header;
mod job_row;
pub mod open;
mod openapi;
pub(crate) mod operation;
pub(crate) mod operations;
mod page;
pub mod refusal;
mod route;
mod schema;
mod written;

pub use decode::{BODY_OCTETS_MAX, Head};
pub use discovery::Discovery;
pub use encode::{Asked, encode, encode_refusal};
pub use job_row::job_command;
pub use open::OpenDocuments;
pub use refusal::Refusal;
pub use route::{BASE_PATH, DISCOVERY_PATH, OPENAPI_PATH, PAGE_PATH};

#[cfg(feature = "server")]
pub(crate) use encode::encode_success;
