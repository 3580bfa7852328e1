//! The signed zone of the device registry: change → plan → sign → gate → seal → commit → answer.
//!
//! Knows the names of devices and their records; knows no certificates and no accounts. The zone is
//! derived: the database decides, a [`ZoneWriter`] publishes what it decided, a [`ZoneReader`] shows
//! the newest version that is durable, and a [`ZoneObserver`] the same to another process. The signed
//! zone lives on disk, mapped into memory; a start opens it and signs nothing.
//!
//! What it does not do: wildcards, aliases, delegations, NSEC3, zone transfer, dynamic update,
//! cookies, rate limits. It knows no keys of others: a query with a signature is refused (`tsig`).
//!
//! In reading order:
//!
//! 1. What is decided outside: [`Profile`] (all times), [`ZoneConfig`], [`StaticRecords`],
//!    [`ZoneKeys`].
//! 2. `store`: versions of the devices' records on disk, and a redo log. `name` and `position`:
//!    names as octets in canonical order, and as places among the devices. `fixed`: the few names
//!    that are no devices. `snapshot`: one immutable version, both merged.
//! 3. One file a step: `change` ([`plan`], over a `draft`), `sign` ([`sign_batch`], the only one with
//!    private keys, on the threads of `signers`), `gate` ([`gate()`]), `seal` ([`seal()`]), `store`
//!    (durable, then visible). A step accepts only what the step before made. `job` makes the octets
//!    that are signed and verified.
//! 4. `writer`: the conductor of these steps, also for re-signing (`sweep`, `urgent`) and the first
//!    build, with what it keeps beside the zone: `ceiling`, `bounds`, `quarantine`.
//! 5. [`answer()`] and [`answer_batch()`]: octets in, octets out, from one version, without memory of
//!    their own. `query` and `position` read names, `denial` is the merged chain, `render` and
//!    `response` write. `net` carries the octets.
//! 6. Looking at a version: [`dump()`] and [`check()`] from outside, [`Scrub`] from inside.
//!
//! Threads of its own: `zone-signer` (one a core, lower priority), `zone-checkpoint`, and with
//! [`net`] `dns-udp` and `dns-stream` (one a core each, pinned).
//!
//! ```
//! use std::convert::Infallible;
//!
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
//! let entries: Vec<Result<Entry, Infallible>> = Vec::new();
//! let writer = ZoneWriter::build(dir.path(), config, keys, entries, start, now)?;
//! assert_eq!(writer.reader().snapshot().serial(), 1);
//! # Ok(())
//! # }
//! ```

mod answer;
mod apex;
mod bounds;
mod canonical;
mod ceiling;
mod change;
mod check;
mod config;
mod cores;
mod denial;
mod digest_key;
mod draft;
mod dump;
mod error;
mod fixed;
mod gate;
mod host_name;
mod jitter;
mod job;
mod key;
mod key_file;
mod name;
pub mod net;
mod nsec;
mod position;
mod presentation;
mod profile;
mod quarantine;
mod query;
mod reader;
mod record_type;
mod render;
mod response;
mod rrsig;
mod scrub;
mod seal;
pub mod serial;
mod sign;
mod signers;
mod snapshot;
mod static_rdata;
mod static_records;
mod store;
mod sweep;
mod token;
mod tsig;
mod urgent;
mod writer;

pub use answer::{Answering, Disposition, Exchange, Patience, Transport, answer, answer_batch};
pub use ceiling::Ceiling;
pub use change::{Change, ToSign, plan};
pub use check::{CheckError, FINDINGS_MAX, Finding, Listed, Problem, check, check_pieces};
pub use config::{ConfigError, ZoneConfig};
pub use dump::{Piece, Record, Unread, dump};
pub use error::ZoneError;
pub use gate::{GateError, Passed, Thoroughness, gate};
pub use host_name::HostNameError;
pub use jitter::Jitter;
pub use key::{KeyError, PublicKey, PublicKeys, Role, ZoneKeys};
pub use key_file::{KSK_FILE, KeyFileError, ZSK_FILE};
pub use profile::{Profile, ProfileError};
pub use reader::{ZoneObserver, ZoneReader};
pub use scrub::{Scrub, Scrubbed};
pub use seal::{Batch, seal};
pub use sign::{Signed, sign_batch};
pub use signers::Signers;
pub use snapshot::Snapshot;
pub use static_records::{StaticRecordError, StaticRecords};
#[doc(hidden)]
pub use store::simulation;
pub use store::{CommitRecord, Figures, StoreError};
pub use urgent::{Urgent, UrgentName};
#[doc(hidden)]
pub use writer::Ground;
pub use writer::{Applied, Entry, Freshness, Opening, Outcome, Start, Work, ZoneWriter};
