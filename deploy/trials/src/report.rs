//! What a run did, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use tempfile::TempDir;

/// What was counted, by name.
pub type Counts = BTreeMap<&'static str, u64>;

/// A run that ended without a breach.
#[derive(Clone, Debug)]
pub struct Report {
    /// Name of the run.
    pub topic: &'static str,
    /// Its seed.
    pub seed: u64,
    /// What was asked for.
    pub count: u32,
    /// What was done and seen.
    pub counts: Counts,
    /// Whole run.
    pub took: Duration,
}

impl Report {
    /// One JSON object.
    pub fn json(&self) -> serde_json::Value {
        json!({
            "topic": self.topic,
            "seed": self.seed,
            "count": self.count,
            "result": "ok",
            "counts": self.counts,
            "seconds": (self.took.as_secs_f64() * 10.0).round() / 10.0,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, count, .. } = self;
        let seconds = self.took.as_secs_f64();
        writeln!(
            formatter,
            "{topic}: {count} done in {seconds:.1} s, no breach"
        )?;
        for (name, number) in &self.counts {
            writeln!(formatter, "{number:>10}  {name}")?;
        }
        Ok(())
    }
}

/// After a breach, keeps the run's directory and says where it is.
///
/// # Errors
/// The breach.
pub fn keep_evidence(scratch: TempDir, result: anyhow::Result<()>) -> anyhow::Result<()> {
    result.map_err(|breach| {
        let kept = scratch.keep();
        breach.context(format!("the evidence is kept in {}", kept.display()))
    })
}

/// Says of a breach how to repeat the run in which it was found.
///
/// # Errors
/// The breach.
pub fn say_how_to_repeat<T>(
    topic: &str,
    (count, seed): (u32, u64),
    result: anyhow::Result<T>,
) -> anyhow::Result<T> {
    result.with_context(|| {
        format!("seed {seed}; again: deploy/soak/{topic} --count {count} --seed {seed}")
    })
}

/// Adds to a count.
pub fn add(counts: &mut Counts, name: &'static str, number: u64) {
    *counts.entry(name).or_default() += number;
}

/// Adds one lane's counts to those of the run.
pub fn add_all(counts: &mut Counts, more: &Counts) {
    for (name, number) in more {
        add(counts, name, *number);
    }
}
