//! One client that registers, holds and deletes devices until the registry is killed under it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use iot_dns_zone::serial;
use iot_epp_api::command::DeviceCommand;
use iot_epp_api::{Command, Reply, Response};
use iot_identity::Fingerprint;
use iot_registry::https_client::{HttpsClient, HttpsError};

use super::ledger::{Deletion, Entry, Hold, Registration};
use crate::accounts::{Transactions, certificate_request};
use crate::device_ids::DeviceIds;
use crate::draws::Draws;
use crate::report::{Counts, add};

/// Requests for certificates that are made before the load begins: making keys under load would
/// leave the registry idle.
const REQUESTS_READY: usize = 32;
/// How many of a hundred commands are registrations, while more may be made.
const REGISTRATIONS_PERCENT: u32 = 70;
/// How many of a hundred of the other commands are deletions; the rest are holds and releases.
const DELETIONS_PERCENT: u32 = 25;
/// Pause of a client that has nothing to ask.
const IDLE_PAUSE: Duration = Duration::from_millis(5);

/// One client, with its part of the ledger.
pub struct Worker {
    ids: DeviceIds,
    draws: Draws,
    transactions: Transactions,
    requests: Vec<Vec<u8>>,
    /// Its devices.
    pub entries: Vec<Entry>,
    /// Highest serial that it was told.
    pub serial: Option<u32>,
    /// What was asked and answered.
    pub counts: Counts,
}

/// Set before the registry is killed: what fails afterwards fails for that.
pub type Killed = Arc<AtomicBool>;

impl Worker {
    /// A client without devices.
    pub fn new(ids: DeviceIds, draws: Draws, name: String) -> Self {
        Self {
            ids,
            draws,
            transactions: Transactions::new(name),
            requests: Vec::new(),
            entries: Vec::new(),
            serial: None,
            counts: Counts::new(),
        }
    }

    /// Makes keys and requests for the next load.
    ///
    /// # Errors
    /// When the system's random source fails.
    pub fn prepare(&mut self) -> anyhow::Result<()> {
        while self.requests.len() < REQUESTS_READY {
            self.requests.push(certificate_request()?);
        }
        Ok(())
    }

    /// Asks without pause until the registry is gone: first for what got no answer, then for new
    /// devices, at most as many as requests were prepared, for holds and for deletions.
    ///
    /// # Errors
    /// An answer that breaks a promise; no answer from a registry that was not killed.
    pub async fn load(mut self, client: &HttpsClient, killed: &Killed) -> anyhow::Result<Self> {
        for at in 0..self.entries.len() {
            if !self.entries[at].is_acknowledged() {
                add(&mut self.counts, "retries under load", 1);
                if !self.register(at, client, killed).await? {
                    return Ok(self);
                }
            }
        }
        loop {
            let register = self.draws.chance(REGISTRATIONS_PERCENT);
            let request = if register { self.requests.pop() } else { None };
            let alive = match (request, self.one_to_change()) {
                (Some(csr), _) => {
                    let device_id = self.ids.next(&mut self.draws);
                    let created_as = self.transactions.new_id();
                    self.entries.push(Entry::new(device_id, csr, created_as));
                    self.register(self.entries.len() - 1, client, killed)
                        .await?
                }
                (None, Some(at)) if self.draws.chance(DELETIONS_PERCENT) => {
                    self.delete(at, client, killed).await?
                }
                (None, Some(at)) => self.toggle_hold(at, client, killed).await?,
                (None, None) => {
                    tokio::time::sleep(IDLE_PAUSE).await;
                    !killed.load(Ordering::SeqCst)
                }
            };
            if !alive {
                return Ok(self);
            }
        }
    }

    fn one_to_change(&mut self) -> Option<usize> {
        let settled = |(_, entry): &(usize, &Entry)| entry.is_settled() && !entry.is_deleted();
        let places = self.entries.iter().enumerate().filter(settled);
        let places: Vec<usize> = places.map(|(at, _)| at).collect();
        self.draws.pick(&places).copied()
    }

    /// Registers, or repeats a registration; false when the registry is gone.
    async fn register(
        &mut self,
        at: usize,
        client: &HttpsClient,
        killed: &Killed,
    ) -> anyhow::Result<bool> {
        let entry = &mut self.entries[at];
        entry.touched = true;
        let transaction = entry.created_as.clone();
        let given = client.give_as(entry.create(), transaction).await;
        let Some(response) = given_by(given, killed)? else {
            add(&mut self.counts, "registrations without answer", 1);
            return Ok(false);
        };
        let (registration, serial) = registration(&response)
            .with_context(|| format!("registration of {}", entry.device_id))?;
        entry.registration = registration;
        self.learn(serial);
        add(&mut self.counts, "registrations acknowledged under load", 1);
        Ok(true)
    }

