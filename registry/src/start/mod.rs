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
mod meanwhile;
mod outlook;
mod published;
mod rebuild;
mod refusing;
mod scrub;
mod zone;

use std::time::Duration;

use iot_dns_zone::net::Server;
use iot_dns_zone::{ZoneKeys, ZoneWriter};
use tokio::task::JoinHandle;

use self::meanwhile::Meanwhile;
use self::zone::Found;
use crate::ca::TrustRoots;
use crate::config::Config;
use crate::directory::{Directory, DirectoryLock};
use crate::jobs::Spool;
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
    /// The DNS doors, where they had to be open before the zone was built.
    dns: Option<Server>,
    _lock: DirectoryLock,
}

/// How a registry is opened.
#[derive(Clone, Copy)]
struct Opening<'a> {
    /// A database that does not answer for so long is an error.
    patience: Option<Duration>,
    /// Whether the last version is answered while a new zone is built.
    answers_meanwhile: bool,
    /// Told the number of names signed when the zone is built.
    progress: &'a (dyn Fn(u64) + Sync),
}

impl Default for Opening<'_> {
    fn default() -> Self {
        Self {
            patience: None,
            answers_meanwhile: false,
            progress: &|_| {},
        }
    }
}

impl Core {
    /// Opens database and zone; takes the directory's lock.
    ///
    /// # Errors
    /// [`StartError`]; nothing is served then.
    pub async fn open(directory: &Directory) -> Result<Self, StartError> {
        Self::open_with(directory, Opening::default()).await
    }

    async fn open_with(directory: &Directory, opening: Opening<'_>) -> Result<Self, StartError> {
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
            database::open_within(opening.patience, directory, &config, &keys, last.as_ref())
                .await?;
        let (store, opened) = database;
        let place = zone::Place {
            directory,
            config: &config,
        };
        let public = keys.public().clone();
        let found = zone::find(&store, place, keys, &opened, last.as_ref()).await?;
        let (writer, dns) = match found {
            Found::Ready(writer) => (*writer, None),
            Found::Build(keys) => {
                let meanwhile = match opening.answers_meanwhile {
                    true => Meanwhile::open(directory, &config, &trust, public).await?,
                    false => None,
                };
                let (last, progress) = (last.as_ref(), opening.progress);
                let built = zone::build_wanted(&store, place, *keys, &opened, last, progress);
                match (built.await, meanwhile) {
                    (Ok(mut writer), Some(meanwhile)) => {
                        let dns = meanwhile.hand_over_to(&mut writer);
                        (writer, Some(dns))
                    }
                    (Ok(writer), None) => (writer, None),
                    (Err(error), meanwhile) => {
                        if let Some(meanwhile) = meanwhile {
                            meanwhile.close().await;
                        }
                        return Err(error.of_build());
                    }
                }
            }
        };
        let applied = writer.snapshot().applied();
        let (publisher, publisher_task) = Publisher::spawn(writer, store.clone(), applied);
        let spool = Spool::open(&directory.jobs()).map_err(StartError::Jobs)?;
        let service = Service::new(store, publisher, trust, config.clone(), spool);
        Ok(Self {
            service,
            config,
            publisher_task,
            dns,
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
