//! Stopping and starting again: same keys, higher serial, same devices.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod harness;

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use harness::{EID, ICCID, Registry, Serving, openssl_request, succeed};
use iot_dns_zone::{Profile, ZoneWriter};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

fn register(serving: &Serving, id: &str) {
    let (_, csr) = openssl_request(serving.registry.scratch.path(), id);
    let out = serving.registry.scratch.path().join(format!("{id}.pem"));
    succeed(&serving.run(&[
        "device",
        "register",
        "--id",
        id,
        "--csr",
        csr.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ]));
}

fn serial_of(dump: &str) -> u32 {
    let fields = |line: &str| {
        line.split_ascii_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let soa = dump
        .lines()
        .map(fields)
        .find(|fields| fields[3] == "SOA")
        .unwrap();
    soa[6].parse().unwrap()
}

/// Whether the TLSA record of a device's first slot is answered.
fn is_answered(dns: SocketAddr, id: &str) -> bool {
    let mut query = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in ["1", id, "iotregistry", "example", ""] {
        query.push(label.len() as u8);
        query.extend_from_slice(label.as_bytes());
    }
    query.extend_from_slice(&[0, 52, 0, 1]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    socket.send_to(&query, dns).unwrap();
    let mut answer = [0; 512];
    let octets = socket.recv(&mut answer).unwrap();
    assert!(octets >= 12 && answer[3] & 0x0f != 2, "SERVFAIL");
    answer[7] == 1
}

/// Owner, type and RDATA of everything that is neither signature nor serial.
fn content_of(dump: &str) -> Vec<String> {
    let unsigned = |line: &&str| !line.contains("\tRRSIG\t") && !line.contains("\tSOA\t");
    dump.lines().filter(unsigned).map(str::to_owned).collect()
}

#[test]
fn restart_keeps_keys_and_devices_and_never_lowers_the_serial() {
    let serving = Registry::init(Profile::Standard).serve();
    register(&serving, EID);
    register(&serving, ICCID);
    succeed(&serving.run(&["device", "deactivate", "--id", ICCID]));
    let anchor = succeed(&serving.run(&["zone", "ds"]));
    let before = succeed(&serving.run(&["zone", "dump"]));
    assert!(before.contains(EID) && before.contains("status=inactive"));

    let serving = serving.stop().serve();
    assert_eq!(succeed(&serving.run(&["zone", "ds"])), anchor);
    let after = succeed(&serving.run(&["zone", "dump"]));
    assert_eq!(content_of(&after), content_of(&before));
    assert!(serial_of(&after) >= serial_of(&before));

    // A kill is an ordinary start, too.
    let serving = serving.kill().serve();
    let again = succeed(&serving.run(&["zone", "dump"]));
    assert_eq!(content_of(&again), content_of(&before));
    assert!(serial_of(&again) >= serial_of(&after));
    succeed(&serving.run(&["device", "activate", "--id", ICCID]));
    let changed = succeed(&serving.run(&["zone", "dump"]));
    assert!(serial_of(&changed) > serial_of(&again));
    succeed(&serving.run(&["zone", "check"]));
}

#[test]
fn with_an_older_database_the_published_zone_is_answered_until_a_rebuild() {
    let registry = Registry::init(Profile::Standard);
    let copy = registry.scratch.path().join("registry.db.copy");
    std::fs::copy(registry.dir.join("registry.db"), &copy).unwrap();
    let serving = registry.serve();
    register(&serving, EID);
    let published = serial_of(&succeed(&serving.run(&["zone", "dump"])));
    let registry = serving.stop();
    std::fs::copy(&copy, registry.dir.join("registry.db")).unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(registry.dir.join(format!("registry.db{suffix}")));
    }
    let message = registry.answers_only(|dns| {
        assert!(is_answered(dns, EID), "the device that only the zone knows");
        // Nothing is written to the copy, and no command is taken.
        let refused = registry.run(&["device", "list"]);
        assert!(!refused.status.success());
    });
    assert!(
        message.contains("older copy") && message.contains("zone rebuild"),
        "{message}"
    );

    succeed(&registry.run(&["zone", "rebuild"]));
    let serving = registry.serve();
    let dump = succeed(&serving.run(&["zone", "dump"]));
    assert!(serial_of(&dump) > published);
    assert!(!dump.contains(EID));
}

#[test]
fn reading_the_zone_needs_a_running_registry_and_changes_nothing() {
    let registry = Registry::init(Profile::Standard);
    let last = || ZoneWriter::last_commit(&registry.dir.join("zone")).unwrap();
    let commit = last();
    assert!(commit.is_some());
    for command in ["dump", "check"] {
        let refused = registry.run(&["zone", command]);
        let message = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            !refused.status.success() && message.contains("serve"),
            "{message}"
        );
    }
    assert_eq!(last(), commit);
}

