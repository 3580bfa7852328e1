//! Opening a zone: superblock, index pages, and the commits of the redo log after the checkpoint.
//!
//! Data blocks are not read, except those that the commits of the log change.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

use super::StoreError;
use super::blob::{self, Blob};
use super::checkpoint::{Checkpointer, Durable};
use super::delta::LoggedDelta;
use super::disk::{Disk, DiskFile};
use super::edit::{Edit, edit};
use super::frame::Frame;
use super::free::Free;
use super::page::{Damaged, Key, PageNo};
use super::page_file::PageFile;
use super::readers::Readers;
use super::record::StoredRecord;
use super::record_of_commit::CommitRecord;
use super::redo::{self, Redo};
use super::superblock::{self, SLOTS, Superblock};
use super::tree::{Root, Tree};
use super::version::Version;
use super::zone_store::{BLOCKS, Identity, NEW_BLOCKS, Opened, Pace, Store, StoreLimits};

/// Changes that are applied together.
const TOGETHER: usize = 1 << 16;

impl Store {
    /// As [`Store::open_with`], with the limits of every day.
    #[cfg(test)]
    pub(crate) fn open(disk: Arc<dyn Disk>) -> Result<Option<Opened>, StoreError> {
        Self::open_with(StoreLimits::default(), disk)
    }

    /// Opens the zone; `None` when there is none.
    pub(crate) fn open_with(
        limits: StoreLimits,
        disk: Arc<dyn Disk>,
    ) -> Result<Option<Opened>, StoreError> {
        let readers = Readers::lock(&*disk)?;
        let Some(blocks) = open_blocks(&*disk)? else {
            return Ok(None);
        };
        let superblock = superblock::newest(&*blocks)?;
        clean_up(&*disk, &superblock).map_err(StoreError::io("cleaning up the zone"))?;
        write_again(&*blocks, &superblock)
            .map_err(StoreError::io("writing the superblock again"))?;
        let held_elsewhere = readers
            .oldest_held(&superblock.store_id)
            .map_err(StoreError::io("reading the table of readers"))?;
        let file = PageFile::new(blocks).map_err(StoreError::io("mapping the zone file"))?;
        let mut replay = Replay::new(file, &superblock, held_elsewhere.is_some())?;
        let redo = Redo::open(
            Arc::clone(&disk),
            superblock.store_id,
            limits.redo,
            superblock.record.zone_version,
            superblock.redo,
            |frame| replay.take(frame),
        )?;
        replay.apply()?;
        replay.finish(disk, limits, readers, &superblock, redo)
    }

    /// The last commit of the zone in a directory, whoever writes it; `None` when there is no zone.
    /// Changes nothing.
    pub(crate) fn last_commit(disk: &dyn Disk) -> Result<Option<CommitRecord>, StoreError> {
        let Some(blocks) = open_blocks(disk)? else {
            return Ok(None);
        };
        let superblock = superblock::newest(&*blocks)?;
        let mut last = superblock.record;
        Redo::look(
            disk,
            superblock.store_id,
            last.zone_version,
            superblock.redo,
            |frame| {
                last = frame.record;
                Ok(())
            },
        )?;
        Ok(Some(last))
    }
}

fn open_blocks(disk: &dyn Disk) -> Result<Option<Arc<dyn DiskFile>>, StoreError> {
    match disk.open(BLOCKS, false) {
        Ok(blocks) => Ok(Some(blocks)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io("opening the zone file")(error)),
    }
}

/// Removes what a zone that was not finished, or was replaced, left.
fn clean_up(disk: &dyn Disk, superblock: &Superblock) -> io::Result<()> {
    disk.remove(NEW_BLOCKS)?;
    redo::remove_others(disk, &superblock.store_id)?;
    disk.sync_directory()
}

/// After a sync that failed, the system's cache may hold a superblock that the disk does not; what
/// is opened is written once more before any page is taken back on its word.
fn write_again(blocks: &dyn DiskFile, superblock: &Superblock) -> io::Result<()> {
    let page = superblock.encode();
    superblock::write(blocks, 0, &page)?;
    blocks.sync_data()?;
    superblock::write(blocks, 1, &page)
}

/// Applies the commits of the log to the zone of the superblock.
struct Replay {
    file: PageFile,
    free: Free,
    /// Free pages that readers of another process may still read.
    withheld: Vec<PageNo>,
    is_held_elsewhere: bool,
    identity: Identity,
    root: Root,
    record: CommitRecord,
    fixed: Vec<u8>,
    fixed_at: Blob,
    fixed_pages: Vec<PageNo>,
    /// Commits that were read and not applied.
    frames: Vec<Frame>,
    /// Changes in them.
    changes: usize,
}

