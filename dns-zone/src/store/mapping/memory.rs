//! Mappings as the system makes them: of a file, of nothing, and one in place of a part of another.
//!
//! Invariant: addresses are changed only where the caller promises that they are its own mapping's;
//! the other calls take numbers and descriptors of files that are open during the call.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr::NonNull;

/// Maps a file shared and read-only, or zeroed private memory that takes space only where it is
/// written.
pub(super) fn map(octets: usize, file: Option<RawFd>) -> io::Result<NonNull<u8>> {
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

/// What takes the place of a part of a mapping.
#[derive(Clone, Copy)]
pub(super) enum Instead<'a> {
    /// Zeros of this process, to be read.
    Zeros,
    /// Zeros of this process, to be read and changed.
    OwnZeros,
    /// The file at this offset, shared, to be read.
    Shared(&'a File, u64),
    /// The file at this offset, private, to be read and changed.
    Private(&'a File, u64),
}

/// Puts something in the place of a part of a mapping; false when the system refuses.
///
/// Only calls what may be called in a signal handler: mmap(2) itself.
///
/// # Safety
/// The range lies in one mapping of our own, which is mapped during the call, and begins and ends at
/// a page. Whoever has a reference into the range copes with octets that change, or nobody has one.
pub(super) unsafe fn replace(start: *mut u8, octets: usize, instead: Instead<'_>) -> bool {
    let change = libc::PROT_READ | libc::PROT_WRITE;
    let anonymous = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let (protection, flags, file, offset) = match instead {
        Instead::Zeros => (libc::PROT_READ, anonymous, -1, 0),
        Instead::OwnZeros => (change, anonymous, -1, 0),
        Instead::Shared(file, offset) => {
            (libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd(), offset)
        }
        Instead::Private(file, offset) => (change, libc::MAP_PRIVATE, file.as_raw_fd(), offset),
    };
    let Ok(offset) = libc::off_t::try_from(offset) else {
        return false;
    };
    let flags = flags | libc::MAP_NORESERVE | libc::MAP_FIXED;
    // SAFETY: the range is our own, as the caller promises; so nothing else is unmapped.
    let mapped = unsafe { libc::mmap(start.cast(), octets, protection, flags, file, offset) };
    mapped != libc::MAP_FAILED
}

pub(super) fn unmap(start: NonNull<u8>, octets: usize) {
    // SAFETY: called once for each mapping made by `map`, with its length, when nothing that was
    // borrowed from it can live any more.
    let outcome = unsafe { libc::munmap(start.as_ptr().cast(), octets) };
    debug_assert_eq!(outcome, 0);
}
