//! Errors at the border of the crate's writer.

use std::error::Error as StdError;

use iot_identity::{DeviceId, Slot};
use thiserror::Error;

use crate::ceiling::Ceiling;
use crate::config::ConfigError;
use crate::gate::GateError;
use crate::key::KeyError;
use crate::store::{Damaged, StoreError};

/// Why the zone was not built or changed. The version that was served before is still served.
#[derive(Debug, Error)]
pub enum ZoneError {
    /// The configuration cannot be published.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The new version would pass what the database has promised; raise the ceiling there, then
    /// here, and try again. Nothing was signed.
    #[error(
        "serial {serial} or expiration {expiration} would pass the ceiling of serial {} and expiration {}",
        ceiling.serial, ceiling.expiration
    )]
    CeilingReached {
        /// Serial that the new version needs.
        serial: u32,
        /// Latest expiration that the new version needs.
        expiration: u32,
        /// The ceiling.
        ceiling: Ceiling,
    },
    /// The gate refused, and no single change is to blame.
    #[error("nothing was published: {0}")]
    Gate(#[from] GateError),
    /// A key could not be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The store cannot be made, opened or written. After [`StoreError::Failed`] or a failure of
    /// the system the process has to end: what is on disk is unknown until the next start reads it.
    #[error("the zone's store: {0}")]
    Store(StoreError),
    /// An earlier commit failed; nothing is committed any more.
    #[error("an earlier commit could not be made durable; nothing is committed any more")]
    Stopped,
    /// A page of the store cannot be trusted; `zone rebuild` makes it anew from the database.
    #[error("page {page} of zone/blocks is damaged; repair it with 'iot-registry zone rebuild'")]
    Damaged {
        /// Number of the page.
        page: u32,
    },
    /// The store's apex and static names cannot be read.
    #[error(
        "the apex and the static names in zone/blocks cannot be read; repair it with 'iot-registry zone rebuild'"
    )]
    FixedNames,
    /// The zone that another process serves has another name, other keys or other times.
    #[error(
        "the zone that is served was made with another name, other keys or another profile than \
         the configuration has now"
    )]
    OtherShape,
    /// The directory holds the zone of another database.
    #[error("the directory holds the zone of another database")]
    OtherDatabase {
        /// Id in the commit record.
        found: [u8; 16],
    },
    /// The zone has changes that the database does not know: the database is an older copy.
    #[error("the zone has change {zone} and the database only {database}: it is an older copy")]
    AheadOfDatabase {
        /// Last change in the zone.
        zone: u64,
        /// Last change in the database.
        database: u64,
    },
    /// Another writer with a newer token has committed.
    #[error("fencing token {token} is older than {committed}, which has committed")]
    Fenced {
        /// Token given.
        token: u64,
        /// Token in the commit record.
        committed: u64,
    },
    /// A batch older than what is in the zone.
    #[error("change {applied} is older than change {present}, which is in the zone")]
    AppliedBackwards {
        /// Sequence number given.
        applied: u64,
        /// Sequence number in the zone.
        present: u64,
    },
    /// The database lists a credential twice.
    #[error("credential {slot} of {device_id} is listed twice")]
    DuplicateEntry {
        /// The device.
        device_id: DeviceId,
        /// The credential.
        slot: Slot,
    },
    /// The database lists credentials out of the order of their names.
    #[error("credential {slot} of {device_id} is listed after one whose name comes later")]
    EntryOrder {
        /// The device.
        device_id: DeviceId,
        /// The credential.
        slot: Slot,
    },
    /// The database could not list all credentials.
    #[error("reading the credentials: {source}")]
    Entries {
        /// What the database said.
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl ZoneError {
    /// Whether the zone on the disk cannot be read as it was written: one made anew from the
    /// database is the way out.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. } | Self::FixedNames => true,
            Self::Store(error) => error.is_damage(),
            _ => false,
        }
    }
}

impl From<Damaged> for ZoneError {
    fn from(damaged: Damaged) -> Self {
        Self::Damaged { page: damaged.page }
    }
}

impl From<StoreError> for ZoneError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged { page } => Self::Damaged { page },
            error => Self::Store(error),
        }
    }
}