#[test]
fn another_key_signing_key_is_refused() {
    let registry = Registry::init(Profile::Standard);
    let other = Registry::init(Profile::Standard);
    let key = |registry: &Registry, name: &str| registry.dir.join("zone").join(name);
    let own = std::fs::read(key(&registry, "ksk.pk8.pem")).unwrap();
    std::fs::copy(key(&other, "ksk.pk8.pem"), key(&registry, "ksk.pk8.pem")).unwrap();
    let message = registry.refused_start();
    assert!(message.contains("accept-key"), "{message}");
    std::fs::write(key(&registry, "ksk.pk8.pem"), own).unwrap();
    std::fs::copy(key(&registry, "ksk.pk8.pem"), key(&registry, "zsk.pk8.pem")).unwrap();
    let message = registry.refused_start();
    assert!(message.contains("same key"), "{message}");
}

#[test]
fn what_cannot_be_written_is_not_done() {
    let serving = Registry::init(Profile::Standard).serve();
    let (_, csr) = openssl_request(serving.registry.scratch.path(), "x");
    let register = [
        "device",
        "register",
        "--id",
        EID,
        "--csr",
        csr.to_str().unwrap(),
    ];
    let nowhere = ["--out", "/nonexistent/x.pem"];
    assert!(
        !serving
            .run(&[&register[..], &nowhere].concat())
            .status
            .success()
    );
    assert!(
        !serving
            .run(&["device", "info", "--id", EID])
            .status
            .success()
    );
    let token = ["account", "add", "mno-b", "--save-token", "/nonexistent/t"];
    assert!(!serving.run(&token).status.success());
    let taken = serving.registry.dir.join("client.token");
    let token = [
        "account",
        "add",
        "mno-b",
        "--save-token",
        taken.to_str().unwrap(),
    ];
    assert!(!serving.run(&token).status.success());
    assert!(!succeed(&serving.run(&["account", "list"])).contains("mno-b"));
}

#[test]
fn serve_makes_a_registry_in_an_empty_directory_once() {
    let registry = Registry::init(Profile::Standard);
    let config = std::fs::read(registry.dir.join("registry.toml")).unwrap();
    let again = registry.run(&["init"]);
    assert!(!again.status.success());
    assert!(String::from_utf8_lossy(&again.stderr).contains("already holds a registry"));
    assert_eq!(
        std::fs::read(registry.dir.join("registry.toml")).unwrap(),
        config
    );
}

/// Changes the database as only an attacker or an accident would.
fn tamper(registry: &Registry, statement: &'static str) {
    let path = registry.dir.join("registry.db");
    let database = rusqlite::Connection::open(path).unwrap();
    database.execute(statement, []).unwrap();
}

