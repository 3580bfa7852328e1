//! When the registry cannot start although its zone is there: no command is taken, and nothing is
//! written to the database. The zone stays as it was published last, so that no device goes dark while
//! people decide or repair.
//!
//! Its signatures are kept fresh. Where the zone cannot be written (a full disk, a damaged page), or
//! must not be (the clock is not to be believed), it is answered as it is: what has expired is refused.
//! Signing begins by itself when the zone can be written again. Commands come back with the next start:
//! when nothing stands in its way any more, that is said.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use iot_dns_zone::net::Server;
use iot_dns_zone::{ZoneError, ZoneReader, ZoneWriter};
use iot_epp_api::server::ServerHandle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::published::{Place, Published, may_pass};
use super::refusing::Refusing;
use super::{StartError, doors, outlook};
use crate::ca::TrustRoots;
use crate::clock::{self, unix_now};
use crate::config::{Config, Listen};
use crate::directory::{Directory, DirectoryLock};
use crate::publisher::failures::is_final;
use crate::publisher::health::Health;
use crate::repetition::Repetition;

/// How often the alarm is repeated.
const ALARM_PERIOD: Duration = Duration::from_secs(60);
/// How often it is tried whether the zone can be written again, and looked whether a start would
/// succeed.
const TRY_AGAIN: Duration = Duration::from_secs(10);
/// Pause after a failure.
const FAILURE_PAUSE: Duration = Duration::from_millis(500);
/// Longest time without looking at the clock.
const IDLE_MAX: Duration = Duration::from_secs(1);

/// A registry whose DNS doors are open; its HTTPS door refuses.
pub struct AnsweringOnly {
    /// Addresses that the listeners really have.
    pub listen: Listen,
    dns: Server,
    api: Option<ServerHandle>,
    stop: Arc<Notify>,
    care: JoinHandle<()>,
    alarm: JoinHandle<()>,
    watch: JoinHandle<()>,
    _lock: DirectoryLock,
}

impl AnsweringOnly {
    /// Opens the zone as it was published last. `reason` is why the registry itself did not start;
    /// it is returned where there is no such zone either.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(directory: &Directory, reason: StartError) -> Result<Self, StartError> {
        let lock = directory.lock()?;
        let config = Config::load(directory)?;
        let trust = TrustRoots::load(directory, &config.zone.apex)?;
        let place = Place::of(directory, &config);
        let Some(published) = place.open(&reason)? else {
            return Err(reason);
        };
        let dns =
            doors::open_dns(published.reader(), &trust.service, &config, &config.listen).await?;
        let api = doors::open_api(Arc::new(Refusing), &config, &config.listen, &trust);
        let api = api.await.map_err(|error| {
            tracing::warn!(%error, "nobody is told that no command is taken");
        });
        let api = api.ok();
        let bound = dns.bound();
        let listen = Listen {
            dns: bound.udp.clone(),
            dot: bound.dot.clone(),
            doh: bound.doh.clone(),
            api: api
                .as_ref()
                .map_or(config.listen.api, ServerHandle::local_addr),
            api_certificates: None,
            epp: None,
        };
        let alarm = Arc::new(Alarm::of(reason, &published));
        alarm.raise();
        let (stop, cared) = (Arc::new(Notify::new()), Arc::clone(&alarm));
        Ok(Self {
            listen,
            dns,
            api,
            care: tokio::spawn(care(place, published, cared, Arc::clone(&stop))),
            watch: tokio::spawn(watch(directory.clone(), Arc::clone(&alarm))),
            alarm: tokio::spawn(async move { alarm.repeat().await }),
            stop,
            _lock: lock,
        })
    }

    /// Closes the doors.
    pub async fn stop(self) {
        self.alarm.abort();
        self.watch.abort();
        self.stop.notify_one();
        if let Some(api) = self.api {
            api.shutdown().await;
        }
        if let Err(error) = self.dns.shutdown().await {
            tracing::warn!(%error, "a DNS listener had ended before");
        }
        let _ = self.care.await;
    }
}

