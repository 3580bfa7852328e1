//! The zone on disk: durable commits, versions for readers, and what a start finds.
//!
//! A commit is durable when its frame in the redo log is; then its pages are written, not synced,
//! and the version is handed out. A checkpoint (in the background) syncs the pages and writes the
//! superblock. A start reads the superblock, the index pages and the redo log after the checkpoint,
//! whose commits it applies again. Pages that the durable checkpoint, or a version that anybody
//! holds, can reach are never written again.

mod spare_pages;
mod upkeep;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::StoreError;
use super::blob::{self, Blob};
use super::checkpoint::{Checkpointer, is_full};
use super::delta::Delta;
use super::edit::{Edit, edit};
use super::frame;
use super::free::Free;
use super::page::{Page, PageNo};
use super::page_file::PageFile;
use super::readers::Readers;
use super::record_of_commit::CommitRecord;
use super::redo::Redo;
use super::superblock::Superblock;
use super::tree::Root;
use super::version::Version;

pub(super) use upkeep::Pace;
pub use upkeep::{Figures, StoreLimits};

/// The zone file.
pub(super) const BLOCKS: &str = "blocks";
/// A zone file that is being made.
pub(super) const NEW_BLOCKS: &str = "blocks.new";
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
    /// Pages lost until the last commit was asked for.
    pub(super) lost: u64,
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
        // What was planned since the last commit may have been made of a page that was lost.
        self.nothing_lost()?;
        let frame = frame::encode(&self.identity.store_id, &commit)
            .map_err(|frame::TooLarge| StoreError::TooLarge)?;
        self.reclaim()?;
        let zone_version = commit.record.zone_version;
        let drafted = self.draft(commit.deltas, commit.fixed, zone_version)?;
        self.take_room(&frame, &drafted)?;
        if let Err(error) = self.nothing_lost() {
            self.take_back(&drafted, &[]);
            return Err(error);
        }
        let written = self.write(&frame, commit.record, drafted);
        let version = written.map_err(|error| self.fail("committing", &error))?;
        if let Err(error) = self.care() {
            // The commit stands; the next one is refused.
            self.fail("giving pages back", &error);
        }
        Ok(version)
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
        self.take_back(drafted, &punched);
        Err(StoreError::io("taking room for a commit")(error))
    }

    /// Gives up what was drafted: no version ever reached its pages, of which `punched` have no room.
    fn take_back(&mut self, drafted: &Drafted, punched: &[PageNo]) {
        let pages = drafted.pages.iter().map(|(page, _)| *page);
        self.free.take_back(pages, punched, self.file.pages());
    }

    /// Fails, once, when a page was lost since the last time.
    fn nothing_lost(&mut self) -> Result<(), StoreError> {
        let mapping = &self.file.mapping;
        if !mapping.has_lost_since(self.lost) {
            return Ok(());
        }
        self.lost = mapping.lost();
        Err(StoreError::PageLost)
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
