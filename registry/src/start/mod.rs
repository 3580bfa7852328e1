//! Starting a registry, by the ordinary code of recovery: read what is durable, build the zone,
//! open the doors, and go on where the last process stopped.

mod doors;
mod rebuild;

use std::net::SocketAddr;

use iot_dns_zone::net::ServeError;
use iot_dns_zone::{Ceiling, CommitRecord, Entry, Role, Start, ZoneError, ZoneKeys, ZoneWriter};
use iot_epp_api::BearerToken;
use thiserror::Error;
use tokio::task::JoinHandle;

use crate::ca::{TrustError, TrustRoots};
use crate::clock::unix_now;
use crate::config::{Config, ConfigError};
use crate::csr;
use crate::directory::{self, Directory, DirectoryError, DirectoryLock};
use crate::init::OPERATOR_ACCOUNT;
use crate::publisher::Publisher;
use crate::service::Service;
use crate::store::{
    BoundUnrecorded, CreateAccount, Expire, Identity, Opened, Origin, RaiseCeiling, RecordRebuilt,
    StartUp, Store, StoreError,
};

pub use doors::Running;
pub use rebuild::{accept_clock, accept_key, rebuild};

/// Furthest that the clock may be behind the last time written down.
const CLOCK_BEHIND_MAX_SECS: u64 = 3600;
/// Longest time that a registry can have stood still without anybody saying so.
const CLOCK_AHEAD_MAX_SECS: u64 = 30 * 24 * 3600;

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
    /// Zone keys.
    #[error(transparent)]
    Keys(#[from] iot_dns_zone::KeyFileError),
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
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
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

impl From<ZoneError> for StartError {
    fn from(error: ZoneError) -> Self {
        match error {
            ZoneError::AheadOfDatabase { zone, database } => Self::OlderDatabase { zone, database },
            ZoneError::OtherDatabase { .. } => Self::OtherDatabase,
            error => Self::Zone(error),
        }
    }
}

/// The registry without its doors: what offline commands work on.
pub struct Core {
    /// Commands.
    pub service: Service,
    /// What was configured.
    pub config: Config,
    publisher_task: JoinHandle<()>,
    _lock: DirectoryLock,
}

impl Core {
    /// Opens database and zone; takes the directory's lock.
    ///
    /// # Errors
    /// [`StartError`]; nothing is served then.
    pub async fn open(directory: &Directory) -> Result<Self, StartError> {
        if !directory.is_initialised() {
            return Err(StartError::NotInitialised(
                directory.root().display().to_string(),
            ));
        }
        let lock = directory.lock()?;
        let config = Config::load(directory)?;
        let mut trust = TrustRoots::load(directory, &config.zone.apex)?;
        let keys = ZoneKeys::load(&directory.zone())?;
        let [ksk, zsk] = zone_key_hashes(&keys);
        if ksk == zsk {
            return Err(StartError::SameKey);
        }
        trust.own_key_hashes.extend([ksk, zsk]);
        let store = Store::open(&directory.database()).await?;
        let last = ZoneWriter::last_commit(&directory.zone())?;
        check_before_writing(&store, &keys, last, unix_now()).await?;
        let opened = open_database(&store, &keys, directory, &config).await?;
        let (writer, applied) = build_zone(&store, directory, &config, keys, &opened, last).await?;
        let (publisher, publisher_task) = Publisher::spawn(writer, store.clone(), applied);
        let service = Service::new(store, publisher, trust, config.clone());
        Ok(Self {
            service,
            config,
            publisher_task,
            _lock: lock,
        })
    }

    /// SOA serial of the version that is visible now.
    pub fn serial(&self) -> u32 {
        self.service.publisher().reader().snapshot().serial()
    }

    /// Ends the publisher and closes the database.
    pub async fn close(self) {
        let Self {
            service,
            publisher_task,
            ..
        } = self;
        service.publisher().stop();
        let _ = publisher_task.await;
        let store = service.store().clone();
        drop(service);
        store.close().await;
    }
}

/// What the database knows the key signing key by.
pub(super) fn ksk_hash(keys: &ZoneKeys) -> [u8; 32] {
    csr::key_hash(keys.public().of(Role::Ksk).rdata())
}

/// The zone's public keys as points, hashed: no device may have them either.
fn zone_key_hashes(keys: &ZoneKeys) -> [[u8; 32]; 2] {
    let public = keys.public();
    [Role::Ksk, Role::Zsk].map(|role| {
        // DNSKEY RDATA: four octets, then the point without its first octet (RFC 6605 §4).
        let point = [
            &[0x04],
            public.of(role).rdata().get(4..).unwrap_or_default(),
        ]
        .concat();
        csr::key_hash(&point)
    })
}

fn operator_token(directory: &Directory) -> Result<BearerToken, StartError> {
    let octets = directory::read_secret(&directory.operator_token())?;
    let text = std::str::from_utf8(&octets).unwrap_or_default();
    BearerToken::parse(text.trim()).map_err(|_| StartError::OperatorToken)
}

/// Holds a database against the zone that was published, and its clock against ours, before anything
/// is written: writing could make an older copy look newer.
async fn check_before_writing(
    store: &Store,
    keys: &ZoneKeys,
    last: Option<CommitRecord>,
    now: u64,
) -> Result<(), StartError> {
    let Some(identity) = store.identity().await? else {
        return if last.is_some() {
            Err(StartError::OtherDatabase)
        } else {
            Ok(())
        };
    };
    let Identity { seen_at, .. } = identity;
    if identity.ksk_hash != ksk_hash(keys) {
        return Err(StartError::OtherKey);
    }
    if now + CLOCK_BEHIND_MAX_SECS < seen_at || now > seen_at + CLOCK_AHEAD_MAX_SECS {
        return Err(StartError::Clock {
            shown: now,
            seen_at,
        });
    }
    match last {
        Some(last) if last.database_id != identity.database_id => Err(StartError::OtherDatabase),
        Some(last)
            if last.applied > identity.journal_head
                || last.fencing_token > identity.fencing_token =>
        {
            let (zone, database) = (last.applied, identity.journal_head);
            Err(StartError::OlderDatabase { zone, database })
        }
        _ => Ok(()),
    }
}

/// Reads what the last process left, and makes the operators' account in a new database.
async fn open_database(
    store: &Store,
    keys: &ZoneKeys,
    directory: &Directory,
    config: &Config,
) -> Result<Opened, StartError> {
    let now = unix_now();
    let step = StartUp {
        zone: config.zone.apex.clone(),
        ksk_hash: ksk_hash(keys),
        new_database_id: crate::service::random_octets(),
        now,
    };
    let opened = store.commit(step).await?;
    if opened.voided > 0 {
        tracing::info!(
            count = opened.voided,
            "voided registrations that were never answered"
        );
    }
    let origin = Origin {
        account: OPERATOR_ACCOUNT.to_owned(),
        door: "command-line",
        verb: "account.create",
        client_transaction_id: None,
        server_transaction_id: "init".to_owned(),
        digest: [0; 32],
    };
    let (name, role) = (OPERATOR_ACCOUNT.to_owned(), "operator");
    let token = operator_token(directory)?;
    store
        .commit(CreateAccount {
            origin,
            name,
            role,
            token,
            now,
        })
        .await?;
    Ok(opened)
}

/// Signs the zone that the database wants, above every serial that was ever published.
async fn build_zone(
    store: &Store,
    directory: &Directory,
    config: &Config,
    keys: ZoneKeys,
    opened: &Opened,
    last: Option<CommitRecord>,
) -> Result<(ZoneWriter, u64), StartError> {
    // Certificates that ran out while nobody was here are withdrawn first.
    while store.commit(Expire { now: unix_now() }).await? > 0 {}
    let now = unix_now();
    // The commit record is exact when it is the one that the last process left.
    let exact = last.filter(|last| last.fencing_token + 1 == opened.fencing_token);
    let released_until = exact.map_or(opened.expiration_ceiling, |last| last.released_until);
    store.commit(BoundUnrecorded { released_until }).await?;
    let (applied, entries) = store.zone_entries().await?;
    let serial_above = exact.map_or(opened.serial_ceiling, |last| last.serial);
    let ceiling = Ceiling::for_start(config.zone.profile, serial_above, now);
    let Ceiling { serial, expiration } = ceiling;
    store
        .commit(RaiseCeiling {
            serial,
            expiration,
            now,
        })
        .await?;
    let start = Start {
        database_id: opened.database_id,
        fencing_token: opened.fencing_token,
        applied,
        serial_above,
        ceiling,
        released_until,
        lost_until: opened.lost_until,
    };
    let entries: Vec<Entry> = entries
        .into_iter()
        .map(|entry| Entry {
            device_id: entry.device_id,
            slot: entry.slot,
            publication: entry.publication,
            released_until: entry.released_until,
        })
        .collect();
    let zone_config = config.zone.clone();
    let path = directory.zone();
    let build = move || ZoneWriter::build(&path, zone_config, keys, entries, start, now);
    let writer = tokio::task::block_in_place(build)?;
    let serial = writer.snapshot().serial();
    store
        .commit(RecordRebuilt {
            applied,
            serial,
            at: now,
            released_until,
        })
        .await?;
    Ok((writer, applied))
}
