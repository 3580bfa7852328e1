//! The topic `store`: octets of a device on disk and in memory, after a bulk load, while the fleet
//! doubles by random ids and signatures are renewed, and afterwards.

use iot_dns_zone::Profile;

use crate::Scale;
use crate::comparison::in_words;
use crate::figure::Figure;
use crate::machine;
use crate::ours::{Ours, Service, serve};
use crate::population::{Ids, Population};
use crate::zone_cache::Signed;
use crate::zone_server::{Order, State};

/// With signatures of six hours twice ten million devices are kept fresh beside the growth.
const PROFILE: Profile = Profile::Fleet;
/// Every core.
const ALL_CORES: &str = "0-63";
/// Parts in which a fleet doubles: after each of them the store is looked at.
const PARTS: u64 = 20;

pub(crate) fn measure(scale: &Scale) -> anyhow::Result<Vec<Figure>> {
    let sizes: &[(&str, u64)] = if scale.quick {
        &[("1m", 50_000)]
    } else {
        &[("1m", 1_000_000), ("10m", 10_000_000)]
    };
    let empty_octets = resident_of_empty()?;
    let mut figures = Vec::new();
    for (word, devices) in sizes.iter().filter(|(word, _)| scale.has(word)) {
        figures.extend(measure_fleet(word, *devices, empty_octets)?);
    }
    figures.extend(machine::floors()?);
    Ok(figures)
}

fn open(population: Population) -> anyhow::Result<(Ours, tempfile::TempDir)> {
    let directory = tempfile::tempdir()?;
    let profile = PROFILE;
    let fleet = Signed {
        population,
        profile,
        expired: false,
    };
    fleet.copy(directory.path(), None)?;
    let service = Service {
        population,
        profile,
        tls_directory: None,
        cores: ALL_CORES,
        resign: true,
    };
    Ok((serve("ours", directory.path(), service)?, directory))
}

/// Memory of a server without devices.
fn resident_of_empty() -> anyhow::Result<f64> {
    let population = Population {
        ids: Ids::Random,
        devices: 0,
    };
    let (mut ours, _directory) = open(population)?;
    ours.order(&Order::Read)?;
    Ok(ours.conversation.process.resident_octets() as f64)
}

fn measure_fleet(word: &str, devices: u64, empty_octets: f64) -> anyhow::Result<Vec<Figure>> {
    let population = Population {
        ids: Ids::Random,
        devices,
    };
    let (mut ours, _directory) = open(population)?;
    let mut figures = Vec::new();
    let mut look = |ours: &mut Ours, when: &str| -> anyhow::Result<()> {
        let state = ours.order(&Order::Read)?;
        let resident = ours.conversation.process.resident_octets() as f64 - empty_octets;
        let scale = format!("{} at {PROFILE} {when}", in_words(devices));
        let mut push = |what: &str, octets: f64| {
            let value = octets / state.devices as f64;
            let id = format!("store_{word}_{when}_{what}_octets");
            figures.push(Figure::new(id, value, "octets a device", scale.clone()));
        };
        push("disk", state.zone_octets as f64);
        push("resident", resident);
        Ok(())
    };
    look(&mut ours, "loaded")?;
    let mut worst: f64 = 0.0;
    let mut state = State::default();
    for part in 0..PARTS {
        let count = devices * (part + 1) / PARTS - devices * part / PARTS;
        state = ours.order(&Order::Grow { count })?;
        worst = worst.max(state.zone_octets as f64 / state.devices as f64);
    }
    look(&mut ours, "doubled")?;
    let scale = format!("{} at {PROFILE} doubling", in_words(devices));
    let id = format!("store_{word}_growing_disk_octets");
    figures.push(Figure::new(id, worst, "octets a device", scale.clone()));
    let history = state.redo_octets as f64 / (1 << 20) as f64;
    let id = format!("store_{word}_history_mib");
    figures.push(Figure::new(id, history, "MiB", scale));
    Ok(figures)
}
