//! A zone on disk that cannot be read any more: nothing is guessed, and one command makes it anew.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod credentials;
mod harness;

use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use credentials::{eid, line, load};
use harness::{Registry, Serving, program, succeed};
use iot_dns_zone::{Profile, ZoneWriter};

/// What is said when a start would succeed.
const IS_PAST: &str = "nothing stands in the way of a start any more";

const TYPE_SOA: u16 = 6;
const TYPE_TLSA: u16 = 52;
const NO_ERROR: u8 = 0;
const SERV_FAIL: u8 = 2;

fn serial(serving: &Serving) -> u32 {
    let report = succeed(&serving.run(&["zone", "check"]));
    let number = report.split_ascii_whitespace().nth(3).unwrap();
    number.trim_end_matches(':').parse().unwrap()
}

/// Response code of a query for a name in the zone.
fn response_code(dns: SocketAddr, labels: &[&str], record_type: u16) -> u8 {
    let mut query = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in labels.iter().chain(&["iotregistry", "example", ""]) {
        query.push(label.len() as u8);
        query.extend_from_slice(label.as_bytes());
    }
    query.extend_from_slice(&record_type.to_be_bytes());
    query.extend_from_slice(&[0, 1]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    socket.send_to(&query, dns).unwrap();
    let mut answer = [0; 1232];
    let octets = socket.recv(&mut answer).unwrap();
    assert!(octets >= 12);
    answer[3] & 0x0f
}

fn is_device_answered(dns: SocketAddr, number: u64) -> bool {
    let device_id = eid(number).to_string();
    match response_code(dns, &["1", &device_id], TYPE_TLSA) {
        NO_ERROR => true,
        SERV_FAIL => false,
        other => panic!("{other}"),
    }
}

/// Numbers of the index pages of the zone's file, in the order of the file.
fn index_pages(registry: &Registry) -> Vec<u64> {
    let octets = std::fs::read(registry.dir.join("zone/blocks")).unwrap();
    let pages = octets.chunks(4096).zip(0..).skip(2);
    let indexes = pages.filter(|(page, _)| page[4] == 2 && page[5] == 1);
    indexes.map(|(_, number)| number).collect()
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
    assert!(said.contains("'iot-registry zone rebuild'"), "{said}");
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

#[test]
fn a_damaged_index_page_costs_the_names_under_it_until_a_rebuild() {
    let registry = Registry::init(Profile::Standard);
    let text: String = (0..40).map(|number| line(number, "")).collect();
    succeed(&load(&registry, &text));
    for page in index_pages(&registry) {
        spoil(&registry, &[0x55; 8], &[page * 4096 + 4000]);
    }
    let message = registry.answers_and_refuses(|dns, api| {
        assert_eq!(response_code(dns, &[], TYPE_SOA), NO_ERROR, "the apex");
        assert!(
            !is_device_answered(dns, 7),
            "what cannot be read is refused"
        );
        let refused = registry.run(&["account", "list", "--server", &api.to_string()]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success());
        assert!(said.contains("takes no commands"), "{said}");
    });
    assert!(message.contains("zone rebuild"), "{message}");
    assert!(message.contains("nothing in it is signed"), "{message}");
    succeed(&registry.run(&["zone", "rebuild"]));
    let serving = registry.serve();
    assert!(is_device_answered(serving.dns, 7));
    succeed(&serving.run(&["zone", "check"]));
}

#[test]
fn a_database_that_cannot_be_read_leaves_the_zone_answered_and_signed() {
    let registry = Registry::init(Profile::Standard);
    let text: String = (0..40).map(|number| line(number, "")).collect();
    succeed(&load(&registry, &text));
    let database = registry.dir.join("registry.db");
    let content = std::fs::read(&database).unwrap();
    let mut damaged = content.clone();
    damaged[..4096].fill(0x55);
    std::fs::write(&database, &damaged).unwrap();

    // Nor can a zone be made of it: the old one stays.
    let blocks = || std::fs::read(registry.dir.join("zone/blocks")).unwrap();
    let before = blocks();
    assert!(!registry.run(&["zone", "rebuild"]).status.success());
    assert!(blocks() == before);

    let serving = registry.serve();
    assert!(is_device_answered(serving.dns, 7));
    let said = serving.log();
    assert!(said.contains("only the published zone"), "{said}");
    assert!(!said.contains("nothing in it is signed"), "{said}");
    assert!(!said.contains(IS_PAST), "{said}");
    // Repaired while it answers.
    std::fs::write(&database, &content).unwrap();
    serving.wait_for_log(IS_PAST, 1);
    assert!(is_device_answered(serving.dns, 7));
    let serving = serving.stop().serve();
    succeed(&serving.run(&["zone", "check"]));
}

#[test]
fn a_database_that_hangs_at_the_start_leaves_the_zone_answered_within_seconds() {
    let registry = Registry::init(Profile::Standard);
    let text: String = (0..40).map(|number| line(number, "")).collect();
    succeed(&load(&registry, &text));
    let database = registry.dir.join("registry.db");
    let aside = registry.dir.join("aside.db");
    std::fs::rename(&database, &aside).unwrap();
    // Whoever opens a pipe that nobody reads waits for ever, as with a disk that does not answer.
    let made = Command::new("mkfifo").arg(&database).status().unwrap();
    assert!(made.success());
    // Were it waited for, this would end that and the test.
    let pipe = database.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(20));
        let _ = std::fs::File::open(pipe);
    });
    let begin = Instant::now();
    let serving = registry.serve();
    assert!(is_device_answered(serving.dns, 7));
    let waited = begin.elapsed();
    assert!(waited < Duration::from_secs(15), "{waited:?}");
    let said = serving.log();
    assert!(said.contains("has not answered for 5 s"), "{said}");
    assert!(!said.contains("nothing in it is signed"), "{said}");
    std::fs::rename(&aside, &database).unwrap();
    serving.wait_for_log(IS_PAST, 1);
    // Nobody waits for what hangs.
    let serving = serving.stop().serve();
    succeed(&serving.run(&["zone", "check"]));
}

