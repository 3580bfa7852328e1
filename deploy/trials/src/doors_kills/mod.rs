//! Killing the real `iot-registry serve` while clients use both doors: registrations, new slots, holds,
//! bindings, withdrawals, renewals, deletions, restorations and transfers, at random moments or before
//! a write, sync or rename.
//!
//! After a kill the registry is started again on the same directory. What was acknowledged is there;
//! what got no answer is there wholly or not at all, and the same command under the same client
//! transaction id, through either door, leaves one effect. How often a device was changed is known from
//! its version and from the audit log, whose chain is followed after each start. Each event is in the
//! queue of who is told of it once. Database, zone and DNS say the same, and no serial number of a
//! certificate has two contents, in all directories of the run together.

pub mod device;
pub mod life;
pub mod mailbox;
pub mod recovery;
mod whole;
pub mod wish;
pub mod worker;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::certificates::Serials;
use crate::kills::{Points, count_starts};
use crate::report::{Counts, Report, add, add_all, keep_evidence, say_how_to_repeat};
use life::{DEVICES_MAX, Life};

/// Pause of a reader whose queue is empty.
const IDLE_PAUSE: Duration = Duration::from_millis(20);

/// A run to come.
#[derive(Clone, Debug)]
pub struct DoorsKills {
    /// How often the registry is killed.
    pub count: u32,
    /// Determines moments, choices and ids.
    pub seed: u64,
    /// The `iot-registry` program.
    pub program: PathBuf,
    /// Every second kill comes before an enumerated write, sync or rename; needs `strace`.
    pub with_points: bool,
    /// Longest time from the start of a process until it is ready.
    pub ready_max: Duration,
}

impl DoorsKills {
    /// Runs it in directories of its own.
    ///
    /// # Errors
    /// The first breach.
    pub async fn run(self) -> anyhow::Result<Report> {
        let begin = Instant::now();
        let mut counts = Counts::new();
        let mut serials = Serials::default();
        let mut starts = Vec::new();
        let mut killed = 0;
        let mut lives = 0;
        let mut points = Points::all();
        while killed < self.count {
            let scratch = tempfile::tempdir()?;
            let progress = (&mut killed, &mut points, &mut serials);
            let lived = self.live(scratch.path(), lives, progress).await;
            let result = lived.map(|(more, took)| {
                add_all(&mut counts, &more);
                starts.extend(took);
            });
            let result = keep_evidence(scratch, result);
            say_how_to_repeat("doors-kills", (self.count, self.seed), result)?;
            lives += 1;
        }
        add(&mut counts, "directories", lives);
        add(&mut counts, "kills", u64::from(killed));
        let seen = serials.len() as u64;
        add(
            &mut counts,
            "certificates seen, each with a serial of its own",
            seen,
        );
        count_starts(&mut counts, starts);
        Ok(Report {
            topic: "doors-kills",
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
        (killed, points, serials): (&mut u32, &mut Points, &mut Serials),
    ) -> anyhow::Result<(Counts, Vec<Duration>)> {
        let program = self.program.clone();
        let mut life = Life::begin(path, program, self.ready_max, self.seed, number).await?;
        while *killed < self.count && life.devices() < DEVICES_MAX {
            let is_at_point = self.with_points && *killed % 2 == 1;
            let point = if is_at_point { points.next() } else { None };
            match point {
                Some(point) => {
                    let reached = life.kill_at(point, serials).await;
                    if !reached.with_context(|| format!("around {point:?}"))? {
                        tracing::info!(?point, "out of reach");
                        points.out_of_reach(point);
                        continue;
                    }
                }
                None => {
                    let killing = life.kill_once(serials).await;
                    killing.with_context(|| format!("around kill {killed}"))?;
                }
            }
            *killed += 1;
            tracing::info!(killed = *killed, of = self.count, devices = life.devices());
        }
        life.end(serials).await.context("at the end of a directory")
    }
}
