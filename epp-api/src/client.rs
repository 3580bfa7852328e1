//! The client of the JSON door, without I/O: a command becomes an HTTP request, the HTTP answer
//! becomes a [`Response`]. Sending the one and reading the other is the caller's.
//!
//! The answer has to fit what was asked: result code, echoed transaction id, status and document
//! are checked against each other, and an answer of anything but an RPP server is an error.

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::account::BearerToken;
use crate::command::Command;
use crate::json::code::{parse_rpp_code, rpp_code};
use crate::json::csr_text;
use crate::json::document;
use crate::json::header::{MEDIA_TYPE, RPP_CLTRID, RPP_CODE, RPP_REPLAYED, RPP_SVTRID};
use crate::json::problem_document::ProblemDocument;
use crate::json::route::Route;
use crate::response::{ProcessKind, Reply, Response};
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
}

/// Why a request cannot be sent or an answer cannot be believed.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The door checks one id at a time.
    #[error("the JSON door checks one device id in a request; this command has {ids}")]
    IdsInCheck {
        /// Ids in the command.
        ids: usize,
    },
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

#[derive(Serialize)]
struct DeviceCreate<'a> {
    id: &'a str,
    csr: String,
}

#[derive(Serialize)]
struct AccountCreate<'a> {
    name: &'a str,
    role: &'a str,
}

impl ClientRequest {
    /// A request; the transaction id is new for every request and the same for a retry.
    pub fn new(command: Command, client_transaction_id: ClientTransactionId) -> Self {
        Self {
            command,
            client_transaction_id,
        }
    }

    /// The command.
    pub fn command(&self) -> &Command {
        &self.command
    }

