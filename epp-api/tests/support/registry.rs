//! A registry that remembers in memory. Some certificate requests make it misbehave on purpose.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use iot_epp_api::command::{
    AccountCommand, DeviceCommand, EndpointCommand, JobCommand, MessageCommand, TransferCommand,
    ZoneCommand,
};
use iot_epp_api::message::Message;
use iot_epp_api::server::{Credential, Registry};
use iot_epp_api::transfer::TransferStatus;
use iot_epp_api::{
    AccountName, Availability, BearerToken, Caller, ClientTransactionId, Command, DeviceInfo,
    DeviceState, Problem, ProcessKind, ProcessState, ProcessStatus, PublicationTimes, Reply,
    Request, Response, ResultCode, Role, Scopes, server_transaction_id,
};
use iot_identity::DeviceId;
use tokio::sync::{Semaphore, watch};

use super::samples;

/// This request is answered with "pending".
pub(crate) const PENDING: &str = "-----BEGIN PENDING-----";
/// This request waits for a permit of [`MemoryRegistry::release`].
pub(crate) const HELD: &str = "-----BEGIN HELD-----";
/// This request takes the whole task with it.
pub(crate) const PANIC: &str = "-----BEGIN PANIC-----";
/// The authorization information of every device.
pub(crate) const AUTH_INFO: &str = "the-authInfo-of-every-device";

type Remembered = HashMap<(AccountName, ClientTransactionId), ([u8; 32], Response)>;

pub(crate) struct MemoryRegistry {
    devices: Mutex<BTreeMap<DeviceId, DeviceInfo>>,
    remembered: Mutex<Remembered>,
    pub(crate) requests: Mutex<Vec<(Caller, Request)>>,
    transactions: AtomicU32,
    messages: Mutex<Vec<Message>>,
    news: watch::Sender<u64>,
    job_octets: Mutex<u64>,
    /// Accounts by the SHA-256 of their client certificates.
    pub(crate) certificates: Mutex<HashMap<Vec<u8>, &'static str>>,
    pub(crate) disabled: Mutex<HashSet<AccountName>>,
    pub(crate) unavailable: AtomicBool,
    pub(crate) release: Semaphore,
}

impl MemoryRegistry {
    pub(crate) fn new() -> Self {
        Self {
            devices: Mutex::default(),
            remembered: Mutex::default(),
            requests: Mutex::default(),
            transactions: AtomicU32::new(0),
            messages: Mutex::default(),
            news: watch::Sender::new(0),
            job_octets: Mutex::default(),
            certificates: Mutex::default(),
            disabled: Mutex::default(),
            unavailable: AtomicBool::new(false),
            release: Semaphore::new(0),
        }
    }

    pub(crate) fn request_count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    pub(crate) fn device_count(&self) -> usize {
        self.devices.lock().unwrap().len()
    }

    pub(crate) fn last_request(&self) -> (Caller, Request) {
        self.requests.lock().unwrap().last().unwrap().clone()
    }

    /// Queues a message for everybody.
    pub(crate) fn tell(&self, message_id: u64) {
        let message = samples::message(message_id, super::eid());
        self.messages.lock().unwrap().push(message);
        self.news.send_modify(|news| *news += 1);
    }

    fn next_id(&self) -> String {
        let number = self.transactions.fetch_add(1, Ordering::SeqCst);
        server_transaction_id(u128::from(number).to_be_bytes())
    }

    fn owned(&self, caller: &Caller, id: DeviceId) -> Result<DeviceInfo, Problem> {
        let devices = self.devices.lock().unwrap();
        let device = devices
            .get(&id)
            .filter(|info| info.account == caller.account);
        device.cloned().ok_or_else(Problem::object_does_not_exist)
    }

    fn change(
        &self,
        caller: &Caller,
        request: &Request,
        id: DeviceId,
        state: DeviceState,
    ) -> Result<Reply, Problem> {
        let mut info = self.owned(caller, id)?;
        if request
            .if_version
            .is_some_and(|version| version != info.version)
        {
            return Err(Problem::precondition_failed());
        }
        info.state = state;
        info.version += 1;
        self.devices.lock().unwrap().insert(id, info.clone());
        Ok(Reply::Changed {
            info: Box::new(info),
            times: Some(samples::withdrawn()),
        })
    }

