//! The signed zone of the device registry: change → plan → sign → gate → seal → commit → answer.
//!
//! Knows the names of devices and their records; knows no certificates and no accounts. The zone is
//! derived: the database decides, a [`ZoneWriter`] publishes what it decided, and a [`ZoneReader`]
//! shows the newest version that is durable. State lives in memory and is rebuilt from the database
//! at start; what is kept on disk is the commit record and the keys.
//!
//! What it does not do: wildcards, aliases, delegations, NSEC3, zone transfer, dynamic update, TSIG.
//!
//! In reading order:
//!
//! 1. What is decided outside: [`Profile`] (all times), [`ZoneConfig`], [`StaticRecords`],
//!    [`ZoneKeys`].
//! 2. `name` and `snapshot`: names as octets in canonical order, and one immutable version.
//! 3. One file a step: `change` ([`plan`], pure), `sign` ([`sign_batch`], the only one with private
//!    keys), `gate` ([`gate()`], pure), `seal` ([`seal()`], pure), `store` (durable, then visible).
//!    A step accepts only what the step before made.
//! 4. `writer`: the conductor of these steps, also for re-signing and the first build, with what it
//!    keeps beside the zone: `ceiling`, `released`, `resign_queue`, `quarantine`.
//! 5. [`answer()`]: octets in, octets out, from one version. `query`, `response` and `denial` are
//!    its parts. [`net`] carries the octets.
//! 6. Looking at a version from outside: [`dump()`] and [`check()`].
//!
//! ```
//! use iot_dns_zone::{Ceiling, Entry, Profile, Start, StaticRecords, ZoneConfig, ZoneKeys, ZoneWriter};
//! use iot_identity::ZoneName;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let now = 1_800_000_000;
//! let apex = ZoneName::parse("iotregistry.example")?;
//! let config = ZoneConfig {
//!     static_records: StaticRecords::parse("ns1 A 192.0.2.1", &apex)?,
//!     apex,
//!     profile: Profile::Standard,
//!     name_servers: vec!["ns1.iotregistry.example".into()],
//!     contact: "hostmaster@iotregistry.example".into(),
//! };
//! let start = Start {
//!     database_id: [1; 16],
//!     fencing_token: 1,
//!     applied: 0,
//!     serial_above: 0,
//!     ceiling: Ceiling::for_start(Profile::Standard, 0, now),
//!     released_until: 0,
//!     lost_until: 0,
//! };
//! let keys = ZoneKeys::generate()?;
//! let entries: Vec<Entry> = Vec::new();
//! let writer = ZoneWriter::build(dir.path(), config, keys, entries, start, now)?;
//! assert_eq!(writer.reader().snapshot().serial(), 1);
//! # Ok(())
//! # }
//! ```

mod answer;
mod apex;
mod ceiling;
mod change;
mod check;
mod config;
mod cores;
mod denial;
mod dump;
mod error;
mod gate;
mod host_name;
mod jitter;
mod key;
mod key_file;
mod name;
pub mod net;
mod nsec;
mod presentation;
mod profile;
mod quarantine;
mod query;
mod record_type;
mod released;
mod resign_queue;
mod response;
mod rrsig;
mod seal;
pub mod serial;
mod sign;
mod snapshot;
mod static_rdata;
mod static_records;
mod store;
mod token;
mod writer;

pub use answer::{Disposition, Transport, answer};
pub use ceiling::Ceiling;
pub use change::{Change, ToSign, plan};
pub use check::{Finding, Problem, check};
pub use config::{ConfigError, ZoneConfig};
pub use dump::{Record, dump};
pub use error::ZoneError;
pub use gate::{GateError, Passed, Thoroughness, gate};
pub use host_name::HostNameError;
pub use jitter::Jitter;
pub use key::{KeyError, PublicKey, PublicKeys, Role, ZoneKeys};
pub use key_file::{KSK_FILE, KeyFileError, ZSK_FILE};
pub use profile::{Profile, ProfileError};
pub use seal::{Batch, seal};
pub use sign::{Signed, sign_batch};
pub use snapshot::Snapshot;
pub use static_records::{StaticRecordError, StaticRecords};
pub use store::commit_file::CommitFileError;
pub use store::{CommitRecord, ZoneReader};
pub use writer::{Applied, Entry, Outcome, Start, ZoneWriter};
