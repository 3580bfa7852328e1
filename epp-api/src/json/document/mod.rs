//! The JSON documents, typed: what requests carry and what replies are written as, used in both
//! directions. Each stands beside its [`Document`](crate::json::schema::Document), from which the
//! description is written.
//!
//! Bodies of requests refuse members that they do not know; documents of answers do not, so that a
//! client can speak to a newer registry.

pub(crate) mod account;
pub(crate) mod change;
pub(crate) mod device;
pub(crate) mod device_answer;
pub(crate) mod device_info;
pub(crate) mod endpoint;
pub(crate) mod id_list;
pub(crate) mod job;
pub(crate) mod message;
pub(crate) mod pem;
pub(crate) mod problem;
pub(crate) mod text;
pub(crate) mod transfer;
pub(crate) mod zone;
