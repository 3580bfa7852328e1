//! Numbered trials on all cores, each as if it were the only one.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use anyhow::{Context, anyhow};
use tempfile::TempDir;

use crate::keys::Keys;
use crate::report::{Counts, add_all};

/// Trials between two lines of progress.
const PROGRESS_EVERY: u32 = 1_000;

/// One thread of trials: what they are played with, and what was counted.
pub(crate) struct Lane {
    pub(crate) seed: u64,
    pub(crate) keys: Keys,
    pub(crate) scratch: TempDir,
    pub(crate) counts: Counts,
}

impl Lane {
    fn begin(seed: u64) -> anyhow::Result<Self> {
        Ok(Self {
            seed,
            keys: Keys::generate()?,
            scratch: tempfile::tempdir()?,
            counts: Counts::new(),
        })
    }
}

/// A trial, by its number; its error is the breach.
pub(crate) type Trial = fn(&mut Lane, u32) -> anyhow::Result<()>;

/// Plays the trials `first` to `first` + `count` - 1 until the first breach.
pub(crate) fn play(trial: Trial, seed: u64, first: u32, count: u32) -> anyhow::Result<Counts> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let numbers = Numbers {
        next: AtomicU32::new(0),
        first,
        count,
        stopped: AtomicBool::new(false),
    };
    let mut counts = Counts::new();
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..cores)
            .map(|_| scope.spawn(|| lane(trial, seed, &numbers)))
            .collect();
        let mut breach = Ok(());
        for lane in lanes {
            let ended = lane.join().map_err(|_| anyhow!("a lane panicked"));
            match ended.and_then(|result| result) {
                Ok(more) => add_all(&mut counts, &more),
                Err(error) => breach = breach.and(Err(error)),
            }
        }
        breach
    })?;
    Ok(counts)
}

fn lane(trial: Trial, seed: u64, numbers: &Numbers) -> anyhow::Result<Counts> {
    // A lane that ends early, also by a panic, ends the others.
    let mut guard = StopUnlessDone {
        numbers,
        done: false,
    };
    let mut lane = Lane::begin(seed)?;
    while let Some(number) = numbers.next() {
        let again = || format!("number {number} (again: --count 1 --seed {seed} --first {number})");
        trial(&mut lane, number).with_context(again)?;
        if number % PROGRESS_EVERY == 0 {
            tracing::info!(number, "no breach");
        }
    }
    guard.done = true;
    Ok(lane.counts)
}

struct Numbers {
    next: AtomicU32,
    first: u32,
    count: u32,
    stopped: AtomicBool,
}

impl Numbers {
    fn next(&self) -> Option<u32> {
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        let more = at < self.count && !self.stopped.load(Ordering::Relaxed);
        more.then(|| self.first + at)
    }
}

struct StopUnlessDone<'a> {
    numbers: &'a Numbers,
    done: bool,
}

impl Drop for StopUnlessDone<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.numbers.stopped.store(true, Ordering::Relaxed);
        }
    }
}
