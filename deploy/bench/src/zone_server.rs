//! Our server as a process of its own: the product's writer and listeners around a fleet that was
//! signed before, with re-signing as the product paces it. Takes orders on its standard input, one
//! JSON object a line, and ends with it.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TrySendError, sync_channel};
use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use iot_dns_zone::net::{self, Limits, Listeners, Options};
use iot_dns_zone::{Change, Figures, ZoneWriter};
use iot_identity::{Publication, Slot};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};

use crate::certificate::{CERTIFICATE_FILE, KEY_FILE};
use crate::fleet::ZoneArguments;
use crate::population::Population;
use crate::zone;

/// New devices of one version.
const BATCH: u64 = 512;
/// Longest pause of the loop, so that re-signing comes in small pieces.
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// Connections that a measurement holds open, and for how long.
const CONNECTIONS_MAX: usize = 20_000;
const IDLE: Duration = Duration::from_secs(120);
/// RR type number of RRSIG (RFC 4034 §3).
const TYPE_RRSIG: u16 = 46;

/// Where the server listens and what it serves.
#[derive(Args, Clone, Debug)]
pub(crate) struct ServerArguments {
    /// The zone as it was signed.
    #[command(flatten)]
    pub(crate) zone: ZoneArguments,
    /// Address for UDP and TCP.
    #[arg(long)]
    pub(crate) dns: Option<SocketAddr>,
    /// Address for DNS over TLS; certificate and key lie in `tls_directory`.
    #[arg(long, requires = "tls_directory")]
    pub(crate) dot: Option<SocketAddr>,
    #[arg(long)]
    pub(crate) tls_directory: Option<PathBuf>,
    /// Keeps signatures fresh; without, only those that queries wait for are renewed.
    #[arg(long)]
    pub(crate) resign: bool,
}

/// An order to the server.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// Adds so many new devices to the fleet.
    Grow { count: u64 },
    /// Reads every block, and counts signatures that have expired.
    Read,
    /// Only says how things are.
    State,
    /// Says how things are, and counts minutes from now on.
    Watch,
}

/// How things are, after an order.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) devices: u64,
    /// Octets of the zone file that hold the zone, or are kept to write the next version.
    pub(crate) zone_octets: u64,
    /// Octets of the change history.
    pub(crate) redo_octets: u64,
    /// Octets of zeros written for new segments of it since the start.
    pub(crate) redo_zeroed_octets: u64,
    /// Signatures made by re-signing since the start.
    pub(crate) resigned: u64,
    /// Signatures that re-signing made in its busiest minute, and in the mean of its full minutes,
    /// since the start or [`Order::Watch`].
    pub(crate) busiest_minute: u64,
    pub(crate) mean_minute: f64,
    /// Seconds by which re-signing lags behind its pace.
    pub(crate) behind_secs: u64,
    /// Seconds until the first signature that re-signing has seen expires.
    pub(crate) remaining_secs: i64,
    /// Signatures that the last reading found expired.
    pub(crate) expired: u64,
}

/// Serves until standard input ends.
#[allow(clippy::print_stdout)] // the answers of the conversation
pub(crate) fn run(arguments: &ServerArguments) -> anyhow::Result<()> {
    let ZoneArguments {
        directory,
        fleet,
        profile,
    } = &arguments.zone;
    let start = zone::start(*profile, zone::unix_now());
    let writer = zone::open(directory, *profile, start)?;
    let tls = tls(arguments)?.map(Arc::new);
    let listeners = Listeners {
        udp: arguments.dns.into_iter().collect(),
        tcp: arguments.dns.into_iter().collect(),
        dot: arguments.dot.into_iter().collect(),
        doh: Vec::new(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let options = Options {
        limits: Limits {
            idle: IDLE,
            connections: CONNECTIONS_MAX,
            connections_per_address: CONNECTIONS_MAX,
            ..Limits::default()
        },
        ..Options::default()
    };
    let reader = writer.reader();
    let server = runtime.block_on(net::serve_with(
        reader,
        &listeners,
        tls,
        zone::unix_now,
        options,
    ))?;
    println!("ready");
    let events = events(&runtime, &writer);
    let mut keeper = Keeper {
        writer,
        population: fleet.population(),
        resigned: 0,
        minutes: BTreeMap::new(),
        expired: 0,
    };
    keeper.run(&events, arguments.resign)?;
    runtime.block_on(server.shutdown())?;
    Ok(())
}

/// What the loop wakes up for.
enum Event {
    Line(std::io::Result<String>),
    /// A query waits for a signature.
    Wanted,
    /// Standard input has ended.
    Ended,
}

/// Lines of standard input, read by a thread of their own, and queries that wait.
fn events(runtime: &tokio::runtime::Runtime, writer: &ZoneWriter) -> Receiver<Event> {
    let (sender, receiver) = sync_channel(1);
    let reader = writer.reader();
    let wanted = sender.clone();
    runtime.spawn(async move {
        loop {
            reader.urgent().wanted().await;
            // A full channel wakes the loop too, which always looks at those who wait.
            if let Err(TrySendError::Disconnected(_)) = wanted.try_send(Event::Wanted) {
                return;
            }
        }
    });
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            if sender.send(Event::Line(line)).is_err() {
                return;
            }
        }
        // Without a receiver the process is ending already.
        let _ = sender.send(Event::Ended);
    });
    receiver
}

