//! What stands behind the doors: every command, from authorisation to the answer.
//!
//! There is one issuance function (`registration`) and one authorisation function
//! ([`crate::authorisation::permits`], then the decision in [`crate::lifecycle`]), whichever door a
//! command came through.

mod accounts;
mod answer;
mod devices;
mod registration;
#[cfg(test)]
mod tests;
pub(crate) mod zone;

pub use accounts::new_token;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use iot_epp_api::{Caller, Command, Problem, Reply, Request, Response, ResultCode, Role};
use iot_identity::ZoneName;
use ring::rand::{SecureRandom, SystemRandom};

use crate::authorisation;
use crate::ca::TrustRoots;
use crate::config::Config;
use crate::lifecycle::{Actor, Refusal, Transition};
use crate::publisher::Publisher;
use crate::store::{Closed, Origin, Store, StoreError};

/// How long a command waits for its publication before it answers "pending".
const PUBLICATION_PATIENCE: Duration = Duration::from_secs(2);

/// When a client may ask again for a registration while signing catches up.
const LATE_RETRY_SECS: u32 = 60;
/// The same while the database is damaged.
const DAMAGED_RETRY_SECS: u32 = 600;

/// The registry as the doors see it.
#[derive(Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    publisher: Publisher,
    trust: TrustRoots,
    config: Config,
    /// Whether the last look at the database's pages found one that is damaged.
    is_damaged: AtomicBool,
}

/// What a handler found or did, and whether it repeats an earlier result.
struct Handled {
    reply: Reply,
    replayed: bool,
}

impl From<Reply> for Handled {
    fn from(reply: Reply) -> Self {
        Self {
            reply,
            replayed: false,
        }
    }
}

impl Service {
    /// Puts the parts together.
    pub fn new(store: Store, publisher: Publisher, trust: TrustRoots, config: Config) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                publisher,
                trust,
                config,
                is_damaged: AtomicBool::new(false),
            }),
        }
    }

    /// The zone's publisher.
    pub fn publisher(&self) -> &Publisher {
        &self.inner.publisher
    }

    /// The registry's certificates.
    pub fn trust(&self) -> &TrustRoots {
        &self.inner.trust
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Says whether the database's pages are damaged.
    pub(crate) fn note_damage(&self, is_damaged: bool) {
        self.inner.is_damaged.store(is_damaged, Ordering::Relaxed);
    }

    /// Registrations are what can wait: they are refused first, so that devices that are registered
    /// can be checked and withdrawn for as long as possible.
    fn closed(&self) -> Option<Closed> {
        if self.publisher().signing_is_too_late() {
            Some(Closed::SigningIsLate)
        } else if self.inner.is_damaged.load(Ordering::Relaxed) {
            Some(Closed::DatabaseIsDamaged)
        } else {
            None
        }
    }

    fn zone_name(&self) -> &ZoneName {
        &self.inner.config.zone.apex
    }

    async fn handle(
        &self,
        caller: &Caller,
        request: Request,
        origin: Origin,
    ) -> Result<Handled, Problem> {
        crate::clock::check().map_err(clock_problem)?;
        if !authorisation::permits(caller.role, &request.command) {
            return Err(Problem::new(
                ResultCode::AuthorizationError,
                format!("accounts of the role {} may not do this", caller.role),
            ));
        }
        match request.command {
            Command::DeviceCreate { device_id, csr } => {
                self.register(origin, device_id, &csr).await
            }
            Command::DeviceActivate { device_id } => {
                self.transit(caller, origin, device_id, Transition::Activate)
                    .await
            }
            Command::DeviceDeactivate { device_id } => {
                self.transit(caller, origin, device_id, Transition::Deactivate)
                    .await
            }
            Command::DeviceDelete { device_id } => {
                self.transit(caller, origin, device_id, Transition::Delete)
                    .await
            }
            Command::DeviceInfo { device_id } => {
                Ok(self.device_info(caller, device_id).await?.into())
            }
            Command::DeviceList { after, limit } => {
                Ok(self.device_list(caller, after, limit).await?.into())
            }
            Command::DeviceCheck { device_ids } => Ok(self.device_check(&device_ids).await?.into()),
            Command::ProcessInfo {
                device_id,
                kind,
                process_id,
            } => Ok(self
                .process_info(caller, device_id, kind, process_id)
                .await?
                .into()),
            Command::AccountCreate { name, role } => {
                Ok(self.account_create(origin, name, role).await?.into())
            }
            Command::AccountList => Ok(self.account_list().await?.into()),
            Command::AccountDisable { name } => {
                Ok(self.account_disable(origin, name).await?.into())
            }
            Command::ZoneDump => Ok(self.zone_dump()?.into()),
            Command::ZoneCheck => Ok(self.zone_check().await?.into()),
        }
    }
}

