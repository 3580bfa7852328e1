//! Command → row of the door's table, what is given beside the body, and the body.

use serde::Serialize;

use crate::command::{
    AccountChange, AccountCommand, Command, DeviceCommand, EndpointCommand, JobCommand,
    MessageCommand, TransferCommand, ZoneCommand,
};
use crate::json::csr_text;
use crate::json::document::account::{AccountCreate, AccountUpdate, CertificateIssue, TokenIssue};
use crate::json::document::change::DeviceUpdate;
use crate::json::document::device::{DeviceCheck, DeviceCreate, DeviceRenew, SlotCreate};
use crate::json::document::id_list::IdsImport;
use crate::json::document::job::JobCreate;
use crate::json::document::transfer::{TransferApprove, TransferRequest};
use crate::json::given::Given;
use crate::json::operation::Operation;
use crate::json::operations::named;

/// Where a command goes, and with what.
pub(super) struct Target {
    pub(super) operation: &'static Operation,
    pub(super) given: Given,
    pub(super) body: Vec<u8>,
}

impl Target {
    fn new(id: &str, given: Given) -> Self {
        Self {
            operation: named(id),
            given,
            body: Vec::new(),
        }
    }

    fn with(mut self, document: &impl Serialize) -> Self {
        self.body = serde_json::to_vec(document).expect("texts and numbers are always JSON");
        self
    }
}

/// The one place of each command.
pub(super) fn target(command: &Command) -> Target {
    match command {
        Command::Device(command) => of_device(command),
        Command::Transfer(command) => of_transfer(command),
        Command::Message(MessageCommand::Head) => Target::new("messageHead", Given::default()),
        Command::Message(MessageCommand::Acknowledge { message_id }) => {
            Target::new("messageAcknowledge", Given::of_number(*message_id))
        }
        Command::Job(command) => of_job(command),
        Command::Account(command) => of_account(command),
        Command::Endpoint(command) => of_endpoint(command),
        Command::Zone(ZoneCommand::Dump) => Target::new("zoneDump", Given::default()),
        Command::Zone(ZoneCommand::Check) => Target::new("zoneCheck", Given::default()),
    }
}

fn of_device(command: &DeviceCommand) -> Target {
    let given = command
        .device_id()
        .map(Given::of_device)
        .unwrap_or_default();
    match command {
        DeviceCommand::Check { device_ids } => match device_ids[..] {
            [device_id] => Target::new("deviceAvailability", Given::of_device(device_id)),
            _ => Target::new("deviceCheck", given).with(&DeviceCheck {
                device_ids: device_ids.clone(),
            }),
        },
        DeviceCommand::Info { auth_info, .. } => {
            let auth_info = auth_info.clone();
            Target::new("deviceInfo", Given { auth_info, ..given })
        }
        DeviceCommand::List { after, limit } => {
            let (after_device, limit) = (*after, Some(u32::from(*limit)));
            let given = Given {
                after_device,
                limit,
                ..given
            };
            Target::new("deviceList", given)
        }
        DeviceCommand::Certificate { slot, .. } => {
            let slot = Some(*slot);
            Target::new("slotCertificate", Given { slot, ..given })
        }
        DeviceCommand::Create {
            device_id,
            csr,
            period,
            asp,
            auth_info,
        } => Target::new("deviceCreate", given).with(&DeviceCreate {
            id: *device_id,
            csr: csr_text::to_text(csr),
            period: *period,
            asp: asp.clone(),
            auth_info: auth_info.clone(),
        }),
        DeviceCommand::NewSlot { csr, asp, .. } => {
            Target::new("slotCreate", given).with(&SlotCreate {
                csr: csr_text::to_text(csr),
                asp: asp.clone(),
            })
        }
        DeviceCommand::Update { changes, .. } => {
            Target::new("deviceUpdate", given).with(&DeviceUpdate::of(changes))
        }
        DeviceCommand::Activate { .. } => Target::new("deviceActivate", given),
        DeviceCommand::Deactivate { .. } => Target::new("deviceDeactivate", given),
        DeviceCommand::Renew {
            current_expiry,
            period,
            ..
        } => Target::new("deviceRenew", given).with(&DeviceRenew {
            current_expiry: *current_expiry,
            period: *period,
        }),
        DeviceCommand::Delete { .. } => Target::new("deviceDelete", given),
        DeviceCommand::Restore { .. } => Target::new("deviceRestore", given),
        DeviceCommand::Process {
            kind, process_id, ..
        } => {
            let (kind, number) = (Some(*kind), Some(*process_id));
            let given = Given {
                kind,
                number,
                ..given
            };
            Target::new("deviceProcess", given)
        }
    }
}

