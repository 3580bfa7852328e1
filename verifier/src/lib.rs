//! Checks a device of the registry with one DNS query, validated locally.
//!
//! A device's certificate is genuine and in force when the registry's zone publishes its
//! fingerprint at the certificate's name, signed with DNSSEC by a key that our own trust anchor
//! vouches for. This crate asks, and judges the answer itself: no resolver's word (the AD bit) is
//! taken, and whatever is not proven is an error, never a verdict.
//!
//! Trust begins with a key of the registry's own zone, or with the root's keys, from which the chain of
//! DS and DNSKEY records is followed. In the zone itself there are no aliases, wildcards, delegations or
//! NSEC3; an answer with any of them is an error.
//!
//! In reading order:
//!
//! 1. [`anchor`] and [`policy`]: what is believed beforehand.
//! 2. [`wire`], [`name`], [`message`], [`limits`]: octets from strangers, within stated bounds.
//! 3. [`lookup`]: which queries to send, and which messages answer them.
//! 4. [`evidence`]: everything a verdict rests on, as values.
//! 5. [`validate`](mod@validate): from evidence to a verdict, over [`rrset`], [`signature`],
//!    [`dnskey`] and [`denial`], with the [`chain`] above the zone; [`error`] says why there is none.
//! 6. [`certificate`]: the certificate that a device shows, bound to the verdict.
//! 7. [`transport`]: DNS over TLS, and plain DNS for tests and trusted links.
//! 8. [`checker`]: all of it together; [`caching`]: the same with memory; [`service`]: for services that
//!    devices connect to.
//!
//! Everything before `transport` does no I/O and reads no clock: octets, times (Unix seconds) and
//! random octets go in, values come out.
//!
//! ```no_run
//! use iot_verifier::{Checker, Policy, ServerIdentity, Verdict, Wanted, ZoneAnchor};
//! use iot_verifier::transport::dot::DotTransport;
//! # async fn run(now: u64, pin: [u8; 32]) -> Result<(), Box<dyn std::error::Error>> {
//! let anchor = ZoneAnchor::parse(&std::fs::read_to_string("iotregistry.anchor")?)?;
//! let transport = DotTransport::new("127.0.0.1:8853".parse()?, ServerIdentity::SpkiPin(pin))?;
//! let checker = Checker::new(transport, anchor, Policy::default());
//! let owner = checker.parse_owner("1.89049032123451234512345678901235.iotregistry.example")?;
//! match checker.check(&owner, Wanted::Cert, now).await? {
//!     Verdict::Active(active) => println!("vouched for: {}", active.fingerprint()),
//!     Verdict::Inactive(_) => println!("withdrawn"),
//!     Verdict::Absent(_) => println!("unknown"),
//! }
//! # Ok(())
//! # }
//! ```

pub mod anchor;
mod cache;
pub mod caching;
pub mod certificate;
pub mod chain;
pub mod checker;
pub mod denial;
pub mod dnskey;
pub mod error;
pub mod evidence;
pub mod limits;
pub mod lookup;
pub mod message;
pub mod name;
mod nsec;
pub mod policy;
mod public_key;
mod query;
pub mod rrset;
mod serial_time;
pub mod service;
pub mod signature;
pub mod transport;
mod trusted_key;
pub mod validate;
pub mod wire;

pub use anchor::{AnchorError, RootAnchor, TrustAnchor, ZoneAnchor};
pub use caching::CachingChecker;
pub use certificate::{Admitted, BindingError, CertificateError, PresentedCertificate, bind};
pub use chain::{ChainEnd, ChainEvidence, ChainFault, Delegation, Link};
pub use checker::{CheckError, Checker};
pub use dnskey::{ZoneKeys, authenticate_keys};
pub use error::{Bogus, ValidationError};
pub use evidence::{Answer, Evidence, KeyEvidence, ResponseCode, Wanted};
pub use lookup::{Channel, Known, Lookup, LookupError, Query};
pub use policy::{ClockImplausible, Policy, PolicyError};
pub use transport::{ServerIdentity, Transport, TransportError};
pub use validate::{ActiveDevice, Denied, Verdict, validate};
