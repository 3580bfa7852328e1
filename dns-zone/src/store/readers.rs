//! Readers in other processes: which versions they hold, and which version is the newest.
//!
//! File `readers`: 64 slots of 64 octets (version 8, store's id 16, CRC32C of both 4). A reader owns
//! a slot by a lock on its first octet, which the system takes away when the process ends; so a slot
//! that is not locked says nothing. The writer owns the octet after the slots.
//!
//! File `current`: one page as a superblock, which the writer overwrites at each commit. It is never
//! synced and counts only while a writer lives. Its checksum tells a page that was read while it was
//! written.
//!
//! A reader writes the version into its slot and then looks whether it is still the newest. If it
//! is, then the writer sees the slot before it takes back any page of that version: pages of a
//! version are taken back only after a newer one is the newest.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::thread;
use std::time::Duration;

use super::StoreError;
use super::blob;
use super::disk::{Disk, DiskFile};
use super::mapping::Mapping;
use super::octets::Octets;
use super::page::{PAGE_OCTETS, PageNo};
use super::superblock::{self, Superblock};
use super::system;
use super::version::Version;
use super::zone_store::BLOCKS;

pub(super) const READERS: &str = "readers";
pub(super) const CURRENT: &str = "current";
const SLOTS: u64 = 64;
const SLOT_OCTETS: usize = 64;
const SLOT_CONTENT_OCTETS: usize = 24;
const WRITER_OCTET: u64 = SLOTS * SLOT_OCTETS as u64;
/// How often a page that is just being written is read again at once, and then once a millisecond
/// (while the writer opens the zone there is none).
const SHORT_ATTEMPTS: usize = 100;
const MOST_ATTEMPTS: usize = 2_000;

/// The writer's side; while it lives, no other writer opens the zone.
#[derive(Debug)]
pub(super) struct Readers {
    file: Arc<dyn DiskFile>,
    current: Arc<dyn DiskFile>,
}

impl Readers {
    /// Becomes the only writer.
    pub(super) fn lock(disk: &dyn Disk) -> Result<Self, StoreError> {
        let file = disk
            .open(READERS, true)
            .map_err(StoreError::io("opening the table of readers"))?;
        let is_ours = system::try_lock_octet(file.raw(), WRITER_OCTET)
            .map_err(StoreError::io("locking the zone"))?;
        if !is_ours {
            return Err(StoreError::InUse);
        }
        // With room, so that a slot can be written when the disk is full.
        file.reserve(WRITER_OCTET)
            .map_err(StoreError::io("extending the table of readers"))?;
        let current = disk
            .open(CURRENT, true)
            .map_err(StoreError::io("opening the page of the current version"))?;
        // What an earlier writer left there must not be taken for a version of this one.
        current
            .write_at(&[0; PAGE_OCTETS], 0)
            .map_err(StoreError::io("clearing the page of the current version"))?;
        fence(Ordering::SeqCst);
        Ok(Self { file, current })
    }

    /// Tells readers of other processes what the newest version is.
    pub(super) fn publish(&self, current: &Superblock) -> io::Result<()> {
        self.current.write_at(&current.encode()[..], 0)?;
        fence(Ordering::SeqCst);
        Ok(())
    }

    /// The oldest version of this store that another process holds.
    pub(super) fn oldest_held(&self, store_id: &[u8; 16]) -> io::Result<Option<u64>> {
        fence(Ordering::SeqCst);
        let mut table = [0; WRITER_OCTET as usize];
        self.file.read_at(&mut table, 0)?;
        let mut oldest = None;
        for (index, slot) in table.chunks_exact(SLOT_OCTETS).enumerate() {
            if let Some(version) = held_by(slot, store_id)
                && oldest.is_none_or(|oldest| version < oldest)
                && system::octet_is_locked(self.file.raw(), slot_octet(index as u64))?
            {
                oldest = Some(version);
            }
        }
        Ok(oldest)
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        // A failure leaves it to the closing of the file.
        let _ = system::unlock_octet(self.file.raw(), WRITER_OCTET);
    }
}

/// Whether anybody writes the zone at this moment.
pub(super) fn has_writer(disk: &dyn Disk) -> Result<bool, StoreError> {
    match disk.open(READERS, false) {
        Ok(file) => system::octet_is_locked(file.raw(), WRITER_OCTET)
            .map_err(StoreError::io("looking for the zone's writer")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::io("opening the table of readers")(error)),
    }
}

fn slot_octet(index: u64) -> u64 {
    index * SLOT_OCTETS as u64
}

fn slot_content(version: u64, store_id: &[u8; 16]) -> [u8; SLOT_CONTENT_OCTETS + 4] {
    let mut content = [0; SLOT_CONTENT_OCTETS + 4];
    content[..8].copy_from_slice(&version.to_le_bytes());
    content[8..SLOT_CONTENT_OCTETS].copy_from_slice(store_id);
    let checksum = crc32c::crc32c(&content[..SLOT_CONTENT_OCTETS]);
    content[SLOT_CONTENT_OCTETS..].copy_from_slice(&checksum.to_le_bytes());
    content
}

