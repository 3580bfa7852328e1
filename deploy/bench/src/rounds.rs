//! Interleaved rounds: every server is asked in turn, again and again, so that whatever else the
//! machine does falls on all of them alike. The first round warms up and is thrown away.

use anyhow::{Context, ensure};
use serde::Serialize;

use crate::outcome::Outcome;
use crate::processes::{Conversation, Process};
use crate::queries::Asked;

/// Share of queries that may stay unanswered.
const LOST_SHARE_MAX: f64 = 0.001;

/// One server asked one kind of query by one client.
pub(crate) struct Series<'a, O> {
    /// What the figures call the server.
    pub(crate) server: String,
    pub(crate) asked: Asked,
    pub(crate) process: &'a Process,
    /// Index of the client that asks.
    pub(crate) client: usize,
    pub(crate) order: O,
}

/// Medians over the rounds.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) server: String,
    pub(crate) asked: Asked,
    /// CPU time of the server, user and system, for an answer.
    pub(crate) cpu_us: f64,
    pub(crate) answers_per_sec: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// Mean length of an answer.
    pub(crate) answer_octets: f64,
    /// Share of the connections that resumed a session, where each answer has its own.
    pub(crate) resumed_share: f64,
}

/// Runs `rounds` rounds after the first; medians in the order of `series`.
pub(crate) fn measure<O: Serialize>(
    clients: &mut [Conversation],
    series: &[Series<'_, O>],
    rounds: usize,
) -> anyhow::Result<Vec<Measured>> {
    let mut samples: Vec<Vec<Sample>> = series.iter().map(|_| Vec::new()).collect();
    for round in 0..=rounds {
        for (series, samples) in series.iter().zip(&mut samples) {
            let client = &mut clients[series.client];
            let sample = sample(client, series)
                .with_context(|| format!("{} {}", series.server, series.asked.word()))?;
            if round > 0 {
                samples.push(sample);
            }
        }
    }
    Ok(medians(series, &samples))
}

/// Runs one round and nothing before it.
pub(crate) fn once<O: Serialize>(
    client: &mut Conversation,
    series: &Series<'_, O>,
) -> anyhow::Result<Measured> {
    let sample = sample(client, series)
        .with_context(|| format!("{} {}", series.server, series.asked.word()))?;
    let mut measured = medians(std::slice::from_ref(series), &[vec![sample]]);
    measured.pop().context("one series has one result")
}

fn medians<O>(series: &[Series<'_, O>], samples: &[Vec<Sample>]) -> Vec<Measured> {
    let median_of =
        |samples: &[Sample], value: fn(&Sample) -> f64| median(samples.iter().map(value).collect());
    series
        .iter()
        .zip(samples)
        .map(|(series, samples)| Measured {
            server: series.server.clone(),
            asked: series.asked,
            cpu_us: median_of(samples, |sample| sample.cpu_us),
            answers_per_sec: median_of(samples, |sample| sample.answers_per_sec),
            p50_us: median_of(samples, |sample| sample.p50_us),
            p99_us: median_of(samples, |sample| sample.p99_us),
            answer_octets: median_of(samples, |sample| sample.answer_octets),
            resumed_share: median_of(samples, |sample| sample.resumed_share),
        })
        .collect()
}

struct Sample {
    cpu_us: f64,
    answers_per_sec: f64,
    p50_us: f64,
    p99_us: f64,
    answer_octets: f64,
    resumed_share: f64,
}

fn sample<O: Serialize>(
    client: &mut Conversation,
    series: &Series<'_, O>,
) -> anyhow::Result<Sample> {
    let order = serde_json::to_string(&series.order)?;
    let before = series.process.cpu_us();
    let line = client.ask(&order)?;
    let cpu_us = series.process.cpu_us() - before;
    let outcome: Outcome = serde_json::from_str(&line).context(line)?;
    ensure!(outcome.wrong == 0, "{} wrong answers", outcome.wrong);
    ensure!(outcome.answers > 0, "no answer");
    let answers = outcome.answers as f64;
    ensure!(
        outcome.lost as f64 <= answers * LOST_SHARE_MAX,
        "{} of {answers} queries lost",
        outcome.lost
    );
    Ok(Sample {
        cpu_us: cpu_us / answers,
        answers_per_sec: answers / outcome.secs,
        p50_us: outcome.p50_us,
        p99_us: outcome.p99_us,
        answer_octets: outcome.octets as f64 / answers,
        resumed_share: outcome.resumed as f64 / answers,
    })
}

/// Mean length of the answers for a device and for an absent name.
pub(crate) fn answer_octets<'a, O: Serialize>(
    clients: &mut [Conversation],
    series: impl Fn(Asked) -> Series<'a, O>,
) -> anyhow::Result<(f64, f64)> {
    let mut octets_of = |asked| -> anyhow::Result<f64> {
        Ok(measure(clients, &[series(asked)], 1)?[0].answer_octets)
    };
    Ok((octets_of(Asked::Present)?, octets_of(Asked::Nxdomain)?))
}

/// The measurement of one server and kind of query.
pub(crate) fn of<'a>(
    measured: &'a [Measured],
    server: &str,
    asked: Asked,
) -> anyhow::Result<&'a Measured> {
    measured
        .iter()
        .find(|measured| measured.server == server && measured.asked == asked)
        .with_context(|| format!("{server} was not asked {}", asked.word()))
}

/// The value in the middle; 0 of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(Vec::new()), 0.0);
    }
}
