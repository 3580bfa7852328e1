//! The one writer: everything that has queued up while the last commit ran becomes the next
//! transaction. No timer: a lone command never waits for company.

use tokio::sync::{mpsc, oneshot, watch};

use super::checkpoint::Checkpoints;
use super::sql::{self, Connection};
use super::{StoreError, audit};

/// Steps in one transaction at most, so that a commit never takes unboundedly long.
const GROUP_STEPS_MAX: usize = 512;
/// Steps that may wait; beyond that, commands wait before they queue.
const QUEUE_STEPS_MAX: usize = 4096;

/// Part of a transaction: reads, decides on what it read, writes.
pub trait Step: Send + 'static {
    /// What the caller learns after the commit.
    type Output: Send + 'static;

    /// Runs inside the transaction. An error undoes this step and no other.
    fn run(self, connection: &Connection) -> Result<Self::Output, StoreError>;
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
    pub(super) fn spawn(connection: Connection, checkpoints: Checkpoints) -> Self {
        let (queue, receiver) = mpsc::channel(QUEUE_STEPS_MAX);
        let (running, ended) = watch::channel(());
        // A thread of its own, which does nothing but wait for the disk.
        let thread = std::thread::Builder::new().name("database-writer".to_owned());
        let write = move || {
            let _guard = crate::panics::AbortOnPanic("the database writer");
            run(connection, checkpoints, receiver);
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

fn run(
    connection: Connection,
    checkpoints: Checkpoints,
    mut queue: mpsc::Receiver<Box<dyn Queued>>,
) {
    let mut group = Vec::new();
    // Whether audit rows wait for their place in the chain: those of a version that had none get it while
    // nobody asks for anything.
    let mut behind = true;
    // Before anything was asked for, and after a transaction that failed, nothing is begun without a step.
    let mut waits_for_step = true;
    loop {
        if behind && !waits_for_step && queue.is_empty() {
            if queue.is_closed() {
                break;
            }
        } else if queue.blocking_recv_many(&mut group, GROUP_STEPS_MAX) == 0 {
            break;
        }
        let outcome = run_group(&connection, &mut group, behind);
        waits_for_step = outcome.is_err();
        behind = *outcome.as_ref().unwrap_or(&behind);
        let outcome = outcome.map(drop);
        end_if_in_doubt(&outcome);
        for step in group.drain(..) {
            step.settle(outcome.clone());
        }
        end_if_in_doubt(&checkpoints.between(&connection));
    }
    // The last connection that closes moves what is left of the log: it has to be one that writes.
    checkpoints.close();
    sql::close(connection);
}

/// Whether it is on disk is unknown, and asking fsync again would lie. The next start reads what is
/// really there.
fn end_if_in_doubt(outcome: &Result<(), StoreError>) {
    if let Err(StoreError::Durability(reason)) = outcome {
        tracing::error!(%reason, "a commit may not be durable; ending the process");
        std::process::abort();
    }
}

/// One transaction; `chains` those rows of the audit log that are not chained. True when some are left.
fn run_group(
    connection: &Connection,
    group: &mut [Box<dyn Queued>],
    chains: bool,
) -> Result<bool, StoreError> {
    sql::query("BEGIN IMMEDIATE").execute(connection)?;
    let outcome =
        run_steps(connection, group).and_then(|()| Ok(chains && audit::chain(connection)?));
    if outcome.is_err() {
        sql::query("ROLLBACK").execute(connection)?;
        return outcome;
    }
    if let Err(error) = sql::commit(connection) {
        // Best effort: SQLite may have rolled back by itself.
        let _ = sql::query("ROLLBACK").execute(connection);
        return Err(error);
    }
    outcome
}

fn run_steps(connection: &Connection, group: &mut [Box<dyn Queued>]) -> Result<(), StoreError> {
    for step in group {
        sql::query("SAVEPOINT step").execute(connection)?;
        let undo = !step.run(connection);
        if undo {
            sql::query("ROLLBACK TO step").execute(connection)?;
        }
        sql::query("RELEASE step").execute(connection)?;
    }
    Ok(())
}

/// A step of any kind in the queue.
trait Queued: Send {
    /// False when the step must be undone.
    fn run(&mut self, connection: &Connection) -> bool;

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

impl<S: Step> Queued for Entry<S> {
    fn run(&mut self, connection: &Connection) -> bool {
        let State::Waiting(step) = std::mem::replace(&mut self.state, State::Running) else {
            return false;
        };
        let result = step.run(connection);
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
