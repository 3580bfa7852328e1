//! Making a zone: a new file beside the old one, whole and synced before it takes its name.
//!
//! Until [`Store::put_in_place`] the old zone is as it was; what was made beside it goes when making
//! fails, and with the next start when the process ended.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use ring::rand::{SecureRandom, SystemRandom};

use super::StoreError;
use super::blob::{self, Blob};
use super::checkpoint::{Checkpointer, Durable};
use super::disk::{Disk, DiskFile};
use super::frame::MAX_FIXED_OCTETS;
use super::free::Free;
use super::load::Loader;
use super::page::{FIRST_PAGE, Key, PAGE_OCTETS, Page, PageNo};
use super::page_file::{PageFile, offset_of};
use super::readers::Readers;
use super::record::StoredRecord;
use super::record_of_commit::CommitRecord;
use super::redo::{self, Redo};
use super::superblock::{self, SLOTS, Superblock};
use super::tree::Root;
use super::version::Version;
use super::zone_store::{BLOCKS, Identity, NEW_BLOCKS, Pace, Store, StoreLimits};

/// Octets that are written at a time.
const WRITE_OCTETS: usize = 1 << 20;

impl Store {
    /// As [`Store::create_with`], with the limits of every day.
    #[cfg(test)]
    pub(crate) fn create<E: From<StoreError>>(
        disk: Arc<dyn Disk>,
        shape_digest: [u8; 32],
        unit_secs: u32,
        records: impl IntoIterator<Item = Result<(Key, StoredRecord), E>>,
        record: CommitRecord,
        fixed: Vec<u8>,
    ) -> Result<(Self, Arc<Version>), E> {
        let limits = StoreLimits::default();
        Self::create_with(
            limits,
            disk,
            shape_digest,
            unit_secs,
            records,
            record,
            fixed,
        )
    }

    /// [`Store::make_beside`], then [`Store::put_in_place`].
    #[cfg(test)]
    pub(crate) fn create_with<E: From<StoreError>>(
        limits: StoreLimits,
        disk: Arc<dyn Disk>,
        shape_digest: [u8; 32],
        unit_secs: u32,
        records: impl IntoIterator<Item = Result<(Key, StoredRecord), E>>,
        record: CommitRecord,
        fixed: Vec<u8>,
    ) -> Result<(Self, Arc<Version>), E> {
        let beside = Arc::clone(&disk);
        let (mut store, version) = Self::make_beside(
            limits,
            beside,
            shape_digest,
            unit_secs,
            records,
            record,
            fixed,
        )?;
        store.put_in_place(&*disk)?;
        Ok((store, version))
    }

    /// Makes a zone of these records, ascending by key, and of the fixed names, beside the one that
    /// may be there. It takes commits, and the next start finds nothing of it before
    /// [`Store::put_in_place`]. No other [`Store`] of the directory may be open; versions of the old
    /// zone may be held.
    ///
    /// The first error among the records ends it; then nothing of the new zone is left.
    pub(crate) fn make_beside<E: From<StoreError>>(
        limits: StoreLimits,
        disk: Arc<dyn Disk>,
        shape_digest: [u8; 32],
        unit_secs: u32,
        records: impl IntoIterator<Item = Result<(Key, StoredRecord), E>>,
        record: CommitRecord,
        fixed: Vec<u8>,
    ) -> Result<(Self, Arc<Version>), E> {
        let readers = Readers::lock_anew(&*disk)?;
        if fixed.len() > MAX_FIXED_OCTETS {
            return Err(StoreError::TooLarge.into());
        }
        let identity = Identity {
            store_id: new_id()?,
            shape_digest,
            unit_secs: unit_secs.max(1),
        };
        let made = Self::made_of(limits, &disk, identity, records, record, fixed, readers);
        if made.is_err() {
            remove_new(&*disk, &identity.store_id);
        }
        made
    }

