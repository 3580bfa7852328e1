//! What stands behind the doors: every command, from authorisation to the answer.
//!
//! There is one issuance function (`registration`) and one authorisation function
//! ([`crate::authorisation::permits`], then the decision in [`crate::lifecycle`]), whichever door a
//! command came through.

mod accounts;
mod attempts;
mod changes;
mod devices;
mod doors;
mod endpoints;
mod jobs;
mod logins;
mod messages;
mod news;
mod passwords;
pub(crate) mod publication;
mod recognition;
mod registration;
#[cfg(test)]
mod tests;
mod transfers;
pub(crate) mod zone;

pub use accounts::new_token;
pub(crate) use jobs::ARRIVING_OCTETS_MAX;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use iot_epp_api::command::{Command, DeviceCommand, ZoneCommand};
use iot_epp_api::{Caller, Problem, Reply, Request, ResultCode};
use iot_identity::ZoneName;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::{Notify, watch};

use self::attempts::Attempts;
use self::logins::Logins;
use self::news::News;
use self::recognition::Recognition;
use crate::authorisation::{self, Forbidden};
use crate::ca::TrustRoots;
use crate::config::Config;
use crate::description::Inconsistent;
use crate::jobs::Spool;
use crate::lifecycle::{Actor, Refusal};
use crate::publisher::Publisher;
use crate::store::{Closed, Origin, Recognised, Store, StoreError, Wish};

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
    /// Wrong authorization information of each account.
    attempts: Attempts,
    /// Logins that are looked into.
    logins: Logins,
    /// The files of jobs.
    spool: Spool,
    /// Held while rows are added to a job.
    appending: tokio::sync::Mutex<()>,
    /// The job whose rows are carried out now; 0 for none.
    job_at_work: watch::Sender<u64>,
    /// Rung when a job has something new to do.
    jobs_grew: Notify,
    /// Those who wait for messages.
    news: News,
    /// Accounts that were recognised a moment ago.
    recognition: Recognition,
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
    pub fn new(
        store: Store,
        publisher: Publisher,
        trust: TrustRoots,
        config: Config,
        spool: Spool,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                publisher,
                trust,
                config,
                is_damaged: AtomicBool::new(false),
                attempts: Attempts::default(),
                logins: Logins::default(),
                spool,
                appending: tokio::sync::Mutex::default(),
                job_at_work: watch::Sender::new(0),
                jobs_grew: Notify::new(),
                news: News::default(),
                recognition: Recognition::default(),
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
        let checked = authorisation::check(caller, &request.command, request.door);
        checked.map_err(|forbidden| forbidden_problem(&forbidden))?;
        match request.command {
            Command::Device(command) => {
                let if_version = request.if_version;
                self.device(caller, origin, command, if_version).await
            }
            Command::Transfer(command) => self.transfer(caller, origin, command).await,
            Command::Message(command) => Ok(self.message(caller, origin, command).await?.into()),
            Command::Job(command) => self.job(caller, origin, command).await,
            Command::Account(command) => Ok(self.account(caller, origin, command).await?.into()),
            Command::Endpoint(command) => Ok(self.endpoint(caller, origin, command).await?.into()),
            Command::Zone(ZoneCommand::Dump) => Ok(self.zone_dump()?.into()),
            Command::Zone(ZoneCommand::Check) => Ok(self.zone_check().await?.into()),
        }
    }

    async fn device(
        &self,
        caller: &Caller,
        origin: Origin,
        command: DeviceCommand,
        if_version: Option<u64>,
    ) -> Result<Handled, Problem> {
        let months = self.inner.config.registration_months;
        let (device_id, wish) = match command {
            DeviceCommand::Check { device_ids } => {
                return Ok(self.device_check(caller, &device_ids).await?.into());
            }
            DeviceCommand::Info {
                device_id,
                auth_info,
            } => {
                let info = self.device_info(caller, device_id, auth_info.as_ref());
                return Ok(info.await?.into());
            }
            DeviceCommand::List { after, limit } => {
                return Ok(self.device_list(caller, after, limit).await?.into());
            }
            DeviceCommand::Certificate { device_id, slot } => {
                return Ok(self.slot_certificate(caller, device_id, slot).await?.into());
            }
            DeviceCommand::Process {
                device_id,
                kind,
                process_id,
            } => {
                let process = self.process_info(caller, device_id, kind, process_id);
                return Ok(process.await?.into());
            }
            DeviceCommand::Create { .. } | DeviceCommand::NewSlot { .. } => {
                return self.issue(caller, origin, command, if_version).await;
            }
            DeviceCommand::Update { device_id, changes } => (device_id, Wish::Update(changes)),
            DeviceCommand::Activate { device_id } => (device_id, Wish::Hold(false)),
            DeviceCommand::Deactivate { device_id } => (device_id, Wish::Hold(true)),
            DeviceCommand::Renew {
                device_id,
                current_expiry,
                period,
            } => {
                let months = period.map_or(months, iot_epp_api::period::Period::months);
                let wish = Wish::Renew {
                    current_expiry,
                    months,
                };
                (device_id, wish)
            }
            DeviceCommand::Delete { device_id } => (device_id, Wish::Delete),
            DeviceCommand::Restore { device_id } => (device_id, Wish::Restore { months }),
        };
        self.change(caller, origin, device_id, wish, if_version)
            .await
    }
}