/// The version that a slot announces for this store; one that cannot be read, because it is just
/// being written, may announce the oldest.
fn held_by(slot: &[u8], store_id: &[u8; 16]) -> Option<u64> {
    let mut octets = Octets::new(slot);
    let version = octets.u64()?;
    let of_store = octets.array::<16>()?;
    if slot.iter().all(|octet| *octet == 0) {
        return None;
    }
    let checksum = crc32c::crc32c(&slot[..SLOT_CONTENT_OCTETS]);
    if octets.u32()? != checksum {
        return Some(0);
    }
    (of_store == *store_id).then_some(version)
}

/// A slot of this process; free again when nobody has it.
#[derive(Debug)]
pub(super) struct Slot {
    file: Arc<dyn DiskFile>,
    index: u64,
}

impl Slot {
    pub(super) fn take(disk: &dyn Disk) -> Result<Self, StoreError> {
        let failed = StoreError::io("taking a slot in the table of readers");
        let file = disk.open(READERS, false).map_err(&failed)?;
        for index in 0..SLOTS {
            if system::try_lock_octet(file.raw(), slot_octet(index)).map_err(&failed)? {
                return Ok(Self { file, index });
            }
        }
        Err(failed(io::Error::other("all 64 slots are taken")))
    }

    pub(super) fn announce(&self, version: u64, store_id: &[u8; 16]) -> io::Result<()> {
        self.file
            .write_at(&slot_content(version, store_id), slot_octet(self.index))?;
        fence(Ordering::SeqCst);
        Ok(())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // A failure leaves it to the closing of the file.
        let _ = system::unlock_octet(self.file.raw(), slot_octet(self.index));
    }
}

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
        let readers = match disk.open(READERS, false) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("opening the table of readers")(error)),
        };
        let is_written = system::octet_is_locked(readers.raw(), WRITER_OCTET)
            .map_err(StoreError::io("looking for the zone's writer"))?;
        if !is_written {
            return Ok(None);
        }
        let current = disk
            .open(CURRENT, false)
            .map_err(StoreError::io("opening the page of the current version"))?;
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
                .map_err(StoreError::io("opening the zone file"))?;
            let store_id = superblock::newest(&*file)?.store_id;
            if store_id != current.store_id {
                return Err(StoreError::Busy);
            }
            let mapping =
                Mapping::new(file.raw(), 0).map_err(StoreError::io("mapping the zone"))?;
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
                .map_err(StoreError::io("reading the page of the current version"))?;
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
    use super::*;

    const ID: [u8; 16] = *b"id of this store";

    #[test]
    fn a_writer_that_ended_holds_nothing_even_while_a_child_has_its_descriptors() {
        let directory = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(directory.path()).unwrap();
        let readers = Readers::lock(&disk).unwrap();
        // As between fork and exec of a child.
        let inherited = readers.file.raw().try_clone().unwrap();
        drop(readers);
        assert!(Readers::lock(&disk).is_ok());
        drop(inherited);
    }

    #[test]
    fn oldest_version_of_this_store_in_a_slot_that_lives_counts() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(dir.path()).unwrap();
        let readers = Readers::lock(&disk).unwrap();
        assert_eq!(readers.oldest_held(&ID).unwrap(), None);
        let slots: Vec<_> = (0..3).map(|_| Slot::take(&disk).unwrap()).collect();
        for (slot, version) in slots.iter().zip([9, 0, 7]) {
            slot.announce(version, &ID).unwrap();
        }
        assert_eq!(readers.oldest_held(&ID).unwrap(), Some(0));
        slots[1].announce(3, b"another store's ").unwrap();
        assert_eq!(readers.oldest_held(&ID).unwrap(), Some(7));
        let [first, second, third] = <[Slot; 3]>::try_from(slots).unwrap();
        drop(third);
        assert_eq!(readers.oldest_held(&ID).unwrap(), Some(9), "a dead reader");
        drop((first, second));
        assert_eq!(readers.oldest_held(&ID).unwrap(), None);
    }

    #[test]
    fn slot_that_cannot_be_read_may_hold_everything() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(dir.path()).unwrap();
        let readers = Readers::lock(&disk).unwrap();
        let slot = Slot::take(&disk).unwrap();
        slot.announce(9, &ID).unwrap();
        slot.file.write_at(&[1], 3).unwrap();
        assert_eq!(readers.oldest_held(&ID).unwrap(), Some(0));
        slot.announce(9, &ID).unwrap();
        assert_eq!(readers.oldest_held(&ID).unwrap(), Some(9));
    }

    #[test]
    fn reader_beyond_the_last_slot_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(dir.path()).unwrap();
        let _readers = Readers::lock(&disk).unwrap();
        let slots: Vec<_> = (0..SLOTS).map(|_| Slot::take(&disk).unwrap()).collect();
        assert!(Slot::take(&disk).is_err());
        drop(slots);
        Slot::take(&disk).unwrap();
    }

    #[test]
    fn reader_finds_no_version_while_the_writer_opens_the_zone() {
        let dir = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(dir.path()).unwrap());
        let _readers = Readers::lock(&*disk).unwrap();
        let mut reader = ForeignReader::open(disk).unwrap().unwrap();
        assert!(matches!(reader.version(), Err(StoreError::Busy)));
    }
}
