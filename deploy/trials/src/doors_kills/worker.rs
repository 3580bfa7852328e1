//! One client that is both operators for its own devices, at both doors, until the registry is killed
//! under it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use anyhow::{Context, bail, ensure};
use iot_epp_api::{ClientTransactionId, ResultCode};
use iot_identity::{DeviceId, DeviceIdKind, Fingerprint, Slot};

use super::device::Device;
use super::wish::{Again, Asked, Wish};
use crate::accounts::{Transactions, certificate_request};
use crate::certificates;
use crate::device_ids::DeviceIds;
use crate::doors::{Addresses, Answer, Door, Line, LineError, Member, Told};
use crate::draws::Draws;
use crate::report::{Counts, add};

/// Requests for certificates that are made before the load begins: making keys under load would leave
/// the registry idle.
const REQUESTS_READY: usize = 32;
/// How many of a hundred commands are registrations, while more may be made.
const REGISTRATIONS_PERCENT: u32 = 25;
/// How many of a hundred commands come through the EPP door, where there is a session for the account.
const EPP_PERCENT: u32 = 70;

/// Set before the registry is killed: what fails afterwards fails for that.
#[derive(Clone, Debug, Default)]
pub struct Moment {
    /// The registry is killed, or will be at any time.
    pub killed: Arc<AtomicBool>,
    /// Commands that were answered.
    pub answered: Arc<AtomicU32>,
}

/// A client's connections: both operators at the JSON door, one of them also at the EPP door.
pub struct Lines {
    json: [Line; 2],
    epp: Line,
    epp_account: usize,
}

impl Lines {
    /// Connections that are opened when they are needed.
    pub fn new(addresses: Addresses, members: &[Member], epp_account: usize) -> Self {
        let json = [0, 1].map(|at| Line::new(Door::Json, addresses, &members[at]));
        let epp = Line::new(Door::Epp, addresses, &members[epp_account]);
        Self {
            json,
            epp,
            epp_account,
        }
    }

    async fn prepare(&mut self) -> Result<(), LineError> {
        for line in self.json.iter_mut().chain([&mut self.epp]) {
            line.prepare().await?;
        }
        Ok(())
    }

    /// A line of an account, to one door or the other.
    pub fn draw(&mut self, by: usize, draws: &mut Draws) -> &mut Line {
        if by == self.epp_account && draws.chance(EPP_PERCENT) {
            &mut self.epp
        } else {
            &mut self.json[by]
        }
    }

    /// The session with the EPP door, and whose it is.
    pub fn epp(&mut self) -> (usize, &mut Line) {
        (self.epp_account, &mut self.epp)
    }
}

/// How often a change may stand in the audit log: by account, name of the transaction, and object.
pub type Effects = HashMap<(String, String, String), u64>;

/// One client, with its part of what is known.
pub struct Worker {
    ids: DeviceIds,
    /// Its choices.
    pub draws: Draws,
    /// Names its commands.
    pub transactions: Transactions,
    requests: Vec<Vec<u8>>,
    /// Its devices.
    pub devices: Vec<Device>,
    /// What was carried out, and how often.
    pub effects: Effects,
    /// Who was told of what since that was last looked at.
    pub told: Vec<(usize, Told)>,
    /// Commands that were answered with "pending".
    pub pending: Vec<(usize, ClientTransactionId)>,
    /// Certificates in answers since they were last looked at.
    pub certificates: Vec<Vec<u8>>,
    /// What was asked and answered.
    pub counts: Counts,
}

