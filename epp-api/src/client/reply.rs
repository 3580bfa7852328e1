//! The documents of answers → [`Reply`].

use http::header::LINK;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use super::{ClientError, text_of};
use crate::command::{
    AccountCommand, Command, DeviceCommand, EndpointCommand, JobCommand, MessageCommand,
    TransferCommand, ZoneCommand,
};
use crate::json::code::rpp_code;
use crate::json::document::device_answer::ProcessPending;
use crate::json::document::problem::ProblemDocument;
use crate::json::document::{account, device_answer, id_list, job, message, pem, transfer};
use crate::json::header::RPP_QUEUE_SIZE;
use crate::problem::Problem;
use crate::response::Reply;
use crate::result_code::ResultCode;

/// An answer whose head has been checked.
pub(super) struct Answer<'a> {
    pub(super) status: StatusCode,
    pub(super) code: ResultCode,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

type Result<T> = std::result::Result<T, ClientError>;

fn unreadable(reason: impl Into<String>) -> ClientError {
    ClientError::Document {
        reason: reason.into(),
    }
}

impl Answer<'_> {
    fn document<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(self.body).map_err(|error| unreadable(error.to_string()))
    }

    /// The problem of a refusal.
    pub(super) fn problem(&self) -> Result<Problem> {
        let document: ProblemDocument = self.document()?;
        let code = self.code;
        document
            .into_problem()
            .filter(|problem| problem.code == code)
            .ok_or_else(|| unreadable(format!("no error with the result {}", rpp_code(code))))
    }

    /// The reply of a success.
    pub(super) fn reply(&self, command: &Command) -> Result<Reply> {
        if let Command::Device(DeviceCommand::Check { device_ids }) = command {
            return self.availability(device_ids.len());
        }
        if !self.status.is_success() {
            let (status, code) = (self.status, self.code);
            return Err(ClientError::Status { status, code });
        }
        if self.code == ResultCode::CompletedPending
            && let Ok(pending) = self.document::<ProcessPending>()
        {
            return Ok(Reply::Pending(pending.into()));
        }
        match command {
            Command::Device(command) => self.of_device(command),
            Command::Transfer(command) => self.of_transfer(command),
            Command::Message(command) => self.of_message(*command),
            Command::Job(command) => self.of_job(command),
            Command::Account(command) => self.of_account(command),
            Command::Endpoint(command) => self.of_endpoint(command),
            Command::Zone(ZoneCommand::Dump) => match std::str::from_utf8(self.body) {
                Ok(text) => Ok(Reply::ZoneText(text.to_owned())),
                Err(error) => Err(unreadable(error.to_string())),
            },
            Command::Zone(ZoneCommand::Check) => self.document().map(Reply::ZoneReport),
        }
    }

    fn of_device(&self, command: &DeviceCommand) -> Result<Reply> {
        match command {
            DeviceCommand::Check { device_ids } => self.availability(device_ids.len()),
            DeviceCommand::Info { .. } => self.document().map(Reply::Device),
            DeviceCommand::List { .. } => {
                let page: device_answer::DevicePage = self.document()?;
                Ok(Reply::Devices {
                    devices: page.devices,
                    next_after: page.next_after,
                })
            }
            DeviceCommand::Certificate { .. } => {
                let document: device_answer::Certificate = self.document()?;
                let certificate = document.into_slot_certificate();
                certificate
                    .map(Reply::Certificate)
                    .ok_or_else(no_certificate)
            }
            DeviceCommand::Create { .. } | DeviceCommand::NewSlot { .. } => {
                let document: device_answer::DeviceIssued = self.document()?;
                let issued = document.into_issued().ok_or_else(no_certificate)?;
                Ok(Reply::Issued(Box::new(issued)))
            }
            DeviceCommand::Update { .. }
            | DeviceCommand::Activate { .. }
            | DeviceCommand::Deactivate { .. }
            | DeviceCommand::Renew { .. }
            | DeviceCommand::Delete { .. }
            | DeviceCommand::Restore { .. } => {
                let changed: device_answer::DeviceChanged = self.document()?;
                Ok(Reply::Changed {
                    info: Box::new(changed.device),
                    times: changed.publication,
                })
            }
            DeviceCommand::Process { .. } => self.document().map(Reply::Process),
        }
    }

    /// One id asked is answered by a document of its own; 404 says "not available" then.
    fn availability(&self, asked: usize) -> Result<Reply> {
        if asked != 1 {
            let document: device_answer::DeviceChecked = self.document()?;
            return Ok(Reply::Availability(document.availability));
        }
        if self.status != StatusCode::NOT_FOUND {
            return Ok(Reply::Availability(vec![self.document()?]));
        }
        let document: ProblemDocument = self.document()?;
        match document.into_availability() {
            Some(availability) if !availability.available => {
                Ok(Reply::Availability(vec![availability]))
            }
            _ => Err(unreadable("a 404 that does not say \"available\": false")),
        }
    }

    fn of_transfer(&self, command: &TransferCommand) -> Result<Reply> {
        if let TransferCommand::Query { .. } = command {
            return self.document().map(Reply::TransferQueried);
        }
        let changed: transfer::TransferChanged = self.document()?;
        Ok(Reply::Transfer {
            transfer: Box::new(changed.transfer),
            times: changed.publication,
        })
    }

    fn of_message(&self, command: MessageCommand) -> Result<Reply> {
        match command {
            MessageCommand::Head => {
                let count = text_of(self.headers, RPP_QUEUE_SIZE.as_str());
                let count = count.and_then(|count| count.parse().ok());
                let count = count.ok_or(ClientError::Header {
                    name: "RPP-Queue-Size",
                })?;
                let head = match self.status {
                    StatusCode::NO_CONTENT => None,
                    _ => Some(self.document()?),
                };
                Ok(Reply::Messages { count, head })
            }
            MessageCommand::Acknowledge { .. } => {
                let document: message::Acknowledged = self.document()?;
                Ok(Reply::Acknowledged {
                    count: document.count,
                    next_message_id: document.next_message_id,
                })
            }
        }
    }

    fn of_job(&self, command: &JobCommand) -> Result<Reply> {
        match command {
            JobCommand::List => {
                let document: job::Jobs = self.document()?;
                Ok(Reply::Jobs(document.jobs))
            }
            JobCommand::Results { .. } => {
                let lines = self.body.split(|octet| *octet == b'\n');
                let lines = lines.filter(|line| !line.is_empty());
                let results = lines.map(serde_json::from_slice).collect();
                let results: std::result::Result<_, serde_json::Error> = results;
                Ok(Reply::JobResults {
                    results: results.map_err(|error| unreadable(error.to_string()))?,
                    next_after: self.next_after(),
                })
            }
            JobCommand::Create { .. }
            | JobCommand::Append { .. }
            | JobCommand::Close { .. }
            | JobCommand::Cancel { .. }
            | JobCommand::Info { .. } => self.document().map(Reply::Job),
        }
    }

    /// The row that `Link` leads on from.
    fn next_after(&self) -> Option<u64> {
        let link = text_of(self.headers, LINK.as_str())?;
        let target = link.strip_prefix('<')?.strip_suffix(">; rel=\"next\"")?;
        let (_, query) = target.split_once('?')?;
        let after = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("after="));
        after?.parse().ok()
    }

    fn of_account(&self, command: &AccountCommand) -> Result<Reply> {
        match command {
            AccountCommand::Create { .. } => {
                let account::AccountCreated { name, token } = self.document()?;
                Ok(Reply::AccountCreated { name, token })
            }
            AccountCommand::List => {
                let account::Accounts { accounts } = self.document()?;
                Ok(Reply::Accounts(accounts))
            }
            AccountCommand::Info { .. } | AccountCommand::Update { .. } => {
                self.document().map(Reply::Account)
            }
            AccountCommand::ImportIds { .. } => {
                let id_list::IdsImported { added } = self.document()?;
                Ok(Reply::Imported { added })
            }
            AccountCommand::IssueToken { .. } => {
                let account::TokenIssued { token_id, token } = self.document()?;
                Ok(Reply::TokenIssued { token_id, token })
            }
            AccountCommand::IssueCertificate { .. } => {
                let document: account::CertificateIssued = self.document()?;
                let read = |text: &str| pem::read_one(text).ok_or_else(no_certificate);
                Ok(Reply::ClientCertificate {
                    certificate_id: document.certificate_id,
                    certificate: read(&document.certificate_pem)?,
                    root: read(&document.root_pem)?,
                })
            }
            AccountCommand::ResetPassword { .. } => {
                let account::PasswordReset { password } = self.document()?;
                Ok(Reply::Password(password))
            }
            AccountCommand::Consent { .. } => Ok(Reply::Done),
        }
    }

    fn of_endpoint(&self, command: &EndpointCommand) -> Result<Reply> {
        match command {
            EndpointCommand::Info { .. } => self.document().map(Reply::Endpoint),
            EndpointCommand::Set { .. } if self.status != StatusCode::NO_CONTENT => {
                self.document().map(Reply::Endpoint)
            }
            EndpointCommand::Set { .. } | EndpointCommand::Remove => Ok(Reply::Done),
        }
    }
}

fn no_certificate() -> ClientError {
    unreadable("a member that has to hold certificates (PEM) does not")
}
