//! What the publisher asks of the database. However long the answer takes, signatures are kept fresh
//! meanwhile.

use std::time::{Duration, Instant};

use iot_dns_zone::Ceiling;
use tokio::task::JoinHandle;

use crate::store::{JournalRow, RaiseCeiling, Store, StoreError};

/// Journal rows in one zone version at most.
const BATCH_ROWS_MAX: u32 = 512;
/// Holds that jump the queue in one turn at most.
const JUMP_ROWS_MAX: u32 = 64;
/// Rows that the gate refused and that are tried again at once.
const REFUSED_ROWS_MAX: u32 = 64;
/// Time after which an answer is missed.
const MISSED_AFTER: Duration = Duration::from_secs(10);
/// How often that is said.
const ALARM_PERIOD: Duration = Duration::from_secs(60);

/// What is wanted of the database.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    /// To be promised before the zone goes there.
    pub(super) ceiling: Option<Ceiling>,
    /// The journal after this row.
    pub(super) rows_after: Option<u64>,
    /// With a backlog, holds after this row.
    pub(super) holds_after: u64,
    /// Rows up to this one that the gate refused, to be tried again.
    pub(super) refused_until: Option<u64>,
    /// The present time.
    pub(super) now: u64,
}

impl Wanted {
    pub(super) fn is_nothing(&self) -> bool {
        self.ceiling.is_none() && self.rows_after.is_none() && self.refused_until.is_none()
    }
}

/// What the database answered.
#[derive(Debug, Default)]
pub(super) struct Answered {
    /// Promised.
    pub(super) ceiling: Option<Ceiling>,
    /// The rows of the journal after this one; none when they were not asked for.
    pub(super) rows: Option<(u64, Vec<JournalRow>)>,
    /// The next holds of a backlog.
    pub(super) holds: Option<Holds>,
    /// Rows that the gate refused and that no later row has made void; none when they were not
    /// asked for.
    pub(super) refused: Option<Vec<JournalRow>>,
}

/// Holds that jump the queue.
#[derive(Debug)]
pub(super) struct Holds {
    pub(super) rows: Vec<JournalRow>,
    /// There may be no more.
    pub(super) are_all: bool,
}

/// A question that is not answered yet, or whose answer was not taken yet.
pub(super) struct Asking {
    question: JoinHandle<Result<Answered, StoreError>>,
    answer: Option<Result<Answered, StoreError>>,
    begun_at: Instant,
    told_at: Option<Instant>,
}

impl Asking {
    /// Asks, beside whatever the caller does next.
    pub(super) fn begin(store: Store, wanted: Wanted) -> Self {
        Self {
            question: tokio::spawn(ask(store, wanted)),
            answer: None,
            begun_at: Instant::now(),
            told_at: None,
        }
    }

    /// Completes when the answer can be taken; may be given up and begun again.
    pub(super) async fn arrived(&mut self) {
        if self.answer.is_none() {
            let answer = (&mut self.question).await;
            self.answer = Some(answer.unwrap_or_else(|error| {
                Err(StoreError::Sql(format!("a question ended early: {error}")))
            }));
        }
    }

    /// The answer, when it is there.
    pub(super) fn take(&mut self) -> Option<Result<Answered, StoreError>> {
        self.answer.take()
    }

    /// Raises an alarm now and then when the answer is missed.
    pub(super) fn look(&mut self) {
        let waited = self.begun_at.elapsed();
        let is_told = |told_at: Instant| told_at.elapsed() < ALARM_PERIOD;
        if waited < MISSED_AFTER || self.told_at.is_some_and(is_told) {
            return;
        }
        self.told_at = Some(Instant::now());
        tracing::error!(
            alarm = true,
            waited_secs = waited.as_secs(),
            "the database does not answer: nothing is published, signatures are kept fresh"
        );
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        // Nobody closes a database that still has a question to answer.
        self.question.abort();
    }
}

async fn ask(store: Store, wanted: Wanted) -> Result<Answered, StoreError> {
    let mut answered = Answered::default();
    if let Some(ceiling) = wanted.ceiling {
        let Ceiling { serial, expiration } = ceiling;
        let now = wanted.now;
        store
            .commit(RaiseCeiling {
                serial,
                expiration,
                now,
            })
            .await?;
        answered.ceiling = Some(ceiling);
    }
    if let Some(until) = wanted.refused_until {
        answered.refused = Some(store.refused_rows(until, REFUSED_ROWS_MAX).await?);
    }
    if let Some(after) = wanted.rows_after {
        let rows = store.journal_after(after, BATCH_ROWS_MAX).await?;
        if rows.len() as u32 == BATCH_ROWS_MAX {
            let holds = store.holds_after(wanted.holds_after, JUMP_ROWS_MAX).await?;
            answered.holds = Some(Holds {
                are_all: (holds.len() as u32) < JUMP_ROWS_MAX,
                rows: holds,
            });
        }
        answered.rows = Some((after, rows));
    }
    Ok(answered)
}
