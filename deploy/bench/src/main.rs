//! Standing measurements: sets up what a topic needs, runs it, and prints one JSON object a line
//! for each figure. Ids and goals stand in `goals.toml`.
//!
//! Topics are what people call. The other commands are the processes that a topic starts, each on a
//! core of its own: servers, floors and clients.

mod bulk;
mod certificate;
mod change;
mod cold;
mod comparison;
mod dnsperf;
mod door_clients;
mod dot;
mod figure;
mod fleet;
mod idle_connections;
mod info;
mod kernel;
mod machine;
mod message_stream;
mod ours;
mod outcome;
mod peer_changes;
mod peer_update;
mod peers;
mod population;
mod processes;
mod product;
mod queries;
mod register;
mod registry_server;
mod requests_beforehand;
mod resign;
mod rounds;
mod servers;
mod sign;
mod start;
mod store;
mod story;
mod stream_client;
mod stream_floor;
mod udp;
mod udp_client;
mod udp_floor;
mod zone;
mod zone_cache;
mod zone_server;
mod zone_signer;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use fleet::FleetArguments;
use population::{Ids, Population};
use registry_server::RegistryArguments;
use udp_floor::Answers;
use zone_server::ServerArguments;
use zone_signer::SignerArguments;

/// Measures a topic.
#[derive(Parser)]
#[command(name = "iot-bench", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The demo, the build and the tests.
    Story(Scale),
    /// Answers over UDP.
    Udp(Scale),
    /// Answers over TCP and DNS over TLS.
    Dot(Scale),
    /// From COMMIT to the answer, and changes a second.
    Change(Scale),
    /// Octets of a device.
    Store(Scale),
    /// From process start to the first answer.
    Start(Scale),
    /// Signing a fleet from nothing.
    Sign(Scale),
    /// Keeping signatures fresh.
    Resign(Scale),
    /// Full registrations a second, through both doors.
    Register(Scale),
    /// Questions a second, and how long a deactivation takes.
    Info(Scale),
    /// A fleet registered by one job.
    Bulk(Scale),
    /// The registry's own program.
    #[command(hide = true)]
    Registry {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Signs a fleet.
    #[command(hide = true)]
    SignZone(SignerArguments),
    /// Database, publisher and listeners around a fleet, until standard input ends.
    #[command(hide = true)]
    ServeRegistry(RegistryArguments),
    /// Our server around a fleet, until standard input ends.
    #[command(hide = true)]
    ServeZone(ServerArguments),
    /// The bursting load generator, orders on standard input.
    #[command(hide = true)]
    AskUdp(Asker),
    /// The load generator for TCP and DNS over TLS, orders on standard input.
    #[command(hide = true)]
    AskStream(StreamAsker),
    /// Connections that stay silent, until standard input ends.
    #[command(hide = true)]
    HoldConnections(Held),
    /// The floor of UDP.
    #[command(hide = true)]
    FloorUdp(Floor),
    /// The floor of TCP and DNS over TLS.
    #[command(hide = true)]
    FloorStream(StreamFloor),
}

#[derive(Args, Clone)]
struct Scale {
    /// A smaller scale with goals of its own.
    #[arg(long)]
    quick: bool,
    /// Only these parts of the topic, where it has parts; other figures may be missing then.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

impl Scale {
    /// Whether a part of the topic is wanted.
    fn has(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|one| one == part)
    }
}

#[derive(Args)]
struct Asker {
    #[command(flatten)]
    fleet: FleetArguments,
    /// Prebuilt queries of each kind.
    #[arg(long, default_value_t = 100_000)]
    queries: u64,
}

#[derive(Args)]
struct StreamAsker {
    #[command(flatten)]
    asker: Asker,
    /// Directory of the servers' certificate.
    #[arg(long)]
    tls_directory: PathBuf,
}

