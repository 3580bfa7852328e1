//! The command line: parses, builds, runs.
//!
//! Commands for a registry that is running go through its HTTPS door, like anybody's. When none is
//! running in the directory, operators' commands open it themselves and give the same commands to
//! the same service.

mod account;
mod ask;
mod audit;
mod beside;
mod device;
mod epp;
mod initialise;
mod load;
pub(crate) mod output;
mod print;
mod serve;
mod zone;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::directory::Directory;

/// The IoT device registry: signs devices' certificates and publishes their fingerprints in the
/// DNS, so that anybody can check a device with one query.
#[derive(Parser)]
#[command(name = "iot-registry", version)]
struct Arguments {
    /// Directory of the registry: configuration, keys, database.
    #[arg(
        long,
        global = true,
        env = "IOT_REGISTRY_DIR",
        default_value = "iot-registry-data"
    )]
    dir: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a new registry: keys, trust roots, configuration.
    Init(initialise::InitArguments),
    /// Run the registry; makes one with the defaults in an empty directory.
    Serve(serve::ServeArguments),
    /// Play the whole story in one process and stay up for exploring.
    Demo(crate::demo::DemoArguments),
    /// Accounts of operators and service providers.
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// What was changed, by whom: a chain of hashes.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Register, look up, hold, release and delete devices.
    #[command(subcommand)]
    Device(device::DeviceCommand),
    /// A small EPP client.
    Epp(epp::EppArguments),
    /// The published zone.
    #[command(subcommand)]
    Zone(zone::ZoneCommand),
}

/// Threads for signing certificates; each keeps a core busy while it works.
const BLOCKING_THREADS_MAX: usize = 16;

/// Parses the process's arguments and runs the command.
///
/// Exit code 0 on success, 1 when the command failed, 2 for wrong arguments.
pub fn run() -> ExitCode {
    run_from(std::env::args_os())
}

/// Like [`run`], with these arguments, of which the first is the program's name.
pub fn run_from(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = Arguments::parse_from(arguments);
    log_to_standard_error(matches!(arguments.command, Command::Serve(_)));
    // One that waits for the disk must not be the only one.
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.max(2))
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::new(error)),
    };
    let outcome = runtime.block_on(dispatch(arguments));
    // What still reads (the zone into memory, the zone's check for somebody who went away) is not
    // waited for: nothing depends on its end.
    runtime.shutdown_background();
    match outcome.and_then(|()| Ok(output::finish()?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

async fn dispatch(arguments: Arguments) -> anyhow::Result<()> {
    let directory = Directory::new(arguments.dir);
    match arguments.command {
        Command::Init(command) => initialise::run(&directory, &command),
        Command::Serve(command) => serve::run(&directory, &command).await,
        Command::Demo(command) => crate::demo::run(&command).await,
        Command::Account(command) => account::run(&directory, &command).await,
        Command::Audit(command) => audit::run(&directory, &command).await,
        Command::Device(command) => device::run(&directory, &command).await,
        Command::Epp(command) => tokio::task::block_in_place(|| epp::run(&directory, &command)),
        Command::Zone(command) => zone::run(&directory, &command).await,
    }
}

#[allow(clippy::print_stderr)] // the program's own error message
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("iot-registry: {}", sentence(error));
    ExitCode::FAILURE
}

/// The error and its causes, leaving out causes that were said already.
fn sentence(error: &anyhow::Error) -> String {
    error
        .chain()
        .map(ToString::to_string)
        .fold(String::new(), |said, cause| {
            if said.is_empty() {
                cause
            } else if said.contains(&cause) {
                said
            } else {
                format!("{said}: {cause}")
            }
        })
}

/// Logs what `RUST_LOG` says; otherwise warnings, and for a server also the events of our own
/// crates.
fn log_to_standard_error(server: bool) {
    let filter = if server {
        "warn,hickory_server=error,iot_registry=info,iot_dns_zone=info,iot_epp_api=info"
    } else {
        "warn,hickory_server=error"
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(filter));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
}
