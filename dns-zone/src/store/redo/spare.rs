//! Segments that are prepared before they are needed: their whole length is written once, so that no
//! append changes a length.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::disk::{Disk, DiskFile};
use super::super::frame::ALIGNMENT;

pub(super) const SPARE: &str = "redo-spare";
/// Octets that are zeroed at a time.
const ZEROS: usize = 1 << 20;

/// A prepared segment without a name of its own.
#[derive(Debug, Default)]
pub(in crate::store) struct Spare {
    /// Whoever prepares or takes it holds the lock.
    file: Mutex<Option<Arc<dyn DiskFile>>>,
    /// Octets of zeros written to prepare segments since the log was opened.
    zeroed: AtomicU64,
}

impl Spare {
    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Arc<dyn DiskFile>>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn prepare(&self, disk: &dyn Disk, octets: u64) -> io::Result<Arc<dyn DiskFile>> {
        self.zeroed.fetch_add(octets, Ordering::Relaxed);
        prepare(disk, SPARE, octets)
    }

    pub(super) fn zeroed_octets(&self) -> u64 {
        self.zeroed.load(Ordering::Relaxed)
    }
}

/// Writes a segment of zeros over its whole length and syncs it.
pub(in crate::store) fn prepare(
    disk: &dyn Disk,
    name: &str,
    octets: u64,
) -> io::Result<Arc<dyn DiskFile>> {
    let octets = octets.next_multiple_of(ALIGNMENT as u64);
    let file = disk.open(name, true)?;
    file.set_len(0)?;
    file.reserve(octets)?;
    let zeros = vec![0; ZEROS];
    let mut at = 0;
    while at < octets {
        let length = (octets - at).min(ZEROS as u64);
        file.write_at(&zeros[..length as usize], at)?;
        at += length;
    }
    file.sync_data()?;
    Ok(file)
}

/// Prepares the spare segment unless there is one.
pub(in crate::store) fn prepare_spare(
    disk: &dyn Disk,
    spare: &Spare,
    octets: u64,
) -> io::Result<()> {
    let mut file = spare.lock();
    if file.is_none() {
        *file = Some(spare.prepare(disk, octets)?);
    }
    Ok(())
}