impl Replay {
    fn new(
        file: PageFile,
        superblock: &Superblock,
        is_held_elsewhere: bool,
    ) -> Result<Self, StoreError> {
        let (root, unit_secs) = (&superblock.root, superblock.unit_secs);
        let live = live_pages(&file, root, unit_secs)?;
        let (fixed, fixed_pages) = blob::read(superblock.fixed, |page| file.mapping.page(page))?;
        let beyond = |page: &&PageNo| **page >= file.pages();
        if let Some(page) = live.iter().chain(&fixed_pages).find(beyond) {
            return Err(StoreError::Damaged { page: *page });
        }
        let superblocks = 0..SLOTS as PageNo;
        let all_live = superblocks.chain(live).chain(fixed_pages.iter().copied());
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
            file,
            free,
            withheld,
            is_held_elsewhere,
            identity: Identity {
                store_id: superblock.store_id,
                shape_digest: superblock.shape_digest,
                unit_secs,
            },
            root: root.clone(),
            record: superblock.record.clone(),
            fixed,
            fixed_at: superblock.fixed,
            fixed_pages,
            frames: Vec::new(),
            changes: 0,
        })
    }

    fn tree(&self) -> Tree<'_> {
        Tree::new(&self.file.mapping, &self.root, self.identity.unit_secs)
    }

    fn take(&mut self, frame: Frame) -> Result<(), StoreError> {
        self.changes += frame.deltas.len();
        self.frames.push(frame);
        if self.changes >= TOGETHER {
            self.apply()?;
        }
        Ok(())
    }

    /// Applies the commits read so far as one.
    fn apply(&mut self) -> Result<(), StoreError> {
        self.changes = 0;
        let frames = std::mem::take(&mut self.frames);
        let Some(last) = frames.last() else {
            return Ok(());
        };
        self.record = last.record.clone();
        self.read_ahead(&frames)?;
        let edits = self.edits(&frames)?;
        let zone_version = self.record.zone_version;
        let tree = Tree::new(&self.file.mapping, &self.root, self.identity.unit_secs);
        let edited = edit(tree, &mut self.free, &edits, zone_version)?;
        self.write(edited.pages)?;
        self.release(&edited.freed, zone_version);
        self.root = edited.root;
        if let Some(fixed) = frames.into_iter().rev().find_map(|frame| frame.fixed) {
            self.replace_fixed(fixed)?;
        }
        // Nobody reads versions of this process yet; those of the process before may need any page
        // of the checkpoint.
        if !self.is_held_elsewhere {
            let checkpointed = 0;
            self.free.reclaim(zone_version, checkpointed);
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

    fn write(&mut self, pages: Vec<(PageNo, Box<super::page::Page>)>) -> Result<(), StoreError> {
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
    fn read_ahead(&self, frames: &[Frame]) -> Result<(), Damaged> {
        let mut blocks = Vec::new();
        for delta in frames.iter().flat_map(|frame| &frame.deltas) {
            blocks.extend(self.tree().locate(&delta.key)?);
        }
        blocks.sort_unstable();
        blocks.dedup();
        self.file.will_need(&blocks);
        Ok(())
    }

    /// What the commits make of each name.
    fn edits(&self, frames: &[Frame]) -> Result<Vec<Edit>, StoreError> {
        let mut records = BTreeMap::<Key, Option<StoredRecord>>::new();
        for frame in frames {
            for delta in &frame.deltas {
                let after = self.after(delta, &records, frame.record.zone_version)?;
                records.insert(delta.key, after);
            }
        }
        let edit_of = |(key, after)| Edit { key, after };
        Ok(records.into_iter().map(edit_of).collect())
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

    fn finish(
        mut self,
        disk: Arc<dyn Disk>,
        limits: StoreLimits,
        readers: Readers,
        superblock: &Superblock,
        redo: Redo,
    ) -> Result<Option<Opened>, StoreError> {
        // Readers of another process may hold any version up to this one.
        for page in std::mem::take(&mut self.withheld) {
            self.free
                .release(page, self.record.zone_version.saturating_add(1));
        }
        let version = Arc::new(Version {
            mapping: Arc::clone(&self.file.mapping),
            root: self.root,
            unit_secs: self.identity.unit_secs,
            record: self.record,
            fixed: Arc::new(self.fixed),
            fixed_at: self.fixed_at,
            redo: redo.position(),
            _slot: None,
        });
        let durable = Durable::of(superblock);
        let checkpointer =
            Checkpointer::start(disk, Arc::clone(&self.file.blocks), redo.spare(), durable)
                .map_err(StoreError::io("starting the thread of the checkpoints"))?;
        let store = Store {
            identity: self.identity,
            limits,
            file: self.file,
            redo,
            free: self.free,
            fixed_pages: self.fixed_pages,
            versions: VecDeque::from([Arc::clone(&version)]),
            checkpointer,
            pace: Pace::starting(superblock.checkpoint),
            failed: None,
            readers,
        };
        store
            .readers
            .publish(&store.superblock())
            .map_err(StoreError::io("telling readers of the zone"))?;
        Ok(Some(Opened {
            store,
            version,
            shape_digest: superblock.shape_digest,
        }))
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