fn of_transfer(command: &TransferCommand) -> Target {
    let mut given = Given::of_device(command.device_id());
    if let TransferCommand::Pull { auth_info, .. } = command {
        given.auth_info = Some(auth_info.clone());
    }
    if let Some(document) = TransferRequest::of(command) {
        return Target::new("transferRequest", given).with(&document);
    }
    match command {
        TransferCommand::Query { auth_info, .. } => {
            let auth_info = auth_info.clone();
            Target::new("transferQuery", Given { auth_info, ..given })
        }
        TransferCommand::Approve { arrival, .. } => {
            let target = Target::new("transferApprove", given);
            match *arrival {
                None => target,
                arrival => target.with(&TransferApprove { arrival }),
            }
        }
        TransferCommand::Reject { .. } => Target::new("transferReject", given),
        TransferCommand::Cancel { .. } => Target::new("transferCancel", given),
        TransferCommand::Pull { .. }
        | TransferCommand::Push { .. }
        | TransferCommand::Force { .. } => {
            unreachable!("what begins a transfer has a document")
        }
    }
}

fn of_job(command: &JobCommand) -> Target {
    match command {
        JobCommand::Create { action } => {
            Target::new("jobCreate", Given::default()).with(&JobCreate::of(action))
        }
        JobCommand::Append {
            job_id,
            offset,
            rows,
        } => {
            let given = Given {
                offset: Some(*offset),
                ..Given::of_number(*job_id)
            };
            let mut target = Target::new("jobAppend", given);
            target.body.clone_from(rows);
            target
        }
        JobCommand::Close { job_id } => Target::new("jobClose", Given::of_number(*job_id)),
        JobCommand::Cancel { job_id } => Target::new("jobCancel", Given::of_number(*job_id)),
        JobCommand::Info { job_id } => Target::new("jobInfo", Given::of_number(*job_id)),
        JobCommand::List => Target::new("jobList", Given::default()),
        JobCommand::Results {
            job_id,
            after,
            limit,
        } => {
            let given = Given {
                after_row: Some(*after),
                limit: Some(*limit),
                ..Given::of_number(*job_id)
            };
            Target::new("jobResults", given)
        }
    }
}

fn of_account(command: &AccountCommand) -> Target {
    match command {
        AccountCommand::Create { name, role } => Target::new("accountCreate", Given::default())
            .with(&AccountCreate {
                name: name.clone(),
                role: *role,
            }),
        AccountCommand::List => Target::new("accountList", Given::default()),
        AccountCommand::Info { name: None } => Target::new("accountSelf", Given::default()),
        AccountCommand::Info { name: Some(name) } => {
            Target::new("accountInfo", Given::of_account(name))
        }
        AccountCommand::Update { name, change } => {
            of_account_change(Given::of_account(name), change)
        }
        AccountCommand::ImportIds { name, device_ids } => {
            Target::new("idsImport", Given::of_account(name)).with(&IdsImport {
                device_ids: device_ids.clone(),
            })
        }
        AccountCommand::IssueToken {
            name,
            scopes,
            lifetime_secs,
        } => Target::new("tokenIssue", Given::of_account(name)).with(&TokenIssue {
            scopes: *scopes,
            lifetime_secs: *lifetime_secs,
        }),
        AccountCommand::IssueCertificate { name, csr } => {
            let csr = csr_text::to_text(csr);
            Target::new("certificateIssue", Given::of_account(name)).with(&CertificateIssue { csr })
        }
        AccountCommand::ResetPassword { name } => {
            Target::new("passwordReset", Given::of_account(name))
        }
        AccountCommand::Consent { asp, granted } => {
            let id = if *granted {
                "consentGrant"
            } else {
                "consentWithdraw"
            };
            Target::new(id, Given::of_account(asp))
        }
    }
}

fn of_account_change(given: Given, change: &AccountChange) -> Target {
    match change {
        AccountChange::RevokeToken { token_id } => {
            let number = Some(*token_id);
            Target::new("tokenRevoke", Given { number, ..given })
        }
        AccountChange::RevokeCertificate { certificate_id } => {
            let number = Some(*certificate_id);
            Target::new("certificateRevoke", Given { number, ..given })
        }
        change => {
            let document = AccountUpdate::of(change).expect("the others have resources");
            Target::new("accountUpdate", given).with(&document)
        }
    }
}

fn of_endpoint(command: &EndpointCommand) -> Target {
    match command {
        EndpointCommand::Info { asp: None } => Target::new("endpointSelf", Given::default()),
        EndpointCommand::Info { asp: Some(asp) } => {
            Target::new("endpointInfo", Given::of_account(asp))
        }
        EndpointCommand::Set { profile } => {
            Target::new("endpointSet", Given::default()).with(profile)
        }
        EndpointCommand::Remove => Target::new("endpointRemove", Given::default()),
    }
}
