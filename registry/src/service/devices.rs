//! What is asked about devices: info, list, availability, certificates, processes.

use iot_epp_api::response::SlotCertificate;
use iot_epp_api::secret::Secret;
use iot_epp_api::{
    Availability, Caller, Problem, ProcessKind, ProcessState, ProcessStatus, Reply, Role,
};
use iot_identity::{DeviceId, Slot};

use super::publication::{Wanted, times};
use super::{Service, actor, inconsistent, refusal_problem, store_problem};
use crate::clock::unix_now;
use crate::description;
use crate::lifecycle::{self, Facts, Refusal, Relation};
use crate::publisher::PublicationResult;
use crate::store::JournalRow;

impl Service {
    /// One device, for its sponsor, operators, the providers of its slots, and who has its authorization
    /// information.
    pub(super) async fn device_info(
        &self,
        caller: &Caller,
        device_id: DeviceId,
        auth_info: Option<&Secret>,
    ) -> Result<Reply, Problem> {
        let now = unix_now();
        let facts = self.store().facts(device_id).await.map_err(store_problem)?;
        let relation = match (facts.seen_by(actor(caller), now), auth_info) {
            (Some((_, relation)), _) => relation,
            (None, None) => return Err(refusal_problem(&Refusal::NotFound(device_id))),
            // Who has it may become the sponsor, and sees what the sponsor sees.
            (None, Some(presented)) => {
                self.check_auth_info(caller, device_id, &facts, presented, now)
                    .await?;
                Relation::Sponsor
            }
        };
        let device = facts.device.as_ref();
        let device = device.ok_or_else(Problem::object_does_not_exist)?;
        let asking = caller.account.as_str();
        let zone = self.zone_name();
        let info = description::device_for(asking, relation, device, &facts, zone, now);
        Ok(Reply::Device(Box::new(info.map_err(inconsistent)?)))
    }

    /// The facts of a device that the caller may see without authorization information.
    pub(super) async fn visible_facts(
        &self,
        caller: &Caller,
        device_id: DeviceId,
    ) -> Result<(Facts, Relation), Problem> {
        let facts = self.store().facts(device_id).await.map_err(store_problem)?;
        let seen = facts.seen_by(actor(caller), unix_now());
        let relation = seen.map(|(_, relation)| relation);
        match relation {
            Some(relation) => Ok((facts, relation)),
            None => Err(refusal_problem(&Refusal::NotFound(device_id))),
        }
    }

    pub(super) async fn device_list(
        &self,
        caller: &Caller,
        after: Option<DeviceId>,
        limit: u16,
    ) -> Result<Reply, Problem> {
        let account = caller.account.as_str();
        // One more than asked tells whether there is a next page.
        let count = u32::from(limit) + 1;
        let ids = match caller.role {
            Role::Operator => self.store().device_ids(None, after, count).await,
            Role::Mno => self.store().device_ids(Some(account), after, count).await,
            Role::Asp => self.store().bound_device_ids(account, after, count).await,
        };
        let mut ids = ids.map_err(store_problem)?;
        let more = ids.len() > usize::from(limit);
        ids.truncate(usize::from(limit));
        let next_after = ids.last().copied().filter(|_| more);
        let now = unix_now();
        let mut devices = Vec::with_capacity(ids.len());
        for device_id in ids {
            let facts = self.store().facts(device_id).await.map_err(store_problem)?;
            // A device can be gone between the two queries; then it is not in the list.
            if let Some((device, relation)) = facts.seen_by(actor(caller), now) {
                let zone = self.zone_name();
                let info = description::device_for(account, relation, device, &facts, zone, now);
                devices.push(info.map_err(inconsistent)?);
            }
        }
        Ok(Reply::Devices {
            devices,
            next_after,
        })
    }

    pub(super) async fn device_check(
        &self,
        caller: &Caller,
        device_ids: &[DeviceId],
    ) -> Result<Reply, Problem> {
        let now = unix_now();
        let mut availabilities = Vec::with_capacity(device_ids.len());
        for &device_id in device_ids {
            let asking = caller.account.as_str();
            let facts = self.store().issuance_facts(device_id, asking).await;
            let facts = facts.map_err(store_problem)?;
            let refusal = lifecycle::decide_registration(device_id, &facts, None, now).err();
            availabilities.push(Availability {
                device_id,
                available: refusal.is_none(),
                reason: refusal.map(|refusal| why_unavailable(&refusal).to_owned()),
            });
        }
        Ok(Reply::Availability(availabilities))
    }

    pub(super) async fn slot_certificate(
        &self,
        caller: &Caller,
        device_id: DeviceId,
        slot: Slot,
    ) -> Result<Reply, Problem> {
        let (facts, relation) = self.visible_facts(caller, device_id).await?;
        let asking = caller.account.as_str();
        let is_visible = facts.credentials.iter().any(|credential| {
            let is_own = credential.asp.as_deref() == Some(asking);
            credential.slot == slot && (relation != Relation::Provider || is_own)
        });
        if !is_visible {
            return Err(Problem::object_does_not_exist());
        }
        let certificate = self.store().certificate(device_id, slot).await;
        let certificate = certificate.map_err(store_problem)?;
        let certificate = certificate.ok_or_else(Problem::object_does_not_exist)?;
        Ok(Reply::Certificate(self.with_chain(slot, certificate)))
    }

    /// A certificate with those above it.
    pub(super) fn with_chain(&self, slot: Slot, certificate: Vec<u8>) -> SlotCertificate {
        SlotCertificate {
            slot,
            certificate,
            chain: self.trust().device_chain(),
        }
    }

    pub(super) async fn process_info(
        &self,
        caller: &Caller,
        device_id: DeviceId,
        kind: ProcessKind,
        process_id: u64,
    ) -> Result<Reply, Problem> {
        self.visible_facts(caller, device_id).await?;
        let row = self.store().journal_row(process_id).await;
        let row = row.map_err(store_problem)?;
        let is_asked = |row: &JournalRow| {
            row.device_id == device_id && ProcessKind::from_name(&row.kind) == Some(kind)
        };
        if !row.as_ref().is_some_and(is_asked) {
            return Err(Problem::object_does_not_exist());
        }
        let result = self.publication_result(process_id).await?;
        let wanted = match kind {
            ProcessKind::Deactivate | ProcessKind::Delete => Wanted::Withdrawal,
            ProcessKind::Create | ProcessKind::NewSlot | ProcessKind::Activate => {
                Wanted::Activation
            }
            ProcessKind::Update | ProcessKind::Restore | ProcessKind::Transfer => Wanted::Either,
        };
        let is_applied = self.publisher().applied() >= process_id;
        let state = match result {
            Some(PublicationResult::Quarantined) => ProcessState::Failed,
            // What takes back overtakes what a command gave before it.
            Some(_) if wanted == Wanted::Withdrawal || is_applied => ProcessState::Completed,
            None if is_applied => ProcessState::Completed,
            Some(_) | None => ProcessState::Pending,
        };
        let publication = result.and_then(|result| times(&[result], wanted, self.ttls_secs()));
        Ok(Reply::Process(ProcessStatus {
            process_id,
            kind,
            state,
            publication,
        }))
    }
}

/// Why an id cannot be registered, in the 32 characters that EPP has room for (RFC 5730 §4.1, `reasonType`).
fn why_unavailable(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Exists(_) => "registered already",
        Refusal::OutsideRanges(_) => "outside of this account's ranges",
        Refusal::NoRoom => "no room for another device",
        _ => "not available",
    }
}
