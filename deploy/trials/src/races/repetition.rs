//! One request, many times at once: one device, and everybody is told of the same certificate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, bail, ensure};
use iot_epp_api::{ClientTransactionId, Command, ResultCode};

use super::REPETITIONS;
use super::arena::{Arena, create};
use crate::accounts::certificate_request;
use crate::certificates;
use crate::doors::{Answer, Door, Line, LineError};
use crate::draws::Draws;
use crate::report::{Counts, add};

/// Answers of one line that may be lost.
const LOST_MAX: u64 = 20;

impl Arena {
    /// Has the first operator send one registration many times, through one door or both.
    pub(super) async fn repeat(
        &mut self,
        number: u32,
        draws: &mut Draws,
        counts: &mut Counts,
    ) -> anyhow::Result<()> {
        let device_id = self.ids.next(draws);
        let doors: &[Door] = match number / super::RACES_PER_REPETITION % 3 {
            0 => &Door::ALL,
            1 => &[Door::Json],
            _ => &[Door::Epp],
        };
        let csr = certificate_request()?;
        let command = create(device_id, csr.clone());
        let id = self.racers[0].transactions.new_id();
        let (used, spared) = std::mem::take(&mut self.crowd)
            .into_iter()
            .partition::<Vec<Line>, _>(|line| doors.contains(&line.door()));
        self.crowd = spared;
        let left = Arc::new(AtomicU32::new(REPETITIONS));
        let tasks: Vec<_> = used
            .into_iter()
            .map(|line| {
                let sent = (command.clone(), id.clone());
                tokio::spawn(send(line, sent, Arc::clone(&left)))
            })
            .collect();
        let mut answers = Vec::new();
        for task in tasks {
            let (line, heard, lost) = task.await??;
            self.crowd.push(line);
            answers.extend(heard);
            add(counts, "answers that did not come, asked for again", lost);
        }
        let certificate = judge(&answers)?;
        certificates::require_for(&certificate, &csr, device_id, iot_identity::Slot::FIRST)?;
        self.serials.note(&certificate)?;
        add(
            counts,
            "repetitions of one registration",
            answers.len() as u64,
        );
        self.settled(device_id, 0, &certificate).await
    }
}

type Heard = (Line, Vec<Answer>, u64);

/// Sends until everybody together has sent often enough.
async fn send(
    mut line: Line,
    (command, id): (Command, ClientTransactionId),
    left: Arc<AtomicU32>,
) -> anyhow::Result<Heard> {
    let (mut answers, mut lost) = (Vec::new(), 0);
    let take = |left: u32| left.checked_sub(1);
    while left
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
        .is_ok()
    {
        match line.give(&command, &id).await {
            Ok(answer) => answers.push(answer),
            Err(LineError::Lost(_) | LineError::StoodStill(_)) => {
                lost += 1;
                ensure!(lost < LOST_MAX, "{lost} answers did not come");
                left.fetch_add(1, Ordering::SeqCst);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((line, answers, lost))
}

/// The certificate that everybody was told of.
///
/// # Errors
/// A refusal, another certificate, or more than one that is not a repetition.
fn judge(answers: &[Answer]) -> anyhow::Result<Vec<u8>> {
    let mut certificate: Option<&[u8]> = None;
    let mut first_times = 0;
    for answer in answers {
        if answer.is_pending() || is_in_progress(answer) {
            continue;
        }
        let Some(issued) = answer.issued() else {
            bail!("a repetition was refused: {answer:?}");
        };
        let told = certificate.get_or_insert(&issued.certificate);
        ensure!(
            *told == issued.certificate,
            "repetitions are told of two certificates: {answer:?}"
        );
        first_times += u32::from(!answer.replayed());
    }
    ensure!(
        first_times <= 1,
        "{first_times} of the same requests were carried out"
    );
    Ok(certificate.context("nobody was told")?.to_vec())
}

/// Told to ask again, since the first one is being carried out.
fn is_in_progress(answer: &Answer) -> bool {
    answer.code == ResultCode::CommandFailed
}
