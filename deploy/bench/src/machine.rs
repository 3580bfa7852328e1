//! What the machine is: figures mean nothing without it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::process::Command;
use std::time::Instant;

/// Writes for the median.
const SYNCS: usize = 101;

/// Versions of what was measured and of what measured.
pub(crate) fn versions() -> BTreeMap<&'static str, String> {
    let mut versions = BTreeMap::from([("iot-registry", env!("CARGO_PKG_VERSION").to_owned())]);
    let tools = [
        ("rustc", &["rustc", "--version"]),
        ("kernel", &["uname", "-r"]),
    ];
    for (name, command) in tools {
        if let Ok(output) = Command::new(command[0]).args(&command[1..]).output() {
            versions.insert(
                name,
                String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            );
        }
    }
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    versions.insert("cores", cores.to_string());
    versions
}

/// Median time of making one 4 KiB write durable, in milliseconds.
pub(crate) fn fdatasync_p50_ms() -> anyhow::Result<f64> {
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
