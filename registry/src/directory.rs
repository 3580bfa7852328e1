//! The registry's directory: where everything is, who may open it, and how secrets get to disk.
//!
//! ```text
//! <dir>/lock            one process at a time
//! <dir>/registry.toml   configuration
//! <dir>/operator.token  bearer token of the registry's own operators
//! <dir>/registry.db     the truth (SQLite)
//! <dir>/zone/           zone keys, static records and the signed zone
//! <dir>/trust/          the three trust roots: device, service, account
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

/// Largest file that is read whole: keys, certificates, configuration.
const FILE_OCTETS_MAX: u64 = 1024 * 1024;
/// Octets that have to fit at least before a start is worth while.
const ROOM_OCTETS: usize = 1024 * 1024;
/// Octets that are collected before they are written.
const BUFFER_OCTETS: usize = 64 * 1024;

/// Why the directory cannot be used.
#[derive(Debug, Error)]
pub enum DirectoryError {
    /// Another process holds the lock.
    #[error(
        "{} is in use by another process (a running 'serve'?); commands for a running registry go to its HTTPS door",
        path.display()
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// A secret that others can read.
    #[error("{} can be read by others (mode {mode:o}); run: chmod 600 {}", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// File or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> DirectoryError + '_ {
    |source| DirectoryError::Io {
        path: path.to_owned(),
        source,
    }
}

/// The directory, not necessarily locked.
#[derive(Clone, Debug)]
pub struct Directory {
    root: PathBuf,
}

/// Proof that this process alone has the directory; released when dropped.
#[derive(Debug)]
pub struct DirectoryLock {
    file: File,
}

impl Drop for DirectoryLock {
    /// Closing the file releases it too, but a program that is just being started somewhere else in
    /// this process has the file open for a moment longer.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

impl Directory {
    /// Names a directory; nothing is touched.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Configuration file.
    pub fn config(&self) -> PathBuf {
        self.root.join("registry.toml")
    }

    /// Token file of the operators' own account.
    pub fn operator_token(&self) -> PathBuf {
        self.root.join("operator.token")
    }

    /// Default place of the token that `device` commands present.
    pub fn client_token(&self) -> PathBuf {
        self.root.join("client.token")
    }

    /// SQLite database.
    pub fn database(&self) -> PathBuf {
        self.root.join("registry.db")
    }

    /// Rows and results of bulk jobs.
    pub fn jobs(&self) -> PathBuf {
        self.root.join("jobs")
    }

    /// Zone keys, static records and the signed zone.
    pub fn zone(&self) -> PathBuf {
        self.root.join("zone")
    }

    /// Records beside the devices, in master file form.
    pub fn static_records(&self) -> PathBuf {
        self.zone().join("static.zone")
    }

    /// The three trust roots.
    pub fn trust(&self) -> PathBuf {
        self.root.join("trust")
    }

    /// True once `init` has run to its end: the configuration is written last.
    pub fn is_initialised(&self) -> bool {
        self.config().is_file()
    }

    /// Makes the directories, for their owner only.
    ///
    /// # Errors
    /// [`DirectoryError::Io`].
    pub fn create(&self) -> Result<(), DirectoryError> {
        for path in [self.root.clone(), self.zone(), self.trust()] {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&path)
                .map_err(io_error(&path))?;
        }
        Ok(())
    }

    /// Whether there is room, and it may be written to: a file of a mebibyte is written, synced and
    /// removed.
    ///
    /// # Errors
    /// [`DirectoryError::Io`].
    pub fn check_room(&self) -> Result<(), DirectoryError> {
        let path = self.root.join("room");
        let written = write_secret(&path, &[0; ROOM_OCTETS]);
        let removed = fs::remove_file(&path);
        written?;
        removed.map_err(io_error(&path))
    }

