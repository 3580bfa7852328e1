//! Why a registry does not start.

use std::net::SocketAddr;

use iot_dns_zone::ZoneError;
use iot_dns_zone::net::ServeError;
use thiserror::Error;

use crate::ca::TrustError;
use crate::config::ConfigError;
use crate::directory::DirectoryError;
use crate::store::StoreError;

/// Why the registry did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The directory holds no registry.
    #[error("{0} holds no registry; make one with 'iot-registry init'")]
    NotInitialised(String),
    /// Files.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// Configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Trust roots.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// TLS of the listeners.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// TLS of the listeners that ask for client certificates.
    #[error(transparent)]
    MutualTls(#[from] iot_epp_api::server::mutual_tls::MutualTlsError),
    /// Zone keys.
    #[error(transparent)]
    Keys(#[from] iot_dns_zone::KeyFileError),
    /// The files of bulk jobs.
    #[error("the files of bulk jobs: {0}")]
    Jobs(#[source] std::io::Error),
    /// The database is an older copy than the zone that was published.
    #[error(
        "the published zone has change {zone} and the database only {database}: the database is an older copy. \
         Serving it could un-revoke devices. Put the newer database back; or, when it is lost for good, run \
         'iot-registry zone rebuild' to publish what this database says"
    )]
    OlderDatabase {
        /// Last change in the zone.
        zone: u64,
        /// Last change in the database.
        database: u64,
    },
    /// The zone's directory belongs to another database.
    #[error(
        "the zone directory belongs to another database; put the right database back, or run \
         'iot-registry zone rebuild' to publish what this one says"
    )]
    OtherDatabase,
    /// The clock is far from the last time that was written down.
    #[error(
        "the clock shows {shown}, but the database was last used at {seen_at} (seconds since 1970). Signing or withdrawing by a wrong clock does lasting harm: correct the clock; or, when it is right, run 'iot-registry zone accept-clock'"
    )]
    Clock {
        /// What the clock shows.
        shown: u64,
        /// Latest time that was written down.
        seen_at: u64,
    },
    /// Another key signing key than the one that verifiers know.
    #[error(
        "zone/ksk.pk8.pem is not the key that this registry began with: every verifier would refuse the zone. Put the right file back; or, when it is lost for good and all verifiers get the new anchor, run 'iot-registry zone accept-key'"
    )]
    OtherKey,
    /// One key in both roles.
    #[error("zone/ksk.pk8.pem and zone/zsk.pk8.pem are the same key; put the right files back")]
    SameKey,
    /// The operators' token file is not a token.
    #[error("operator.token does not contain a token; put the right file back")]
    OperatorToken,
    /// The zone.
    #[error("zone: {0}")]
    Zone(ZoneError),
    /// The zone had to be built, and could not be.
    #[error("the zone that the database and the configuration want cannot be built: {0}")]
    Build(#[source] Box<Self>),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database hangs.
    #[error("the database has not answered for {waited_secs} s")]
    SilentDatabase {
        /// How long was waited.
        waited_secs: u64,
    },
    /// The DNS listeners.
    #[error(transparent)]
    Net(#[from] ServeError),
    /// The HTTPS listener.
    #[error("listening for HTTPS on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

impl StartError {
    /// Says that the zone was being built, where nothing else says what is to be done.
    pub(super) fn of_build(self) -> Self {
        match self {
            Self::Zone(error) if error.is_damage() => Self::Zone(error),
            Self::Zone(_) | Self::Store(_) => Self::Build(Box::new(self)),
            other => other,
        }
    }

    /// Whether the zone that was published can be answered from all the same: nothing is wrong with
    /// its keys, its name or its listeners, and no other process has it.
    pub fn leaves_the_zone(&self) -> bool {
        matches!(
            self,
            Self::OlderDatabase { .. }
                | Self::OtherDatabase
                | Self::Clock { .. }
                | Self::OperatorToken
                | Self::Zone(_)
                | Self::Build(_)
                | Self::Store(_)
                | Self::SilentDatabase { .. }
        )
    }
}

impl From<ZoneError> for StartError {
    fn from(error: ZoneError) -> Self {
        match error {
            ZoneError::AheadOfDatabase { zone, database } => Self::OlderDatabase { zone, database },
            ZoneError::OtherDatabase { .. } => Self::OtherDatabase,
            error => Self::Zone(error),
        }
    }
}
