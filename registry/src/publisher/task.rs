//! The publishing task.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use iot_dns_zone::StoreError as StoreFailure;
use iot_dns_zone::{Applied, Ceiling, Change, Outcome, ZoneError, ZoneWriter};
use iot_identity::{DeviceId, Publication, Slot};

use super::health::Health;
use super::{PublicationResult, Shared, Visible};
use crate::clock::{self, unix_now};
use crate::store::{
    JournalRow, Published, Quarantined, RaiseCeiling, RecordPublished, RecordQuarantined, Store,
    StoreError,
};

/// Journal rows in one zone version at most.
const BATCH_ROWS_MAX: u32 = 512;
/// Holds that jump the queue in one turn at most.
const JUMP_ROWS_MAX: u32 = 64;
/// Signing again lags behind its pace when it is later than this.
const LAG_SECS: u64 = 5;
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
    /// Names whose hold was published ahead of its turn, with its row.
    jumped: HashMap<Name, u64>,
    /// Newest row that was looked at for jumping.
    jump_cursor: u64,
    /// Whether a process before may have published holds ahead of their turn.
    recovering: bool,
    /// Whether the journal may have rows that were not read.
    look: bool,
    health: Health,
}

/// Why a turn failed.
enum Failure {
    Zone(ZoneError),
    Store(StoreError),
    Clock(clock::ClockJumped),
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
        let (jumped, jump_cursor) = (HashMap::new(), applied);
        Self {
            writer,
            store,
            shared,
            applied,
            jumped,
            jump_cursor,
            recovering: true,
            look: true,
            health: Health::default(),
        }
    }

    pub(super) async fn run(mut self) {
        let _guard = crate::panics::AbortOnPanic("the publisher");
        let urgent = Arc::clone(self.writer.reader().urgent());
        loop {
            let busy = match self.turn().await {
                Ok(busy) => busy,
                Err(Failure::Store(StoreError::Stopped)) => return,
                Err(failure) => {
                    report(&failure);
                    tokio::time::sleep(FAILURE_PAUSE).await;
                    self.look = true;
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
                () = self.shared.journal_grew.notified() => self.look = true,
                () = urgent.wanted() => {}
                () = tokio::time::sleep(patience) => self.look |= !busy,
            }
        }
    }

    /// Publishes a batch, then keeps signatures fresh: neither starves the other, and a database
    /// that refuses does not let signatures run out. True when there may be more to do at once.
    async fn turn(&mut self) -> Result<bool, Failure> {
        clock::check().map_err(Failure::Clock)?;
        let begun = Instant::now();
        let published = self.publish().await;
        let overdue = self.keep_fresh(begun.elapsed());
        Ok(published? || overdue?)
    }

    async fn publish(&mut self) -> Result<bool, Failure> {
        self.raise_ceiling_if_wanted().await?;
        if !std::mem::take(&mut self.look) {
            return Ok(false);
        }
        let rows = self
            .store
            .journal_after(self.applied, BATCH_ROWS_MAX)
            .await?;
        let backlog = rows.len() as u32 == BATCH_ROWS_MAX;
        if backlog {
            self.look = true;
            let all_jumped = self.publish_holds_first().await?;
            // What was said of a hold that had jumped before this start must not be undone on the
            // way: nothing else is published before all of them have jumped again.
            if self.recovering && !all_jumped {
                return Ok(true);
            }
        }
        self.recovering = false;
        if !rows.is_empty() {
            self.publish_in_order(&rows).await?;
        }
        Ok(backlog)
    }

    /// One unit of signing again; more when that lags behind, at most a third of the time that
    /// publishing took in this turn.
    fn keep_fresh(&mut self, publishing: Duration) -> Result<bool, Failure> {
        let begun = Instant::now();
        loop {
            let now = unix_now();
            if self.writer.next_work_at() > now {
                self.health.look(&self.writer, now);
                return Ok(false);
            }
            let writer = &mut self.writer;
            let work =
                tokio::task::block_in_place(|| writer.work(now, ZoneWriter::WORK_SIGNATURES))?;
            self.health.note(&work);
            self.health.look(&self.writer, now);
            let lagging = self.writer.sweep_behind(now) > LAG_SECS;
            if !lagging || begun.elapsed() * 3 > publishing {
                return Ok(true);
            }
        }
    }

    fn idle_time(&self) -> Duration {
        let until_work = self.writer.next_work_at().saturating_sub(unix_now());
        Duration::from_secs(until_work).clamp(Duration::from_millis(10), IDLE_MAX)
    }

    /// The zone goes nowhere that the database has not written down before.
    async fn raise_ceiling_if_wanted(&mut self) -> Result<(), Failure> {
        let now = unix_now();
        if let Some(ceiling) = self.writer.ceiling_wanted(now) {
            let Ceiling { serial, expiration } = ceiling;
            self.store
                .commit(RaiseCeiling {
                    serial,
                    expiration,
                    now,
                })
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
        self.record(rows, &applied);
        Ok(())
    }

    /// Publishes the next holds of a backlog while `applied` stays where it is. True when there may
    /// be no more.
    async fn publish_holds_first(&mut self) -> Result<bool, Failure> {
        let after = self.jump_cursor.max(self.applied);
        let rows = self.store.holds_after(after, JUMP_ROWS_MAX).await?;
        let Some(last) = rows.last() else {
            return Ok(true);
        };
        let applied = self.apply(&newest_changes(rows.iter()), self.applied)?;
        self.jump_cursor = last.seq;
        for row in &rows {
            self.jumped.insert(name_of(row), row.seq);
        }
        self.record(&rows, &applied);
        Ok((rows.len() as u32) < JUMP_ROWS_MAX)
    }

    fn apply(&mut self, changes: &[Change], seq: u64) -> Result<Applied, ZoneError> {
        let writer = &mut self.writer;
        tokio::task::block_in_place(|| writer.apply(changes, seq, unix_now()))
    }

    /// Tells those who wait, and has it written down what they were told.
    fn record(&self, rows: &[JournalRow], applied: &Applied) {
        // Taken after the commit, and rounded up: what is promised counts from being visible.
        let at = unix_now() + 1;
        let outcomes: HashMap<Name, &Outcome> = applied
            .outcomes
            .iter()
            .map(|outcome| ((outcome.device_id, outcome.slot), outcome))
            .collect();
        let mut published = Vec::with_capacity(rows.len());
        let mut quarantined = Vec::new();
        let refused: HashMap<Name, String> = applied
            .quarantined
            .iter()
            .map(|(change, error)| ((change.device_id, change.slot), error.to_string()))
            .collect();
        for ((device_id, slot), error) in &refused {
            tracing::error!(
                alarm = true, %device_id, %slot, %error,
                "the gate refused a change; it is not published"
            );
        }
        self.shared.results.send_modify(|shared| {
            for row in rows {
                if let Some(reason) = refused.get(&name_of(row)) {
                    shared.add(row.seq, PublicationResult::Quarantined);
                    quarantined.push(Quarantined {
                        seq: row.seq,
                        reason: reason.clone(),
                    });
                    continue;
                }
                let outcome = outcomes.get(&name_of(row)).copied();
                let entry = published_row(row, outcome, applied.serial, at);
                shared.add(row.seq, result_of(row, &entry));
                published.push(entry);
            }
            shared.advance(self.applied);
        });
        self.write_down(published, quarantined);
    }

    /// In the background: what is not written down is bounded again by the next start.
    fn write_down(&self, published: Vec<Published>, quarantined: Vec<Quarantined>) {
        let store = self.store.clone();
        tokio::spawn(async move {
            let mut outcome = store.commit(RecordPublished { published }).await;
            if !quarantined.is_empty() {
                outcome = outcome.and(store.commit(RecordQuarantined { quarantined }).await);
            }
            if let Err(error) = outcome {
                tracing::error!(alarm = true, %error, "what was published is not written down");
            }
        });
    }
}

/// What is written down of a row whose name has this outcome; without one, the row was skipped for
/// a hold that had jumped ahead.
fn published_row(row: &JournalRow, outcome: Option<&Outcome>, serial: u32, at: u64) -> Published {
    let same = outcome.filter(|outcome| outcome.publication == row.publication);
    let withdrawn = !matches!(row.publication, Publication::Active(_));
    let believed_until = same.and_then(|outcome| {
        if withdrawn {
            outcome.withdrawn_until
        } else {
            outcome.denied_until
        }
    });
    Published {
        seq: row.seq,
        device_id: row.device_id,
        slot: row.slot,
        serial,
        at,
        believed_until,
        released_until: same
            .and_then(|outcome| outcome.withdrawn_until)
            .filter(|_| withdrawn),
        superseded: same.is_none(),
    }
}

fn result_of(row: &JournalRow, published: &Published) -> PublicationResult {
    let Published {
        serial,
        at,
        believed_until,
        superseded,
        ..
    } = *published;
    let visible = Visible {
        serial,
        at,
        believed_until,
    };
    match row.publication {
        _ if superseded => PublicationResult::Superseded(visible),
        Publication::Active(_) => PublicationResult::Activated(visible),
        Publication::Inactive | Publication::Absent => PublicationResult::Withdrawn(visible),
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
        Failure::Zone(
            error @ (ZoneError::Store(StoreFailure::Failed { .. }) | ZoneError::Stopped),
        ) => {
            // What of the commit is on disk is unknown; the next start reads it.
            tracing::error!(%error, "the zone may not be durable; ending the process");
            std::process::abort();
        }
        Failure::Zone(error) => {
            tracing::error!(alarm = true, %error, "publication failed; the last version stays");
        }
        Failure::Clock(error) => {
            tracing::error!(alarm = true, %error, "nothing is signed or withdrawn");
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
            superseded: false,
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