    async fn create(&self, caller: &Caller, id: DeviceId, csr: &[u8]) -> Result<Reply, Problem> {
        if self.devices.lock().unwrap().contains_key(&id) {
            return Err(Problem::new(ResultCode::ObjectExists, "registered already").at("$.id"));
        }
        let misbehaves = |how: &str| csr.starts_with(how.as_bytes());
        assert!(!misbehaves(PANIC), "asked for");
        if misbehaves(HELD) {
            self.release.acquire().await.unwrap().forget();
        }
        let info = samples::device(id, caller.account.clone());
        self.devices.lock().unwrap().insert(id, info.clone());
        if misbehaves(PENDING) {
            return Ok(Reply::Pending(samples::pending(id, ProcessKind::Create)));
        }
        Ok(Reply::Issued(Box::new(samples::issued(info))))
    }

    fn list(&self, caller: &Caller, after: Option<DeviceId>, limit: u16) -> Reply {
        let devices = self.devices.lock().unwrap();
        let mut page: Vec<_> = devices
            .values()
            .filter(|info| info.account == caller.account)
            .filter(|info| after.is_none_or(|after| info.device_id > after))
            .take(usize::from(limit) + 1)
            .cloned()
            .collect();
        let more = page.len() > usize::from(limit);
        page.truncate(usize::from(limit));
        Reply::Devices {
            next_after: page.last().filter(|_| more).map(|info| info.device_id),
            devices: page,
        }
    }

    async fn device(
        &self,
        caller: &Caller,
        request: &Request,
        command: &DeviceCommand,
    ) -> Result<Reply, Problem> {
        match command {
            DeviceCommand::Check { device_ids } => {
                let devices = self.devices.lock().unwrap();
                let check = |id: &DeviceId| Availability {
                    device_id: *id,
                    available: !devices.contains_key(id),
                    reason: devices.contains_key(id).then(|| "in use".to_owned()),
                };
                Ok(Reply::Availability(device_ids.iter().map(check).collect()))
            }
            DeviceCommand::Info {
                device_id,
                auth_info,
            } => match auth_info {
                None => Ok(Reply::Device(Box::new(self.owned(caller, *device_id)?))),
                Some(secret) => {
                    let devices = self.devices.lock().unwrap();
                    let info = devices
                        .get(device_id)
                        .filter(|_| secret.expose() == AUTH_INFO);
                    let info = info.ok_or_else(wrong_auth_info)?;
                    Ok(Reply::Device(Box::new(info.clone())))
                }
            },
            DeviceCommand::List { after, limit } => Ok(self.list(caller, *after, *limit)),
            DeviceCommand::Certificate { device_id, slot } => {
                self.owned(caller, *device_id)?;
                Ok(Reply::Certificate(samples::certificate(*slot)))
            }
            DeviceCommand::Create { device_id, csr, .. } => {
                self.create(caller, *device_id, csr).await
            }
            DeviceCommand::NewSlot { device_id, .. } => {
                let info = self.owned(caller, *device_id)?;
                Ok(Reply::Issued(Box::new(samples::issued(info))))
            }
            DeviceCommand::Activate { device_id }
            | DeviceCommand::Update { device_id, .. }
            | DeviceCommand::Renew { device_id, .. } => {
                self.change(caller, request, *device_id, DeviceState::Active)
            }
            DeviceCommand::Deactivate { device_id } | DeviceCommand::Restore { device_id } => {
                self.change(caller, request, *device_id, DeviceState::Inactive)
            }
            DeviceCommand::Delete { device_id } => {
                self.change(caller, request, *device_id, DeviceState::PendingDelete)
            }
            DeviceCommand::Process {
                device_id,
                kind,
                process_id,
            } => {
                self.owned(caller, *device_id)?;
                Ok(Reply::Process(ProcessStatus {
                    process_id: *process_id,
                    kind: *kind,
                    state: ProcessState::Completed,
                    publication: Some(PublicationTimes::default()),
                }))
            }
        }
    }

