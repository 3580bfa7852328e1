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
//! A reader ([`ForeignReader`](super::foreign_reader::ForeignReader)) writes the version into its slot and then looks whether it is still the newest. If it
//! is, then the writer sees the slot before it takes back any page of that version: pages of a
//! version are taken back only after a newer one is the newest.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use super::StoreError;
use super::disk::{Disk, DiskFile};
use super::octets::Octets;
use super::page::PAGE_OCTETS;
use super::store_error::is_no_plain_file;
use super::superblock::Superblock;
use super::system;

pub(super) const READERS: &str = "readers";
pub(super) const CURRENT: &str = "current";
const SLOTS: u64 = 64;
const SLOT_OCTETS: usize = 64;
const SLOT_CONTENT_OCTETS: usize = 24;
const WRITER_OCTET: u64 = SLOTS * SLOT_OCTETS as u64;
/// The writer's side; while it lives, no other writer opens the zone.
#[derive(Debug)]
pub(super) struct Readers {
    file: Arc<dyn DiskFile>,
    current: Arc<dyn DiskFile>,
}

impl Readers {
    /// Becomes the only writer.
    pub(super) fn lock(disk: &dyn Disk) -> Result<Self, StoreError> {
        Self::lock_opened_by(|name| disk.open(name, true))
    }

    /// The same for a zone that is made anew: what is in the way goes aside.
    pub(super) fn lock_anew(disk: &dyn Disk) -> Result<Self, StoreError> {
        Self::lock_opened_by(|name| open_or_replace(disk, name))
    }

    fn lock_opened_by(
        open: impl Fn(&str) -> io::Result<Arc<dyn DiskFile>>,
    ) -> Result<Self, StoreError> {
        let file = open(READERS).map_err(StoreError::io(
            "opening zone/readers (what has the name may be removed while no registry runs)",
        ))?;
        let is_ours = system::try_lock_octet(file.raw(), WRITER_OCTET)
            .map_err(StoreError::io("locking the zone"))?;
        if !is_ours {
            return Err(StoreError::InUse);
        }
        // With room, so that a slot can be written when the disk is full.
        file.reserve(WRITER_OCTET)
            .map_err(StoreError::io("extending zone/readers"))?;
        let current = open(CURRENT).map_err(StoreError::io(
            "opening zone/current (what has the name may be removed while no registry runs)",
        ))?;
        // What an earlier writer left there must not be taken for a version of this one.
        current
            .write_at(&[0; PAGE_OCTETS], 0)
            .map_err(StoreError::io("clearing zone/current"))?;
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

/// Opens a file that holds nothing which outlives its processes. What is no file and has its name
/// goes aside: it is of no use to anybody, and must not keep a zone from being repaired.
fn open_or_replace(disk: &dyn Disk, name: &str) -> io::Result<Arc<dyn DiskFile>> {
    match disk.open(name, true) {
        Err(error) if is_no_plain_file(&error) => {
            let aside = format!("{name}.aside");
            tracing::warn!(name, aside, %error, "what is no file goes aside");
            disk.rename(name, &aside)?;
            disk.open(name, true)
        }
        opened => opened,
    }
}

/// Whether anybody writes the zone at this moment.
pub(super) fn has_writer(disk: &dyn Disk) -> Result<bool, StoreError> {
    match disk.open(READERS, false) {
        Ok(file) => system::octet_is_locked(file.raw(), WRITER_OCTET).map_err(StoreError::io(
            "looking for the writer's lock on zone/readers",
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::io("opening zone/readers")(error)),
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
        let failed = StoreError::io("taking a slot in zone/readers");
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
    fn a_planted_directory_or_link_keeps_nobody_from_making_the_zone_anew() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(dir.path()).unwrap();
        std::fs::create_dir(dir.path().join(READERS)).unwrap();
        std::os::unix::fs::symlink("/dev/null", dir.path().join(CURRENT)).unwrap();
        let said = Readers::lock(&disk).unwrap_err().to_string();
        assert!(said.contains("zone/readers"), "{said}");
        let readers = Readers::lock_anew(&disk).unwrap();
        assert_eq!(readers.oldest_held(&ID).unwrap(), None);
        assert!(has_writer(&disk).unwrap());
        assert!(dir.path().join("readers.aside").is_dir());
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
}