    /// Takes the directory for this process alone.
    ///
    /// # Errors
    /// [`DirectoryError::Locked`] when another process has it.
    pub fn lock(&self) -> Result<DirectoryLock, DirectoryError> {
        let path = self.root.join("lock");
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        let opened = match options.open(&path) {
            // The zone can be answered from all the same.
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => File::open(&path),
            opened => opened,
        };
        let file = opened.map_err(io_error(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(DirectoryLock { file }),
            Err(TryLockError::WouldBlock) => Err(DirectoryError::Locked { path }),
            Err(TryLockError::Error(source)) => Err(DirectoryError::Io { path, source }),
        }
    }
}

/// Writes a file so that after a crash it is there whole or not at all; mode 0600.
///
/// # Errors
/// [`DirectoryError::Io`].
pub fn write_secret(path: &Path, octets: &[u8]) -> Result<(), DirectoryError> {
    write_whole(path, 0o600, |file| file.write_all(octets))
}

/// As [`write_secret`], readable by everybody who can reach the directory.
///
/// # Errors
/// [`DirectoryError::Io`].
pub fn write_public(path: &Path, octets: &[u8]) -> Result<(), DirectoryError> {
    write_public_with(path, |file| file.write_all(octets))
}

/// As [`write_public`], for content that is made while it is written.
///
/// # Errors
/// [`DirectoryError::Io`]; also those of `content`.
pub fn write_public_with(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), DirectoryError> {
    write_whole(path, 0o644, |file| {
        let mut buffered = BufWriter::with_capacity(BUFFER_OCTETS, file);
        content(&mut buffered)?;
        buffered.flush()
    })
}

fn write_whole(
    path: &Path,
    mode: u32,
    content: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), DirectoryError> {
    let temporary = temporary_beside(path);
    // A left-over of an interrupted write; create_new below follows no link planted there.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io_error(&temporary)(error));
        }
        _ => {}
    }
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(mode)
            .open(&temporary)?;
        content(&mut file)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        // The parent of a bare file name is empty, which names no directory.
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(|error| {
        // Half of a file is of use to nobody; the error to tell is the first one.
        let _ = fs::remove_file(&temporary);
        io_error(path)(error)
    })
}

/// Makes sure that a file can be written where it shall go, before something is done whose result
/// goes there. Nothing is left behind.
///
/// # Errors
/// [`DirectoryError::Io`].
pub fn probe_write(path: &Path) -> Result<(), DirectoryError> {
    let temporary = temporary_beside(path);
    let made = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&temporary);
    made.and_then(|_| fs::remove_file(&temporary))
        .map_err(io_error(path))
}

/// Hidden and of the same directory, so that nobody's file is in the way and rename is atomic.
fn temporary_beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
}

/// Reads a secret and wipes it when dropped.
///
/// # Errors
/// [`DirectoryError::Exposed`] when others could read it too, [`DirectoryError::Io`].
pub fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, DirectoryError> {
    let mut file = File::open(path).map_err(io_error(path))?;
    let mode = file
        .metadata()
        .map_err(io_error(path))?
        .permissions()
        .mode()
        & 0o777;
    if mode & 0o077 != 0 {
        return Err(DirectoryError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    read_bounded(&mut file)
        .map(Zeroizing::new)
        .map_err(io_error(path))
}

/// Reads a file of at most 1 MiB.
///
/// # Errors
/// [`DirectoryError::Io`].
pub fn read_public(path: &Path) -> Result<Vec<u8>, DirectoryError> {
    File::open(path)
        .and_then(|mut file| read_bounded(&mut file))
        .map_err(io_error(path))
}

fn read_bounded(file: &mut File) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    file.take(FILE_OCTETS_MAX + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > FILE_OCTETS_MAX {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "larger than 1 MiB",
        ));
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_does_not_get_the_lock() {
        let scratch = tempfile::tempdir().unwrap();
        let directory = Directory::new(scratch.path());
        directory.create().unwrap();
        let lock = directory.lock().unwrap();
        assert!(matches!(
            directory.lock(),
            Err(DirectoryError::Locked { .. })
        ));
        // As a program that is being started has it until it runs.
        let inherited = lock.file.try_clone().unwrap();
        drop(lock);
        assert!(directory.lock().is_ok());
        drop(inherited);
    }

    #[test]
    fn an_exposed_secret_is_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("key.pem");
        write_secret(&path, b"secret").unwrap();
        assert_eq!(read_secret(&path).unwrap().as_slice(), b"secret");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            read_secret(&path),
            Err(DirectoryError::Exposed { mode: 0o640, .. })
        ));
    }

    #[test]
    fn a_planted_link_is_not_followed() {
        let scratch = tempfile::tempdir().unwrap();
        let victim = scratch.path().join("victim");
        fs::write(&victim, b"untouched").unwrap();
        let path = scratch.path().join("key.pem");
        std::os::unix::fs::symlink(&victim, scratch.path().join(".key.pem.new")).unwrap();
        write_secret(&path, b"secret").unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"untouched");
    }
}
