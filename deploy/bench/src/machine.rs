//! What the machine is: figures mean nothing without it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Instant;

use crate::figure::Figure;

/// Writes for the median.
const SYNCS: usize = 101;

/// Versions of programs that are not ours and were measured in this run.
static PEERS: OnceLock<BTreeMap<String, String>> = OnceLock::new();

/// Adds the versions of peers to those that every figure names.
pub(crate) fn note_peers(versions: &BTreeMap<String, String>) {
    // Set once: a run has one set of peers.
    let _ = PEERS.set(versions.clone());
}

/// Versions of what was measured and of what measured.
pub(crate) fn versions() -> BTreeMap<String, String> {
    let mut versions = PEERS.get().cloned().unwrap_or_default();
    versions.insert("iot-registry".into(), env!("CARGO_PKG_VERSION").into());
    let tools = [
        ("rustc", &["rustc", "--version"]),
        ("kernel", &["uname", "-r"]),
    ];
    for (name, command) in tools {
        if let Ok(output) = Command::new(command[0]).args(&command[1..]).output() {
            let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            versions.insert(name.into(), said);
        }
    }
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    versions.insert("cores".into(), cores.to_string());
    versions
}

/// The figure that every topic prints.
pub(crate) fn fdatasync() -> anyhow::Result<Figure> {
    Ok(Figure::new(
        "fdatasync_p50_ms",
        fdatasync_p50_ms()?,
        "ms",
        "4 KiB",
    ))
}

/// Median time of making one 4 KiB write durable, in milliseconds.
fn fdatasync_p50_ms() -> anyhow::Result<f64> {
    let scratch = tempfile::tempdir()?;
    let mut file = File::create(scratch.path().join("sync"))?;
    let mut times_ms = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        file.write_all(&[0x5a; 4096])?;
        let begin = Instant::now();
        file.sync_data()?;
        times_ms.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    times_ms.sort_by(f64::total_cmp);
    Ok(times_ms[SYNCS / 2])
}
