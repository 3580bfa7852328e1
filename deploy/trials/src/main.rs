//! `iot-soak`: one counted run, whole or small.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, Parser, Subcommand};
use iot_dns_zone::Profile;
use iot_trials::compare::Compare;
use iot_trials::compare::resolvers::Resolvers;
use iot_trials::doors_kills::DoorsKills;
use iot_trials::edits::Edits;
use iot_trials::kills::{Kills, program};
use iot_trials::operations::Operations;
use iot_trials::powercuts::PowerCuts;
use iot_trials::races::Races;
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
    /// Kill 'iot-registry serve' under load, at random moments or at enumerated points; nothing
    /// acknowledged may be lost.
    Kills {
        #[command(flatten)]
        run: RunArguments,
        /// The program; by default the iot-registry beside this one.
        #[arg(long, env = "IOT_REGISTRY_BIN")]
        program: Option<PathBuf>,
        /// Before the first write, sync and rename, the second, and so on, by strace.
        #[arg(long)]
        enumerated: bool,
        /// Milliseconds from the start of a process until it has to be ready.
        #[arg(long, default_value_t = 1_000)]
        ready_millis: u64,
    },
    /// Generated queries to our server, Knot DNS, NSD and BIND with the same zone; no difference
    /// without a written reason.
    Compare {
        #[command(flatten)]
        run: RunArguments,
        /// Go on after a breach; show one of each kind at the end.
        #[arg(long)]
        keep_going: bool,
    },
    /// Random sequences of edits on the signed zone itself; each has to end in the zone that a full
    /// signing makes.
    Edits {
        #[command(flatten)]
        run: RunArguments,
        /// Number of the first sequence: repeats one of a longer run.
        #[arg(long, default_value_t = 0)]
        first: u32,
    },
    /// Power cuts of a simulated disk under the zone; nothing acknowledged may be lost.
    Powercuts {
        #[command(flatten)]
        run: RunArguments,
        /// Number of the first zone: repeats one of a longer run.
        #[arg(long, default_value_t = 0)]
        first: u32,
    },
    /// Two operators ask for one id at the same moment, through either door; one has it, and the other
    /// learns nothing.
    Races {
        #[command(flatten)]
        run: RunArguments,
        /// The program; by default the iot-registry beside this one.
        #[arg(long, env = "IOT_REGISTRY_BIN")]
        program: Option<PathBuf>,
    },
    /// Kill 'iot-registry serve' under load on both doors, at random moments and at enumerated points;
    /// nothing acknowledged may be lost and nothing doubled.
    DoorsKills {
        #[command(flatten)]
        run: RunArguments,
        /// The program; by default the iot-registry beside this one.
        #[arg(long, env = "IOT_REGISTRY_BIN")]
        program: Option<PathBuf>,
        /// At random moments only: strace is not needed then.
        #[arg(long)]
        random_only: bool,
        /// Milliseconds from the start of a process until it has to be ready.
        #[arg(long, default_value_t = 1_000)]
        ready_millis: u64,
    },
    /// Generated questions to unbound, which gets our zone over UDP and over TLS, and to delv; they
    /// have to say what we say, and call it proven.
    Resolvers {
        #[command(flatten)]
        run: RunArguments,
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
        Topic::Kills {
            run,
            program,
            enumerated,
            ready_millis,
        } => {
            let (count, seed) = begin("kills", &run);
            let report = match program.map_or_else(program::beside_this_one, Ok) {
                Ok(program) => {
                    let kills = Kills {
                        count,
                        seed,
                        program,
                        enumerated,
                        ready_max: Duration::from_millis(ready_millis),
                    };
                    kills.run().await
                }
                Err(error) => Err(error),
            };
            (run.json, report)
        }
        Topic::Compare { run, keep_going } => {
            let (count, seed) = begin("compare", &run);
            let compare = Compare {
                count,
                seed,
                keep_going,
            };
            (run.json, compare.run().await)
        }
        Topic::Edits { run, first } => {
            let (count, seed) = begin("edits", &run);
            let edits = Edits { count, seed, first };
            (run.json, tokio::task::block_in_place(|| edits.run()))
        }
        Topic::Powercuts { run, first } => {
            let (count, seed) = begin("powercuts", &run);
            let cuts = PowerCuts { count, seed, first };
            (run.json, tokio::task::block_in_place(|| cuts.run()))
        }
        Topic::Races { run, program } => {
            let (count, seed) = begin("races", &run);
            let report = match program.map_or_else(program::beside_this_one, Ok) {
                Ok(program) => {
                    let races = Races {
                        count,
                        seed,
                        program,
                    };
                    races.run().await
                }
                Err(error) => Err(error),
            };
            (run.json, report)
        }
        Topic::DoorsKills {
            run,
            program,
            random_only,
            ready_millis,
        } => {
            let (count, seed) = begin("doors-kills", &run);
            let report = match program.map_or_else(program::beside_this_one, Ok) {
                Ok(program) => {
                    let kills = DoorsKills {
                        count,
                        seed,
                        program,
                        with_points: !random_only,
                        ready_max: Duration::from_millis(ready_millis),
                    };
                    kills.run().await
                }
                Err(error) => Err(error),
            };
            (run.json, report)
        }
        Topic::Resolvers { run } => {
            let (count, seed) = begin("resolvers", &run);
            (run.json, Resolvers { count, seed }.run().await)
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
