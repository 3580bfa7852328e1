//! One directory and the processes that are killed on it, one after the other.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use iot_dns_zone::Profile;
use iot_epp_api::Role;
use iot_registry::directory::Directory;
use iot_registry::https_client::HttpsClient;
use tokio::task::JoinHandle;

use super::mailbox::Mailbox;
use super::wish::MEMBERS;
use super::worker::{Lines, Moment, Worker};
use crate::accounts;
use crate::certificates::Serials;
use crate::device_ids::DeviceIds;
use crate::doors::{Addresses, Door, Line, Member};
use crate::draws::Draws;
use crate::inside::{Inside, audit};
use crate::kills::program::{Point, Program, Serving, Starting};
use crate::report::{Counts, add, add_all};

/// Clients that ask at the same time.
const WORKERS: u32 = 4;
/// Devices after which a directory is given up for a new one: each start follows its whole audit log.
pub const DEVICES_MAX: usize = 1_000;
/// Answers before an ordinary kill, at most, and the longest wait for them.
const ANSWERS: u32 = 150;
const ANSWERS_PATIENCE: Duration = Duration::from_secs(3);
/// Milliseconds from then on, at most.
const LOAD_MILLIS: u32 = 20;
/// Milliseconds from the start before an early kill, at most.
const EARLY_MILLIS: u32 = 600;
/// Time under load after which a point is held to be out of reach.
const POINT_PATIENCE: Duration = Duration::from_secs(4);
/// What the log says when a zone is not opened but signed anew.
const BUILT: &str = "the zone is built from the database";

/// When a process is killed.
#[derive(Clone, Copy, Debug)]
enum When {
    /// Under load, after everything of the kill before was settled.
    UnderLoad,
    /// Soon after "ready", while clients connect and repeat what got no answer.
    Early,
    /// Before it is ready.
    Starting,
}

/// How often each is chosen.
const WHEN: [(u32, When); 3] = [(7, When::UnderLoad), (2, When::Early), (1, When::Starting)];

/// The connections to one process, of everybody.
pub(super) struct Seats {
    pub(super) workers: Vec<Lines>,
    pub(super) mailboxes: Vec<[Line; 2]>,
}

/// Everybody at work.
struct Load {
    workers: Vec<JoinHandle<anyhow::Result<Worker>>>,
    mailboxes: Vec<JoinHandle<anyhow::Result<Mailbox>>>,
}

