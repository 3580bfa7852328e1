//! Opening a zone: superblock, index pages, and the commits of the redo log after the checkpoint.
//!
//! Data blocks are not read, except those that the commits of the log change.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::StoreError;
use super::checkpoint::{Checkpointer, Durable};
use super::disk::{Disk, DiskFile};
use super::page_file::PageFile;
use super::readers::Readers;
use super::record_of_commit::CommitRecord;
use super::redo::{self, Redo};
use super::replay::Replay;
use super::superblock::{self, Superblock};
use super::version::Version;
use super::zone_store::{BLOCKS, NEW_BLOCKS, Opened, Pace, Store, StoreLimits};

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
        write_again(&*blocks, &superblock).map_err(StoreError::io(
            "writing the superblock of zone/blocks again",
        ))?;
        let held_elsewhere = readers
            .oldest_held(&superblock.store_id)
            .map_err(StoreError::io("reading zone/readers"))?;
        let file = PageFile::new(blocks).map_err(StoreError::io("mapping zone/blocks"))?;
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

pub(super) fn open_blocks(disk: &dyn Disk) -> Result<Option<Arc<dyn DiskFile>>, StoreError> {
    match disk.open(BLOCKS, false) {
        Ok(blocks) => Ok(Some(blocks)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::reading(BLOCKS, "opening zone/blocks")(error)),
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

impl Replay {
    fn finish(
        mut self,
        disk: Arc<dyn Disk>,
        limits: StoreLimits,
        readers: Readers,
        superblock: &Superblock,
        redo: Redo,
    ) -> Result<Option<Opened>, StoreError> {
        self.nothing_lost()?;
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
            lost: self.lost,
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
