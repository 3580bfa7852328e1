//! Killing the real `iot-registry serve` at random moments while several clients register and hold
//! devices.
//!
//! After a kill the registry is started again on the same directory. What was acknowledged is in
//! the database and in the zone; what got no answer is there wholly or not at all, and asking again
//! with the same client transaction id gives one device with one certificate. The serial rises with
//! every start, and the zone equals the database.

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

/// A run to come.
#[derive(Clone, Debug)]
pub struct Kills {
    /// How often the registry is killed.
    pub count: u32,
    /// Determines moments, choices and ids.
    pub seed: u64,
    /// The `iot-registry` program.
    pub program: PathBuf,
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
        while killed < self.count {
            let scratch = tempfile::tempdir()?;
            let lived = self.live(scratch.path(), lives, &mut killed).await;
            let result = lived.map(|(more, took)| {
                add_all(&mut counts, &more);
                starts.extend(took);
            });
            keep_evidence(scratch, result)?;
            lives += 1;
        }
        add(&mut counts, "directories", lives);
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
    ) -> anyhow::Result<(Counts, Vec<Duration>)> {
        let mut life = Life::begin(path, &self.program, self.seed, number).await?;
        while *killed < self.count && life.devices() < DEVICES_MAX {
            life.kill_once()
                .await
                .with_context(|| format!("around kill {killed}"))?;
            *killed += 1;
            tracing::info!(killed = *killed, of = self.count, devices = life.devices());
        }
        life.end().await.context("at the end of a directory")
    }
}

fn count_starts(counts: &mut Counts, mut starts: Vec<Duration>) {
    starts.sort_unstable();
    let millis = |start: &Duration| start.as_millis() as u64;
    if let (Some(median), Some(longest)) = (starts.get(starts.len() / 2), starts.last()) {
        add(counts, "starts that came to 'ready'", starts.len() as u64);
        add(counts, "milliseconds to 'ready', median", millis(median));
        add(counts, "milliseconds to 'ready', longest", millis(longest));
    }
}
