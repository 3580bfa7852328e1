//! Transfers: asked for, answered, asked about.

use iot_epp_api::command::TransferCommand;
use iot_epp_api::secret::Secret;
use iot_epp_api::transfer::TransferInfo;
use iot_epp_api::{Caller, Problem, ProcessKind, Reply, ResultCode, Role};
use iot_identity::DeviceId;

use super::publication::{Awaited, Published, Wanted};
use super::{
    Handled, Service, actor, inconsistent, other_content_problem, refusal_problem, store_problem,
};
use crate::clock::unix_now;
use crate::description;
use crate::lifecycle::{self, End, Facts, Refusal, Transfer};
use crate::store::{DecideTransfer, Origin, Rows, TransferWish, Transferred, WrongAuthInfo};

impl Service {
    pub(super) async fn transfer(
        &self,
        caller: &Caller,
        origin: Origin,
        command: TransferCommand,
    ) -> Result<Handled, Problem> {
        let device_id = command.device_id();
        let wish = match command {
            TransferCommand::Query { auth_info, .. } => {
                let found = self.transfer_query(caller, device_id, auth_info.as_ref());
                return Ok(Reply::TransferQueried(Box::new(found.await?)).into());
            }
            TransferCommand::Pull {
                auth_info, arrival, ..
            } => {
                self.check_attempts(caller)?;
                TransferWish::Pull { auth_info, arrival }
            }
            TransferCommand::Push { to, .. } => TransferWish::Push(to.to_string()),
            TransferCommand::Approve { arrival, .. } => TransferWish::End(End::Approve(arrival)),
            TransferCommand::Reject { .. } => TransferWish::End(End::Reject),
            TransferCommand::Cancel { .. } => TransferWish::End(End::Cancel),
            TransferCommand::Force { to, arrival, .. } => {
                TransferWish::Force(to.to_string(), arrival)
            }
        };
        let step = DecideTransfer {
            origin: origin.clone(),
            role: caller.role,
            zone: self.zone_name().clone(),
            device_id,
            wish,
            months: self.inner.config.registration_months,
            now: unix_now(),
        };
        match self.store().commit(step).await.map_err(store_problem)? {
            Transferred::Done { transfer, written } => {
                self.publisher().journal_grew();
                let (facts, rows) = (&written.facts, written.rows);
                let reply = self.transferred(&origin, facts, &transfer, rows).await?;
                Ok(reply.into())
            }
            Transferred::Replay { transfer, rows } => {
                let facts = self.store().facts(device_id).await.map_err(store_problem)?;
                Ok(Handled {
                    reply: self.transferred(&origin, &facts, &transfer, rows).await?,
                    replayed: true,
                })
            }
            Transferred::OtherContent => Err(other_content_problem()),
            Transferred::Refused(refusal) => {
                if refusal == Refusal::WrongAuthInfo {
                    self.note_wrong_attempt(caller);
                }
                Err(refusal_problem(&refusal))
            }
        }
    }

    /// Waits until the zone says what the transfer changed (a device that arrives held is denied), and
    /// puts the answer together.
    async fn transferred(
        &self,
        origin: &Origin,
        facts: &Facts,
        transfer: &Transfer,
        rows: Rows,
    ) -> Result<Reply, Problem> {
        let device = facts.device.as_ref();
        let device = device.ok_or_else(Problem::object_does_not_exist)?;
        let info = description::transfer(device.device_id, transfer).map_err(inconsistent)?;
        let wanted = Wanted::Either;
        // It is durable, whatever happens while looking for its publication.
        let published = self.published(origin, rows, wanted).await;
        let times = match published.unwrap_or(Published::Pending) {
            Published::Nothing => None,
            Published::Times(times) => Some(times),
            Published::Pending => {
                let awaited = Awaited {
                    origin,
                    device_id: device.device_id,
                    kind: ProcessKind::Transfer,
                    slot: None,
                    at: device.updated_at,
                    expires_at: device.expires_at,
                    transfer: Some(info),
                };
                return self.pending(awaited, rows, wanted).await;
            }
        };
        Ok(Reply::Transfer {
            transfer: Box::new(info),
            times,
        })
    }

    /// The newest transfer of a device, for who sees the device, and who has the authorization
    /// information; for who took part in an earlier one, the newest of his.
    async fn transfer_query(
        &self,
        caller: &Caller,
        device_id: DeviceId,
        auth_info: Option<&Secret>,
    ) -> Result<TransferInfo, Problem> {
        let now = unix_now();
        let facts = self.store().facts(device_id).await.map_err(store_problem)?;
        let account = caller.account.as_str();
        let own = self.store().newest_transfer_of(device_id, account).await;
        let own = own.map_err(store_problem)?;
        if facts.seen_by(actor(caller), now).is_none() {
            // A later one is nothing to who took no part in it.
            if let Some(own) = own {
                return description::transfer(device_id, &own).map_err(inconsistent);
            }
            match auth_info {
                None => return Err(refusal_problem(&Refusal::NotFound(device_id))),
                Some(presented) => {
                    let checked = self.check_auth_info(caller, device_id, &facts, presented, now);
                    checked.await?;
                }
            }
        }
        let newest = self.store().newest_transfer(device_id).await;
        let newest = newest.map_err(store_problem)?;
        // Those of an earlier registration are for who took part in them.
        let is_side = |one: &Transfer| one.losing == account || one.gaining == account;
        let begun = facts.device.as_ref().map_or(0, |device| device.created_at);
        let is_shown = |one: &Transfer| is_side(one) || one.requested_at >= begun;
        let newest = newest.filter(is_shown).ok_or_else(|| {
            Problem::new(
                ResultCode::NotPendingTransfer,
                "there has been no transfer of this device",
            )
        })?;
        description::transfer(device_id, &newest).map_err(inconsistent)
    }

    /// Refuses wrong authorization information, as it refuses a device that is not there; wrong ones are
    /// counted.
    pub(super) async fn check_auth_info(
        &self,
        caller: &Caller,
        device_id: DeviceId,
        facts: &Facts,
        presented: &Secret,
        now: u64,
    ) -> Result<(), Problem> {
        if caller.role != Role::Mno {
            return Err(refusal_problem(&Refusal::WrongAuthInfo));
        }
        self.check_attempts(caller)?;
        let device = facts.device.as_ref().filter(|device| !device.is_gone(now));
        if device.is_some_and(|device| lifecycle::opens(device, presented.expose(), now)) {
            return Ok(());
        }
        self.note_wrong_attempt(caller);
        let step = WrongAuthInfo {
            account: caller.account.to_string(),
            device_id,
            now,
        };
        self.store().commit(step).await.map_err(store_problem)?;
        Err(refusal_problem(&Refusal::WrongAuthInfo))
    }
}
