//! Random operations through the HTTPS door of a registry in this process.
//!
//! Several lanes give commands at the same time; ids of different lanes lie next to each other in
//! the zone. At every checkpoint the zone has to equal the model, the lists have to equal the model,
//! and a validating client has to get the model's answers. At the end the outside judges and a
//! full signing are asked.

pub mod choice;
pub mod judges;
pub mod lane;
pub mod model;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use iot_dns_zone::Profile;
use iot_epp_api::command::{DeviceCommand, ZoneCommand};
use iot_epp_api::{Command, DeviceState, Reply};
use iot_identity::{DeviceId, Publication, Slot, ZoneName};
use iot_registry::directory::Directory;
use iot_registry::https_client::HttpsClient;
use iot_registry::start::Running;

use crate::accounts::{self, OPERATORS, ZONE};
use crate::device_ids::DeviceIds;
use crate::draws::Draws;
use crate::names::Names;
use crate::report::{Counts, Report, add, add_all, keep_evidence};
use crate::zone_text::{Publications, ZoneText};
use lane::{Clients, Lane};

/// Lanes that give commands at the same time.
const LANES: u32 = 4;
/// Checkpoints in a run.
const CHECKPOINTS: u32 = 10;
/// Names that a validating client asks for at a checkpoint.
const NAMES_ASKED: u32 = 20;
/// Devices on one page of a list: small, so that lists have many pages.
const PAGE_DEVICES: u16 = 50;

/// A run to come.
#[derive(Clone, Copy, Debug)]
pub struct Operations {
    /// Operations that change something; refusals and repeats come on top.
    pub count: u32,
    /// Determines choices and ids.
    pub seed: u64,
    /// The zone's times.
    pub profile: Profile,
}

impl Operations {
    /// Runs it on a registry of its own.
    ///
    /// # Errors
    /// The first breach.
    pub async fn run(self) -> anyhow::Result<Report> {
        let begin = Instant::now();
        let scratch = tempfile::tempdir()?;
        let directory = accounts::initialise(&scratch.path().join("data"), self.profile)?;
        let running = Running::start(&directory).await?;
        let mut scene = Scene::set(&directory, &running, self.seed).await?;
        let result = scene.play(self, scratch.path()).await;
        let counts = scene.counts;
        running.stop().await;
        keep_evidence(scratch, result)?;
        Ok(Report {
            topic: "operations",
            seed: self.seed,
            count: self.count,
            counts,
            took: begin.elapsed(),
        })
    }
}

struct Scene<'a> {
    directory: &'a Directory,
    running: &'a Running,
    registry: Arc<HttpsClient>,
    sponsors: Vec<Arc<HttpsClient>>,
    names: Names,
    zone: ZoneName,
    draws: Draws,
    counts: Counts,
}

impl<'a> Scene<'a> {
    async fn set(
        directory: &'a Directory,
        running: &'a Running,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let api = running.listen.api;
        let client = |token| accounts::client(directory, api, token).map(Arc::new);
        let registry = client(accounts::registry_token(directory)?)?;
        let tokens = accounts::make_operators(&registry).await?;
        let sponsors = tokens.into_iter().map(client).collect::<Result<_, _>>()?;
        let dot = *running.listen.dot.first().context("a DoT listener")?;
        Ok(Self {
            directory,
            running,
            registry,
            sponsors,
            names: Names::at(directory, dot)?,
            zone: ZoneName::parse(ZONE)?,
            draws: Draws::seeded(seed, u64::MAX),
            counts: Counts::new(),
        })
    }

    async fn play(&mut self, run: Operations, scratch: &std::path::Path) -> anyhow::Result<()> {
        let mut lanes: Vec<Lane> = (0..LANES).map(|number| self.lane(run, number)).collect();
        let mut done = 0;
        for checkpoint in 1..=CHECKPOINTS {
            let until = u64::from(run.count) * u64::from(checkpoint) / u64::from(CHECKPOINTS);
            let until = u32::try_from(until)?;
            lanes = run_lanes(lanes, until - done).await?;
            done = until;
            self.checkpoint(&lanes)
                .await
                .with_context(|| format!("after {done} operations"))?;
            tracing::info!(done, of = run.count, "the zone equals the model");
        }
        for lane in &lanes {
            add_all(&mut self.counts, &lane.counts);
        }
        self.end(scratch).await
    }

    fn lane(&self, run: Operations, number: u32) -> Lane {
        let account = number as usize % OPERATORS.len();
        let other = (account + 1) % OPERATORS.len();
        let clients = Clients {
            sponsor: Arc::clone(&self.sponsors[account]),
            stranger: Arc::clone(&self.sponsors[other]),
            operator: Arc::clone(&self.registry),
        };
        let (lane, lanes) = (u64::from(number), u64::from(LANES));
        let ids = DeviceIds::new(run.seed, lane, lanes, run.count / LANES);
        let draws = Draws::seeded(run.seed, lane);
        Lane::new(clients, ids, draws, format!("lane{number}"))
    }

    /// Zone, lists and validated answers have to be the model's.
    async fn checkpoint(&mut self, lanes: &[Lane]) -> anyhow::Result<()> {
        let expected = publications(lanes);
        let device_names = accounts::check_zone(&self.registry).await?;
        ensure!(
            device_names == expected.len() as u64,
            "the zone has {device_names} device names, the model {}",
            expected.len()
        );
        let text = self.dump().await?;
        let found = ZoneText::parse(&text)?.publications(&self.zone)?;
        same_publications(&found, &expected)?;
        for (account, sponsor) in self.sponsors.iter().enumerate() {
            let listed = list(sponsor).await?;
            let expected = states(lanes.iter().skip(account).step_by(OPERATORS.len()));
            ensure!(
                listed == expected,
                "the list of {} is another",
                OPERATORS[account]
            );
        }
        self.ask_names(lanes).await?;
        add(&mut self.counts, "checkpoints", 1);
        Ok(())
    }

