//! Signing a fleet from nothing, as a process of its own, so that its CPU time and memory are those
//! of signing alone.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::fleet::ZoneArguments;
use crate::zone;

/// What is signed, and when.
#[derive(Args, Clone, Debug)]
pub(crate) struct SignerArguments {
    #[command(flatten)]
    pub(crate) zone: ZoneArguments,
    /// Signs as if the present time were so long ago.
    #[arg(long, default_value_t = 0)]
    pub(crate) secs_ago: u64,
    /// Also writes the zone as a master file.
    #[arg(long)]
    pub(crate) master: Option<PathBuf>,
}

/// How long signing took.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Signed {
    pub(crate) secs: f64,
    /// CPU time of all threads until the zone was committed.
    pub(crate) cpu_secs: f64,
    pub(crate) peak_octets: u64,
}

/// Signs and says how long it took.
#[allow(clippy::print_stdout)] // what the caller reads
pub(crate) fn run(arguments: &SignerArguments) -> anyhow::Result<()> {
    let ZoneArguments {
        directory,
        fleet,
        profile,
    } = &arguments.zone;
    std::fs::create_dir_all(directory)?;
    let now = zone::unix_now() - arguments.secs_ago;
    let start = zone::start(*profile, now);
    let begin = Instant::now();
    let writer = zone::build(directory, fleet.population(), *profile, start, now)?;
    let signed = Signed {
        secs: begin.elapsed().as_secs_f64(),
        cpu_secs: crate::processes::own_cpu_secs(),
        peak_octets: crate::processes::own_peak_octets(),
    };
    if let Some(path) = &arguments.master {
        zone::write_signed(&writer, path)?;
    }
    println!("{}", serde_json::to_string(&signed)?);
    Ok(())
}
