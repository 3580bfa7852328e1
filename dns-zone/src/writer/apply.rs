//! Publishing what the database decided.

use iot_identity::{DeviceId, Publication, Slot};

use super::ZoneWriter;
use crate::change::{Believed, Change, plan_within};
use crate::error::ZoneError;
use crate::gate::{GateError, Passed};
use crate::quarantine::offenders;
use crate::seal::seal;
use crate::snapshot::Snapshot;

/// What became of a batch.
#[derive(Clone, Debug)]
pub struct Applied {
    /// SOA serial of the version that contains the batch.
    pub serial: u32,
    /// Number of that version.
    pub zone_version: u64,
    /// What became of each change that was not quarantined, in the order of the batch.
    pub outcomes: Vec<Outcome>,
    /// Changes that the gate refused, with its reason; the others are published.
    pub quarantined: Vec<(Change, GateError)>,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The device.
    pub device_id: DeviceId,
    /// The number of the credential.
    pub slot: Slot,
    /// What the DNS says from now on.
    pub publication: Publication,
    /// When it was published, seconds since 1970.
    pub published_at: u64,
    /// SOA serial with which it was published.
    pub serial: u32,
    /// When the credential is not active any more: a time after which no signature over CERT or
    /// TLSA ever released at the name is valid; none when nothing was released that still is.
    pub withdrawn_until: Option<u32>,
    /// When it is active: a time after which no NSEC ever released that denied it is valid.
    pub denied_until: Option<u32>,
}

impl ZoneWriter {
    /// Publishes a batch of changes as one version. `applied` is the sequence number of the last
    /// change of the batch in the database. Changes that are in the zone already are harmless, and
    /// a batch that changes nothing only moves `applied`.
    ///
    /// # Errors
    /// Nothing was published: the ceiling is reached, the gate refused and no change is to blame,
    /// a key failed, or the commit failed (then the process has to end).
    pub fn apply(
        &mut self,
        changes: &[Change],
        applied: u64,
        now: u64,
    ) -> Result<Applied, ZoneError> {
        let present = self.snapshot();
        self.check_writable(&present, now)?;
        if applied < present.applied() {
            return Err(ZoneError::AppliedBackwards {
                applied,
                present: present.applied(),
            });
        }
        let mut accepted = changes.to_vec();
        let mut quarantined = Vec::new();
        let passed = match self.prepare(&present, &accepted, now)? {
            Ok(passed) => passed,
            Err(error) if error.concerns_everything() => return Err(error.into()),
            Err(error) => {
                let mut passes =
                    |part: &[Change]| Ok(self.prepare(&present, part, now)?.map(|_| ()));
                let found = offenders::<_, ZoneError>(changes, error, &mut passes)?;
                for (at, error) in found.into_iter().rev() {
                    quarantined.insert(0, (accepted.remove(at), error));
                }
                self.prepare(&present, &accepted, now)??
            }
        };
        let batch = seal(passed, applied)?;
        let believed = batch.believed.clone();
        let published = self.publish(batch, now)?;
        let outcomes = accepted
            .iter()
            .zip(believed)
            .map(|(change, believed)| outcome(change, believed, &published, now))
            .collect();
        Ok(Applied {
            serial: published.serial(),
            zone_version: published.zone_version(),
            outcomes,
            quarantined,
        })
    }

    /// Plans, signs and gates changes; the inner error is the gate's, or damage that concerns some
    /// of the changes.
    fn prepare(
        &mut self,
        present: &Snapshot,
        changes: &[Change],
        now: u64,
    ) -> Result<Result<Passed, GateError>, ZoneError> {
        let serial_above = self.present_serial(present);
        let bounds = self.bounds(present);
        let planned = plan_within(present, changes, &bounds, serial_above, now);
        let passed = planned.and_then(|to_sign| self.pass(to_sign));
        match passed {
            Err(ZoneError::Damaged { page }) => Ok(Err(GateError::Damaged { page })),
            passed => passed,
        }
    }
}

fn outcome(change: &Change, believed: Believed, published: &Snapshot, now: u64) -> Outcome {
    Outcome {
        device_id: change.device_id,
        slot: change.slot,
        publication: change.publication,
        published_at: now,
        serial: published.serial(),
        withdrawn_until: believed.withdrawn_until,
        denied_until: believed.denied_until,
    }
}
