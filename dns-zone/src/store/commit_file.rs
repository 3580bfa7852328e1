//! The file `commit`: two slots of 512 octets, written in turn, so that a torn write never touches
//! the record before it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::commit_record::CommitRecord;

const FILE_NAME: &str = "commit";
const SLOT_OCTETS: usize = CommitRecord::OCTETS;

/// The commit file cannot be used.
#[derive(Debug, Error)]
pub enum CommitFileError {
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Both slots were written once and neither is whole: more than one torn write.
    #[error("{}: neither record is whole; a disk or a person has damaged the file", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// The open file.
#[derive(Debug)]
pub(crate) struct CommitFile {
    file: File,
    /// Slot that the next record goes to.
    next_slot: u64,
}

impl CommitFile {
    /// Reads the newest whole record of a directory; none when nothing was ever committed there.
    pub(crate) fn read(dir: &Path) -> Result<Option<CommitRecord>, CommitFileError> {
        let path = dir.join(FILE_NAME);
        match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(CommitFileError::Io { path, source }),
            Ok(file) => Ok(newest(&file, &path)?.map(|(_, record)| record)),
        }
    }

    /// Removes the records, durably; none is left when there were none.
    pub(crate) fn remove(dir: &Path) -> Result<(), CommitFileError> {
        let path = dir.join(FILE_NAME);
        let removed = match std::fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        };
        removed
            .and_then(|()| File::open(dir)?.sync_all())
            .map_err(|source| CommitFileError::Io { path, source })
    }

    /// Opens the file, making it when it is missing.
    pub(crate) fn open(dir: &Path) -> Result<Self, CommitFileError> {
        let path = dir.join(FILE_NAME);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .and_then(|file| {
                if file.metadata()?.len() < 2 * SLOT_OCTETS as u64 {
                    file.set_len(2 * SLOT_OCTETS as u64)?;
                    file.sync_all()?;
                    File::open(dir)?.sync_all()?;
                }
                Ok(file)
            })
            .map_err(|source| CommitFileError::Io {
                path: path.clone(),
                source,
            })?;
        let next_slot = newest(&file, &path)?.map_or(0, |(slot, _)| 1 - slot);
        Ok(Self { file, next_slot })
    }

    /// A file that the system refuses to write.
    #[cfg(test)]
    pub(crate) fn read_only(dir: &Path) -> Self {
        let file = File::open(dir.join(FILE_NAME)).unwrap();
        Self { file, next_slot: 0 }
    }

    /// Writes a record and makes it durable. After an error the file's content is unknown.
    pub(crate) fn write(&mut self, record: &CommitRecord) -> io::Result<()> {
        let offset = self.next_slot * SLOT_OCTETS as u64;
        self.file.write_all_at(&record.encode(), offset)?;
        self.file.sync_data()?;
        self.next_slot = 1 - self.next_slot;
        Ok(())
    }
}

/// The slot and record with the highest version.
fn newest(file: &File, path: &Path) -> Result<Option<(u64, CommitRecord)>, CommitFileError> {
    let mut found: Option<(u64, CommitRecord)> = None;
    let mut torn = 0;
    for slot in 0..2 {
        let octets = read_slot(file, slot).map_err(|source| CommitFileError::Io {
            path: path.to_owned(),
            source,
        })?;
        match CommitRecord::decode(&octets) {
            Some(record) => {
                if found.is_none_or(|(_, other)| other.zone_version < record.zone_version) {
                    found = Some((slot, record));
                }
            }
            None => torn += u32::from(octets != [0; SLOT_OCTETS]),
        }
    }
    // One torn slot beside an empty one is the first commit, interrupted.
    if found.is_none() && torn == 2 {
        return Err(CommitFileError::Damaged {
            path: path.to_owned(),
        });
    }
    Ok(found)
}

/// Reads a slot; what lies behind the end of the file counts as zero.
fn read_slot(file: &File, slot: u64) -> io::Result<[u8; SLOT_OCTETS]> {
    let mut octets = [0; SLOT_OCTETS];
    let mut filled = 0;
    while filled < SLOT_OCTETS {
        let offset = slot * SLOT_OCTETS as u64 + filled as u64;
        match file.read_at(&mut octets[filled..], offset)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn record(zone_version: u64) -> CommitRecord {
        CommitRecord {
            database_id: [7; 16],
            fencing_token: 1,
            zone_version,
            serial: 100 + zone_version as u32,
            applied: zone_version * 2,
            released_until: 0,
        }
    }

    fn written(versions: std::ops::RangeInclusive<u64>) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let mut file = CommitFile::open(dir.path()).unwrap();
        for version in versions {
            file.write(&record(version)).unwrap();
        }
        dir
    }

    #[test]
    fn the_newest_record_wins_also_after_opening_again() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(CommitFile::read(dir.path()).unwrap(), None);
        for version in 1..=5 {
            CommitFile::open(dir.path())
                .unwrap()
                .write(&record(version))
                .unwrap();
            assert_eq!(CommitFile::read(dir.path()).unwrap(), Some(record(version)));
        }
        let length = fs::metadata(dir.path().join(FILE_NAME)).unwrap().len();
        assert_eq!(length, 1024);
    }

    #[test]
    fn a_write_torn_at_any_octet_leaves_the_record_before() {
        let dir = written(1..=4);
        let path = dir.path().join(FILE_NAME);
        let good = fs::read(&path).unwrap();
        let next = record(5).encode();
        // Version 5 goes to slot 0; the first `count` octets of it reach the disk.
        for count in 0..SLOT_OCTETS {
            let mut torn = good.clone();
            torn[..count].copy_from_slice(&next[..count]);
            fs::write(&path, torn).unwrap();
            let found = CommitFile::read(dir.path()).unwrap().unwrap().zone_version;
            // The record is complete once its checksum is, the rest is zero before and after.
            assert_eq!(found, if count < 88 { 4 } else { 5 }, "torn after {count}");
            if count < 88 {
                CommitFile::open(dir.path())
                    .unwrap()
                    .write(&record(6))
                    .unwrap();
                let found = CommitFile::read(dir.path()).unwrap();
                assert_eq!(found, Some(record(6)), "the torn slot is the one rewritten");
            }
        }
    }

    #[test]
    fn an_interrupted_first_commit_is_no_commit() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE_NAME), &record(1).encode()[..40]).unwrap();
        assert_eq!(CommitFile::read(dir.path()).unwrap(), None);
        CommitFile::open(dir.path())
            .unwrap()
            .write(&record(1))
            .unwrap();
        assert_eq!(CommitFile::read(dir.path()).unwrap(), Some(record(1)));
    }

    #[test]
    fn two_damaged_slots_are_an_error_and_not_an_empty_zone() {
        let dir = written(1..=2);
        let path = dir.path().join(FILE_NAME);
        let mut octets = fs::read(&path).unwrap();
        octets[60] ^= 1;
        octets[SLOT_OCTETS + 60] ^= 1;
        fs::write(&path, octets).unwrap();
        for result in [
            CommitFile::read(dir.path()).map(|_| ()),
            CommitFile::open(dir.path()).map(|_| ()),
        ] {
            assert!(matches!(result, Err(CommitFileError::Damaged { .. })));
        }
    }

    #[test]
    fn a_write_that_the_system_refuses_is_reported() {
        let dir = written(1..=1);
        let mut read_only = CommitFile::read_only(dir.path());
        assert!(read_only.write(&record(2)).is_err());
        assert_eq!(CommitFile::read(dir.path()).unwrap(), Some(record(1)));
    }
}