    fn transfer(&self, caller: &Caller, command: &TransferCommand) -> Result<Reply, Problem> {
        let device_id = command.device_id();
        let status = match command {
            TransferCommand::Pull { auth_info, .. } => {
                let known = self.devices.lock().unwrap().contains_key(&device_id);
                if !known || auth_info.expose() != AUTH_INFO {
                    return Err(wrong_auth_info());
                }
                TransferStatus::Pending
            }
            TransferCommand::Push { .. } => TransferStatus::Pending,
            TransferCommand::Query { .. } => {
                self.owned(caller, device_id)?;
                let info = samples::transfer(device_id, TransferStatus::Pending);
                return Ok(Reply::TransferQueried(Box::new(info)));
            }
            TransferCommand::Approve { .. } => TransferStatus::ClientApproved,
            TransferCommand::Reject { .. } => TransferStatus::ClientRejected,
            TransferCommand::Cancel { .. } => TransferStatus::ClientCancelled,
            TransferCommand::Force { .. } => TransferStatus::ServerApproved,
        };
        if !matches!(command, TransferCommand::Pull { .. }) {
            self.owned(caller, device_id)?;
        }
        let ended = status != TransferStatus::Pending;
        Ok(Reply::Transfer {
            transfer: Box::new(samples::transfer(device_id, status)),
            times: ended.then(samples::withdrawn),
        })
    }

    fn message(&self, command: MessageCommand) -> Result<Reply, Problem> {
        let mut messages = self.messages.lock().unwrap();
        if let MessageCommand::Acknowledge { message_id } = command {
            let known = messages.iter().position(|one| one.message_id == message_id);
            if known.ok_or_else(Problem::object_does_not_exist)? > 0 {
                let reason = "another message is the oldest one";
                return Err(Problem::new(ResultCode::AssociationProhibits, reason));
            }
            messages.remove(0);
            return Ok(Reply::Acknowledged {
                count: messages.len() as u64,
                next_message_id: messages.first().map(|one| one.message_id),
            });
        }
        Ok(Reply::Messages {
            count: messages.len() as u64,
            head: messages.first().cloned().map(Box::new),
        })
    }

    fn job(&self, command: &JobCommand) -> Result<Reply, Problem> {
        let mut octets = self.job_octets.lock().unwrap();
        match command {
            JobCommand::Append { offset, rows, .. } => {
                if *offset != *octets {
                    let reason = format!("{} octets are here", *octets);
                    return Err(Problem::new(ResultCode::ParameterPolicy, reason));
                }
                *octets += rows.len() as u64;
                Ok(Reply::Job(samples::job(4, *octets)))
            }
            JobCommand::List => Ok(Reply::Jobs(vec![samples::job(4, *octets)])),
            JobCommand::Results { after, limit, .. } => {
                let last = after.saturating_add(u64::from(*limit)).min(5);
                Ok(Reply::JobResults {
                    results: (after + 1..=last).map(samples::job_result).collect(),
                    next_after: (last < 5).then_some(last),
                })
            }
            _ => Ok(Reply::Job(samples::job(4, *octets))),
        }
    }

    fn account(&self, caller: &Caller, command: &AccountCommand) -> Result<Reply, Problem> {
        let token = || BearerToken::parse("secret-shown-once-0001").unwrap();
        match command {
            AccountCommand::Info { name: None } => {
                let info = samples::account(caller.account.as_str(), false);
                return Ok(Reply::Account(Box::new(info)));
            }
            AccountCommand::Consent { .. } => return Ok(Reply::Done),
            _ => only_operators(caller)?,
        }
        Ok(match command {
            AccountCommand::Create { name, .. } => Reply::AccountCreated {
                name: name.clone(),
                token: token(),
            },
            AccountCommand::List => Reply::Accounts(vec![samples::account("mno-one", false)]),
            AccountCommand::Info { name: Some(name) } => {
                Reply::Account(Box::new(samples::account(name.as_str(), false)))
            }
            AccountCommand::Update { name, .. } => {
                Reply::Account(Box::new(samples::account(name.as_str(), true)))
            }
            AccountCommand::ImportIds { device_ids, .. } => Reply::Imported {
                added: device_ids.len() as u64,
            },
            AccountCommand::IssueToken { .. } => Reply::TokenIssued {
                token_id: 5,
                token: token(),
            },
            AccountCommand::IssueCertificate { .. } => Reply::ClientCertificate {
                certificate_id: 6,
                certificate: b"certificate".to_vec(),
                root: b"root".to_vec(),
            },
            AccountCommand::ResetPassword { .. } => {
                Reply::Password(iot_epp_api::secret::Secret::new("a-password-once"))
            }
            AccountCommand::Info { name: None } | AccountCommand::Consent { .. } => Reply::Done,
        })
    }

