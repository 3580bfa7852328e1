//! All of it together: ask over a transport, validate, keep the zone's keys for the next check.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use iot_identity::{OwnerName, OwnerNameError, ZoneName};
use ring::rand::{SecureRandom, SystemRandom};
use thiserror::Error;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::anchor::TrustAnchor;
use crate::chain::ChainEnd;
use crate::error::{Bogus, ValidationError};
use crate::evidence::{Evidence, Wanted};
use crate::lookup::{Known, Lookup, LookupError, Query};
use crate::message::MessageError;
use crate::policy::{ClockImplausible, Policy};
use crate::transport::{Response, Transport, TransportError};
use crate::validate::{Verdict, judge};

/// Time for a whole check when nothing else is said.
pub const DEADLINE_DEFAULT: Duration = Duration::from_secs(5);

/// Checks devices of one zone.
#[derive(Debug)]
pub struct Checker<T> {
    transport: Arc<T>,
    anchor: TrustAnchor,
    policy: Policy,
    deadline: Duration,
    known: Mutex<Known>,
}

/// Why a check has no verdict. None of these is a reason to admit a device.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CheckError {
    /// The answer is proven wrong.
    #[error("bogus: {0}")]
    Bogus(Bogus),
    /// No judgement is possible: the resolver has no answer, or none that can be read.
    #[error("indeterminate: {0}")]
    Indeterminate(LookupError),
    /// No judgement is possible: it is proven that the chain from the root does not reach the zone.
    #[error("indeterminate: the chain from the root ends: {0}")]
    ChainEnds(ChainEnd),
    /// No judgement is possible: the clock is wrong.
    #[error("indeterminate: {0}")]
    ClockImplausible(ClockImplausible),
    /// No answer came.
    #[error("transport: {0}")]
    Transport(#[from] TransportError),
    /// The name lies in another zone than the anchor's; nothing was asked.
    #[error("the name lies in the zone {found}, the trust anchor is for {anchored}")]
    ForeignZone {
        /// The zone of the name.
        found: ZoneName,
        /// The zone of the anchor.
        anchored: ZoneName,
    },
    /// The operating system gave no random octets.
    #[error("the operating system gives no random octets")]
    NoRandomness,
}

impl From<ValidationError> for CheckError {
    fn from(error: ValidationError) -> Self {
        match error {
            ValidationError::Bogus(bogus) => Self::Bogus(bogus),
            ValidationError::ChainEnds(end) => Self::ChainEnds(end),
            ValidationError::ClockImplausible(clock) => Self::ClockImplausible(clock),
            ValidationError::ForeignZone { found, anchored } => {
                Self::ForeignZone { found, anchored }
            }
        }
    }
}

impl From<LookupError> for CheckError {
    fn from(error: LookupError) -> Self {
        match error {
            LookupError::Malformed(MessageError::TooManyRecords) => {
                Self::Bogus(Bogus::TooManyRecords)
            }
            other => Self::Indeterminate(other),
        }
    }
}

impl<T: Transport> Checker<T> {
    /// A checker that asks over `transport` and believes `anchor`: a zone's own, or the root's.
    pub fn new(transport: T, anchor: impl Into<TrustAnchor>, policy: Policy) -> Self {
        Self {
            transport: Arc::new(transport),
            anchor: anchor.into(),
            policy,
            deadline: DEADLINE_DEFAULT,
            known: Mutex::default(),
        }
    }

    /// Sets the time for a whole check, connecting included.
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// The trust anchor.
    pub fn anchor(&self) -> &TrustAnchor {
        &self.anchor
    }

    /// Parses the name of a credential in the anchor's zone.
    ///
    /// # Errors
    /// Names the label that is wrong, or the other zone.
    pub fn parse_owner(&self, name: &str) -> Result<OwnerName, OwnerNameError> {
        OwnerName::parse(name, self.anchor.zone())
    }

    /// Asks the DNS about a credential. `now` in Unix seconds. With the zone's keys known from an
    /// earlier check, [`Wanted::Cert`] and [`Wanted::Tlsa`] take one query.
    ///
    /// # Errors
    /// [`CheckError`]; whatever it is, the device must not be admitted.
    pub async fn check(
        &self,
        owner: &OwnerName,
        wanted: Wanted,
        now: u64,
    ) -> Result<Verdict, CheckError> {
        if owner.zone() != self.anchor.zone() {
            return Err(CheckError::ForeignZone {
                found: owner.zone().clone(),
                anchored: self.anchor.zone().clone(),
            });
        }
        self.policy
            .check_clock(now)
            .map_err(CheckError::ClockImplausible)?;
        let clock = Clock {
            now,
            since: Instant::now(),
        };
        match timeout(self.deadline, self.ask(owner, wanted, clock)).await {
            Ok(result) => result,
            Err(_) => Err(TransportError::Deadline(self.deadline).into()),
        }
    }

