//! Changes of a registered device: hold, update, renew, delete, restore.

use iot_epp_api::{Caller, Problem, ProcessKind, Reply};
use iot_identity::DeviceId;

use super::publication::{Awaited, Published, Wanted};
use super::{
    Handled, Service, inconsistent, other_content_problem, refusal_problem, store_problem,
};
use crate::clock::unix_now;
use crate::description;
use crate::lifecycle::Facts;
use crate::store::{ChangeDevice, Changed, Origin, Rows, Wish};

impl Service {
    /// Decides on a change, writes it, and waits for its publication.
    pub(super) async fn change(
        &self,
        caller: &Caller,
        origin: Origin,
        device_id: DeviceId,
        wish: Wish,
        if_version: Option<u64>,
    ) -> Result<Handled, Problem> {
        let (kind, wanted) = meaning(&wish);
        let step = ChangeDevice {
            origin: origin.clone(),
            role: caller.role,
            zone: self.zone_name().clone(),
            device_id,
            wish,
            if_version,
            now: unix_now(),
        };
        let changed = self.store().commit(step).await.map_err(store_problem)?;
        match changed {
            Changed::Done(written) => {
                self.publisher().journal_grew();
                let (rows, facts) = (written.rows, written.facts);
                let reply = self.changed(&origin, &facts, rows, kind, wanted).await?;
                Ok(reply.into())
            }
            Changed::Replay { rows } => {
                let facts = self.store().facts(device_id).await.map_err(store_problem)?;
                let reply = self.changed(&origin, &facts, rows, kind, wanted).await?;
                Ok(Handled {
                    reply,
                    replayed: true,
                })
            }
            Changed::OtherContent => Err(other_content_problem()),
            Changed::Refused(refusal) => Err(refusal_problem(&refusal)),
        }
    }

    /// Waits for the publication and puts the answer together.
    async fn changed(
        &self,
        origin: &Origin,
        facts: &Facts,
        rows: Rows,
        kind: ProcessKind,
        wanted: Wanted,
    ) -> Result<Reply, Problem> {
        let device = facts.device.as_ref();
        let device = device.ok_or_else(Problem::object_does_not_exist)?;
        // It is durable, whatever happens while looking for its publication.
        let published = self.published(origin, rows, wanted).await;
        let times = match published.unwrap_or(Published::Pending) {
            Published::Nothing => None,
            Published::Times(times) => Some(times),
            Published::Pending => {
                let awaited = Awaited {
                    origin,
                    device_id: device.device_id,
                    kind,
                    slot: None,
                    at: device.updated_at,
                    expires_at: device.expires_at,
                    transfer: None,
                };
                return self.pending(awaited, rows, wanted).await;
            }
        };
        let (credentials, zone) = (&facts.credentials, self.zone_name());
        let is_pending = facts.transfer.is_some();
        let info = description::device(device, credentials, is_pending, zone, unix_now());
        Ok(Reply::Changed {
            info: Box::new(info.map_err(inconsistent)?),
            times,
        })
    }
}

/// What a wish is called as a process, and what it wants of the zone.
fn meaning(wish: &Wish) -> (ProcessKind, Wanted) {
    match wish {
        Wish::Hold(true) => (ProcessKind::Deactivate, Wanted::Withdrawal),
        Wish::Hold(false) => (ProcessKind::Activate, Wanted::Activation),
        Wish::Update(_) | Wish::Renew { .. } => (ProcessKind::Update, Wanted::Either),
        Wish::Delete => (ProcessKind::Delete, Wanted::Withdrawal),
        Wish::Restore { .. } => (ProcessKind::Restore, Wanted::Either),
    }
}
