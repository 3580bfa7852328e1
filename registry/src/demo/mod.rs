//! The whole story in one process: registry, zone, DoT, virtual eSIM, operator, service provider.
//!
//! `story` is the sequence of steps, each with an id that tests and benches rely on; `esim` is the
//! device, `provider` the application service provider. Everything goes over the same sockets and
//! through the same doors as in production: the demo has no short cut into the registry.

mod esim;
mod explore;
mod provider;
mod report;
mod scene;
mod story;

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;

use report::Report;
use scene::Scene;

/// Arguments of `iot-registry demo`.
#[derive(Args)]
pub struct DemoArguments {
    /// End after the story instead of staying up for exploring.
    #[arg(long)]
    once: bool,
    /// Print one JSON object instead of text: {"steps":[{"id","name","ok","ms"}…]}.
    #[arg(long)]
    json: bool,
    /// Play in this directory, which must be empty, and keep it; by default in a temporary one.
    #[arg(long)]
    keep: Option<PathBuf>,
}

/// Plays the story.
///
/// # Errors
/// A step failed; the report has said which.
pub async fn run(arguments: &DemoArguments) -> anyhow::Result<()> {
    let mut report = Report::new(arguments.json);
    let scratch = Scratch::new(arguments.keep.clone())?;
    // Fixed ports only where somebody is going to look: runs in the background must not collide.
    let outcome = match report
        .step(
            "registry_made",
            "keys, trust roots and zone made, doors open",
            Scene::set(&scratch.path, arguments.once),
        )
        .await
    {
        Ok(mut scene) => {
            let outcome = story::play(&mut scene, &mut report).await;
            if outcome.is_ok() && !arguments.once {
                explore::invite(&mut scene, &mut report).await?;
            }
            scene.clear().await;
            outcome
        }
        Err(error) => Err(error),
    };
    report.finish()?;
    outcome.context("the story did not come to its end")
}

/// The demo's directory; removed at the end unless it was asked for.
struct Scratch {
    path: PathBuf,
    keep: bool,
}

impl Scratch {
    fn new(keep: Option<PathBuf>) -> anyhow::Result<Self> {
        if let Some(path) = keep {
            if path.exists() && path.read_dir()?.next().is_some() {
                bail!("{} is not empty", path.display());
            }
            return Ok(Self { path, keep: true });
        }
        let random = u64::from_be_bytes(crate::service::random_octets());
        let path = std::env::temp_dir().join(format!("iot-registry-demo-{random:016x}"));
        Ok(Self { path, keep: false })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.keep {
            // Nothing depends on it; a left-over directory is in the temporary place.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
