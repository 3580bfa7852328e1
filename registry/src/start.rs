//! Starting a registry, by the ordinary code of recovery: read what is durable, build the zone,
//! open the doors, and go on where the last process stopped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use iot_dns_zone::net::{Listeners, ServeError, Server};
use iot_dns_zone::{Ceiling, Entry, Role, Start, ZoneError, ZoneKeys, ZoneWriter, serial};
use iot_epp_api::json::Discovery;
use iot_epp_api::server::Limits;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::ca::{TrustError, TrustRoots};
use crate::clock::unix_now;
use crate::config::{Config, ConfigError, Listen};
use crate::csr;
use crate::directory::{self, Directory, DirectoryError, DirectoryLock};
use crate::init::OPERATOR_ACCOUNT;
use crate::publisher::Publisher;
use crate::service::Service;
use crate::store::{
    CreateAccount, Expire, IssueToken, Opened, Origin, RaiseCeiling, RecordRebuilt, StartUp, Store,
    StoreError,
};

/// How often certificates are looked at whose time may be over.
const EXPIRY_PERIOD: Duration = Duration::from_secs(30);

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

/// A registry with open doors.
pub struct Running {
    /// The registry itself.
    pub core: Core,
    /// Addresses that the listeners really have.
    pub listen: Listen,
    dns: Server,
    api: iot_epp_api::server::ServerHandle,
    care_tasks: [JoinHandle<()>; 2],
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
        trust.own_key_hashes.extend(zone_key_hashes(&keys));
        let store = Store::open(&directory.database()).await?;
        let opened = open_database(&store, directory, &config).await?;
        let (writer, applied) = build_zone(&store, directory, &config, keys, &opened).await?;
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

/// Accepts the database as the truth although the published zone is ahead of it or another's:
/// the new zone starts above every serial that was published. Returns its serial.
///
/// # Errors
/// [`StartError`]; the zone is as before then.
pub async fn rebuild(directory: &Directory) -> Result<u32, StartError> {
    let lock = directory.lock()?;
    let config = Config::load(directory)?;
    let last = ZoneWriter::last_commit(&directory.zone())?;
    let store = Store::open(&directory.database()).await?;
    let now = unix_now();
    let new_database_id = crate::service::random_octets();
    let zone = config.zone.apex.clone();
    let opened = store
        .commit(StartUp {
            zone,
            new_database_id,
            now,
        })
        .await?;
    if let Some(last) = last {
        // Signatures of the lost state may live as long as any signed up to this moment.
        let ceiling = Ceiling::for_start(config.zone.profile, last.serial, now);
        let serial = serial::later(opened.serial_ceiling, ceiling.serial);
        store
            .commit(RaiseCeiling {
                serial,
                expiration: ceiling.expiration,
            })
            .await?;
    }
    store.close().await;
    ZoneWriter::forget_last_commit(&directory.zone())?;
    drop(lock);
    let core = Core::open(directory).await?;
    let serial = core.serial();
    core.close().await;
    Ok(serial)
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

/// Reads what the last process left, and makes the operators' account in a new database.
async fn open_database(
    store: &Store,
    directory: &Directory,
    config: &Config,
) -> Result<Opened, StartError> {
    let now = unix_now();
    let step = StartUp {
        zone: config.zone.apex.clone(),
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
    let name = OPERATOR_ACCOUNT.to_owned();
    let step = CreateAccount {
        origin,
        name: name.clone(),
        role: "operator",
        now,
    };
    if store.commit(step).await? {
        let token = directory::read_secret(&directory.operator_token())?;
        let token = String::from_utf8_lossy(&token);
        store
            .commit(IssueToken::new(name, token.trim(), now))
            .await?;
    }
    Ok(opened)
}

/// Signs the zone that the database wants, above every serial that was ever published.
async fn build_zone(
    store: &Store,
    directory: &Directory,
    config: &Config,
    keys: ZoneKeys,
    opened: &Opened,
) -> Result<(ZoneWriter, u64), StartError> {
    // Certificates that ran out while nobody was here are withdrawn first.
    while store.commit(Expire { now: unix_now() }).await? > 0 {}
    let now = unix_now();
    let (applied, entries) = store.zone_entries(now).await?;
    let last = ZoneWriter::last_commit(&directory.zone())?;
    // Without a commit record the published serial is unknown; the ceiling is above it.
    let serial_above = last.map_or(opened.serial_ceiling, |last| last.serial);
    let ceiling = Ceiling::for_start(config.zone.profile, serial_above, now);
    let Ceiling { serial, expiration } = ceiling;
    store.commit(RaiseCeiling { serial, expiration }).await?;
    let start = Start {
        database_id: opened.database_id,
        fencing_token: opened.fencing_token,
        applied,
        serial_above,
        ceiling,
        released_until: opened.expiration_ceiling,
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
    let (serial, released_until) = (writer.snapshot().serial(), opened.expiration_ceiling);
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

impl Running {
    /// Opens the registry and all its doors.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(directory: &Directory) -> Result<Self, StartError> {
        let core = Core::open(directory).await?;
        let listen = core.config.listen.clone();
        Self::open_doors(core, listen).await
    }

    /// Opens the doors of a registry at these addresses.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn open_doors(core: Core, listen: Listen) -> Result<Self, StartError> {
        let service = core.service.clone();
        let identity = &service.trust().service;
        let listeners = Listeners {
            udp: listen.dns.clone(),
            tcp: listen.dns.clone(),
            dot: listen.dot.clone(),
            doh: listen.doh.clone(),
        };
        let reader = service.publisher().reader().clone();
        let tls = identity.server_config(&[])?;
        let dns = iot_dns_zone::net::serve(reader, &listeners, Some(tls), unix_now).await?;
        let origin = core.config.api_origin.clone();
        let listen_error = |source| StartError::Listen {
            address: listen.api,
            source,
        };
        let listener = TcpListener::bind(listen.api).await.map_err(listen_error)?;
        let discovery = Discovery {
            origin: match origin {
                Some(origin) => origin,
                None => format!("https://{}", listener.local_addr().map_err(listen_error)?),
            },
            name: format!("IoT device registry {}", core.config.zone.apex),
            status: core.config.environment.as_str().to_owned(),
            zone: core.config.zone.apex.clone(),
        };
        let tls = identity.server_config(&[b"h2", b"http/1.1"])?;
        let api = iot_epp_api::server::serve(
            listener,
            tls,
            Arc::new(service.clone()),
            discovery,
            Limits::default(),
        )
        .map_err(|source| StartError::Listen {
            address: listen.api,
            source,
        })?;
        let bound = dns.bound();
        let listen = Listen {
            dns: bound.udp.clone(),
            dot: bound.dot.clone(),
            doh: bound.doh.clone(),
            api: api.local_addr(),
        };
        let scrub_period = Duration::from_secs(core.config.zone.profile.validity_secs().into());
        let care_tasks = [
            tokio::spawn(expire_regularly(service.clone())),
            tokio::spawn(scrub_regularly(service, scrub_period)),
        ];
        Ok(Self {
            core,
            listen,
            dns,
            api,
            care_tasks,
        })
    }

    /// Closes the doors, then the registry.
    pub async fn stop(self) {
        for task in &self.care_tasks {
            task.abort();
        }
        self.api.shutdown().await;
        if let Err(error) = self.dns.shutdown().await {
            tracing::warn!(%error, "a DNS listener had ended before");
        }
        for task in self.care_tasks {
            let _ = task.await;
        }
        self.core.close().await;
    }
}

/// Withdraws certificates when their time is over.
async fn expire_regularly(service: Service) {
    loop {
        tokio::time::sleep(EXPIRY_PERIOD).await;
        match service.store().commit(Expire { now: unix_now() }).await {
            Ok(0) => {}
            Ok(count) => {
                tracing::info!(count, "withdrew expired certificates");
                service.publisher().journal_grew();
            }
            Err(error) => tracing::error!(alarm = true, %error, "looking for expired certificates"),
        }
    }
}

/// Verifies the whole zone once per validity: whatever the gate's samples let through is found
/// while it can still be replaced.
async fn scrub_regularly(service: Service, period: Duration) {
    loop {
        tokio::time::sleep(period).await;
        match service.scrub().await {
            Ok(0) => tracing::info!("the whole zone was verified; nothing is wrong"),
            Ok(findings) => {
                tracing::error!(
                    alarm = true,
                    findings,
                    "the zone that is served is not right"
                );
            }
            Err(problem) => tracing::warn!(%problem, "the zone could not be verified"),
        }
    }
}
