//! Alarms about the freshness of signatures.

use std::collections::BTreeSet;
use std::time::Instant;

use iot_dns_zone::{Work, ZoneWriter};

use crate::repetition::Repetition;

/// Seconds between two looks.
const LOOK_PERIOD_SECS: u64 = 10;
/// Damaged pages that are remembered; a zone with more is rebuilt anyway.
const PAGES_MAX: usize = 1024;

/// What was last said about the zone's signatures.
#[derive(Debug, Default)]
pub(crate) struct Health {
    looked_at: u64,
    level: Level,
    damaged_reads: u64,
    /// Damaged pages of which was told: the hand meets them in every lap.
    damaged_pages: BTreeSet<u32>,
    /// A key that the gate does not pass is met at every name.
    refusals: Repetition,
    damage: Repetition,
}

/// How much of the life that the oldest signature should have is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    #[default]
    Good,
    BelowHalf,
    BelowQuarter,
}

impl Health {
    /// Raises the alarms of a unit of work.
    pub(crate) fn note(&mut self, work: &Work) {
        for (owner, error) in &work.refused {
            let Some(times) = self.refusals.fails(Instant::now()) else {
                tracing::debug!(owner, %error, "the gate refused new signatures as well");
                continue;
            };
            tracing::error!(
                alarm = true, owner, %error, times,
                "the gate refused new signatures; the old ones stay"
            );
        }
        for page in &work.damaged_pages {
            if self.damaged_pages.len() >= PAGES_MAX || !self.damaged_pages.insert(*page) {
                continue;
            }
            tracing::error!(
                alarm = true,
                page,
                "a page of the zone is damaged; repair it with 'iot-registry zone rebuild'"
            );
        }
    }

    /// Raises an alarm when signatures have become older than they should be, and says when they
    /// are young again.
    pub(crate) fn look(&mut self, writer: &ZoneWriter, now: u64) {
        if now.abs_diff(self.looked_at) < LOOK_PERIOD_SECS {
            return;
        }
        self.looked_at = now;
        let damaged_reads = writer.reader().damaged_reads();
        if damaged_reads > self.damaged_reads
            && let Some(times) = self.damage.fails(Instant::now())
        {
            tracing::error!(
                alarm = true,
                damaged_reads,
                times,
                "queries meet damaged pages of the zone; repair it with 'iot-registry zone rebuild'"
            );
        }
        self.damaged_reads = damaged_reads;
        let Some(freshness) = writer.freshness(now) else {
            return;
        };
        let level = if freshness.is_below_quarter() {
            Level::BelowQuarter
        } else if freshness.is_below_half() {
            Level::BelowHalf
        } else {
            Level::Good
        };
        let remaining_secs = freshness.remaining_secs;
        let behind_secs = writer.sweep_behind(now);
        if level > self.level {
            tracing::error!(
                alarm = true,
                remaining_secs,
                behind_secs,
                "signatures are close to their end; signing again does not keep up"
            );
        } else if level < self.level {
            tracing::info!(remaining_secs, behind_secs, "signatures are younger again");
        }
        self.level = level;
    }
}