#[derive(Args)]
struct Held {
    #[command(flatten)]
    stream: StreamAsker,
    #[arg(long)]
    to: SocketAddr,
    #[arg(long)]
    count: usize,
}

#[derive(Args)]
struct StreamFloor {
    #[command(flatten)]
    floor: Floor,
    #[arg(long)]
    listen_tls: SocketAddr,
    #[arg(long)]
    tls_directory: PathBuf,
}

#[derive(Args)]
struct Floor {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    present_octets: usize,
    #[arg(long)]
    absent_octets: usize,
    /// All answers deny.
    #[arg(long)]
    denies: bool,
    /// Finds the answers of so many devices in a hash table.
    #[arg(long)]
    devices: Option<u64>,
    #[arg(long, value_enum, default_value = "random")]
    ids: Ids,
}

impl Asker {
    fn population(&self) -> Population {
        self.fleet.population()
    }
}

impl Floor {
    fn answers(&self) -> Answers {
        Answers {
            present_octets: self.present_octets,
            absent_octets: self.absent_octets,
            denies: self.denies,
        }
    }

    fn population(&self) -> Option<Population> {
        let ids = self.ids;
        self.devices.map(|devices| Population { ids, devices })
    }
}

#[allow(clippy::print_stderr)] // the program's own error message
fn main() -> ExitCode {
    match run(&Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(3),
        Err(error) => {
            eprintln!("iot-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// True when all goals are met.
fn run(command: &Command) -> anyhow::Result<bool> {
    let (topic, scale, figures) = match command {
        Command::Story(scale) => ("story", scale, story::measure(scale.quick)?),
        Command::Udp(scale) => ("udp", scale, udp::measure(scale)?),
        Command::Dot(scale) => ("dot", scale, dot::measure(scale.quick)?),
        Command::Change(scale) => ("change", scale, change::measure(scale)?),
        Command::Store(scale) => ("store", scale, store::measure(scale)?),
        Command::Start(scale) => ("start", scale, start::measure(scale)?),
        Command::Sign(scale) => ("sign", scale, sign::measure(scale)?),
        Command::Resign(scale) => ("resign", scale, resign::measure(scale)?),
        Command::Register(scale) => ("register", scale, register::measure(scale)?),
        Command::Info(scale) => ("info", scale, info::measure(scale)?),
        Command::Bulk(scale) => ("bulk", scale, bulk::measure(scale)?),
        Command::Registry { arguments } => {
            let arguments =
                std::iter::once(OsString::from("iot-registry")).chain(arguments.iter().cloned());
            return Ok(iot_registry::cli::run_from(arguments) == ExitCode::SUCCESS);
        }
        Command::SignZone(arguments) => return zone_signer::run(arguments).map(|()| true),
        Command::ServeRegistry(arguments) => return registry_server::run(arguments).map(|()| true),
        Command::ServeZone(arguments) => return zone_server::run(arguments).map(|()| true),
        Command::AskUdp(asker) => {
            return udp_client::run(&asker.population(), asker.queries).map(|()| true);
        }
        Command::AskStream(stream) => {
            let (asker, tls) = (&stream.asker, &stream.tls_directory);
            return stream_client::run(&asker.population(), asker.queries, tls).map(|()| true);
        }
        Command::HoldConnections(held) => {
            let (population, tls) = (held.stream.asker.population(), &held.stream.tls_directory);
            return idle_connections::run(&population, held.to, held.count, tls).map(|()| true);
        }
        Command::FloorUdp(floor) => {
            let population = floor.population();
            return udp_floor::run(floor.listen, floor.answers(), population.as_ref())
                .map(|()| true);
        }
        Command::FloorStream(stream) => {
            let (floor, tls) = (&stream.floor, &stream.tls_directory);
            return stream_floor::run(floor.listen, stream.listen_tls, tls, floor.answers())
                .map(|()| true);
        }
    };
    figure::report(topic, scale.quick, !scale.only.is_empty(), &figures)
}
