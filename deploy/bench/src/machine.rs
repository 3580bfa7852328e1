//! What the machine is: figures mean nothing without it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Instant;

use anyhow::{Context, anyhow};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};

use crate::figure::Figure;
use crate::processes::own_cpu_secs;

/// Writes for the median.
const SYNCS: usize = 101;
/// Signatures for the mean.
const SIGNATURES: u32 = 5_000;

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

/// The figures that every topic prints: what disk and core gave at that moment.
pub(crate) fn floors() -> anyhow::Result<[Figure; 2]> {
    let sync_ms = fdatasync_p50_ms()?;
    let signature_us = bare_signature_secs(SIGNATURES)? * 1e6;
    let said = format!("P-256, mean of {SIGNATURES}");
    Ok([
        Figure::new("fdatasync_p50_ms", sync_ms, "ms", "4 KiB"),
        Figure::new("bare_signature_us", signature_us, "us", said).beside("ring"),
    ])
}

/// Mean CPU time of a signature and nothing else.
pub(crate) fn bare_signature_secs(count: u32) -> anyhow::Result<f64> {
    let before = own_cpu_secs();
    sign(count)?;
    Ok((own_cpu_secs() - before) / f64::from(count))
}

/// The same while every core signs `count` times: cores that share something take longer then.
pub(crate) fn bare_signature_secs_on_all_cores(count: u32) -> anyhow::Result<f64> {
    cpu_secs_on_all_cores(count, sign)
}

/// Mean CPU time of a piece of work while every core does it `count` times.
pub(crate) fn cpu_secs_on_all_cores(
    count: u32,
    work: fn(u32) -> anyhow::Result<()>,
) -> anyhow::Result<f64> {
    let threads = std::thread::available_parallelism()?.get();
    let before = own_cpu_secs();
    let working: Vec<_> = (0..threads)
        .map(|_| std::thread::spawn(move || work(count)))
        .collect();
    for thread in working {
        thread.join().map_err(|_| anyhow!("work ended early"))??;
    }
    Ok((own_cpu_secs() - before) / (f64::from(count) * threads as f64))
}

pub(crate) fn sign(count: u32) -> anyhow::Result<()> {
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let failed = |_| anyhow!("signing failed");
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(failed)?;
    let key = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random)?;
    // As long as the signed octets of a CERT RRset.
    let mut message = [0x5a; 180];
    for number in 0..count {
        message[..4].copy_from_slice(&number.to_be_bytes());
        std::hint::black_box(key.sign(&random, &message).map_err(failed)?);
    }
    Ok(())
}

/// Octets that the disk under a directory has taken, from everybody. What the kernel counts for a
/// process is not that: it counts a whole folio, however little of it is written.
pub(crate) fn written_octets(directory: &Path) -> anyhow::Result<u64> {
    let device = std::fs::metadata(directory)?.dev();
    let (major, minor) = (libc::major(device), libc::minor(device));
    let path = format!("/sys/dev/block/{major}:{minor}/stat");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("{path}: no disk under {}", directory.display()))?;
    // The seventh number: sectors of 512 octets written.
    let sectors: u64 = text
        .split_ascii_whitespace()
        .nth(6)
        .context("sectors written")?
        .parse()?;
    Ok(sectors * 512)
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
