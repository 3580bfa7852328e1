//! `zone dump` and `zone check` beside a running registry: from the files, not through its door.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod credentials;
mod harness;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::process::{Output, Stdio};

use credentials::{eid, line, load};
use harness::{Registry, Serving, program, succeed};
use iot_dns_zone::Profile;

/// Enough that no pipe takes the whole zone at once.
const CREDENTIALS: u64 = 400;

fn loaded() -> Registry {
    let registry = Registry::init(Profile::Archive);
    let mut text = String::new();
    for number in 0..CREDENTIALS {
        text.push_str(&line(number, if number == 7 { " held" } else { "" }));
    }
    succeed(&load(&registry, &text));
    registry
}

/// Runs the program beside the server: no door is named.
fn beside(serving: &Serving, arguments: &[&str]) -> Output {
    serving.registry.run(arguments)
}

fn refusal(output: &Output) -> String {
    assert!(!output.status.success(), "it was done");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_zone_beside_the_server_is_the_one_of_its_door() {
    let serving = loaded().serve();
    let dump = succeed(&beside(&serving, &["zone", "dump"]));
    assert_eq!(dump, succeed(&serving.run(&["zone", "dump"])));
    let out = serving.registry.scratch.path().join("zone.txt");
    let said = succeed(&beside(
        &serving,
        &["zone", "dump", "--out", out.to_str().unwrap()],
    ));
    assert!(said.is_empty());
    assert_eq!(std::fs::read_to_string(&out).unwrap(), dump);

    let report = succeed(&beside(&serving, &["zone", "check"]));
    assert!(
        report.contains(&format!("{CREDENTIALS} device names"))
            && report.contains("nothing is wrong"),
        "{report}"
    );
    assert_eq!(report, succeed(&serving.run(&["zone", "check"])));

    // It follows what the server does.
    succeed(&serving.run(&["device", "activate", "--id", eid(7).as_str()]));
    let dump = succeed(&beside(&serving, &["zone", "dump"]));
    assert!(!dump.contains("status=inactive"));
    succeed(&beside(&serving, &["zone", "check"]));
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_dump_without_a_word() {
    let serving = loaded().serve();
    let api = serving.api.to_string();
    for door in [None, Some(&api)] {
        let mut command = program();
        command
            .arg("--dir")
            .arg(&serving.registry.dir)
            .args(["zone", "dump"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(api) = door {
            command.env("IOT_REGISTRY_SERVER", api);
        }
        let mut child = command.spawn().unwrap();
        let mut first = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut first).unwrap();
        drop(stdout);
        assert!(first.starts_with("iotregistry.example."), "{first}");
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{:?}", output.status);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}

#[test]
fn a_database_that_says_otherwise_is_found_beside_the_server() {
    let registry = loaded();
    tamper(&registry, eid(5).as_str());
    let serving = registry.serve();
    let output = beside(&serving, &["zone", "check"]);
    assert!(refusal(&output).contains("1 findings"));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains(&format!("1.{}.", eid(5))) && said.contains("not those that the database"),
        "{said}"
    );
}

#[test]
fn no_statement_is_told_to_whoever_looks_or_written_to_the_log() {
    let serving = loaded().serve_in(&[("RUST_LOG", "trace")]);
    let output = program()
        .env("RUST_LOG", "trace")
        .arg("--dir")
        .arg(&serving.registry.dir)
        .args(["zone", "check"])
        .output()
        .unwrap();
    assert!(succeed(&output).contains("nothing is wrong"));
    let said = String::from_utf8(output.stderr).unwrap();
    for text in [said, serving.log()] {
        assert!(!text.contains("SELECT"), "{text}");
    }
}

/// Flips an octet in a block of sixteen devices; returns its number.
fn damage_block(registry: &Registry, nth: usize) -> usize {
    let path = registry.dir.join("zone/blocks");
    let octets = std::fs::read(&path).unwrap();
    let pages = octets.chunks(4096).enumerate().skip(2);
    let mut blocks = pages.filter(|(_, page)| page[4] == 1 && page[5] == 16);
    let (number, page) = blocks.nth(nth).unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    let at = (number * 4096 + 300) as u64;
    file.write_all_at(&[page[300] ^ 1], at).unwrap();
    number
}

#[test]
fn a_damaged_page_is_one_finding_and_the_check_goes_on_behind_it() {
    let registry = loaded();
    tamper(&registry, eid(300).as_str());
    let page = damage_block(&registry, 4);
    let serving = registry.serve();
    let output = beside(&serving, &["zone", "check"]);
    assert!(refusal(&output).contains("2 findings"));
    let said = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    let names = CREDENTIALS - 16;
    assert!(
        lines[0].contains(&format!("{names} device names")),
        "{said}"
    );
    let damaged = format!("page {page} of the zone's file is damaged: about ");
    assert!(
        lines[1].contains(&damaged) && lines[1].ends_with("the database lists 16 there"),
        "{said}"
    );
    assert!(
        lines[2].contains(&format!("1.{}.", eid(300)))
            && lines[2].contains("the database asks for"),
        "{said}"
    );
    assert_eq!(lines.len(), 3);
}

/// Changes a fingerprint in the database as only an attacker or an accident would.
fn tamper(registry: &Registry, device_id: &str) {
    let path = registry.dir.join("registry.db");
    let database = rusqlite::Connection::open(path).unwrap();
    let statement = "UPDATE credential SET fingerprint = zeroblob(32) WHERE device_id = ?";
    assert_eq!(database.execute(statement, [device_id]).unwrap(), 1);
}

#[test]
fn nothing_is_read_by_times_that_the_server_does_not_have() {
    let serving = loaded().serve();
    let config = serving.registry.dir.join("registry.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let changed = text.replace("\"archive\"", "\"fleet\"");
    assert_ne!(changed, text);
    std::fs::write(&config, changed).unwrap();
    for command in ["dump", "check"] {
        let said = refusal(&beside(&serving, &["zone", command]));
        assert!(said.contains("another profile"), "{said}");
    }
}

#[test]
fn without_a_server_there_is_nothing_beside_it() {
    let registry = loaded();
    let said = refusal(&registry.run(&["zone", "dump"]));
    assert!(said.contains("no registry is running"), "{said}");
    let registry = registry.serve().kill();
    let said = refusal(&registry.run(&["zone", "check"]));
    assert!(said.contains("no registry is running"), "{said}");
}
