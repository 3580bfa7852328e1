//! How everybody but the writer sees the zone.

use std::io;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::config::ZoneConfig;
use crate::error::ZoneError;
use crate::key::PublicKeys;
use crate::snapshot::{Shape, Snapshot};
use crate::store::foreign_reader::ForeignReader;
use crate::store::reading::last_version;
use crate::store::{Disk, RealDisk};
use crate::urgent::Urgent;

/// Pages that are read into memory at a time: 16 MiB.
const POPULATED_PAGES: u32 = 4096;

/// Reads the current version of the zone, from any thread, without waiting for the writer.
#[derive(Clone, Debug)]
pub struct ZoneReader {
    visible: Arc<ArcSwap<Snapshot>>,
    urgent: Arc<Urgent>,
    gives_way: bool,
}

impl ZoneReader {
    /// The last version of a zone that nobody writes, for answering where it cannot be opened for
    /// writing: nothing is written and nothing signed, names under damaged pages are refused, and
    /// queries for expired signatures do not wait. None when there is no zone.
    ///
    /// # Errors
    /// The configuration or the store cannot be read, commits are gone from its log, it was made with
    /// another name, other keys or other times, or somebody writes it.
    pub fn of_last_version(
        dir: &Path,
        config: &ZoneConfig,
        keys: PublicKeys,
    ) -> Result<Option<Self>, ZoneError> {
        if !dir.exists() {
            return Ok(None);
        }
        Self::of_last_version_on(&RealDisk::in_directory(dir)?, config, keys)
    }

    /// As [`ZoneReader::of_last_version`], on any disk.
    ///
    /// # Errors
    /// As for [`ZoneReader::of_last_version`].
    #[doc(hidden)]
    pub fn of_last_version_on(
        disk: &dyn Disk,
        config: &ZoneConfig,
        keys: PublicKeys,
    ) -> Result<Option<Self>, ZoneError> {
        let config = config.check()?;
        let Some(last) = last_version(disk)? else {
            return Ok(None);
        };
        let shape = Arc::new(Shape::new(config.apex, config.profile, keys));
        if last.shape_digest != shape.digest {
            return Err(ZoneError::OtherShape);
        }
        let snapshot = Snapshot::of_version(shape, last.version)?;
        Ok(Some(Self {
            visible: Arc::new(ArcSwap::from_pointee(snapshot)),
            urgent: Arc::new(Urgent::closed()),
            gives_way: last.is_announced,
        }))
    }

    pub(crate) fn new(visible: Arc<ArcSwap<Snapshot>>, urgent: Arc<Urgent>) -> Self {
        Self {
            visible,
            urgent,
            gives_way: false,
        }
    }

    /// Whether a writer may be opened for [`ZoneWriter::answer_through`](crate::ZoneWriter::answer_through): it will leave the
    /// pages alone that are answered from.
    pub fn gives_way(&self) -> bool {
        self.gives_way
    }

    /// Shows the versions of a writer from now on, to all who answer through this reader.
    pub(crate) fn follow(&self, newest: Arc<Snapshot>) -> (Arc<ArcSwap<Snapshot>>, Arc<Urgent>) {
        self.visible.store(newest);
        self.urgent.open();
        (Arc::clone(&self.visible), Arc::clone(&self.urgent))
    }

    /// The current version; it stays as it is however long it is held. The store keeps its pages
    /// meanwhile, so it is held for a batch of queries or a step of work, not for longer.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.visible.load_full()
    }

    /// Reads the zone file into memory, as far as the system has room, so that the first queries
    /// after a start do not each wait for the disk. Blocks while it reads, a piece at a time. Returns
    /// how many pages cannot be read: names under them are refused from then on.
    ///
    /// # Errors
    /// The system refuses; it is advice, and nothing depends on it.
    pub fn populate(&self) -> io::Result<u64> {
        let (mut first, mut unreadable) = (0, 0);
        loop {
            let mapping = Arc::clone(&self.snapshot().version.mapping);
            if first >= mapping.bounds() {
                return Ok(unreadable);
            }
            let end = first.saturating_add(POPULATED_PAGES);
            unreadable += mapping.populate(first..end)?;
            first = end;
        }
    }

    /// How often a page was found damaged since the start, by whoever read it.
    pub fn damaged_reads(&self) -> u64 {
        self.snapshot().version.mapping.damaged()
    }

    /// Where to ask for a name to be signed at once.
    pub fn urgent(&self) -> &Arc<Urgent> {
        &self.urgent
    }
}

/// Reads the zone beside the process that writes it: for checks and dumps.
#[derive(Debug)]
pub struct ZoneObserver {
    shape: Arc<Shape>,
    reader: ForeignReader,
}

impl ZoneObserver {
    /// Looks at the zone in a directory; none when no process writes it at this moment.
    ///
    /// # Errors
    /// The configuration or the store cannot be read.
    pub fn open(
        dir: &Path,
        config: &ZoneConfig,
        keys: PublicKeys,
    ) -> Result<Option<Self>, ZoneError> {
        let config = config.check()?;
        let shape = Arc::new(Shape::new(config.apex, config.profile, keys));
        let disk = Arc::new(RealDisk::in_directory(dir)?);
        let reader = ForeignReader::open(disk)?;
        Ok(reader.map(|reader| Self { shape, reader }))
    }

    /// The newest version.
    ///
    /// # Errors
    /// The store cannot be read, or the zone was made with other keys or times than those given.
    pub fn snapshot(&mut self) -> Result<Snapshot, ZoneError> {
        let version = self.reader.version()?;
        if self.reader.shape_digest() != Some(self.shape.digest) {
            return Err(ZoneError::OtherShape);
        }
        Snapshot::of_version(Arc::clone(&self.shape), version)
    }
}

impl RealDisk {
    /// The disk of a zone's directory, which is created when it is not there.
    pub(crate) fn in_directory(dir: &Path) -> Result<Self, ZoneError> {
        Self::new(dir).map_err(|source| {
            let action = "opening the zone's directory";
            ZoneError::Store(crate::store::StoreError::Io { action, source })
        })
    }
}
