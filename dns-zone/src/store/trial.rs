//! A store under random commits beside a plain map of what it should hold; for the tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::StoreError;
use super::delta::Delta;
use super::disk::Disk;
use super::page::Key;
use super::power_cut::Chance;
use super::record::StoredRecord;
use super::record_of_commit::tests::record as commit_record;
use super::redo::RedoLimits;
use super::samples::{key, record};
use super::simulated_disk::SimulatedDisk;
use super::version::Version;
use super::zone_store::{Commit, Store, StoreLimits};

/// Small segments and frequent checkpoints, so that a few commits meet all of it.
pub(super) const SMALL: StoreLimits = StoreLimits {
    redo: RedoLimits {
        segment_octets: 16 << 10,
        history_octets: 64 << 10,
        history_secs: 86_400,
    },
    checkpoint_octets: 24 << 10,
    checkpoint_after: Duration::from_secs(3600),
    free_pages: 4,
};

/// No checkpoint unless it is asked for.
pub(super) const NO_CHECKPOINTS: StoreLimits = StoreLimits {
    checkpoint_octets: u64::MAX,
    ..SMALL
};

pub(super) const SHAPE: [u8; 32] = [0x5a; 32];

/// What a version holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) records: BTreeMap<Key, StoredRecord>,
    pub(super) fixed: Vec<u8>,
}

impl Content {
    pub(super) fn of(version: &Version) -> Self {
        let records = version.tree().walk(None).map(|record| {
            let record = record.unwrap();
            (*record.key(), record.to_stored())
        });
        Self {
            records: records.collect(),
            fixed: version.fixed.to_vec(),
        }
    }

    pub(super) fn first(count: u64) -> Self {
        let records = (0..count).map(|number| (key(number * 10), record(number)));
        Self {
            records: records.collect(),
            fixed: vec![0xf1; 5000],
        }
    }
}

/// A directory, a store in it, and what it should hold.
pub(super) struct Trial {
    dir: TempDir,
    round: u32,
    pub(super) disk: SimulatedDisk,
    pub(super) store: Option<Store>,
    pub(super) chance: Chance,
    /// What each version that was attempted since the last start holds.
    pub(super) contents: BTreeMap<u64, Content>,
    pub(super) acknowledged: u64,
    /// Versions that are held, as readers would.
    pub(super) held: Vec<Arc<Version>>,
    pub(super) limits: StoreLimits,
    /// The store has refused to go on.
    failed: bool,
}

impl Trial {
    /// A new zone of so many names, as version 1.
    pub(super) fn new(seed: u64, count: u64, limits: StoreLimits) -> Self {
        let mut trial = Self::without_zone(seed, limits);
        trial.create(1, Content::first(count)).unwrap();
        trial
    }

    pub(super) fn without_zone(seed: u64, limits: StoreLimits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let disk = SimulatedDisk::new(&dir.path().join("0")).unwrap();
        Self {
            dir,
            round: 0,
            disk,
            store: None,
            chance: Chance(seed),
            contents: BTreeMap::new(),
            acknowledged: 0,
            held: Vec::new(),
            limits,
            failed: false,
        }
    }

    pub(super) fn directory(&self) -> PathBuf {
        self.dir.path().join(self.round.to_string())
    }

