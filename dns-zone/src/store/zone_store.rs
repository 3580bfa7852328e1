//! The zone on disk: durable commits, versions for readers, and what a start finds.
//!
//! A commit is durable when its frame in the redo log is; then its pages are written, not synced,
//! and the version is handed out. A checkpoint (in the background) syncs the pages and writes the
//! superblock. A start reads the superblock, the index pages and the redo log after the checkpoint,
//! whose commits it applies again. Pages that the durable checkpoint, or a version that anybody
//! holds, can reach are never written again.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::StoreError;
use super::blob::{self, Blob};
use super::checkpoint::{Checkpointer, is_full};
use super::delta::Delta;
use super::edit::{Edit, edit};
use super::frame;
use super::free::Free;
use super::page::{Page, PageNo};
use super::page_file::{PageFile, offset_of};
use super::readers::Readers;
use super::record_of_commit::CommitRecord;
use super::redo::{Redo, RedoLimits};
use super::superblock::{SLOTS, Superblock};
use super::tree::Root;
use super::version::Version;

/// The zone file.
pub(super) const BLOCKS: &str = "blocks";
/// A zone file that is being made.
pub(super) const NEW_BLOCKS: &str = "blocks.new";
/// Pages that are given back to the file system in one commit: the time of a commit is bounded.
const GIVE_BACK_PAGES: usize = 64;
/// A checkpoint for want of pages waits for at least this part of the log that asks for one: a
/// reader that holds a version for long must not cause one at each commit.
const LEAST_PART: u64 = 32;

/// One commit: what the zone is after it, and what it does to which names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    /// Its `zone_version` follows the last one.
    pub(crate) record: CommitRecord,
    /// Ascending by key, each key once.
    pub(crate) deltas: Vec<Delta>,
    /// New octets of the fixed names when they changed.
    pub(crate) fixed: Option<Vec<u8>>,
}

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
    /// Checkpoints since the zone was made.
    pub checkpoints: u64,
    /// Version of the last durable checkpoint.
    pub checkpointed_version: u64,
    /// Versions that are held, the newest included.
    pub versions_held: u64,
}

/// A zone that was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) version: Arc<Version>,
    /// Digest of the shape that the zone was made with.
    pub(crate) shape_digest: [u8; 32],
}

/// The zone on disk, open for writing; there is one at a time.
#[derive(Debug)]
pub(crate) struct Store {
    pub(super) identity: Identity,
    pub(super) limits: StoreLimits,
    pub(super) file: PageFile,
    pub(super) redo: Redo,
    pub(super) free: Free,
    /// Pages of the fixed names of the newest version.
    pub(super) fixed_pages: Vec<PageNo>,
    /// Versions that may be held, oldest first; the last is the newest.
    pub(super) versions: VecDeque<Arc<Version>>,
    pub(super) checkpointer: Checkpointer,
    pub(super) pace: Pace,
    /// What failed; from then on nothing is written.
    pub(super) failed: Option<String>,
    /// Dropped last: until then no other writer may open the zone.
    pub(super) readers: Readers,
}

/// What stays while a zone lives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    pub(super) store_id: [u8; 16],
    pub(super) shape_digest: [u8; 32],
    pub(super) unit_secs: u32,
}

/// When things were last done that are done now and then.
#[derive(Debug)]
pub(super) struct Pace {
    /// The last checkpoint whose end was noticed.
    pub(super) noticed: u64,
    /// Length of the log when the last checkpoint began.
    pub(super) begun_octets: u64,
    pub(super) begun_at: Instant,
    /// The segment for which a successor was asked.
    pub(super) prepared_after: Option<u64>,
}

impl Pace {
    pub(super) fn starting(checkpoint: u64) -> Self {
        Self {
            noticed: checkpoint,
            begun_octets: 0,
            begun_at: Instant::now(),
            prepared_after: None,
        }
    }
}

/// The next version, not written yet.
struct Drafted {
    root: Root,
    pages: Vec<(PageNo, Box<Page>)>,
    freed: Vec<PageNo>,
    /// New fixed names: their octets, where they are, and in which pages.
    fixed: Option<(Vec<u8>, Blob, Vec<PageNo>)>,
}

