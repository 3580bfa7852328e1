//! Last step: make a version durable, then visible. What is answered here is always durable.

pub(crate) mod block;
pub(crate) mod edit;
pub(crate) mod free;
pub(crate) mod index;
pub(crate) mod load;
pub(crate) mod mapping;
pub(crate) mod page;
pub(crate) mod record;
#[cfg(test)]
pub(crate) mod test_file;
pub(crate) mod tree;
pub(crate) mod verify;

mod blob;
mod checkpoint;
mod creation;
pub(crate) mod delta;
pub(crate) mod disk;
pub(crate) mod foreign_reader;
mod frame;
mod octets;
mod opening;
mod page_file;
mod power_cut;
mod readers;
pub(crate) mod reading;
pub(crate) mod record_of_commit;
pub(crate) mod redo;
mod replay;
#[cfg(test)]
mod samples;
mod simulated_disk;
mod store_error;
mod superblock;
mod system;
#[cfg(test)]
mod trial;
pub(crate) mod version;
pub(crate) mod zone_store;
#[cfg(test)]
mod zone_store_tests;

/// The disk under the zone, and one that power cuts can be tried on.
#[doc(hidden)]
pub mod simulation {
    pub use super::disk::{Disk, DiskFile, RealDisk};
    pub use super::simulated_disk::SimulatedDisk;
    pub use super::zone_store::StoreLimits;
}

pub(crate) use delta::Delta;
pub(crate) use disk::{Disk, RealDisk};
pub(crate) use page::Damaged;
pub use record_of_commit::CommitRecord;
pub(crate) use record_of_commit::Sweep;
pub use store_error::StoreError;
pub(crate) use version::Version;
pub use zone_store::Figures;
pub(crate) use zone_store::{Commit, Store, StoreLimits};
