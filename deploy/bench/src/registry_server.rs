//! Database, publisher and listeners of the product around a fleet, as a process of their own: what
//! a change passes from COMMIT to the answer. The journal is written as commands write it, without
//! the certificates behind it. Takes orders on its standard input, one JSON object a line.

use std::io::BufRead;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use iot_dns_zone::net::{self, Listeners};
use iot_dns_zone::{Ceiling, Profile, Start};
use iot_identity::Slot;
use iot_registry::publisher::Publisher;
use iot_registry::store::{RaiseCeiling, StartUp, Step, Store, StoreError, sql};
use serde::{Deserialize, Serialize};

use crate::fleet::ZoneArguments;
use crate::population::Population;
use crate::zone;

/// Journal rows of one transaction while a backlog is written.
const ROWS_OF_A_TRANSACTION: u64 = 200_000;
/// Longest wait for a change to become visible.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the process serves.
#[derive(Args, Clone, Debug)]
pub(crate) struct RegistryArguments {
    /// Database and zone lie in the directory, the zone in one of its own.
    #[command(flatten)]
    pub(crate) zone: ZoneArguments,
    /// Address for UDP.
    #[arg(long)]
    pub(crate) dns: SocketAddr,
    /// Signs as if the present time were so long ago.
    #[arg(long, default_value_t = 0)]
    pub(crate) secs_ago: u64,
    /// Journal rows that are committed before the publisher starts: so many new devices.
    #[arg(long, default_value_t = 0)]
    pub(crate) backlog: u64,
}

/// An order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// Commits one device of the fleet as active or inactive.
    Commit { number: u64, active: bool },
    /// Asks how far the publisher is.
    State,
}

/// Answer to an order.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct State {
    /// When the last COMMIT of the order returned, nanoseconds since 1970.
    pub(crate) committed_at_ns: u64,
    /// The newest journal row that is visible.
    pub(crate) applied: u64,
    /// Seconds by which signing again lags behind its pace.
    pub(crate) behind_secs: u64,
}

/// The present time, nanoseconds since 1970: comparable between processes.
pub(crate) fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as u64)
}

/// Serves until standard input ends.
pub(crate) fn run(arguments: &RegistryArguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(arguments))
}

#[allow(clippy::print_stdout)] // the answers of the conversation
async fn serve(arguments: &RegistryArguments) -> anyhow::Result<()> {
    let ZoneArguments {
        directory,
        fleet,
        profile,
    } = &arguments.zone;
    let population = fleet.population();
    let store = Store::open(&directory.join("registry.db")).await?;
    let start = begin(&store, *profile).await?;
    let zone_directory = directory.join("zone");
    std::fs::create_dir_all(&zone_directory)?;
    let writer = tokio::task::block_in_place(|| {
        let signed_at = zone::unix_now() - arguments.secs_ago;
        zone::build(&zone_directory, population, *profile, start, signed_at)
    })?;
    let mut head = 0;
    while head < arguments.backlog {
        let rows = ROWS_OF_A_TRANSACTION.min(arguments.backlog - head);
        let numbers = (population.devices + head..).take(rows as usize).collect();
        head = append(&store, population, numbers, true).await?;
    }
    let (publisher, task) = Publisher::spawn(writer, store.clone(), 0);
    let listeners = Listeners {
        udp: vec![arguments.dns],
        ..Listeners::default()
    };
    let server = net::serve(publisher.reader().clone(), &listeners, None, zone::unix_now).await?;
    println!("ready");
    let mut lines = orders();
    while let Some(line) = lines.recv().await {
        let mut committed_at_ns = 0;
        if let Order::Commit { number, active } = serde_json::from_str(&line?)? {
            let seq = append(&store, population, vec![number], active).await?;
            committed_at_ns = now_ns();
            publisher.journal_grew();
            publisher.wait(seq, PATIENCE).await;
        }
        let applied = publisher.applied();
        let state = State {
            committed_at_ns,
            applied,
            behind_secs: publisher.signing_behind_secs(),
        };
        println!("{}", serde_json::to_string(&state)?);
    }
    server.shutdown().await?;
    publisher.stop();
    task.await?;
    Ok(())
}

/// Lines of standard input, read by a thread of their own.
fn orders() -> tokio::sync::mpsc::Receiver<std::io::Result<String>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Makes the database's own row, and has it promise what the zone needs.
async fn begin(store: &Store, profile: Profile) -> anyhow::Result<Start> {
    let now = zone::unix_now();
    let opened = store
        .commit(StartUp {
            zone: zone::apex(),
            ksk_hash: [0; 32],
            new_database_id: *b"iot-bench-change",
            now,
        })
        .await?;
    let ceiling = Ceiling::for_start(profile, opened.serial_ceiling, now);
    let Ceiling { serial, expiration } = ceiling;
    store
        .commit(RaiseCeiling {
            serial,
            expiration,
            now,
        })
        .await?;
    Ok(Start {
        database_id: opened.database_id,
        fencing_token: opened.fencing_token,
        serial_above: opened.serial_ceiling,
        ceiling,
        ..zone::start(profile, now)
    })
}

async fn append(
    store: &Store,
    population: Population,
    numbers: Vec<u64>,
    active: bool,
) -> Result<u64, StoreError> {
    store
        .commit(Append {
            population,
            numbers,
            active,
        })
        .await
}

/// Appends the publication of devices to the journal.
struct Append {
    population: Population,
    numbers: Vec<u64>,
    active: bool,
}

impl Step for Append {
    type Output = u64;

    fn run(self, connection: &sql::Connection) -> Result<u64, StoreError> {
        let mut seq: i64 = sql::query("SELECT journal_head FROM registry WHERE id = 1")
            .one(connection, sql::scalar)?;
        let now = zone::unix_now() as i64;
        for number in &self.numbers {
            seq += 1;
            let fingerprint = Population::fingerprint(*number);
            let (kind, publication, fingerprint) = if self.active {
                ("activate", "active", Some(fingerprint.as_octets()))
            } else {
                ("deactivate", "inactive", None)
            };
            sql::query(
                "INSERT INTO journal
                 (seq, device_id, slot, kind, publication, fingerprint, committed_at)
                 VALUES (?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(seq)
            .bind(self.population.device(*number).as_str())
            .bind(i64::from(Slot::FIRST.get()))
            .bind(kind)
            .bind(publication)
            .bind(fingerprint)
            .bind(now)
            .execute(connection)?;
        }
        sql::query("UPDATE registry SET journal_head = ? WHERE id = 1")
            .bind(seq)
            .execute(connection)?;
        Ok(seq as u64)
    }
}
