//! One directory and the processes that are killed on it, one after the other.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, ensure};
use iot_dns_zone::{Profile, serial};
use iot_epp_api::BearerToken;
use iot_registry::directory::Directory;
use tokio::task::JoinHandle;

use super::ledger::Entry;
use super::program::{Point, Program, Serving, Starting};
use super::recovery::{Witnesses, look_inside};
use super::worker::{Killed, Worker};
use crate::accounts::{self, OPERATORS};
use crate::device_ids::DeviceIds;
use crate::draws::Draws;
use crate::names::Names;
use crate::report::{Counts, add, add_all};

/// Clients that ask at the same time.
const WORKERS: u32 = 4;
/// Devices after which a directory is given up for a new one: each kill asks the DNS about many of
/// them, and a run is about kills.
pub const DEVICES_MAX: usize = 1_500;
/// Settled devices that are looked at again after a kill.
const LOOKED_AT_AGAIN: u32 = 10;
/// Milliseconds of load before an ordinary kill, at most.
const LOAD_MILLIS: u32 = 500;
/// Milliseconds of load before a kill right after the start, at most.
const EARLY_MILLIS: u32 = 40;

/// Time under load after which a point is held to be out of reach.
const POINT_PATIENCE: Duration = Duration::from_secs(2);
/// What the log says when a zone is not opened but signed anew.
const BUILT: &str = "the zone is built from the database";

/// When a process is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// Under load, after everything of the kill before was settled.
    UnderLoad,
    /// Right after "ready", while clients repeat what got no answer.
    Early,
    /// Before it is ready.
    Starting,
}

/// How often each moment is chosen.
const MOMENTS: [(u32, Moment); 3] = [
    (6, Moment::UnderLoad),
    (3, Moment::Early),
    (1, Moment::Starting),
];

/// A client at work.
type Load = JoinHandle<anyhow::Result<Worker>>;

/// A directory and everybody who knows something about it.
pub struct Life {
    program: Program,
    ready_max: Duration,
    directory: Directory,
    registry: BearerToken,
    tokens: Vec<BearerToken>,
    workers: Vec<Worker>,
    draws: Draws,
    /// Highest serial that was ever published, as far as anybody was told.
    serial: Option<u32>,
    /// How long the starts took.
    pub starts: Vec<Duration>,
    /// What was done and seen.
    pub counts: Counts,
}

impl Life {
    /// Makes a registry and its accounts in a directory.
    ///
    /// # Errors
    /// When the registry cannot be made or does not start.
    pub async fn begin(
        path: &Path,
        program: PathBuf,
        ready_max: Duration,
        seed: u64,
        number: u64,
    ) -> anyhow::Result<Self> {
        let directory = accounts::initialise(&path.join("data"), Profile::Standard)?;
        let program = Program {
            path: program,
            log: path.join("serve.log"),
        };
        let registry = accounts::registry_token(&directory)?;
        let serving = Starting::spawn(&program, &directory, None)?.ready().await?;
        let client = accounts::client(&directory, serving.api, registry.clone())?;
        let tokens = accounts::make_operators(&client).await?;
        let stream = |worker: u32| number * 1_000 + u64::from(worker);
        let worker = |worker: u32| {
            let lane = (u64::from(worker), u64::from(WORKERS));
            let ids = DeviceIds::new(seed ^ number, lane.0, lane.1, DEVICES_MAX as u32 / WORKERS);
            let draws = Draws::seeded(seed, stream(worker));
            Worker::new(ids, draws, format!("worker{worker}"))
        };
        let life = Self {
            program,
            ready_max,
            registry,
            tokens,
            workers: (0..WORKERS).map(worker).collect(),
            draws: Draws::seeded(seed, stream(WORKERS)),
            serial: Some(serving.serial),
            starts: vec![serving.took],
            counts: Counts::new(),
            directory,
        };
        serving.kill()?;
        Ok(life)
    }

    /// Devices that were asked for.
    pub fn devices(&self) -> usize {
        self.workers.iter().map(|worker| worker.entries.len()).sum()
    }

    /// Starts the registry and kills it once.
    ///
    /// # Errors
    /// The first breach.
    pub async fn kill_once(&mut self) -> anyhow::Result<()> {
        for worker in &mut self.workers {
            worker.prepare()?;
        }
        match self.draws.weighted(&MOMENTS) {
            Moment::Starting => {
                let usual = self.starts.iter().max().map_or(0, Duration::as_millis);
                let millis = self.draws.below(u32::try_from(usual)?);
                let starting = Starting::spawn(&self.program, &self.directory, None)?;
                tokio::time::sleep(Duration::from_millis(u64::from(millis))).await;
                starting.kill()?;
                add(&mut self.counts, "kills while starting", 1);
            }
            Moment::Early => {
                let serving = self.start().await?;
                self.load_and_kill(serving, EARLY_MILLIS).await?;
                add(&mut self.counts, "kills right after the start", 1);
            }
            Moment::UnderLoad => {
                let serving = self.start().await?;
                self.settle(&serving, false).await?;
                self.load_and_kill(serving, LOAD_MILLIS).await?;
                add(&mut self.counts, "kills under load", 1);
            }
        }
        Ok(())
    }

    /// Starts the registry so that it is killed at a point, while it starts or under load, and then
    /// an ordinary one, which is held to what was acknowledged. False when the point was out of
    /// reach: then it was killed at some moment.
    ///
    /// # Errors
    /// The first breach.
    pub async fn kill_at(&mut self, point: Point) -> anyhow::Result<bool> {
        for worker in &mut self.workers {
            worker.prepare()?;
        }
        let starting = Starting::spawn(&self.program, &self.directory, Some(point))?;
        let reached = match starting.ready_or_killed().await? {
            None => {
                add(&mut self.counts, "kills at a point while starting", 1);
                true
            }
            Some(serving) => self.load_until(serving).await?,
        };
        let serving = self.start().await?;
        self.settle(&serving, false).await?;
        serving.kill()?;
        Ok(reached)
    }

