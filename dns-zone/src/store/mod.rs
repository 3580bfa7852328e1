//! Last step: make a version durable, then visible. What is answered here is always durable.

pub(crate) mod commit_file;
mod commit_record;

use std::io;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;

pub use commit_record::CommitRecord;

use crate::error::ZoneError;
use crate::seal::Batch;
use crate::serial;
use crate::snapshot::Snapshot;
use commit_file::CommitFile;

/// Reads the last commit without changing anything.
pub(crate) fn last_commit(dir: &Path) -> Result<Option<CommitRecord>, ZoneError> {
    CommitFile::read(dir).map_err(ZoneError::from)
}

/// Whose changes are stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(crate) database_id: [u8; 16],
    pub(crate) fencing_token: u64,
    /// Latest expiration released before, as [`CommitRecord::released_until`].
    pub(crate) released_until: u32,
}

impl Owner {
    fn note_released(&mut self, batch: &Batch) {
        self.released_until = match (self.released_until, batch.latest_expiration) {
            (0, Some(until)) => until,
            (known, Some(until)) => serial::later(known, until),
            (known, None) => known,
        };
    }
}

/// The zone on disk and in memory: the commit record, and the version that readers see.
#[derive(Debug)]
pub(crate) struct Store {
    file: CommitFile,
    owner: Owner,
    visible: Arc<ArcSwap<Snapshot>>,
    failed: bool,
}

impl Store {
    /// Opens the directory and commits the first version.
    pub(crate) fn create(dir: &Path, mut owner: Owner, batch: Batch) -> Result<Self, ZoneError> {
        let mut file = CommitFile::open(dir)?;
        owner.note_released(&batch);
        file.write(&record(&owner, &batch.snapshot))
            .map_err(durability)?;
        Ok(Self {
            file,
            owner,
            visible: Arc::new(ArcSwap::from_pointee(batch.snapshot)),
            failed: false,
        })
    }

    /// Commits the next version. After an error nothing is ever committed again: what a failed
    /// fsync left on disk is unknown until the next start reads it.
    pub(crate) fn commit(&mut self, batch: Batch) -> Result<(), ZoneError> {
        if self.failed {
            return Err(ZoneError::Stopped);
        }
        self.owner.note_released(&batch);
        if let Err(error) = self.file.write(&record(&self.owner, &batch.snapshot)) {
            self.failed = true;
            return Err(durability(error));
        }
        self.visible.store(Arc::new(batch.snapshot));
        Ok(())
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.visible.load_full()
    }

    pub(crate) fn reader(&self) -> ZoneReader {
        ZoneReader {
            visible: Arc::clone(&self.visible),
        }
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }
}

/// Reads the current version of the zone, from any thread, without waiting for the writer.
#[derive(Clone, Debug)]
pub struct ZoneReader {
    visible: Arc<ArcSwap<Snapshot>>,
}

impl ZoneReader {
    /// The current version; it stays as it is however long it is held.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.visible.load_full()
    }
}

fn record(owner: &Owner, snapshot: &Snapshot) -> CommitRecord {
    CommitRecord {
        database_id: owner.database_id,
        fencing_token: owner.fencing_token,
        zone_version: snapshot.zone_version(),
        serial: snapshot.serial(),
        applied: snapshot.applied(),
        released_until: owner.released_until,
    }
}

fn durability(error: io::Error) -> ZoneError {
    ZoneError::Durability { source: error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ceiling, Profile, Start, StaticRecords, ZoneConfig, ZoneKeys, ZoneWriter};
    use iot_identity::ZoneName;
    use std::collections::BTreeSet;

    #[test]
    fn a_commit_that_fails_is_not_visible_and_is_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let now = 1_800_000_000;
        let config = ZoneConfig {
            apex: ZoneName::parse("iotregistry.example").unwrap(),
            profile: Profile::Standard,
            name_servers: vec!["ns.example.net".into()],
            contact: "h@example.net".into(),
            static_records: StaticRecords::default(),
        };
        let start = Start {
            database_id: [1; 16],
            fencing_token: 1,
            applied: 0,
            serial_above: 0,
            ceiling: Ceiling::for_start(Profile::Standard, 0, now),
            released_until: 0,
            lost_until: 0,
        };
        let keys = ZoneKeys::generate().unwrap();
        let writer = ZoneWriter::build(dir.path(), config, keys, [], start, now).unwrap();
        let batch = |zone_version| Batch {
            snapshot: Snapshot {
                zone_version,
                ..Snapshot::clone(&writer.snapshot())
            },
            signed_names: BTreeSet::new(),
            latest_expiration: Some(u32::MAX),
            denied_until: Vec::new(),
        };
        let owner = Owner {
            database_id: [1; 16],
            fencing_token: 1,
            released_until: 7,
        };
        let mut store = Store::create(dir.path(), owner, batch(2)).unwrap();
        let reader = store.reader();
        store.commit(batch(3)).unwrap();
        assert_eq!(reader.snapshot().zone_version(), 3);
        store.file = CommitFile::read_only(dir.path());
        let error = store.commit(batch(4)).unwrap_err();
        assert!(matches!(error, ZoneError::Durability { .. }));
        assert_eq!(reader.snapshot().zone_version(), 3);
        store.file = CommitFile::open(dir.path()).unwrap();
        let error = store.commit(batch(5)).unwrap_err();
        assert!(matches!(error, ZoneError::Stopped), "never tried again");
        let record = last_commit(dir.path()).unwrap().unwrap();
        assert_eq!(record.zone_version, 3);
    }
}
