//! dnsperf as the second load generator.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, ensure};
use iot_identity::{OwnerName, Slot};

use crate::peers::Peers;
use crate::population::{Population, mixed};
use crate::processes::{CLIENT_CORE, Process};
use crate::rounds::median;

/// Writes a file of queries for random devices.
pub(crate) fn write_queries(
    path: &Path,
    population: &Population,
    count: u64,
) -> anyhow::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    let zone = crate::zone::apex();
    for number in 0..count {
        let device = population.device(mixed(number) % population.devices);
        writeln!(
            out,
            "{} CERT",
            OwnerName::new(Slot::FIRST, device, &zone).fqdn()
        )?;
    }
    out.flush()?;
    Ok(())
}

/// CPU time of a server for each query that dnsperf had answered: the median of some rounds after
/// a first that is thrown away.
pub(crate) fn cpu_us(
    peers: &Peers,
    process: &Process,
    at: SocketAddr,
    queries: &str,
    rounds: usize,
    secs: f64,
) -> anyhow::Result<f64> {
    let mut values = Vec::new();
    for round in 0..=rounds {
        let before = process.cpu_us();
        let (ip, port) = (at.ip().to_string(), at.port().to_string());
        let secs = secs.ceil().to_string();
        let arguments = [
            "-s", &ip, "-p", &port, "-d", queries, "-l", &secs, "-c", "4", "-q", "200", "-D",
        ];
        let said = peers.tool(CLIENT_CORE, "dnsperf", &arguments)?;
        let spent = process.cpu_us() - before;
        let completed = completed(&said).context("dnsperf said nothing of its queries")?;
        ensure!(completed > 0.0, "no query completed");
        if round > 0 {
            values.push(spent / completed);
        }
    }
    Ok(median(values))
}

fn completed(said: &str) -> Option<f64> {
    let line = said
        .lines()
        .find(|line| line.contains("Queries completed:"))?;
    line.split_whitespace().nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_completed_queries_is_read() {
        let said = "Statistics:\n\n  Queries sent:         7\n  Queries completed:    6 (85.7%)\n";
        assert_eq!(completed(said), Some(6.0));
        assert_eq!(completed(""), None);
    }
}
