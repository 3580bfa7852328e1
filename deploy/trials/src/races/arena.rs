//! The registry in which operators race, and what must be true of it at the end.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, ensure};
use iot_dns_zone::Profile;
use iot_epp_api::command::{DeviceCommand, MessageCommand, ZoneCommand};
use iot_epp_api::{Command, Reply, ResultCode, Role};
use iot_identity::{DeviceId, Fingerprint, Publication, Slot, ZoneName};
use iot_registry::directory::Directory;
use iot_registry::https_client::HttpsClient;

use super::judges::Baselines;
use crate::accounts::{self, OPERATORS, Transactions, ZONE};
use crate::certificates::Serials;
use crate::device_ids::DeviceIds;
use crate::doors::{Addresses, Door, Line, Member};
use crate::draws::Draws;
use crate::inside::{Inside, audit};
use crate::kills::program::{Program, Serving, Starting};
use crate::names::Names;
use crate::report::{Counts, add};
use crate::zone_text::ZoneText;

/// Connections to each door that send repetitions at the same time.
const LINES_PER_DOOR: usize = 4;
/// Most ids that a page of a list has.
const PAGE_DEVICES: u16 = 1_000;

/// An operator that takes part.
pub(super) struct Racer {
    pub(super) member: Member,
    /// One line to each door, in the order of [`Door::ALL`]; none while it is in use.
    pub(super) lines: [Option<Line>; 2],
    pub(super) transactions: Transactions,
}

/// A device, and who has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Won {
    pub(super) by: usize,
    pub(super) fingerprint: Fingerprint,
}

/// A registry, everybody who asks it, and what is known of it.
pub(super) struct Arena {
    pub(super) racers: [Racer; 2],
    /// Lines for repetitions of the first operator, to both doors.
    pub(super) crowd: Vec<Line>,
    pub(super) names: Names,
    pub(super) inside: Inside,
    pub(super) ids: DeviceIds,
    pub(super) won: BTreeMap<String, Won>,
    pub(super) serials: Serials,
    pub(super) baselines: Baselines,
    registry: HttpsClient,
    directory: Directory,
    serving: Serving,
}

impl Racer {
    /// The line to a door, to be given back.
    pub(super) fn take(&mut self, door: Door) -> Line {
        let line = self.lines[door as usize].take();
        line.expect("every line that was taken is given back")
    }

    pub(super) fn give_back(&mut self, line: Line) {
        let door = line.door();
        self.lines[door as usize] = Some(line);
    }

    pub(super) fn line(&mut self, door: Door) -> &mut Line {
        let line = self.lines[door as usize].as_mut();
        line.expect("every line that was taken is given back")
    }
}

impl Arena {
    /// Starts the program in a directory of its own, and lets everybody in.
    pub(super) async fn open(path: &Path, program: &Path, seed: u64) -> anyhow::Result<Self> {
        let directory = accounts::initialise(&path.join("data"), Profile::Standard)?;
        let program = Program {
            path: program.to_owned(),
            log: path.join("serve.log"),
        };
        let serving = Starting::spawn(&program, &directory, None)?.ready().await?;
        let token = accounts::registry_token(&directory)?;
        let registry = accounts::client(&directory, serving.api, token)?;
        let addresses = Addresses {
            json: serving.api,
            epp: serving.epp,
        };
        let mut racers = Vec::new();
        for name in OPERATORS {
            let member = Member::enrol(&directory, &registry, name, Role::Mno).await?;
            racers.push(Racer {
                lines: Door::ALL.map(|door| Some(Line::new(door, addresses, &member))),
                transactions: Transactions::new(format!("race-{name}")),
                member,
            });
        }
        let racers: Result<[Racer; 2], _> = racers.try_into();
        let racers = racers.ok().context("two operators")?;
        let doors = Door::ALL.into_iter().cycle().take(2 * LINES_PER_DOOR);
        let crowd = doors.map(|door| Line::new(door, addresses, &racers[0].member));
        let mut arena = Self {
            crowd: crowd.collect(),
            racers,
            names: Names::at(&directory, serving.dot)?,
            inside: Inside::open(&directory)?,
            ids: DeviceIds::new(seed, 0, 1, 20_000),
            won: BTreeMap::new(),
            serials: Serials::default(),
            baselines: Baselines::default(),
            registry,
            directory,
            serving,
        };
        arena.take_baselines(&mut Draws::seeded(seed, 1)).await?;
        Ok(arena)
    }

