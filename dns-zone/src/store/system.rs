//! The system calls that the store needs beyond the standard library: room on the disk, and locks
//! of single octets that another process can look at.
//!
//! Invariant of the unsafe blocks: every call takes the descriptor of a `&File`, which stays open
//! during the call, and plain numbers; the one structure passed by address lives on the stack of
//! the caller and is written by the kernel only during the call.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;

pub(super) const NO_FOLLOW: i32 = libc::O_NOFOLLOW;
pub(super) const CLOSE_ON_EXEC: i32 = libc::O_CLOEXEC;

fn offset(octets: u64) -> io::Result<libc::off_t> {
    octets
        .try_into()
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}

fn fallocate(file: &File, mode: i32, at: u64, octets: u64) -> io::Result<()> {
    let (at, octets) = (offset(at)?, offset(octets)?);
    loop {
        // SAFETY: an open descriptor and three numbers.
        if unsafe { libc::fallocate(file.as_raw_fd(), mode, at, octets) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Takes room for a range and extends the file over it; what is there stays.
pub(super) fn allocate(file: &File, at: u64, octets: u64) -> io::Result<()> {
    fallocate(file, 0, at, octets)
}

/// Ranges without room below `octets`: punched, never written, or only reserved.
pub(super) fn holes(file: &File, octets: u64) -> io::Result<Vec<Range<u64>>> {
    let mut holes = Vec::new();
    let mut at = 0;
    while at < octets {
        let hole = seek(file, at, libc::SEEK_HOLE)?.unwrap_or(octets);
        if hole >= octets {
            break;
        }
        at = seek(file, hole, libc::SEEK_DATA)?.unwrap_or(octets);
        holes.push(hole..at.min(octets));
    }
    Ok(holes)
}

/// The next place of a kind; `None` when there is none.
fn seek(file: &File, at: u64, whence: i32) -> io::Result<Option<u64>> {
    // SAFETY: an open descriptor and two numbers. Nobody reads or writes at the file's own place.
    let found = unsafe { libc::lseek(file.as_raw_fd(), offset(at)?, whence) };
    match u64::try_from(found) {
        Ok(found) => Ok(Some(found)),
        Err(_) => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ENXIO) => Ok(None),
            error => Err(error),
        },
    }
}

/// Gives the room of a range back; the range reads as zeros.
pub(super) fn punch_hole(file: &File, at: u64, octets: u64) -> io::Result<()> {
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    fallocate(file, mode, at, octets)
}

/// Starts reading a range into the page cache.
pub(super) fn read_ahead(file: &File, at: u64, octets: u64) {
    if let (Ok(at), Ok(octets)) = (offset(at), offset(octets)) {
        // SAFETY: an open descriptor and three numbers. A hint: the result does not matter.
        unsafe { libc::posix_fadvise(file.as_raw_fd(), at, octets, libc::POSIX_FADV_WILLNEED) };
    }
}

/// Has reads of a file read what is asked for and nothing beside it.
pub(super) fn read_at_random(file: &File) {
    // SAFETY: an open descriptor and three numbers. A hint: the result does not matter.
    unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_RANDOM) };
}

fn octet_lock(file: &File, command: i32, kind: i32, octet: u64) -> io::Result<libc::flock> {
    // SAFETY: `flock` is a plain structure of numbers, for which zeros are valid.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_start = offset(octet)?;
    lock.l_len = 1;
    // SAFETY: an open descriptor, and the address of a structure that outlives the call.
    if unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut lock) } == 0 {
        Ok(lock)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Locks one octet for this open file until it is closed or its process ends; `false` when another
/// open file has it. Locks of the open file, not of the process: they work inside one process, too.
pub(super) fn try_lock_octet(file: &File, octet: u64) -> io::Result<bool> {
    match octet_lock(file, libc::F_OFD_SETLK, libc::F_WRLCK, octet) {
        Ok(_) => Ok(true),
        Err(error) if [Some(libc::EAGAIN), Some(libc::EACCES)].contains(&error.raw_os_error()) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Gives the octet up. Closing the file does that too, but a program that is just being started
/// somewhere else in the process has the file open for a moment longer.
pub(super) fn unlock_octet(file: &File, octet: u64) -> io::Result<()> {
    octet_lock(file, libc::F_OFD_SETLK, libc::F_UNLCK, octet).map(drop)
}

/// Whether another open file has locked the octet; takes nothing.
pub(super) fn octet_is_locked(file: &File, octet: u64) -> io::Result<bool> {
    let lock = octet_lock(file, libc::F_OFD_GETLK, libc::F_WRLCK, octet)?;
    Ok(lock.l_type != libc::F_UNLCK as libc::c_short)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;

    #[test]
    fn a_locked_octet_is_seen_by_another_open_file_until_it_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let open = || {
            let mut options = OpenOptions::new();
            let options = options.read(true).write(true).create(true).truncate(false);
            options.open(dir.path().join("readers")).unwrap()
        };
        let (first, second) = (open(), open());
        assert!(try_lock_octet(&first, 3).unwrap());
        assert!(!try_lock_octet(&second, 3).unwrap());
        assert!(octet_is_locked(&second, 3).unwrap());
        assert!(!octet_is_locked(&second, 4).unwrap());
        assert!(try_lock_octet(&second, 4).unwrap());
        drop(first);
        assert!(!octet_is_locked(&second, 3).unwrap());
        assert!(try_lock_octet(&second, 3).unwrap());
    }
}