    /// Sets or lifts a hold; false when the registry is gone.
    async fn toggle_hold(
        &mut self,
        at: usize,
        client: &HttpsClient,
        killed: &Killed,
    ) -> anyhow::Result<bool> {
        let transaction = self.transactions.new_id();
        let entry = &mut self.entries[at];
        let device_id = entry.device_id;
        let (command, after) = match entry.hold {
            Hold::Off => (DeviceCommand::Deactivate { device_id }, Hold::On),
            _ => (DeviceCommand::Activate { device_id }, Hold::Off),
        };
        let command = Command::Device(command);
        entry.touched = true;
        entry.hold = Hold::Unanswered;
        let given = client.give_as(command, transaction).await;
        let Some(response) = given_by(given, killed)? else {
            add(&mut self.counts, "holds and releases without answer", 1);
            return Ok(false);
        };
        let serial = serial_of_change(&response)
            .with_context(|| format!("hold or release of {device_id}"))?;
        entry.hold = after;
        self.learn(serial);
        let name = match after {
            Hold::On => "deactivations acknowledged",
            _ => "reactivations acknowledged",
        };
        add(&mut self.counts, name, 1);
        Ok(true)
    }

    /// Deletes for ever; false when the registry is gone.
    async fn delete(
        &mut self,
        at: usize,
        client: &HttpsClient,
        killed: &Killed,
    ) -> anyhow::Result<bool> {
        let transaction = self.transactions.new_id();
        let entry = &mut self.entries[at];
        let device_id = entry.device_id;
        entry.touched = true;
        entry.deletion = Deletion::Unanswered;
        let command = Command::Device(DeviceCommand::Delete { device_id });
        let given = client.give_as(command, transaction).await;
        let Some(response) = given_by(given, killed)? else {
            add(&mut self.counts, "deletions without answer", 1);
            return Ok(false);
        };
        let serial =
            serial_of_change(&response).with_context(|| format!("deletion of {device_id}"))?;
        entry.deletion = Deletion::Done;
        self.learn(serial);
        add(&mut self.counts, "deletions acknowledged", 1);
        Ok(true)
    }

    fn learn(&mut self, serial: Option<u32>) {
        if let Some(serial) = serial {
            self.serial = serial::later_of(self.serial, serial);
        }
    }
}

/// The answer; none from a registry that was killed.
fn given_by(
    given: Result<Response, HttpsError>,
    killed: &Killed,
) -> anyhow::Result<Option<Response>> {
    match given {
        Ok(response) => Ok(Some(response)),
        Err(error @ (HttpsError::Client(_) | HttpsError::Deadline)) => Err(error.into()),
        Err(_) if killed.load(Ordering::SeqCst) => Ok(None),
        Err(error) => Err(anyhow::Error::new(error).context("nobody killed the registry")),
    }
}

/// The serial that an answer to a hold, its release or a deletion names; none while it is pending.
fn serial_of_change(response: &Response) -> anyhow::Result<Option<u32>> {
    match &response.outcome {
        Ok(Reply::Changed {
            times: Some(times), ..
        }) => Ok(Some(times.published_serial)),
        Ok(Reply::Pending(_)) => Ok(None),
        _ => bail!("refused: {response:?}"),
    }
}

/// What an answer to a registration says, and the serial it names.
///
/// # Errors
/// Any answer but "registered" and "pending", and one whose parts disagree.
pub fn registration(response: &Response) -> anyhow::Result<(Registration, Option<u32>)> {
    let issued = match &response.outcome {
        Ok(Reply::Issued(issued)) => issued,
        Ok(Reply::Pending(_)) => return Ok((Registration::Pending, None)),
        _ => bail!("refused: {response:?}"),
    };
    let fingerprint = Fingerprint::of_certificate(&issued.certificate.certificate);
    let info = &issued.info;
    let [slot] = info.slots.as_slice() else {
        bail!("not exactly one credential: {info:?}");
    };
    ensure!(
        (slot.slot, slot.fingerprint) == (issued.certificate.slot, fingerprint),
        "another certificate: {info:?}"
    );
    let slot = slot.slot;
    let registration = Registration::Acknowledged { fingerprint, slot };
    Ok((registration, Some(issued.times.published_serial)))
}
