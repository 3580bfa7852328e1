//! The topic `start`: from process start to the first right answer, also when every signature has
//! expired meanwhile, and how long it takes until the whole zone is valid again.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use iot_dns_zone::Profile;

use crate::comparison::in_words;
use crate::figure::Figure;
use crate::machine;
use crate::ours::{Ours, Service, serve};
use crate::population::{Ids, Population};
use crate::queries::{Asked, QuerySet, is_right, probe};
use crate::rounds::median;
use crate::zone_cache::Signed;
use crate::zone_server::Order;

const ALL_CORES: &str = "0-63";
/// Starts of which the median is taken.
const STARTS: usize = 5;
/// Longest wait for the whole zone to be valid.
const PATIENCE: Duration = Duration::from_secs(1800);

pub(crate) fn measure(quick: bool) -> anyhow::Result<Vec<Figure>> {
    let population = Population {
        ids: Ids::Random,
        devices: if quick { 100_000 } else { 10_000_000 },
    };
    let scale = in_words(population.devices);
    let mut figures = Vec::new();
    let fleets = [
        ("start_ms", Profile::Fleet, false),
        ("start_expired_ms", Profile::Standard, true),
    ];
    for (id, profile, expired) in fleets {
        let directory = tempfile::tempdir()?;
        let fleet = Signed {
            population,
            profile,
            expired,
        };
        fleet.copy(directory.path(), None)?;
        let mut times_ms = Vec::new();
        for number in 0..STARTS {
            // Without re-signing an expired zone stays expired for the next start, except for the
            // names that queries waited for: each start asks for another.
            let (_, millis) = first_answer(directory.path(), fleet, false, number)?;
            times_ms.push(millis);
        }
        let said = format!("{scale} at {profile}");
        figures.push(Figure::new(id, median(times_ms), "ms", said));
        if expired {
            let secs = valid_again(directory.path(), fleet)?;
            figures.push(Figure::new(
                "start_expired_valid_again_secs",
                secs,
                "s",
                scale.clone(),
            ));
        }
    }
    figures.extend(machine::floors()?);
    Ok(figures)
}

/// Starts the server and asks for one device: the time until the answer.
fn first_answer(
    directory: &Path,
    fleet: Signed,
    resign: bool,
    number: usize,
) -> anyhow::Result<(Ours, f64)> {
    let set = QuerySet::new(&fleet.population, 1_000, false);
    let service = Service {
        population: fleet.population,
        profile: fleet.profile,
        tls_directory: None,
        cores: ALL_CORES,
        resign,
    };
    let begin = Instant::now();
    let ours = serve("ours", directory, service)?;
    let query = set.query(Asked::Present, number as u64);
    loop {
        let answer = probe(ours.ports.dns, query, Duration::from_millis(500));
        if answer.is_ok_and(|answer| is_right(&answer, false)) {
            return Ok((ours, begin.elapsed().as_secs_f64() * 1e3));
        }
        ensure!(begin.elapsed() < Duration::from_secs(60), "no right answer");
    }
}

/// From the start of the server until no signature of the zone has expired.
fn valid_again(directory: &Path, fleet: Signed) -> anyhow::Result<f64> {
    let begin = Instant::now();
    let (mut ours, _) = first_answer(directory, fleet, true, 0)?;
    loop {
        let state = ours.order(&Order::State)?;
        if state.behind_secs <= 1 && state.remaining_secs > 0 {
            let secs = begin.elapsed().as_secs_f64();
            let state = ours.order(&Order::Read)?;
            ensure!(
                state.expired == 0,
                "{} signatures have expired",
                state.expired
            );
            return Ok(secs);
        }
        ensure!(begin.elapsed() < PATIENCE, "not valid after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