    /// What the second operator is told of its own device that it asks for again, and of one that is
    /// not there: what it is told of a stranger's device has to be the same.
    async fn take_baselines(&mut self, draws: &mut Draws) -> anyhow::Result<()> {
        let [own, absent] = [self.ids.next(draws), self.ids.next(draws)];
        for door in Door::ALL {
            let racer = &mut self.racers[1];
            for _ in 0..2 {
                let id = racer.transactions.new_id();
                let create = create(own, accounts::certificate_request()?);
                let answer = racer.line(door).give(&create, &id).await?;
                if answer.code == ResultCode::ObjectExists {
                    self.baselines.exists.insert(door, (own, answer.said));
                } else {
                    let issued = answer.issued().context("the first device")?;
                    let fingerprint = Fingerprint::of_certificate(&issued.certificate);
                    self.won.insert(own.to_string(), Won { by: 1, fingerprint });
                }
            }
            let id = racer.transactions.new_id();
            let answer = racer.line(door).give(&info(absent), &id).await?;
            ensure!(
                answer.code == ResultCode::ObjectDoesNotExist,
                "of an absent device: {answer:?}"
            );
            self.baselines.absent.insert(door, (absent, answer.said));
        }
        Ok(())
    }

    /// Holds everything that was ever registered to database, zone, lists, queues and audit log.
    pub(super) async fn end(mut self, counts: &mut Counts) -> anyhow::Result<()> {
        let devices = self.won.len() as u64;
        let kept = self.inside.counts()?;
        ensure!(
            kept == (devices, devices, 0),
            "{devices} devices were won; devices, certificates and intents in the database: {kept:?}"
        );
        self.inside.note_serials(&mut self.serials)?;
        let names = accounts::check_zone(&self.registry).await?;
        ensure!(names == devices, "the zone has {names} names of {devices}");
        self.require_published().await?;
        for by in 0..self.racers.len() {
            self.require_listed(by).await?;
            let racer = &mut self.racers[by];
            let id = racer.transactions.new_id();
            let head = Command::Message(MessageCommand::Head);
            let answer = racer.line(Door::Json).give(&head, &id).await?;
            ensure!(
                answer.code == ResultCode::CompletedNoMessages,
                "a race leaves no message: {answer:?}"
            );
        }
        let audited = audit(&self.directory, None).await?;
        for device_id in self.won.keys() {
            let of_device = audited
                .changes
                .iter()
                .filter(|((_, _, id), _)| id == device_id);
            let changes: u64 = of_device.map(|(_, changes)| changes).sum();
            ensure!(
                changes == 1,
                "{device_id} has {changes} rows in the audit log"
            );
        }
        add(
            counts,
            "devices at the end, each with one certificate",
            devices,
        );
        add(counts, "certificates seen", self.serials.len() as u64);
        self.serving.kill()
    }

    async fn require_published(&self) -> anyhow::Result<()> {
        let dumped = self.registry.give(Command::Zone(ZoneCommand::Dump)).await?;
        let Ok(Reply::ZoneText(text)) = dumped.outcome else {
            anyhow::bail!("zone dump: {:?}", dumped.outcome);
        };
        let published = ZoneText::parse(&text)?.publications(&ZoneName::parse(ZONE)?)?;
        let expected = self.won.iter().map(|(device_id, won)| {
            let device_id = DeviceId::parse(device_id).expect("it was one");
            let publication = Publication::Active(won.fingerprint);
            ((device_id, Slot::FIRST), publication)
        });
        ensure!(
            published == expected.collect(),
            "the zone is not what was won: {published:?}"
        );
        Ok(())
    }

    async fn require_listed(&mut self, by: usize) -> anyhow::Result<()> {
        let mut listed = Vec::new();
        let mut after = None;
        loop {
            let command = Command::Device(DeviceCommand::List {
                after,
                limit: PAGE_DEVICES,
            });
            let racer = &mut self.racers[by];
            let id = racer.transactions.new_id();
            let page = racer.line(Door::Json).give(&command, &id).await?;
            let (devices, next_after) = page.page().context("a page of devices")?;
            listed.extend(devices.iter().map(|device| device.device_id.to_string()));
            match next_after {
                Some(_) => after = next_after,
                None => break,
            }
        }
        listed.sort_unstable();
        let own = self.won.iter().filter(|(_, won)| won.by == by);
        let own: Vec<String> = own.map(|(device_id, _)| device_id.clone()).collect();
        let name = &self.racers[by].member.name;
        ensure!(listed == own, "{name} won {own:?} and has {listed:?}");
        Ok(())
    }
}

pub(super) fn create(device_id: DeviceId, csr: Vec<u8>) -> Command {
    Command::Device(DeviceCommand::Create {
        device_id,
        csr,
        period: None,
        asp: None,
        auth_info: None,
    })
}

pub(super) fn info(device_id: DeviceId) -> Command {
    Command::Device(DeviceCommand::Info {
        device_id,
        auth_info: None,
    })
}