/// A directory and everybody who knows something about it.
pub struct Life {
    program: Program,
    ready_max: Duration,
    pub(super) directory: Directory,
    pub(super) members: Vec<Member>,
    pub(super) workers: Vec<Worker>,
    pub(super) mailboxes: Vec<Mailbox>,
    pub(super) draws: Draws,
    pub(super) audit_head: Option<[u8; 32]>,
    starts: Vec<Duration>,
    counts: Counts,
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
        let serving = Starting::spawn(&program, &directory, None)?.ready().await?;
        let registry = registry(&directory, &serving)?;
        let mut members = Vec::new();
        for (name, role) in MEMBERS.iter().zip([Role::Mno, Role::Mno, Role::Asp]) {
            members.push(Member::enrol(&directory, &registry, name, role).await?);
        }
        let stream = |who: u32| Draws::seeded(seed, number * 1_000 + u64::from(who));
        let worker = |at: u32| {
            let (lane, lanes) = (u64::from(at), u64::from(WORKERS));
            let ids = DeviceIds::new(seed ^ number, lane, lanes, DEVICES_MAX as u32);
            Worker::new(ids, stream(at), format!("worker{at}"))
        };
        let mailbox = |at: u32| Mailbox::new(stream(WORKERS + 1 + at), format!("reader{at}"));
        let life = Self {
            program,
            ready_max,
            members,
            workers: (0..WORKERS).map(worker).collect(),
            mailboxes: (0..MEMBERS.len() as u32).map(mailbox).collect(),
            draws: stream(WORKERS),
            audit_head: None,
            starts: vec![serving.took],
            counts: Counts::new(),
            directory,
        };
        serving.kill()?;
        Ok(life)
    }

    /// Devices that were asked for.
    pub fn devices(&self) -> usize {
        self.workers.iter().map(|worker| worker.devices.len()).sum()
    }

    /// Starts the registry and kills it once, at some moment.
    ///
    /// # Errors
    /// The first breach.
    pub async fn kill_once(&mut self, serials: &mut Serials) -> anyhow::Result<()> {
        match self.draws.weighted(&WHEN) {
            When::Starting => {
                let usual = self.starts.iter().max().map_or(0, Duration::as_millis);
                let millis = self.draws.below(u32::try_from(usual)?);
                let starting = Starting::spawn(&self.program, &self.directory, None)?;
                tokio::time::sleep(Duration::from_millis(u64::from(millis))).await;
                starting.kill()?;
                add(&mut self.counts, "kills while starting", 1);
            }
            When::Early => {
                let serving = self.start(serials).await?;
                let seats = self.seats(&serving);
                let early = (EARLY_MILLIS, 0);
                self.load_and_kill(serving, seats, early).await?;
                add(&mut self.counts, "kills soon after the start", 1);
            }
            When::UnderLoad => {
                let serving = self.start(serials).await?;
                let mut seats = self.seats(&serving);
                self.settle(&serving, &mut seats, false, serials).await?;
                let loaded = (LOAD_MILLIS, 1 + self.draws.below(ANSWERS));
                self.load_and_kill(serving, seats, loaded).await?;
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
    pub async fn kill_at(&mut self, point: Point, serials: &mut Serials) -> anyhow::Result<bool> {
        let starting = Starting::spawn(&self.program, &self.directory, Some(point))?;
        let reached = match starting.ready_or_killed().await? {
            None => {
                add(&mut self.counts, "kills at a point while starting", 1);
                true
            }
            Some(serving) => self.load_until(serving).await?,
        };
        let serving = self.start(serials).await?;
        let mut seats = self.seats(&serving);
        self.settle(&serving, &mut seats, false, serials).await?;
        serving.kill()?;
        Ok(reached)
    }

    async fn load_until(&mut self, mut serving: Serving) -> anyhow::Result<bool> {
        let moment = Moment::default();
        // From now on nobody has to answer.
        moment.killed.store(true, Ordering::SeqCst);
        let load = self.load(self.seats(&serving), &moment)?;
        let reached = serving.is_killed_within(POINT_PATIENCE).await?;
        if reached {
            add(&mut self.counts, "kills at a point under load", 1);
        } else {
            serving.kill()?;
        }
        self.gather(load).await?;
        Ok(reached)
    }

    async fn load_and_kill(
        &mut self,
        serving: Serving,
        seats: Seats,
        (millis_max, answers): (u32, u32),
    ) -> anyhow::Result<()> {
        let moment = Moment::default();
        let load = self.load(seats, &moment)?;
        let begin = Instant::now();
        let is_loaded = || moment.answered.load(Ordering::SeqCst) >= answers;
        while !is_loaded() && begin.elapsed() < ANSWERS_PATIENCE {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let micros = u64::from(self.draws.below(millis_max * 1_000));
        tokio::time::sleep(Duration::from_micros(micros)).await;
        moment.killed.store(true, Ordering::SeqCst);
        serving.kill()?;
        self.gather(load).await
    }

    /// Connections that are opened when they are needed.
    fn seats(&self, serving: &Serving) -> Seats {
        let addresses = addresses(serving);
        let lines = |at: usize| Lines::new(addresses, &self.members, at % 2);
        let both = |member| Door::ALL.map(|door| Line::new(door, addresses, member));
        Seats {
            workers: (0..WORKERS as usize).map(lines).collect(),
            mailboxes: self.members.iter().map(both).collect(),
        }
    }

    /// Sets everybody on a registry.
    fn load(&mut self, seats: Seats, moment: &Moment) -> anyhow::Result<Load> {
        let mut workers = Vec::new();
        for (mut worker, lines) in self.workers.drain(..).zip(seats.workers) {
            worker.prepare()?;
            workers.push(tokio::spawn(worker.load(lines, moment.clone())));
        }
        let mut mailboxes = Vec::new();
        for (mailbox, lines) in self.mailboxes.drain(..).zip(seats.mailboxes) {
            mailboxes.push(tokio::spawn(mailbox.load(lines, moment.clone())));
        }
        Ok(Load { workers, mailboxes })
    }

    async fn gather(&mut self, load: Load) -> anyhow::Result<()> {
        for (at, task) in load.workers.into_iter().enumerate() {
            let worker = task.await?.with_context(|| format!("worker {at}"))?;
            self.workers.push(worker);
        }
        for (task, name) in load.mailboxes.into_iter().zip(MEMBERS) {
            let mailbox = task.await?.with_context(|| format!("queue of {name}"))?;
            self.mailboxes.push(mailbox);
        }
        Ok(())
    }

    /// Starts the registry on a zone that is there, follows the audit log, and looks at every serial
    /// number.
    async fn start(&mut self, serials: &mut Serials) -> anyhow::Result<Serving> {
        let starting = Starting::spawn(&self.program, &self.directory, None)?;
        let serving = starting.ready().await?;
        ensure!(
            serving.took < self.ready_max,
            "ready after {:?}",
            serving.took
        );
        self.starts.push(serving.took);
        let audited = audit(&self.directory, self.audit_head).await?;
        self.audit_head = Some(audited.head);
        add(&mut self.counts, "audit chains followed", 1);
        Inside::open(&self.directory)?.note_serials(serials)?;
        Ok(serving)
    }

    /// Holds the registry to everything that was ever acknowledged, and its lists to the devices.
    ///
    /// # Errors
    /// The first breach.
    pub async fn end(mut self, serials: &mut Serials) -> anyhow::Result<(Counts, Vec<Duration>)> {
        let serving = self.start(serials).await?;
        let mut seats = self.seats(&serving);
        self.settle(&serving, &mut seats, true, serials).await?;
        for at in 0..2 {
            self.require_listed(at, &serving).await?;
        }
        serving.kill()?;
        let log = std::fs::read_to_string(&self.program.log)?;
        let built = log.matches(BUILT).count();
        ensure!(built == 1, "the zone was built {built} times");
        let devices = self.devices() as u64;
        add(&mut self.counts, "devices at the end", devices);
        for worker in &self.workers {
            add_all(&mut self.counts, &worker.counts);
        }
        for mailbox in &self.mailboxes {
            add_all(&mut self.counts, &mailbox.counts);
        }
        Ok((self.counts, self.starts))
    }
}

pub(super) fn addresses(serving: &Serving) -> Addresses {
    Addresses {
        json: serving.api,
        epp: serving.epp,
    }
}

pub(super) fn registry(directory: &Directory, serving: &Serving) -> anyhow::Result<HttpsClient> {
    let token = accounts::registry_token(directory)?;
    accounts::client(directory, serving.api, token)
}
