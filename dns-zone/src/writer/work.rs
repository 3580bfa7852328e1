//! Keeping signatures fresh: what queries wait for, the fixed names, then the hand.

use super::ZoneWriter;
use super::due::{Due, Wanted, fixed_due, fixed_due_at, plan_again};
use super::freshness::{Freshness, earlier};
use crate::error::ZoneError;
use crate::gate::{GateError, Passed};
use crate::position::Key;
use crate::quarantine::offenders;
use crate::record_type::{TYPE_NSEC, is_key_type};
use crate::seal::seal;
use crate::serial;
use crate::snapshot::{Snapshot, device_presentation};
use crate::store::Damaged;
use crate::store::record::RecordView;
use crate::store::tree::{Gap, Tree};
use crate::urgent::UrgentName;

/// Names that queries wait for, taken in one turn at most.
const URGENT_NAMES_MAX: usize = 8;
/// Names that the hand passes in one turn at most, when few of them need anything.
const PASSED_NAMES_MAX: u64 = 8192;
/// Names of a full block.
const BLOCK_NAMES: u64 = 16;

/// What a turn of [`ZoneWriter::work`] did.
#[derive(Clone, Debug, Default)]
pub struct Work {
    /// Names that queries waited for.
    pub urgent: usize,
    /// Signatures made.
    pub signatures: usize,
    /// Names that the hand passed.
    pub passed: u64,
    /// Names whose new signatures the gate refused; they keep the old ones.
    pub refused: Vec<(String, GateError)>,
    /// Pages that the hand could not read and went around.
    pub damaged_pages: Vec<u32>,
}

impl ZoneWriter {
    /// Signatures of one turn of [`ZoneWriter::work`]: some 2 ms on each of two cores.
    pub const WORK_SIGNATURES: usize = 192;
    /// The same while changes come, which have to wait for a turn that has begun: some 2 ms of CPU
    /// time in all.
    pub const WORK_SIGNATURES_AMONG_CHANGES: usize = 96;

    /// One turn of keeping signatures fresh, as one version: names that queries wait for, then fixed
    /// names that are due, then what the hand passes until it is level with the clock or about
    /// `signatures_max` are made. `applied` stays; with nothing due, nothing is committed.
    ///
    /// # Errors
    /// As for [`ZoneWriter::apply`]; what was due is due again then.
    pub fn work(&mut self, now: u64, signatures_max: usize) -> Result<Work, ZoneError> {
        let present = self.snapshot();
        self.check_writable(&present, now)?;
        let (hand, freshness) = (self.hand.clone(), self.freshness);
        let done = self.work_on(&present, now, signatures_max);
        if done.is_err() {
            (self.hand, self.freshness) = (hand, freshness);
        }
        done
    }

    fn work_on(
        &mut self,
        present: &Snapshot,
        now: u64,
        signatures_max: usize,
    ) -> Result<Work, ZoneError> {
        self.hand.follow_clock(now);
        let mut work = Work::default();
        let renew_age_secs = self.hand.renew_age_secs(present.profile(), now);
        let mut wanted = Wanted {
            renew_age_secs,
            now,
            names: Vec::new(),
            signatures: 0,
        };
        let urgent = self.urgent.take(URGENT_NAMES_MAX);
        work.urgent = urgent.len();
        for name in &urgent {
            if let UrgentName::Device(key) = name
                && let Err(damaged) = wanted.want_block_of(present.tree(), key)
            {
                work.damaged_pages.push(damaged.page);
            }
        }
        self.pass_due(present, signatures_max, &mut wanted, &mut work)?;
        let fixed = self.fixed_due(present, now, &mut work);
        if wanted.names.is_empty() && fixed.is_empty() {
            return Ok(work);
        }
        let mut names = wanted.names;
        names.sort_unstable();
        names.dedup();
        let due = Due {
            names,
            renew_age_secs,
            fixed,
        };
        let passed = self.renew(present, &due, now, &mut work)?;
        let batch = seal(passed, present.applied())?;
        work.signatures = batch.signatures;
        self.publish(batch, now)?;
        Ok(work)
    }

    /// Signs and gates names again; those that the gate refuses are left as they are.
    fn renew(
        &mut self,
        present: &Snapshot,
        due: &Due,
        now: u64,
        work: &mut Work,
    ) -> Result<Passed, ZoneError> {
        let serial_above = self.present_serial(present);
        let mut attempt = |names: &[Key]| {
            let planned = plan_again(present, names, due, serial_above, now);
            match planned.and_then(|to_sign| self.pass(to_sign)) {
                Err(ZoneError::Damaged { page }) => Ok(Err(GateError::Damaged { page })),
                passed => passed,
            }
        };
        let error = match attempt(&due.names)? {
            Ok(passed) => return Ok(passed),
            Err(error) if error.concerns_everything() => return Err(error.into()),
            Err(error) => error,
        };
        let mut passes = |part: &[Key]| Ok(attempt(part)?.map(|_| ()));
        let found = offenders::<_, ZoneError>(&due.names, error, &mut passes)?;
        let mut accepted = due.names.clone();
        for (at, error) in found.into_iter().rev() {
            let key = accepted.remove(at);
            let owner = device_presentation(&key, present.apex());
            work.refused.push((owner, error));
        }
        Ok(attempt(&accepted)??)
    }