    async fn decide(&self, caller: &Caller, request: &Request) -> Result<Reply, Problem> {
        match &request.command {
            Command::Device(command) => self.device(caller, request, command).await,
            Command::Transfer(command) => self.transfer(caller, command),
            Command::Message(command) => self.message(*command),
            Command::Job(command) => self.job(command),
            Command::Account(command) => self.account(caller, command),
            Command::Endpoint(EndpointCommand::Remove) => Ok(Reply::Done),
            Command::Endpoint(_) => Ok(Reply::Endpoint(Box::new(samples::endpoint()))),
            Command::Zone(command) => {
                only_operators(caller)?;
                Ok(match command {
                    ZoneCommand::Dump => Reply::ZoneText("; zone\n".to_owned()),
                    ZoneCommand::Check => Reply::ZoneReport(samples::zone_report()),
                })
            }
        }
    }
}

fn wrong_auth_info() -> Problem {
    let code = ResultCode::InvalidAuthorizationInformation;
    Problem::new(code, "the authorization information is wrong")
}

fn only_operators(caller: &Caller) -> Result<(), Problem> {
    if caller.role == Role::Operator {
        return Ok(());
    }
    let reason = "only operators may do this";
    Err(Problem::new(ResultCode::AuthorizationError, reason))
}

impl Registry for MemoryRegistry {
    async fn authenticate(&self, credential: Credential<'_>) -> Result<Option<Caller>, Problem> {
        if self.unavailable.load(Ordering::SeqCst) {
            let problem = Problem::new(ResultCode::CommandFailed, "the store is not open");
            return Err(problem.retry_after(5));
        }
        let account = match credential {
            Credential::Token(super::MNO) => "mno-one",
            Credential::Token(super::OTHER_MNO) => "mno-two",
            Credential::Token(super::OPERATOR) => "operator",
            Credential::Token(_) => return Ok(None),
            Credential::Certificate(chain) => {
                let known = self.certificates.lock().unwrap();
                let own = chain
                    .first()
                    .and_then(|own| known.get(own.as_ref()).copied());
                match own {
                    Some(account) => account,
                    None => return Ok(None),
                }
            }
        };
        let role = match account {
            "operator" => Role::Operator,
            _ => Role::Mno,
        };
        let account = AccountName::parse(account).unwrap();
        if self.disabled.lock().unwrap().contains(&account) {
            return Ok(None);
        }
        Ok(Some(Caller {
            account,
            role,
            scopes: Scopes::ALL,
        }))
    }

    async fn execute(&self, caller: &Caller, request: Request) -> Response {
        self.requests
            .lock()
            .unwrap()
            .push((caller.clone(), request.clone()));
        let key = request.client_transaction_id.clone();
        let key = key.filter(|_| request.command.replays());
        let key = key.map(|id| (caller.account.clone(), id));
        let known = key
            .as_ref()
            .and_then(|key| self.remembered.lock().unwrap().get(key).cloned());
        match known {
            Some((digest, response)) if digest == request.digest => {
                let mut response = response.as_replay();
                response.server_transaction_id = self.next_id();
                return response;
            }
            Some(_) => {
                let reason = "this RPP-Cltrid was used for another request";
                let problem = Problem::new(ResultCode::ParameterPolicy, reason);
                return Response::failure(self.next_id(), problem);
            }
            None => {}
        }
        let response = match self.decide(caller, &request).await {
            Ok(reply) => Response::success(self.next_id(), reply),
            Err(problem) => Response::failure(self.next_id(), problem),
        };
        if let Some(key) = key {
            let value = (request.digest, response.clone());
            self.remembered.lock().unwrap().insert(key, value);
        }
        response
    }

    async fn messages_after(
        &self,
        caller: &Caller,
        after: u64,
        limit: u16,
    ) -> Result<Vec<Message>, Problem> {
        if caller.role == Role::Operator {
            let reason = "operators have no messages";
            return Err(Problem::new(ResultCode::AuthorizationError, reason));
        }
        let messages = self.messages.lock().unwrap();
        let behind = messages.iter().filter(|one| one.message_id > after);
        Ok(behind.take(limit.into()).cloned().collect())
    }

    fn news(&self, _: &AccountName) -> watch::Receiver<u64> {
        self.news.subscribe()
    }
}
