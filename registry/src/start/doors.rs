//! The doors of an open registry: DNS in all its transports, HTTPS, and the care that runs beside.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use iot_dns_zone::ZoneReader;
use iot_dns_zone::net::{Ended, Listeners, Options, Server};
use iot_epp_api::epp::Greeting;
use iot_epp_api::json::Discovery;
use iot_epp_api::server::epp::{EppHandle, EppLimits, serve_epp};
use iot_epp_api::server::{Admission, Limits, Registry, ServerHandle, serve};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{Core, Opening, StartError, integrity, scrub};
use crate::ca::{ServiceIdentity, TrustRoots};
use crate::clock;
use crate::config::{Config, Listen};
use crate::directory::Directory;
use crate::jobs;
use crate::panics::AbortOnPanic;
use crate::service::Service;

/// Longest time that a start waits for the database to open; then the zone is answered without it.
const DATABASE_PATIENCE: Duration = Duration::from_secs(5);
/// How often certificates are looked at whose time may be over.
const EXPIRY_PERIOD: Duration = Duration::from_secs(30);
/// How often pending commands are looked at that may be published.
const COMPLETED_PERIOD: Duration = Duration::from_millis(500);
/// How often it is looked whether who waits for messages has some.
const NEWS_PERIOD: Duration = Duration::from_millis(200);

/// A registry with open doors.
pub struct Running {
    /// The registry itself.
    pub core: Core,
    /// Addresses that the listeners really have.
    pub listen: Listen,
    dns: Server,
    api: ServerHandle,
    api_certificates: Option<ServerHandle>,
    epp: Option<EppHandle>,
    care_tasks: [JoinHandle<()>; 7],
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
        let registry = Arc::new(service.clone());
        let trust = service.trust();
        let api = open_api(Arc::clone(&registry), &core.config, &listen, trust).await?;
        let doors = (&core.config, &listen);
        let api_certificates =
            open_api_certificates(Arc::clone(&registry), doors, api.local_addr(), trust).await?;
        let epp = open_epp(registry, doors, trust).await?;
        let bound = dns.bound();
        let listen = Listen {
            dns: bound.udp.clone(),
            dot: bound.dot.clone(),
            doh: bound.doh.clone(),
            api: api.local_addr(),
            api_certificates: api_certificates.as_ref().map(ServerHandle::local_addr),
            epp: epp.as_ref().map(EppHandle::local_addr),
        };
        let care_tasks = [
            care("expiry", expire_regularly(service.clone())),
            care("scrub", scrub::run(service.publisher().reader().clone())),
            care("listeners", end_with_listener(dns.ended())),
            care("integrity", integrity::run(service.clone())),
            care(
                "pending answers",
                service.clone().tell_of_completed(COMPLETED_PERIOD),
            ),
            care("jobs", jobs::run(service.clone())),
            care("news", service.tell_news(NEWS_PERIOD)),
        ];
        Ok(Self {
            core,
            listen,
            dns,
            api,
            api_certificates,
            epp,
            care_tasks,
        })
    }

    /// Closes the doors, then the registry.
    pub async fn stop(self) {
        for task in &self.care_tasks {
            task.abort();
        }
        self.api.shutdown().await;
        if let Some(api) = self.api_certificates {
            api.shutdown().await;
        }
        if let Some(epp) = self.epp {
            epp.shutdown().await;
        }
        if let Err(error) = self.dns.shutdown().await {
            tracing::warn!(%error, "a DNS listener had ended before");
        }
        for task in self.care_tasks {
            let _ = task.await;
        }
        self.core.close().await;
    }
}

/// Starts a task without which the registry falls behind unseen.
fn care(name: &'static str, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(async move {
        let _guard = AbortOnPanic(name);
        task.await;
    })
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

/// The HTTPS door for clients with tokens, with a registry behind it.
pub(super) async fn open_api<R: Registry>(
    registry: Arc<R>,
    config: &Config,
    listen: &Listen,
    trust: &TrustRoots,
) -> Result<ServerHandle, StartError> {
    let (listener, address) = bind(listen.api).await?;
    let discovery = discovery(config, address, listen.api_certificates);
    let tls = trust.service.server_config(&[b"h2", b"http/1.1"])?;
    let (admission, limits) = (Admission::Tokens, Limits::default());
    let handle = serve(listener, tls, admission, registry, discovery, limits);
    handle.map_err(|source| StartError::Listen { address, source })
}

/// The HTTPS door for clients with certificates, where it is wanted.
async fn open_api_certificates(
    registry: Arc<Service>,
    (config, listen): (&Config, &Listen),
    api: SocketAddr,
    trust: &TrustRoots,
) -> Result<Option<ServerHandle>, StartError> {
    let Some(wanted) = listen.api_certificates else {
        return Ok(None);
    };
    let (listener, address) = bind(wanted).await?;
    let discovery = discovery(config, api, Some(address));
    let tls = trust.service.mutual_config(trust.account.root().clone())?;
    let (admission, limits) = (Admission::ClientCertificates, Limits::default());
    let handle = serve(listener, tls, admission, registry, discovery, limits);
    let handle = handle.map_err(|source| StartError::Listen { address, source })?;
    Ok(Some(handle))
}

/// The EPP door, where it is wanted.
async fn open_epp(
    registry: Arc<Service>,
    (config, listen): (&Config, &Listen),
    trust: &TrustRoots,
) -> Result<Option<EppHandle>, StartError> {
    let Some(wanted) = listen.epp else {
        return Ok(None);
    };
    let (listener, address) = bind(wanted).await?;
    let tls = trust.service.mutual_config(trust.account.root().clone())?;
    let greeting = Greeting::new(&name_of(config)).expect("the name has three characters");
    let handle = serve_epp(listener, tls, registry, greeting, EppLimits::default());
    let handle = handle.map_err(|source| StartError::Listen { address, source })?;
    Ok(Some(handle))
}

async fn bind(wanted: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let error = |source| StartError::Listen {
        address: wanted,
        source,
    };
    let listener = TcpListener::bind(wanted).await.map_err(error)?;
    let address = listener.local_addr().map_err(error)?;
    Ok((listener, address))
}

fn name_of(config: &Config) -> String {
    format!("IoT device registry {}", config.zone.apex)
}

fn discovery(config: &Config, api: SocketAddr, certificates: Option<SocketAddr>) -> Discovery {
    let configured = config.api_origin.clone();
    Discovery {
        origin: configured.unwrap_or_else(|| format!("https://{api}")),
        certificate_origin: certificates.map(|address| format!("https://{address}")),
        name: name_of(config),
        status: config.environment.as_str().to_owned(),
        zone: config.zone.apex.clone(),
    }
}

/// Ends the process when a listener's thread ends by itself: its share of the queries would stay
/// unanswered, and nobody would notice. The next start is the recovery.
async fn end_with_listener(ended: impl Future<Output = Option<Ended>>) {
    if let Some(ended) = ended.await {
        tracing::error!(alarm = true, %ended, "ending the process");
        std::process::abort();
    }
}

/// Withdraws what has ended, and ends transfers that nobody answered.
async fn expire_regularly(service: Service) {
    let mut period = tokio::time::interval(EXPIRY_PERIOD);
    loop {
        period.tick().await;
        if clock::check().is_err() {
            // The publisher raises the alarm; what is withdrawn as expired stays withdrawn.
            continue;
        }
        match service.look_at_the_time(clock::unix_now()).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "what has ended is withdrawn, and told"),
            Err(error) => tracing::error!(alarm = true, %error, "looking for what has ended"),
        }
    }
}
