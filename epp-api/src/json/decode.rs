//! Method, path, header fields and body → [`Request`]. Pure.
//!
//! In two steps, so that a server can refuse before it reads a body: [`Head::decode`] sees
//! everything but the body, [`Head::into_request`] adds it.

use http::{HeaderMap, Method, Uri};
use iot_identity::DeviceId;

use crate::account::{AccountName, Role};
use crate::command::{Command, DEVICES_DEFAULT, DEVICES_MAX, Door, Request};
use crate::json::csr_text;
use crate::json::encode::{Asked, Subject};
use crate::json::header::{check_content, client_transaction_id};
use crate::json::members::Members;
use crate::json::refusal::{Refusal, excerpt};
use crate::json::route::{Route, decimal, percent_decode};
use crate::response::ProcessKind;
use crate::result_code::ResultCode;
use crate::transaction::ClientTransactionId;

/// Longest body of a request, in octets: four times the longest certificate request.
pub const BODY_OCTETS_MAX: usize = 64 * 1024;

/// A request of which only the body is missing.
#[derive(Clone, Debug)]
pub struct Head {
    client_transaction_id: Option<ClientTransactionId>,
    stage: Stage,
    content: Result<(), Refusal>,
}

/// What the head says, and what the body has to add.
#[derive(Clone, Debug)]
enum Stage {
    /// All is said; a body would be an error.
    WithoutBody(Command),
    /// All is said; the body may be an empty object.
    WithEmptyObject(Command),
    DeviceCreate,
    AccountCreate,
}

