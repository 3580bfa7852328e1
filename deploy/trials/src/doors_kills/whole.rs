//! Holding the whole registry to what all clients together know.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use iot_epp_api::Command;
use iot_epp_api::command::DeviceCommand;
use iot_identity::DeviceId;
use iot_registry::https_client::HttpsClient;

use super::life::{Life, Seats, addresses, registry};
use super::recovery::Witnesses;
use super::wish::MEMBERS;
use crate::accounts;
use crate::certificates::Serials;
use crate::doors::{Door, Line};
use crate::inside::{Inside, audit};
use crate::kills::program::Serving;
use crate::names::Names;

/// Settled devices of a client that are looked at again after a kill.
const LOOKED_AT_AGAIN: u32 = 5;
/// Longest wait until everything that was pending is told of.
const ENDS_PATIENCE: Duration = Duration::from_secs(10);

impl Life {
    /// Holds the registry to what was touched since the last time, and to some or all of the rest.
    pub(super) async fn settle(
        &mut self,
        serving: &Serving,
        seats: &mut Seats,
        everything: bool,
        serials: &mut Serials,
    ) -> anyhow::Result<()> {
        let registry = registry(&self.directory, serving)?;
        accounts::check_zone(&registry).await?;
        let names = Names::at(&self.directory, serving.dot)?;
        let witnesses = Witnesses {
            registry: &registry,
            names: &names,
        };
        for (worker, lines) in self.workers.iter_mut().zip(&mut seats.workers) {
            let count = u32::try_from(worker.devices.len())?;
            for at in 0..worker.devices.len() {
                let again = everything || self.draws.below(count) < LOOKED_AT_AGAIN;
                let device = &worker.devices[at];
                if again || device.is_touched || device.open.is_some() {
                    worker.settle(at, lines, &witnesses).await?;
                }
            }
            for certificate in worker.certificates.drain(..) {
                serials.note(&certificate)?;
            }
            for (to, told) in worker.told.drain(..) {
                self.mailboxes[to].expect(told);
            }
            for (by, id) in worker.pending.drain(..) {
                self.mailboxes[by].expect_end_of(id);
            }
        }
        self.require_messages(seats).await?;
        self.require_changes().await?;
        self.require_counts(&registry, serials).await
    }

    /// Reads all queues to their ends: each event was told once.
    async fn require_messages(&mut self, seats: &mut Seats) -> anyhow::Result<()> {
        let readers = self.mailboxes.iter_mut().zip(&mut seats.mailboxes);
        for ((mailbox, lines), name) in readers.zip(MEMBERS) {
            let read = async {
                mailbox.drain(lines).await?;
                mailbox.require_balance()?;
                let begin = Instant::now();
                while mailbox.open_ends() > 0 {
                    ensure!(
                        begin.elapsed() < ENDS_PATIENCE,
                        "the end of a pending command is not told"
                    );
                    tokio::time::sleep(super::IDLE_PAUSE).await;
                    mailbox.drain(lines).await?;
                }
                anyhow::Ok(())
            };
            let read = read.await;
            read.with_context(|| format!("queue of {name}"))?;
        }
        Ok(())
    }

    /// The audit log has every change as often as it was carried out, and no other.
    async fn require_changes(&mut self) -> anyhow::Result<()> {
        let audited = audit(&self.directory, self.audit_head).await?;
        self.audit_head = Some(audited.head);
        let mut known = 0;
        for worker in &self.workers {
            for (change, effects) in &worker.effects {
                let found = audited.changes.get(change).copied().unwrap_or(0);
                ensure!(
                    found == *effects,
                    "{change:?} was carried out {effects} times, and is {found} times in the audit log"
                );
            }
            known += worker.effects.len();
        }
        let of_devices = audited.changes.keys();
        let of_devices = of_devices.filter(|(_, _, object)| DeviceId::parse(object).is_ok());
        let found = of_devices.count();
        ensure!(
            found == known,
            "{known} commands changed something, and {found} are in the audit log"
        );
        Ok(())
    }

    /// Zone and database have the devices and credentials that are known, and no other.
    async fn require_counts(
        &mut self,
        registry: &HttpsClient,
        serials: &mut Serials,
    ) -> anyhow::Result<()> {
        let devices = self.workers.iter().flat_map(|worker| &worker.devices);
        let (mut registered, mut credentials, mut names) = (0, 0, 0);
        for device in devices {
            registered += u64::from(device.version > 0);
            credentials += device.slots.len() as u64;
            names += device.names();
        }
        let found = accounts::check_zone(registry).await?;
        ensure!(
            found == names,
            "the zone has {found} names, known are {names}"
        );
        let inside = Inside::open(&self.directory)?;
        let found = inside.counts()?;
        ensure!(
            found == (registered, credentials, 0),
            "devices, credentials and intents are {found:?}; known are {registered} and {credentials}"
        );
        inside.note_serials(serials)
    }

    pub(super) async fn require_listed(
        &mut self,
        at: usize,
        serving: &Serving,
    ) -> anyhow::Result<()> {
        let mut line = Line::new(Door::Json, addresses(serving), &self.members[at]);
        let mut listed = BTreeSet::new();
        let mut after = None;
        loop {
            let command = DeviceCommand::List { after, limit: 500 };
            let id = self.workers[0].transactions.new_id();
            let page = line.give(&Command::Device(command), &id).await?;
            let (devices, next_after) = page.page().context("a page of devices")?;
            listed.extend(devices.iter().map(|device| device.device_id.to_string()));
            match next_after {
                Some(_) => after = next_after,
                None => break,
            }
        }
        let devices = self.workers.iter().flat_map(|worker| &worker.devices);
        let own = devices.filter(|device| device.sponsor == at && device.version > 0);
        let own: BTreeSet<String> = own.map(|device| device.device_id.to_string()).collect();
        ensure!(
            listed == own,
            "{} has {:?} listed beside its devices, and lacks {:?}",
            MEMBERS[at],
            listed.difference(&own).collect::<Vec<_>>(),
            own.difference(&listed).collect::<Vec<_>>()
        );
        Ok(())
    }
}
