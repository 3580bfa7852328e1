//! A change that the gate refuses: it stays out, and known as such, until the zone is whole again.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod asking;
mod credentials;
mod harness;

use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use asking::{Said, ask};
use credentials::{eid, line, load};
use harness::{Registry, Serving, succeed};
use iot_dns_zone::Profile;
use iot_identity::Fingerprint;

const HELD: u64 = 40;

/// Flips a bit of every copy of a device's record in the zone's file.
fn damage(registry: &Registry, number: u64) {
    let wanted = Fingerprint::of_certificate(&number.to_be_bytes());
    let path = registry.dir.join("zone/blocks");
    let octets = std::fs::read(&path).unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    let copies = octets.windows(32).enumerate();
    let copies = copies.filter(|(_, part)| part == wanted.as_octets());
    let damaged = copies.map(|(at, _)| file.write_all_at(&[octets[at] ^ 1], at as u64).unwrap());
    assert!(damaged.count() > 0);
}

/// Whether the newest row of a device's journal is quarantined, and whether it is published.
fn newest_row(registry: &Registry, number: u64) -> (bool, bool) {
    let query = format!(
        "SELECT quarantined IS NOT NULL, published_serial IS NOT NULL FROM journal
         WHERE device_id = '{}' ORDER BY seq DESC LIMIT 1",
        eid(number)
    );
    let path = registry.dir.join("registry.db");
    let database = rusqlite::Connection::open(path).unwrap();
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    database.query_row(&query, [], row).unwrap()
}

fn wait_for_row(serving: &Serving, number: u64, expected: (bool, bool)) {
    let begin = Instant::now();
    loop {
        let found = newest_row(&serving.registry, number);
        if found == expected {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(10), "{found:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_refused_change_stays_refused_over_starts_and_is_published_by_a_rebuild() {
    let registry = Registry::init(Profile::Standard);
    let text: String = (0..64).map(|number| line(number, "")).collect();
    succeed(&load(&registry, &text));
    // The zone is built, and every device in it, before a page of it is damaged.
    let registry = registry.serve().stop();
    damage(&registry, HELD);

    let serving = registry.serve();
    let deactivate = |serving: &Serving, number| {
        let id = eid(number).to_string();
        serving.run(&["device", "deactivate", "--id", &id])
    };
    let told = succeed(&deactivate(&serving, HELD));
    assert!(
        told.contains("pending"),
        "nobody is told that it is done: {told}"
    );
    serving.wait_for_log("the gate refused a change; it is not published", 1);
    wait_for_row(&serving, HELD, (true, false));
    succeed(&deactivate(&serving, 3));
    assert_eq!(ask(serving.dns, eid(3).as_str()), Said::NotActive);

    let mut serving = serving;
    for _ in 0..2 {
        serving = serving.kill().serve();
        // A start is no repair: what is not in the zone is not recorded as published.
        assert_eq!(newest_row(&serving.registry, HELD), (true, false));
        assert_eq!(ask(serving.dns, eid(HELD).as_str()), Said::Failure);
    }
    let registry = serving.stop();
    assert_eq!(newest_row(&registry, HELD), (true, false));

    succeed(&registry.run(&["zone", "rebuild"]));
    let serving = registry.serve();
    wait_for_row(&serving, HELD, (false, true));
    assert_eq!(ask(serving.dns, eid(HELD).as_str()), Said::NotActive);
    succeed(&serving.run(&["zone", "check"]));
}
