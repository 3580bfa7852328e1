//! One race: two operators, two keys, one id.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use iot_epp_api::{ClientTransactionId, Command, ResultCode};
use iot_identity::{DeviceId, Fingerprint, Publication, Slot};
use tokio::sync::Barrier;

use super::arena::{Arena, Won, create, info};
use super::judges;
use crate::accounts::certificate_request;
use crate::certificates;
use crate::doors::{Answer, Door, Line, LineError};
use crate::draws::Draws;
use crate::report::{Counts, add};

/// Through which doors the two come, one race after the other.
const DOORS: [[Door; 2]; 4] = [
    [Door::Json, Door::Json],
    [Door::Epp, Door::Epp],
    [Door::Json, Door::Epp],
    [Door::Epp, Door::Json],
];
/// In so many of a hundred races one of the two hesitates: then it meets the other one's registration
/// half done.
const HESITATES_PERCENT: u32 = 25;
/// How long it does, in milliseconds, at most.
const HESITATION_MILLIS_MAX: u32 = 4;
/// How often a command is sent again whose answer was lost or is still to come.
const ATTEMPTS_MAX: u32 = 20;
/// Pause before that.
const AGAIN_PAUSE: Duration = Duration::from_millis(100);

/// What one side of a race sends.
struct Side {
    line: Line,
    command: Command,
    id: ClientTransactionId,
    hesitation: Duration,
}

impl Side {
    /// Connects, waits for the other one, and asks.
    async fn go(mut self, start: Arc<Barrier>) -> (Line, Result<Answer, LineError>) {
        let prepared = self.line.prepare().await;
        start.wait().await;
        if let Err(error) = prepared {
            return (self.line, Err(error));
        }
        if !self.hesitation.is_zero() {
            tokio::time::sleep(self.hesitation).await;
        }
        let answer = self.line.give(&self.command, &self.id).await;
        (self.line, answer)
    }
}

impl Arena {
    /// Lets the two race for an id, and holds everybody to what came of it.
    pub(super) async fn race(
        &mut self,
        number: u32,
        draws: &mut Draws,
        counts: &mut Counts,
    ) -> anyhow::Result<()> {
        let device_id = self.ids.next(draws);
        let doors = DOORS[number as usize % DOORS.len()];
        let csrs = [certificate_request()?, certificate_request()?];
        let ids = [0, 1].map(|by| self.racers[by].transactions.new_id());
        let hesitations = self.hesitations(draws);
        let start = Arc::new(Barrier::new(2));
        let mut sides: Vec<_> = (0..2)
            .map(|by| {
                let side = Side {
                    line: self.racers[by].take(doors[by]),
                    command: create(device_id, csrs[by].clone()),
                    id: ids[by].clone(),
                    hesitation: hesitations[by],
                };
                (by, side)
            })
            .collect();
        // Who is called first has a small advantage.
        if draws.chance(50) {
            sides.reverse();
        }
        let called = sides
            .into_iter()
            .map(|(by, side)| (by, tokio::spawn(side.go(Arc::clone(&start)))));
        let mut called: Vec<_> = called.collect();
        called.sort_by_key(|(by, _)| *by);
        let mut answers = Vec::new();
        for (by, side) in called {
            let (line, answer) = side.await?;
            self.racers[by].give_back(line);
            answers.push(answer);
        }
        let mut heard = Vec::new();
        for (by, answer) in answers.into_iter().enumerate() {
            heard.push(match answer {
                Ok(answer) if answer.code != ResultCode::CommandFailed => answer,
                // What got no answer is safely asked for again under the same name.
                Ok(_) | Err(LineError::Lost(_) | LineError::StoodStill(_)) => {
                    add(counts, "answers that did not come, asked for again", 1);
                    let command = create(device_id, csrs[by].clone());
                    self.ask(by, doors[by], &command, &ids[by]).await?
                }
                Err(error) => return Err(error.into()),
            });
        }
        let heard: [Answer; 2] = heard.try_into().ok().context("two answers")?;
        let won = judges::winner(&heard)?;
        self.baselines
            .require_exists(doors[1 - won], device_id, &heard[1 - won].said)?;
        add(counts, name_of(doors, won), 1);
        let commands = csrs.map(|csr| create(device_id, csr));
        self.judge(device_id, won, doors, &commands, &ids).await
    }

