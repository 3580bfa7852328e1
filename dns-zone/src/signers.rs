//! The threads that sign and verify: one a core, alive as long as the writer, of lower priority
//! than those that answer.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::num::NonZero;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::key::ZoneKeys;

/// So few items are done by the caller itself: waking a thread costs as much as a signature.
const INLINE_MAX: usize = 6;
/// Items of a part: small enough to share the work evenly, large enough to hand it over seldom.
const PART_MIN: usize = 8;
const PART_MAX: usize = 512;
/// Added to the threads' nice value.
const NICENESS: i32 = 10;

type Task = Box<dyn FnOnce() + Send>;

/// What became of a part: its result, or the panic that ended it.
type Outcome<R> = Result<R, Box<dyn Any + Send>>;

/// The signing threads with the keys.
pub struct Signers {
    keys: Arc<ZoneKeys>,
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<QueueState>,
    grew: Condvar,
}

#[derive(Default)]
struct QueueState {
    tasks: VecDeque<Task>,
    closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        // Nothing that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        loop {
            let mut state = self.lock();
            let task = loop {
                if let Some(task) = state.tasks.pop_front() {
                    break task;
                }
                if state.closed {
                    return;
                }
                state = self
                    .grew
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            };
            drop(state);
            task();
        }
    }
}

impl Signers {
    /// Starts a thread for each core.
    pub fn start(keys: Arc<ZoneKeys>) -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let queue = Arc::new(Queue::default());
        let threads = (0..cores).filter_map(|_| start_thread(&queue)).collect();
        Self {
            keys,
            queue,
            threads,
        }
    }

    /// The keys.
    pub fn keys(&self) -> &Arc<ZoneKeys> {
        &self.keys
    }

    /// Applies `work` to ranges that together are `0..count`; results in the order of the ranges.
    pub(crate) fn map<R: Send + 'static>(
        &self,
        count: usize,
        work: impl Fn(Range<usize>) -> R + Send + Sync + 'static,
    ) -> Vec<R> {
        self.begin(count, work).wait()
    }

    /// Like [`Signers::map`], and lets the caller do something else meanwhile.
    pub(crate) fn begin<R: Send + 'static>(
        &self,
        count: usize,
        work: impl Fn(Range<usize>) -> R + Send + Sync + 'static,
    ) -> Pending<R> {
        if count <= INLINE_MAX || self.threads.is_empty() {
            return Pending::Done(vec![work(0..count)]);
        }
        let part = count.div_ceil(4 * self.threads.len());
        let part = part.clamp(PART_MIN, PART_MAX);
        let parts = count.div_ceil(part);
        let work = Arc::new(work);
        let (sender, receiver) = mpsc::channel();
        let tasks = (0..parts).map(|index| -> Task {
            let (work, sender) = (Arc::clone(&work), sender.clone());
            let range = index * part..count.min((index + 1) * part);
            Box::new(move || {
                let result = panic::catch_unwind(AssertUnwindSafe(|| work(range)));
                // Nobody waits any more when the caller gave up.
                let _ = sender.send((index, result));
            })
        });
        self.queue.lock().tasks.extend(tasks);
        self.queue.grew.notify_all();
        Pending::Running { parts, receiver }
    }
}

/// Work that was handed over.
pub(crate) enum Pending<R> {
    Done(Vec<R>),
    Running {
        parts: usize,
        receiver: Receiver<(usize, Outcome<R>)>,
    },
}

impl<R> Pending<R> {
    /// Waits for the results, in the order of the ranges.
    pub(crate) fn wait(self) -> Vec<R> {
        let (parts, receiver) = match self {
            Self::Done(results) => return results,
            Self::Running { parts, receiver } => (parts, receiver),
        };
        let mut results: Vec<(usize, R)> = Vec::with_capacity(parts);
        for (index, result) in receiver {
            match result {
                Ok(result) => results.push((index, result)),
                Err(panic) => panic::resume_unwind(panic),
            }
        }
        assert!(results.len() == parts, "every part sends its result");
        results.sort_unstable_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result).collect()
    }
}

fn start_thread(queue: &Arc<Queue>) -> Option<JoinHandle<()>> {
    let queue = Arc::clone(queue);
    let thread = thread::Builder::new().name("zone-signer".into());
    let started = thread.spawn(move || {
        // A system that refuses lets signing compete with answering: slower, not wrong.
        let nice = rustix::process::getpriority_process(None).unwrap_or(0);
        let _ = rustix::process::setpriority_process(None, nice + NICENESS);
        queue.serve();
    });
    started.ok()
}

impl Drop for Signers {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.grew.notify_all();
        for thread in self.threads.drain(..) {
            // Panics were caught with their part.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Signers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let threads = self.threads.len();
        write!(formatter, "Signers({:?}, {threads} threads)", self.keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_ranges() {
        let signers = Signers::start(Arc::new(ZoneKeys::generate().unwrap()));
        for count in [0, 1, 6, 7, 1000, 10_000] {
            let parts = signers.map(count, |range| range.collect::<Vec<_>>());
            assert_eq!(parts.concat(), (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_ends_no_thread() {
        let signers = Signers::start(Arc::new(ZoneKeys::generate().unwrap()));
        for _ in 0..10 {
            let caught = panic::catch_unwind(AssertUnwindSafe(|| {
                signers.map(100, |range| assert!(!range.contains(&50), "no fifty"))
            }));
            assert!(caught.is_err());
        }
        assert_eq!(
            signers.map(100, |range| range.len()).iter().sum::<usize>(),
            100
        );
    }
}
