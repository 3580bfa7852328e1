//! Holding a registry that was started again to what a client knows.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use iot_epp_api::command::DeviceCommand;
use iot_epp_api::{Command, DeviceInfo, ResultCode};
use iot_identity::{Fingerprint, Slot};
use iot_registry::https_client::HttpsClient;

use super::wish::{Again, Asked};
use super::worker::{Lines, Worker, is_unfinished};
use crate::accounts::device_info;
use crate::doors::{Answer, LineError};
use crate::names::Names;
use crate::report::add;

/// How often a command is given again that is not finished.
const ATTEMPTS_MAX: u32 = 40;
/// Pause before that.
const AGAIN_PAUSE: Duration = Duration::from_millis(250);

/// Whom to ask: the registry's own operators, who see every device, and the DNS.
pub struct Witnesses<'a> {
    /// The door, in the name of the registry's operators.
    pub registry: &'a HttpsClient,
    /// The DNS.
    pub names: &'a Names,
}

impl Worker {
    /// Holds database, doors and DNS to a device, and settles what got no answer by asking again.
    ///
    /// # Errors
    /// Whatever was acknowledged and is not there, whatever is there in part or twice.
    pub async fn settle(
        &mut self,
        at: usize,
        lines: &mut Lines,
        witnesses: &Witnesses<'_>,
    ) -> anyhow::Result<()> {
        let device_id = self.devices[at].device_id;
        let info = device_info(witnesses.registry, device_id).await?;
        let effects = self.effects_since(at, info.as_ref())?;
        match self.devices[at].open.clone() {
            None => self.require(at, info.as_ref())?,
            Some(asked) => {
                let issued = self.require_open(at, &asked, effects, info.as_ref())?;
                if asked.is_acknowledged && asked.wish.csr().is_none() {
                    self.adopt(at, &asked, effects, None)?;
                    self.require(at, info.as_ref())?;
                } else {
                    self.ask_again(at, asked, (effects, issued), lines, witnesses)
                        .await?;
                }
            }
        }
        self.require_seen(at, lines, witnesses).await?;
        self.devices[at].is_touched = false;
        add(
            &mut self.counts,
            "devices held to database, doors and DNS",
            1,
        );
        Ok(())
    }

    /// How often the device was changed since it was known last.
    fn effects_since(&self, at: usize, info: Option<&DeviceInfo>) -> anyhow::Result<u64> {
        let known = &self.devices[at];
        let version = info.map_or(0, |info| info.version);
        let effects = version.checked_sub(known.version);
        let effects =
            effects.with_context(|| format!("acknowledged and lost: {known:#?}, {info:#?}"))?;
        let open = known.open.as_ref();
        let most = open.map_or(0, Asked::effects_max);
        let fewest = open.map_or(0, |asked| u64::from(asked.is_acknowledged));
        ensure!(
            effects <= most,
            "carried out {effects} times, at most {most} were asked for: {known:#?}, {info:#?}"
        );
        ensure!(
            effects >= fewest,
            "acknowledged and lost: {known:#?}, {info:#?}"
        );
        Ok(effects)
    }

    /// The registry has what is known.
    fn require(&mut self, at: usize, info: Option<&DeviceInfo>) -> anyhow::Result<()> {
        let device = &mut self.devices[at];
        let Some(info) = info else {
            ensure!(device.version == 0, "acknowledged and lost: {device:#?}");
            return Ok(());
        };
        device.require(info)?;
        device.expires_at = Some(info.expires_at);
        Ok(())
    }

    /// The registry has the device as it was before what is open, or as it is after it: nothing between.
    /// The credential that was issued, if one was.
    fn require_open(
        &mut self,
        at: usize,
        asked: &Asked,
        effects: u64,
        info: Option<&DeviceInfo>,
    ) -> anyhow::Result<Option<(Slot, Fingerprint)>> {
        let name = match effects {
            0 => "unanswered and without a trace",
            _ => "unanswered and found whole",
        };
        add(&mut self.counts, name, 1);
        if effects == 0 {
            self.require(at, info)?;
            return Ok(None);
        }
        let info = info.context("a version without a device")?;
        let newest = info.slots.last().map(|one| (one.slot, one.fingerprint));
        let issued = newest.filter(|_| asked.wish.csr().is_some());
        let (after, _) = self.devices[at].after(asked, effects, issued)?;
        after.require(info)?;
        Ok(issued)
    }

