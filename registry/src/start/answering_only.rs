//! When the database is an older copy than the zone that was published, or another registry's: no
//! command is taken, and nothing is written to the database. The zone stays as it was published
//! last; its signatures are kept fresh, so that no device goes dark while people decide.

use std::sync::Arc;
use std::time::Duration;

use iot_dns_zone::net::Server;
use iot_dns_zone::{Ceiling, Opening, Start, StoreError, ZoneError, ZoneKeys, ZoneWriter};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::{StartError, doors};
use crate::ca::TrustRoots;
use crate::clock::{self, unix_now};
use crate::config::{Config, Listen};
use crate::directory::{Directory, DirectoryLock};

/// How often the alarm is repeated.
const ALARM_PERIOD: Duration = Duration::from_secs(60);
/// Pause after a failure.
const FAILURE_PAUSE: Duration = Duration::from_millis(500);
/// Longest time without looking at the clock.
const IDLE_MAX: Duration = Duration::from_secs(1);

/// A registry whose DNS doors are open and no others.
pub struct AnsweringOnly {
    /// Addresses that the listeners really have.
    pub listen: Listen,
    dns: Server,
    stop: Arc<Notify>,
    signing: JoinHandle<()>,
    alarm: JoinHandle<()>,
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
        let keys = ZoneKeys::load(&directory.zone())?;
        let Some(writer) = published_zone(directory, &config, keys)? else {
            return Err(reason);
        };
        let dns = doors::open_dns(writer.reader(), &trust.service, &config.listen).await?;
        let bound = dns.bound();
        let listen = Listen {
            dns: bound.udp.clone(),
            dot: bound.dot.clone(),
            doh: bound.doh.clone(),
            ..config.listen.clone()
        };
        raise_alarm(&reason);
        let stop = Arc::new(Notify::new());
        Ok(Self {
            listen,
            dns,
            signing: tokio::spawn(keep_fresh(*writer, Arc::clone(&stop))),
            alarm: tokio::spawn(repeat(reason)),
            stop,
            _lock: lock,
        })
    }

    /// Closes the doors.
    pub async fn stop(self) {
        self.alarm.abort();
        self.stop.notify_one();
        if let Err(error) = self.dns.shutdown().await {
            tracing::warn!(%error, "a DNS listener had ended before");
        }
        let _ = self.signing.await;
    }
}

/// The zone by its own record alone.
fn published_zone(
    directory: &Directory,
    config: &Config,
    keys: ZoneKeys,
) -> Result<Option<Box<ZoneWriter>>, StartError> {
    let path = directory.zone();
    let Some(last) = ZoneWriter::last_commit(&path)? else {
        return Ok(None);
    };
    let now = unix_now();
    let start = Start {
        database_id: last.database_id,
        fencing_token: last.fencing_token,
        applied: last.applied,
        serial_above: last.serial,
        ceiling: Ceiling::for_start(config.zone.profile, last.serial, now),
        released_until: last.released_until,
        lost_until: last.lost_until,
    };
    let opening =
        tokio::task::block_in_place(|| ZoneWriter::open(&path, &config.zone, keys, start, now))?;
    Ok(match opening {
        Opening::Ready(writer) => Some(writer),
        Opening::Build { .. } => None,
    })
}

async fn keep_fresh(mut writer: ZoneWriter, stop: Arc<Notify>) {
    let _guard = crate::panics::AbortOnPanic("signing again");
    let urgent = Arc::clone(writer.reader().urgent());
    loop {
        let now = unix_now();
        let patience = match step(&mut writer, now) {
            Ok(()) => Duration::from_secs(writer.next_work_at().saturating_sub(now)).min(IDLE_MAX),
            Err(error @ (ZoneError::Store(StoreError::Failed { .. }) | ZoneError::Stopped)) => {
                tracing::error!(%error, "the zone may not be durable; ending the process");
                std::process::abort();
            }
            Err(error) => {
                tracing::error!(alarm = true, %error, "signing again failed");
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

fn step(writer: &mut ZoneWriter, now: u64) -> Result<(), ZoneError> {
    if let Err(error) = clock::check() {
        tracing::error!(alarm = true, %error, "nothing is signed");
        return Ok(());
    }
    // There is no database that could promise it: the commit record alone has to bound it.
    if let Some(ceiling) = writer.ceiling_wanted(now) {
        writer.raise_ceiling(ceiling);
    }
    tokio::task::block_in_place(|| writer.work(now, ZoneWriter::WORK_SIGNATURES))?;
    Ok(())
}

async fn repeat(reason: StartError) {
    loop {
        tokio::time::sleep(ALARM_PERIOD).await;
        raise_alarm(&reason);
    }
}

fn raise_alarm(reason: &StartError) {
    tracing::error!(
        alarm = true,
        %reason,
        "only the published zone is served; no command is taken"
    );
}
