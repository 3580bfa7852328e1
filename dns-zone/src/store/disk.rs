//! The only door to the disk: every file of the store is opened, written, synced and renamed here.
//!
//! Two implementations: [`RealDisk`], a directory, and
//! [`SimulatedDisk`](super::simulated_disk::SimulatedDisk), which remembers what was not yet synced
//! and leaves what a power cut could leave. A disk is one flat directory; names hold no separator.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::system;

/// Most names that a directory of the store may hold: 1 GiB of segments is 128.
const MOST_NAMES: usize = 4096;

/// One flat directory of files.
pub trait Disk: Send + Sync + Debug {
    /// Opens a file for reading and writing; with `create` it is made when it is not there.
    fn open(&self, name: &str, create: bool) -> io::Result<Arc<dyn DiskFile>>;
    /// Names of all files, in no order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Gives a file another name, in place of the file that had it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Takes a name away; it is no error when it is gone already.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes names durable: what was created, renamed and removed until now.
    fn sync_directory(&self) -> io::Result<()>;
}

/// One open file; offsets and lengths in octets.
pub trait DiskFile: Send + Sync + Debug {
    /// Present length.
    fn length(&self) -> io::Result<u64>;
    /// Cuts or extends the file; new octets are zero and need not have room on the disk.
    fn set_len(&self, octets: u64) -> io::Result<()>;
    /// Extends the file to at least `octets` and takes the room for it, so that writing there later
    /// does not meet a full disk.
    fn reserve(&self, octets: u64) -> io::Result<()>;
    /// Takes room for a range inside the file that may have been given back.
    fn refill(&self, offset: u64, octets: u64) -> io::Result<()>;
    /// Ranges inside the file that have no room, as far as the file system tells.
    fn holes(&self) -> io::Result<Vec<Range<u64>>>;
    /// Fills the buffer or fails.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all octets; durable only after [`DiskFile::sync_data`].
    fn write_at(&self, octets: &[u8], offset: u64) -> io::Result<()>;
    /// Makes the content and the length durable.
    fn sync_data(&self) -> io::Result<()>;
    /// Gives the room of a range back; it reads as zeros afterwards, the length stays.
    fn punch(&self, offset: u64, octets: u64) -> io::Result<()>;
    /// Asks for a range to be read ahead; a hint.
    fn will_need(&self, offset: u64, octets: u64);
    /// The file itself: for mapping and locks.
    fn raw(&self) -> &File;
}

/// A directory of the file system.
#[derive(Debug)]
pub struct RealDisk {
    directory: PathBuf,
}

impl RealDisk {
    /// Uses a directory, which is created (0700) when it is not there.
    pub fn new(directory: &Path) -> io::Result<Self> {
        if !directory.try_exists()? {
            fs::create_dir_all(directory)?;
            fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
            if let Some(parent) = directory.parent().filter(|parent| *parent != Path::new("")) {
                File::open(parent)?.sync_all()?;
            }
        }
        Ok(Self {
            directory: directory.to_path_buf(),
        })
    }

    pub(crate) fn path(&self, name: &str) -> io::Result<PathBuf> {
        let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
        if !plain {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a file name of the store holds no separator",
            ));
        }
        Ok(self.directory.join(name))
    }

    pub(crate) fn open_file(&self, name: &str, create: bool) -> io::Result<RealFile> {
        let path = self.path(name)?;
        let mut options = OpenOptions::new();
        options
            .read(true)
            .mode(0o600)
            .custom_flags(system::NO_FOLLOW | system::CLOSE_ON_EXEC);
        let file = match options.clone().write(true).create(create).open(&path) {
            // For those who only read; a write fails.
            Err(error) if !create && error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                options.open(&path)?
            }
            opened => opened?,
        };
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a file of the store is no plain file",
            ));
        }
        Ok(RealFile { file })
    }
}

impl Disk for RealDisk {
    fn open(&self, name: &str, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(self.open_file(name, create)?))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            if names.len() == MOST_NAMES {
                return Err(io::Error::other("too many files in the zone's directory"));
            }
            // Names that are no text are none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from)?, self.path(to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path(name)?) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }
}

/// A file of a [`RealDisk`].
#[derive(Debug)]
pub(crate) struct RealFile {
    file: File,
}

#[cfg(test)]
impl RealFile {
    /// A file that is open, for tests that have no disk.
    pub(crate) fn of(file: &File) -> Arc<dyn DiskFile> {
        let file = file.try_clone().expect("another descriptor");
        Arc::new(Self { file })
    }
}

impl DiskFile for RealFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, octets: u64) -> io::Result<()> {
        self.file.set_len(octets)
    }

    fn reserve(&self, octets: u64) -> io::Result<()> {
        let present = self.length()?;
        if octets <= present {
            return Ok(());
        }
        match system::allocate(&self.file, present, octets - present) {
            // A file system that cannot reserve: the length alone.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => self.file.set_len(octets),
            result => result,
        }
    }

    fn refill(&self, offset: u64, octets: u64) -> io::Result<()> {
        match system::allocate(&self.file, offset, octets) {
            // Nor can such a file system give room back.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
            result => result,
        }
    }

    fn holes(&self) -> io::Result<Vec<Range<u64>>> {
        system::holes(&self.file, self.length()?)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn write_at(&self, octets: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(octets, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn punch(&self, offset: u64, octets: u64) -> io::Result<()> {
        match system::punch_hole(&self.file, offset, octets) {
            // The room stays taken; nothing is wrong with the content.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
            result => result,
        }
    }

    fn will_need(&self, offset: u64, octets: u64) {
        system::read_ahead(&self.file, offset, octets);
    }

    fn raw(&self) -> &File {
        &self.file
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_planted_link_is_not_followed_and_a_path_is_no_name() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(&dir.path().join("zone")).unwrap();
        let target = dir.path().join("target");
        fs::write(&target, b"precious").unwrap();
        symlink(&target, dir.path().join("zone/blocks")).unwrap();
        assert!(disk.open("blocks", true).is_err());
        assert_eq!(fs::read(&target).unwrap(), b"precious");
        for name in ["../target", "", "a/b", ".."] {
            assert!(disk.open(name, true).is_err(), "{name}");
        }
        fs::create_dir(dir.path().join("zone/folder")).unwrap();
        assert!(disk.open("folder", true).is_err());
    }

    #[test]
    fn files_are_private_and_removing_twice_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(&dir.path().join("zone")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let file = disk.open("blocks", true).unwrap();
        assert_eq!(mode(&dir.path().join("zone")), 0o700);
        assert_eq!(mode(&dir.path().join("zone/blocks")), 0o600);
        file.reserve(8192).unwrap();
        file.write_at(&[7; 8192], 0).unwrap();
        file.punch(4096, 4096).unwrap();
        file.will_need(0, 8192);
        let mut octets = [1; 8192];
        file.read_at(&mut octets, 0).unwrap();
        assert_eq!((octets[4095], octets[4096]), (7, 0));
        assert_eq!(file.length().unwrap(), 8192);
        assert!(file.read_at(&mut octets, 1).is_err(), "past the end");
        disk.sync_directory().unwrap();
        assert_eq!(disk.list().unwrap(), ["blocks"]);
        disk.remove("blocks").unwrap();
        disk.remove("blocks").unwrap();
        assert!(disk.open("blocks", false).is_err());
    }
}
