//! From journal rows to what a command is answered with: by when its change is believed, or that it is
//! pending.

use std::time::{Duration, Instant};

use iot_dns_zone::serial;
use iot_epp_api::response::Pending;
use iot_epp_api::transfer::TransferInfo;
use iot_epp_api::{Door, Problem, ProcessKind, PublicationTimes, Reply};
use iot_identity::{DeviceId, Publication, Slot};

use super::{Service, store_problem};
use crate::description::calendar;
use crate::publisher::{PublicationResult, Visible};
use crate::store::{JournalRow, NotePending, Origin, Rows};

/// How long a command waits for its publication before it is answered as pending (design §5); a row of a
/// job has nobody who waits for its answer.
const PATIENCE: Duration = Duration::from_secs(2);
const PATIENCE_OF_JOBS: Duration = Duration::from_secs(60);
/// Clock skew that verifiers allow for: added to every moment of last belief.
const VERIFIER_SKEW_SECS: u64 = 300;

/// What a command wants of the names that it changes: a name that became the contrary has no moment of
/// its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// That they are withdrawn.
    Withdrawal,
    /// That they are active.
    Activation,
    /// Whatever follows from the change.
    Either,
}

/// How far a change is published.
pub(super) enum Published {
    /// Nothing in the zone changed.
    Nothing,
    /// Visible.
    Times(PublicationTimes),
    /// Not yet, or not without an operator.
    Pending,
}

/// A command whose answer waits for its publication.
pub(super) struct Awaited<'a> {
    pub(super) origin: &'a Origin,
    pub(super) device_id: DeviceId,
    pub(super) kind: ProcessKind,
    /// The slot that it made.
    pub(super) slot: Option<Slot>,
    /// When it was decided.
    pub(super) at: u64,
    /// End of the registration.
    pub(super) expires_at: u64,
    /// The transfer that the command completed.
    pub(super) transfer: Option<TransferInfo>,
}

impl Service {
    /// Waits for the publication of these rows, at most as long as a command from this door may wait.
    pub(super) async fn published(
        &self,
        origin: &Origin,
        rows: Rows,
        wanted: Wanted,
    ) -> Result<Published, Problem> {
        let Some((first, last)) = rows else {
            return Ok(Published::Nothing);
        };
        let is_job = origin.door == Door::Bulk.as_str();
        let patience = if is_job { PATIENCE_OF_JOBS } else { PATIENCE };
        let end = Instant::now() + patience;
        let mut results = Vec::new();
        // Each of them: a later row that withdraws is published before an earlier one that activates.
        for seq in first..=last {
            if self.publication_result(seq).await?.is_none() {
                let left = end.saturating_duration_since(Instant::now());
                self.publisher().wait(seq, left).await;
            }
            match self.publication_result(seq).await? {
                Some(result) => results.push(result),
                None => return Ok(Published::Pending),
            }
        }
        Ok(match times(&results, wanted, self.ttls_secs()) {
            Some(times) => Published::Times(times),
            None => Published::Pending,
        })
    }

    /// The answer to a command that is durable and not published; a message will say when it is.
    pub(super) async fn pending(
        &self,
        awaited: Awaited<'_>,
        rows: Rows,
        wanted: Wanted,
    ) -> Result<Reply, Problem> {
        let (first_seq, seq) = rows.unwrap_or((0, 0));
        let step = NotePending {
            origin: awaited.origin.clone(),
            device_id: awaited.device_id,
            first_seq,
            seq,
            is_withdrawal: wanted == Wanted::Withdrawal,
        };
        self.store().commit(step).await.map_err(store_problem)?;
        Ok(Reply::Pending(Pending {
            process_id: seq,
            device_id: awaited.device_id,
            kind: awaited.kind,
            slot: awaited.slot,
            at: calendar(awaited.at),
            expires_at: calendar(awaited.expires_at),
            transfer: awaited.transfer.map(Box::new),
        }))
    }

