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
    /// Another process, or another part of this one, writes to the zone.
    #[error("the zone is in use by another writer")]
    InUse,
    /// The zone is being opened or replaced at this moment; ask again.
    #[error("the zone is being opened, or replaced by a new one, at this moment")]
    Busy,
    /// Neither superblock is whole.
    #[error("neither superblock of the zone file is whole; rebuild the zone from the database")]
    SuperblockDamaged,
    /// The file was written by another version of this program.
    #[error("the zone file has another format; rebuild the zone from the database")]
    OtherFormat,
    /// A page that is needed is not as it was written.
    #[error("page {page} of the zone file is damaged; rebuild the zone from the database")]
    Damaged {
        /// Number of the page.
        page: u32,
    },
    /// A segment of the redo log that the superblock needs is gone.
    #[error("the redo segment of version {first_version} is missing")]
    RedoMissing {
        /// First version of the segment.
        first_version: u64,
    },
    /// The redo log goes on behind a version that is gone or broken.
    #[error("the redo log lacks version {expected} and goes on with {found}")]
    RedoGap {
        /// Version that should come next.
        expected: u64,
        /// Version that was found.
        found: u64,
    },
    /// A whole frame of the redo log does not say what a commit says, or not of this zone.
    #[error("version {zone_version} in the redo log does not fit the zone")]
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
                | Self::RedoDamaged { .. }
                | Self::RedoGap { .. }
                | Self::RedoMissing { .. }
                | Self::SuperblockDamaged
        )
    }

    /// Says what was being done when the system refused.
    pub(super) fn io(action: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
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