#[test]
fn a_start_that_takes_its_time_ends_when_it_is_told_to() {
    let registry = Registry::init(Profile::Standard);
    let text: String = (0..40).map(|number| line(number, "")).collect();
    succeed(&load(&registry, &text));
    // The database is waited for.
    let database = registry.dir.join("registry.db");
    std::fs::remove_file(&database).unwrap();
    let made = Command::new("mkfifo").arg(&database).status().unwrap();
    assert!(made.success());
    let mut command = program();
    command.arg("--dir").arg(&registry.dir).arg("serve");
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let pid = child.id().to_string();
    let told = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    assert!(told.success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!said.contains("answering only"), "{said}");
}

#[test]
fn a_clock_that_is_right_again_is_told_to_a_registry_that_only_answers() {
    let registry = Registry::init(Profile::Standard);
    let text: String = (0..40).map(|number| line(number, "")).collect();
    succeed(&load(&registry, &text));
    // By the database, our clock is five hours late.
    let later = |sign| format!("UPDATE registry SET seen_at = seen_at {sign} 18000");
    execute(&registry, later('+'));
    let serving = registry.serve();
    assert!(is_device_answered(serving.dns, 7));
    let said = serving.log();
    assert!(said.contains("nothing in it is signed"), "{said}");
    assert!(said.contains("accept-clock"), "{said}");
    execute(&serving.registry, later('-'));
    serving.wait_for_log(IS_PAST, 1);
    let serving = serving.stop().serve();
    succeed(&serving.run(&["zone", "check"]));
}

#[test]
fn a_rebuild_that_fails_in_the_middle_leaves_the_old_zone() {
    let registry = Registry::init(Profile::Standard);
    let text: String = (0..40).map(|number| line(number, "")).collect();
    succeed(&load(&registry, &text));
    // One row among many cannot be read.
    let whole = tamper(&registry, 30, "x'00'");
    let refused = registry.run(&["zone", "rebuild"]);
    assert!(!refused.status.success());
    let files = std::fs::read_dir(registry.dir.join("zone")).unwrap();
    let names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name == "blocks.new"), "{names:?}");
    let message = registry.answers_only(|dns| {
        assert!(is_device_answered(dns, 7));
        assert!(is_device_answered(dns, 30));
    });
    assert!(message.contains("only the published zone"), "{message}");
    // What was decided is done as soon as it can be.
    tamper(&registry, 30, &whole);
    let serving = registry.serve();
    succeed(&serving.run(&["zone", "check"]));
}