    /// Gives a command again: afterwards it is carried out once, or once more where that does no harm.
    async fn ask_again(
        &mut self,
        at: usize,
        mut asked: Asked,
        (effects, issued): (u64, Option<(Slot, Fingerprint)>),
        lines: &mut Lines,
        witnesses: &Witnesses<'_>,
    ) -> anyhow::Result<()> {
        let device_id = self.devices[at].device_id;
        let answer = self.answer_to(at, &mut asked, lines).await?;
        let again = asked.wish.again();
        let told = self
            .issued(at, &asked, &answer)
            .with_context(|| format!("asked again: {answer:?}"))?;
        let is_as_expected = match again {
            Again::IsRefused(code) if effects == 1 => answer.code == code,
            Again::IsRefused(code) if asked.settling > 1 => {
                answer.code.is_success() || answer.code == code
            }
            _ => answer.code.is_success(),
        };
        ensure!(
            is_as_expected,
            "carried out {effects} times, and asked again: {asked:?}, {answer:?}"
        );
        if again == Again::IsReplayed && asked.settling == 1 {
            ensure!(
                answer.replayed() == (effects == 1),
                "carried out {effects} times, and asked again: {asked:?}, {answer:?}"
            );
        }
        ensure!(
            issued.is_none() || issued == told,
            "the registry has {issued:?}, and a retry is told {told:?}: {answer:?}"
        );
        let info = device_info(witnesses.registry, device_id).await?;
        let version = info.as_ref().map_or(0, |info| info.version);
        let effects_after = version.saturating_sub(self.devices[at].version);
        let expected = match again {
            Again::IsReplayed | Again::IsRefused(_) => 1..=1,
            Again::IsCarriedOut => effects + 1..=effects + u64::from(asked.settling),
        };
        ensure!(
            expected.contains(&effects_after),
            "carried out {effects_after} times, asked again {} times: {asked:?}, {info:#?}",
            asked.settling
        );
        self.adopt(at, &asked, effects_after, told)?;
        add(&mut self.counts, "retries that left one effect", 1);
        self.require(at, info.as_ref())
            .with_context(|| format!("after {asked:?} was given again: {answer:?}"))
    }

    /// Gives a command until it is finished.
    async fn answer_to(
        &mut self,
        at: usize,
        asked: &mut Asked,
        lines: &mut Lines,
    ) -> anyhow::Result<Answer> {
        let command = asked.wish.command(self.devices[at].device_id, asked.by);
        for _ in 0..ATTEMPTS_MAX {
            asked.attempts += 1;
            asked.settling += 1;
            let line = lines.draw(asked.by, &mut self.draws);
            let answer = match line.give(&command, &asked.id).await {
                Err(LineError::StoodStill(_)) => continue,
                given => given?,
            };
            if answer.is_pending() {
                self.pending.push((asked.by, asked.id.clone()));
            }
            let is_final = asked.wish.again() != Again::IsReplayed || !is_unfinished(&answer);
            if is_final || (answer.is_pending() && asked.wish.csr().is_none()) {
                return Ok(answer);
            }
            tokio::time::sleep(AGAIN_PAUSE).await;
        }
        bail!("not finished after {ATTEMPTS_MAX} attempts: {asked:?}")
    }

    /// The session with the EPP door shows the device as it is, or as absent to who is not its sponsor;
    /// the DNS says so of every slot.
    async fn require_seen(
        &mut self,
        at: usize,
        lines: &mut Lines,
        witnesses: &Witnesses<'_>,
    ) -> anyhow::Result<()> {
        let device = self.devices[at].clone();
        let device_id = device.device_id;
        let id = self.transactions.new_id();
        let (who, line) = lines.epp();
        let asked = Command::Device(DeviceCommand::Info {
            device_id,
            auth_info: None,
        });
        let seen = match line.give(&asked, &id).await {
            Err(LineError::StoodStill(_)) => line.give(&asked, &id).await?,
            given => given?,
        };
        if who == device.sponsor {
            let info = seen.info().with_context(|| format!("info: {seen:?}"))?;
            device.require(info)?;
        } else {
            ensure!(
                seen.code == ResultCode::ObjectDoesNotExist,
                "a stranger is shown {seen:?}"
            );
        }
        for (slot, publication) in device.publications()? {
            witnesses.names.expect(device_id, slot, publication).await?;
        }
        Ok(())
    }
}