#[test]
fn an_older_database_never_comes_to_look_newer() {
    let serving = Registry::init(Profile::Standard).serve();
    register(&serving, ICCID);
    let registry = serving.stop();
    let copy = registry.scratch.path().join("registry.db.copy");
    std::fs::copy(registry.dir.join("registry.db"), &copy).unwrap();
    let serving = registry.serve();
    succeed(&serving.run(&["device", "deactivate", "--id", ICCID]));
    let registry = serving.stop();
    std::fs::copy(&copy, registry.dir.join("registry.db")).unwrap();
    // What expires in the meantime must not make the copy look newer.
    tamper(&registry, "UPDATE credential SET not_after = 1");
    let before = std::fs::read(registry.dir.join("registry.db")).unwrap();
    for _ in 0..5 {
        let message = registry.answers_only(|dns| {
            assert!(!is_answered(dns, ICCID), "it was withdrawn");
        });
        assert!(message.contains("older copy"), "{message}");
    }
    let after = std::fs::read(registry.dir.join("registry.db")).unwrap();
    assert!(before == after, "the copy was written to");
}

#[test]
fn a_clock_far_from_the_last_use_is_refused_until_somebody_accepts_it() {
    let serving = Registry::init(Profile::Standard).serve();
    register(&serving, ICCID);
    let registry = serving.stop();
    for seen_at in [
        "UPDATE registry SET seen_at = seen_at + 7200",
        "UPDATE registry SET seen_at = seen_at - 3000000",
    ] {
        tamper(&registry, seen_at);
        let message = registry.answers_only(|dns| {
            assert!(is_answered(dns, ICCID), "nothing was signed meanwhile");
            let refused = registry.run(&["account", "list"]);
            assert!(!refused.status.success());
        });
        assert!(message.contains("accept-clock"), "{message}");
        assert!(message.contains("nothing in it is signed"), "{message}");
        succeed(&registry.run(&["zone", "accept-clock"]));
        succeed(&registry.run(&["account", "list"]));
    }
}

#[test]
fn what_was_released_before_a_restart_still_bounds_a_withdrawal() {
    let serving = Registry::init(Profile::Standard).serve();
    // More names, so that the latest expiration is hardly ever that of one name's next signing.
    let others = [
        "8912230200031060003f",
        "8912230200031010271f",
        "89122302000310100087",
    ];
    for id in [&others[..], &[EID, ICCID]].concat() {
        register(&serving, id);
    }
    // A withdrawal writes down its own bound; activation releases more than that.
    succeed(&serving.run(&["device", "deactivate", "--id", EID]));
    succeed(&serving.run(&["device", "activate", "--id", EID]));
    let registry = serving.stop();
    let last = ZoneWriter::last_commit(&registry.dir.join("zone"))
        .unwrap()
        .unwrap();
    let serving = registry.serve();
    let told = succeed(&serving.run(&["device", "deactivate", "--id", EID]));
    let denied = told
        .lines()
        .find_map(|line| line.strip_prefix("denied_everywhere_by  "));
    let denied = OffsetDateTime::parse(denied.unwrap(), &Rfc3339)
        .unwrap()
        .unix_timestamp();
    assert!(
        denied >= i64::from(last.released_until) + 300,
        "{denied} {last:?}"
    );
}

#[test]
fn a_database_that_lost_its_log_is_an_older_copy() {
    let serving = Registry::init(Profile::Standard).serve();
    register(&serving, EID);
    let registry = serving.kill();
    let log = registry.dir.join("registry.db-wal");
    assert!(
        log.metadata().unwrap().len() > 0,
        "what was not yet taken over"
    );
    let aside = registry.scratch.path().join("wal");
    std::fs::rename(&log, &aside).unwrap();
    let message = registry.answers_only(|dns| assert!(is_answered(dns, EID)));
    assert!(message.contains("older copy"), "{message}");
    assert!(message.contains("newer database back"), "{message}");
    let _ = std::fs::remove_file(registry.dir.join("registry.db-shm"));
    std::fs::rename(&aside, &log).unwrap();
    let serving = registry.serve();
    succeed(&serving.run(&["zone", "check"]));
    assert!(is_answered(serving.dns, EID));
}
