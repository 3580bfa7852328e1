//! How accounts ask the device registry: one command model, the JSON door in front of it with a
//! client, and the codec and session of the EPP door.
//!
//! The crate knows neither database nor zone: what stands behind the door is a
//! [`Registry`](server::Registry). It decides nothing about accounts and devices; it makes sure that
//! what reaches the decision is well-formed, bounded and said in one way only.
//!
//! In reading order:
//!
//! 1. [`command`]: what can be asked; [`account`] and [`transaction`]: who asks, and which asking of
//!    it this is.
//! 2. [`response`]: what it is answered with; [`device`], [`result_code`] and [`problem`] are its
//!    parts. Numbers and meanings are those of EPP (RFC 5730 §3).
//! 3. [`json`]: HTTP messages in the shape of RPP ↔ this model, without I/O.
//! 4. [`client`]: the other side of the same codec, without I/O and without the feature `server`.
//! 5. [`epp`]: EPP documents, frames and sessions ↔ this model, and a client, without I/O.
//! 6. [`server`] (feature `server`, default): sockets, TLS and limits around the codec.
//!
//! A request made by a client is the request that the door reads:
//!
//! ```
//! use iot_epp_api::client::ClientRequest;
//! use iot_epp_api::command::DeviceCommand;
//! use iot_epp_api::json::Head;
//! use iot_epp_api::{BearerToken, ClientTransactionId, Command};
//! use iot_identity::DeviceId;
//!
//! let device_id = DeviceId::parse("89049032123451234512345678901235")?;
//! let asked = ClientRequest::new(
//!     Command::Device(DeviceCommand::Deactivate { device_id }),
//!     ClientTransactionId::parse("stolen-van-17")?,
//! );
//! let token = BearerToken::parse("an-example-of-a-token")?;
//! let (parts, body) = asked.to_http(&token)?.into_parts();
//!
//! let head = Head::decode(&parts.method, &parts.uri, &parts.headers).map_err(|r| r.problem)?;
//! let (request, _) = head.into_request(&body).map_err(|r| r.problem)?;
//! assert_eq!(&request.command, asked.command());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod account;
pub mod client;
pub mod command;
pub mod device;
pub mod endpoint;
pub mod epp;
pub mod job;
pub mod json;
pub mod message;
mod named;
pub mod period;
pub mod problem;
pub mod response;
pub mod result_code;
pub mod scope;
pub mod secret;
#[cfg(feature = "server")]
pub mod server;
mod timestamp;
pub mod transaction;
pub mod transfer;

pub use account::{AccountName, BearerToken, Caller, IdPrefix, Role};
pub use command::{Command, Door, Request};
pub use device::{DeviceInfo, DeviceState, DeviceStatus, PublicationTimes, SlotInfo, SlotState};
pub use problem::Problem;
pub use response::{
    AccountInfo, Availability, ProcessKind, ProcessState, ProcessStatus, Reply, Response,
    ZoneReport,
};
pub use result_code::ResultCode;
pub use scope::{Scope, Scopes};
pub use transaction::{ClientTransactionId, server_transaction_id};