    async fn load_until(&mut self, mut serving: Serving) -> anyhow::Result<bool> {
        self.note_start(serving.serial)?;
        // From now on nobody has to answer.
        let killed = Killed::default();
        killed.store(true, Ordering::SeqCst);
        let tasks = self.load(&serving, &killed)?;
        let reached = serving.is_killed_within(POINT_PATIENCE).await?;
        if reached {
            add(&mut self.counts, "kills at a point under load", 1);
        } else {
            serving.kill()?;
        }
        self.gather(tasks).await?;
        Ok(reached)
    }

    /// Holds the registry to everything that was ever acknowledged, and looks into its database.
    ///
    /// # Errors
    /// The first breach.
    pub async fn end(mut self) -> anyhow::Result<(Counts, Vec<Duration>)> {
        let serving = self.start().await?;
        self.settle(&serving, true).await?;
        serving.kill()?;
        let log = std::fs::read_to_string(&self.program.log)?;
        let built = log.matches(BUILT).count();
        ensure!(built == 1, "the zone was built {built} times");
        let entries = self.workers.iter().flat_map(|worker| &worker.entries);
        let entries: Vec<&Entry> = entries.collect();
        let (serial, voided) = look_inside(&self.directory, &entries).await?;
        require_not_lower(serial, self.serial)?;
        add(&mut self.counts, "devices at the end", entries.len() as u64);
        add(
            &mut self.counts,
            "slots set aside in vain, never used",
            voided,
        );
        for worker in &self.workers {
            add_all(&mut self.counts, &worker.counts);
        }
        Ok((self.counts, self.starts))
    }

    fn note_start(&mut self, serial: u32) -> anyhow::Result<()> {
        require_not_lower(serial, self.serial)?;
        self.serial = Some(serial);
        Ok(())
    }

    /// Starts the registry on a zone that is there.
    async fn start(&mut self) -> anyhow::Result<Serving> {
        let starting = Starting::spawn(&self.program, &self.directory, None)?;
        let serving = starting.ready().await?;
        self.note_start(serving.serial)?;
        ensure!(
            serving.took < self.ready_max,
            "ready after {:?}",
            serving.took
        );
        self.starts.push(serving.took);
        Ok(serving)
    }

    async fn load_and_kill(&mut self, serving: Serving, millis_max: u32) -> anyhow::Result<()> {
        let killed = Killed::default();
        let tasks = self.load(&serving, &killed)?;
        let micros = u64::from(self.draws.below(millis_max * 1_000));
        tokio::time::sleep(Duration::from_micros(micros)).await;
        killed.store(true, Ordering::SeqCst);
        serving.kill()?;
        self.gather(tasks).await
    }

    /// Sets the clients on a registry.
    fn load(&mut self, serving: &Serving, killed: &Killed) -> anyhow::Result<Vec<Load>> {
        let mut tasks = Vec::new();
        for (number, worker) in self.workers.drain(..).enumerate() {
            let token = self.tokens[number % OPERATORS.len()].clone();
            let client = accounts::client(&self.directory, serving.api, token)?;
            let killed = Arc::clone(killed);
            tasks.push(tokio::spawn(
                async move { worker.load(&client, &killed).await },
            ));
        }
        Ok(tasks)
    }

    async fn gather(&mut self, tasks: Vec<Load>) -> anyhow::Result<()> {
        for (number, task) in tasks.into_iter().enumerate() {
            let worker = task.await?.with_context(|| format!("worker {number}"))?;
            if let Some(serial) = worker.serial {
                self.serial = serial::later_of(self.serial, serial);
            }
            self.workers.push(worker);
        }
        Ok(())
    }

    /// Holds the registry to what was touched since the last time, and to some or all of the rest.
    async fn settle(&mut self, serving: &Serving, everything: bool) -> anyhow::Result<()> {
        let registry = accounts::client(&self.directory, serving.api, self.registry.clone())?;
        accounts::check_zone(&registry).await?;
        let names = Names::at(&self.directory, serving.dot)?;
        for (number, worker) in self.workers.iter_mut().enumerate() {
            let token = self.tokens[number % OPERATORS.len()].clone();
            let client = accounts::client(&self.directory, serving.api, token)?;
            let witnesses = Witnesses {
                client: &client,
                names: &names,
            };
            let count = u32::try_from(worker.entries.len())?;
            for entry in &mut worker.entries {
                let again = everything || self.draws.below(count) < LOOKED_AT_AGAIN;
                if again || entry.touched || !entry.is_settled() {
                    witnesses.settle(entry, &mut self.counts).await?;
                }
            }
        }
        // Every device that was asked for is registered now, so each has its one name, unless it was
        // deleted.
        let device_names = accounts::check_zone(&registry).await?;
        let entries = self.workers.iter().flat_map(|worker| &worker.entries);
        let devices = entries.filter(|entry| !entry.is_deleted()).count() as u64;
        ensure!(
            device_names == devices,
            "the zone has {device_names} device names, {devices} devices are not deleted"
        );
        Ok(())
    }
}

fn require_not_lower(serial: u32, before: Option<u32>) -> anyhow::Result<()> {
    ensure!(
        before.is_none_or(|before| serial == before || serial::is_after(serial, before)),
        "the serial went from {before:?} to {serial}"
    );
    Ok(())
}