    /// Keys may have changed since they were kept, so that a signature which they do not explain is
    /// looked at once more with fresh ones.
    async fn ask(
        &self,
        owner: &OwnerName,
        wanted: Wanted,
        clock: Clock,
    ) -> Result<Verdict, CheckError> {
        let known = self.known(clock.now());
        let was_known = known.keys.is_some() || known.delegation.is_some();
        match self.attempt(owner, wanted, known, clock).await {
            Err(CheckError::Bogus(bogus)) if was_known && bogus.may_be_key_change() => {
                *self.lock_known() = Known::default();
                self.attempt(owner, wanted, Known::default(), clock).await
            }
            other => other,
        }
    }

    async fn attempt(
        &self,
        owner: &OwnerName,
        wanted: Wanted,
        known: Known,
        clock: Clock,
    ) -> Result<Verdict, CheckError> {
        let evidence = self.gather(owner, wanted, known, clock).await?;
        let judged = judge(&evidence, &self.anchor, &self.policy, clock.now())?;
        *self.lock_known() = Known {
            keys: Some(judged.keys),
            delegation: judged.delegation,
        };
        Ok(judged.verdict)
    }

    fn lookup(
        &self,
        owner: &OwnerName,
        wanted: Wanted,
        known: Known,
    ) -> Result<Lookup, CheckError> {
        let owner = owner.clone();
        Ok(match self.anchor {
            TrustAnchor::Zone(_) => Lookup::new(owner, wanted, known.keys, random()?),
            TrustAnchor::Root { .. } => Lookup::from_root(owner, wanted, known, random()?),
        })
    }

    /// Drives a lookup: all its queries are on their way at the same time.
    async fn gather(
        &self,
        owner: &OwnerName,
        wanted: Wanted,
        known: Known,
        clock: Clock,
    ) -> Result<Evidence, CheckError> {
        let mut lookup = self.lookup(owner, wanted, known)?;
        // Dropped with this future, and all exchanges with it.
        let mut exchanges = JoinSet::new();
        loop {
            while let Some(query) = lookup.poll_query() {
                exchanges.spawn(exchange(Arc::clone(&self.transport), query));
            }
            let Some(finished) = exchanges.join_next().await else {
                break;
            };
            let (query, response) = finished.expect("exchanges neither panic nor are aborted");
            let response = response?;
            match lookup.handle_response(&response.octets, response.channel, clock.now()) {
                // A transport that let it through is asked again; ours do not.
                Err(error) if error.is_to_be_ignored() => {
                    exchanges.spawn(exchange(Arc::clone(&self.transport), query));
                }
                other => other?,
            }
        }
        // No exchange is left, and each ends with an answer or an error.
        lookup
            .finish()
            .ok_or(CheckError::Indeterminate(LookupError::Unrelated))
    }

    fn known(&self, now: u64) -> Known {
        let known = self.lock_known();
        let (keys, delegation) = (known.keys.as_ref(), known.delegation.as_ref());
        Known {
            keys: keys.filter(|keys| now < keys.keep_until()).cloned(),
            delegation: delegation.filter(|one| now < one.keep_until()).cloned(),
        }
    }

    /// The value is replaced as a whole, so that a poisoned one is still whole.
    fn lock_known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn random<const OCTETS: usize>() -> Result<[u8; OCTETS], CheckError> {
    let mut octets = [0; OCTETS];
    let filled = SystemRandom::new().fill(&mut octets);
    filled.map_err(|_| CheckError::NoRandomness)?;
    Ok(octets)
}

/// The caller's time, carried on by the monotonic clock while the check lasts.
#[derive(Clone, Copy)]
struct Clock {
    now: u64,
    since: Instant,
}

impl Clock {
    fn now(self) -> u64 {
        self.now.saturating_add(self.since.elapsed().as_secs())
    }
}

async fn exchange<T: Transport>(
    transport: Arc<T>,
    query: Query,
) -> (Query, Result<Response, TransportError>) {
    let response = transport.exchange(query.clone()).await;
    (query, response)
}
