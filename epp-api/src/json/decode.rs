//! Method, path, header fields and body → [`Request`]. Pure.
//!
//! In two steps, so that a server can refuse before it reads a body: [`Head::decode`] sees
//! everything but the body, [`Head::into_request`] adds it.

use http::{HeaderMap, Method, Uri};

use crate::command::{Door, Request};
use crate::json::body;
use crate::json::condition::{if_match, if_none_match};
use crate::json::encode::{About, Asked};
use crate::json::given::{Given, read_query};
use crate::json::header::{
    RPP_AUTHORIZATION, auth_info, check_media_type, client_transaction_id, is_json, is_ndjson,
    last_event_id,
};
use crate::json::operation::{Action, Body, Operation, Resource};
use crate::json::refusal::Refusal;
use crate::json::route::below_base_path;
use crate::result_code::ResultCode;
use crate::transaction::ClientTransactionId;

/// Longest document in the body of a request, in octets: four times the longest certificate request.
/// Rows of a job have a maximum of their own ([`crate::command::JOB_PART_OCTETS_MAX`]).
pub const BODY_OCTETS_MAX: usize = 64 * 1024;

/// A request of which only the body is missing.
#[derive(Clone)]
pub struct Head {
    operation: &'static Operation,
    given: Given,
    client_transaction_id: Option<ClientTransactionId>,
    if_version: Option<u64>,
    if_none_match: Vec<u64>,
    last_event_id: Option<u64>,
    media_type: Result<(), Refusal>,
}

impl std::fmt::Debug for Head {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Head({} {:?})", self.operation.id, self.given)
    }
}

impl Head {
    /// Reads everything but the body.
    ///
    /// # Errors
    /// No such resource or method; a path, query or header outside its syntax; a header that has no
    /// meaning there; `RPP-Cltrid` missing on a request that changes state.
    pub fn decode(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Self, Refusal> {
        let resource = Resource::find(below_base_path(uri.path())?)?;
        let operation = resource.operation(method)?;
        let mut given = Given::default();
        resource.read_path(&mut given)?;
        read_query(uri.query().unwrap_or(""), operation.query, &mut given)?;
        given.auth_info = read_auth_info(operation, headers)?;
        let client_transaction_id = client_transaction_id(headers)?;
        if client_transaction_id.is_none() && operation.changes {
            return Err(Refusal::new(
                ResultCode::RequiredParameterMissing,
                "the header RPP-Cltrid is missing: a new identifier of 3 to 64 characters for each request, the same one for a retry",
            ));
        }
        let head = Self {
            operation,
            given,
            client_transaction_id,
            if_version: if_match(headers, operation.condition)?,
            if_none_match: if_none_match(headers, operation.condition)?,
            last_event_id: last_event_id(headers)?,
            media_type: media_type(operation.body, headers),
        };
        if matches!(
            operation.body,
            Body::Document(_) | Body::OneOf(_) | Body::Rows
        ) {
            head.media_type.clone()?;
        }
        Ok(head)
    }

    /// The client's transaction identifier.
    pub fn client_transaction_id(&self) -> Option<&ClientTransactionId> {
        self.client_transaction_id.as_ref()
    }

    /// Longest body of this request, in octets; 0 where none belongs.
    pub fn body_octets_max(&self) -> usize {
        self.operation.body.octets_max()
    }

    /// Whether the request carries rows of a job, which take more memory than others.
    pub fn carries_rows(&self) -> bool {
        matches!(self.operation.body, Body::Rows)
    }

    /// For a request to be told of messages: the number of the last one that the client has, 0 when
    /// it has none. None for every other request.
    pub fn events_after(&self) -> Option<u64> {
        matches!(self.operation.action, Action::Events).then_some(self.last_event_id.unwrap_or(0))
    }

    /// Adds the body, of which the caller has read at most [`Self::body_octets_max`] octets (and none
    /// when there is none).
    ///
    /// # Errors
    /// A body where none belongs, that is not JSON, or whose members are not what they have to be;
    /// a request that is no command ([`Self::events_after`]).
    pub fn into_request(self, octets: &[u8]) -> Result<(Request, Asked), Refusal> {
        self.check_body(octets)?;
        let about = About {
            operation: self.operation,
            given: Given {
                auth_info: None,
                ..self.given.clone()
            },
        };
        let command = match self.operation.action {
            Action::Plain(command) => command(self.given),
            Action::WithBody(command) => command(self.given, octets)?,
            Action::Events => return Err(Refusal::no_resource()),
        };
        let asked = Asked {
            client_transaction_id: self.client_transaction_id.clone(),
            about,
            if_none_match: self.if_none_match,
        };
        let mut request = Request::new(command, self.client_transaction_id, Door::Json);
        request.if_version = self.if_version;
        Ok((request, asked))
    }

    fn check_body(&self, octets: &[u8]) -> Result<(), Refusal> {
        if octets.is_empty() {
            return Ok(());
        }
        if matches!(self.operation.body, Body::Nothing) {
            return Err(Refusal::body_not_taken());
        }
        if octets.len() > self.body_octets_max() {
            return Err(Refusal::body_too_large(self.body_octets_max()));
        }
        self.media_type.clone()?;
        if matches!(self.operation.body, Body::Empty) {
            body::read_empty(octets)?;
        }
        Ok(())
    }
}

fn read_auth_info(
    operation: &Operation,
    headers: &HeaderMap,
) -> Result<Option<crate::secret::Secret>, Refusal> {
    if operation.takes_auth_info {
        return auth_info(headers);
    }
    if headers.contains_key(&RPP_AUTHORIZATION) {
        return Err(Refusal::new(
            ResultCode::SyntaxError,
            "the header RPP-Authorization has no meaning for this operation",
        ));
    }
    Ok(None)
}

fn media_type(body: Body, headers: &HeaderMap) -> Result<(), Refusal> {
    match body {
        Body::Nothing => Ok(()),
        Body::Rows => check_media_type(headers, is_ndjson, "application/x-ndjson"),
        Body::Empty | Body::Document(_) | Body::OneOf(_) | Body::OptionalDocument(_) => {
            check_media_type(
                headers,
                is_json,
                "application/rpp+json\" (or application/json)",
            )
        }
    }
}
