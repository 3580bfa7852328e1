//! `iot-soak`: one counted run, whole or small.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Parser, Subcommand};
use iot_dns_zone::Profile;
use iot_trials::kills::{Kills, program};
use iot_trials::operations::Operations;
use iot_trials::report::Report;
use tracing_subscriber::EnvFilter;

/// Counted runs against a real registry. Ends with exit code 1 at the first breach.
#[derive(Parser)]
#[command(name = "iot-soak", version)]
struct Arguments {
    #[command(subcommand)]
    topic: Topic,
}

#[derive(Subcommand)]
enum Topic {
    /// Random registrations, deactivations, reactivations and deletions; the zone has to be what the
    /// database says, in the eyes of several judges.
    Operations {
        #[command(flatten)]
        run: RunArguments,
        /// Times of the zone: strict, standard, fleet or archive. With strict, a long run is
        /// re-signed while it is changed.
        #[arg(long, default_value_t = Profile::Standard)]
        profile: Profile,
    },
    /// Kill 'iot-registry serve' at random moments under load; nothing acknowledged may be lost.
    Kills {
        #[command(flatten)]
        run: RunArguments,
        /// The program; by default the iot-registry beside this one.
        #[arg(long, env = "IOT_REGISTRY_BIN")]
        program: Option<PathBuf>,
    },
}

#[derive(Args)]
struct RunArguments {
    /// How many.
    #[arg(long)]
    count: u32,
    /// Repeats the choices of an earlier run; by default they follow from the clock.
    #[arg(long)]
    seed: Option<u64>,
    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let Arguments { topic } = Arguments::parse();
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("error,iot_trials=info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(run(topic)),
        Err(error) => fail(&error.into()),
    }
}

async fn run(topic: Topic) -> ExitCode {
    let (json, report) = match topic {
        Topic::Operations { run, profile } => {
            let (count, seed) = begin("operations", &run);
            let operations = Operations {
                count,
                seed,
                profile,
            };
            (run.json, operations.run().await)
        }
        Topic::Kills { run, program } => {
            let (count, seed) = begin("kills", &run);
            let report = match program.map_or_else(program::beside_this_one, Ok) {
                Ok(program) => {
                    let kills = Kills {
                        count,
                        seed,
                        program,
                    };
                    kills.run().await
                }
                Err(error) => Err(error),
            };
            (run.json, report)
        }
    };
    match report {
        Ok(report) => {
            print(&report, json);
            ExitCode::SUCCESS
        }
        Err(breach) => fail(&breach),
    }
}

/// Says before the run how to repeat it.
fn begin(topic: &str, run: &RunArguments) -> (u32, u64) {
    let seed = run.seed.unwrap_or_else(seed_of_the_moment);
    if !run.json {
        println!("{topic} --count {} --seed {seed}", run.count);
    }
    tracing::info!(topic, count = run.count, seed, "begins");
    (run.count, seed)
}

fn seed_of_the_moment() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    elapsed.map_or(0, |elapsed| elapsed.as_micros() as u64)
}

fn print(report: &Report, json: bool) {
    if json {
        println!("{}", report.json());
    } else {
        print!("{report}");
    }
}

#[allow(clippy::print_stderr)] // the program's own error message
fn fail(breach: &anyhow::Error) -> ExitCode {
    eprintln!("breach: {breach:?}");
    ExitCode::FAILURE
}