    async fn ask_names(&mut self, lanes: &[Lane]) -> anyhow::Result<()> {
        let all: Vec<(DeviceId, Publication)> = lanes
            .iter()
            .flat_map(|lane| &lane.model)
            .map(|(device_id, known)| (*device_id, known.publication()))
            .collect();
        for _ in 0..NAMES_ASKED {
            let Some((device_id, publication)) = self.draws.pick(&all) else {
                break;
            };
            self.names
                .expect(*device_id, Slot::FIRST, *publication)
                .await?;
            let second = Slot::FIRST.next().context("there is a second slot")?;
            self.names
                .expect(*device_id, second, Publication::Absent)
                .await?;
            add(&mut self.counts, "validated answers over DoT", 2);
        }
        Ok(())
    }

    async fn end(&mut self, scratch: &std::path::Path) -> anyhow::Result<()> {
        let text = self.dump().await?;
        let zone = ZoneText::parse(&text)?;
        let full_path = scratch.join("full");
        std::fs::create_dir(&full_path)?;
        let full = judges::full_signing(self.running, self.directory, &full_path).await?;
        judges::equal(&zone, &ZoneText::parse(&full)?)?;
        let file = scratch.join("dump.zone");
        std::fs::write(&file, &text)?;
        if let Some(margin_secs) = judges::outside(&file, &zone)? {
            add(
                &mut self.counts,
                "judged good for so many seconds to come",
                margin_secs,
            );
        }
        add(
            &mut self.counts,
            "device names at the end",
            zone.publications(&self.zone)?.len() as u64,
        );
        add(
            &mut self.counts,
            "signatures at the end",
            zone.signatures()?.len() as u64,
        );
        Ok(())
    }

    async fn dump(&self) -> anyhow::Result<String> {
        match self
            .registry
            .give(Command::Zone(ZoneCommand::Dump))
            .await?
            .outcome
        {
            Ok(Reply::ZoneText(text)) => Ok(text),
            other => bail!("zone dump: {other:?}"),
        }
    }
}

/// Has all lanes make their share of so many changes, at the same time.
async fn run_lanes(lanes: Vec<Lane>, changes: u32) -> anyhow::Result<Vec<Lane>> {
    let tasks: Vec<_> = (0..LANES)
        .zip(lanes)
        .map(|(number, lane)| {
            let share = changes / LANES + u32::from(number < changes % LANES);
            tokio::spawn(lane.run(share))
        })
        .collect();
    let mut lanes = Vec::with_capacity(tasks.len());
    for (number, task) in tasks.into_iter().enumerate() {
        lanes.push(task.await?.with_context(|| format!("lane {number}"))?);
    }
    Ok(lanes)
}

/// What the zone has to publish.
fn publications(lanes: &[Lane]) -> Publications {
    let known = lanes.iter().flat_map(|lane| &lane.model);
    known
        .map(|(device_id, known)| ((*device_id, Slot::FIRST), known.publication()))
        .filter(|(_, publication)| *publication != Publication::Absent)
        .collect()
}

fn states<'a>(lanes: impl Iterator<Item = &'a Lane>) -> BTreeMap<DeviceId, DeviceState> {
    let known = lanes.flat_map(|lane| &lane.model);
    known.map(|(id, known)| (*id, known.state())).collect()
}

fn same_publications(found: &Publications, expected: &Publications) -> anyhow::Result<()> {
    for (name, publication) in expected {
        ensure!(
            found.get(name) == Some(publication),
            "{name:?}: the zone has {:?}, the model {publication:?}",
            found.get(name)
        );
    }
    let more = found.keys().find(|name| !expected.contains_key(name));
    ensure!(more.is_none(), "the zone has {more:?}, the model does not");
    Ok(())
}

/// An account's whole list, page by page.
async fn list(client: &HttpsClient) -> anyhow::Result<BTreeMap<DeviceId, DeviceState>> {
    let mut listed = BTreeMap::new();
    let mut after = None;
    loop {
        let limit = PAGE_DEVICES;
        let command = Command::Device(DeviceCommand::List { after, limit });
        let (devices, next_after) = match client.give(command).await?.outcome {
            Ok(Reply::Devices {
                devices,
                next_after,
            }) => (devices, next_after),
            other => bail!("list: {other:?}"),
        };
        for info in devices {
            let twice = listed.insert(info.device_id, info.state);
            ensure!(twice.is_none(), "{} is listed twice", info.device_id);
        }
        match next_after {
            Some(_) => after = next_after,
            None => return Ok(listed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iot_identity::Fingerprint;

    #[test]
    fn a_name_that_is_missing_left_over_or_different_is_found() {
        let name = |id| (DeviceId::parse(id).unwrap(), Slot::FIRST);
        let eid = name("89049032123451234512345678901235");
        let iccid = name("8912230200031010008f");
        let active = Publication::Active(Fingerprint::of_certificate(b"certificate"));
        let expected = Publications::from([(eid, active)]);
        same_publications(&expected, &expected).unwrap();
        for wrong in [
            Publications::new(),
            Publications::from([(eid, Publication::Inactive)]),
            Publications::from([(eid, active), (iccid, active)]),
        ] {
            assert!(same_publications(&wrong, &expected).is_err(), "{wrong:?}");
        }
    }
}
