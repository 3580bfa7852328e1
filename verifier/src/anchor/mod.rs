//! Trust anchors: which keys are believed beforehand, the registry's zone's own ([`ZoneAnchor`]) or the
//! root's ([`RootAnchor`]), from which the zone's are found.

use iot_identity::ZoneName;
use thiserror::Error;

mod line;
mod root;
mod zone;

pub use line::AnchorLineFault;
pub use root::RootAnchor;
pub use zone::ZoneAnchor;

/// Octets of the longest anchor file.
pub const ANCHOR_FILE_OCTETS_MAX: usize = 65_536;
/// Records in an anchor file: the keys of several rollovers.
pub const ANCHOR_RECORDS_MAX: usize = 8;

/// Where trust in a registry's zone begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustAnchor {
    /// Keys of the zone itself. Its servers may be asked directly.
    Zone(ZoneAnchor),
    /// Keys of the root: the chain of DS and DNSKEY records is followed from there to the zone, which takes
    /// a resolver that answers for all of them.
    Root {
        /// The root's keys.
        root: RootAnchor,
        /// The registry's zone, the only one that names are taken of.
        zone: ZoneName,
    },
}

impl TrustAnchor {
    /// The registry's zone.
    pub fn zone(&self) -> &ZoneName {
        match self {
            Self::Zone(anchor) => anchor.zone(),
            Self::Root { zone, .. } => zone,
        }
    }
}

impl From<ZoneAnchor> for TrustAnchor {
    fn from(anchor: ZoneAnchor) -> Self {
        Self::Zone(anchor)
    }
}

/// Why a text is no trust anchor.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AnchorError {
    /// No record in it.
    #[error("the trust anchor has no DS or DNSKEY record")]
    Empty,
    /// Longer than [`ANCHOR_FILE_OCTETS_MAX`].
    #[error("the trust anchor has {octets} octets, more than {ANCHOR_FILE_OCTETS_MAX}")]
    TooLong {
        /// Octets found.
        octets: usize,
    },
    /// A line that is wrong.
    #[error("trust anchor, line {line}: {fault}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        fault: AnchorLineFault,
    },
}
