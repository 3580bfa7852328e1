//! Credentials that were issued elsewhere, as `zone load` takes them.

#![allow(dead_code, unreachable_pub)] // every test uses its part

use std::path::PathBuf;
use std::process::Output;

use iot_identity::{DeviceId, Fingerprint};

use crate::harness::Registry;

/// Different valid EIDs: the first 30 digits count, the last two check (number mod 97 = 1).
pub fn eid(number: u64) -> DeviceId {
    let stem = format!("890490320000{number:018}");
    let rest = stem.bytes().fold(0_u64, |rest, digit| {
        (rest * 10 + u64::from(digit - b'0')) % 97
    });
    DeviceId::parse(&format!("{stem}{:02}", 98 - rest * 100 % 97)).unwrap()
}

/// A line of the file: an active credential of slot 1, and `more` behind it.
pub fn line(number: u64, more: &str) -> String {
    let fingerprint = Fingerprint::of_certificate(&number.to_be_bytes());
    format!(
        "{} 1 {fingerprint} 2031-11-22T00:00:00Z{more}\n",
        eid(number)
    )
}

/// The file, beside the registry's directory.
pub fn write(registry: &Registry, text: &str) -> PathBuf {
    let path = registry.scratch.path().join("credentials");
    std::fs::write(&path, text).unwrap();
    path
}

/// Loads the lines for the account `mno-a`.
pub fn load(registry: &Registry, text: &str) -> Output {
    let path = write(registry, text);
    registry.run(&["zone", "load", path.to_str().unwrap(), "--account", "mno-a"])
}
