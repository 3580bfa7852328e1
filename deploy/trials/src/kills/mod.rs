//! Killing the real `iot-registry serve` while several clients register, hold and delete devices: at
//! random moments, or before each write, sync and rename that it makes, one after the other.
//!
//! After a kill the registry is started again on the same directory. What was acknowledged is in
//! the database and in the zone; what got no answer is there wholly or not at all, and asking again
//! with the same client transaction id gives one device with one certificate. The zone is opened and
//! never built again, its serial never falls, it equals the database, and it is ready soon.

pub mod ledger;
pub mod life;
pub mod program;
pub mod recovery;
pub mod worker;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::report::{Counts, Report, add, add_all, keep_evidence};
use life::{DEVICES_MAX, Life};
use program::Point;

/// A run to come.
#[derive(Clone, Debug)]
pub struct Kills {
    /// How often the registry is killed.
    pub count: u32,
    /// Determines moments, choices and ids.
    pub seed: u64,
    /// The `iot-registry` program.
    pub program: PathBuf,
    /// At enumerated points instead of random moments; needs `strace`.
    pub enumerated: bool,
    /// Longest time from the start of a process until it is ready.
    pub ready_max: Duration,
}

/// Calls that change files or make them durable.
const CALLS: [&str; 4] = ["fdatasync", "pwrite64", "fsync", "rename"];

/// Points one after the other: the first of each call, the second of each, until they are out of
/// reach.
pub(crate) struct Points {
    calls: Vec<&'static str>,
    at: usize,
    number: u16,
}

impl Points {
    pub(crate) fn all() -> Self {
        Self {
            calls: CALLS.to_vec(),
            at: 0,
            number: 1,
        }
    }

    pub(crate) fn next(&mut self) -> Option<Point> {
        if self.at >= self.calls.len() {
            self.at = 0;
            self.number += 1;
        }
        let call = *self.calls.get(self.at)?;
        self.at += 1;
        let number = self.number;
        Some(Point { call, number })
    }

    pub(crate) fn out_of_reach(&mut self, point: Point) {
        self.at -= 1;
        self.calls.retain(|call| *call != point.call);
    }
}

impl Kills {
    /// Runs it in directories of its own.
    ///
    /// # Errors
    /// The first breach.
    pub async fn run(self) -> anyhow::Result<Report> {
        let begin = Instant::now();
        let mut counts = Counts::new();
        let mut starts = Vec::new();
        let mut killed = 0;
        let mut lives = 0;
        let mut points = Points::all();
        while killed < self.count && !points.calls.is_empty() {
            let scratch = tempfile::tempdir()?;
            let lived = self.live(scratch.path(), lives, &mut killed, &mut points);
            let lived = lived.await;
            let result = lived.map(|(more, took)| {
                add_all(&mut counts, &more);
                starts.extend(took);
            });
            keep_evidence(scratch, result)?;
            lives += 1;
        }
        add(&mut counts, "directories", lives);
        add(&mut counts, "kills", u64::from(killed));
        count_starts(&mut counts, starts);
        Ok(Report {
            topic: "kills",
            seed: self.seed,
            count: self.count,
            counts,
            took: begin.elapsed(),
        })
    }

    /// Kills on one directory until it has enough devices or there were enough kills.
    async fn live(
        &self,
        path: &std::path::Path,
        number: u64,
        killed: &mut u32,
        points: &mut Points,
    ) -> anyhow::Result<(Counts, Vec<Duration>)> {
        let program = self.program.clone();
        let mut life = Life::begin(path, program, self.ready_max, self.seed, number).await?;
        while *killed < self.count && life.devices() < DEVICES_MAX {
            if self.enumerated {
                let Some(point) = points.next() else { break };
                let reached = life.kill_at(point).await;
                if !reached.with_context(|| format!("around {point:?}"))? {
                    tracing::info!(?point, "out of reach");
                    points.out_of_reach(point);
                    continue;
                }
            } else {
                let killing = life.kill_once().await;
                killing.with_context(|| format!("around kill {killed}"))?;
            }
            *killed += 1;
            tracing::info!(killed = *killed, of = self.count, devices = life.devices());
        }
        life.end().await.context("at the end of a directory")
    }
}

pub(crate) fn count_starts(counts: &mut Counts, mut starts: Vec<Duration>) {
    starts.sort_unstable();
    let millis = |start: &Duration| start.as_millis() as u64;
    if let (Some(median), Some(longest)) = (starts.get(starts.len() / 2), starts.last()) {
        add(counts, "starts that came to 'ready'", starts.len() as u64);
        add(counts, "milliseconds to 'ready', median", millis(median));
        add(counts, "milliseconds to 'ready', longest", millis(longest));
    }
}
