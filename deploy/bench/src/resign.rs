//! The topic `resign`: what keeping signatures fresh costs in CPU time and in writing.

use std::time::{Duration, Instant};

use anyhow::ensure;
use iot_dns_zone::Profile;

use crate::comparison::in_words;
use crate::figure::Figure;
use crate::machine;
use crate::ours::{Service, secs_before_half_interval, serve, sign};
use crate::population::{Ids, Population};
use crate::zone::unix_now;
use crate::zone_server::Order;

const ALL_CORES: &str = "0-63";
/// Time for the hand to be in its stride, and not to come to the end of the lap.
const MARGIN_SECS: u64 = 10;

/// Octets of a segment of the change history.
const SEGMENT_OCTETS: u64 = 8 << 20;
/// Signatures of which the bare cost is the mean.
const BARE: u32 = 20_000;

/// How much of everything.
struct Scale {
    sizes: &'static [(&'static str, u64)],
    /// How long re-signing is watched.
    watched: Duration,
}

pub(crate) fn measure(run: &crate::Scale) -> anyhow::Result<Vec<Figure>> {
    let quick = run.quick;
    let scale = if quick {
        Scale {
            sizes: &[("1m", 200_000)],
            watched: Duration::from_secs(15),
        }
    } else {
        Scale {
            sizes: &[("1m", 1_000_000), ("10m", 10_000_000)],
            watched: Duration::from_secs(310),
        }
    };
    let mut figures = Vec::new();
    for (word, devices) in scale.sizes.iter().filter(|(word, _)| run.has(word)) {
        figures.extend(watch(word, *devices, scale.watched, quick)?);
    }
    figures.extend(machine::floors()?);
    Ok(figures)
}

fn watch(word: &str, devices: u64, watched: Duration, quick: bool) -> anyhow::Result<Vec<Figure>> {
    let profile = Profile::Standard;
    let population = Population {
        ids: Ids::Random,
        devices,
    };
    let directory = tempfile::tempdir()?;
    // Names are renewed in their turn once they are half an interval old, so the second half of the
    // first lap is what every later lap is like.
    let interval_secs = u64::from(profile.resign_after_secs());
    let secs_ago = secs_before_half_interval(devices, profile)?;
    let signed_at = unix_now() - secs_ago;
    sign(directory.path(), population, profile, secs_ago, None)?;
    let service = Service {
        population,
        profile,
        tls_directory: None,
        cores: ALL_CORES,
        resign: true,
    };
    let mut ours = serve("ours", directory.path(), service)?;
    // What had fallen behind while the zone was signed is caught up first.
    while ours.order(&Order::State)?.behind_secs > 1 {
        std::thread::sleep(Duration::from_millis(500));
    }
    let until = |at: u64| Duration::from_secs(at.saturating_sub(unix_now()));
    std::thread::sleep(until(signed_at + interval_secs / 2 + MARGIN_SECS));
    let watched = watched.min(until(signed_at + interval_secs - MARGIN_SECS));
    ensure!(
        !watched.is_zero(),
        "signing took longer than half an interval"
    );
    let process = &ours.conversation.process;
    let (cpu_us, written) = (process.cpu_us(), machine::written_octets(directory.path())?);
    let (before, begin) = (ours.order(&Order::Watch)?, Instant::now());
    std::thread::sleep(watched);
    let (after, elapsed) = (ours.order(&Order::State)?, begin.elapsed().as_secs_f64());
    let process = &ours.conversation.process;
    let cpu_us = process.cpu_us() - cpu_us;
    // New segments of the history are written with zeros first; once it has its full length, the
    // oldest segment is used again instead. So zeros count but for those by which the history grew,
    // one segment ahead.
    let grown = after.redo_octets.saturating_sub(before.redo_octets) + SEGMENT_OCTETS;
    let zeros = grown.min(after.redo_zeroed_octets - before.redo_zeroed_octets);
    let written = (machine::written_octets(directory.path())? - written) as f64 - zeros as f64;
    let resigned = (after.resigned - before.resigned) as f64;
    let said = format!(
        "{} at standard for {elapsed:.0} s, {:.0} signatures/s",
        in_words(devices),
        resigned / elapsed
    );
    // A device has three signatures: what was written for one interval of its own.
    let of_device = written / (resigned / 3.0);
    let share = cpu_us / 1e6 / elapsed;
    let bare_us = machine::bare_signature_secs(BARE)? * 1e6;
    let mut figures = vec![
        Figure::new(
            format!("resign_{word}_core_share"),
            share,
            "cores",
            said.clone(),
        ),
        Figure::new(
            format!("resign_{word}_cpu_vs_bare"),
            cpu_us / (resigned * bare_us),
            "ratio",
            said.clone(),
        ),
        Figure::new(
            format!("resign_{word}_octets_written"),
            of_device,
            "octets a device",
            said.clone(),
        ),
    ];
    if !quick {
        let ratio = after.busiest_minute as f64 / after.mean_minute;
        figures.push(Figure::new(
            format!("resign_{word}_busiest_minute"),
            ratio,
            "ratio",
            said,
        ));
    }
    Ok(figures)
}
