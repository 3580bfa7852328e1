//! The zone file in memory: mapped read-only, each page's checksum verified at its first touch.
//!
//! A large range of addresses is reserved once, far beyond the end of the file, so that the file may
//! grow under its readers. What lies beyond the end is never touched: the writer tells the bounds
//! after the file has grown, and before it is cut.
//!
//! # Invariant
//!
//! - `base` is a mapping of `reserved_pages` pages, and `checked` a private one of a bit for each;
//!   both live as long as the value and are unmapped by nobody else.
//! - `base` is a shared read-only mapping of the file; or, where `is_private`, the file's pages mapped
//!   privately and memory behind them. Only [`Mapping::write`] changes such a page, which has the
//!   value for itself, so that no `&Page` of it lives.
//! - `bounds` never exceeds the pages of the file, nor those reserved.
//! - A page is asked for only by whoever holds a version that reaches it, and the writer (of this or
//!   another process) rewrites no page that a held version reaches. So the octets behind a
//!   `&Page` do not change while it lives. (Of a private mapping, too: its version is announced, or
//!   no writer comes.)
//! - Nobody but the writer changes the file. (Cutting it from outside would end the process by
//!   SIGBUS: fail closed, and the service manager starts it anew.)
#![allow(unsafe_code)] // see the invariant

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use super::page::{Damaged, PAGE_OCTETS, Page, PageNo, is_whole};

/// Addresses reserved: 256 GiB are 800 million devices.
const RESERVED_PAGES: usize = 1 << 26;
/// Fewest pages worth reserving beyond the file, where addresses are limited.
const RESERVED_PAGES_MIN: usize = 1 << 14;

/// A zone file mapped read-only.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    checked: NonNull<AtomicU64>,
    reserved_pages: usize,
    bounds: AtomicU64,
    damaged: AtomicU64,
    is_private: bool,
}

// SAFETY: the mappings are shared memory that is only read (`base`) or only accessed atomically
// (`checked`); no thread owns them.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps a file that has at least `file_pages` pages. Reserves less where the address space is
    /// limited (RLIMIT_AS); see [`Mapping::reserved_pages`].
    pub(crate) fn new(file: &File, file_pages: PageNo) -> io::Result<Self> {
        Self::reserved(file_pages, Some(file.as_raw_fd()))
    }

    /// Maps a file that has at least `file_pages` pages so that this process can change pages, and
    /// have more of them, without the file being changed. As in [`Mapping::new`], the others are the
    /// file's.
    pub(crate) fn private(file: &File, file_pages: PageNo) -> io::Result<Self> {
        let mut mapping = Self::reserved(file_pages, None)?;
        let pages = file_pages as usize;
        map_privately_at(mapping.base, pages * PAGE_OCTETS, file)?;
        mapping.advise(0..pages, libc::MADV_RANDOM)?;
        mapping.is_private = true;
        Ok(mapping)
    }

    fn reserved(file_pages: PageNo, file: Option<RawFd>) -> io::Result<Self> {
        let fewest = RESERVED_PAGES_MIN
            .max(file_pages as usize)
            .next_multiple_of(64);
        let mut reserved_pages = RESERVED_PAGES.max(fewest);
        let base = loop {
            match map(reserved_pages * PAGE_OCTETS, file) {
                Ok(base) => break base,
                Err(error) if reserved_pages == fewest => return Err(error),
                Err(_) => reserved_pages = (reserved_pages / 2).max(fewest),
            }
        };
        let checked = match map(reserved_pages / 8, None) {
            Ok(checked) => checked.cast(),
            Err(error) => {
                unmap(base, reserved_pages * PAGE_OCTETS);
                return Err(error);
            }
        };
        let mapping = Self {
            base,
            checked,
            reserved_pages,
            bounds: AtomicU64::new(u64::from(file_pages)),
            damaged: AtomicU64::new(0),
            is_private: false,
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

    /// Verifies a page's checksum though it may have been verified before; for the scrub. A page
    /// found damaged is refused to everybody from then on.
    pub(crate) fn scrub(&self, page: PageNo) -> Result<(), Damaged> {
        if u64::from(page) < self.bounds.load(Ordering::Acquire) && self.check(page) {
            return Ok(());
        }
        Err(self.damage(page))
    }

    /// Changes a page of a private mapping; whether it is whole is seen when it is read.
    pub(crate) fn write(&mut self, page: PageNo, octets: &Page) -> io::Result<()> {
        if !self.is_private || u64::from(page) >= *self.bounds.get_mut() {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        let (word, bit) = self.checked(page);
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
        if (page as usize) < self.reserved_pages {
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

    /// Reads pages into memory; blocks until they are there. Pages beyond the file are left out.
    pub(crate) fn populate(&self, pages: Range<PageNo>) -> io::Result<()> {
        let end = pages.end.min(self.bounds());
        if pages.start >= end {
            return Ok(());
        }
        self.advise(pages.start as usize..end as usize, libc::MADV_POPULATE_READ)
    }

    /// Verifies the checksum and remembers the outcome.
    #[cold]
    fn check(&self, page: PageNo) -> bool {
        let (word, bit) = self.checked(page);
        let whole = is_whole(self.octets(page));
        if whole {
            word.fetch_or(bit, Ordering::Relaxed);
        } else {
            word.fetch_and(!bit, Ordering::Relaxed);
        }
        whole
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
        unmap(self.base, self.reserved_pages * PAGE_OCTETS);
        unmap(self.checked.cast(), self.reserved_pages / 8);
    }
}

/// Maps a file shared and read-only, or zeroed private memory that takes space only where it is
/// written.
fn map(octets: usize, file: Option<RawFd>) -> io::Result<NonNull<u8>> {
    let (protection, flags) = match file {
        Some(_) => (libc::PROT_READ, libc::MAP_SHARED),
        None => (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        ),
    };
    let flags = flags | libc::MAP_NORESERVE;
    // SAFETY: a fresh mapping at an address that the kernel chooses touches no memory in use.
    let start = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            octets,
            protection,
            flags,
            file.unwrap_or(-1),
            0,
        )
    };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(start.cast()).ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))
}

/// Puts the first octets of a file in place of as many of a mapping of our own: private, to be read and
/// changed.
fn map_privately_at(start: NonNull<u8>, octets: usize, file: &File) -> io::Result<()> {
    if octets == 0 {
        return Ok(());
    }
    // SAFETY: the range lies in a mapping that was made just now by `map` and into which nobody has
    // a reference yet; it is unmapped together with that.
    let mapped = unsafe {
        libc::mmap(
            start.as_ptr().cast(),
            octets,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_NORESERVE | libc::MAP_FIXED,
            file.as_raw_fd(),
            0,
        )
    };
    if mapped == libc::MAP_FAILED {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn unmap(start: NonNull<u8>, octets: usize) {
    // SAFETY: called once for each mapping made by `map`, with its length, when nothing that was
    // borrowed from it can live any more.
    let outcome = unsafe { libc::munmap(start.as_ptr().cast(), octets) };
    debug_assert_eq!(outcome, 0);
}

#[cfg(test)]
mod tests;
