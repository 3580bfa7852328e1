//! The last version of a zone that nobody writes: for answering where it cannot be opened for writing.
//!
//! Nothing is written to the zone. The file is mapped privately, and what the log says beyond the
//! checkpoint is applied in memory; so a full disk, or one that refuses writes, is no obstacle, and a
//! damaged page costs the names below it and no others. What is gone from the log is not guessed:
//! acknowledged withdrawals could be among it.
//!
//! A slot in the table of readers keeps the version's pages from a writer that comes later.

use std::sync::Arc;

use super::StoreError;
use super::disk::Disk;
use super::opening::open_blocks;
use super::page_file::PageFile;
use super::readers::{self, Slot};
use super::redo::Redo;
use super::replay::Replay;
use super::superblock;
use super::version::Version;

/// A version, and the shape that it was made with.
#[derive(Debug)]
pub(crate) struct LastVersion {
    pub(crate) version: Arc<Version>,
    pub(crate) shape_digest: [u8; 32],
    /// Whether a writer of this process or another would leave the version's pages alone.
    pub(crate) is_announced: bool,
}

/// How often it is begun again when a page turns unreadable meanwhile; the next time it is gone around.
const ATTEMPTS: usize = 8;

/// Reads the last version; `None` when there is no zone. Fails while there is a writer.
pub(crate) fn last_version(disk: &dyn Disk) -> Result<Option<LastVersion>, StoreError> {
    for _ in 1..ATTEMPTS {
        match try_last_version(disk) {
            Err(StoreError::PageLost) => {}
            done => return done,
        }
    }
    try_last_version(disk)
}

fn try_last_version(disk: &dyn Disk) -> Result<Option<LastVersion>, StoreError> {
    if readers::has_writer(disk)? {
        return Err(StoreError::InUse);
    }
    let Some(blocks) = open_blocks(disk)? else {
        return Ok(None);
    };
    let superblock = superblock::newest(&*blocks)?;
    let file = PageFile::in_memory(blocks, superblock.file_pages)
        .map_err(StoreError::io("mapping zone/blocks"))?;
    let mut replay = Replay::in_memory(file, &superblock)?;
    Redo::look(
        disk,
        superblock.store_id,
        superblock.record.zone_version,
        superblock.redo,
        |frame| replay.take(frame),
    )?;
    replay.apply()?;
    replay.nothing_lost()?;
    let slot = announced(disk, replay.record.zone_version, &superblock.store_id);
    let is_announced = slot.is_some();
    let version = Arc::new(Version {
        mapping: replay.file.mapping,
        root: replay.root,
        unit_secs: replay.identity.unit_secs,
        record: replay.record,
        fixed: Arc::new(replay.fixed),
        fixed_at: replay.fixed_at,
        redo: superblock.redo,
        _slot: slot,
    });
    Ok(Some(LastVersion {
        version,
        shape_digest: superblock.shape_digest,
        is_announced,
    }))
}

/// A slot that names the version; none where the disk does not take it, and then no writer may come.
fn announced(disk: &dyn Disk, zone_version: u64, store_id: &[u8; 16]) -> Option<Arc<Slot>> {
    let slot = Slot::take(disk).ok()?;
    slot.announce(zone_version, store_id).ok()?;
    Some(Arc::new(slot))
}