impl Worker {
    /// A client without devices.
    pub fn new(ids: DeviceIds, draws: Draws, name: String) -> Self {
        Self {
            ids,
            draws,
            transactions: Transactions::new(name),
            requests: Vec::new(),
            devices: Vec::new(),
            effects: Effects::new(),
            told: Vec::new(),
            pending: Vec::new(),
            certificates: Vec::new(),
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

    /// Asks without pause until the registry is gone: first for what got no answer, then for whatever
    /// the devices can have now.
    ///
    /// # Errors
    /// An answer that breaks a promise; no answer from a registry that was not killed.
    pub async fn load(mut self, mut lines: Lines, moment: Moment) -> anyhow::Result<Self> {
        let prepared = lines.prepare().await;
        if given_by(prepared, &moment)?.is_none() {
            return Ok(self);
        }
        for at in 0..self.devices.len() {
            let open = self.devices[at].open.clone();
            if let Some(asked) = open.filter(|asked| !asked.is_acknowledged) {
                add(&mut self.counts, "asked again under load", 1);
                if !self.ask(at, asked, &mut lines, &moment).await? {
                    return Ok(self);
                }
            }
        }
        while self.ask_for_something(&mut lines, &moment).await? {}
        Ok(self)
    }

    async fn ask_for_something(
        &mut self,
        lines: &mut Lines,
        moment: &Moment,
    ) -> anyhow::Result<bool> {
        let settled = self.devices.iter().enumerate();
        let settled = settled.filter(|(_, one)| one.open.is_none() && one.version > 0);
        let settled: Vec<usize> = settled.map(|(at, _)| at).collect();
        let registers = settled.is_empty() || self.draws.chance(REGISTRATIONS_PERCENT);
        let request = if registers { self.requests.pop() } else { None };
        let (at, wish, by) = if let Some(csr) = request {
            let by = self.draws.below(2) as usize;
            let device_id = self.new_id();
            let is_bound = self.draws.chance(40);
            self.devices.push(Device::new(device_id, by));
            (self.devices.len() - 1, Wish::Create { csr, is_bound }, by)
        } else {
            let Some(at) = self.draws.pick(&settled).copied() else {
                // Everything is open, and no more requests are ready: nothing is left to ask.
                return Ok(false);
            };
            let chosen = self.devices[at].choose(&mut self.draws, &mut self.requests);
            let (wish, by) = chosen.context("a settled device can have something")?;
            (at, wish, by)
        };
        let asked = Asked::new(wish, by, self.transactions.new_id());
        self.ask(at, asked, lines, moment).await
    }

    /// A device that can be moved to another operator: ICCIDs cannot.
    fn new_id(&mut self) -> DeviceId {
        loop {
            let device_id = self.ids.next(&mut self.draws);
            if device_id.kind() == DeviceIdKind::Eid {
                return device_id;
            }
        }
    }

    /// Gives a command, for the first time or again; false when the registry is gone.
    async fn ask(
        &mut self,
        at: usize,
        mut asked: Asked,
        lines: &mut Lines,
        moment: &Moment,
    ) -> anyhow::Result<bool> {
        asked.attempts += 1;
        let device = &mut self.devices[at];
        let command = asked.wish.command(device.device_id, asked.by);
        let id = asked.id.clone();
        device.is_touched = true;
        device.open = Some(asked.clone());
        let line = lines.draw(asked.by, &mut self.draws);
        let door = line.door();
        let given = line.give(&command, &id).await;
        let Some(answer) = given_by(given, moment)? else {
            add(&mut self.counts, "without answer", 1);
            return Ok(false);
        };
        moment.answered.fetch_add(1, Ordering::SeqCst);
        add(&mut self.counts, of_door(door), 1);
        self.heard(at, asked, &answer)
            .with_context(|| format!("{command:?} through {door}: {answer:?}"))?;
        Ok(true)
    }

    /// Takes an answer under load into what is known.
    fn heard(&mut self, at: usize, mut asked: Asked, answer: &Answer) -> anyhow::Result<()> {
        let is_first = asked.attempts == 1;
        if is_first {
            ensure!(!answer.replayed(), "replayed, and never asked before");
        }
        let again = asked.wish.again();
        if !answer.code.is_success() {
            // It was carried out before, and nobody heard of it.
            ensure!(
                !is_first && again == Again::IsRefused(answer.code),
                "refused"
            );
            return self.adopt(at, &asked, 1, None);
        }
        asked.is_acknowledged = true;
        if answer.is_pending() {
            self.pending.push((asked.by, asked.id.clone()));
            add(&mut self.counts, "answered with \"pending\"", 1);
        }
        let issued = self.issued(at, &asked, answer)?;
        let is_told_later = asked.wish.csr().is_some() && issued.is_none();
        if is_told_later || (!is_first && again == Again::IsCarriedOut) {
            self.devices[at].open = Some(asked);
            return Ok(());
        }
        if let Some(status) = asked.wish.transfer_status() {
            let told = answer.transfer().context("no transfer is told of")?;
            ensure!(told.status == status, "another transfer is told of");
        }
        self.adopt(at, &asked, 1, issued)?;
        let known = &mut self.devices[at].expires_at;
        match (answer.expires_at(), *known) {
            (Some(told), Some(known)) => ensure!(told == known, "known is the end {known}"),
            (told, None) => *known = told,
            (None, Some(_)) => {}
        }
        Ok(())
    }

    /// The credential that an answer brings, held to what was asked for.
    ///
    /// # Errors
    /// A certificate that nobody asked for, or none where it was.
    pub fn issued(
        &mut self,
        at: usize,
        asked: &Asked,
        answer: &Answer,
    ) -> anyhow::Result<Option<(Slot, Fingerprint)>> {
        let device_id = self.devices[at].device_id;
        match (asked.wish.csr(), answer.issued()) {
            (Some(csr), Some(issued)) => {
                let certificate = &issued.certificate;
                certificates::require_for(certificate, csr, device_id, issued.slot)?;
                self.certificates.push(certificate.clone());
                let fingerprint = Fingerprint::of_certificate(certificate);
                Ok(Some((issued.slot, fingerprint)))
            }
            (None, None) => Ok(None),
            (Some(_), None) if answer.is_pending() => Ok(None),
            (asked, _) => bail!(
                "{}",
                match asked {
                    Some(_) => "no certificate is told of",
                    None => "a certificate that nobody asked for",
                }
            ),
        }
    }

    /// From now on it is known that a command was carried out so often.
    ///
    /// # Errors
    /// When that cannot be.
    pub fn adopt(
        &mut self,
        at: usize,
        asked: &Asked,
        effects: u64,
        issued: Option<(Slot, Fingerprint)>,
    ) -> anyhow::Result<()> {
        let device = &self.devices[at];
        let (mut after, told) = device.after(asked, effects, issued)?;
        after.open = None;
        after.is_touched = true;
        let object = device.device_id.to_string();
        let by = super::wish::MEMBERS[asked.by].to_owned();
        let key = (by, asked.id.to_string(), object);
        self.effects.insert(key, effects);
        self.told.extend(told);
        self.devices[at] = after;
        add(&mut self.counts, asked.wish.name(), 1);
        Ok(())
    }
}

/// What was given; none from a registry that was killed, or on a machine that stood still.
pub(super) fn given_by<T>(
    given: Result<T, LineError>,
    moment: &Moment,
) -> anyhow::Result<Option<T>> {
    match given {
        Ok(given) => Ok(Some(given)),
        Err(LineError::Lost(_)) if moment.killed.load(Ordering::SeqCst) => Ok(None),
        Err(LineError::StoodStill(_)) => Ok(None),
        Err(error @ LineError::Lost(_)) => {
            Err(anyhow::Error::new(error).context("nobody killed the registry"))
        }
        Err(error) => Err(error.into()),
    }
}

fn of_door(door: Door) -> &'static str {
    match door {
        Door::Json => "answers through JSON",
        Door::Epp => "answers through EPP",
    }
}

/// Whether an answer only says that it is not finished.
pub(super) fn is_unfinished(answer: &Answer) -> bool {
    answer.code == ResultCode::CommandFailed || (answer.is_pending() && answer.issued().is_none())
}
