//! What a commit does now and then: checkpoints begin, segments of the log are prepared, and pages
//! are taken back and given to the file system.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::StoreError;
use super::super::page_file::offset_of;
use super::super::redo::{Position, RedoLimits};
use super::super::superblock::SLOTS;
use super::spare_pages::SparePages;
use super::{Store, failed};

/// Pages that are given back to the file system in one commit: the time of a commit is bounded.
const GIVE_BACK_PAGES: usize = 64;
/// Free pages that may wait for being used again, beside those that are kept: as many as those, or in
/// small zones this times what is kept there (4 MiB).
const WAITING_FACTOR: usize = 16;
/// A checkpoint for want of pages waits for at least this part of the log that asks for one: a
/// reader that holds a version for long must not cause one at each commit.
const LEAST_PART: u64 = 32;

/// When the store does what.
#[derive(Clone, Copy, Debug)]
pub struct StoreLimits {
    pub(crate) redo: RedoLimits,
    /// Octets in the redo log after a checkpoint that ask for the next one.
    pub(crate) checkpoint_octets: u64,
    /// Time after a checkpoint after which the next commit asks for another one.
    pub(crate) checkpoint_after: Duration,
    /// Free pages that are kept, and pending ones that ask for a checkpoint, in small zones; in
    /// large ones it is a fortieth of the live pages.
    pub(crate) free_pages: usize,
}

impl StoreLimits {
    /// So small that a few commits turn segments, make checkpoints and drop history.
    pub fn tiny() -> Self {
        Self {
            redo: RedoLimits {
                segment_octets: 32 << 10,
                history_octets: 96 << 10,
                ..RedoLimits::default()
            },
            checkpoint_octets: 16 << 10,
            free_pages: 8,
            ..Self::default()
        }
    }
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            redo: RedoLimits::default(),
            checkpoint_octets: 8 << 20,
            checkpoint_after: Duration::from_secs(60),
            free_pages: 64,
        }
    }
}

/// What the store takes and does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Pages of the newest version, superblocks and fixed names included.
    pub pages_live: u64,
    /// Pages that may be written again and take room on the disk.
    pub pages_free: u64,
    /// Pages that may be written again after the next checkpoint, or when their readers are gone.
    pub pages_pending: u64,
    /// Pages inside the file that were given back to the file system.
    pub pages_punched: u64,
    /// Length of the zone file; punched pages take no room.
    pub file_octets: u64,
    /// Octets of the redo log, history included.
    pub redo_octets: u64,
    /// Octets of zeros written to prepare segments of the log since the store was opened.
    pub redo_zeroed_octets: u64,
    /// Checkpoints since the zone was made.
    pub checkpoints: u64,
    /// Version of the last durable checkpoint.
    pub checkpointed_version: u64,
    /// Versions that are held, the newest included.
    pub versions_held: u64,
}

/// When things were last done that are done now and then.
#[derive(Debug)]
pub(in crate::store) struct Pace {
    /// The last checkpoint whose end was noticed.
    pub(super) noticed: u64,
    /// Length of the log when the last checkpoint began.
    begun_octets: u64,
    begun_at: Instant,
    /// The segment that the last commit is in; none before the first one.
    turned_to: Option<u64>,
    /// The segment for which a successor was asked.
    prepared_after: Option<u64>,
    spare: SparePages,
}

impl Pace {
    pub(in crate::store) fn starting(checkpoint: u64) -> Self {
        Self {
            noticed: checkpoint,
            begun_octets: 0,
            begun_at: Instant::now(),
            turned_to: None,
            prepared_after: None,
            spare: SparePages::default(),
        }
    }
}

impl Store {
    /// Makes a checkpoint of the newest version and gives free pages back; returns when both are
    /// done.
    pub(crate) fn checkpoint(&mut self) -> Result<(), StoreError> {
        let newest = self.version().record.zone_version;
        loop {
            self.is_alive()?;
            let durable = self.checkpointer.wait().map_err(failed)?;
            if durable.zone_version >= newest {
                break;
            }
            self.begin_checkpoint();
        }
        self.reclaim()?;
        self.give_back(self.pages_kept(), usize::MAX)
            .map_err(|error| self.fail("giving pages back", &error))
    }

    /// What the store takes and does.
    pub(crate) fn figures(&self) -> Figures {
        let durable = self.checkpointer.durable().ok();
        Figures {
            pages_live: self.pages_live(),
            pages_free: self.free.reusable() as u64
                + u64::from(self.file.pages().saturating_sub(self.free.file_pages())),
            pages_pending: self.free.pending() as u64,
            pages_punched: self.free.punched() as u64,
            file_octets: offset_of(self.file.pages()),
            redo_octets: self.redo.octets(),
            redo_zeroed_octets: self.redo.zeroed_octets(),
            checkpoints: durable.map_or(self.pace.noticed, |durable| durable.checkpoint),
            checkpointed_version: durable.map_or(0, |durable| durable.zone_version),
            versions_held: self.versions.len() as u64,
        }
    }

    fn pages_live(&self) -> u64 {
        self.version().root.pages_live + SLOTS + self.fixed_pages.len() as u64
    }

