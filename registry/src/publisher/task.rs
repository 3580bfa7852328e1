//! The publishing task.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use iot_dns_zone::{Applied, Ceiling, Change, ZoneError, ZoneWriter};
use iot_identity::{DeviceId, Publication, Slot};

use super::{PublicationResult, Shared};
use crate::clock::unix_now;
use crate::store::{
    JournalRow, Published, Quarantined, RaiseCeiling, RecordPublished, RecordQuarantined, Store,
    StoreError,
};

/// Journal rows in one zone version at most.
const BATCH_ROWS_MAX: u32 = 512;
/// Withdrawals that jump the queue at once.
const JUMP_ROWS_MAX: u32 = 64;
/// Names that are re-signed in one turn at most: a few milliseconds.
const RESIGN_NAMES_MAX: usize = 128;
/// Longest time without looking at clock and journal.
const IDLE_MAX: Duration = Duration::from_secs(1);
/// Pause after a failure, so that a broken disk or database is not hammered.
const FAILURE_PAUSE: Duration = Duration::from_millis(500);

type Name = (DeviceId, Slot);

pub(super) struct Task {
    writer: ZoneWriter,
    store: Store,
    shared: Arc<Shared>,
    applied: u64,
    /// Names whose withdrawal was published ahead of its turn, with its row.
    jumped: HashMap<Name, u64>,
}

/// Why a turn failed.
enum Failure {
    Zone(ZoneError),
    Store(StoreError),
}

