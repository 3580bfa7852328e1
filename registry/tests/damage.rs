//! A zone on disk that cannot be read any more: nothing is guessed, and one command makes it anew.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod credentials;
mod harness;

use std::os::unix::fs::FileExt;

use credentials::{line, load};
use harness::{Registry, Serving, succeed};
use iot_dns_zone::Profile;

fn serial(serving: &Serving) -> u32 {
    let report = succeed(&serving.run(&["zone", "check"]));
    let number = report.split_ascii_whitespace().nth(3).unwrap();
    number.trim_end_matches(':').parse().unwrap()
}

fn spoil(registry: &Registry, octets: &[u8], offsets: &[u64]) {
    let file = std::fs::File::options()
        .write(true)
        .open(registry.dir.join("zone/blocks"))
        .unwrap();
    for offset in offsets {
        file.write_all_at(octets, *offset).unwrap();
    }
}

#[test]
fn a_zone_without_superblock_is_refused_and_rebuilt_above_its_serial() {
    let registry = Registry::init(Profile::Standard);
    let text: String = (0..40).map(|number| line(number, "")).collect();
    succeed(&load(&registry, &text));
    let serving = registry.serve();
    let published = serial(&serving);
    let registry = serving.stop();

    // Both superblocks.
    spoil(&registry, &[0; 4096], &[0, 4096]);
    let said = registry.refused_start();
    assert!(said.contains("rebuild the zone"), "{said}");
    let said = succeed(&registry.run(&["zone", "rebuild"]));
    assert!(said.contains("rebuilt from the database"), "{said}");
    let serving = registry.serve();
    assert!(serial(&serving) > published);
    let registry = serving.stop();

    // One superblock is enough, and is written again.
    spoil(&registry, &[0; 4096], &[0]);
    let serving = registry.serve();
    succeed(&serving.run(&["zone", "check"]));
    let registry = serving.kill();
    spoil(&registry, &[0; 4096], &[4096]);
    let serving = registry.serve();
    succeed(&serving.run(&["zone", "check"]));
}
