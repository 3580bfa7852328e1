//! The topic `start`: from process start to the first right answer, also when every signature has
//! expired meanwhile, and how long it takes until the whole zone is valid again.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use iot_dns_zone::Profile;

use crate::comparison::in_words;
use crate::figure::Figure;
use crate::machine;
use crate::ours::{Ours, Service, serve};
use crate::population::{Ids, Population};
use crate::product::Registry;
use crate::queries::{Asked, QuerySet, is_right, probe};
use crate::rounds::median;
use crate::zone_cache::Signed;
use crate::zone_server::Order;

const ALL_CORES: &str = "0-63";
/// Starts of which the median is taken.
const STARTS: usize = 5;
/// Longest wait for an answer, and the pause before it is asked again.
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(1);
/// Longest wait for the whole zone to be valid.
const PATIENCE: Duration = Duration::from_secs(1800);

pub(crate) fn measure(run: &crate::Scale) -> anyhow::Result<Vec<Figure>> {
    let of = |devices| Population {
        ids: Ids::Random,
        devices,
    };
    let (zone, registry) = if run.quick {
        (of(100_000), of(20_000))
    } else {
        (of(10_000_000), of(1_000_000))
    };
    let mut figures = Vec::new();
    if run.has("zone") {
        figures.extend(of_zone(zone)?);
    }
    if run.has("registry") {
        figures.push(of_registry(registry)?);
    }
    figures.extend(machine::floors()?);
    Ok(figures)
}

/// The registry's own program with its database, to the first answer.
fn of_registry(population: Population) -> anyhow::Result<Figure> {
    let registry = Registry::with_fleet(population, Profile::Fleet)?;
    let set = QuerySet::new(&population, 1_000, false);
    let mut times_ms = Vec::new();
    for number in 0..STARTS {
        let begin = Instant::now();
        let mut process = registry.serve(ALL_CORES)?;
        let query = set.query(Asked::Present, number as u64);
        while !is_answered(registry.dns, query) {
            process.check_running()?;
            ensure!(begin.elapsed() < ANSWER_PATIENCE, "no right answer");
            std::thread::sleep(LOOK);
        }
        times_ms.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    let said = format!("{} and their database", in_words(population.devices));
    Ok(Figure::new(
        "start_registry_ms",
        median(times_ms),
        "ms",
        said,
    ))
}

fn is_answered(server: SocketAddr, query: &[u8]) -> bool {
    let answer = probe(server, query, Duration::from_millis(500));
    answer.is_ok_and(|answer| is_right(&answer, false))
}

/// Zone and listeners alone, also when every signature has expired.
fn of_zone(population: Population) -> anyhow::Result<Vec<Figure>> {
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
        if is_answered(ours.ports.dns, query) {
            return Ok((ours, begin.elapsed().as_secs_f64() * 1e3));
        }
        ensure!(begin.elapsed() < ANSWER_PATIENCE, "no right answer");
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
