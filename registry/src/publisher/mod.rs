//! The publisher: carries the journal into the zone, in commit order, and keeps signatures fresh.
//!
//! It is the only owner of the [`ZoneWriter`]. Recovery is the ordinary code: whatever journal
//! lies behind the zone is the next batch. Holds jump the queue: when there is a backlog they go
//! first, and older rows of such a name are skipped when their turn comes, so that a jump is never
//! undone on the way. Re-signing has its share of every turn, whatever else fails in it.

mod asking;
pub(crate) mod health;
mod recording;
mod results;
mod task;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use iot_dns_zone::{ZoneReader, ZoneWriter};
use tokio::sync::{Notify, watch};

pub use results::{PublicationResult, Results, Visible};

use crate::clock::unix_now;
use crate::store::Store;

/// Handle on the publishing task.
#[derive(Clone)]
pub struct Publisher {
    shared: Arc<Shared>,
    reader: ZoneReader,
}

/// What the task and those who wait for it share.
pub(crate) struct Shared {
    /// Rung when the journal has grown.
    pub(crate) journal_grew: Notify,
    /// Rung when the task shall end.
    pub(crate) stop: Notify,
    /// Recent results; changes with every publication.
    pub(crate) results: watch::Sender<Results>,
    /// Seconds by which signing again lags behind its pace.
    behind_secs: AtomicU64,
}

impl Shared {
    /// Before anything is published beyond `applied`.
    fn new(applied: u64, behind_secs: u64) -> Self {
        Self {
            journal_grew: Notify::new(),
            stop: Notify::new(),
            results: watch::Sender::new(Results::new(applied)),
            behind_secs: AtomicU64::new(behind_secs),
        }
    }

    pub(crate) fn note_behind(&self, secs: u64) {
        self.behind_secs.store(secs, Ordering::Relaxed);
    }
}

impl Publisher {
    /// Starts the task. `applied` is the journal row that the zone includes already.
    pub fn spawn(
        writer: ZoneWriter,
        store: Store,
        applied: u64,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let behind_secs = writer.sweep_behind(unix_now());
        let shared = Arc::new(Shared::new(applied, behind_secs));
        let reader = writer.reader();
        let task = task::Task::new(writer, store, Arc::clone(&shared), applied);
        (Self { shared, reader }, tokio::spawn(task.run()))
    }

    /// Says that rows were committed to the journal.
    pub fn journal_grew(&self) {
        self.shared.journal_grew.notify_one();
    }

    /// What answers queries.
    pub fn reader(&self) -> &ZoneReader {
        &self.reader
    }

    /// Newest journal row that the zone includes, together with all before it.
    pub fn applied(&self) -> u64 {
        self.shared.results.borrow().applied()
    }

    /// Seconds by which signing again lags behind its pace, as of its last turn.
    pub fn signing_behind_secs(&self) -> u64 {
        self.shared.behind_secs.load(Ordering::Relaxed)
    }

    /// What came of a recent journal row.
    pub fn result(&self, seq: u64) -> Option<PublicationResult> {
        self.shared.results.borrow().get(seq)
    }

    /// Waits until a journal row is visible in the zone (or refused by the gate), at most so long.
    pub async fn wait(&self, seq: u64, patience: Duration) -> Option<PublicationResult> {
        let mut results = self.shared.results.subscribe();
        let found = results.wait_for(|results| results.get(seq).is_some());
        let found = tokio::time::timeout(patience, found).await.ok()?.ok()?;
        found.get(seq)
    }

    /// Ends the task after the batch at hand; what is not yet published is at the next start.
    pub fn stop(&self) {
        self.shared.stop.notify_one();
    }
}
