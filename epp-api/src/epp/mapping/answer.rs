//! What the registry answered → what the client is told.

use iot_identity::DeviceId;

use crate::command::{Command, DeviceCommand, MessageCommand};
use crate::device::{DeviceInfo, PublicationTimes};
use crate::epp::device::{CertificateData, CreateData, RenewData, UpdateData};
use crate::epp::mapping::message::tell_message;
use crate::epp::namespace::{Name, device_element};
use crate::epp::response::{Answer, MessageQueue};
use crate::epp::response_data::ResponseData;
use crate::problem::Problem;
use crate::response::{Issued, Pending, ProcessKind, Reply, Response};
use crate::result_code::ResultCode;

/// Most elements that one refusal names.
const REASONS_MAX: usize = 8;

/// What has to be remembered of a command in order to answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A create: answered with `creData`.
    Create,
    /// A slot's certificate: answered with `certData`.
    Certificate {
        /// Of this device.
        device_id: DeviceId,
    },
    /// A renew: answered with `renData`.
    Renew,
    /// An acknowledgement.
    Acknowledge {
        /// Of this message.
        message_id: u64,
    },
    /// Anything else: the reply says by itself what it is.
    Other,
}

impl Asked {
    /// What has to be remembered of this command.
    pub fn of(command: &Command) -> Self {
        match command {
            Command::Device(DeviceCommand::Create { .. }) => Self::Create,
            Command::Device(DeviceCommand::Certificate { device_id, .. }) => Self::Certificate {
                device_id: *device_id,
            },
            Command::Device(DeviceCommand::Renew { .. }) => Self::Renew,
            Command::Message(MessageCommand::Acknowledge { message_id }) => Self::Acknowledge {
                message_id: *message_id,
            },
            _ => Self::Other,
        }
    }
}

/// What the client is told. A reply that no command of this door has is told by its code alone.
pub fn answer(asked: Asked, response: Response) -> Answer {
    let replayed = response.replayed;
    let mut answer = answer_once(asked, response);
    answer.replayed = replayed;
    answer
}

fn answer_once(asked: Asked, response: Response) -> Answer {
    let reply = match response.outcome {
        Ok(reply) => reply,
        Err(problem) => return refusal(response.code, &problem),
    };
    let answer = Answer::new(response.code);
    let data = match reply {
        Reply::Certificate(certificate) => match asked {
            Asked::Certificate { device_id } => ResponseData::Certificate(CertificateData {
                device_id,
                certificate,
            }),
            _ => return answer,
        },
        Reply::Availability(results) if results.is_empty() => return answer,
        Reply::Availability(results) => ResponseData::Check(results),
        Reply::Device(info) => ResponseData::Info(info),
        Reply::Issued(issued) => issued_data(asked, *issued),
        Reply::Changed { info, times } => changed_data(asked, &info, times),
        Reply::Pending(pending) => pending_data(pending),
        Reply::Transfer { transfer, times } => ResponseData::Transfer { transfer, times },
        Reply::TransferQueried(transfer) => ResponseData::Transfer {
            transfer,
            times: None,
        },
        Reply::Messages {
            count,
            head: Some(message),
        } => return tell_message(answer, count, *message),
        Reply::Acknowledged {
            count,
            next_message_id,
        } => return acknowledged(answer, asked, count, next_message_id),
        _ => return answer,
    };
    answer.with_data(data)
}

fn issued_data(asked: Asked, issued: Issued) -> ResponseData {
    let Issued {
        info,
        certificate,
        times,
    } = issued;
    match asked {
        Asked::Create => ResponseData::Create(CreateData {
            device_id: info.device_id,
            issued: Some(certificate),
            pending_slot: None,
            created_at: info.created_at,
            expires_at: info.expires_at,
            times: Some(times),
        }),
        _ => ResponseData::Update(UpdateData {
            device_id: info.device_id,
            issued: Some(certificate),
            pending_slot: None,
            times: Some(times),
        }),
    }
}

fn changed_data(asked: Asked, info: &DeviceInfo, times: Option<PublicationTimes>) -> ResponseData {
    let device_id = info.device_id;
    match asked {
        Asked::Renew => ResponseData::Renew(RenewData {
            device_id,
            expires_at: info.expires_at,
        }),
        _ => ResponseData::Update(UpdateData {
            device_id,
            issued: None,
            pending_slot: None,
            times,
        }),
    }
}

