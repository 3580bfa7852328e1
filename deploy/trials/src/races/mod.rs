//! Two operators ask for the same id at the same moment, through the same door or through both; and
//! one operator repeats one request many times at once.
//!
//! Of two one is told that the device is registered, with its certificate, and the other that it
//! exists, and nothing of who has it. Afterwards there is one device with one certificate in the
//! database, one name in the zone with the winner's fingerprint, and one row in the audit log. Of many
//! repetitions each is told the same.

mod arena;
pub mod judges;
mod race;
mod repetition;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;

use crate::draws::Draws;
use crate::report::{Counts, Report, add, keep_evidence, say_how_to_repeat};
use arena::Arena;

/// Races between two sets of repetitions.
const RACES_PER_REPETITION: u32 = 10;
/// How often one request is sent in a set of repetitions.
pub const REPETITIONS: u32 = 100;
/// Races between two lines of progress.
const PROGRESS_EVERY: u32 = 100;

/// A run to come.
#[derive(Clone, Debug)]
pub struct Races {
    /// How many ids two operators ask for.
    pub count: u32,
    /// Determines ids, doors and who hesitates.
    pub seed: u64,
    /// The `iot-registry` program.
    pub program: PathBuf,
}

impl Races {
    /// Runs it in a directory of its own.
    ///
    /// # Errors
    /// The first breach.
    pub async fn run(self) -> anyhow::Result<Report> {
        let begin = Instant::now();
        let mut counts = Counts::new();
        let scratch = tempfile::tempdir()?;
        let result = self.play(scratch.path(), &mut counts).await;
        let result = keep_evidence(scratch, result);
        say_how_to_repeat("races", (self.count, self.seed), result)?;
        Ok(Report {
            topic: "races",
            seed: self.seed,
            count: self.count,
            counts,
            took: begin.elapsed(),
        })
    }

    async fn play(&self, path: &std::path::Path, counts: &mut Counts) -> anyhow::Result<()> {
        let mut arena = Arena::open(path, &self.program, self.seed).await?;
        let mut draws = Draws::seeded(self.seed, 0);
        for number in 0..self.count {
            let raced = arena.race(number, &mut draws, counts).await;
            raced.with_context(|| format!("race {number}"))?;
            if number % RACES_PER_REPETITION == 0 {
                let repeated = arena.repeat(number, &mut draws, counts).await;
                repeated.with_context(|| format!("repetitions after race {number}"))?;
            }
            if (number + 1) % PROGRESS_EVERY == 0 {
                tracing::info!(raced = number + 1, of = self.count);
            }
        }
        add(counts, "races", u64::from(self.count));
        arena.end(counts).await.context("at the end")
    }
}
