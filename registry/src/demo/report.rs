//! Steps with their times, as text while they happen or as JSON at the end.

use std::future::Future;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::cli::output::print_line;

/// One step that was played.
#[derive(Serialize)]
struct Step {
    id: &'static str,
    name: &'static str,
    ok: bool,
    ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What was played so far.
pub(super) struct Report {
    json: bool,
    steps: Vec<Step>,
}

#[derive(Serialize)]
struct Document<'a> {
    steps: &'a [Step],
}

impl Report {
    pub(super) fn new(json: bool) -> Self {
        Self {
            json,
            steps: Vec::new(),
        }
    }

    /// Plays a step and takes its time.
    pub(super) async fn step<T>(
        &mut self,
        id: &'static str,
        name: &'static str,
        act: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let begin = Instant::now();
        let result = act.await;
        self.add(id, name, begin.elapsed(), result.as_ref().err());
        result
    }

    /// Adds a step whose time was taken elsewhere.
    pub(super) fn add(
        &mut self,
        id: &'static str,
        name: &'static str,
        elapsed: Duration,
        error: Option<&anyhow::Error>,
    ) {
        let ms = (elapsed.as_secs_f64() * 1e6).round() / 1e3;
        let error = error.map(|error| format!("{error:#}"));
        if !self.json {
            let mark = if error.is_some() { "FAILED" } else { "ok" };
            print_line!(
                "{:>2}. {name:<66} {ms:>9.3} ms  {mark}",
                self.steps.len() + 1
            );
            if let Some(error) = &error {
                print_line!("      {error}");
            }
        }
        self.steps.push(Step {
            id,
            name,
            ok: error.is_none(),
            ms,
            error,
        });
    }

    /// A line of explanation under the last step.
    pub(super) fn say(&self, line: &str) {
        if !self.json {
            print_line!("      {line}");
        }
    }

    /// Ends the report: prints the JSON.
    pub(super) fn finish(&self) -> anyhow::Result<()> {
        if self.json {
            print_line!(
                "{}",
                serde_json::to_string(&Document { steps: &self.steps })?
            );
        }
        Ok(())
    }
}