/// The only owner of the writer.
struct Keeper {
    writer: ZoneWriter,
    population: Population,
    resigned: u64,
    /// Signatures made by re-signing in each minute.
    minutes: BTreeMap<u64, u64>,
    expired: u64,
}

impl Keeper {
    #[allow(clippy::print_stdout)] // the answers of the conversation
    fn run(&mut self, events: &Receiver<Event>, resign: bool) -> anyhow::Result<()> {
        loop {
            let busy = self.work(resign)?;
            let patience = if busy { Duration::ZERO } else { PAUSE_MAX };
            match events.recv_timeout(patience) {
                Ok(Event::Line(line)) => {
                    self.obey(&serde_json::from_str(&line?)?, resign)?;
                    println!("{}", serde_json::to_string(&self.state())?);
                }
                Ok(Event::Wanted) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Event::Ended) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    /// A turn of signing, without `resign` only what queries wait for; true when there is more to
    /// do at once.
    fn work(&mut self, resign: bool) -> anyhow::Result<bool> {
        let now = zone::unix_now();
        let due_at = self.writer.next_work_at();
        // 0 says that queries wait.
        if due_at > now || (!resign && due_at != 0) {
            return Ok(false);
        }
        self.raise_ceiling(now);
        let signatures_max = if resign {
            ZoneWriter::WORK_SIGNATURES
        } else {
            1
        };
        let work = self.writer.work(now, signatures_max)?;
        ensure!(
            work.refused.is_empty(),
            "the gate refused {:?}",
            work.refused
        );
        self.resigned += work.signatures as u64;
        if work.signatures > 0 {
            *self.minutes.entry(now / 60).or_default() += work.signatures as u64;
        }
        Ok(resign && self.writer.next_work_at() <= now)
    }

    fn raise_ceiling(&mut self, now: u64) {
        if let Some(ceiling) = self.writer.ceiling_wanted(now) {
            self.writer.raise_ceiling(ceiling);
        }
    }

    fn obey(&mut self, order: &Order, resign: bool) -> anyhow::Result<()> {
        match order {
            Order::Grow { count } => self.grow(*count, resign),
            Order::Read => self.read(),
            Order::State => Ok(()),
            Order::Watch => {
                self.minutes.clear();
                Ok(())
            }
        }
    }

    /// Adds new devices, batch by batch, with re-signing in between as the product does.
    fn grow(&mut self, count: u64, resign: bool) -> anyhow::Result<()> {
        let last = self.population.devices + count;
        while self.population.devices < last {
            let now = zone::unix_now();
            self.raise_ceiling(now);
            let first = self.population.devices;
            let end = last.min(first + BATCH);
            let change = |number| Change {
                device_id: self.population.device(number),
                slot: Slot::FIRST,
                publication: Publication::Active(Population::fingerprint(number)),
            };
            let changes: Vec<Change> = (first..end).map(change).collect();
            let applied = self.writer.snapshot().applied() + 1;
            self.writer.apply(&changes, applied, now)?;
            self.population.devices = end;
            self.work(resign)?;
        }
        Ok(())
    }

    fn read(&mut self) -> anyhow::Result<()> {
        self.expired = 0;
        let now = zone::unix_now() as u32;
        for record in self.writer.snapshot().records() {
            let record = record?;
            if record.record_type != TYPE_RRSIG {
                continue;
            }
            // Expiration follows type, algorithm, labels and TTL (RFC 4034 §3.1).
            let expiration = record
                .rdata
                .get(8..12)
                .and_then(|octets| octets.try_into().ok());
            let expiration = expiration.map_or(0, u32::from_be_bytes);
            self.expired += u64::from(expiration.wrapping_sub(now) as i32 <= 0);
        }
        Ok(())
    }

    fn state(&self) -> State {
        let now = zone::unix_now();
        let Figures {
            pages_live,
            pages_free,
            pages_pending,
            redo_octets,
            redo_zeroed_octets,
            ..
        } = self.writer.figures();
        // The first and the last minute are not whole.
        let whole = self.minutes.len().saturating_sub(2);
        let minutes: Vec<u64> = self.minutes.values().skip(1).take(whole).copied().collect();
        State {
            devices: self.writer.snapshot().device_names(),
            zone_octets: (pages_live + pages_free + pages_pending) * 4096,
            redo_octets,
            redo_zeroed_octets,
            resigned: self.resigned,
            busiest_minute: minutes.iter().max().copied().unwrap_or(0),
            mean_minute: minutes.iter().sum::<u64>() as f64 / minutes.len().max(1) as f64,
            behind_secs: self.writer.sweep_behind(now),
            remaining_secs: self
                .writer
                .freshness(now)
                .map_or(0, |fresh| fresh.remaining_secs),
            expired: self.expired,
        }
    }
}

fn tls(arguments: &ServerArguments) -> anyhow::Result<Option<rustls::ServerConfig>> {
    let Some(directory) = &arguments.tls_directory else {
        return Ok(None);
    };
    let chain = CertificateDer::pem_file_iter(directory.join(CERTIFICATE_FILE))?
        .collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(directory.join(KEY_FILE))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(Some(config))
}
