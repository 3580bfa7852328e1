//! A registry in memory. Some certificate requests make it misbehave on purpose.

mod state;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use iot_epp_api::command::{Command, DeviceCommand};
use iot_epp_api::epp::LoginVerdict;
use iot_epp_api::epp::security_event::SecurityEvent;
use iot_epp_api::message::Message;
use iot_epp_api::server::epp::{CertificateLogin, EppRegistry, LoginOutcome, PasswordMark};
use iot_epp_api::server::{Credential, Registry};
use iot_epp_api::{
    AccountName, Caller, Problem, Request, Response, ResultCode, Role, Scopes,
    server_transaction_id,
};
use iot_identity::Fingerprint;
use tokio::sync::{Semaphore, watch};

use crate::door::{account, password};
use state::{END, State};

/// Base64 of a certificate request that is answered with "pending".
pub(crate) const PENDING: &str = "AAAA";
/// This one waits for a permit of [`TestRegistry::release`].
pub(crate) const HELD: &str = "AAEB";
/// This one takes its task with it.
pub(crate) const PANIC: &str = "AAIC";
/// Any other.
pub(crate) const CSR: &str = "MAMCAQA=";

pub(crate) struct TestRegistry {
    state: Mutex<State>,
    names: AtomicU64,
    /// Commands begun and ended.
    pub(crate) begun: AtomicUsize,
    pub(crate) ended: AtomicUsize,
    pub(crate) logins: AtomicUsize,
    pub(crate) unavailable: AtomicBool,
    pub(crate) release: Semaphore,
}

impl TestRegistry {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::default(),
            names: AtomicU64::new(0),
            begun: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            logins: AtomicUsize::new(0),
            unavailable: AtomicBool::new(false),
            release: Semaphore::new(0),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap())
    }

    pub(crate) fn add_account(&self, name: &str, certificate: &[u8]) {
        let fingerprint = Fingerprint::of_certificate(certificate);
        self.with(|state| {
            state.certificates.insert(fingerprint, account(name));
            state.passwords.insert(account(name), password(name));
        });
    }

    pub(crate) fn disable(&self, name: &str) {
        self.with(|state| state.disabled.push(account(name)));
    }

    pub(crate) fn reset_password(&self, name: &str, password: &str) {
        self.with(|state| state.passwords.insert(account(name), password.to_owned()));
    }

    pub(crate) fn revoke(&self, certificate: &[u8]) {
        let fingerprint = Fingerprint::of_certificate(certificate);
        self.with(|state| state.certificates.remove(&fingerprint));
    }

    pub(crate) fn device_count(&self) -> usize {
        self.with(|state| state.devices.len())
    }

    fn next_name(&self) -> String {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        server_transaction_id(u128::from(number).to_be_bytes())
    }
}

impl Registry for TestRegistry {
    async fn authenticate(&self, credential: Credential<'_>) -> Result<Option<Caller>, Problem> {
        if self.unavailable.load(Ordering::SeqCst) {
            return Err(Problem::new(ResultCode::CommandFailed, "no database"));
        }
        let Credential::Certificate([own, ..]) = credential else {
            return Ok(None);
        };
        let fingerprint = Fingerprint::of_certificate(own);
        Ok(self.with(|state| {
            let account = state.certificates.get(&fingerprint)?;
            (!state.disabled.contains(account)).then(|| Caller {
                account: account.clone(),
                role: Role::Mno,
                scopes: Scopes::ALL,
            })
        }))
    }

    async fn messages_after(
        &self,
        _caller: &Caller,
        _after: u64,
        _limit: u16,
    ) -> Result<Vec<Message>, Problem> {
        Ok(Vec::new())
    }

    fn news(&self, _account: &AccountName) -> watch::Receiver<u64> {
        watch::channel(0).1
    }

    async fn execute(&self, caller: &Caller, request: Request) -> Response {
        self.begun.fetch_add(1, Ordering::SeqCst);
        if let Command::Device(DeviceCommand::Create { csr, .. }) = &request.command {
            match csr.as_slice() {
                [0, 1, 1] => self.release.acquire().await.unwrap().forget(),
                [0, 2, 2] => panic!("asked for"),
                _ => {}
            }
        }
        let replayed = request
            .command
            .replays()
            .then_some(())
            .and(request.client_transaction_id.clone());
        let key = replayed.map(|id| (caller.account.clone(), id));
        let name = self.next_name();
        let response = self.with(|state| {
            if let Some(key) = &key
                && let Some((digest, response)) = state.remembered.get(key)
                && *digest == request.digest
            {
                return response.clone().as_replay();
            }
            let response = match state.execute(&caller.account, request.command) {
                Ok(reply) => Response::success(name, reply),
                Err(problem) => Response::failure(name, problem),
            };
            if let Some(key) = key {
                state
                    .remembered
                    .insert(key, (request.digest, response.clone()));
            }
            response
        });
        self.ended.fetch_add(1, Ordering::SeqCst);
        response
    }
}

impl EppRegistry for TestRegistry {
    async fn check_login(&self, login: CertificateLogin) -> LoginOutcome {
        self.logins.fetch_add(1, Ordering::SeqCst);
        let login = login.login;
        let account = login.account.clone();
        let verdict = self.with(|state| {
            let password = state.passwords.get_mut(&login.account).unwrap();
            if password != login.password.expose() {
                return LoginVerdict::Wrong;
            }
            if let Some(new) = login.new_password {
                *password = new.expose().to_owned();
            }
            LoginVerdict::Accepted
        });
        let mut outcome = LoginOutcome::from(verdict);
        if outcome.verdict == LoginVerdict::Accepted {
            outcome
                .security_events
                .push(SecurityEvent::certificate_expires(END));
            outcome.password = self.with(|state| state.mark_of(&account));
        }
        outcome
    }

    async fn has_password(
        &self,
        account: &AccountName,
        mark: PasswordMark,
    ) -> Result<bool, Problem> {
        Ok(self.with(|state| state.mark_of(account) == Some(mark)))
    }
}
