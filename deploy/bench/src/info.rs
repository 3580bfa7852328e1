//! The topic `info`: questions about devices a second, with a large fleet stored; and how long a
//! deactivation takes from the request to its acknowledgement, when the denial is visible.

use anyhow::ensure;
use iot_dns_zone::Profile;
use iot_epp_api::Command;
use iot_epp_api::command::DeviceCommand;
use iot_identity::{OwnerName, Slot, TYPE_CERT};

use crate::comparison::in_words;
use crate::door_clients::{Done, JsonClients};
use crate::figure::Figure;
use crate::machine;
use crate::population::{Ids, Population, mixed};
use crate::product::Registry;
use crate::queries::{probe, push_query};
use crate::zone;

const ALL_CORES: &str = "0-63";
/// Connections that ask at the same time.
const CLIENTS: usize = 32;

pub(crate) fn measure(run: &crate::Scale) -> anyhow::Result<Vec<Figure>> {
    let (devices, questions, deactivations) = if run.quick {
        (20_000, 5_000, 50)
    } else {
        (1_000_000, 100_000, 1_000)
    };
    let population = Population {
        ids: Ids::Random,
        devices,
    };
    let registry = Registry::with_fleet(population, Profile::Standard)?;
    let mut process = registry.serve(ALL_CORES)?;
    registry.wait_until_it_serves(&mut process)?;
    let device = |number| population.device(mixed(number) % devices);
    let infos = (0..questions).map(|number| DeviceCommand::Info {
        device_id: device(number),
        auth_info: None,
    });
    let checks = (0..questions).map(|number| DeviceCommand::Check {
        device_ids: vec![device(number)],
    });
    let mut figures = Vec::new();
    let said = format!("{}, {CLIENTS} connections", in_words(devices));
    for (word, commands) in [("info", infos.collect()), ("check", checks.collect())] {
        let done = give(&registry, commands, CLIENTS)?;
        let id = format!("{word}_per_sec");
        figures.push(Figure::new(id, done.per_sec(), "1/s", said.clone()));
        let id = format!("{word}_p99_ms");
        figures.push(Figure::new(id, done.quantile_ms(0.99), "ms", said.clone()));
    }
    let deactivates = (0..deactivations).map(|number| DeviceCommand::Deactivate {
        device_id: device(number),
    });
    let done = give(&registry, deactivates.collect(), 1)?;
    is_denied(&registry, population, mixed(deactivations - 1) % devices)?;
    let said = format!("{}, one after the other", in_words(devices));
    for (word, share) in [("p50", 0.5), ("p99", 0.99)] {
        let id = format!("deactivation_{word}_ms");
        figures.push(Figure::new(id, done.quantile_ms(share), "ms", said.clone()));
    }
    figures.extend(machine::floors()?);
    Ok(figures)
}

fn give(registry: &Registry, commands: Vec<DeviceCommand>, clients: usize) -> anyhow::Result<Done> {
    let commands = commands.into_iter().map(Command::Device).collect();
    JsonClients::connect(&registry.json_door()?, registry.token()?, clients)?.give(commands, None)
}

/// What was acknowledged last is denied by the DNS.
fn is_denied(registry: &Registry, population: Population, number: u64) -> anyhow::Result<()> {
    let name = OwnerName::new(Slot::FIRST, population.device(number), &zone::apex());
    let mut query = Vec::new();
    push_query(&mut query, &name.wire(), TYPE_CERT, false);
    let answer = probe(registry.dns, &query, std::time::Duration::from_secs(1))?;
    ensure!(
        answer[3] & 0x0f == 0 && answer[7] == 0,
        "acknowledged and not denied"
    );
    Ok(())
}
