//! One version of the zone, as readers hold it.

use std::sync::Arc;

use super::blob::Blob;
use super::mapping::Mapping;
use super::readers::Slot;
use super::record_of_commit::CommitRecord;
use super::redo::Position;
use super::tree::{Root, Tree};

/// One durable version; while anybody holds it, nothing that it reaches is overwritten.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) mapping: Arc<Mapping>,
    pub(crate) root: Root,
    pub(crate) unit_secs: u32,
    pub(crate) record: CommitRecord,
    /// Octets of the fixed names.
    pub(crate) fixed: Arc<Vec<u8>>,
    /// Where these octets lie in the file.
    pub(super) fixed_at: Blob,
    /// Where the commit after this one begins in the redo log.
    pub(super) redo: Position,
    /// Announcement of another process to the writer; `None` in the writer's own.
    pub(super) _slot: Option<Arc<Slot>>,
}

impl Version {
    /// The records of all devices.
    pub(crate) fn tree(&self) -> Tree<'_> {
        Tree::new(&self.mapping, &self.root, self.unit_secs)
    }
}
