//! Why the store cannot go on.

use std::io;

use thiserror::Error;

use super::load::LoadError;
use super::page::Damaged;

/// Why the store cannot be made, opened or written.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The system refused.
    #[error("{action}: {source}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the zone cannot be read: a bad sector, or something else in its place.
    #[error("zone/{file} cannot be read ({source}); repair it with 'iot-registry zone rebuild'")]
    Unreadable {
        /// Name of the file in the zone's directory.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// Another process, or another part of this one, writes to the zone.
    #[error("the zone is in use by another writer")]
    InUse,
    /// The zone is being opened or replaced at this moment; ask again.
    #[error("the zone is being opened, or replaced by a new one, at this moment")]
    Busy,
    /// Neither superblock is whole.
    #[error(
        "neither superblock of zone/blocks is whole; repair it with 'iot-registry zone rebuild'"
    )]
    SuperblockDamaged,
    /// The file was written by another version of this program.
    #[error("zone/blocks has another format; make it anew with 'iot-registry zone rebuild'")]
    OtherFormat,
    /// A page that is needed is not as it was written.
    #[error("page {page} of zone/blocks is damaged; repair it with 'iot-registry zone rebuild'")]
    Damaged {
        /// Number of the page.
        page: u32,
    },
    /// A page turned unreadable while something was made of it; nothing was written. What does not
    /// need the page can be done again at once.
    #[error(
        "a page of zone/blocks cannot be read any more; repair it with 'iot-registry zone rebuild'"
    )]
    PageLost,
    /// A segment of the redo log that the superblock needs is gone.
    #[error(
        "the redo log lacks the segment that begins with version {first_version} \
         (zone/redo-*-{first_version:016x}); repair it with 'iot-registry zone rebuild'"
    )]
    RedoMissing {
        /// First version of the segment.
        first_version: u64,
    },
    /// The redo log goes on behind a version that is gone or broken.
    #[error(
        "the redo log (zone/redo-*) lacks version {expected} and goes on with {found}; \
         repair it with 'iot-registry zone rebuild'"
    )]
    RedoGap {
        /// Version that should come next.
        expected: u64,
        /// Version that was found.
        found: u64,
    },
    /// A whole frame of the redo log does not say what a commit says, or not of this zone.
    #[error(
        "version {zone_version} in the redo log (zone/redo-*) does not fit the zone; \
         repair it with 'iot-registry zone rebuild'"
    )]
    RedoDamaged {
        /// Version of the frame.
        zone_version: u64,
    },
    /// A commit does not follow the last one.
    #[error("version {found} was to be committed; the next one is {expected}")]
    OtherVersion {
        /// Version that comes next.
        expected: u64,
        /// Version of the commit.
        found: u64,
    },
    /// The names of a commit, or of a new zone, do not ascend.
    #[error("the names do not ascend")]
    NotAscending,
    /// More names than fit into one commit, or more than fit into a zone.
    #[error("too much for one commit, or for one zone")]
    TooLarge,
    /// A write or a sync failed, now or earlier: what is on the disk is unknown until it is read
    /// again.
    #[error("a write or a sync of the zone failed ({reason}); the process must start anew")]
    Failed {
        /// What failed.
        reason: String,
    },
}

impl StoreError {
    /// Whether what is on the disk cannot be read as it was written: a zone made anew from the
    /// database is the way out.
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Damaged { .. }
                | Self::OtherFormat
                | Self::PageLost
                | Self::RedoDamaged { .. }
                | Self::RedoGap { .. }
                | Self::RedoMissing { .. }
                | Self::SuperblockDamaged
                | Self::Unreadable { .. }
        )
    }

    /// Says what was being done when the system refused.
    pub(super) fn io(action: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }

    /// Says which file could not be opened or read: damage where the disk or what lies there is to
    /// blame, and otherwise (rights, memory, descriptors) what was being done.
    pub(super) fn reading(file: &str, action: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| {
            if is_of_the_disk(&source) {
                let file = file.to_owned();
                Self::Unreadable { file, source }
            } else {
                Self::Io { action, source }
            }
        }
    }
}

/// Whether an error of reading says that the content is not to be had, whoever asks.
fn is_of_the_disk(error: &io::Error) -> bool {
    const ERRNOS: [i32; 5] = [
        libc::EIO,
        libc::EBADMSG,
        libc::EUCLEAN,
        libc::EILSEQ,
        libc::ENXIO,
    ];
    error.kind() == io::ErrorKind::UnexpectedEof
        || is_no_plain_file(error)
        || error
            .raw_os_error()
            .is_some_and(|errno| ERRNOS.contains(&errno))
}

/// Whether something else than a file has the name: a directory, a link, a pipe.
pub(super) fn is_no_plain_file(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EISDIR | libc::ELOOP))
        || (error.raw_os_error().is_none() && error.kind() == io::ErrorKind::InvalidInput)
}

impl From<Damaged> for StoreError {
    fn from(damaged: Damaged) -> Self {
        Self::Damaged { page: damaged.page }
    }
}

impl From<LoadError> for StoreError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Write(source) => Self::io("writing the new zone file")(source),
            LoadError::NotAscending => Self::NotAscending,
            LoadError::TooLarge => Self::TooLarge,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_damage_says_where_it_is_and_how_it_is_repaired() {
        let errno = io::Error::from_raw_os_error;
        let damages = [
            StoreError::reading("blocks", "")(errno(libc::EIO)),
            StoreError::reading("redo-1-1", "")(errno(libc::EISDIR)),
            StoreError::SuperblockDamaged,
            StoreError::OtherFormat,
            StoreError::Damaged { page: 7 },
            StoreError::PageLost,
            StoreError::RedoMissing { first_version: 8 },
            StoreError::RedoGap {
                expected: 3,
                found: 9,
            },
            StoreError::RedoDamaged { zone_version: 4 },
        ];
        for damage in damages {
            let text = damage.to_string();
            assert!(damage.is_damage(), "{text}");
            assert!(text.contains("'iot-registry zone rebuild'"), "{text}");
            assert!(
                text.contains("zone/blocks") || text.contains("zone/redo-"),
                "{text}"
            );
        }
    }

    #[test]
    fn rights_and_descriptors_are_no_damage() {
        for number in [libc::EACCES, libc::EMFILE, libc::ENOMEM] {
            let source = io::Error::from_raw_os_error(number);
            let error = StoreError::reading("blocks", "opening zone/blocks")(source);
            assert!(!error.is_damage(), "{error}");
            assert!(error.to_string().contains("zone/blocks"), "{error}");
        }
    }
}
