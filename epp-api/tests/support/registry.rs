//! A registry that remembers in memory. Some certificate requests make it misbehave on purpose.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use iot_epp_api::server::Registry;
use iot_epp_api::{
    AccountInfo, AccountName, Availability, BearerToken, Caller, ClientTransactionId, Command,
    DeviceInfo, DeviceState, DeviceStatus, Problem, ProcessState, ProcessStatus, PublicationTimes,
    Reply, Request, Response, ResultCode, Role, SlotInfo, SlotState, ZoneReport,
    server_transaction_id,
};
use iot_identity::{DeviceId, Fingerprint, OwnerName, Slot, ZoneName};
use time::macros::datetime;
use tokio::sync::Semaphore;

/// This request is answered with "pending".
pub(crate) const PENDING: &str = "-----BEGIN PENDING-----";
/// This request waits for a permit of [`MemoryRegistry::release`].
pub(crate) const HELD: &str = "-----BEGIN HELD-----";
/// This request takes the whole task with it.
pub(crate) const PANIC: &str = "-----BEGIN PANIC-----";

type Remembered = HashMap<(AccountName, ClientTransactionId), ([u8; 32], Response)>;

pub(crate) struct MemoryRegistry {
    devices: Mutex<BTreeMap<DeviceId, DeviceInfo>>,
    remembered: Mutex<Remembered>,
    pub(crate) requests: Mutex<Vec<(Caller, Request)>>,
    transactions: AtomicU32,
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

    fn change(&self, caller: &Caller, id: DeviceId, state: DeviceState) -> Result<Reply, Problem> {
        let mut info = self.owned(caller, id)?;
        info.state = state;
        self.devices.lock().unwrap().insert(id, info.clone());
        let times = PublicationTimes {
            published_serial: 8,
            denied_everywhere_by: Some(datetime!(2026-11-22 02:05:00 UTC)),
            honest_caches_by: Some(datetime!(2026-11-22 01:01:00 UTC)),
            visible_everywhere_by: None,
        };
        Ok(Reply::Changed { info, times })
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
        let info = device(id, caller.account.clone());
        self.devices.lock().unwrap().insert(id, info.clone());
        if misbehaves(PENDING) {
            return Ok(Reply::Pending { process_id: 7 });
        }
        Ok(Reply::DeviceCreated {
            info,
            certificate_pem: "-----BEGIN CERTIFICATE-----\n".to_owned(),
            chain_pem: "-----BEGIN CERTIFICATE-----\n".to_owned(),
            publication: PublicationTimes {
                published_serial: 7,
                visible_everywhere_by: Some(datetime!(2026-11-22 02:05:00 UTC)),
                ..PublicationTimes::default()
            },
        })
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

    async fn decide(&self, caller: &Caller, command: &Command) -> Result<Reply, Problem> {
        match command {
            Command::DeviceCheck { device_ids } => {
                let devices = self.devices.lock().unwrap();
                let check = |id: &DeviceId| Availability {
                    device_id: *id,
                    available: !devices.contains_key(id),
                    reason: devices.contains_key(id).then(|| "in use".to_owned()),
                };
                Ok(Reply::Availability(device_ids.iter().map(check).collect()))
            }
            Command::DeviceInfo { device_id } => self.owned(caller, *device_id).map(Reply::Device),
            Command::DeviceList { after, limit } => Ok(self.list(caller, *after, *limit)),
            Command::DeviceCreate { device_id, csr } => self.create(caller, *device_id, csr).await,
            Command::DeviceActivate { device_id } => {
                self.change(caller, *device_id, DeviceState::Active)
            }
            Command::DeviceDeactivate { device_id } => {
                self.change(caller, *device_id, DeviceState::Inactive)
            }
            Command::DeviceDelete { device_id } => {
                self.change(caller, *device_id, DeviceState::PendingDelete)
            }
            Command::ProcessInfo {
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
            _ if caller.role != Role::Operator => Err(Problem::new(
                ResultCode::AuthorizationError,
                "only operators may do this",
            )),
            Command::AccountCreate { name, .. } => Ok(Reply::AccountCreated {
                name: name.clone(),
                token: BearerToken::parse("secret-shown-once-0001").unwrap(),
            }),
            Command::AccountList => Ok(Reply::Accounts(vec![account("mno-one", false)])),
            Command::AccountDisable { name } => Ok(Reply::Account(account(name.as_str(), true))),
            Command::ZoneDump => Ok(Reply::ZoneText("; zone\n".to_owned())),
            Command::ZoneCheck => Ok(Reply::ZoneReport(ZoneReport {
                zone: ZoneName::parse("iotregistry.example").unwrap(),
                serial: 9,
                device_names: 1,
                signatures_verified: 3,
                findings: Vec::new(),
            })),
        }
    }
}

impl Registry for MemoryRegistry {
    async fn authenticate(&self, token: &str) -> Result<Option<Caller>, Problem> {
        if self.unavailable.load(Ordering::SeqCst) {
            let problem = Problem::new(ResultCode::CommandFailed, "the store is not open");
            return Err(problem.retry_after(5));
        }
        let (name, role) = match token {
            super::MNO => ("mno-one", Role::Mno),
            super::OTHER_MNO => ("mno-two", Role::Mno),
            super::OPERATOR => ("operator", Role::Operator),
            _ => return Ok(None),
        };
        let account = AccountName::parse(name).unwrap();
        Ok(Some(Caller { account, role }))
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
        let response = match self.decide(caller, &request.command).await {
            Ok(reply) => Response::success(self.next_id(), reply),
            Err(problem) => Response::failure(self.next_id(), problem),
        };
        if let Some(key) = key {
            let value = (request.digest, response.clone());
            self.remembered.lock().unwrap().insert(key, value);
        }
        response
    }
}

pub(crate) fn account(name: &str, disabled: bool) -> AccountInfo {
    AccountInfo {
        name: AccountName::parse(name).unwrap(),
        role: Role::Mno,
        disabled,
        created_at: datetime!(2026-11-22 00:00:00 UTC),
    }
}

pub(crate) fn device(device_id: DeviceId, account: AccountName) -> DeviceInfo {
    let zone = ZoneName::parse("iotregistry.example").unwrap();
    DeviceInfo {
        device_id,
        account,
        state: DeviceState::Active,
        statuses: vec![DeviceStatus::Ok],
        slots: vec![SlotInfo {
            slot: Slot::FIRST,
            owner_name: OwnerName::new(Slot::FIRST, device_id, &zone),
            fingerprint: Fingerprint::from_octets([0x5a; 32]),
            serial: Some("00ff".to_owned()),
            not_before: datetime!(2026-11-22 00:00:00 UTC),
            not_after: datetime!(2031-11-22 00:00:00 UTC),
            state: SlotState::Live,
        }],
        created_at: datetime!(2026-11-22 01:00:00.25 UTC),
        updated_at: datetime!(2026-11-22 01:00:00.25 UTC),
        restore_until: None,
    }
}
