//! Certificates for devices: the one function that issues them, for new devices and new slots.

use std::time::Duration;

use iot_epp_api::command::DeviceCommand;
use iot_epp_api::response::{Issued as IssuedReply, SlotCertificate};
use iot_epp_api::{AccountName, Caller, Problem, ProcessKind, Reply, ResultCode};
use iot_identity::{DeviceId, OwnerName};

use super::publication::{Awaited, Published, Wanted};
use super::{
    Handled, Service, closed_problem, inconsistent, other_content_problem, refusal_problem,
    store_problem,
};
use crate::ca::{IssueError, Issued, SERIAL_OCTETS, TbsDevice};
use crate::clock::unix_now;
use crate::csr::{self, AcceptedCsr, CsrError};
use crate::description;
use crate::lifecycle::{self, EXPIRY_YEARS_MAX, Facts, Refusal, Relation};
use crate::store::{
    Complete, Completed, Origin, Purpose, Reserve, Reserved, Rows, Store, StoreError,
};

/// Times that a retry looks whether the first request has been carried out, and the pause between.
const IN_PROGRESS_LOOKS: u32 = 80;
const IN_PROGRESS_PAUSE: Duration = Duration::from_millis(25);
/// Attempts at voiding a reservation, and the pause before each; the next start does it otherwise.
const GIVE_UP_ATTEMPTS: u32 = 600;
const GIVE_UP_PAUSE: Duration = Duration::from_secs(1);

/// What a certificate is asked for.
struct Wanting {
    device_id: DeviceId,
    csr: Vec<u8>,
    asp: Option<AccountName>,
    purpose: Purpose,
}

/// When a client may ask again for a certificate that could not be issued.
const ISSUE_RETRY_SECS: u32 = 60;

impl Service {
    /// Issues a certificate: CSR → intent → certificate → commit → visible in the zone.
    pub(super) async fn issue(
        &self,
        caller: &Caller,
        origin: Origin,
        command: DeviceCommand,
        if_version: Option<u64>,
    ) -> Result<Handled, Problem> {
        let wanting = self.wanting(command, unix_now())?;
        let device_id = wanting.device_id;
        let csr = self.accepted(wanting.csr, device_id).await?;
        if self.trust().own_key_hashes.contains(&csr.key_hash()) {
            return Err(refusal_problem(&Refusal::KeyKnown));
        }
        let serial = super::random_octets::<SERIAL_OCTETS>();
        let step = Reserve {
            origin: origin.clone(),
            role: caller.role,
            device_id,
            purpose: wanting.purpose.clone(),
            asp: wanting.asp.as_ref().map(ToString::to_string),
            if_version,
            key_hash: csr.key_hash(),
            serial,
            closed: self.closed(),
            now: unix_now(),
        };
        match self.reserve(step).await? {
            Reserved::Slot(reservation) => {
                let giving_up = Complete {
                    origin,
                    zone: self.zone_name().clone(),
                    device_id,
                    purpose: wanting.purpose,
                    slot: reservation.slot,
                    serial,
                    issued: None,
                    now: unix_now(),
                };
                Ok(self.sign_and_complete(giving_up, csr).await?.into())
            }
            Reserved::Replay { rows } => self.replay(&origin, device_id, rows).await,
            Reserved::OtherContent => Err(other_content_problem()),
            Reserved::Closed(closed) => Err(closed_problem(closed)),
            Reserved::Refused(refusal) => Err(refusal_problem(&refusal)),
            Reserved::InProgress => Err(Problem::new(
                ResultCode::CommandFailed,
                "this request is still being carried out; repeat it with the same RPP-Cltrid",
            )
            .retry_after(1)),
        }
    }

