//! [`Response`] → status, header fields, body. Pure.

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, LINK, LOCATION, RETRY_AFTER};
use http::header::{HeaderName, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use iot_identity::DeviceId;
use serde::Serialize;

use crate::command::Command;
use crate::json::code::{http_status, rpp_code};
use crate::json::document;
use crate::json::header::{
    MEDIA_TYPE, PROBLEM_MEDIA_TYPE, RPP_CLTRID, RPP_CODE, RPP_REPLAYED, RPP_SVTRID, ZONE_MEDIA_TYPE,
};
use crate::json::problem_document::ProblemDocument;
use crate::json::refusal::{Refusal, status_of};
use crate::json::route::Route;
use crate::problem::Problem;
use crate::response::{Availability, ProcessKind, Reply, Response};
use crate::result_code::ResultCode;
use crate::transaction::{ClientTransactionId, is_transaction_id};

/// What has to be remembered of a request in order to write its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub(super) client_transaction_id: Option<ClientTransactionId>,
    pub(super) subject: Subject,
}

/// What the answer's links point to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A command that can be answered with "pending".
    Process(DeviceId, ProcessKind),
    /// A page of this many devices.
    Page(u16),
    /// Nothing to point to.
    Other,
}

impl Subject {
    pub(super) fn of(command: &Command) -> Self {
        match command {
            Command::DeviceCreate { device_id, .. } => {
                Self::Process(*device_id, ProcessKind::Create)
            }
            Command::DeviceActivate { device_id } => {
                Self::Process(*device_id, ProcessKind::Activate)
            }
            Command::DeviceDeactivate { device_id } => {
                Self::Process(*device_id, ProcessKind::Deactivate)
            }
            Command::DeviceDelete { device_id } => Self::Process(*device_id, ProcessKind::Delete),
            Command::DeviceList { limit, .. } => Self::Page(*limit),
            _ => Self::Other,
        }
    }
}

/// Writes the answer to a request.
pub fn encode(asked: &Asked, response: Response) -> http::Response<Vec<u8>> {
    let written = match response.outcome {
        Ok(reply) => write_reply(&asked.subject, response.code, reply),
        Err(problem) => Ok(Written::problem(status_of(&problem), &problem)),
    };
    // Only a time outside the years 0 to 9999 cannot be written: a defect here, not the client's.
    let written = written.unwrap_or_else(|_| {
        let reason = "the command was carried out, but its answer could not be written; ask for the state of its object";
        let problem = Problem::new(ResultCode::CommandFailed, reason);
        Written::problem(http_status(problem.code), &problem)
    });
    let mut answer = written.finish(
        asked.client_transaction_id.as_ref(),
        &response.server_transaction_id,
    );
    if response.replayed {
        let replayed = HeaderValue::from_static("true");
        answer.headers_mut().insert(RPP_REPLAYED, replayed);
    }
    answer
}

/// Writes what the door itself refuses.
pub fn encode_refusal(
    client_transaction_id: Option<&ClientTransactionId>,
    server_transaction_id: &str,
    refusal: &Refusal,
) -> http::Response<Vec<u8>> {
    let mut written = Written::problem(refusal.status, &refusal.problem);
    if let Some(allow) = refusal.allow {
        written = written.with(ALLOW, allow.to_owned());
    }
    written.finish(client_transaction_id, server_transaction_id)
}

/// Writes a document that needs no command, such as the discovery document.
pub(super) fn encode_document(
    client_transaction_id: Option<&ClientTransactionId>,
    server_transaction_id: &str,
    document: &impl Serialize,
) -> Result<http::Response<Vec<u8>>, serde_json::Error> {
    let written = Written::document(ResultCode::Completed, document)?;
    Ok(written.finish(client_transaction_id, server_transaction_id))
}