fn pending_data(pending: Pending) -> ResponseData {
    if let Some(transfer) = pending.transfer {
        return ResponseData::Transfer {
            transfer,
            times: None,
        };
    }
    let device_id = pending.device_id;
    match pending.kind {
        ProcessKind::Create => ResponseData::Create(CreateData {
            device_id,
            issued: None,
            pending_slot: pending.slot,
            created_at: pending.at,
            expires_at: pending.expires_at,
            times: None,
        }),
        _ => ResponseData::Update(UpdateData {
            device_id,
            issued: None,
            pending_slot: pending.slot,
            times: None,
        }),
    }
}

/// An empty queue is not described (RFC 5730 §2.6).
fn acknowledged(
    mut answer: Answer,
    asked: Asked,
    count: u64,
    next_message_id: Option<u64>,
) -> Answer {
    let acknowledged = match asked {
        Asked::Acknowledge { message_id } => Some(message_id),
        _ => None,
    };
    let message_id = next_message_id.or(acknowledged).filter(|_| count > 0);
    answer.queue = message_id.map(|message_id| MessageQueue {
        count,
        message_id,
        head: None,
    });
    answer
}

/// A refusal, with the elements in the place of the members that the problem names. A refused command
/// does not end the session, unless the account may have none any more.
fn refusal(code: ResultCode, problem: &Problem) -> Answer {
    let code = match code {
        ResultCode::CommandFailedClosing | ResultCode::SessionLimitClosing => {
            ResultCode::CommandFailed
        }
        other => other,
    };
    let text = sentence(problem);
    let mut elements: Vec<Option<Name>> = Vec::new();
    for path in &problem.paths {
        let element = element_of(path);
        if element.is_some() && !elements.contains(&element) && elements.len() < REASONS_MAX {
            elements.push(element);
        }
    }
    if elements.is_empty() {
        elements.push(None);
    }
    let answer = Answer::new(code);
    elements.into_iter().fold(answer, |answer, element| {
        answer.because(element, text.clone())
    })
}

fn sentence(problem: &Problem) -> String {
    let mut text = String::new();
    if problem.title != problem.code.meaning() && !problem.title.is_empty() {
        text.push_str(&problem.title);
        text.push_str(": ");
    }
    text.push_str(&problem.reason);
    if let Some(secs) = problem.retry_after_secs {
        text.push_str(&format!("; send it again after {secs} s"));
    }
    text
}

/// The last member of a JSONPath that is known as an element here.
fn element_of(path: &str) -> Option<Name> {
    let separators = ['.', '[', ']', '\'', '"', '$'];
    path.rsplit(separators).find_map(device_element)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epp::namespace::device;

    #[test]
    fn paths_of_documents_become_elements() {
        for (path, local) in [
            ("$.csr", "csr"),
            ("$['csr']", "csr"),
            ("$.deviceIds[3].deviceId", "id"),
            ("$.bindings[0].asp", "asp"),
            ("$.currentExpiry", "curExpDate"),
            ("$.statuses[1]", "status"),
            ("$.asp.unknown", "asp"),
        ] {
            assert_eq!(element_of(path), Some(device(local)), "{path}");
        }
        for path in ["", "$", "$.limit", "$[0]", "csr2"] {
            assert_eq!(element_of(path), None, "{path}");
        }
    }

    #[test]
    fn refusals_name_each_element_once_and_never_a_path() {
        let problem = Problem::new(ResultCode::ParameterPolicy, "these do not go together")
            .at("$.asp")
            .at("$['asp']")
            .at("$.limit")
            .at("$.csr");
        let told = answer(Asked::Create, Response::failure("IOTR-1", problem));
        let elements: Vec<_> = told.reasons.iter().map(|reason| reason.element).collect();
        assert_eq!(elements, [Some(device("asp")), Some(device("csr"))]);
        assert!(
            told.reasons
                .iter()
                .all(|reason| reason.text == "these do not go together")
        );
    }

    #[test]
    fn a_busy_registry_does_not_end_the_session() {
        for code in [
            ResultCode::CommandFailedClosing,
            ResultCode::SessionLimitClosing,
        ] {
            let problem = Problem::new(code, "too much at once").retry_after(2);
            let told = answer(Asked::Other, Response::failure("IOTR-1", problem));
            assert_eq!(told.code, ResultCode::CommandFailed);
            assert_eq!(
                told.reasons[0].text,
                "too much at once; send it again after 2 s"
            );
        }
        let problem = Problem::new(ResultCode::AuthenticationErrorClosing, "disabled");
        let told = answer(Asked::Other, Response::failure("IOTR-1", problem));
        assert_eq!(told.code, ResultCode::AuthenticationErrorClosing);
    }
}