    pub(super) fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(self.disk.clone())
    }

    pub(super) fn store(&mut self) -> &mut Store {
        self.store.as_mut().unwrap()
    }

    pub(super) fn create(&mut self, version: u64, content: Content) -> Result<(), StoreError> {
        self.store = None;
        let records = content.records.clone().into_iter().map(Ok::<_, StoreError>);
        let fixed = content.fixed.clone();
        self.contents.insert(version, content);
        let (store, first) = Store::create_with(
            self.limits,
            self.disk(),
            SHAPE,
            1,
            records,
            commit_record(version),
            fixed,
        )?;
        self.check(&first);
        self.store = Some(store);
        self.acknowledged = version;
        Ok(())
    }

    /// One commit of up to `most` names: new ones, changed ones, removed ones.
    pub(super) fn commit(&mut self, most: u64) -> Result<Arc<Version>, StoreError> {
        let version = self.acknowledged + 1;
        let mut content = self.contents[&self.acknowledged].clone();
        let mut deltas = BTreeMap::new();
        for _ in 0..self.chance.below(most + 1) {
            let delta = self.delta(&content);
            deltas.entry(delta.key).or_insert(delta);
        }
        for delta in deltas.values() {
            match &delta.after {
                Some(after) => content.records.insert(delta.key, after.clone()),
                None => content.records.remove(&delta.key),
            };
        }
        let fixed = (self.chance.below(8) == 0).then(|| {
            let length = self.chance.below(9000) as usize;
            vec![version as u8; length]
        });
        content.fixed = fixed.clone().unwrap_or(content.fixed);
        let earlier = self.contents.insert(version, content);
        let commit = Commit {
            record: commit_record(version),
            deltas: deltas.into_values().collect(),
            fixed,
        };
        let committed = self.store().commit(commit);
        match (&committed, earlier) {
            (Ok(_), _) => self.acknowledged = version,
            // Nothing was written; what the attempt that failed wrote may still be found.
            (Err(_), Some(earlier)) if self.failed => {
                self.contents.insert(version, earlier);
            }
            (Err(error), _) => self.failed = matches!(error, StoreError::Failed { .. }),
        }
        committed
    }

    fn delta(&mut self, content: &Content) -> Delta {
        let number = self.chance.below(3000);
        let near = content.records.range(key(number)..).next();
        let chosen = match near {
            Some((key, _)) if self.chance.below(3) > 0 => *key,
            _ => key(number),
        };
        let before = content.records.get(&chosen).cloned();
        let remove = before.is_some() && self.chance.below(4) == 0;
        let after = record(self.chance.below(100_000));
        Delta {
            key: chosen,
            before,
            after: (!remove).then_some(after),
        }
    }

    /// The version holds what it should, in a sound tree.
    pub(super) fn check(&self, version: &Version) {
        let number = version.record.zone_version;
        assert_eq!(version.record, commit_record(number));
        version.tree().verify_structure().unwrap();
        let expected = &self.contents[&number];
        assert_eq!(version.root.records, expected.records.len() as u64);
        assert!(Content::of(version) == *expected, "version {number}");
    }

    /// Cuts the power and goes on with what is left.
    pub(super) fn cut(&mut self) {
        let seed = self.chance.below(u64::MAX);
        let next = self.dir.path().join((self.round + 1).to_string());
        self.store = None;
        self.held.clear();
        self.disk.cut(seed, &next).unwrap();
        self.go_on_in(&next);
    }

    /// Ends the process without a word and goes on with what the system's cache has, which after a
    /// failed sync is not what the disk has.
    pub(super) fn kill(&mut self) {
        self.store = None;
        self.held.clear();
        if !self.disk.mend() {
            self.disk = SimulatedDisk::new(&self.directory()).unwrap();
        }
    }

    fn go_on_in(&mut self, directory: &Path) {
        self.round += 1;
        self.disk = SimulatedDisk::new(directory).unwrap();
    }

    /// Opens the zone: nothing acknowledged is lost, nothing is half there.
    pub(super) fn open(&mut self) -> Result<Option<Arc<Version>>, StoreError> {
        let last = Store::last_commit(&self.disk)?;
        let Some(opened) = Store::open_with(self.limits, self.disk())? else {
            assert_eq!((last, self.acknowledged), (None, 0));
            return Ok(None);
        };
        assert_eq!(last.as_ref(), Some(&opened.version.record));
        assert_eq!(opened.shape_digest, SHAPE);
        let version = opened.version.record.zone_version;
        assert!(
            version >= self.acknowledged,
            "{} was lost",
            self.acknowledged
        );
        self.check(&opened.version);
        self.store = Some(opened.store);
        self.failed = false;
        self.acknowledged = version;
        self.contents = self.contents.split_off(&version);
        self.contents.split_off(&(version + 1));
        Ok(Some(opened.version))
    }
}