impl Head {
    /// Reads everything but the body.
    ///
    /// # Errors
    /// No such resource or method, a path, query or header outside its syntax, or `RPP-Cltrid`
    /// missing on a request that changes state.
    pub fn decode(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Self, Refusal> {
        let stage = stage(method, &Route::parse(uri.path())?, uri.query())?;
        let client_transaction_id = client_transaction_id(headers)?;
        let head = Self {
            client_transaction_id,
            stage,
            content: check_content(headers),
        };
        if head.client_transaction_id.is_none() && !head.is_query() {
            return Err(Refusal::new(
                ResultCode::RequiredParameterMissing,
                "the header RPP-Cltrid is missing: a new identifier of 3 to 64 characters for each request, the same one for a retry",
            ));
        }
        if head.needs_body() {
            head.content.clone()?;
        }
        Ok(head)
    }

    fn is_query(&self) -> bool {
        match &self.stage {
            Stage::WithoutBody(command) | Stage::WithEmptyObject(command) => command.is_query(),
            Stage::DeviceCreate | Stage::AccountCreate => false,
        }
    }

    fn needs_body(&self) -> bool {
        matches!(self.stage, Stage::DeviceCreate | Stage::AccountCreate)
    }

    /// The client's transaction identifier.
    pub fn client_transaction_id(&self) -> Option<&ClientTransactionId> {
        self.client_transaction_id.as_ref()
    }

    /// Adds the body, of which the caller has read at most [`BODY_OCTETS_MAX`] octets (and none when
    /// there is none).
    ///
    /// # Errors
    /// A body where none belongs, that is not JSON, or whose members are not what they have to be.
    pub fn into_request(self, body: &[u8]) -> Result<(Request, Asked), Refusal> {
        if body.len() > BODY_OCTETS_MAX {
            return Err(Refusal::body_too_large(BODY_OCTETS_MAX));
        }
        let command = match self.stage {
            Stage::WithoutBody(command) => no_body(command, body)?,
            Stage::WithEmptyObject(command) => {
                if !body.is_empty() {
                    self.content?;
                    Members::parse(body, &[])?;
                }
                command
            }
            Stage::DeviceCreate => device_create(body)?,
            Stage::AccountCreate => account_create(body)?,
        };
        let asked = Asked {
            client_transaction_id: self.client_transaction_id.clone(),
            subject: Subject::of(&command),
        };
        let request = Request::new(command, self.client_transaction_id, Door::Json);
        Ok((request, asked))
    }
}

/// What method and resource mean.
fn stage(method: &Method, route: &Route, query: Option<&str>) -> Result<Stage, Refusal> {
    let reads = method == Method::GET || method == Method::HEAD;
    if *route == Route::Devices && reads {
        return device_list(query.unwrap_or("")).map(Stage::WithoutBody);
    }
    let stage = match route {
        Route::Devices if method == Method::POST => Stage::DeviceCreate,
        Route::Accounts if method == Method::POST => Stage::AccountCreate,
        Route::Device(device_id) if method == Method::DELETE => {
            let device_id = *device_id;
            Stage::WithoutBody(Command::DeviceDelete { device_id })
        }
        Route::Processes(device_id, kind) if method == Method::POST => {
            Stage::WithEmptyObject(process_start(*device_id, *kind)?)
        }
        Route::AccountDisable(name) if method == Method::POST => {
            let name = name.clone();
            Stage::WithEmptyObject(Command::AccountDisable { name })
        }
        _ if reads => Stage::WithoutBody(query_of(route).ok_or_else(|| route.refuse(method))?),
        _ => return Err(route.refuse(method)),
    };
    if query.is_some_and(|query| !query.is_empty()) {
        return Err(Refusal::new(
            ResultCode::SyntaxError,
            "this resource takes no query parameters",
        ));
    }
    Ok(stage)
}

/// The command of GET and HEAD.
fn query_of(route: &Route) -> Option<Command> {
    Some(match route {
        Route::Device(device_id) => Command::DeviceInfo {
            device_id: *device_id,
        },
        Route::Availability(device_id) => Command::DeviceCheck {
            device_ids: vec![*device_id],
        },
        Route::Process(device_id, kind, process_id) => Command::ProcessInfo {
            device_id: *device_id,
            kind: *kind,
            process_id: *process_id,
        },
        Route::Accounts => Command::AccountList,
        Route::Zone => Command::ZoneDump,
        Route::ZoneCheck => Command::ZoneCheck,
        Route::Devices | Route::Processes(..) | Route::AccountDisable(_) => return None,
    })
}

fn process_start(device_id: DeviceId, kind: ProcessKind) -> Result<Command, Refusal> {
    match kind {
        ProcessKind::Activate => Ok(Command::DeviceActivate { device_id }),
        ProcessKind::Deactivate => Ok(Command::DeviceDeactivate { device_id }),
        ProcessKind::Create | ProcessKind::Delete => Err(Refusal::no_resource()),
    }
}

fn no_body(command: Command, body: &[u8]) -> Result<Command, Refusal> {
    if body.is_empty() {
        return Ok(command);
    }
    Err(Refusal::new(
        ResultCode::SyntaxError,
        "this method takes no body",
    ))
}

fn device_list(query: &str) -> Result<Command, Refusal> {
    let (mut after, mut limit) = (None, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_decode(value)?;
        let twice = match name {
            "after" => after.replace(parse_after(&value)?).is_some(),
            "limit" => limit.replace(parse_limit(&value)?).is_some(),
            _ => {
                let reason = format!(
                    "unknown query parameter \"{}\"; there are: after, limit",
                    excerpt(name)
                );
                return Err(Refusal::new(ResultCode::SyntaxError, reason));
            }
        };
        if twice {
            let reason = format!("the query parameter \"{name}\" comes twice");
            return Err(Refusal::new(ResultCode::SyntaxError, reason));
        }
    }
    let limit = limit.unwrap_or(DEVICES_DEFAULT);
    Ok(Command::DeviceList { after, limit })
}

fn parse_after(value: &str) -> Result<DeviceId, Refusal> {
    DeviceId::parse(value).map_err(|error| {
        let reason = format!("query parameter \"after\": {error}");
        Refusal::new(ResultCode::ParameterSyntax, reason)
    })
}

fn parse_limit(value: &str) -> Result<u16, Refusal> {
    let number = decimal(value).ok_or_else(|| {
        let reason = "query parameter \"limit\": not a decimal number without leading zeros";
        Refusal::new(ResultCode::ParameterSyntax, reason)
    })?;
    let in_range = u16::try_from(number).ok();
    in_range
        .filter(|limit| (1..=DEVICES_MAX).contains(limit))
        .ok_or_else(|| {
            let reason = format!("query parameter \"limit\": has to be 1 to {DEVICES_MAX}");
            Refusal::new(ResultCode::ParameterRange, reason)
        })
}

fn device_create(body: &[u8]) -> Result<Command, Refusal> {
    let mut members = Members::parse(body, &["id", "csr"])?;
    let id = members.take("id")?;
    let csr = members.take("csr")?;
    let device_id = DeviceId::parse(&id).map_err(|error| {
        let reason = format!("\"{}\": {error}", excerpt(&id));
        Refusal::new(ResultCode::ParameterSyntax, reason).at("$.id")
    })?;
    let csr = csr_text::from_text(&csr)?;
    Ok(Command::DeviceCreate { device_id, csr })
}

fn account_create(body: &[u8]) -> Result<Command, Refusal> {
    let mut members = Members::parse(body, &["name", "role"])?;
    let name = members.take("name")?;
    let role = members.take("role")?;
    let name = AccountName::parse(&name).map_err(|error| {
        Refusal::new(ResultCode::ParameterSyntax, error.to_string()).at("$.name")
    })?;
    let role: Role = role.parse().map_err(|error: crate::account::RoleError| {
        Refusal::new(ResultCode::ParameterSyntax, error.to_string()).at("$.role")
    })?;
    Ok(Command::AccountCreate { name, role })
}
