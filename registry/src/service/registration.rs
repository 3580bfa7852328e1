//! Registering a device: the one function that issues certificates.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use iot_epp_api::{Problem, PublicationTimes, Reply, ResultCode};
use iot_identity::{DeviceId, OwnerName, Slot};

use super::{
    Handled, PUBLICATION_PATIENCE, Service, answer, closed_problem, other_content_problem,
    refusal_problem, store_problem,
};
use crate::ca::{IssueError, Issued, SERIAL_OCTETS, TbsDevice};
use crate::clock::unix_now;
use crate::csr::{self, AcceptedCsr, CsrError};
use crate::store::{Complete, Completed, Origin, Reserve, Reserved, Store, StoreError};

/// Times that a retry looks whether the first request has been carried out, and the pause between.
const IN_PROGRESS_LOOKS: u32 = 80;
const IN_PROGRESS_PAUSE: Duration = Duration::from_millis(25);
/// Attempts at voiding a reservation, and the pause before each; the next start does it otherwise.
const GIVE_UP_ATTEMPTS: u32 = 600;
const GIVE_UP_PAUSE: Duration = Duration::from_secs(1);

impl Service {
    /// Registers a device: CSR → intent → certificate → commit → visible in the zone.
    pub(super) async fn register(
        &self,
        origin: Origin,
        device_id: DeviceId,
        csr: &[u8],
    ) -> Result<Handled, Problem> {
        let csr = csr::accept(csr, device_id, self.zone_name()).map_err(|e| csr_problem(&e))?;
        if self.trust().own_key_hashes.contains(&csr.key_hash()) {
            return Err(refusal_problem(&crate::lifecycle::Refusal::KeyKnown));
        }
        let serial = super::random_octets::<SERIAL_OCTETS>();
        let step = Reserve {
            origin: origin.clone(),
            device_id,
            key_hash: csr.key_hash(),
            serial,
            closed: self.closed(),
            now: unix_now(),
        };
        match self.reserve(step).await? {
            Reserved::Slot(slot) => self.issue(origin, device_id, slot, csr, serial).await,
            Reserved::Replay { seq } => self.replay(device_id, seq).await,
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

    async fn issue(
        &self,
        origin: Origin,
        device_id: DeviceId,
        slot: Slot,
        csr: AcceptedCsr,
        serial: [u8; SERIAL_OCTETS],
    ) -> Result<Handled, Problem> {
        let owner = OwnerName::new(slot, device_id, self.zone_name());
        let now = unix_now();
        let issued = self.sign(TbsDevice { csr, owner, serial }, now).await;
        let (issued, failure) = match issued {
            Ok(issued) => (Some(issued), None),
            Err(error) => (None, Some(error)),
        };
        let certificate = issued.as_ref().map(|issued| issued.der.clone());
        let giving_up = Complete {
            origin: origin.clone(),
            device_id,
            slot,
            serial,
            issued: None,
            now,
        };
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
        let (Some(completed), Some(certificate)) = (completed, certificate) else {
            tracing::error!(alarm = true, ?failure, "no certificate could be issued");
            return Err(Problem::new(
                ResultCode::CommandFailed,
                "the registry cannot issue certificates now; nothing was registered, try again later",
            ));
        };
        self.publisher().journal_grew();
        let created = self.created(device_id, completed, &certificate).await;
        // It is durable, whatever happened while looking for its publication.
        let process_id = completed.seq;
        Ok(created.unwrap_or(Reply::Pending { process_id }).into())
    }

    /// Signs on the pool for blocking work: a signature keeps a core busy for a while.
    async fn sign(&self, tbs: TbsDevice, now: u64) -> Result<Issued, IssueError> {
        let service = self.clone();
        let validity_secs = self.inner.config.certificate_validity_secs;
        tokio::task::spawn_blocking(move || service.trust().issuing.issue(tbs, validity_secs, now))
            .await
            .unwrap_or(Err(IssueError::ReadBack("the signing task panicked")))
    }

    /// Waits for the publication and puts the answer together.
    async fn created(
        &self,
        device_id: DeviceId,
        completed: Completed,
        certificate: &[u8],
    ) -> Result<Reply, Problem> {
        let Completed { seq, last_seq } = completed;
        if self
            .publisher()
            .wait(last_seq, PUBLICATION_PATIENCE)
            .await
            .is_none()
        {
            return Ok(Reply::Pending { process_id: seq });
        }
        self.created_from_journal(device_id, seq, certificate).await
    }

    /// The answer to a registration that is published.
    pub(super) async fn created_reply(
        &self,
        device_id: DeviceId,
        certificate: &[u8],
        publication: PublicationTimes,
    ) -> Result<Reply, Problem> {
        let facts = self.store().facts(device_id).await.map_err(store_problem)?;
        let device = facts
            .device
            .as_ref()
            .ok_or_else(Problem::object_does_not_exist)?;
        let trust = self.trust();
        Ok(Reply::DeviceCreated {
            info: answer::device(device, &facts, self.zone_name(), unix_now())?,
            certificate_pem: certificate_pem(certificate),
            chain_pem: format!(
                "{}{}",
                trust.issuing.certificate_pem(),
                trust.device_root_pem
            ),
            publication,
        })
    }

    /// The result of an earlier request with the same content.
    async fn replay(&self, device_id: DeviceId, seq: u64) -> Result<Handled, Problem> {
        let row = self.store().journal_row(seq).await.map_err(store_problem)?;
        let row = row.ok_or_else(Problem::object_does_not_exist)?;
        let certificate = self
            .store()
            .certificate(device_id, row.slot)
            .await
            .map_err(store_problem)?;
        let certificate = certificate.ok_or_else(Problem::object_does_not_exist)?;
        let completed = Completed { seq, last_seq: seq };
        let reply = if row.published.is_some() {
            self.created_from_journal(device_id, seq, &certificate)
                .await?
        } else {
            self.created(device_id, completed, &certificate).await?
        };
        Ok(Handled {
            reply,
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

/// RFC 7468 encoding.
fn certificate_pem(der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in body.as_bytes().chunks(64) {
        pem.extend(line.iter().copied().map(char::from));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
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