    /// Takes back the pages that nobody can reach any more.
    pub(super) fn reclaim(&mut self) -> Result<(), StoreError> {
        while self.versions.len() > 1 && Arc::get_mut(&mut self.versions[0]).is_some() {
            self.versions.pop_front();
        }
        let oldest = self.versions[0].record.zone_version;
        let foreign = self
            .readers
            .oldest_held(&self.identity.store_id)
            .map_err(StoreError::io("reading the table of readers"))?;
        // Asked for after the versions: a checkpoint lets its version go when it is durable.
        let durable = self.checkpointer.durable().map_err(failed)?;
        let oldest = foreign.map_or(oldest, |foreign| foreign.min(oldest));
        self.free.reclaim(oldest, durable.zone_version);
        Ok(())
    }

    /// After a commit: what is done now and then.
    pub(super) fn care(&mut self) -> io::Result<()> {
        let Ok(durable) = self.checkpointer.durable() else {
            return Ok(()); // the next commit says so
        };
        if durable.checkpoint > self.pace.noticed {
            self.pace.noticed = durable.checkpoint;
            let now = self.version().record.last_signed_at;
            self.redo.retire(durable.redo, now)?;
            self.pace.spare.note_checkpoint();
        }
        self.give_back_unused()?;
        self.prepare_segment(durable.redo)?;
        if self.is_checkpoint_due() && !self.checkpointer.is_running() {
            self.begin_checkpoint();
        }
        Ok(())
    }

    /// Has the next segment ready in time. When the history has its full length, the last turn has
    /// made its oldest segment one too many: that goes at once, or when the checkpoint needs it no
    /// more, and is the next one, so that nothing has to be zeroed.
    fn prepare_segment(&mut self, needed: Position) -> io::Result<()> {
        let segment = self.redo.position().segment;
        let before = self.pace.turned_to.replace(segment);
        let has_turned = before.is_some_and(|before| before != segment);
        let prepares = self.redo.is_half_full() && self.pace.prepared_after != Some(segment);
        if has_turned || prepares {
            let now = self.version().record.last_signed_at;
            self.redo.retire(needed, now)?;
        }
        if prepares {
            self.pace.prepared_after = Some(segment);
            self.checkpointer
                .prepare_segment(self.redo.limits().segment_octets);
        }
        Ok(())
    }

    fn is_checkpoint_due(&self) -> bool {
        let octets = self.redo.appended().saturating_sub(self.pace.begun_octets);
        let wanted = self.limits.checkpoint_octets;
        let is_short_of_pages = self.free.pending() > self.pages_kept();
        octets > wanted
            || (is_short_of_pages && octets > wanted / LEAST_PART)
            || self.pace.begun_at.elapsed() > self.limits.checkpoint_after
    }

    pub(in crate::store) fn begin_checkpoint(&mut self) {
        if let Ok(durable) = self.checkpointer.durable() {
            self.pace.noticed = self.pace.noticed.max(durable.checkpoint);
        }
        self.pace.begun_octets = self.redo.appended();
        self.pace.begun_at = Instant::now();
        self.checkpointer
            .begin(self.superblock(), Arc::clone(self.version()));
    }

    fn pages_kept(&self) -> usize {
        let fortieth = usize::try_from(self.pages_live() / 40).unwrap_or(usize::MAX);
        fortieth.max(self.limits.free_pages)
    }

    /// Gives back some of the free pages: those that no commit has needed for long, and those that are
    /// too many to wait for that.
    fn give_back_unused(&mut self) -> io::Result<()> {
        let free = self.free.reusable();
        self.pace.spare.note(free);
        let kept = self.pages_kept();
        let most = kept.saturating_add(kept.max(self.limits.free_pages * WAITING_FACTOR));
        let unused = self.pace.spare.unused().saturating_sub(kept);
        let surplus = unused.max(free.saturating_sub(most));
        if surplus == 0 {
            return Ok(());
        }
        self.give_back(free.saturating_sub(surplus), GIVE_BACK_PAGES)?;
        let given = free.saturating_sub(self.free.reusable());
        self.pace.spare.note_given(given);
        Ok(())
    }

    /// Gives free pages beyond `keep` back to the file system: all at the end of the file, and at most
    /// so many of the others.
    fn give_back(&mut self, keep: usize, most: usize) -> io::Result<()> {
        if let Some(pages) = self.free.cut_tail(keep) {
            self.file.cut(pages)?;
        }
        let left = self.free.reusable().saturating_sub(most);
        for range in self.free.surplus(keep.max(left)) {
            self.file.punch(&range)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::store::trial::{NO_CHECKPOINTS, Trial};

    /// Each checkpoint ends after the next segment was asked for.
    #[test]
    fn a_history_of_full_length_uses_its_oldest_segment_again_and_writes_no_zeros() {
        let mut trial = Trial::new(9, 300, NO_CHECKPOINTS);
        let mut zeroed = Vec::new();
        let mut looked_at = 0;
        while zeroed.len() < 40 {
            // Small enough that no segment ends before its half.
            trial.commit(4).unwrap();
            let store = trial.store();
            assert!(store.redo.octets() <= store.redo.limits().history_octets);
            let segment = store.redo.position().segment;
            if store.redo.is_half_full() && segment != looked_at {
                looked_at = segment;
                // The same thread has prepared the segment before.
                store.checkpoint().unwrap();
                zeroed.push(store.figures().redo_zeroed_octets);
            }
        }
        assert!(zeroed[0] > 0, "{zeroed:?}");
        assert_eq!(zeroed[10], zeroed[39], "{zeroed:?}");
        trial.kill();
        trial.open().unwrap().unwrap();
    }
}
