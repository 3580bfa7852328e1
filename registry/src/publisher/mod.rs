//! The publisher: carries the journal into the zone, in commit order, and keeps signatures fresh.
//!
//! It is the only owner of the [`ZoneWriter`]. Recovery is the ordinary code: whatever journal
//! lies behind the zone is the next batch. Holds jump the queue: when there is a backlog they go
//! first, and older rows of such a name are skipped when their turn comes, so that a jump is never
//! undone on the way. Re-signing has its share of every turn, whatever else fails in it.

mod asking;
pub(crate) mod failures;
pub(crate) mod health;
mod lag;
mod recording;
mod results;
mod task;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use iot_dns_zone::{ZoneReader, ZoneWriter};
use tokio::sync::{Notify, watch};

pub use results::{PublicationResult, Results, Visible};

use crate::clock::unix_now;
use crate::repetition::Repetition;
use crate::store::{Store, StoreError};

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
    /// Whether the task has ended.
    ended: watch::Sender<bool>,
    /// Recent results; changes with every publication.
    pub(crate) results: watch::Sender<Results>,
    /// Seconds by which signing again lags behind its pace.
    behind_secs: AtomicU64,
    /// Whether it lags so far behind that what can wait has to.
    is_too_late: AtomicBool,
    /// What was said of results that could not be written down.
    writing_down: Mutex<Repetition>,
}

impl Shared {
    /// Before anything is published beyond `applied`.
    fn new(applied: u64, behind_secs: u64) -> Self {
        Self {
            journal_grew: Notify::new(),
            stop: Notify::new(),
            ended: watch::Sender::new(false),
            results: watch::Sender::new(Results::new(applied)),
            behind_secs: AtomicU64::new(behind_secs),
            is_too_late: AtomicBool::new(false),
            writing_down: Mutex::default(),
        }
    }

    pub(crate) fn note_behind(&self, secs: u64, is_too_late: bool) {
        self.behind_secs.store(secs, Ordering::Relaxed);
        self.is_too_late.store(is_too_late, Ordering::Relaxed);
    }

    fn note_written_down(&self, outcome: &Result<(), StoreError>) {
        // Whoever panicked with the lock has left whole numbers.
        let said = self.writing_down.lock();
        let mut said = said.unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(()) => {
                if let Some(failures) = said.works() {
                    tracing::info!(failures, "what is published is written down again");
                }
            }
            Err(error) => {
                if let Some(times) = said.fails(Instant::now()) {
                    tracing::error!(
                        alarm = true, %error, times,
                        "what was published is not written down"
                    );
                }
            }
        }
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
        let ended = Arc::downgrade(&shared);
        let run = async move {
            task.run().await;
            if let Some(shared) = ended.upgrade() {
                shared.ended.send_replace(true);
            }
        };
        (Self { shared, reader }, tokio::spawn(run))
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

    /// Whether signing again lags so far behind that what can wait has to.
    pub fn signing_is_too_late(&self) -> bool {
        self.shared.is_too_late.load(Ordering::Relaxed)
    }

    /// What came of a recent journal row.
    pub fn result(&self, seq: u64) -> Option<PublicationResult> {
        self.shared.results.borrow().get(seq)
    }

    /// Waits until a journal row is visible in the zone (or refused by the gate), at most so long, and not
    /// beyond the end of the task.
    pub async fn wait(&self, seq: u64, patience: Duration) -> Option<PublicationResult> {
        let mut results = self.shared.results.subscribe();
        let mut ended = self.shared.ended.subscribe();
        tokio::select! {
            biased;
            found = results.wait_for(|results| results.get(seq).is_some()) => found.ok()?.get(seq),
            _ = ended.wait_for(|ended| *ended) => None,
            () = tokio::time::sleep(patience) => None,
        }
    }

    /// Ends the task after the batch at hand; what is not yet published is at the next start.
    pub fn stop(&self) {
        self.shared.stop.notify_one();
    }

    /// Ends the task with signing as late as this; for the only handle there is.
    #[cfg(test)]
    pub(crate) async fn stop_with_lag(&self, is_too_late: bool) {
        self.stop();
        while Arc::strong_count(&self.shared) > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.shared.note_behind(0, is_too_late);
    }
}