impl Store {
    /// The newest version.
    pub(crate) fn version(&self) -> &Arc<Version> {
        self.versions.back().expect("the newest version is kept")
    }

    /// Makes a commit durable and returns the version it made.
    ///
    /// After [`StoreError::Failed`] nothing is ever committed again: what a failed write or sync
    /// left, and whether it holds this commit, is unknown until the next start reads it. Any other
    /// error leaves the store as it was: a commit that does not follow, a damaged page, a full disk.
    pub(crate) fn commit(&mut self, commit: Commit) -> Result<Arc<Version>, StoreError> {
        self.accepts(&commit)?;
        let frame = frame::encode(&self.identity.store_id, &commit)
            .map_err(|frame::TooLarge| StoreError::TooLarge)?;
        self.reclaim()?;
        let zone_version = commit.record.zone_version;
        let drafted = self.draft(commit.deltas, commit.fixed, zone_version)?;
        self.take_room(&frame, &drafted)?;
        let written = self.write(&frame, commit.record, drafted);
        let version = written.map_err(|error| self.fail("committing", &error))?;
        if let Err(error) = self.care() {
            // The commit stands; the next one is refused.
            self.fail("giving pages back", &error);
        }
        Ok(version)
    }

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
        self.give_back(usize::MAX)
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
            checkpoints: durable.map_or(self.pace.noticed, |durable| durable.checkpoint),
            checkpointed_version: durable.map_or(0, |durable| durable.zone_version),
            versions_held: self.versions.len() as u64,
        }
    }

    fn pages_live(&self) -> u64 {
        self.version().root.pages_live + SLOTS + self.fixed_pages.len() as u64
    }

    fn is_alive(&self) -> Result<(), StoreError> {
        match &self.failed {
            Some(reason) => Err(failed(reason.clone())),
            None => self.checkpointer.durable().map(drop).map_err(failed),
        }
    }

    pub(super) fn fail(&mut self, action: &'static str, error: &io::Error) -> StoreError {
        let reason = format!("{action}: {error}");
        self.failed = Some(reason.clone());
        StoreError::Failed { reason }
    }

    fn accepts(&self, commit: &Commit) -> Result<(), StoreError> {
        self.is_alive()?;
        let expected = self.version().record.zone_version.saturating_add(1);
        let found = commit.record.zone_version;
        if found != expected {
            return Err(StoreError::OtherVersion { expected, found });
        }
        if !frame::keys_ascend(&commit.deltas) {
            return Err(StoreError::NotAscending);
        }
        Ok(())
    }

    /// Takes back the pages that nobody can reach any more.
    fn reclaim(&mut self) -> Result<(), StoreError> {
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

    fn draft(
        &mut self,
        deltas: Vec<Delta>,
        fixed: Option<Vec<u8>>,
        zone_version: u64,
    ) -> Result<Drafted, StoreError> {
        let edits: Vec<Edit> = deltas.into_iter().map(edit_of).collect();
        let newest = Arc::clone(self.version());
        let edited = edit(newest.tree(), &mut self.free, &edits, zone_version)?;
        let mut pages = edited.pages;
        let fixed = fixed.map(|octets| {
            let (at, blob_pages) = blob::write(&octets, || self.free.allocate(zone_version));
            let numbers = blob_pages.iter().map(|(number, _)| *number).collect();
            pages.extend(blob_pages);
            (octets, at, numbers)
        });
        Ok(Drafted {
            root: edited.root,
            pages,
            freed: edited.freed,
            fixed,
        })
    }

    /// Takes room for everything that the commit writes, before it writes anything.
    fn take_room(&mut self, frame: &[u8], drafted: &Drafted) -> Result<(), StoreError> {
        let mut punched = self.free.take_taken_punched();
        punched.sort_unstable();
        let mut taken = self
            .file
            .grow(self.free.file_pages())
            .and_then(|()| self.file.refill(&punched));
        if taken.is_ok() && self.redo.is_full_for(frame.len()) {
            taken = self.redo.make_room(frame.len());
        }
        let Err(error) = taken else { return Ok(()) };
        if !is_full(&error) {
            return Err(self.fail("taking room for a commit", &error));
        }
        // No version ever reached them.
        let pages = drafted.pages.iter().map(|(page, _)| *page);
        self.free.take_back(pages, &punched, self.file.pages());
        Err(StoreError::io("taking room for a commit")(error))
    }

    fn write(
        &mut self,
        frame: &[u8],
        record: CommitRecord,
        drafted: Drafted,
    ) -> io::Result<Arc<Version>> {
        if self.redo.is_full_for(frame.len()) {
            self.redo.turn(record.zone_version, record.last_signed_at)?;
        }
        self.redo.append(frame)?;
        self.file.write(drafted.pages)?;
        let zone_version = record.zone_version;
        for page in drafted.freed {
            self.free.release(page, zone_version);
        }
        let newest = self.version();
        let (mut fixed, mut fixed_at) = (Arc::clone(&newest.fixed), newest.fixed_at);
        if let Some((octets, at, pages)) = drafted.fixed {
            (fixed, fixed_at) = (Arc::new(octets), at);
            for page in std::mem::replace(&mut self.fixed_pages, pages) {
                self.free.release(page, zone_version);
            }
        }
        let version = Arc::new(Version {
            mapping: Arc::clone(&self.file.mapping),
            root: drafted.root,
            unit_secs: self.identity.unit_secs,
            record,
            fixed,
            fixed_at,
            redo: self.redo.position(),
            _slot: None,
        });
        self.versions.push_back(Arc::clone(&version));
        self.readers.publish(&self.superblock())?;
        Ok(version)
    }

    /// What a checkpoint of the newest version writes.
    pub(super) fn superblock(&self) -> Superblock {
        let version = self.version();
        Superblock {
            checkpoint: self.pace.noticed + 1,
            store_id: self.identity.store_id,
            shape_digest: self.identity.shape_digest,
            unit_secs: self.identity.unit_secs,
            root: version.root.clone(),
            fixed: version.fixed_at,
            redo: version.redo,
            file_pages: self.file.pages(),
            record: version.record.clone(),
        }
    }

    /// After a commit: what is done now and then.
    fn care(&mut self) -> io::Result<()> {
        let Ok(durable) = self.checkpointer.durable() else {
            return Ok(()); // the next commit says so
        };
        if durable.checkpoint > self.pace.noticed {
            self.pace.noticed = durable.checkpoint;
            let now = self.version().record.last_signed_at;
            self.redo.retire(durable.redo, now)?;
        }
        self.give_back(GIVE_BACK_PAGES)?;
        self.prepare_segment();
        if self.is_checkpoint_due() && !self.checkpointer.is_running() {
            self.begin_checkpoint();
        }
        Ok(())
    }

    fn prepare_segment(&mut self) {
        let segment = self.redo.position().segment;
        if self.redo.is_half_full() && self.pace.prepared_after != Some(segment) {
            self.pace.prepared_after = Some(segment);
            self.checkpointer
                .prepare_segment(self.redo.limits().segment_octets);
        }
    }

    fn is_checkpoint_due(&self) -> bool {
        let octets = self.redo.appended().saturating_sub(self.pace.begun_octets);
        let wanted = self.limits.checkpoint_octets;
        let is_short_of_pages = self.free.pending() > self.pages_kept();
        octets > wanted
            || (is_short_of_pages && octets > wanted / LEAST_PART)
            || self.pace.begun_at.elapsed() > self.limits.checkpoint_after
    }

    fn begin_checkpoint(&mut self) {
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

    /// Gives free pages beyond those that are kept back to the file system, at most so many.
    fn give_back(&mut self, most: usize) -> io::Result<()> {
        let keep = self.pages_kept();
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

fn edit_of(delta: Delta) -> Edit {
    Edit {
        key: delta.key,
        after: delta.after,
    }
}

fn failed(reason: String) -> StoreError {
    StoreError::Failed { reason }
}