#[test]
fn a_zone_of_another_profile_is_answered_and_signed_while_no_new_one_can_be_built() {
    let registry = Registry::init(Profile::Standard);
    let text: String = (0..40).map(|number| line(number, "")).collect();
    succeed(&load(&registry, &text));
    let path = registry.dir.join("registry.toml");
    let configured = std::fs::read_to_string(&path).unwrap();
    let changed = configured.replace("\"standard\"", "\"strict\"");
    assert_ne!(configured, changed);
    std::fs::write(&path, changed).unwrap();
    // The build ends in the middle, as on a full disk.
    let whole = tamper(&registry, 30, "x'00'");
    let serving = registry.serve();
    for number in [7, 30] {
        assert!(is_device_answered(serving.dns, number));
    }
    // A look at whether a start would succeed has its time: it does not say so.
    std::thread::sleep(Duration::from_secs(12));
    let said = serving.log();
    assert!(said.contains("only the published zone"), "{said}");
    assert!(said.contains("cannot be built"), "{said}");
    assert!(!said.contains("nothing in it is signed"), "{said}");
    assert!(!said.contains(IS_PAST), "{said}");
    let registry = serving.stop();
    tamper(&registry, 30, &whole);
    let serving = registry.serve();
    succeed(&serving.run(&["zone", "check"]));
}

fn database(registry: &Registry) -> rusqlite::Connection {
    let database = rusqlite::Connection::open(registry.dir.join("registry.db")).unwrap();
    let any_value = "PRAGMA ignore_check_constraints = 1";
    database.execute_batch(any_value).unwrap();
    database
}

fn execute(registry: &Registry, statement: String) {
    assert_eq!(database(registry).execute(&statement, []).unwrap(), 1);
}

/// Gives a device another fingerprint in the database; returns the one that it had.
fn tamper(registry: &Registry, number: u64, fingerprint: &str) -> String {
    let device = format!("WHERE device_id = '{}'", eid(number));
    let before = format!("SELECT quote(fingerprint) FROM credential {device}");
    let before = scalar(registry, before);
    let set = format!("UPDATE credential SET fingerprint = {fingerprint} {device}");
    execute(registry, set);
    before
}

fn scalar(registry: &Registry, query: String) -> String {
    let found = database(registry).query_row(&query, [], |row| row.get(0));
    found.unwrap()
}

#[test]
fn a_zone_that_can_be_written_again_is_signed_again_and_a_start_is_advised() {
    let registry = Registry::init(Profile::Standard);
    let text: String = (0..40).map(|number| line(number, "")).collect();
    succeed(&load(&registry, &text));
    let zone = registry.dir.join("zone");
    let current = zone.join("current");
    let version = || {
        let last = ZoneWriter::last_commit(&zone).unwrap();
        last.unwrap().zone_version
    };
    let before = version();
    // No file can be there, and so no writer.
    std::fs::remove_file(&current).unwrap();
    std::fs::create_dir(&current).unwrap();
    let serving = registry.serve();
    assert!(is_device_answered(serving.dns, 7));
    assert_eq!(version(), before, "nothing is written");
    assert!(serving.log().contains("nothing in it is signed"));
    std::fs::remove_dir(&current).unwrap();
    let begin = Instant::now();
    while version() == before {
        assert!(begin.elapsed() < Duration::from_secs(30), "it gave up");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(is_device_answered(serving.dns, 7));
    serving.wait_for_log("can be written again", 1);
    serving.wait_for_log(IS_PAST, 1);
    let serving = serving.stop().serve();
    succeed(&serving.run(&["zone", "check"]));
}
