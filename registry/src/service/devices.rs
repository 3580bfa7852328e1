//! Info, list, availability and the changes of a device.

use iot_epp_api::{
    Availability, Caller, Problem, ProcessKind, ProcessState, ProcessStatus, Reply, Role,
};
use iot_identity::{DeviceId, Publication};

use super::{
    Handled, PUBLICATION_PATIENCE, Service, actor, answer, other_content_problem, refusal_problem,
    store_problem,
};
use crate::clock::unix_now;
use crate::lifecycle::{self, Facts, Transition};
use crate::publisher::{PublicationResult, Visible};
use crate::store::{JournalRow, Origin, Transit, Transited};

impl Service {
    /// Activates, deactivates or deletes.
    pub(super) async fn transit(
        &self,
        caller: &Caller,
        origin: Origin,
        device_id: DeviceId,
        transition: Transition,
    ) -> Result<Handled, Problem> {
        let operator = caller.role == Role::Operator;
        let step = Transit {
            origin,
            operator,
            device_id,
            transition,
            now: unix_now(),
        };
        match self.store().commit(step).await.map_err(store_problem)? {
            Transited::Done {
                first_seq,
                last_seq,
                facts,
            } => {
                self.publisher().journal_grew();
                let withdrawal = transition != Transition::Activate;
                let changed = self.changed(&facts, first_seq, last_seq, withdrawal).await;
                // It is durable, whatever happened while looking for its publication.
                Ok(changed
                    .unwrap_or(Reply::Pending {
                        process_id: last_seq,
                    })
                    .into())
            }
            Transited::Replay {
                first_seq,
                last_seq,
            } => {
                let facts = self.store().facts(device_id).await.map_err(store_problem)?;
                let reply = self.changed(&facts, first_seq, last_seq, true).await?;
                Ok(Handled {
                    reply,
                    replayed: true,
                })
            }
            Transited::OtherContent => Err(other_content_problem()),
            Transited::Refused(refusal) => Err(refusal_problem(&refusal)),
        }
    }

    /// Waits for the publication and puts the answer together.
    async fn changed(
        &self,
        facts: &Facts,
        first_seq: u64,
        last_seq: u64,
        withdrawal: bool,
    ) -> Result<Reply, Problem> {
        let pending = Reply::Pending {
            process_id: last_seq,
        };
        if self.publication_result(last_seq).await?.is_none()
            && self
                .publisher()
                .wait(last_seq, PUBLICATION_PATIENCE)
                .await
                .is_none()
        {
            return Ok(pending);
        }
        let mut results = Vec::new();
        for seq in first_seq..=last_seq {
            match self.publication_result(seq).await? {
                Some(result) => results.push(result),
                None => return Ok(pending),
            }
        }
        let Some(times) = answer::times(&results, withdrawal, self.ttl_secs(withdrawal)) else {
            return Ok(pending);
        };
        let device = facts
            .device
            .as_ref()
            .ok_or_else(Problem::object_does_not_exist)?;
        let info = answer::device(device, facts, self.zone_name(), unix_now())?;
        Ok(Reply::Changed { info, times })
    }

    /// TTL of what a change makes untrue: the records, or their denial.
    fn ttl_secs(&self, withdrawal: bool) -> u32 {
        let profile = self.inner.config.zone.profile;
        if withdrawal {
            profile.ttl_secs()
        } else {
            profile.negative_ttl_secs()
        }
    }

    /// What came of a journal row: from memory, or from the journal itself.
    pub(super) async fn publication_result(
        &self,
        seq: u64,
    ) -> Result<Option<PublicationResult>, Problem> {
        if let Some(result) = self.publisher().result(seq) {
            return Ok(Some(result));
        }
        let row = self.store().journal_row(seq).await.map_err(store_problem)?;
        Ok(row.as_ref().and_then(journal_result))
    }

    /// The answer to a registration whose publication is in the journal.
    pub(super) async fn created_from_journal(
        &self,
        device_id: DeviceId,
        seq: u64,
        certificate: &[u8],
    ) -> Result<Reply, Problem> {
        let result = self.publication_result(seq).await?;
        let times = result.and_then(|result| answer::times(&[result], false, self.ttl_secs(false)));
        let Some(publication) = times else {
            return Ok(Reply::Pending { process_id: seq });
        };
        self.created_reply(device_id, certificate, publication)
            .await
    }

