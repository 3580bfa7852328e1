//! The zone as it was published last, opened without the database: to be signed again, or where it
//! cannot be written, as it is. It keeps the profile that it was made with, whatever is configured now.

use std::path::{Path, PathBuf};

use iot_dns_zone::{
    Ceiling, Opening, Profile, PublicKeys, Start, ZoneConfig, ZoneError, ZoneKeys, ZoneReader,
    ZoneWriter,
};

use super::StartError;
use crate::clock::unix_now;
use crate::config::Config;
use crate::directory::Directory;
use crate::publisher::failures::is_final;

/// Where the zone is, and what it has to be.
pub(super) struct Place {
    path: PathBuf,
    config: ZoneConfig,
}

/// The zone that was published last.
pub(super) enum Published {
    /// Its signatures can be kept fresh.
    Writable(Box<ZoneWriter>),
    /// It is answered as it is.
    AsItIs {
        /// What answers.
        reader: ZoneReader,
        /// Why it cannot be written; none where it must not be.
        obstacle: Option<ZoneError>,
    },
}

impl Place {
    pub(super) fn of(directory: &Directory, config: &Config) -> Self {
        Self {
            path: directory.zone(),
            config: config.zone.clone(),
        }
    }

    /// Opens the zone for a registry that does not start for this reason; `None` where there is none
    /// that could be answered from.
    pub(super) fn open(&self, reason: &StartError) -> Result<Option<Published>, StartError> {
        let keys = ZoneKeys::load(&self.path)?.public().clone();
        let obstacle = if matches!(reason, StartError::Clock { .. }) {
            None
        } else {
            match self.writer() {
                Ok(Some(writer)) => return Ok(Some(Published::Writable(writer))),
                Ok(None) => return Ok(None),
                Err(obstacle) => Some(obstacle),
            }
        };
        Ok(match last_version(&self.path, &self.config, &keys) {
            Ok(reader) => reader.map(|reader| Published::AsItIs { reader, obstacle }),
            Err(error) => {
                tracing::error!(%error, "nor can the zone be answered as it is");
                None
            }
        })
    }

    /// The zone by its own record alone, for signing; `None` when there is none, or one that would
    /// have to be built whatever its profile is.
    pub(super) fn writer(&self) -> Result<Option<Box<ZoneWriter>>, ZoneError> {
        let Some(last) = ZoneWriter::last_commit(&self.path)? else {
            return Ok(None);
        };
        let Ok(mut keys) = ZoneKeys::load(&self.path) else {
            return Ok(None);
        };
        let now = unix_now();
        for config in of_each_profile(&self.config) {
            let start = Start {
                database_id: last.database_id,
                fencing_token: last.fencing_token,
                applied: last.applied,
                serial_above: last.serial,
                ceiling: Ceiling::for_start(config.profile, last.serial, now),
                released_until: last.released_until,
                lost_until: last.lost_until,
            };
            let open = || ZoneWriter::open(&self.path, &config, keys, start, now);
            keys = match tokio::task::block_in_place(open)? {
                Opening::Ready(writer) => return Ok(Some(writer)),
                Opening::Build { keys, .. } => *keys,
            };
        }
        Ok(None)
    }
}

/// The zone as it was published last, to be answered as it is, whatever its profile was; `None` when
/// there is none.
pub(super) fn last_version(
    path: &Path,
    config: &ZoneConfig,
    keys: &PublicKeys,
) -> Result<Option<ZoneReader>, ZoneError> {
    for config in of_each_profile(config) {
        match ZoneReader::of_last_version(path, &config, keys.clone()) {
            Err(ZoneError::OtherShape) => {}
            found => return found,
        }
    }
    Err(ZoneError::OtherShape)
}

/// What is configured, and the same with each of the other profiles.
fn of_each_profile(config: &ZoneConfig) -> impl Iterator<Item = ZoneConfig> {
    let others = Profile::ALL
        .into_iter()
        .filter(|profile| *profile != config.profile);
    [config.profile]
        .into_iter()
        .chain(others)
        .map(|profile| ZoneConfig {
            profile,
            ..config.clone()
        })
}

impl Published {
    pub(super) fn reader(&self) -> ZoneReader {
        match self {
            Self::Writable(writer) => writer.reader(),
            Self::AsItIs { reader, .. } => reader.clone(),
        }
    }

    /// Whether the zone is to be opened for writing as soon as that can be done.
    pub(super) fn waits(&self) -> bool {
        match self {
            Self::AsItIs {
                reader,
                obstacle: Some(obstacle),
            } => may_pass(obstacle) && reader.gives_way(),
            Self::Writable(_) | Self::AsItIs { obstacle: None, .. } => false,
        }
    }
}

/// Whether what kept the zone from being written may pass while this process lives.
pub(super) fn may_pass(obstacle: &ZoneError) -> bool {
    !is_final(obstacle) && !obstacle.is_damage()
}
