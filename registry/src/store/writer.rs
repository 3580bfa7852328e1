//! The one writer: everything that has queued up while the last commit ran becomes the next
//! transaction. No timer: a lone command never waits for company.

use async_trait::async_trait;
use sqlx::{Connection, Executor, SqliteConnection};
use tokio::sync::{mpsc, oneshot, watch};

use super::checkpoint::Checkpoints;
use super::{StoreError, audit};

/// Steps in one transaction at most, so that a commit never takes unboundedly long.
const GROUP_STEPS_MAX: usize = 512;
/// Steps that may wait; beyond that, commands wait before they queue.
const QUEUE_STEPS_MAX: usize = 4096;

/// Part of a transaction: reads, decides on what it read, writes.
#[async_trait]
pub trait Step: Send + 'static {
    /// What the caller learns after the commit.
    type Output: Send + 'static;

    /// Runs inside the transaction. An error undoes this step and no other.
    async fn run(self, connection: &mut SqliteConnection) -> Result<Self::Output, StoreError>;
}

/// Handle of the writing task.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Box<dyn Queued>>,
    /// Closes when the task has ended.
    ended: watch::Receiver<()>,
}

impl Writer {
    /// Starts the task with a connection of its own. It ends, and closes the connection, when the
    /// last handle is dropped.
    pub(super) fn spawn(connection: SqliteConnection, checkpoints: Checkpoints) -> Self {
        let (queue, receiver) = mpsc::channel(QUEUE_STEPS_MAX);
        let (running, ended) = watch::channel(());
        // A thread of its own: each statement is a question to the database's thread and an answer from
        // it, and the runtime's workers would look for other work in between.
        let thread = std::thread::Builder::new().name("database-writer".to_owned());
        let write = move || {
            let _guard = crate::panics::AbortOnPanic("the database writer");
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            let runtime = runtime.expect("a runtime without drivers needs nothing");
            runtime.block_on(run(connection, checkpoints, receiver));
            drop(running);
        };
        thread.spawn(write).expect("the system has a thread");
        Self { queue, ended }
    }

    pub(super) async fn commit<S: Step>(&self, step: S) -> Result<S::Output, StoreError> {
        let (reply, result) = oneshot::channel();
        let entry = Entry {
            state: State::Waiting(step),
            reply,
        };
        self.queue
            .send(Box::new(entry))
            .await
            .map_err(|_| StoreError::Stopped)?;
        result.await.map_err(|_| StoreError::Stopped)?
    }

    /// Returns once all other handles are gone too, what is queued is committed, and the file is
    /// closed.
    pub(super) async fn close(self) {
        let Self { queue, mut ended } = self;
        drop(queue);
        while ended.changed().await.is_ok() {}
    }
}

async fn run(
    mut connection: SqliteConnection,
    checkpoints: Checkpoints,
    mut queue: mpsc::Receiver<Box<dyn Queued>>,
) {
    let mut group = Vec::new();
    // Hash of the newest chained audit row, once it is known.
    let mut chained = None;
    // Whether older rows still wait for their place in the chain: they get it while nobody asks for
    // anything.
    let mut behind = false;
    loop {
        if behind && queue.is_empty() {
            if queue.is_closed() {
                break;
            }
        } else if queue.recv_many(&mut group, GROUP_STEPS_MAX).await == 0 {
            break;
        }
        let outcome = run_group(&mut connection, &mut group, &mut chained).await;
        behind = *outcome.as_ref().unwrap_or(&false);
        let outcome = outcome.map(drop);
        end_if_in_doubt(&outcome);
        for step in group.drain(..) {
            step.settle(outcome.clone());
        }
        end_if_in_doubt(&checkpoints.between(&mut connection).await);
    }
    // The last connection that closes moves what is left of the log: it has to be one that writes.
    checkpoints.close().await;
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "closing the database");
    }
}

/// Whether it is on disk is unknown, and asking fsync again would lie. The next start reads what is
/// really there.
fn end_if_in_doubt(outcome: &Result<(), StoreError>) {
    if let Err(StoreError::Durability(reason)) = outcome {
        tracing::error!(%reason, "a commit may not be durable; ending the process");
        std::process::abort();
    }
}

/// One transaction; true when rows of the audit log are left that are not chained.
async fn run_group(
    connection: &mut SqliteConnection,
    group: &mut [Box<dyn Queued>],
    chained: &mut Option<[u8; 32]>,
) -> Result<bool, StoreError> {
    connection.execute("BEGIN IMMEDIATE").await?;
    let outcome = match run_steps(connection, group).await {
        Ok(()) => audit::chain(connection, chained).await,
        Err(error) => Err(error),
    };
    let end = if outcome.is_ok() {
        "COMMIT"
    } else {
        "ROLLBACK"
    };
    match connection.execute(end).await {
        Ok(_) => {
            if outcome.is_err() {
                *chained = None;
            }
            outcome
        }
        Err(error) => {
            *chained = None;
            let failure = durability(&error);
            // Best effort: SQLite may have rolled back by itself.
            let _ = connection.execute("ROLLBACK").await;
            Err(failure)
        }
    }
}

async fn run_steps(
    connection: &mut SqliteConnection,
    group: &mut [Box<dyn Queued>],
) -> Result<(), StoreError> {
    for step in group {
        connection.execute("SAVEPOINT step").await?;
        let undo = !step.run(connection).await;
        if undo {
            connection.execute("ROLLBACK TO step").await?;
        }
        connection.execute("RELEASE step").await?;
    }
    Ok(())
}

/// A full disk is an ordinary refusal; an I/O error (primary code 10) leaves durability in doubt.
pub(super) fn durability(error: &sqlx::Error) -> StoreError {
    let code = error
        .as_database_error()
        .and_then(|error| error.code())
        .and_then(|code| code.parse::<u32>().ok());
    match code {
        Some(code) if code & 0xff == 10 => StoreError::Durability(error.to_string()),
        _ => StoreError::Sql(error.to_string()),
    }
}

/// A step of any kind in the queue.
#[async_trait]
trait Queued: Send {
    /// False when the step must be undone.
    async fn run(&mut self, connection: &mut SqliteConnection) -> bool;

    /// Tells the caller, once the transaction has ended.
    fn settle(self: Box<Self>, outcome: Result<(), StoreError>);
}

struct Entry<S: Step> {
    state: State<S>,
    reply: oneshot::Sender<Result<S::Output, StoreError>>,
}

enum State<S: Step> {
    Waiting(S),
    Running,
    Done(Result<S::Output, StoreError>),
}

#[async_trait]
impl<S: Step> Queued for Entry<S> {
    async fn run(&mut self, connection: &mut SqliteConnection) -> bool {
        let State::Waiting(step) = std::mem::replace(&mut self.state, State::Running) else {
            return false;
        };
        let result = step.run(connection).await;
        let keep = result.is_ok();
        self.state = State::Done(result);
        keep
    }

    fn settle(self: Box<Self>, outcome: Result<(), StoreError>) {
        let result = match (outcome, self.state) {
            (Ok(()), State::Done(result)) => result,
            (Err(error), _) => Err(error),
            (Ok(()), _) => Err(StoreError::Stopped),
        };
        // The caller may have gone away; what is committed stays committed.
        let _ = self.reply.send(result);
    }
}