    pub(super) async fn device_info(
        &self,
        caller: &Caller,
        device_id: DeviceId,
    ) -> Result<Reply, Problem> {
        let facts = self.visible_facts(caller, device_id).await?;
        let device = facts
            .device
            .as_ref()
            .ok_or_else(Problem::object_does_not_exist)?;
        Ok(Reply::Device(answer::device(
            device,
            &facts,
            self.zone_name(),
            unix_now(),
        )?))
    }

    /// The facts of a device that the caller may see.
    async fn visible_facts(&self, caller: &Caller, device_id: DeviceId) -> Result<Facts, Problem> {
        let facts = self.store().facts(device_id).await.map_err(store_problem)?;
        lifecycle::visible_device(device_id, &facts, actor(caller), unix_now())
            .map_err(|refusal| refusal_problem(&refusal))?;
        Ok(facts)
    }

    pub(super) async fn device_list(
        &self,
        caller: &Caller,
        after: Option<DeviceId>,
        limit: u16,
    ) -> Result<Reply, Problem> {
        let account = match caller.role {
            Role::Operator => None,
            Role::Mno | Role::Asp => Some(caller.account.as_str()),
        };
        // One more than asked tells whether there is a next page.
        let mut ids = self
            .store()
            .device_ids(account, after, u32::from(limit) + 1)
            .await
            .map_err(store_problem)?;
        let more = ids.len() > usize::from(limit);
        ids.truncate(usize::from(limit));
        let next_after = ids.last().copied().filter(|_| more);
        let now = unix_now();
        let mut devices = Vec::with_capacity(ids.len());
        for device_id in ids {
            let facts = self.store().facts(device_id).await.map_err(store_problem)?;
            // A device can be gone between the two queries; then it is not in the list.
            if let Ok(device) = lifecycle::visible_device(device_id, &facts, actor(caller), now) {
                devices.push(answer::device(device, &facts, self.zone_name(), now)?);
            }
        }
        Ok(Reply::Devices {
            devices,
            next_after,
        })
    }

    pub(super) async fn device_check(&self, device_ids: &[DeviceId]) -> Result<Reply, Problem> {
        let now = unix_now();
        let mut availabilities = Vec::with_capacity(device_ids.len());
        for &device_id in device_ids {
            let facts = self.store().facts(device_id).await.map_err(store_problem)?;
            let refusal = lifecycle::decide_registration(device_id, &facts, now).err();
            availabilities.push(Availability {
                device_id,
                available: refusal.is_none(),
                reason: refusal.map(|refusal| refusal.to_string()),
            });
        }
        Ok(Reply::Availability(availabilities))
    }

    pub(super) async fn process_info(
        &self,
        caller: &Caller,
        device_id: DeviceId,
        kind: ProcessKind,
        process_id: u64,
    ) -> Result<Reply, Problem> {
        self.visible_facts(caller, device_id).await?;
        let row = self
            .store()
            .journal_row(process_id)
            .await
            .map_err(store_problem)?;
        let row = row.filter(|row| row.device_id == device_id && process_kind(row) == Some(kind));
        if row.is_none() {
            return Err(Problem::object_does_not_exist());
        }
        let result = self.publication_result(process_id).await?;
        let withdrawal = matches!(kind, ProcessKind::Deactivate | ProcessKind::Delete);
        let state = match result {
            Some(PublicationResult::Quarantined) => ProcessState::Failed,
            Some(_) => ProcessState::Completed,
            None if self.publisher().applied() >= process_id => ProcessState::Completed,
            None => ProcessState::Pending,
        };
        let publication = result
            .and_then(|result| answer::times(&[result], withdrawal, self.ttl_secs(withdrawal)));
        Ok(Reply::Process(ProcessStatus {
            process_id,
            kind,
            state,
            publication,
        }))
    }
}

fn journal_result(row: &JournalRow) -> Option<PublicationResult> {
    if row.quarantined.is_some() {
        return Some(PublicationResult::Quarantined);
    }
    let (serial, at, believed_until) = row.published?;
    let visible = Visible {
        serial,
        at,
        believed_until,
    };
    Some(match row.publication {
        _ if row.superseded => PublicationResult::Superseded(visible),
        Publication::Active(_) => PublicationResult::Activated(visible),
        Publication::Inactive | Publication::Absent => PublicationResult::Withdrawn(visible),
    })
}

fn process_kind(row: &JournalRow) -> Option<ProcessKind> {
    match row.kind.as_str() {
        "create" => Some(ProcessKind::Create),
        "activate" => Some(ProcessKind::Activate),
        "deactivate" => Some(ProcessKind::Deactivate),
        "delete" => Some(ProcessKind::Delete),
        _ => None,
    }
}