    /// TTLs of the records and of their denial.
    pub(super) fn ttls_secs(&self) -> (u32, u32) {
        let profile = self.inner.config.zone.profile;
        (profile.ttl_secs(), profile.negative_ttl_secs())
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
}

/// What the journal says of a row.
pub(crate) fn journal_result(row: &JournalRow) -> Option<PublicationResult> {
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

/// When the last of the rows of a command is visible, and until when the contrary may be believed
/// of those that are; `None` when the gate refused one. `ttls_secs` are those of records and of denials.
///
/// A name that was not changed to what the command wanted alone (superseded by a later command) has
/// no such moment.
pub(crate) fn times(
    results: &[PublicationResult],
    wanted: Wanted,
    ttls_secs: (u32, u32),
) -> Option<PublicationTimes> {
    let mut last: Option<Visible> = None;
    let (mut denied, mut seen): (Option<u64>, Option<u64>) = (None, None);
    for result in results {
        let (visible, bound) = match *result {
            PublicationResult::Activated(visible) => {
                (visible, Some((&mut seen, Wanted::Withdrawal)))
            }
            PublicationResult::Withdrawn(visible) => {
                (visible, Some((&mut denied, Wanted::Activation)))
            }
            PublicationResult::Superseded(visible) => (visible, None),
            PublicationResult::Quarantined => return None,
        };
        last = Some(last.filter(|last| last.at > visible.at).unwrap_or(visible));
        if let Some((bound, contrary)) = bound
            && wanted != contrary
        {
            // Nothing was ever released: the contrary ends with the publication itself.
            let until = visible.believed_until.map_or(visible.at, |until| {
                serial::unwrapped(until, visible.at) + VERIFIER_SKEW_SECS
            });
            *bound = Some(until.max(visible.at).max(bound.unwrap_or(0)));
        }
    }
    let last = last?;
    let ttl_secs = match wanted {
        Wanted::Withdrawal => ttls_secs.0,
        Wanted::Activation => ttls_secs.1,
        Wanted::Either => ttls_secs.0.max(ttls_secs.1),
    };
    Some(PublicationTimes {
        published_serial: last.serial,
        denied_everywhere_by: denied.map(calendar),
        honest_caches_by: Some(calendar(last.at + u64::from(ttl_secs))),
        visible_everywhere_by: seen.map(calendar),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visible(at: u64, believed_until: Option<u32>) -> Visible {
        Visible {
            serial: 7,
            at,
            believed_until,
        }
    }

    fn withdrawn(at: u64, believed_until: Option<u32>) -> PublicationResult {
        PublicationResult::Withdrawn(visible(at, believed_until))
    }

    #[test]
    fn withdrawal_is_believed_everywhere_when_the_last_signature_and_the_skew_have_ended() {
        let results = [withdrawn(1000, Some(4000)), withdrawn(1000, Some(5000))];
        let times = times(&results, Wanted::Withdrawal, (60, 60)).unwrap();
        assert_eq!(times.published_serial, 7);
        assert_eq!(times.denied_everywhere_by, Some(calendar(5300)));
        assert_eq!(times.honest_caches_by, Some(calendar(1060)));
        assert_eq!(times.visible_everywhere_by, None);
    }

    #[test]
    fn what_was_never_denied_is_visible_at_once() {
        let results = [PublicationResult::Activated(visible(1000, None))];
        let times = times(&results, Wanted::Activation, (60, 60)).unwrap();
        assert_eq!(times.visible_everywhere_by, Some(calendar(1000)));
        assert_eq!(times.denied_everywhere_by, None);
    }

    #[test]
    fn an_activation_that_leaves_the_name_inactive_promises_no_visibility() {
        let times = times(&[withdrawn(1000, Some(4000))], Wanted::Activation, (60, 60)).unwrap();
        assert_eq!(times.visible_everywhere_by, None);
    }

    #[test]
    fn a_superseded_row_promises_nothing_but_its_serial() {
        let results = [PublicationResult::Superseded(visible(1000, None))];
        let times = times(&results, Wanted::Withdrawal, (60, 60)).unwrap();
        assert_eq!(
            (times.published_serial, times.denied_everywhere_by),
            (7, None)
        );
    }

    #[test]
    fn a_quarantined_name_has_no_times() {
        assert_eq!(
            times(
                &[withdrawn(1000, None), PublicationResult::Quarantined],
                Wanted::Withdrawal,
                (60, 60)
            ),
            None
        );
    }

    #[test]
    fn an_update_may_withdraw_one_slot_and_activate_another() {
        let activated = PublicationResult::Activated(visible(1000, Some(2000)));
        let results = [withdrawn(1000, Some(4000)), activated];
        let times = times(&results, Wanted::Either, (60, 15)).unwrap();
        assert_eq!(times.denied_everywhere_by, Some(calendar(4300)));
        assert_eq!(times.visible_everywhere_by, Some(calendar(2300)));
        assert_eq!(times.honest_caches_by, Some(calendar(1060)));
    }
}
