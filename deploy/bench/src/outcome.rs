//! What came of a client's order, with latencies in buckets that grow with the latency: exact to
//! 1/16, without a list of every query.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Buckets for each doubling.
const STEPS: usize = 16;
/// Doublings: 1 ns to more than an hour.
const DOUBLINGS: usize = 42;

/// What a client reports, as one line of JSON.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Answers, right or wrong.
    pub(crate) answers: u64,
    pub(crate) secs: f64,
    pub(crate) wrong: u64,
    /// Queries without an answer.
    pub(crate) lost: u64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// Octets of all answers.
    pub(crate) octets: u64,
    /// Connections that resumed an earlier TLS session.
    pub(crate) resumed: u64,
}

impl Outcome {
    /// With duration and latencies filled in.
    pub(crate) fn ended(mut self, begin: Instant, latencies: &Latencies) -> Self {
        self.secs = begin.elapsed().as_secs_f64();
        self.p50_us = latencies.quantile_us(0.5);
        self.p99_us = latencies.quantile_us(0.99);
        self
    }
}

/// How many queries took how long.
pub(crate) struct Latencies {
    counts: Vec<u64>,
    total: u64,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        Self {
            counts: vec![0; STEPS * DOUBLINGS],
            total: 0,
        }
    }

    pub(crate) fn note(&mut self, latency: Duration) {
        let nanoseconds = (latency.as_nanos() as u64).max(STEPS as u64);
        let doubling = 63 - nanoseconds.leading_zeros() as usize;
        let step = (nanoseconds >> (doubling - 4)) as usize & (STEPS - 1);
        let at = (doubling * STEPS + step).min(self.counts.len() - 1);
        self.counts[at] += 1;
        self.total += 1;
    }

    /// The latency that this share of the queries stayed below, in microseconds; 0 without any.
    pub(crate) fn quantile_us(&self, share: f64) -> f64 {
        let wanted = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && *count > 0 {
                let (doubling, step) = (at / STEPS, at % STEPS);
                return ((STEPS + step + 1) as f64 / STEPS as f64) * 2f64.powi(doubling as i32)
                    / 1e3;
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_a_sixteenth() {
        let mut latencies = Latencies::new();
        for microseconds in 1..=1000 {
            latencies.note(Duration::from_micros(microseconds));
        }
        for (share, exact) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let found = latencies.quantile_us(share);
            assert!(found >= exact && found < exact * 1.07, "{share}: {found}");
        }
    }
}