impl From<ZoneError> for Failure {
    fn from(error: ZoneError) -> Self {
        Self::Zone(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Task {
    pub(super) fn new(writer: ZoneWriter, store: Store, shared: Arc<Shared>, applied: u64) -> Self {
        Self {
            writer,
            store,
            shared,
            applied,
            jumped: HashMap::new(),
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            let busy = match self.turn().await {
                Ok(busy) => busy,
                Err(Failure::Store(StoreError::Stopped)) => return,
                Err(failure) => {
                    report(&failure);
                    tokio::time::sleep(FAILURE_PAUSE).await;
                    true
                }
            };
            let patience = if busy {
                Duration::ZERO
            } else {
                self.idle_time()
            };
            tokio::select! {
                biased;
                () = self.shared.stop.notified() => return,
                () = self.shared.journal_grew.notified() => {}
                () = tokio::time::sleep(patience) => {}
            }
        }
    }

    /// Publishes a batch, then re-signs a little: neither starves the other. True when there may be
    /// more to do at once.
    async fn turn(&mut self) -> Result<bool, Failure> {
        self.raise_ceiling_if_wanted().await?;
        let rows = self
            .store
            .journal_after(self.applied, BATCH_ROWS_MAX)
            .await?;
        let backlog = rows.len() as u32 == BATCH_ROWS_MAX;
        if backlog {
            self.publish_withdrawals_first().await?;
        }
        if !rows.is_empty() {
            self.publish_in_order(&rows).await?;
        }
        let now = unix_now();
        let writer = &mut self.writer;
        if writer.next_resign_at() <= now {
            tokio::task::block_in_place(|| writer.resign(now, RESIGN_NAMES_MAX))?;
        }
        Ok(backlog || self.writer.next_resign_at() <= now)
    }

    fn idle_time(&self) -> Duration {
        let until_resign = self.writer.next_resign_at().saturating_sub(unix_now());
        Duration::from_secs(until_resign).clamp(Duration::from_millis(10), IDLE_MAX)
    }

    /// The zone goes nowhere that the database has not written down before.
    async fn raise_ceiling_if_wanted(&mut self) -> Result<(), Failure> {
        if let Some(ceiling) = self.writer.ceiling_wanted(unix_now()) {
            let Ceiling { serial, expiration } = ceiling;
            self.store
                .commit(RaiseCeiling { serial, expiration })
                .await?;
            self.writer.raise_ceiling(ceiling);
        }
        Ok(())
    }

    async fn publish_in_order(&mut self, rows: &[JournalRow]) -> Result<(), Failure> {
        let Some(last) = rows.last() else {
            return Ok(());
        };
        let jumped = &self.jumped;
        let turn_has_come =
            |row: &&JournalRow| jumped.get(&name_of(row)).is_none_or(|seq| row.seq >= *seq);
        let due: Vec<&JournalRow> = rows.iter().filter(turn_has_come).collect();
        let applied = self.apply(&newest_changes(due.iter().copied()), last.seq)?;
        self.applied = last.seq;
        self.jumped.retain(|_, seq| *seq > last.seq);
        self.record(rows, &applied).await
    }

    /// Publishes the newest withdrawals of a backlog while `applied` stays where it is.
    async fn publish_withdrawals_first(&mut self) -> Result<(), Failure> {
        let rows = self
            .store
            .withdrawals_after(self.applied, JUMP_ROWS_MAX)
            .await?;
        let jumped = &self.jumped;
        let rows: Vec<JournalRow> = rows
            .into_iter()
            .filter(|row| jumped.get(&name_of(row)).is_none_or(|seq| row.seq > *seq))
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        let applied = self.apply(&newest_changes(rows.iter()), self.applied)?;
        for row in &rows {
            self.jumped.insert(name_of(row), row.seq);
        }
        self.record(&rows, &applied).await
    }

    fn apply(&mut self, changes: &[Change], seq: u64) -> Result<Applied, ZoneError> {
        let writer = &mut self.writer;
        tokio::task::block_in_place(|| writer.apply(changes, seq, unix_now()))
    }

    /// Tells those who wait, and writes down what they were told.
    async fn record(&mut self, rows: &[JournalRow], applied: &Applied) -> Result<(), Failure> {
        let mut results: HashMap<Name, (PublicationResult, Option<u32>)> = HashMap::new();
        for outcome in &applied.outcomes {
            let withdrawn = !matches!(outcome.publication, Publication::Active(_));
            let believed_until = if withdrawn {
                outcome.withdrawn_until
            } else {
                outcome.denied_until
            };
            let result = PublicationResult::Published {
                serial: outcome.serial,
                at: outcome.published_at,
                believed_until,
            };
            let released_until = outcome.withdrawn_until.filter(|_| withdrawn);
            results.insert((outcome.device_id, outcome.slot), (result, released_until));
        }
        let mut quarantined = Vec::new();
        for (change, error) in &applied.quarantined {
            let name = (change.device_id, change.slot);
            tracing::error!(
                alarm = true, device_id = %change.device_id, slot = %change.slot, %error,
                "the gate refused a change; it is not published"
            );
            results.insert(name, (PublicationResult::Quarantined, None));
            let of_name = rows.iter().filter(|row| name_of(row) == name);
            quarantined.extend(of_name.map(|row| Quarantined {
                seq: row.seq,
                reason: error.to_string(),
            }));
        }
        let published = self.tell(rows, &results);
        self.store.commit(RecordPublished { published }).await?;
        if !quarantined.is_empty() {
            self.store.commit(RecordQuarantined { quarantined }).await?;
        }
        Ok(())
    }

    fn tell(
        &self,
        rows: &[JournalRow],
        results: &HashMap<Name, (PublicationResult, Option<u32>)>,
    ) -> Vec<Published> {
        let mut published = Vec::with_capacity(rows.len());
        self.shared.results.send_modify(|shared| {
            for row in rows {
                // A row that was skipped for a jump has its result from the jump.
                let Some((result, released_until)) = results.get(&name_of(row)) else {
                    continue;
                };
                shared.add(row.seq, *result);
                if let PublicationResult::Published {
                    serial,
                    at,
                    believed_until,
                } = *result
                {
                    published.push(Published {
                        seq: row.seq,
                        device_id: row.device_id,
                        slot: row.slot,
                        serial,
                        at,
                        believed_until,
                        released_until: *released_until,
                    });
                }
            }
            shared.advance(self.applied);
        });
        published
    }
}

fn name_of(row: &JournalRow) -> Name {
    (row.device_id, row.slot)
}

/// One change a name: the newest, in the order of the first rows.
fn newest_changes<'a>(rows: impl Iterator<Item = &'a JournalRow>) -> Vec<Change> {
    let mut places: HashMap<Name, usize> = HashMap::new();
    let mut changes: Vec<Change> = Vec::new();
    for row in rows {
        let change = Change {
            device_id: row.device_id,
            slot: row.slot,
            publication: row.publication,
        };
        match places.get(&name_of(row)) {
            Some(place) => changes[*place] = change,
            None => {
                places.insert(name_of(row), changes.len());
                changes.push(change);
            }
        }
    }
    changes
}

fn report(failure: &Failure) {
    match failure {
        Failure::Zone(error @ ZoneError::Durability { .. }) => {
            // What of the commit record is on disk is unknown; the next start reads it.
            tracing::error!(%error, "the zone may not be durable; ending the process");
            std::process::abort();
        }
        Failure::Zone(error) => {
            tracing::error!(alarm = true, %error, "publication failed; the last version stays");
        }
        Failure::Store(error) => {
            tracing::error!(alarm = true, %error, "the publisher cannot reach the database");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iot_identity::Fingerprint;

    fn row(seq: u64, id: &str, publication: Publication) -> JournalRow {
        JournalRow {
            seq,
            device_id: DeviceId::parse(id).unwrap(),
            slot: Slot::FIRST,
            kind: "create".to_owned(),
            publication,
            published: None,
            quarantined: None,
        }
    }

    #[test]
    fn only_the_newest_row_of_a_name_is_published() {
        const A: &str = "89049032123451234512345678901235";
        const B: &str = "8912230200031010008f";
        let active = Publication::Active(Fingerprint::of_certificate(b"a"));
        let rows = [
            row(1, A, active),
            row(2, B, active),
            row(3, A, Publication::Inactive),
            row(4, A, Publication::Absent),
        ];
        let changes = newest_changes(rows.iter());
        let summary: Vec<_> = changes
            .iter()
            .map(|change| (change.device_id.to_string(), change.publication))
            .collect();
        assert_eq!(
            summary,
            [(A.to_owned(), Publication::Absent), (B.to_owned(), active)]
        );
    }
}