    /// RRsets of fixed names that are due, by place and type. An NSEC whose next name lies under a
    /// damaged page is left as it is until the next lap.
    fn fixed_due(&mut self, present: &Snapshot, now: u64, work: &mut Work) -> Vec<(usize, u16)> {
        let mut due = fixed_due(present, now);
        due.retain(|(at, record_type)| {
            if *record_type != TYPE_NSEC || self.unlinked.contains(at) {
                return *record_type != TYPE_NSEC;
            }
            let key = &present.fixed.names()[*at].position.key;
            match present.first_device_after(key) {
                Ok(_) => true,
                Err(damaged) => {
                    work.damaged_pages.push(damaged.page);
                    self.unlinked.insert(*at);
                    false
                }
            }
        });
        due
    }

    /// Has the hand pass what is due, whole blocks at a time.
    fn pass_due(
        &mut self,
        present: &Snapshot,
        signatures_max: usize,
        wanted: &mut Wanted,
        work: &mut Work,
    ) -> Result<(), ZoneError> {
        let names = present.device_names();
        if names == 0 {
            if self.hand.is_due(BLOCK_NAMES, wanted.now) {
                self.end_lap(0, wanted.now);
            }
            return Ok(());
        }
        let tree = present.tree();
        while wanted.signatures < signatures_max && work.passed < PASSED_NAMES_MAX {
            let from = self.hand.sweep().key;
            let (passage, damaged) = match Passage::of_block(tree, &from) {
                Ok(passage) => (passage, None),
                Err(damaged) => (Passage::around(tree, &from), Some(damaged)),
            };
            // Many names at once, under an index page, are passed early.
            if !self
                .hand
                .is_due(passage.names.clamp(1, BLOCK_NAMES), wanted.now)
            {
                break;
            }
            work.damaged_pages
                .extend(damaged.map(|damaged| damaged.page));
            for record in &passage.records {
                let oldest = wanted.want_old(record);
                self.freshness.note(oldest);
            }
            work.passed += passage.names;
            match passage.next {
                Some(next) => self.hand.pass(passage.names, next, wanted.now),
                None => {
                    self.end_lap(names, wanted.now);
                }
            }
        }
        Ok(())
    }

    fn end_lap(&mut self, names: u64, now: u64) {
        self.hand.end_lap(names, now);
        self.freshness.end_lap();
        self.unlinked.clear();
    }

    /// When there is something to [`ZoneWriter::work`] on, seconds since 1970; 0 when queries wait.
    pub fn next_work_at(&self) -> u64 {
        if !self.urgent.is_empty() {
            return 0;
        }
        let snapshot = self.snapshot();
        let devices = if snapshot.device_names() == 0 {
            u64::MAX
        } else {
            self.hand.due_at(BLOCK_NAMES)
        };
        let near = self.hand.sweep().lap_started_at;
        devices.min(fixed_due_at(&snapshot, &self.unlinked, near))
    }

    /// Seconds by which re-signing lags behind its pace; more than half an interval is an alarm.
    pub fn sweep_behind(&self, now: u64) -> u64 {
        self.hand.behind_secs(BLOCK_NAMES, now)
    }

    /// How much life the oldest signature has left, as far as the hand has seen the zone since this
    /// start; none before it has seen anything.
    pub fn freshness(&self, now: u64) -> Option<Freshness> {
        let snapshot = self.snapshot();
        let profile = snapshot.profile();
        let fixed = snapshot.fixed.names().iter().flat_map(|name| {
            let rrsets = name.rrsets.iter();
            let zsk = rrsets.filter(|rrset| !is_key_type(rrset.record_type));
            let signatures = zsk.filter_map(|rrset| rrset.signature.as_ref());
            signatures
                .chain(name.nsec.as_ref())
                .map(|one| one.signed_at)
        });
        let oldest = fixed.fold(self.freshness.oldest(), |oldest, signed_at| {
            earlier(oldest, Some(signed_at))
        })?;
        let age_secs = i64::from(serial::wrapped(now).wrapping_sub(oldest) as i32);
        let validity_secs = i64::from(profile.validity_secs());
        Some(Freshness {
            remaining_secs: validity_secs - age_secs,
            expected_secs: validity_secs - i64::from(profile.resign_after_secs()) * 3 / 2,
        })
    }
}

/// What the hand passes next.
struct Passage<'a> {
    records: Vec<RecordView<'a>>,
    names: u64,
    /// Where it is then; none at the end of the zone.
    next: Option<Key>,
}

impl<'a> Passage<'a> {
    /// The rest of the block that holds `from`, or would.
    fn of_block(tree: Tree<'a>, from: &Key) -> Result<Self, Damaged> {
        let Some(found) = tree.walk_blocks(Some(from)).next() else {
            return Ok(Self {
                records: Vec::new(),
                names: 0,
                next: None,
            });
        };
        let (_, block) = found?;
        let records: Vec<_> = block
            .records()
            .filter(|record| record.key() >= from)
            .collect();
        Ok(Self {
            names: records.len() as u64,
            records,
            next: block.fence().copied(),
        })
    }

    /// Around everything under a damaged page.
    fn around(tree: Tree<'a>, from: &Key) -> Self {
        let Gap { names, next } = tree.gap_at(from);
        Self {
            records: Vec::new(),
            names,
            next,
        }
    }
}
