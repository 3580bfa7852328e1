//! The doors of an open registry: DNS in all its transports, HTTPS, and the care that runs beside.

use std::sync::Arc;
use std::time::Duration;

use iot_dns_zone::ZoneReader;
use iot_dns_zone::net::{Ended, Listeners, Options, Server};
use iot_epp_api::json::Discovery;
use iot_epp_api::server::{Limits, Registry, ServerHandle};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{Core, Opening, StartError, integrity, scrub};
use crate::ca::ServiceIdentity;
use crate::clock::{self, unix_now};
use crate::config::{Config, Listen};
use crate::directory::Directory;
use crate::service::Service;
use crate::store::Expire;

/// Longest time that a start waits for the database to open; then the zone is answered without it.
const DATABASE_PATIENCE: Duration = Duration::from_secs(5);
/// How often certificates are looked at whose time may be over.
const EXPIRY_PERIOD: Duration = Duration::from_secs(30);

/// A registry with open doors.
pub struct Running {
    /// The registry itself.
    pub core: Core,
    /// Addresses that the listeners really have.
    pub listen: Listen,
    dns: Server,
    api: ServerHandle,
    care_tasks: [JoinHandle<()>; 4],
}

impl Running {
    /// Opens the registry and all its doors.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(directory: &Directory) -> Result<Self, StartError> {
        let opening = Opening {
            patience: Some(DATABASE_PATIENCE),
            answers_meanwhile: true,
            ..Opening::default()
        };
        let core = Core::open_with(directory, opening).await?;
        let listen = core.config.listen.clone();
        Self::open_doors(core, listen).await
    }

    /// Opens the doors of a registry at these addresses.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn open_doors(mut core: Core, listen: Listen) -> Result<Self, StartError> {
        let service = core.service.clone();
        let identity = &service.trust().service;
        let reader = service.publisher().reader().clone();
        let dns = match core.dns.take() {
            Some(open) => open,
            None => open_dns(reader.clone(), identity, &core.config, &listen).await?,
        };
        tokio::task::spawn_blocking(move || match reader.populate() {
            Ok(0) => tracing::info!("the zone is in memory"),
            Ok(pages) => tracing::error!(
                alarm = true,
                pages,
                "pages of the zone cannot be read; repair it with 'iot-registry zone rebuild'"
            ),
            Err(error) => {
                tracing::debug!(%error, "the zone is read into memory as it is asked for")
            }
        });
        let api = open_api(Arc::new(service.clone()), &core.config, &listen, identity).await?;
        let bound = dns.bound();
        let listen = Listen {
            dns: bound.udp.clone(),
            dot: bound.dot.clone(),
            doh: bound.doh.clone(),
            api: api.local_addr(),
        };
        let care_tasks = [
            tokio::spawn(expire_regularly(service.clone())),
            tokio::spawn(scrub::run(service.publisher().reader().clone())),
            tokio::spawn(end_with_listener(dns.ended())),
            tokio::spawn(integrity::run(service.clone())),
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

/// The DNS in all its transports, at these addresses.
pub(super) async fn open_dns(
    reader: ZoneReader,
    identity: &ServiceIdentity,
    config: &Config,
    listen: &Listen,
) -> Result<Server, StartError> {
    let listeners = Listeners {
        udp: listen.dns.clone(),
        tcp: listen.dns.clone(),
        dot: listen.dot.clone(),
        doh: listen.doh.clone(),
    };
    let tls = identity.server_config(&[])?;
    let mut options = Options::default();
    options.answering.nsid = config.nsid.as_ref().map(|text| text.as_bytes().into());
    let clock = clock::answering_now;
    Ok(iot_dns_zone::net::serve_with(reader, &listeners, Some(tls), clock, options).await?)
}

/// The HTTPS door, with a registry behind it.
pub(super) async fn open_api<R: Registry>(
    registry: Arc<R>,
    config: &Config,
    listen: &Listen,
    identity: &ServiceIdentity,
) -> Result<ServerHandle, StartError> {
    let listen_error = |source| StartError::Listen {
        address: listen.api,
        source,
    };
    let listener = TcpListener::bind(listen.api).await.map_err(listen_error)?;
    let discovery = Discovery {
        origin: match &config.api_origin {
            Some(origin) => origin.clone(),
            None => format!("https://{}", listener.local_addr().map_err(listen_error)?),
        },
        name: format!("IoT device registry {}", config.zone.apex),
        status: config.environment.as_str().to_owned(),
        zone: config.zone.apex.clone(),
    };
    let tls = identity.server_config(&[b"h2", b"http/1.1"])?;
    let limits = Limits::default();
    iot_epp_api::server::serve(listener, tls, registry, discovery, limits).map_err(listen_error)
}

/// Ends the process when a listener's thread ends by itself: its share of the queries would stay
/// unanswered, and nobody would notice. The next start is the recovery.
async fn end_with_listener(ended: impl Future<Output = Option<Ended>>) {
    if let Some(ended) = ended.await {
        tracing::error!(alarm = true, %ended, "ending the process");
        std::process::abort();
    }
}

/// Withdraws certificates when their time is over.
async fn expire_regularly(service: Service) {
    let mut period = tokio::time::interval(EXPIRY_PERIOD);
    loop {
        period.tick().await;
        if clock::check().is_err() {
            // The publisher raises the alarm; what is withdrawn as expired stays withdrawn.
            continue;
        }
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
