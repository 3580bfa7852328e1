//! Power cuts on a simulated disk: after each, whatever the disk kept of what was not synced, the
//! zone that is opened is the one that was acknowledged last, or the one whose commit was on its
//! way; never less, never a mixture.
//!
//! A trial is one zone with several lives. In each it is opened, changed and re-signed until the
//! machine stops at a drawn operation of the disk (also while it opens or builds), or until a write
//! or a sync fails, after which the writer must not go on.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use iot_dns_zone::simulation::{SimulatedDisk, StoreLimits};
use iot_dns_zone::{
    Ceiling, Change, Entry, Ground, Opening, Problem, Profile, Record, Start, StaticRecords,
    ZoneConfig, ZoneError, ZoneWriter, check,
};
use iot_identity::{DeviceId, Publication, Slot, ZoneName};

use crate::accounts::ZONE;
use crate::draws::Draws;
use crate::edits::steps::{State, Step, follow, plan};
use crate::keys::KeysOfTrial;
use crate::lanes::{self, Lane};
use crate::report::{Counts, Report, add};

/// Power cuts of one zone.
const LIVES: u32 = 10;
/// Operations of the disk until the machine stops, at most.
const OPERATIONS_MAX: u32 = 160;
/// Turns of re-signing in a step.
const TURNS_MAX: u32 = 8;
/// Longest time from opening to the first version that can be answered from.
const OPENING_MAX: Duration = Duration::from_secs(1);
const PROFILE: Profile = Profile::Standard;
const BEGIN: u64 = 1_800_000_000;
const STATIC_RECORDS: &str = "ns1 A 192.0.2.1\n8a TXT \"between ids\"\n";

/// A run to come.
#[derive(Clone, Copy, Debug)]
pub struct PowerCuts {
    /// Power cuts.
    pub count: u32,
    /// Determines changes, moments and what the disk keeps.
    pub seed: u64,
    /// Number of the first zone: repeats one of a longer run.
    pub first: u32,
}

impl PowerCuts {
    /// Runs it on all cores.
    ///
    /// # Errors
    /// The first breach, with the number of its zone.
    pub fn run(self) -> anyhow::Result<Report> {
        let begin = Instant::now();
        let zones = self.count.div_ceil(LIVES);
        let counts = lanes::play(play, self.seed, self.first, zones)?;
        let (topic, seed, count, took) = ("powercuts", self.seed, self.count, begin.elapsed());
        Ok(Report {
            topic,
            seed,
            count,
            counts,
            took,
        })
    }
}

/// One zone with all its lives.
fn play(lane: &mut Lane, number: u32) -> anyhow::Result<()> {
    let directory = tempfile::tempdir_in(lane.scratch.path())?;
    let apex = ZoneName::parse(ZONE)?;
    let mut zone = Zone {
        config: ZoneConfig {
            static_records: StaticRecords::parse(STATIC_RECORDS, &apex)?,
            name_servers: vec![format!("ns1.{apex}")],
            contact: format!("hostmaster@{apex}"),
            apex,
            profile: PROFILE,
        },
        keys: lane.keys.of_trial(number),
        directory: directory.path().to_owned(),
        draws: Draws::seeded(lane.seed, u64::from(number) << 8 | 1),
        acknowledged: None,
        on_its_way: None,
        applied: 0,
        now: BEGIN,
        counts: &mut lane.counts,
    };
    for life in 0..LIVES {
        let lived = zone.live(lane.seed, number, life);
        lived.with_context(|| format!("life {life}"))?;
    }
    Ok(())
}

/// A version as the database knows it.
#[derive(Clone, Debug)]
struct Known {
    applied: u64,
    state: State,
    serial: u32,
    /// Everything in it, while nothing else can have been committed.
    records: Vec<Record>,
}

struct Zone<'a> {
    config: ZoneConfig,
    keys: KeysOfTrial<'a>,
    directory: PathBuf,
    draws: Draws,
    acknowledged: Option<Known>,
    /// A batch whose commit was not acknowledged: its number, and what it would lead to.
    on_its_way: Option<(u64, State)>,
    applied: u64,
    now: u64,
    counts: &'a mut Counts,
}

