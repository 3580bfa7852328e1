//! The zone file in memory: mapped read-only, each page's checksum verified at its first touch.
//!
//! A large range of addresses is reserved once, far beyond the end of the file, so that the file may
//! grow under its readers. What lies beyond the end is never touched: the writer tells the bounds
//! after the file has grown, and before it is cut.
//!
//! # Invariant
//!
//! - `base` is a mapping of `reserved_pages` pages, and `checked` a private one of two bits for each,
//!   the second half of which is `refused`; both live as long as the value and are unmapped by nobody
//!   else.
//! - `base` is a shared read-only mapping of the file; or, where there are `own` pages, the file's
//!   pages mapped privately and memory behind them. Only [`Mapping::write`] changes such a page, which has the
//!   value for itself, so that no `&Page` of it lives.
//! - `bounds` never exceeds the pages of the file, nor those reserved.
//! - A page is asked for only by whoever holds a version that reaches it, and the writer (of this or
//!   another process) rewrites no page that a held version reaches. So the octets behind a
//!   `&Page` do not change while it lives. (Of a private mapping, too: its version is announced, or
//!   no writer comes.)
//! - Nobody but the writer changes the file.
//! - One change of the octets behind a `&Page` there is: a page that was dropped from memory and
//!   cannot be read again turns to zeros (`bus_error`). [`Mapping::lost`] has counted it before
//!   anybody reads a zero. So whatever was made of pages counts only if the count is the same after
//!   it as before it; no index is taken from a page without a bound, whatever the page holds.
//!
//! # Bad sectors
//!
//! A page is read through the file before it is touched for the first time, so that a sector that
//! was bad before costs an error and no signal. A page that could not be read is refused from then
//! on, without asking the disk again; the scrub does ask.
#![allow(unsafe_code)] // see the invariant

mod bus_error;
mod memory;
mod verifying;

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use super::disk::DiskFile;
use super::page::{Damaged, PAGE_OCTETS, Page, PageNo};
use super::system;
use bus_error::Ward;
use memory::{Instead, map, replace, unmap};

/// Addresses reserved: 256 GiB are 800 million devices.
const RESERVED_PAGES: usize = 1 << 26;
/// Fewest pages worth reserving beyond the file, where addresses are limited.
const RESERVED_PAGES_MIN: usize = 1 << 14;

/// A zone file mapped read-only.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    checked: NonNull<AtomicU64>,
    /// Pages that could not be read, or that were and cannot be any more.
    refused: NonNull<AtomicU64>,
    reserved_pages: usize,
    bounds: AtomicU64,
    damaged: AtomicU64,
    unreadable: AtomicU64,
    file: Arc<dyn DiskFile>,
    /// Of a private mapping.
    own: Option<OwnPages>,
    ward: Ward,
}

/// Which pages of a private mapping are not the file's.
#[derive(Debug)]
struct OwnPages {
    /// From here on all.
    from: PageNo,
    written: BTreeSet<PageNo>,
}