    fn made_of<E: From<StoreError>>(
        limits: StoreLimits,
        disk: &Arc<dyn Disk>,
        identity: Identity,
        records: impl IntoIterator<Item = Result<(Key, StoredRecord), E>>,
        record: CommitRecord,
        fixed: Vec<u8>,
        readers: Readers,
    ) -> Result<(Self, Arc<Version>), E> {
        let blocks = open_new_file(&**disk).map_err(StoreError::io("making the new zone file"))?;
        let mut writer = PageWriter::new(&*blocks);
        let (root, next_page) = load(&mut writer, records, record.zone_version, &identity)?;
        let made = Made {
            identity,
            limits,
            readers,
            root,
            record,
            fixed,
        };
        Ok(made.finish(Arc::clone(disk), writer, next_page, &blocks)?)
    }

    /// Gives a zone that was made beside another its place, by one rename: before it, a start finds
    /// the old zone, and after it the new one with all its commits. The log of the old zone goes
    /// last.
    pub(crate) fn put_in_place(&mut self, disk: &dyn Disk) -> Result<(), StoreError> {
        let placed = disk
            .sync_directory()
            .and_then(|()| disk.rename(NEW_BLOCKS, BLOCKS))
            .and_then(|()| disk.sync_directory())
            .and_then(|()| redo::remove_segments_of_others(disk, &self.identity.store_id));
        placed.map_err(|error| self.fail("putting the new zone file in place", &error))
    }

    /// Gives up a zone that was made beside another and is not in its place.
    pub(crate) fn give_up(self, disk: &dyn Disk) {
        let store_id = self.identity.store_id;
        drop(self);
        remove_new(disk, &store_id);
    }
}

/// Best effort: it takes room that may be wanted, and the next start removes it too.
fn remove_new(disk: &dyn Disk, store_id: &[u8; 16]) {
    let removed = disk
        .remove(NEW_BLOCKS)
        .and_then(|()| redo::remove_segments_of(disk, store_id));
    if let Err(error) = removed {
        tracing::warn!(%error, "what was made of a new zone is not removed");
    }
}

/// A new zone whose blocks and index are written.
struct Made {
    identity: Identity,
    limits: StoreLimits,
    readers: Readers,
    root: Root,
    record: CommitRecord,
    fixed: Vec<u8>,
}

impl Made {
    fn finish(
        self,
        disk: Arc<dyn Disk>,
        mut writer: PageWriter<'_>,
        mut next_page: PageNo,
        blocks: &Arc<dyn DiskFile>,
    ) -> Result<(Store, Arc<Version>), StoreError> {
        let failed = StoreError::io("making the new zone file");
        let (fixed_at, fixed_pages) = blob::write(&self.fixed, || {
            next_page += 1;
            next_page - 1
        });
        for (number, page) in &fixed_pages {
            writer.write(*number, page).map_err(&failed)?;
        }
        writer.flush().map_err(&failed)?;
        let first_version = self.record.zone_version.saturating_add(1);
        let redo = Redo::create(
            Arc::clone(&disk),
            self.identity.store_id,
            self.limits.redo,
            first_version,
        );
        let redo = redo.map_err(StoreError::io("making the redo log"))?;
        let superblock = self.superblock(fixed_at, &redo, next_page);
        write_superblocks(&**blocks, &superblock).map_err(&failed)?;
        let fixed_pages = fixed_pages.iter().map(|(number, _)| *number).collect();
        self.start(disk, Arc::clone(blocks), &superblock, redo, fixed_pages)
    }

    fn superblock(&self, fixed_at: Blob, redo: &Redo, file_pages: PageNo) -> Superblock {
        Superblock {
            checkpoint: 1,
            store_id: self.identity.store_id,
            shape_digest: self.identity.shape_digest,
            unit_secs: self.identity.unit_secs,
            root: self.root.clone(),
            fixed: fixed_at,
            redo: redo.position(),
            file_pages,
            record: self.record.clone(),
        }
    }

