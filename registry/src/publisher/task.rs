//! The publishing task.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use iot_dns_zone::{Applied, Change, ZoneError, ZoneWriter};
use iot_identity::{DeviceId, Slot};

use super::Shared;
use super::asking::{Answered, Asking, Holds, Wanted};
use super::failures::{Failure, Failures};
use super::health::Health;
use super::lag::Lag;
use crate::clock::{self, unix_now};
use crate::store::{JournalRow, Store, StoreError};

/// Signing again lags behind its pace when it is later than this.
const LAG_SECS: u64 = 5;
/// Longest time that signing waits for an answer of the database.
const ANSWER_PATIENCE: Duration = Duration::from_millis(20);
/// Time after which what the gate refused is tried again.
const TRY_AGAIN_SECS: u64 = 600;
/// Longest time without looking at clock and journal.
const IDLE_MAX: Duration = Duration::from_secs(1);
/// Time after a change for which more of them are expected.
const AMONG_CHANGES: Duration = Duration::from_secs(1);
/// Pause after a failure, so that a broken disk or database is not hammered.
const FAILURE_PAUSE: Duration = Duration::from_millis(500);

pub(super) type Name = (DeviceId, Slot);

pub(super) struct Task {
    writer: ZoneWriter,
    pub(super) store: Store,
    pub(super) shared: Arc<Shared>,
    pub(super) applied: u64,
    /// What was asked of the database.
    asking: Option<Asking>,
    /// When what the gate refused is tried again, seconds since 1970.
    try_again_at: u64,
    /// Names whose hold was published ahead of its turn, with its row.
    jumped: HashMap<Name, u64>,
    /// Newest row that was looked at for jumping.
    jump_cursor: u64,
    /// Whether a process before may have published holds ahead of their turn.
    recovering: bool,
    /// Whether the journal may have rows that were not read.
    look: bool,
    /// When a change was last published.
    changed_at: Option<Instant>,
    health: Health,
    failures: Failures,
    lag: Lag,
}