impl Zone<'_> {
    /// One life, from what the last one left to a power cut.
    fn live(&mut self, seed: u64, number: u32, life: u32) -> anyhow::Result<()> {
        let (from, into) = (self.place(life), self.place(life + 1));
        let disk = Arc::new(SimulatedDisk::new(&from)?);
        let stops_early = self.draws.chance(15);
        if stops_early {
            disk.stop_at(1 + u64::from(self.draws.below(40)));
        }
        let plan = plan(seed, number.wrapping_mul(LIVES).wrapping_add(life));
        let opened = self.open(&disk, &plan.start);
        let writer = match opened {
            Ok(mut writer) => {
                self.look(&writer)?;
                self.draw_fault(&disk);
                self.work(&mut writer, &plan.steps)?;
                Some(writer)
            }
            Err(error) => {
                let stopped = error.downcast_ref::<ZoneError>().is_some();
                ensure!(stops_early && stopped, "does not open: {error:?}");
                add(self.counts, "cuts while it opened or was built", 1);
                None
            }
        };
        // The power goes first; what the writer does while it ends is lost.
        disk.cut(u64::from(self.draws.below(u32::MAX)), &into)?;
        drop(writer);
        std::fs::remove_dir_all(&from)?;
        add(self.counts, "cuts", 1);
        Ok(())
    }

    fn place(&self, life: u32) -> PathBuf {
        self.directory.join(format!("life-{life}"))
    }

    fn draw_fault(&mut self, disk: &SimulatedDisk) {
        let operation = 1 + u64::from(self.draws.below(OPERATIONS_MAX));
        let seed = u64::from(self.draws.below(u32::MAX));
        match self.draws.below(10) {
            0 => disk.fail_sync_at(1 + operation / 8, seed),
            1 => disk.fail_write_at(1 + operation / 4),
            _ => disk.stop_at(operation),
        }
    }

    /// Opens the zone, or builds it where there is none; a zone that was acknowledged is there.
    fn open(&mut self, disk: &Arc<SimulatedDisk>, first: &State) -> anyhow::Result<ZoneWriter> {
        let begin = Instant::now();
        let serial_above = self.acknowledged.as_ref().map_or(0, |known| known.serial);
        let start = Start {
            database_id: [5; 16],
            fencing_token: 1,
            applied: self.applied,
            serial_above: 0,
            ceiling: Ceiling::for_start(PROFILE, serial_above, self.now),
            released_until: 0,
            lost_until: 0,
        };
        let (limits, keys) = (StoreLimits::tiny(), self.keys.load()?);
        let (place, now) = (Arc::clone(disk), self.now);
        match ZoneWriter::open_on(place, limits, &self.config, keys, start, now)? {
            Opening::Ready(writer) => {
                let took = begin.elapsed();
                ensure!(took < OPENING_MAX, "opened in {took:?}");
                add(self.counts, "openings", 1);
                Ok(*writer)
            }
            Opening::Build { keys, reason } => {
                ensure!(
                    self.acknowledged.is_none(),
                    "an acknowledged zone is gone: {reason}"
                );
                let state: State = first.iter().take(60).map(|(k, p)| (*k, *p)).collect();
                self.applied += 1;
                let start = Start {
                    applied: self.applied,
                    ..start
                };
                self.on_its_way = Some((self.applied, state.clone()));
                let entries = listed(&state).map(|(device_id, slot, publication)| {
                    let released_until = None;
                    Ok::<_, Infallible>(Entry {
                        device_id,
                        slot,
                        publication,
                        released_until,
                    })
                });
                let config = self.config.clone();
                let place = Arc::clone(disk);
                let ground = Ground::following(place, limits);
                let writer = ZoneWriter::build_on(ground, config, *keys, entries, start, now)?;
                add(self.counts, "zones built", 1);
                Ok(writer)
            }
        }
    }

    /// What was opened is what was acknowledged, or what was on its way.
    fn look(&mut self, writer: &ZoneWriter) -> anyhow::Result<()> {
        let snapshot = writer.snapshot();
        let (applied, serial) = (snapshot.applied(), snapshot.serial());
        let records: Vec<Record> = snapshot.records().collect::<Result<_, _>>()?;
        let known = self.acknowledged.take();
        let on_its_way = self
            .on_its_way
            .take()
            .filter(|(number, _)| *number == applied);
        let state = match (on_its_way, &known) {
            (Some((_, state)), _) => state,
            (None, Some(known)) if known.applied == applied => known.state.clone(),
            _ => {
                let acknowledged = known.map(|known| known.applied);
                bail!("applied is {applied}, acknowledged was {acknowledged:?}");
            }
        };
        if let Some(known) = &known {
            ensure!(
                serial >= known.serial,
                "serial {serial} after {}",
                known.serial
            );
            let same = serial != known.serial || records == known.records;
            ensure!(same, "serial {serial} has other records than before");
            let found = if serial == known.serial {
                "found: the acknowledged version"
            } else {
                "found: the version on its way"
            };
            add(self.counts, found, 1);
        }
        let listed = listed(&state).map(Ok::<_, Infallible>);
        let rows = records.iter().cloned().map(Ok::<_, Infallible>);
        let findings = check(&self.config.apex, rows, listed, self.now)?;
        let (late, wrong): (Vec<_>, Vec<_>) = findings
            .into_iter()
            .partition(|finding| matches!(finding.problem, Problem::NotInTime(_)));
        ensure!(wrong.is_empty(), "{wrong:?}");
        // Time goes on while the power is gone, and while signing again lags: then it has to know.
        let behind_secs = writer.sweep_behind(self.now);
        ensure!(late.is_empty() || behind_secs > 0, "expired: {late:?}");
        if !late.is_empty() {
            add(self.counts, "openings with expired signatures", 1);
        }
        self.applied = self.applied.max(applied);
        self.acknowledged = Some(Known {
            applied,
            state,
            serial,
            records,
        });
        Ok(())
    }

    /// Changes and re-signs until the steps are done or the disk fails; then nothing goes any more.
    fn work(&mut self, writer: &mut ZoneWriter, steps: &[Step]) -> anyhow::Result<()> {
        for step in steps {
            let done = match step {
                Step::Apply(changes) => self.change(writer, changes)?,
                Step::Work { secs } => {
                    self.now += (*secs).min(600);
                    self.catch_up(writer)?
                }
                _ => continue,
            };
            if done.is_err() {
                let again = writer.apply(&[], self.applied + 1, self.now);
                ensure!(again.is_err(), "the writer goes on after a failure");
                add(self.counts, "failures that ended the writer", 1);
                return Ok(());
            }
        }
        Ok(())
    }

    fn change(
        &mut self,
        writer: &mut ZoneWriter,
        changes: &[Change],
    ) -> anyhow::Result<Result<(), ZoneError>> {
        let mut state = self.known()?.state.clone();
        changes.iter().for_each(|change| follow(&mut state, change));
        self.applied += 1;
        self.on_its_way = Some((self.applied, state));
        if let Err(error) = writer.apply(changes, self.applied, self.now) {
            return Ok(Err(error));
        }
        self.acknowledge(writer)?;
        Ok(Ok(()))
    }

    /// Re-signs what is due, as far as some turns go.
    fn catch_up(&mut self, writer: &mut ZoneWriter) -> anyhow::Result<Result<(), ZoneError>> {
        for _ in 0..TURNS_MAX {
            if let Err(error) = writer.work(self.now, ZoneWriter::WORK_SIGNATURES) {
                return Ok(Err(error));
            }
            self.acknowledge(writer)?;
            if writer.next_work_at() > self.now {
                break;
            }
        }
        Ok(Ok(()))
    }

    fn acknowledge(&mut self, writer: &ZoneWriter) -> anyhow::Result<()> {
        let snapshot = writer.snapshot();
        let state = match self.on_its_way.take() {
            Some((_, state)) => state,
            None => self.known()?.state.clone(),
        };
        self.acknowledged = Some(Known {
            applied: snapshot.applied(),
            serial: snapshot.serial(),
            records: snapshot.records().collect::<Result<_, _>>()?,
            state,
        });
        add(self.counts, "versions acknowledged", 1);
        Ok(())
    }

    fn known(&self) -> anyhow::Result<&Known> {
        self.acknowledged.as_ref().context("a zone was opened")
    }
}

fn listed(state: &State) -> impl Iterator<Item = (DeviceId, Slot, Publication)> {
    state.iter().map(|(key, publication)| {
        let (device_id, slot) = key.unpack().expect("the key of a credential");
        (
            device_id,
            slot.expect("the key of a credential"),
            *publication,
        )
    })
}