    fn start(
        self,
        disk: Arc<dyn Disk>,
        blocks: Arc<dyn DiskFile>,
        superblock: &Superblock,
        redo: Redo,
        fixed_pages: Vec<PageNo>,
    ) -> Result<(Store, Arc<Version>), StoreError> {
        let file = PageFile::new(blocks).map_err(StoreError::io("mapping zone/blocks"))?;
        let version = Arc::new(Version {
            mapping: Arc::clone(&file.mapping),
            root: self.root,
            unit_secs: self.identity.unit_secs,
            record: self.record,
            fixed: Arc::new(self.fixed),
            fixed_at: superblock.fixed,
            redo: superblock.redo,
            _slot: None,
        });
        let free = Free::from_live(
            0..superblock.file_pages,
            superblock.file_pages,
            version.record.zone_version,
        );
        let durable = Durable::of(superblock);
        let checkpointer =
            Checkpointer::start(disk, Arc::clone(&file.blocks), redo.spare(), durable)
                .map_err(StoreError::io("starting the thread of the checkpoints"))?;
        self.readers
            .publish(superblock)
            .map_err(StoreError::io("telling readers of the zone"))?;
        let store = Store {
            identity: self.identity,
            limits: self.limits,
            lost: file.mapping.lost(),
            file,
            redo,
            free,
            fixed_pages,
            versions: VecDeque::from([Arc::clone(&version)]),
            checkpointer,
            pace: Pace::starting(superblock.checkpoint),
            failed: None,
            readers: self.readers,
        };
        Ok((store, version))
    }
}

fn new_id() -> Result<[u8; 16], StoreError> {
    let mut id = [0; 16];
    SystemRandom::new()
        .fill(&mut id)
        .map_err(|_| StoreError::io("drawing an id")(io::Error::other("no random octets")))?;
    Ok(id)
}

fn open_new_file(disk: &dyn Disk) -> io::Result<Arc<dyn DiskFile>> {
    // A fresh file: versions of a zone that was removed may still be read from the old one.
    disk.remove(NEW_BLOCKS)?;
    let blocks = disk.open(NEW_BLOCKS, true)?;
    blocks.set_len(offset_of(FIRST_PAGE))?;
    Ok(blocks)
}

fn load<E: From<StoreError>>(
    writer: &mut PageWriter<'_>,
    records: impl IntoIterator<Item = Result<(Key, StoredRecord), E>>,
    zone_version: u64,
    identity: &Identity,
) -> Result<(Root, PageNo), E> {
    let sink = |number: PageNo, page: &Page| writer.write(number, page);
    let mut loader = Loader::new(FIRST_PAGE, zone_version, identity.unit_secs, sink);
    for item in records {
        let (key, record) = item?;
        loader.push(key, record).map_err(StoreError::from)?;
    }
    Ok(loader.finish().map_err(StoreError::from)?)
}

fn write_superblocks(blocks: &dyn DiskFile, superblock: &Superblock) -> io::Result<()> {
    let page = superblock.encode();
    for slot in 0..SLOTS {
        superblock::write(blocks, slot, &page)?;
    }
    blocks.sync_data()
}

/// Writes neighbouring pages together.
struct PageWriter<'a> {
    blocks: &'a dyn DiskFile,
    offset: u64,
    octets: Vec<u8>,
}

impl<'a> PageWriter<'a> {
    fn new(blocks: &'a dyn DiskFile) -> Self {
        Self {
            blocks,
            offset: 0,
            octets: Vec::with_capacity(WRITE_OCTETS),
        }
    }

    fn write(&mut self, number: PageNo, page: &Page) -> io::Result<()> {
        let follows = self.offset + self.octets.len() as u64 == offset_of(number);
        if !follows || self.octets.len() + PAGE_OCTETS > WRITE_OCTETS {
            self.flush()?;
            self.offset = offset_of(number);
        }
        self.octets.extend_from_slice(page);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.blocks.write_at(&self.octets, self.offset)?;
        self.offset += self.octets.len() as u64;
        self.octets.clear();
        Ok(())
    }
}
