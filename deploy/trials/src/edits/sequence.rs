//! Playing one sequence.

use std::path::Path;

use anyhow::{Context, ensure};
use iot_registry::clock::unix_now;

use super::history::History;
use super::steps::{Plan, State, Step, follow, plan};
use super::zone::Zone;
use crate::keys::{self, KeysOfTrial};
use crate::lanes::Lane;
use crate::operations::judges;
use crate::report::{Counts, add};
use crate::zone_text::ZoneText;

/// One sequence with real keys in so many is judged by dnssec-verify and kzonecheck too.
const JUDGED_EVERY: u32 = 2;

/// Plays the sequence with this number.
pub(super) fn play(lane: &mut Lane, number: u32) -> anyhow::Result<()> {
    let keys = lane.keys.of_trial(number);
    let judged = keys.are_real() && (number / keys::REAL_EVERY).is_multiple_of(JUDGED_EVERY);
    let plan = plan(lane.seed, number);
    let directory = tempfile::tempdir_in(lane.scratch.path())?;
    // The clock ends now, when the outside judges look.
    let mut now = unix_now() - plan.steps.iter().map(Step::secs).sum::<u64>();
    let mut state = plan.start.clone();
    let zone = Zone::build(directory.path(), keys.load()?, plan.profile, &state, now)?;
    let history = History::begin(zone.records()?)?;
    let mut playing = Playing {
        zone,
        history,
        keys,
        counts: &mut lane.counts,
    };
    for (at, step) in plan.steps.iter().enumerate() {
        let played = playing.step(step, &mut state, &mut now);
        played.with_context(|| format!("step {at}: {step:?}"))?;
    }
    playing.end(&plan, &state, now, lane.scratch.path(), judged)?;
    add(&mut lane.counts, "sequences", 1);
    if keys.are_real() {
        add(&mut lane.counts, "sequences with real keys", 1);
    }
    Ok(())
}

struct Playing<'a> {
    zone: Zone,
    history: History,
    keys: KeysOfTrial<'a>,
    counts: &'a mut Counts,
}

impl Playing<'_> {
    fn step(&mut self, step: &Step, state: &mut State, now: &mut u64) -> anyhow::Result<()> {
        match step {
            Step::Apply(changes) => {
                let applied = self.zone.apply(changes, *now)?;
                self.history.hold_bounds(&applied, *now)?;
                self.history.release_batch(self.zone.records()?, changes)?;
                for change in changes {
                    follow(state, change);
                }
                let (found, expected) = (self.zone.device_names()?, state.len() as u64);
                ensure!(found == expected, "{found} device names, not {expected}");
                add(self.counts, "batches", 1);
                add(self.counts, "changes", changes.len() as u64);
            }
            Step::Work { secs } => {
                *now += secs;
                let signatures = self.zone.work(*now)?;
                self.history.release(self.zone.records()?)?;
                add(self.counts, "signatures made again", signatures as u64);
            }
            Step::Sleep { secs } => {
                *now += secs;
                let signatures = self.zone.catch_up(*now)?;
                self.history.release(self.zone.records()?)?;
                add(self.counts, "signatures made again", signatures);
                add(self.counts, "times that everything had expired", 1);
            }
            Step::Back { secs } => *now -= secs,
            Step::OpenAgain => {
                let before = self.zone.records()?;
                self.zone.open_again(self.keys.load()?, *now)?;
                ensure!(
                    self.zone.records()? == before,
                    "opened again, the zone is another one"
                );
                add(self.counts, "zones opened again", 1);
            }
        }
        Ok(())
    }

    /// The zone has to be the one that a full signing makes, in the eyes of all judges.
    fn end(
        &mut self,
        plan: &Plan,
        state: &State,
        now: u64,
        scratch: &Path,
        judged: bool,
    ) -> anyhow::Result<()> {
        let signatures = self.zone.catch_up(now)?;
        add(self.counts, "signatures made again", signatures);
        let directory = tempfile::tempdir_in(scratch)?;
        let full = Zone::build(
            directory.path(),
            self.keys.load()?,
            plan.profile,
            state,
            now,
        )?
        .text()?;
        let text = self.zone.text()?;
        let (zone, full) = (ZoneText::parse(&text)?, ZoneText::parse(&full)?);
        judges::equal(&zone, &full)?;
        let findings = self.zone.findings(state, now)?;
        ensure!(findings.is_empty(), "own check: {findings:?}");
        add(
            self.counts,
            "signatures verified",
            zone.signatures()?.len() as u64,
        );
        if judged {
            let file = directory.path().join("dump.zone");
            std::fs::write(&file, &text)?;
            if judges::outside(&file, &zone)?.is_some() {
                add(
                    self.counts,
                    "zones judged by dnssec-verify and kzonecheck",
                    1,
                );
            }
        }
        Ok(())
    }
}

impl Step {
    /// Seconds that pass, as far as the clock goes forward.
    fn secs(&self) -> u64 {
        match self {
            Self::Work { secs } | Self::Sleep { secs } => *secs,
            Self::Apply(_) | Self::Back { .. } | Self::OpenAgain => 0,
        }
    }
}