async fn care(place: Place, published: Published, alarm: Arc<Alarm>, stop: Arc<Notify>) {
    let _guard = crate::panics::AbortOnPanic("signing again");
    let waits = published.waits();
    let writer = match published {
        Published::Writable(writer) => Some(*writer),
        Published::AsItIs { reader, .. } if waits => until_writable(&place, &reader, &stop).await,
        Published::AsItIs { .. } => {
            stop.notified().await;
            None
        }
    };
    if let Some(writer) = writer {
        alarm.is_signed.store(true, Ordering::Relaxed);
        keep_fresh(writer, &stop).await;
    }
}

/// Waits until the zone can be opened for writing; none when the process ends before.
async fn until_writable(place: &Place, reader: &ZoneReader, stop: &Notify) -> Option<ZoneWriter> {
    loop {
        tokio::select! {
            biased;
            () = stop.notified() => return None,
            () = tokio::time::sleep(TRY_AGAIN) => {}
        }
        if clock::check().is_err() {
            continue; // the clock's own alarm follows when there is something to sign with
        }
        match place.writer() {
            Ok(Some(mut writer)) => {
                writer.answer_through(reader);
                tracing::info!("the zone can be written again; its signatures are kept fresh");
                return Some(*writer);
            }
            Ok(None) => {}
            Err(error) if may_pass(&error) => {
                tracing::debug!(%error, "the zone cannot be written yet");
            }
            Err(error) => {
                tracing::error!(alarm = true, %error, "the zone will not be signed any more");
                stop.notified().await;
                return None;
            }
        }
    }
}

async fn keep_fresh(mut writer: ZoneWriter, stop: &Notify) {
    let urgent = Arc::clone(writer.reader().urgent());
    let mut told = Told::default();
    loop {
        let now = unix_now();
        let patience = match step(&mut writer, &mut told, now) {
            Ok(()) => Duration::from_secs(writer.next_work_at().saturating_sub(now)).min(IDLE_MAX),
            Err(error) if is_final(&error) => {
                tracing::error!(%error, "the zone may not be durable; ending the process");
                std::process::abort();
            }
            Err(error) => {
                if let Some(times) = told.signing.fails(Instant::now()) {
                    tracing::error!(alarm = true, %error, times, "signing again failed");
                }
                FAILURE_PAUSE
            }
        };
        tokio::select! {
            biased;
            () = stop.notified() => return,
            () = urgent.wanted() => {}
            () = tokio::time::sleep(patience) => {}
        }
    }
}

/// What was said of the zone's signatures.
#[derive(Default)]
struct Told {
    health: Health,
    signing: Repetition,
    clock: Repetition,
}

fn step(writer: &mut ZoneWriter, told: &mut Told, now: u64) -> Result<(), ZoneError> {
    if let Err(error) = clock::check() {
        if let Some(times) = told.clock.fails(Instant::now()) {
            tracing::error!(alarm = true, %error, times, "nothing is signed");
        }
        return Ok(());
    }
    if let Some(failures) = told.clock.works() {
        tracing::info!(failures, "the clock is right again");
    }
    // There is no database that could promise it: the commit record alone has to bound it.
    if let Some(ceiling) = writer.ceiling_wanted(now) {
        writer.raise_ceiling(ceiling);
    }
    let work = tokio::task::block_in_place(|| writer.work(now, ZoneWriter::WORK_SIGNATURES))?;
    if work.signatures > 0
        && let Some(failures) = told.signing.works()
    {
        tracing::info!(failures, "signing works again");
    }
    told.health.note(&work);
    told.health.look(writer, now);
    Ok(())
}

