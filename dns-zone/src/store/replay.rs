//! Applying the commits of the redo log to the zone of the superblock.
//!
//! For a writer, the pages that come of it go into the file, and a damaged page ends it. For those who
//! only read ([`super::reading`]), they stay in this process's memory, and what a commit does to a name
//! under a damaged page is gone around: that name, and the one before it, are answered by nobody.

use std::collections::{BTreeMap, BTreeSet};

use super::StoreError;
use super::blob::{self, Blob};
use super::delta::LoggedDelta;
use super::edit::{Edit, edit};
use super::frame::Frame;
use super::free::Free;
use super::page::{Damaged, Key, Page, PageNo};
use super::page_file::PageFile;
use super::record::StoredRecord;
use super::record_of_commit::CommitRecord;
use super::superblock::{SLOTS, Superblock};
use super::tree::{Root, Tree, key_before};
use super::zone_store::Identity;

/// Changes that are applied together.
const TOGETHER: usize = 1 << 16;

/// The zone of the superblock, and what the log made of it until now.
pub(super) struct Replay {
    pub(super) file: PageFile,
    pub(super) free: Free,
    /// Free pages that readers of another process may still read.
    pub(super) withheld: Vec<PageNo>,
    is_held_elsewhere: bool,
    goes_around_damage: bool,
    pub(super) identity: Identity,
    pub(super) root: Root,
    pub(super) record: CommitRecord,
    pub(super) fixed: Vec<u8>,
    pub(super) fixed_at: Blob,
    pub(super) fixed_pages: Vec<PageNo>,
    /// Commits that were read and not applied.
    frames: Vec<Frame>,
    /// Changes in them.
    changes: usize,
    /// Pages lost before it began.
    pub(super) lost: u64,
}

impl Replay {
    /// For a writer: every index page is read, so that it is known which pages are free.
    pub(super) fn new(
        file: PageFile,
        superblock: &Superblock,
        is_held_elsewhere: bool,
    ) -> Result<Self, StoreError> {
        let (root, unit_secs) = (&superblock.root, superblock.unit_secs);
        let live = live_pages(&file, root, unit_secs)?;
        let (_, fixed_pages) = blob::read(superblock.fixed, |page| file.mapping.page(page))?;
        let beyond = |page: &&PageNo| **page >= file.pages();
        if let Some(page) = live.iter().chain(&fixed_pages).find(beyond) {
            return Err(StoreError::Damaged { page: *page });
        }
        let superblocks = 0..SLOTS as PageNo;
        let all_live = superblocks.chain(live).chain(fixed_pages);
        let checkpointed = superblock.record.zone_version;
        let mut free = Free::from_live(all_live, file.pages(), checkpointed);
        let punched = file
            .punched()
            .map_err(StoreError::io("looking for holes"))?;
        punched
            .into_iter()
            .for_each(|pages| free.note_punched(pages));
        // A hole is reached by no version.
        let withheld = if is_held_elsewhere {
            let pages = free.reusable();
            (0..pages).map(|_| free.allocate(checkpointed)).collect()
        } else {
            Vec::new()
        };
        Ok(Self {
            withheld,
            is_held_elsewhere,
            ..Self::over(file, free, superblock)?
        })
    }

    /// For those who only read: no page of the file is looked at but those of the fixed names, and
    /// none is free.
    pub(super) fn in_memory(file: PageFile, superblock: &Superblock) -> Result<Self, StoreError> {
        let pages = file.pages();
        let free = Free::from_live(0..pages, pages, superblock.record.zone_version);
        Ok(Self {
            goes_around_damage: true,
            ..Self::over(file, free, superblock)?
        })
    }