fn write_reply(
    subject: &Subject,
    code: ResultCode,
    reply: Reply,
) -> Result<Written, serde_json::Error> {
    match reply {
        Reply::DeviceCreated {
            info,
            certificate_pem,
            chain_pem,
            publication,
        } => {
            let location = Route::Device(info.device_id).path();
            let created = document::DeviceCreated {
                device: info,
                certificate_pem,
                chain_pem,
                publication,
            };
            let written = Written::document(code, &created)?;
            Ok(written.created().with(LOCATION, location))
        }
        Reply::Device(info) => Written::document(code, &info),
        Reply::Devices {
            devices,
            next_after,
        } => {
            let page = document::Devices {
                devices,
                next_after,
            };
            Ok(Written::document(code, &page)?.with_next_page(subject, next_after))
        }
        Reply::Availability(list) => write_availability(code, &list),
        Reply::Changed { info, times } => {
            let changed = document::Changed {
                device: info,
                publication: times,
            };
            Written::document(code, &changed)
        }
        Reply::Pending { process_id } => write_pending(subject, code, process_id),
        Reply::Process(process) => Written::document(code, &process),
        Reply::AccountCreated { name, token } => {
            let created = document::AccountCreated { name, token };
            Ok(Written::document(code, &created)?.created())
        }
        Reply::Account(account) => Written::document(code, &account),
        Reply::Accounts(accounts) => Written::document(code, &document::Accounts { accounts }),
        Reply::ZoneText(text) => Ok(Written {
            status: http_status(code),
            code,
            media_type: ZONE_MEDIA_TYPE,
            headers: Vec::new(),
            body: text.into_bytes(),
        }),
        Reply::ZoneReport(report) => Written::document(code, &report),
    }
}

/// 404 says "cannot be registered" (draft-ietf-rpp-core-01, "Availability for Creation"); the check
/// itself has succeeded, which the code keeps saying.
fn write_availability(
    code: ResultCode,
    list: &[Availability],
) -> Result<Written, serde_json::Error> {
    match list {
        [one] if !one.available => {
            let mut written = Written::document(code, &ProblemDocument::unavailable(one))?;
            written.status = StatusCode::NOT_FOUND;
            written.media_type = PROBLEM_MEDIA_TYPE;
            Ok(written)
        }
        [one] => Written::document(code, one),
        several => Written::document(code, &several),
    }
}

fn write_pending(
    subject: &Subject,
    code: ResultCode,
    process_id: u64,
) -> Result<Written, serde_json::Error> {
    let written = Written::document(code, &document::Pending { process_id })?;
    let Subject::Process(device_id, kind) = subject else {
        return Ok(written);
    };
    let path = Route::Process(*device_id, *kind, process_id).path();
    let link = format!(
        "<{path}>; rel=\"rpp-process\"; process=\"{kind}Process\"; processId=\"{process_id}\""
    );
    Ok(written.with(LOCATION, path).with(LINK, link))
}

/// An answer before the header fields that all answers have.
struct Written {
    status: StatusCode,
    code: ResultCode,
    media_type: &'static str,
    headers: Vec<(HeaderName, String)>,
    body: Vec<u8>,
}

impl Written {
    fn document(code: ResultCode, document: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self {
            status: http_status(code),
            code,
            media_type: MEDIA_TYPE,
            headers: Vec::new(),
            body: serde_json::to_vec(document)?,
        })
    }

    fn problem(status: StatusCode, problem: &Problem) -> Self {
        let document = ProblemDocument::new(status, problem);
        let body = serde_json::to_vec(&document).expect("texts and numbers are always JSON");
        let mut written = Self {
            status,
            code: problem.code,
            media_type: PROBLEM_MEDIA_TYPE,
            headers: Vec::new(),
            body,
        };
        if let Some(secs) = problem.retry_after_secs {
            written = written.with(RETRY_AFTER, secs.to_string());
        }
        if status == StatusCode::UNAUTHORIZED {
            let challenge = "Bearer realm=\"iot-registry\"".to_owned();
            written = written.with(WWW_AUTHENTICATE, challenge);
        }
        written
    }

    fn created(mut self) -> Self {
        self.status = StatusCode::CREATED;
        self
    }

    fn with(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    fn with_next_page(self, subject: &Subject, next_after: Option<DeviceId>) -> Self {
        let (Subject::Page(limit), Some(after)) = (subject, next_after) else {
            return self;
        };
        let path = Route::Devices.path();
        self.with(
            LINK,
            format!("<{path}?after={after}&limit={limit}>; rel=\"next\""),
        )
    }

    fn finish(
        self,
        client_transaction_id: Option<&ClientTransactionId>,
        server_transaction_id: &str,
    ) -> http::Response<Vec<u8>> {
        let mut answer = http::Response::new(self.body);
        *answer.status_mut() = self.status;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // Answers hold certificates, tokens and the state of this moment.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let mut identifiers = vec![(RPP_CODE, rpp_code(self.code))];
        identifiers.extend(client_transaction_id.map(|id| (RPP_CLTRID, id.to_string())));
        if is_transaction_id(server_transaction_id) {
            identifiers.push((RPP_SVTRID, server_transaction_id.to_owned()));
        }
        for (name, value) in identifiers.into_iter().chain(self.headers) {
            let value = HeaderValue::try_from(value).expect("made of identifiers and digits");
            headers.append(name, value);
        }
        answer
    }
}