/// Looks whether a start would succeed, for ever; one look at a time, however long it takes.
async fn watch(directory: Directory, alarm: Arc<Alarm>) {
    loop {
        tokio::time::sleep(TRY_AGAIN).await;
        let seen = if alarm.is_writable() {
            outlook::look(&directory).await
        } else {
            continue;
        };
        if let Err(obstacle) = &seen {
            tracing::debug!(%obstacle, "a start would not succeed yet");
        }
        let is_past = seen.is_ok();
        if alarm.is_past.swap(is_past, Ordering::Relaxed) != is_past {
            alarm.raise();
        }
    }
}

/// What the operators are told.
struct Alarm {
    reason: StartError,
    /// Why the zone could not be written at the start.
    obstacle: String,
    repair: &'static str,
    is_signed: AtomicBool,
    /// Whether only somebody's deed makes the zone right, or its being opened here.
    is_damaged: bool,
    waits: bool,
    /// Whether a start would succeed, as far as can be told.
    is_past: AtomicBool,
}

impl Alarm {
    fn of(reason: StartError, published: &Published) -> Self {
        let (is_signed, obstacle) = match published {
            Published::Writable(_) => (true, None),
            Published::AsItIs { obstacle, .. } => (false, obstacle.as_ref()),
        };
        Self {
            is_damaged: is_damaged(&reason, obstacle),
            waits: published.waits(),
            repair: repair(&reason, obstacle),
            obstacle: obstacle.map(ToString::to_string).unwrap_or_default(),
            reason,
            is_signed: AtomicBool::new(is_signed),
            is_past: AtomicBool::new(false),
        }
    }

    /// Whether the next start could write the zone, as far as is known here: where this process tries
    /// to, it has to have succeeded. Whether a zone could be built is not known before that is tried.
    fn is_writable(&self) -> bool {
        let has_to_build = matches!(self.reason, StartError::Build(_));
        let may_write = !self.is_damaged && !self.waits;
        !has_to_build && (may_write || self.is_signed.load(Ordering::Relaxed))
    }

    async fn repeat(&self) {
        loop {
            tokio::time::sleep(ALARM_PERIOD).await;
            self.raise();
        }
    }

    fn raise(&self) {
        let Self {
            reason,
            obstacle,
            repair,
            is_signed,
            is_past,
            ..
        } = self;
        if is_past.load(Ordering::Relaxed) {
            tracing::error!(
                alarm = true,
                %reason,
                "nothing stands in the way of a start any more: restart the registry, and it takes commands again; \
                 until then only the published zone is served"
            );
        } else if is_signed.load(Ordering::Relaxed) {
            tracing::error!(
                alarm = true,
                %reason,
                repair,
                "only the published zone is served; no command is taken"
            );
        } else {
            tracing::error!(
                alarm = true,
                %reason,
                obstacle,
                repair,
                "only the published zone is served, and nothing in it is signed; no command is taken"
            );
        }
    }
}

/// Whether the zone has to be made anew.
fn is_damaged(reason: &StartError, obstacle: Option<&ZoneError>) -> bool {
    obstacle.is_some_and(ZoneError::is_damage)
        || matches!(reason, StartError::Zone(error) if error.is_damage())
}

/// What is to be done, in one sentence.
fn repair(reason: &StartError, obstacle: Option<&ZoneError>) -> &'static str {
    match reason {
        _ if is_damaged(reason, obstacle) => {
            "stop the registry, run 'iot-registry zone rebuild', and start it anew"
        }
        StartError::Clock { .. } | StartError::OlderDatabase { .. } | StartError::OtherDatabase => {
            "stop the registry, do what the reason says, and start it anew"
        }
        StartError::SilentDatabase { .. } => {
            "look at the disk and the file system of registry.db; when they answer, stop the registry and start it anew"
        }
        StartError::Build(_) => {
            "repair the cause (a full disk: free room for a second zone beside this one), then stop the \
             registry and start it anew"
        }
        _ => "repair the cause (a full disk: free room), then stop the registry and start it anew",
    }
}