    /// What the command asks for, with the registration's end and what is kept of the authInfo.
    fn wanting(&self, command: DeviceCommand, now: u64) -> Result<Wanting, Problem> {
        match command {
            DeviceCommand::Create {
                device_id,
                csr,
                period,
                asp,
                auth_info,
            } => {
                let default = self.inner.config.registration_months;
                let months = period.map_or(default, iot_epp_api::period::Period::months);
                let within = months <= EXPIRY_YEARS_MAX * 12;
                let expires_at = lifecycle::months_after(now, months).filter(|_| within);
                let too_far = || refusal_problem(&Refusal::ExpiryTooFar(EXPIRY_YEARS_MAX));
                let purpose = Purpose::Registration {
                    expires_at: expires_at.ok_or_else(too_far)?,
                    auth_info: auth_info.map(|text| lifecycle::record_of(&text, now)),
                };
                Ok(Wanting {
                    device_id,
                    csr,
                    asp,
                    purpose,
                })
            }
            DeviceCommand::NewSlot {
                device_id,
                csr,
                asp,
            } => Ok(Wanting {
                device_id,
                csr,
                asp,
                purpose: Purpose::NewSlot,
            }),
            _ => Err(Problem::new(
                ResultCode::UnimplementedCommand,
                "this command asks for no certificate",
            )),
        }
    }

    /// Verifies the request's proof of possession. A task of its own, so that a panic is only its
    /// result; a tenth of a millisecond is too little for another thread.
    async fn accepted(&self, csr: Vec<u8>, device_id: DeviceId) -> Result<AcceptedCsr, Problem> {
        let zone = self.zone_name().clone();
        let verify = async move { csr::accept(&csr, device_id, &zone) };
        match tokio::spawn(verify).await {
            Ok(accepted) => accepted.map_err(|error| csr_problem(&error)),
            Err(_) => Err(Problem::new(
                ResultCode::CommandFailed,
                "the certificate request could not be looked at; its registry's operator is informed",
            )),
        }
    }

    /// Writes the intent; a retry that overtakes its first request waits for that one's result.
    async fn reserve(&self, step: Reserve) -> Result<Reserved, Problem> {
        for _ in 0..IN_PROGRESS_LOOKS {
            let step = Reserve {
                now: unix_now(),
                ..step.clone()
            };
            match self.store().commit(step).await.map_err(store_problem)? {
                Reserved::InProgress => tokio::time::sleep(IN_PROGRESS_PAUSE).await,
                decided => return Ok(decided),
            }
        }
        Ok(Reserved::InProgress)
    }

    async fn sign_and_complete(
        &self,
        giving_up: Complete,
        csr: AcceptedCsr,
    ) -> Result<Reply, Problem> {
        let Complete {
            device_id,
            slot,
            serial,
            now,
            ..
        } = giving_up;
        let owner = OwnerName::new(slot, device_id, self.zone_name());
        let issued = self.sign(TbsDevice { csr, owner, serial }, now).await;
        let (issued, failure) = match issued {
            Ok(issued) => (Some(issued), None),
            Err(error) => (None, Some(error)),
        };
        let certificate = issued.as_ref().map(|issued| issued.der.clone());
        let step = Complete {
            issued,
            ..giving_up.clone()
        };
        let completed = match self.store().commit(step).await {
            Ok(completed) => completed,
            Err(error) => {
                tokio::spawn(give_up(self.store().clone(), giving_up));
                return Err(store_problem(error));
            }
        };
        match (completed, certificate) {
            (Completed::Refused(refusal), _) => Err(refusal_problem(&refusal)),
            (
                Completed::Done {
                    seq,
                    last_seq,
                    facts,
                },
                Some(certificate),
            ) => {
                self.publisher().journal_grew();
                let kind = match giving_up.purpose {
                    Purpose::Registration { .. } => ProcessKind::Create,
                    Purpose::NewSlot => ProcessKind::NewSlot,
                };
                let rows = Some((seq, last_seq));
                let certificate = self.with_chain(slot, certificate);
                self.issued(&giving_up.origin, &facts, (kind, rows), certificate)
                    .await
            }
            (Completed::Void | Completed::Done { .. }, _) => {
                tracing::error!(alarm = true, ?failure, "no certificate could be issued");
                Err(Problem::new(
                    ResultCode::CommandFailed,
                    "the registry cannot issue certificates now; nothing was registered, try again later",
                )
                .retry_after(ISSUE_RETRY_SECS))
            }
        }
    }