    fn hesitations(&self, draws: &mut Draws) -> [Duration; 2] {
        let mut hesitations = [Duration::ZERO; 2];
        if draws.chance(HESITATES_PERCENT) {
            let millis = 1 + draws.below(HESITATION_MILLIS_MAX);
            let who = draws.below(2) as usize;
            hesitations[who] = Duration::from_millis(u64::from(millis));
        }
        hesitations
    }

    /// Both ask again, through the other door; then the database and the DNS are asked.
    async fn judge(
        &mut self,
        device_id: DeviceId,
        won: usize,
        doors: [Door; 2],
        commands: &[Command; 2],
        ids: &[ClientTransactionId; 2],
    ) -> anyhow::Result<()> {
        let lost = 1 - won;
        let again = self
            .ask(won, doors[won].other(), &commands[won], &ids[won])
            .await?;
        let issued = again.issued().context("who won is told so again")?.clone();
        ensure!(
            again.replayed(),
            "who won and asks again has another device: {again:?}"
        );
        let Command::Device(iot_epp_api::command::DeviceCommand::Create { csr, .. }) =
            &commands[won]
        else {
            anyhow::bail!("a race is for a registration");
        };
        certificates::require_for(&issued.certificate, csr, device_id, issued.slot)?;
        self.serials.note(&issued.certificate)?;

        let door = doors[lost].other();
        let again = self.ask(lost, door, &commands[lost], &ids[lost]).await?;
        ensure!(
            again.code == ResultCode::ObjectExists,
            "who lost and asks again is told {again:?}"
        );
        self.baselines
            .require_exists(door, device_id, &again.said)?;
        let id = self.racers[lost].transactions.new_id();
        let foreign = self.ask(lost, door, &info(device_id), &id).await?;
        self.baselines
            .require_absent(door, device_id, &foreign.said)?;
        self.settled(device_id, won, &issued.certificate).await
    }

    /// One device with one certificate, in the database, in the eyes of its sponsor, and in the DNS.
    pub(super) async fn settled(
        &mut self,
        device_id: DeviceId,
        won: usize,
        certificate: &[u8],
    ) -> anyhow::Result<()> {
        let kept = self.inside.kept(device_id)?;
        judges::require_one(&kept, self.racers[won].member.name.as_str(), certificate)?;
        let fingerprint = Fingerprint::of_certificate(certificate);
        let id = self.racers[won].transactions.new_id();
        let seen = self.ask(won, Door::Json, &info(device_id), &id).await?;
        let slots = seen.info().context("who won sees the device")?;
        let slots: Vec<_> = slots.slots.iter().map(|one| one.fingerprint).collect();
        ensure!(
            slots == [fingerprint],
            "who won sees other certificates: {seen:?}"
        );
        let names = &self.names;
        let active = Publication::Active(fingerprint);
        names.expect(device_id, Slot::FIRST, active).await?;
        let second = Slot::new(Slot::FIRST.get() + 1)?;
        names.expect(device_id, second, Publication::Absent).await?;
        let won = Won {
            by: won,
            fingerprint,
        };
        self.won.insert(device_id.to_string(), won);
        Ok(())
    }

    /// Asks until there is an answer that says more than that it is still to come.
    pub(super) async fn ask(
        &mut self,
        by: usize,
        door: Door,
        command: &Command,
        id: &ClientTransactionId,
    ) -> anyhow::Result<Answer> {
        let line = self.racers[by].line(door);
        for _ in 0..ATTEMPTS_MAX {
            match line.give(command, id).await {
                Ok(answer) if answer.is_pending() || answer.code == ResultCode::CommandFailed => {}
                Err(LineError::Lost(_) | LineError::StoodStill(_)) => {}
                heard => return Ok(heard?),
            }
            tokio::time::sleep(AGAIN_PAUSE).await;
        }
        anyhow::bail!("no answer after {ATTEMPTS_MAX} attempts at {command:?}")
    }
}

fn name_of(doors: [Door; 2], won: usize) -> &'static str {
    match (doors, won) {
        ([Door::Json, Door::Json], 0) => "JSON against JSON, won by the first",
        ([Door::Json, Door::Json], _) => "JSON against JSON, won by the second",
        ([Door::Epp, Door::Epp], 0) => "EPP against EPP, won by the first",
        ([Door::Epp, Door::Epp], _) => "EPP against EPP, won by the second",
        (_, won) if doors[won] == Door::Json => "JSON against EPP, won by JSON",
        _ => "JSON against EPP, won by EPP",
    }
}
