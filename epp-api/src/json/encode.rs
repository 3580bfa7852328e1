//! [`Response`] → status, header fields, body. Pure.

use std::fmt;

use http::header::{ALLOW, ETAG, LINK, LOCATION};
use http::{HeaderValue, StatusCode};
use iot_identity::DeviceId;
use serde::Serialize;

use crate::device::DeviceInfo;
use crate::job::JobResult;
use crate::json::code::http_status;
use crate::json::condition::entity_tag;
use crate::json::document::problem::ProblemDocument;
use crate::json::document::{account, device_answer, id_list, job, message, pem, transfer};
use crate::json::given::Given;
use crate::json::header::{
    LINES_MEDIA_TYPE, MEDIA_TYPE, PROBLEM_MEDIA_TYPE, RPP_QUEUE_SIZE, RPP_REPLAYED, ZONE_MEDIA_TYPE,
};
use crate::json::operation::{Content, Operation};
use crate::json::operations::named;
use crate::json::refusal::{Refusal, status_of};
use crate::json::written::Written;
use crate::problem::Problem;
use crate::response::{Availability, Pending, Reply, Response};
use crate::result_code::ResultCode;
use crate::transaction::ClientTransactionId;

/// What has to be remembered of a request in order to write its answer.
#[derive(Clone, Debug)]
pub struct Asked {
    pub(super) client_transaction_id: Option<ClientTransactionId>,
    pub(super) about: About,
    /// Versions that the client has already.
    pub(super) if_none_match: Vec<u64>,
}

/// What the answer's links point to.
#[derive(Clone)]
pub(super) struct About {
    pub(super) operation: &'static Operation,
    pub(super) given: Given,
}

impl fmt::Debug for About {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {:?}", self.operation.id, self.given)
    }
}

/// Writes the answer to a request.
pub fn encode(asked: &Asked, response: Response) -> http::Response<Vec<u8>> {
    let written = match response.outcome {
        Ok(reply) => write_reply(asked, response.code, reply),
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
    if let Some(allow) = &refusal.allow {
        written = written.with(ALLOW, allow.clone());
    }
    written.finish(client_transaction_id, server_transaction_id)
}

/// Writes a success that needs no command: an open document, or the head of a stream.
pub(crate) fn encode_success(
    client_transaction_id: Option<&ClientTransactionId>,
    server_transaction_id: &str,
    media_type: &'static str,
    body: Vec<u8>,
) -> http::Response<Vec<u8>> {
    let written = Written {
        status: StatusCode::OK,
        code: ResultCode::Completed,
        media_type,
        headers: Vec::new(),
        body,
    };
    written.finish(client_transaction_id, server_transaction_id)
}

type Result<T> = std::result::Result<T, serde_json::Error>;

fn write_reply(asked: &Asked, code: ResultCode, reply: Reply) -> Result<Written> {
    let answer = Answering { asked, code };
    match reply {
        Reply::Issued(issued) => {
            let location = asked.location_of_issued(issued.info.device_id, issued.certificate.slot);
            let written = answer.document(&device_answer::DeviceIssued::from(*issued))?;
            Ok(written.with(LOCATION, location))
        }
        Reply::Device(info) => answer.device(&info),
        Reply::Devices {
            devices,
            next_after,
        } => {
            let next = next_after.map(|after| {
                asked.next_page(|given| {
                    given.after_device = Some(after);
                })
            });
            let written = answer.document(&device_answer::DevicePage {
                devices,
                next_after,
            })?;
            Ok(written.with_optional(LINK, next))
        }
        Reply::Availability(list) => answer.availability(list),
        Reply::Certificate(certificate) => {
            answer.document(&device_answer::Certificate::from(certificate))
        }
        Reply::Changed { info, times } => answer.document(&device_answer::DeviceChanged {
            device: *info,
            publication: times,
        }),
        Reply::Pending(pending) => answer.pending(pending),
        Reply::Process(process) => answer.document(&process),
        Reply::Transfer { transfer, times } => {
            let latest = named("transferQuery").target(&Given::of_device(transfer.device_id));
            let written = answer.document(&transfer::TransferChanged {
                transfer: *transfer,
                publication: times,
            })?;
            Ok(written
                .with_status(http_status(code))
                .with(LOCATION, latest))
        }
        Reply::TransferQueried(transfer) => answer.document(&transfer),
        Reply::Messages { count, head } => {
            let written = match head {
                Some(message) => answer.document(&message)?,
                None => answer.nothing(),
            };
            Ok(written.with(RPP_QUEUE_SIZE, count.to_string()))
        }
        Reply::Acknowledged {
            count,
            next_message_id,
        } => {
            let written = answer.document(&message::Acknowledged {
                count,
                next_message_id,
            })?;
            Ok(written.with(RPP_QUEUE_SIZE, count.to_string()))
        }
        Reply::Job(info) => {
            let location = named("jobInfo").target(&Given::of_number(info.job_id));
            let written = answer.document(&info)?;
            let location = (written.status == StatusCode::CREATED).then_some(location);
            Ok(written.with_optional(LOCATION, location))
        }
        Reply::Jobs(jobs) => answer.document(&job::Jobs { jobs }),
        Reply::JobResults {
            results,
            next_after,
        } => answer.job_results(&results, next_after),
        reply => write_other_reply(&answer, reply),
    }
}

/// The replies about accounts, endpoints and the zone.
fn write_other_reply(answer: &Answering<'_>, reply: Reply) -> Result<Written> {
    match reply {
        Reply::AccountCreated { name, token } => {
            let location = named("accountInfo").target(&Given::of_account(&name));
            let written = answer.document(&account::AccountCreated { name, token })?;
            Ok(written.with(LOCATION, location))
        }
        Reply::Account(info) => answer.document(&info),
        Reply::Accounts(accounts) => answer.document(&account::Accounts { accounts }),
        Reply::Imported { added } => answer.document(&id_list::IdsImported { added }),
        Reply::TokenIssued { token_id, token } => {
            answer.document(&account::TokenIssued { token_id, token })
        }
        Reply::ClientCertificate {
            certificate_id,
            certificate,
            root,
        } => answer.document(&account::CertificateIssued {
            certificate_id,
            certificate_pem: pem::write([certificate.as_slice()]),
            root_pem: pem::write([root.as_slice()]),
        }),
        Reply::Password(password) => answer.document(&account::PasswordReset { password }),
        Reply::Endpoint(profile) => answer.document(&profile),
        Reply::ZoneText(text) => Ok(answer.body(ZONE_MEDIA_TYPE, text.into_bytes())),
        Reply::ZoneReport(report) => answer.document(&report),
        // `Done`; the others are written before.
        _ => Ok(answer.nothing()),
    }
}

impl Asked {
    /// Where a new credential can be asked for: its device, or for a further slot its certificate.
    fn location_of_issued(&self, device_id: DeviceId, slot: iot_identity::Slot) -> String {
        let mut given = Given::of_device(device_id);
        given.slot = Some(slot);
        let id = match self.about.operation.id {
            "slotCreate" => "slotCertificate",
            _ => "deviceInfo",
        };
        named(id).target(&given)
    }

    /// `Link` to the next part of what was asked.
    fn next_page(&self, change: impl FnOnce(&mut Given)) -> String {
        let About { operation, given } = &self.about;
        let mut given = given.clone();
        change(&mut given);
        format!("<{}>; rel=\"next\"", operation.target(&given))
    }
}

/// What every answer to one request needs.
struct Answering<'a> {
    asked: &'a Asked,
    code: ResultCode,
}