impl iot_epp_api::server::Registry for Service {
    async fn authenticate(&self, token: &str) -> Result<Option<Caller>, Problem> {
        let account = self
            .inner
            .store
            .authenticate(token)
            .await
            .map_err(store_problem)?;
        account
            .map(|(name, role)| answer::caller(&name, &role))
            .transpose()
    }

    async fn execute(&self, caller: &Caller, request: Request) -> Response {
        let server_transaction_id = iot_epp_api::server_transaction_id(random_octets());
        let origin = Origin {
            account: caller.account.to_string(),
            door: request.door.as_str(),
            verb: request.command.verb(),
            client_transaction_id: request
                .client_transaction_id
                .as_ref()
                .map(ToString::to_string),
            server_transaction_id: server_transaction_id.clone(),
            digest: request.digest,
        };
        match self.handle(caller, request, origin).await {
            Ok(Handled { reply, replayed }) => {
                let response = Response::success(server_transaction_id, reply);
                if replayed {
                    response.as_replay()
                } else {
                    response
                }
            }
            Err(problem) => Response::failure(server_transaction_id, problem),
        }
    }
}

/// Who acts on a device, as the lifecycle sees it.
fn actor(caller: &Caller) -> Actor<'_> {
    match caller.role {
        Role::Operator => Actor::Operator,
        Role::Mno | Role::Asp => Actor::Sponsor(caller.account.as_str()),
    }
}

/// The peer gets the category; the log has the detail.
fn store_problem(error: StoreError) -> Problem {
    match error {
        StoreError::AccountDisabled(_) => Problem::new(
            ResultCode::AuthorizationError,
            "this account is disabled; ask the registry's operators",
        ),
        error => {
            tracing::error!(alarm = true, %error, "the database refused");
            Problem::new(
                ResultCode::CommandFailed,
                "the registry cannot do this now; nothing was changed, try again with the same RPP-Cltrid",
            )
            .retry_after(1)
        }
    }
}

/// Decisions depend on the time; without one, none are made.
fn clock_problem(error: crate::clock::ClockJumped) -> Problem {
    tracing::error!(alarm = true, %error, "commands are refused");
    Problem::new(
        ResultCode::CommandFailed,
        "the registry's clock is wrong, so it cannot decide now; nothing was changed, try again later",
    )
    .retry_after(60)
}

/// Why nothing new is registered, in the terms of the doors.
fn closed_problem(closed: Closed) -> Problem {
    let (reason, retry_after_secs) = match closed {
        Closed::SigningIsLate => (
            "the registry is catching up with signing and registers no devices meanwhile; nothing was \
             changed, try again later with the same RPP-Cltrid",
            LATE_RETRY_SECS,
        ),
        Closed::DatabaseIsDamaged => (
            "the registry is to be repaired and registers no devices meanwhile; nothing was changed, \
             try again later with the same RPP-Cltrid",
            DAMAGED_RETRY_SECS,
        ),
    };
    Problem::new(ResultCode::CommandFailed, reason).retry_after(retry_after_secs)
}

/// A refusal of the lifecycle in the terms of the doors.
fn refusal_problem(refusal: &Refusal) -> Problem {
    let code = match refusal {
        Refusal::NotFound(_) => return Problem::object_does_not_exist(),
        Refusal::Exists(_) => ResultCode::ObjectExists,
        Refusal::KeyKnown => ResultCode::AssociationProhibits,
        Refusal::NoSlotLeft(_) => ResultCode::DataManagementPolicy,
        Refusal::Deleted(_) => ResultCode::StatusProhibits,
    };
    Problem::new(code, refusal.to_string())
}

fn other_content_problem() -> Problem {
    Problem::new(
        ResultCode::ParameterPolicy,
        "this RPP-Cltrid was used for a request with other content; every new request needs a new one",
    )
}

/// Random octets for identifiers and tokens.
pub(crate) fn random_octets<const COUNT: usize>() -> [u8; COUNT] {
    let mut octets = [0; COUNT];
    SystemRandom::new()
        .fill(&mut octets)
        .expect("the operating system's random source works");
    octets
}