    /// The HTTP request: origin-form target, header fields and body. `Host` and the connection are
    /// the caller's.
    ///
    /// # Errors
    /// [`ClientError::IdsInCheck`], when a check has not exactly one id.
    pub fn to_http(&self, token: &BearerToken) -> Result<http::Request<Vec<u8>>, ClientError> {
        let (method, target) = self.target()?;
        let body = self.body();
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()))
            .expect("a token is made of header characters");
        bearer.set_sensitive(true);
        let mut request = http::Request::builder()
            .method(method)
            .uri(target)
            .header(ACCEPT, MEDIA_TYPE)
            .header(AUTHORIZATION, bearer)
            .header(RPP_CLTRID, self.client_transaction_id.as_str());
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, MEDIA_TYPE);
        }
        Ok(request
            .body(body)
            .expect("paths and fields are made of identifiers"))
    }

    fn target(&self) -> Result<(Method, String), ClientError> {
        let (method, route) = match &self.command {
            Command::DeviceCheck { device_ids } => match device_ids[..] {
                [device_id] => (Method::GET, Route::Availability(device_id)),
                _ => {
                    return Err(ClientError::IdsInCheck {
                        ids: device_ids.len(),
                    });
                }
            },
            Command::DeviceInfo { device_id } => (Method::GET, Route::Device(*device_id)),
            Command::DeviceList { after, limit } => {
                let after = after.map(|after| format!("after={after}&"));
                let after = after.unwrap_or_default();
                let path = Route::Devices.path();
                return Ok((Method::GET, format!("{path}?{after}limit={limit}")));
            }
            Command::DeviceCreate { .. } => (Method::POST, Route::Devices),
            Command::DeviceActivate { device_id } => (
                Method::POST,
                Route::Processes(*device_id, ProcessKind::Activate),
            ),
            Command::DeviceDeactivate { device_id } => (
                Method::POST,
                Route::Processes(*device_id, ProcessKind::Deactivate),
            ),
            Command::DeviceDelete { device_id } => (Method::DELETE, Route::Device(*device_id)),
            Command::ProcessInfo {
                device_id,
                kind,
                process_id,
            } => (Method::GET, Route::Process(*device_id, *kind, *process_id)),
            Command::AccountCreate { .. } => (Method::POST, Route::Accounts),
            Command::AccountList => (Method::GET, Route::Accounts),
            Command::AccountDisable { name } => (Method::POST, Route::AccountDisable(name.clone())),
            Command::ZoneDump => (Method::GET, Route::Zone),
            Command::ZoneCheck => (Method::GET, Route::ZoneCheck),
        };
        Ok((method, route.path()))
    }

    fn body(&self) -> Vec<u8> {
        let body = match &self.command {
            Command::DeviceCreate { device_id, csr } => serde_json::to_vec(&DeviceCreate {
                id: device_id.as_str(),
                csr: csr_text::to_text(csr),
            }),
            Command::AccountCreate { name, role } => serde_json::to_vec(&AccountCreate {
                name: name.as_str(),
                role: role.as_str(),
            }),
            _ => return Vec::new(),
        };
        body.expect("texts are always JSON")
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
        let outcome = if code.is_success() {
            Ok(self.parse_reply(status, code, body)?)
        } else if status.is_client_error() || status.is_server_error() {
            Err(parse_problem(code, body)?)
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

    fn parse_reply(
        &self,
        status: StatusCode,
        code: ResultCode,
        body: &[u8],
    ) -> Result<Reply, ClientError> {
        let checks = matches!(self.command, Command::DeviceCheck { .. });
        if checks && status == StatusCode::NOT_FOUND {
            return parse_unavailable(body);
        }
        if !status.is_success() {
            return Err(ClientError::Status { status, code });
        }
        if code == ResultCode::CompletedPending {
            let document::Pending { process_id } = parse(body)?;
            return Ok(Reply::Pending { process_id });
        }
        match &self.command {
            Command::DeviceCheck { .. } => Ok(Reply::Availability(vec![parse(body)?])),
            Command::DeviceInfo { .. } => parse(body).map(Reply::Device),
            Command::DeviceList { .. } => parse(body).map(page),
            Command::DeviceCreate { .. } => parse(body).map(created),
            Command::DeviceActivate { .. }
            | Command::DeviceDeactivate { .. }
            | Command::DeviceDelete { .. } => parse(body).map(changed),
            Command::ProcessInfo { .. } => parse(body).map(Reply::Process),
            Command::AccountCreate { .. } => {
                let document::AccountCreated { name, token } = parse(body)?;
                Ok(Reply::AccountCreated { name, token })
            }
            Command::AccountList => {
                let document::Accounts { accounts } = parse(body)?;
                Ok(Reply::Accounts(accounts))
            }
            Command::AccountDisable { .. } => parse(body).map(Reply::Account),
            Command::ZoneDump => match std::str::from_utf8(body) {
                Ok(text) => Ok(Reply::ZoneText(text.to_owned())),
                Err(error) => Err(unreadable(error.to_string())),
            },
            Command::ZoneCheck => parse(body).map(Reply::ZoneReport),
        }
    }
}

fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn unreadable(reason: impl Into<String>) -> ClientError {
    ClientError::Document {
        reason: reason.into(),
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(body).map_err(|error| unreadable(error.to_string()))
}

fn parse_problem(code: ResultCode, body: &[u8]) -> Result<crate::problem::Problem, ClientError> {
    let document: ProblemDocument = parse(body)?;
    document
        .into_problem()
        .filter(|problem| problem.code == code)
        .ok_or_else(|| unreadable(format!("no error with the result {}", rpp_code(code))))
}

fn parse_unavailable(body: &[u8]) -> Result<Reply, ClientError> {
    let document: ProblemDocument = parse(body)?;
    match document.into_availability() {
        Some(availability) if !availability.available => {
            Ok(Reply::Availability(vec![availability]))
        }
        _ => Err(unreadable("a 404 that does not say \"available\": false")),
    }
}

fn page(page: document::Devices) -> Reply {
    Reply::Devices {
        devices: page.devices,
        next_after: page.next_after,
    }
}

fn created(created: document::DeviceCreated) -> Reply {
    Reply::DeviceCreated {
        info: created.device,
        certificate_pem: created.certificate_pem,
        chain_pem: created.chain_pem,
        publication: created.publication,
    }
}

fn changed(changed: document::Changed) -> Reply {
    Reply::Changed {
        info: changed.device,
        times: changed.publication,
    }
}
