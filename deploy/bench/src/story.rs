//! The topic `story`: the demo as a user runs it, a clean build, and a cold run of all tests.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::figure::Figure;
use crate::machine;

const DEMO_RUNS: usize = 20;
const DEMO_RUNS_QUICK: usize = 5;

#[derive(Deserialize)]
struct Story {
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    id: String,
    ok: bool,
    ms: f64,
}

pub(crate) fn measure(quick: bool) -> anyhow::Result<Vec<Figure>> {
    let runs = if quick { DEMO_RUNS_QUICK } else { DEMO_RUNS };
    let mut stories = Vec::with_capacity(runs);
    for _ in 0..runs {
        stories.push(play()?);
    }
    let scale = format!("worst of {runs} runs");
    let mut figures = vec![
        Figure::new(
            "demo_steps_ok",
            stories.iter().map(share_ok).fold(1.0, f64::min),
            "share",
            scale.clone(),
        ),
        Figure::new(
            "deactivation_visible_over_dot_ms",
            worst_ms(&stories, "deactivation_visible_over_dot")?,
            "ms",
            scale,
        ),
    ];
    figures.extend(machine::floors()?);
    if !quick {
        figures.push(clean(
            "clean_release_build_secs",
            "cargo",
            &["build", "--release", "--locked"],
        )?);
        figures.push(clean("test_cold_secs", "./test", &[])?);
    }
    Ok(figures)
}

/// Plays the demo once, with the program beside this one.
fn play() -> anyhow::Result<Story> {
    let program = std::env::current_exe()?.with_file_name("iot-registry");
    let output = Command::new(&program)
        .args(["demo", "--once", "--json"])
        .output()
        .with_context(|| program.display().to_string())?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn share_ok(story: &Story) -> f64 {
    let ok = story.steps.iter().filter(|step| step.ok).count();
    ok as f64 / story.steps.len().max(1) as f64
}

fn worst_ms(stories: &[Story], id: &str) -> anyhow::Result<f64> {
    let of_story = |story: &Story| {
        story
            .steps
            .iter()
            .find(|step| step.id == id)
            .map(|step| step.ms)
    };
    let times: Option<Vec<f64>> = stories.iter().map(of_story).collect();
    let times = times.with_context(|| format!("a run without the step {id}"))?;
    Ok(times.into_iter().fold(0.0, f64::max))
}

/// Runs a command with an empty target directory.
fn clean(id: &'static str, program: &str, arguments: &[&str]) -> anyhow::Result<Figure> {
    let target = PathBuf::from("target").join(format!("clean-{id}"));
    if target.exists() {
        std::fs::remove_dir_all(&target)?;
    }
    std::fs::create_dir_all(&target)?;
    let begin = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .env("CARGO_TARGET_DIR", std::fs::canonicalize(&target)?)
        .stdout(Stdio::null())
        .status()?;
    let value = begin.elapsed().as_secs_f64();
    std::fs::remove_dir_all(&target)?;
    ensure!(status.success(), "{program} {arguments:?} failed");
    Ok(Figure::new(id, value, "s", "empty target directory"))
}
