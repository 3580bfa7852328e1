//! Changes of a registered device: hold, update, renew, delete, restore.

use std::collections::BTreeSet;

use iot_epp_api::command::DeviceChange;
use iot_epp_api::{Door, Role};
use iot_identity::{DeviceId, ZoneName};
use time::Date;

use super::outcome::{Rows, Written, write_outcome};
use super::replay::{Remembered, Replay, remember, replay_of};
use super::rows;
use super::sql::Connection;
use super::{Origin, Step, StoreError, accounts};
use crate::lifecycle::{self, Actor, Facts, Outcome, Refusal};

/// What shall happen to a device.
#[derive(Debug)]
pub enum Wish {
    /// Set or lift the actor's hold.
    Hold(bool),
    /// These changes.
    Update(Vec<DeviceChange>),
    /// A longer registration.
    Renew {
        /// The day on which the client believes that it ends.
        current_expiry: Date,
        /// By how much.
        months: u32,
    },
    /// Begin the restore window.
    Delete,
    /// End it, with the device held.
    Restore {
        /// Months of registration where the old one has ended.
        months: u32,
    },
}

/// Decides on a change and writes its outcome.
#[derive(Debug)]
pub struct ChangeDevice {
    /// Who asks.
    pub origin: Origin,
    /// Role of the account.
    pub role: Role,
    /// The registry's zone.
    pub zone: ZoneName,
    /// The device.
    pub device_id: DeviceId,
    /// What shall happen.
    pub wish: Wish,
    /// Only when the device is still of this version.
    pub if_version: Option<u64>,
    /// The time of the decision.
    pub now: u64,
}

/// What came of [`ChangeDevice`].
#[derive(Debug)]
pub enum Changed {
    /// Done.
    Done(Box<Written>),
    /// The same request was carried out before.
    Replay {
        /// Its journal rows.
        rows: Rows,
    },
    /// The client transaction id was used for another request.
    OtherContent,
    /// Refused.
    Refused(Refusal),
}

impl Wish {
    /// What the journal calls it.
    fn kind(&self) -> &'static str {
        match self {
            Self::Hold(true) => "deactivate",
            Self::Hold(false) => "activate",
            Self::Update(_) | Self::Renew { .. } => "update",
            Self::Delete => "delete",
            Self::Restore { .. } => "restore",
        }
    }
}

impl Step for ChangeDevice {
    type Output = Changed;

    fn run(self, connection: &Connection) -> Result<Changed, StoreError> {
        accounts::require_enabled(connection, &self.origin.account)?;
        let facts = rows::facts(connection, self.device_id)?;
        // Present ownership first: a replay tells nobody about a device that is not his.
        if facts.seen_by(self.actor(), self.now).is_none() {
            return Ok(Changed::Refused(Refusal::NotFound(self.device_id)));
        }
        if self.is_replayed() {
            match replay_of(connection, &self.origin, self.now)? {
                Some(Replay::Same(Remembered { rows, .. })) => {
                    return Ok(Changed::Replay { rows });
                }
                // In progress is a registration, which this is not.
                Some(Replay::OtherContent | Replay::InProgress) => {
                    return Ok(Changed::OtherContent);
                }
                None => {}
            }
        }
        if let Some(refusal) = self.version_refusal(&facts) {
            return Ok(Changed::Refused(refusal));
        }
        let outcome = match self.decide(connection, &facts)? {
            Ok(outcome) => outcome,
            Err(refusal) => return Ok(Changed::Refused(refusal)),
        };
        let (origin, zone, now) = (&self.origin, &self.zone, self.now);
        let kind = self.wish.kind();
        let written = write_outcome(connection, origin, zone, kind, facts, outcome, now)?;
        if self.is_replayed() {
            let remembered = Remembered {
                rows: written.rows,
                object_id: None,
            };
            remember(connection, origin, Some(self.device_id), remembered, now)?;
        }
        Ok(Changed::Done(Box::new(written)))
    }
}

impl ChangeDevice {
    /// Whether a repetition is answered with the first result. Clients repeat a deletion, and what else
    /// they ask for again is carried out again. A row of a job is repeated by the registry alone, when
    /// it ended before the result was written down: by then somebody may have decided otherwise.
    fn is_replayed(&self) -> bool {
        matches!(self.wish, Wish::Delete) || self.origin.door == Door::Bulk.as_str()
    }

    fn actor(&self) -> Actor<'_> {
        Actor {
            account: &self.origin.account,
            role: self.role,
        }
    }

    fn version_refusal(&self, facts: &Facts) -> Option<Refusal> {
        let wanted = self.if_version?;
        let device = facts.device.as_ref()?;
        (device.version != wanted).then_some(Refusal::OtherVersion(wanted))
    }

    fn decide(
        &self,
        connection: &Connection,
        facts: &Facts,
    ) -> Result<Result<Outcome, Refusal>, StoreError> {
        let (device_id, actor, now) = (self.device_id, self.actor(), self.now);
        Ok(match &self.wish {
            Wish::Hold(is_held) => lifecycle::decide_hold(device_id, facts, actor, *is_held, now),
            Wish::Update(changes) => {
                let providers = providers_named(connection, changes)?;
                lifecycle::decide_update(device_id, facts, actor, changes, &providers, now)
            }
            Wish::Renew {
                current_expiry,
                months,
            } => lifecycle::decide_renewal(device_id, facts, actor, *current_expiry, *months, now),
            Wish::Delete => lifecycle::decide_deletion(device_id, facts, actor, now),
            Wish::Restore { months } => {
                lifecycle::decide_restoration(device_id, facts, actor, *months, now)
            }
        })
    }
}

/// Those of the named providers that there are.
fn providers_named(
    connection: &Connection,
    changes: &[DeviceChange],
) -> Result<BTreeSet<String>, StoreError> {
    let named = changes.iter().filter_map(|change| match change {
        DeviceChange::Bind { asp, .. } => Some(asp.as_str()),
        _ => None,
    });
    let named: BTreeSet<&str> = named.collect();
    let mut found = BTreeSet::new();
    for name in named {
        if accounts::is_enabled(connection, name, Role::Asp)? {
            found.insert(name.to_owned());
        }
    }
    Ok(found)
}