    fn over(file: PageFile, free: Free, superblock: &Superblock) -> Result<Self, StoreError> {
        let lost = file.mapping.lost();
        let (fixed, fixed_pages) = blob::read(superblock.fixed, |page| file.mapping.page(page))?;
        Ok(Self {
            file,
            free,
            withheld: Vec::new(),
            is_held_elsewhere: false,
            goes_around_damage: false,
            identity: Identity {
                store_id: superblock.store_id,
                shape_digest: superblock.shape_digest,
                unit_secs: superblock.unit_secs,
            },
            root: superblock.root.clone(),
            record: superblock.record.clone(),
            fixed,
            fixed_at: superblock.fixed,
            fixed_pages,
            frames: Vec::new(),
            changes: 0,
            lost,
        })
    }

    fn tree(&self) -> Tree<'_> {
        Tree::new(&self.file.mapping, &self.root, self.identity.unit_secs)
    }

    pub(super) fn take(&mut self, frame: Frame) -> Result<(), StoreError> {
        self.changes += frame.deltas.len();
        self.frames.push(frame);
        if self.changes >= TOGETHER {
            self.apply()?;
        }
        Ok(())
    }

    /// Applies the commits read so far as one.
    pub(super) fn apply(&mut self) -> Result<(), StoreError> {
        self.changes = 0;
        let frames = std::mem::take(&mut self.frames);
        let Some(last) = frames.last() else {
            return Ok(());
        };
        self.record = last.record.clone();
        self.read_ahead(&frames);
        let (edits, mut lost) = self.edits(&frames)?;
        match self.edit(&edits) {
            Err(StoreError::Damaged { .. }) if self.goes_around_damage => {
                lost.extend(self.edit_one_by_one(&edits)?);
            }
            done => done?,
        }
        for key in &lost {
            self.lose(key)?;
        }
        if let Some(fixed) = frames.into_iter().rev().find_map(|frame| frame.fixed) {
            self.replace_fixed(fixed)?;
        }
        // Nobody reads versions of this process yet; those of the process before may need any page
        // of the checkpoint.
        if !self.is_held_elsewhere {
            let checkpointed = 0;
            self.free.reclaim(self.record.zone_version, checkpointed);
        }
        Ok(())
    }

    /// Fails when a page was lost since it began: what was applied may be made of zeros. Nobody has
    /// seen it.
    pub(super) fn nothing_lost(&self) -> Result<(), StoreError> {
        if self.file.mapping.has_lost_since(self.lost) {
            return Err(StoreError::PageLost);
        }
        Ok(())
    }

    fn edit(&mut self, edits: &[Edit]) -> Result<(), StoreError> {
        let zone_version = self.record.zone_version;
        let tree = Tree::new(&self.file.mapping, &self.root, self.identity.unit_secs);
        let edited = edit(tree, &mut self.free, edits, zone_version)?;
        self.write(edited.pages)?;
        self.release(&edited.freed, zone_version);
        self.root = edited.root;
        Ok(())
    }

    /// The names that a damaged page keeps from being edited.
    fn edit_one_by_one(&mut self, edits: &[Edit]) -> Result<Vec<Key>, StoreError> {
        let mut lost = Vec::new();
        for one in edits.chunks(1) {
            match self.edit(one) {
                Err(StoreError::Damaged { .. }) => lost.extend(one.iter().map(|edit| edit.key)),
                done => done?,
            }
        }
        Ok(lost)
    }

    /// Makes sure that nobody is answered from the state before, where a name could not be edited:
    /// its own block, and that of the name before it, whose next name may be another one now.
    fn lose(&mut self, key: &Key) -> Result<(), StoreError> {
        for key in [Some(*key), key_before(key)].into_iter().flatten() {
            if let Ok(Some(page)) = self.tree().locate(&key) {
                self.file
                    .spoil(page)
                    .map_err(StoreError::io("applying the redo log"))?;
            }
        }
        Ok(())
    }

    fn replace_fixed(&mut self, fixed: Vec<u8>) -> Result<(), StoreError> {
        let zone_version = self.record.zone_version;
        let (at, pages) = blob::write(&fixed, || self.free.allocate(zone_version));
        let numbers = pages.iter().map(|(number, _)| *number).collect();
        let old = std::mem::replace(&mut self.fixed_pages, numbers);
        self.write(pages)?;
        self.release(&old, zone_version);
        (self.fixed, self.fixed_at) = (fixed, at);
        Ok(())
    }

    fn write(&mut self, pages: Vec<(PageNo, Box<Page>)>) -> Result<(), StoreError> {
        let mut punched = self.free.take_taken_punched();
        punched.sort_unstable();
        self.file
            .grow(self.free.file_pages())
            .and_then(|()| self.file.refill(&punched))
            .and_then(|()| self.file.write(pages))
            .map_err(StoreError::io("applying the redo log"))
    }

    fn release(&mut self, pages: &[PageNo], zone_version: u64) {
        for page in pages {
            self.free.release(*page, zone_version);
        }
    }

    /// Asks for the blocks that the commits change, all at once.
    fn read_ahead(&self, frames: &[Frame]) {
        let deltas = frames.iter().flat_map(|frame| &frame.deltas);
        // One that cannot be found is met again when it is read.
        let found = deltas.filter_map(|delta| self.tree().locate(&delta.key).ok().flatten());
        let mut blocks: Vec<PageNo> = found.collect();
        blocks.sort_unstable();
        blocks.dedup();
        self.file.will_need(&blocks);
    }

    /// What the commits make of each name; and the names of which that cannot be known.
    fn edits(&self, frames: &[Frame]) -> Result<(Vec<Edit>, BTreeSet<Key>), StoreError> {
        let mut records = BTreeMap::<Key, Option<StoredRecord>>::new();
        let mut lost = BTreeSet::new();
        for frame in frames {
            for delta in &frame.deltas {
                if lost.contains(&delta.key) {
                    continue;
                }
                match self.after(delta, &records, frame.record.zone_version) {
                    Ok(after) => {
                        records.insert(delta.key, after);
                    }
                    Err(StoreError::Damaged { .. }) if self.goes_around_damage => {
                        lost.insert(delta.key);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        let edit_of = |(key, after)| Edit { key, after };
        Ok((records.into_iter().map(edit_of).collect(), lost))
    }

    fn after(
        &self,
        delta: &LoggedDelta,
        records: &BTreeMap<Key, Option<StoredRecord>>,
        zone_version: u64,
    ) -> Result<Option<StoredRecord>, StoreError> {
        let stored = match records.get(&delta.key) {
            Some(_) => None,
            None => self.stored(&delta.key)?,
        };
        let before = records.get(&delta.key).unwrap_or(&stored).as_ref();
        delta
            .after(before)
            .map_err(|_| StoreError::RedoDamaged { zone_version })
    }

    fn stored(&self, key: &Key) -> Result<Option<StoredRecord>, Damaged> {
        let tree = self.tree();
        let Some(cursor) = tree.find(key)? else {
            return Ok(None);
        };
        Ok(Some(tree.record(cursor)?.to_stored()))
    }
}

/// All pages of a tree. Each level of the index is read ahead as a whole before it is looked at.
fn live_pages(file: &PageFile, root: &Root, unit_secs: u32) -> Result<Vec<PageNo>, Damaged> {
    let tree = Tree::new(&file.mapping, root, unit_secs);
    let mut all = Vec::new();
    let mut level_pages: Vec<PageNo> = (root.page != 0).then_some(root.page).into_iter().collect();
    for level in (1..=root.levels).rev() {
        level_pages.sort_unstable();
        file.will_need(&level_pages);
        let mut below = Vec::new();
        for page in &level_pages {
            let index = tree.index(*page, level)?;
            below.extend((0..index.count()).map(|at| index.child(at)));
        }
        all.append(&mut level_pages);
        level_pages = below;
    }
    all.append(&mut level_pages);
    if all.len() as u64 == root.pages_live {
        Ok(all)
    } else {
        Err(Damaged { page: root.page })
    }
}
