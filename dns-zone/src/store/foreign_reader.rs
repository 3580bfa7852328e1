//! Reading a zone that another process writes; `readers.rs` tells how the two agree.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::StoreError;
use super::blob;
use super::disk::{Disk, DiskFile};
use super::mapping::Mapping;
use super::page::{PAGE_OCTETS, PageNo};
use super::readers::{CURRENT, Slot, has_writer};
use super::superblock::{self, Superblock};
use super::version::Version;
use super::zone_store::BLOCKS;

/// How often a page that is just being written is read again at once, and then once a millisecond
/// (while the writer opens the zone there is none).
const SHORT_ATTEMPTS: usize = 100;
const MOST_ATTEMPTS: usize = 2_000;

/// Reads a zone that another process writes.
#[derive(Debug)]
pub(crate) struct ForeignReader {
    disk: Arc<dyn Disk>,
    current: Arc<dyn DiskFile>,
    slot: Arc<Slot>,
    opened: Option<OpenedFile>,
    /// Versions given out, oldest first.
    versions: VecDeque<Arc<Version>>,
}

#[derive(Debug)]
struct OpenedFile {
    store_id: [u8; 16],
    shape_digest: [u8; 32],
    file: Arc<dyn DiskFile>,
    mapping: Arc<Mapping>,
}

impl ForeignReader {
    /// Opens the zone of a running writer; `None` when there is no writer: then whoever wants to
    /// read opens the store itself.
    pub(crate) fn open(disk: Arc<dyn Disk>) -> Result<Option<Self>, StoreError> {
        if !has_writer(&*disk)? {
            return Ok(None);
        }
        let current = disk
            .open(CURRENT, false)
            .map_err(StoreError::io("opening zone/current"))?;
        let slot = Arc::new(Slot::take(&*disk)?);
        Ok(Some(Self {
            disk,
            current,
            slot,
            opened: None,
            versions: VecDeque::new(),
        }))
    }

    /// The newest version; it stays as it is however long it is held.
    pub(crate) fn version(&mut self) -> Result<Arc<Version>, StoreError> {
        let current = self.announce_newest()?;
        if let Some(last) = self.versions.back()
            && self.is_of(&current)
            && last.record == current.record
        {
            return Ok(Arc::clone(last));
        }
        let opened = self.opened_for(&current)?;
        let (file, mapping) = (Arc::clone(&opened.file), Arc::clone(&opened.mapping));
        let length = file.length().map_err(StoreError::io("reading the zone"))?;
        let pages = PageNo::try_from(length / PAGE_OCTETS as u64).unwrap_or(PageNo::MAX);
        let bounds = mapping.set_bounds(pages.min(current.file_pages));
        bounds.map_err(StoreError::io("mapping the zone"))?;
        let (fixed, _) = blob::read(current.fixed, |page| mapping.page(page))?;
        let version = Arc::new(Version {
            mapping,
            root: current.root,
            unit_secs: current.unit_secs,
            record: current.record,
            fixed: Arc::new(fixed),
            fixed_at: current.fixed,
            redo: current.redo,
            _slot: Some(Arc::clone(&self.slot)),
        });
        self.versions.push_back(Arc::clone(&version));
        Ok(version)
    }

    /// Digest of the shape that the zone was made with, once a version of it was read.
    pub(crate) fn shape_digest(&self) -> Option<[u8; 32]> {
        self.opened.as_ref().map(|opened| opened.shape_digest)
    }

    /// Announces the oldest version that is held here, or the newest, until the newest stays the
    /// newest meanwhile.
    fn announce_newest(&mut self) -> Result<Superblock, StoreError> {
        let failed = StoreError::io("announcing a version to the zone's writer");
        let mut current = self.read_current()?;
        loop {
            let oldest = self.oldest_held(&current);
            self.slot
                .announce(oldest, &current.store_id)
                .map_err(&failed)?;
            let again = self.read_current()?;
            if again.store_id == current.store_id
                && again.record.zone_version == current.record.zone_version
            {
                return Ok(current);
            }
            current = again;
        }
    }

    /// The oldest version of the same store that is held here, else the newest. Versions of a store
    /// that was replaced lie in a file that nobody writes any more.
    fn oldest_held(&mut self, current: &Superblock) -> u64 {
        if !self.is_of(current) {
            self.versions.clear();
        }
        while let Some(oldest) = self.versions.front_mut() {
            if Arc::get_mut(oldest).is_none() {
                return oldest.record.zone_version;
            }
            self.versions.pop_front();
        }
        current.record.zone_version
    }

    fn is_of(&self, current: &Superblock) -> bool {
        self.opened
            .as_ref()
            .is_some_and(|opened| opened.store_id == current.store_id)
    }

    /// The file of this store. When it is being replaced just now, the name may already be that of
    /// another one.
    fn opened_for(&mut self, current: &Superblock) -> Result<&OpenedFile, StoreError> {
        if !self.is_of(current) {
            let file = self
                .disk
                .open(BLOCKS, false)
                .map_err(StoreError::reading(BLOCKS, "opening zone/blocks"))?;
            let store_id = superblock::newest(&*file)?.store_id;
            if store_id != current.store_id {
                return Err(StoreError::Busy);
            }
            let mapping =
                Mapping::new(Arc::clone(&file), 0).map_err(StoreError::io("mapping the zone"))?;
            self.opened = Some(OpenedFile {
                store_id: current.store_id,
                shape_digest: current.shape_digest,
                file,
                mapping: Arc::new(mapping),
            });
        }
        Ok(self.opened.as_ref().expect("it was opened just now"))
    }

    fn read_current(&self) -> Result<Superblock, StoreError> {
        for attempt in 0..MOST_ATTEMPTS {
            let mut page = [0; PAGE_OCTETS];
            self.current
                .read_at(&mut page, 0)
                .map_err(StoreError::io("reading zone/current"))?;
            if let Some(current) = Superblock::decode(&page) {
                return Ok(current);
            }
            if attempt > SHORT_ATTEMPTS {
                thread::sleep(Duration::from_millis(1));
            }
        }
        Err(StoreError::Busy)
    }
}

#[cfg(test)]
mod tests {
    use super::super::disk::RealDisk;
    use super::super::readers::Readers;
    use super::*;

    #[test]
    fn reader_finds_no_version_while_the_writer_opens_the_zone() {
        let dir = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(dir.path()).unwrap());
        let _readers = Readers::lock(&*disk).unwrap();
        let mut reader = ForeignReader::open(disk).unwrap().unwrap();
        assert!(matches!(reader.version(), Err(StoreError::Busy)));
    }
}