    /// Signs, in a task of its own as well: an intent is never left behind.
    async fn sign(&self, tbs: TbsDevice, now: u64) -> Result<Issued, IssueError> {
        let service = self.clone();
        let validity_secs = self.inner.config.certificate_validity_secs;
        let sign = async move { service.trust().issuing.issue(tbs, validity_secs, now) };
        let signed = tokio::spawn(sign).await;
        signed.unwrap_or(Err(IssueError::ReadBack("the signing task panicked")))
    }

    /// Waits for the publication and puts the answer together.
    async fn issued(
        &self,
        origin: &Origin,
        facts: &Facts,
        (kind, rows): (ProcessKind, Rows),
        certificate: SlotCertificate,
    ) -> Result<Reply, Problem> {
        let device = facts.device.as_ref();
        let device = device.ok_or_else(Problem::object_does_not_exist)?;
        // It is durable, whatever happens while looking for its publication. Of the rows the first is
        // the new slot's; the others are of slots that had ended.
        let wanted = Wanted::Activation;
        let published = self.published(origin, rows, wanted).await;
        let Published::Times(times) = published.unwrap_or(Published::Pending) else {
            let awaited = Awaited {
                origin,
                device_id: device.device_id,
                kind,
                slot: Some(certificate.slot),
                at: device.updated_at,
                expires_at: device.expires_at,
                transfer: None,
            };
            return self.pending(awaited, rows, wanted).await;
        };
        // Besides the sponsor only a provider can have asked, and it sees its own slots.
        let asking = origin.account.as_str();
        let relation = match device.account == asking {
            true => Relation::Sponsor,
            false => Relation::Provider,
        };
        let (zone, now) = (self.zone_name(), unix_now());
        let info = description::device_for(asking, relation, device, facts, zone, now);
        Ok(Reply::Issued(Box::new(IssuedReply {
            info: info.map_err(inconsistent)?,
            certificate,
            times,
        })))
    }

    /// The result of an earlier request with the same content.
    async fn replay(
        &self,
        origin: &Origin,
        device_id: DeviceId,
        rows: Rows,
    ) -> Result<Handled, Problem> {
        let (first, _) = rows.ok_or_else(Problem::object_does_not_exist)?;
        let row = self
            .store()
            .journal_row(first)
            .await
            .map_err(store_problem)?;
        let row = row.ok_or_else(Problem::object_does_not_exist)?;
        let certificate = self.store().certificate(device_id, row.slot).await;
        let certificate = certificate.map_err(store_problem)?;
        let certificate = certificate.ok_or_else(Problem::object_does_not_exist)?;
        let facts = self.store().facts(device_id).await.map_err(store_problem)?;
        let kind = ProcessKind::from_name(&row.kind).unwrap_or(ProcessKind::Create);
        let certificate = self.with_chain(row.slot, certificate);
        let reply = self.issued(origin, &facts, (kind, rows), certificate);
        Ok(Handled {
            reply: reply.await?,
            replayed: true,
        })
    }
}

/// Voids a reservation whose completion could not be committed (a full disk, say), so that the id
/// can be registered again before the next start.
async fn give_up(store: Store, step: Complete) {
    for _ in 0..GIVE_UP_ATTEMPTS {
        tokio::time::sleep(GIVE_UP_PAUSE).await;
        match store.commit(step.clone()).await {
            // The second: somebody else has voided it.
            Ok(_) | Err(StoreError::Corrupt(_) | StoreError::Stopped) => return,
            Err(error) => tracing::warn!(%error, "a reservation could not be voided yet"),
        }
    }
}

/// A refused CSR in the terms of the doors.
fn csr_problem(error: &CsrError) -> Problem {
    let code = match error {
        CsrError::TooLarge { .. } => ResultCode::ParameterRange,
        CsrError::Pem { .. } | CsrError::Der | CsrError::Point => ResultCode::ParameterSyntax,
        CsrError::Key { .. }
        | CsrError::SignatureAlgorithm
        | CsrError::ProofOfPossession
        | CsrError::AsksForAuthority
        | CsrError::ForeignName { .. }
        | CsrError::OtherDevice { .. }
        | CsrError::Subject
        | CsrError::NotGranted { .. } => ResultCode::ParameterPolicy,
    };
    Problem::new(code, error.to_string()).at("$.csr")
}