impl Answering<'_> {
    fn document(&self, document: &impl Serialize) -> Result<Written> {
        Ok(self.body(MEDIA_TYPE, serde_json::to_vec(document)?))
    }

    /// An answer with the first status that the operation has for a success with content.
    fn body(&self, media_type: &'static str, body: Vec<u8>) -> Written {
        let answers = self.asked.about.operation.answers.iter();
        let mut with_content = answers.filter(|one| !matches!(one.content, Content::Nothing));
        let status = with_content.next().map_or(200, |one| one.status);
        Written {
            status: StatusCode::from_u16(status).expect("the table has statuses"),
            code: self.code,
            media_type,
            headers: Vec::new(),
            body,
        }
    }

    fn nothing(&self) -> Written {
        Written {
            status: StatusCode::NO_CONTENT,
            code: self.code,
            media_type: "",
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    fn device(&self, info: &DeviceInfo) -> Result<Written> {
        let tag = entity_tag(info.version);
        if self.asked.if_none_match.contains(&info.version) {
            let unchanged = self.nothing().with_status(StatusCode::NOT_MODIFIED);
            return Ok(unchanged.with(ETAG, tag));
        }
        Ok(self.document(info)?.with(ETAG, tag))
    }

    /// 404 says "cannot be registered" (draft-ietf-rpp-core-01, "Availability for Creation"); the
    /// check itself has succeeded, which the code keeps saying.
    fn availability(&self, mut list: Vec<Availability>) -> Result<Written> {
        if self.asked.about.operation.id == "deviceCheck" {
            return self.document(&device_answer::DeviceChecked { availability: list });
        }
        match list.pop() {
            Some(one) if !one.available => {
                let mut written = self.document(&ProblemDocument::unavailable(&one))?;
                written.media_type = PROBLEM_MEDIA_TYPE;
                Ok(written.with_status(StatusCode::NOT_FOUND))
            }
            Some(one) => self.document(&one),
            None => Ok(self.nothing()),
        }
    }

    fn pending(&self, pending: Pending) -> Result<Written> {
        let kind = pending.kind;
        let given = Given {
            kind: Some(kind),
            number: Some(pending.process_id),
            ..Given::of_device(pending.device_id)
        };
        let path = named("deviceProcess").target(&given);
        let number = pending.process_id;
        let link = format!(
            "<{path}>; rel=\"rpp-process\"; process=\"{kind}Process\"; processId=\"{number}\""
        );
        let written = self.document(&device_answer::ProcessPending::from(pending))?;
        let written = written.with_status(StatusCode::ACCEPTED);
        Ok(written.with(LOCATION, path).with(LINK, link))
    }

    fn job_results(&self, results: &[JobResult], next_after: Option<u64>) -> Result<Written> {
        let mut lines = Vec::new();
        for result in results {
            serde_json::to_writer(&mut lines, result)?;
            lines.push(b'\n');
        }
        let next = next_after.map(|after| {
            self.asked.next_page(|given| {
                given.after_row = Some(after);
            })
        });
        Ok(self.body(LINES_MEDIA_TYPE, lines).with_optional(LINK, next))
    }
}
