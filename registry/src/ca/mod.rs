//! Certification: three trust roots that share nothing, and the issuing of device certificates.
//!
//! - device: root → issuing CA → device certificates (`issue`).
//! - service: root → server certificate of our own listeners.
//! - account: root of the client certificates of operators and service providers.
//!
//! No listener accepts another root's certificates.

mod account;
mod issue;
#[cfg(test)]
mod tests;
mod trust;

pub use account::{AccountCa, AccountIssueError, ClientIssued, ClientKeys};
pub use issue::{IssueError, Issued, IssuingCa, SERIAL_OCTETS, TbsDevice, VALIDITY_SECS_DEFAULT};
pub use trust::{ServiceIdentity, TrustError, TrustRoots};
