//! For services that devices connect to: who is let in, and for how long.
//!
//! Three things agree before the first application octet: the certificate chains to the registry's device
//! root and its key signed the handshake ([`tls`]); the DNS publishes its fingerprint at its name now
//! ([`admission`]). A session that stays open is checked again until that is no longer so ([`watch`]).

pub mod admission;
pub mod tls;
pub mod watch;

pub use admission::{Refused, admit};
pub use tls::server_config;
pub use watch::{Withdrawn, watch};