fn caller_of(found: Recognised) -> Result<Caller, Problem> {
    let Recognised {
        account,
        role,
        scopes,
        valid_until: _,
    } = found;
    let account = crate::description::account_name(&account).map_err(inconsistent)?;
    Ok(Caller {
        account,
        role,
        scopes,
    })
}

/// Who acts on a device, as the lifecycle sees it.
fn actor(caller: &Caller) -> Actor<'_> {
    Actor {
        account: caller.account.as_str(),
        role: caller.role,
    }
}

fn forbidden_problem(forbidden: &Forbidden) -> Problem {
    Problem::new(ResultCode::AuthorizationError, forbidden.to_string())
}

/// The database has what no document can say; nobody's input causes this.
fn inconsistent(error: Inconsistent) -> Problem {
    tracing::error!(alarm = true, %error, "the database is inconsistent");
    Problem::new(ResultCode::CommandFailed, "the registry cannot do this now")
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
        Refusal::NoSlotLeft(_) | Refusal::TooManySlots(_) | Refusal::NoRoom => {
            ResultCode::DataManagementPolicy
        }
        Refusal::OutsideRanges(_) | Refusal::StatusOfOther(_) | Refusal::NoProvider(_) => {
            ResultCode::ParameterPolicy
        }
        Refusal::NoConsent | Refusal::OtherSide => ResultCode::AuthorizationError,
        Refusal::Deleted(_)
        | Refusal::NotDeleted(_)
        | Refusal::Prohibited(_)
        | Refusal::IssuingAlready(_)
        | Refusal::SlotEnded(_) => ResultCode::StatusProhibits,
        Refusal::NoSlot(_) | Refusal::OtherExpiry | Refusal::ExpiryTooFar(_) => {
            ResultCode::ParameterRange
        }
        Refusal::PendingTransfer(_) => ResultCode::PendingTransfer,
        Refusal::NotPendingTransfer(_) => ResultCode::NotPendingTransfer,
        Refusal::NotTransferable(_) => ResultCode::NotEligibleForTransfer,
        Refusal::WrongAuthInfo => ResultCode::InvalidAuthorizationInformation,
        Refusal::OtherVersion(_) => {
            return Problem::precondition_failed();
        }
    };
    Problem::new(code, refusal.to_string())
}

fn other_content_problem() -> Problem {
    Problem::new(
        ResultCode::ParameterPolicy,
        "this client transaction id (RPP-Cltrid, clTRID) was used for a request with other content; every new request needs a new one",
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