// SAFETY: the mappings are shared memory that is only read (`base`) or only accessed atomically
// (`checked`, `refused`); no thread owns them.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps a file that has at least `file_pages` pages. Reserves less where the address space is
    /// limited (RLIMIT_AS); see [`Mapping::reserved_pages`].
    pub(crate) fn new(file: Arc<dyn DiskFile>, file_pages: PageNo) -> io::Result<Self> {
        let mapped = Some(file.raw().as_raw_fd());
        Self::reserved(file, file_pages, mapped, None)
    }

    /// Maps a file that has at least `file_pages` pages so that this process can change pages, and
    /// have more of them, without the file being changed. As in [`Mapping::new`], the others are the
    /// file's.
    pub(crate) fn private(file: Arc<dyn DiskFile>, file_pages: PageNo) -> io::Result<Self> {
        let own = OwnPages {
            from: file_pages,
            written: BTreeSet::new(),
        };
        let mapping = Self::reserved(file, file_pages, None, Some(own))?;
        let pages = file_pages as usize;
        if pages > 0 {
            let instead = Instead::Private(mapping.file.raw(), 0);
            // SAFETY: the mapping was made just now, and nobody has a reference into it yet.
            if !unsafe { replace(mapping.base.as_ptr(), pages * PAGE_OCTETS, instead) } {
                return Err(io::Error::last_os_error());
            }
            mapping.advise(0..pages, libc::MADV_RANDOM)?;
        }
        Ok(mapping)
    }

    fn reserved(
        file: Arc<dyn DiskFile>,
        file_pages: PageNo,
        mapped: Option<RawFd>,
        own: Option<OwnPages>,
    ) -> io::Result<Self> {
        let fewest = RESERVED_PAGES_MIN
            .max(file_pages as usize)
            .next_multiple_of(64);
        let mut reserved_pages = RESERVED_PAGES.max(fewest);
        let base = loop {
            match map(reserved_pages * PAGE_OCTETS, mapped) {
                Ok(base) => break base,
                Err(error) if reserved_pages == fewest => return Err(error),
                Err(_) => reserved_pages = (reserved_pages / 2).max(fewest),
            }
        };
        // Two bits for each page, in one piece.
        let marks: NonNull<AtomicU64> = match map(2 * (reserved_pages / 8), None) {
            Ok(marks) => marks.cast(),
            Err(error) => {
                unmap(base, reserved_pages * PAGE_OCTETS);
                return Err(error);
            }
        };
        // SAFETY: the second half of what was mapped just now.
        let (checked, refused) = (marks, unsafe { marks.add(reserved_pages / 64) });
        let octets = reserved_pages * PAGE_OCTETS;
        system::read_at_random(file.raw());
        let mapping = Self {
            base,
            checked,
            refused,
            reserved_pages,
            bounds: AtomicU64::new(u64::from(file_pages)),
            damaged: AtomicU64::new(0),
            unreadable: AtomicU64::new(0),
            file,
            ward: Ward::over(base, octets, own.is_some(), checked, refused),
            own,
        };
        mapping.advise(0..reserved_pages, libc::MADV_RANDOM)?;
        Ok(mapping)
    }

    /// A page, its checksum verified now or before. The caller holds a version that reaches it.
    #[inline]
    pub(crate) fn page(&self, page: PageNo) -> Result<&Page, Damaged> {
        if u64::from(page) < self.bounds.load(Ordering::Acquire) {
            let (word, bit) = self.checked(page);
            let octets = self.octets(page);
            if word.load(Ordering::Relaxed) & bit != 0 || self.check(page) {
                return Ok(octets);
            }
        }
        Err(self.damage(page))
    }

    /// How many pages have turned to zeros under somebody's eyes. Whoever makes something of pages
    /// asks before, and [`Mapping::has_lost_since`] after it.
    #[inline]
    pub(crate) fn lost(&self) -> u64 {
        self.ward.lost()
    }

    /// Whether any page has turned to zeros since: then what was made of pages meanwhile may be made
    /// of zeros.
    #[inline]
    pub(crate) fn has_lost_since(&self, lost: u64) -> bool {
        fence(Ordering::Acquire);
        self.ward.lost() != lost
    }

    /// Changes a page of a private mapping; whether it is whole is seen when it is read.
    pub(crate) fn write(&mut self, page: PageNo, octets: &Page) -> io::Result<()> {
        let bounds = *self.bounds.get_mut();
        let Some(own) = self.own.as_mut().filter(|_| u64::from(page) < bounds) else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        };
        let is_files = page < own.from && own.written.insert(page);
        // Writing to a page of the file would read it first, and it may be unreadable.
        if is_files && !self.put_in_place(page, Instead::OwnZeros) {
            return Err(io::Error::last_os_error());
        }
        let (word, bit) = self.checked(page);
        word.fetch_and(!bit, Ordering::Relaxed);
        let (word, bit) = self.refused(page);
        word.fetch_and(!bit, Ordering::Relaxed);
        // SAFETY: the page is within the bounds, which lie within the mapping; a private mapping is
        // writable, and nobody else has a reference into it while `self` is borrowed exclusively.
        unsafe {
            let place = self.base.add(page as usize * PAGE_OCTETS).as_ptr();
            place.copy_from_nonoverlapping(octets.as_ptr(), PAGE_OCTETS);
        }
        Ok(())
    }

    /// Tells that this process has written a whole page, so that it need not be verified.
    pub(crate) fn note_written(&self, page: PageNo) {
        if (page as usize) < self.reserved_pages && (!self.is_refused(page) || self.restore(page)) {
            let (word, bit) = self.checked(page);
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// Pages of the file that may be touched.
    pub(crate) fn bounds(&self) -> PageNo {
        PageNo::try_from(self.bounds.load(Ordering::Acquire)).unwrap_or(PageNo::MAX)
    }

    /// Tells the length of the file: after it has grown, before it is cut. Fails when it is longer
    /// than the reserved addresses; then the file must be mapped anew.
    pub(crate) fn set_bounds(&self, file_pages: PageNo) -> io::Result<()> {
        if file_pages as usize > self.reserved_pages {
            return Err(io::Error::from(io::ErrorKind::OutOfMemory));
        }
        self.bounds.store(u64::from(file_pages), Ordering::Release);
        Ok(())
    }

    /// How often a damaged page was met.
    pub(crate) fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Asks for a cache line of a page, if it is in memory.
    #[inline]
    pub(crate) fn prefetch(&self, page: PageNo, offset: usize) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let line = self
                .base
                .as_ptr()
                .wrapping_add(page as usize * PAGE_OCTETS + offset);
            // SAFETY: a prefetch never faults and changes nothing, whatever the address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (page, offset);
    }

    fn put_in_place(&self, page: PageNo, instead: Instead<'_>) -> bool {
        // SAFETY: a page that is reserved (callers ask below the bounds, or what was just written).
        // A refused page is read by nobody who does not look at the count of lost ones afterwards,
        // and one that is written, by nobody.
        unsafe {
            let place = self.base.add(page as usize * PAGE_OCTETS);
            replace(place.as_ptr(), PAGE_OCTETS, instead)
        }
    }

    #[cold]
    fn damage(&self, page: PageNo) -> Damaged {
        self.damaged.fetch_add(1, Ordering::Relaxed);
        Damaged { page }
    }

    /// The word and the bit that tell whether a page was verified; the page is within bounds.
    #[inline]
    fn checked(&self, page: PageNo) -> (&AtomicU64, u64) {
        debug_assert!((page as usize) < self.reserved_pages);
        // SAFETY: `checked` has a bit for each reserved page, and callers ask below the bounds,
        // which lie within what is reserved; it is mapped while `self` lives and aligned to a page.
        let word = unsafe { self.checked.add(page as usize / 64).as_ref() };
        (word, 1 << (page % 64))
    }

    /// The word and the bit that tell whether a page is refused, likewise.
    fn refused(&self, page: PageNo) -> (&AtomicU64, u64) {
        debug_assert!((page as usize) < self.reserved_pages);
        // SAFETY: as for `checked`.
        let word = unsafe { self.refused.add(page as usize / 64).as_ref() };
        (word, 1 << (page % 64))
    }

    /// The octets of a page, which is within bounds.
    #[inline]
    fn octets(&self, page: PageNo) -> &Page {
        // SAFETY: callers ask below the bounds, which lie within the file and the mapping; the page
        // does not change while it is held (see the invariant), and octets need no alignment.
        unsafe { self.base.add(page as usize * PAGE_OCTETS).cast().as_ref() }
    }

    fn advise(&self, pages: Range<usize>, advice: libc::c_int) -> io::Result<()> {
        let start = self.base.as_ptr().wrapping_add(pages.start * PAGE_OCTETS);
        // SAFETY: the range lies in our own mapping; neither advice given here changes its content.
        let outcome = unsafe { libc::madvise(start.cast(), pages.len() * PAGE_OCTETS, advice) };
        if outcome == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // Before another mapping can have the addresses.
        self.ward.end();
        unmap(self.base, self.reserved_pages * PAGE_OCTETS);
        unmap(self.checked.cast(), 2 * (self.reserved_pages / 8));
    }
}

#[cfg(test)]
mod tests;
