//! Starting a registry, by the ordinary code of recovery: read what is durable, open the zone that is
//! there or build it, open the doors, and go on where the last process stopped. Where that cannot be and
//! the zone is there, only the zone is answered ([`AnsweringOnly`]).

mod answering_only;
mod database;
mod doors;
pub(crate) mod entries;
mod error;
mod integrity;
mod load;
mod outlook;
mod published;
mod rebuild;
mod refusing;
mod scrub;
mod zone;

use std::time::Duration;

use iot_dns_zone::{ZoneKeys, ZoneWriter};
use tokio::task::JoinHandle;

use crate::ca::TrustRoots;
use crate::config::Config;
use crate::directory::{Directory, DirectoryLock};
use crate::publisher::Publisher;
use crate::service::Service;

pub use answering_only::AnsweringOnly;
pub use doors::Running;
pub use error::StartError;
pub(crate) use load::{build_now, load_file};
pub use rebuild::{accept_clock, accept_key, rebuild};

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
        Self::open_with(directory, None, &|_| {}).await
    }

    /// Like [`Core::open`]; a database that does not answer for so long is an error.
    async fn open_within(directory: &Directory, patience: Duration) -> Result<Self, StartError> {
        Self::open_with(directory, Some(patience), &|_| {}).await
    }

    /// Like [`Core::open`]; `progress` is told the number of names signed when the zone is built.
    async fn open_with(
        directory: &Directory,
        patience: Option<Duration>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Self, StartError> {
        if !directory.is_initialised() {
            return Err(StartError::NotInitialised(
                directory.root().display().to_string(),
            ));
        }
        let lock = directory.lock()?;
        let config = Config::load(directory)?;
        let mut trust = TrustRoots::load(directory, &config.zone.apex)?;
        let keys = ZoneKeys::load(&directory.zone())?;
        trust
            .own_key_hashes
            .extend(database::zone_key_hashes(&keys)?);
        let last = ZoneWriter::last_commit(&directory.zone())?;
        let database =
            database::open_within(patience, directory, &config, &keys, last.as_ref()).await?;
        let (store, opened) = database;
        let place = zone::Place {
            directory,
            config: &config,
        };
        let (writer, applied) = zone::open(&store, place, keys, &opened, last, progress).await?;
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