impl Task {
    pub(super) fn new(writer: ZoneWriter, store: Store, shared: Arc<Shared>, applied: u64) -> Self {
        let (jumped, jump_cursor) = (HashMap::new(), applied);
        let lag = Lag::of(writer.snapshot().profile());
        Self {
            writer,
            store,
            shared,
            applied,
            asking: None,
            try_again_at: 0,
            jumped,
            jump_cursor,
            recovering: true,
            look: true,
            changed_at: None,
            health: Health::default(),
            failures: Failures::default(),
            lag,
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
                    self.failures.report(&failure);
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
                () = arrived(&mut self.asking) => {}
                () = tokio::time::sleep(patience) => self.look |= !busy,
            }
        }
    }

    /// Publishes a batch, then keeps signatures fresh: neither starves the other, and a database
    /// that refuses does not let signatures run out. True when there may be more to do at once.
    async fn turn(&mut self) -> Result<bool, Failure> {
        clock::check().map_err(Failure::Clock)?;
        self.failures.clock_is_right();
        let begun = Instant::now();
        let published = self.publish().await;
        let overdue = self.keep_fresh(begun.elapsed());
        if let (Err(_), Err(also)) = (&published, &overdue) {
            self.failures.report(also);
        }
        Ok(published? || overdue?)
    }

    async fn publish(&mut self) -> Result<bool, Failure> {
        let Some(answered) = self.answer_of_database().await? else {
            return Ok(false);
        };
        // The zone goes nowhere that the database has not written down before.
        if let Some(ceiling) = answered.ceiling {
            self.writer.raise_ceiling(ceiling);
        }
        if let Some(refused) = &answered.refused {
            self.try_again(refused)?;
        }
        let Some((after, rows)) = answered.rows else {
            return Ok(false);
        };
        if after != self.applied {
            // Asked ahead, and what was to come before was not published.
            self.look = true;
            return Ok(true);
        }
        let backlog = answered.holds.is_some();
        if let Some(holds) = answered.holds {
            self.look = true;
            self.publish_holds_first(&holds)?;
            // What was said of a hold that had jumped before this start must not be undone on the
            // way: nothing else is published before all of them have jumped again.
            if self.recovering && !holds.are_all {
                return Ok(true);
            }
        }
        self.recovering = false;
        if backlog {
            self.ask_ahead(&rows);
        }
        self.publish_in_order(&rows)?;
        Ok(backlog)
    }

    /// Asks for what follows on these rows, so that it is there when they are published.
    fn ask_ahead(&mut self, rows: &[JournalRow]) {
        let Some(last) = rows.last() else { return };
        let now = unix_now();
        let wanted = Wanted {
            ceiling: self.writer.ceiling_wanted(now),
            rows_after: Some(last.seq),
            holds_after: self.jump_cursor.max(last.seq),
            refused_until: None,
            now,
        };
        self.asking = Some(Asking::begin(self.store.clone(), wanted));
    }

    /// What the database has answered; none while it has not, or nothing is asked. It is waited for,
    /// but not for long, and not at all when signing has waited for it before.
    async fn answer_of_database(&mut self) -> Result<Option<Answered>, Failure> {
        let patience = if self.asking.is_some() && self.writer.next_work_at() <= unix_now() {
            Duration::ZERO
        } else {
            ANSWER_PATIENCE
        };
        if self.asking.is_none() {
            let wanted = self.wanted();
            if wanted.is_nothing() {
                return Ok(None);
            }
            self.asking = Some(Asking::begin(self.store.clone(), wanted));
        }
        let urgent = Arc::clone(self.writer.reader().urgent());
        tokio::select! {
            biased;
            () = arrived(&mut self.asking) => {}
            () = urgent.wanted() => {}
            () = tokio::time::sleep(patience) => {}
        }
        let Some(asking) = &mut self.asking else {
            return Ok(None);
        };
        let Some(answer) = asking.take() else {
            asking.look();
            return Ok(None);
        };
        self.asking = None;
        let answer = answer?;
        self.failures.database_answered();
        Ok(Some(answer))
    }

    fn wanted(&mut self) -> Wanted {
        let now = unix_now();
        let looks = std::mem::take(&mut self.look);
        // What is new goes first.
        let tries_again = !self.recovering && self.try_again_at <= now;
        Wanted {
            ceiling: self.writer.ceiling_wanted(now),
            rows_after: looks.then_some(self.applied),
            holds_after: self.jump_cursor.max(self.applied),
            refused_until: tries_again.then_some(self.applied),
            now,
        }
    }

    /// One unit of signing again; more when that lags behind, at most a third of the time that
    /// publishing took in this turn.
    fn keep_fresh(&mut self, publishing: Duration) -> Result<bool, Failure> {
        let begun = Instant::now();
        loop {
            let now = unix_now();
            let behind_secs = self.writer.sweep_behind(now);
            let is_too_late = self.lag.note(behind_secs, Instant::now());
            self.shared.note_behind(behind_secs, is_too_late);
            if self.writer.next_work_at() > now {
                self.health.look(&self.writer, now);
                return Ok(false);
            }
            let (unit, writer) = (self.unit(), &mut self.writer);
            let work = tokio::task::block_in_place(|| writer.work(now, unit));
            let work = work.map_err(Failure::Signing)?;
            if work.signatures > 0 {
                self.failures.signed();
            }
            self.health.note(&work);
            self.health.look(&self.writer, now);
            let lagging = behind_secs > LAG_SECS;
            if !lagging || begun.elapsed() * 3 > publishing {
                return Ok(true);
            }
        }
    }

    /// Signatures of a unit: the next change may have to wait for it.
    fn unit(&self) -> usize {
        let changing = self
            .changed_at
            .is_some_and(|at| at.elapsed() < AMONG_CHANGES);
        if changing {
            ZoneWriter::WORK_SIGNATURES_AMONG_CHANGES
        } else {
            ZoneWriter::WORK_SIGNATURES
        }
    }

    fn idle_time(&self) -> Duration {
        let until_work = self.writer.next_work_at().saturating_sub(unix_now());
        Duration::from_secs(until_work).clamp(Duration::from_millis(10), IDLE_MAX)
    }

    fn publish_in_order(&mut self, rows: &[JournalRow]) -> Result<(), Failure> {
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

    /// Publishes the next holds of a backlog while `applied` stays where it is.
    fn publish_holds_first(&mut self, holds: &Holds) -> Result<(), Failure> {
        let Some(last) = holds.rows.last() else {
            return Ok(());
        };
        let applied = self.apply(&newest_changes(holds.rows.iter()), self.applied)?;
        self.jump_cursor = last.seq;
        for row in &holds.rows {
            self.jumped.insert(name_of(row), row.seq);
        }
        self.record(&holds.rows, &applied);
        Ok(())
    }

    /// Publishes what the gate refused before; what it refuses again is said again.
    fn try_again(&mut self, refused: &[JournalRow]) -> Result<(), Failure> {
        self.try_again_at = unix_now() + TRY_AGAIN_SECS;
        if !refused.is_empty() {
            let applied = self.apply(&newest_changes(refused.iter()), self.applied)?;
            self.record(refused, &applied);
        }
        Ok(())
    }

    fn apply(&mut self, changes: &[Change], seq: u64) -> Result<Applied, ZoneError> {
        self.changed_at = Some(Instant::now());
        let writer = &mut self.writer;
        let applied = tokio::task::block_in_place(|| writer.apply(changes, seq, unix_now()))?;
        self.failures.published();
        Ok(applied)
    }
}

/// Completes when an answer of the database can be taken; never when nothing was asked.
async fn arrived(asking: &mut Option<Asking>) {
    match asking {
        Some(asking) => asking.arrived().await,
        None => std::future::pending().await,
    }
}

pub(super) fn name_of(row: &JournalRow) -> Name {
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

#[cfg(test)]
mod tests {
    use super::*;
    use iot_identity::{Fingerprint, Publication};

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

#[cfg(test)]
mod turns;
