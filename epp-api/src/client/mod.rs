//! The client of the JSON door, without I/O: a command becomes an HTTP request, the HTTP answer
//! becomes a [`Response`]. Sending the one and reading the other is the caller's.
//!
//! `target` says which row of the door's table a command is and what its body is; `reply` reads the
//! documents of answers. The answer has to fit what was asked: result code, echoed transaction id,
//! status and document are checked against each other, and an answer of anything but an RPP server is
//! an error. The messages of `GET /rpp/v1/events` are read by
//! [`EventReader`](crate::json::event::EventReader).

mod reply;
mod target;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, IF_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use thiserror::Error;

use crate::account::BearerToken;
use crate::command::Command;
use crate::json::code::parse_rpp_code;
use crate::json::header::{
    LINES_MEDIA_TYPE, MEDIA_TYPE, RPP_AUTHORIZATION, RPP_CLTRID, RPP_CODE, RPP_REPLAYED,
    RPP_SVTRID, auth_info_value,
};
use crate::json::operation::Body;
use crate::response::Response;
use crate::result_code::ResultCode;
use crate::transaction::{ClientTransactionId, is_transaction_id};

/// Longest answer, in octets: the text of a zone with some hundred thousand devices. What is longer
/// is not for a command line.
pub const RESPONSE_OCTETS_MAX: usize = 256 * 1024 * 1024;

/// A command that is to be sent to the JSON door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRequest {
    command: Command,
    client_transaction_id: ClientTransactionId,
    if_version: Option<u64>,
}

/// Why a request cannot be sent or an answer cannot be believed.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The door has no operation that takes a condition for this command.
    #[error("this command takes no condition on the version of a device")]
    Condition,
    /// The transaction id has letters that a header field does not carry.
    #[error("in HTTP a transaction id has printable ASCII characters only")]
    TransactionId,
    /// The answer has no result code: something else than the registry answered.
    #[error("HTTP status {status} without a result code: this is not the registry's JSON door")]
    NotRpp {
        /// The status.
        status: StatusCode,
    },
    /// The answer lacks a header field, or the field is malformed.
    #[error("the answer's header {name} is missing or malformed")]
    Header {
        /// Name of the field.
        name: &'static str,
    },
    /// The answer echoes another transaction id than was sent.
    #[error("the answer belongs to another request: it echoes another RPP-Cltrid")]
    OtherTransaction,
    /// Status and result code contradict each other.
    #[error("HTTP status {status} contradicts the result code {code}")]
    Status {
        /// The status.
        status: StatusCode,
        /// The code.
        code: ResultCode,
    },
    /// The document is not what this command is answered with.
    #[error("the answer's document cannot be read: {reason}")]
    Document {
        /// What is wrong with it.
        reason: String,
    },
    /// The answer is longer than [`RESPONSE_OCTETS_MAX`].
    #[error("the answer has {octets} octets, more than {RESPONSE_OCTETS_MAX}")]
    TooLong {
        /// Its length.
        octets: usize,
    },
}

impl ClientRequest {
    /// A request; the transaction id is new for every request and the same for a retry.
    pub fn new(command: Command, client_transaction_id: ClientTransactionId) -> Self {
        Self {
            command,
            client_transaction_id,
            if_version: None,
        }
    }

    /// The request is to be refused when the device is in another version.
    #[must_use]
    pub fn if_version(mut self, version: u64) -> Self {
        self.if_version = Some(version);
        self
    }

    /// The command.
    pub fn command(&self) -> &Command {
        &self.command
    }

    /// The HTTP request with a token: origin-form target, header fields and body. `Host` and the
    /// connection are the caller's.
    ///
    /// # Errors
    /// [`ClientError::Condition`], when [`Self::if_version`] has no meaning for the command;
    /// [`ClientError::TransactionId`].
    pub fn to_http(&self, token: &BearerToken) -> Result<http::Request<Vec<u8>>, ClientError> {
        let mut request = self.to_http_without_token()?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()))
            .expect("a token is made of header characters");
        bearer.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, bearer);
        Ok(request)
    }

    /// The same for a connection whose client certificate says who asks.
    ///
    /// # Errors
    /// As [`Self::to_http`].
    pub fn to_http_without_token(&self) -> Result<http::Request<Vec<u8>>, ClientError> {
        let target::Target {
            operation,
            given,
            body,
        } = target::target(&self.command);
        if !is_transaction_id(self.client_transaction_id.as_str()) {
            return Err(ClientError::TransactionId);
        }
        let mut request = http::Request::builder()
            .method(operation.method.method())
            .uri(operation.target(&given))
            .header(ACCEPT, MEDIA_TYPE)
            .header(RPP_CLTRID, self.client_transaction_id.as_str());
        if let Some(secret) = &given.auth_info {
            request = request.header(RPP_AUTHORIZATION, auth_info_value(secret));
        }
        if let Some(version) = self.if_version {
            if operation.condition != crate::json::operation::Condition::Change {
                return Err(ClientError::Condition);
            }
            request = request.header(IF_MATCH, format!("\"{version}\""));
        }
        match operation.body {
            Body::Rows => request = request.header(CONTENT_TYPE, LINES_MEDIA_TYPE),
            _ if body.is_empty() => {}
            _ => request = request.header(CONTENT_TYPE, MEDIA_TYPE),
        }
        Ok(request
            .body(body)
            .expect("paths and fields are made of identifiers"))
    }

    /// Reads the answer. A refusal by the registry is a [`Response`] whose outcome is the problem.
    ///
    /// # Errors
    /// When the answer is not one of the registry to this request; see [`ClientError`].
    pub fn parse_response(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Response, ClientError> {
        if body.len() > RESPONSE_OCTETS_MAX {
            return Err(ClientError::TooLong { octets: body.len() });
        }
        let code = text_of(headers, RPP_CODE.as_str()).and_then(parse_rpp_code);
        let code = code.ok_or(ClientError::NotRpp { status })?;
        let server_transaction_id = text_of(headers, RPP_SVTRID.as_str())
            .filter(|id| is_transaction_id(id))
            .ok_or(ClientError::Header { name: "RPP-Svtrid" })?;
        let echoed = text_of(headers, RPP_CLTRID.as_str());
        if echoed != Some(self.client_transaction_id.as_str()) {
            return Err(ClientError::OtherTransaction);
        }
        let answer = reply::Answer {
            status,
            code,
            headers,
            body,
        };
        let outcome = if code.is_success() {
            Ok(answer.reply(&self.command)?)
        } else if status.is_client_error() || status.is_server_error() {
            Err(answer.problem()?)
        } else {
            return Err(ClientError::Status { status, code });
        };
        Ok(Response {
            code,
            server_transaction_id: server_transaction_id.to_owned(),
            replayed: text_of(headers, RPP_REPLAYED.as_str()) == Some("true"),
            outcome,
        })
    }
}

fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
