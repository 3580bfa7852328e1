//! A disk that is full or fails under a running registry: nothing is acknowledged that is not
//! durable, devices are answered as before, and with room again everything goes on.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod asking;
mod credentials;
mod harness;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use asking::{Said, ask};
use credentials::{eid, line, load};
use harness::{EID, ICCID, Registry, Serving, judge, openssl_request, succeed};
use iot_dns_zone::{Profile, ZoneKeys, ZoneObserver};
use iot_registry::config::Config;
use iot_registry::directory::Directory;

/// Changes within which a zone has used what it keeps free.
const CHANGES_MAX: usize = 400;

/// System calls of a server that fail while this lives, on some files or on all.
struct Fault {
    strace: Child,
}

impl Fault {
    fn inject(serving: &Serving, calls: &str, error: &str, files: &[PathBuf]) -> Self {
        let mut command = Command::new("strace");
        command
            .args(["-f", "-o", "/dev/null", "-p", &serving.pid().to_string()])
            .args(["-e", &format!("trace={calls}")])
            .args(["-e", &format!("inject={calls}:error={error}")]);
        for file in files {
            command.arg("-P").arg(file);
        }
        let mut strace = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(strace.stderr.take().unwrap()).lines();
        let attached = lines.any(|line| line.unwrap().contains("attached"));
        assert!(attached, "strace cannot attach");
        // Read on, so that it never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        Self { strace }
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        // By a signal that it handles, it lets go of the server first.
        let pid = self.strace.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.strace.wait();
    }
}

fn serving() -> Option<Serving> {
    judge("strace", &["--version"])?;
    let serving = Registry::init(Profile::Standard).serve();
    assert!(register(&serving, ICCID));
    Some(serving)
}

fn database_files(serving: &Serving) -> Vec<PathBuf> {
    let names = ["registry.db", "registry.db-wal"];
    names.map(|name| serving.registry.dir.join(name)).to_vec()
}

fn log_files(serving: &Serving) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(serving.registry.dir.join("zone")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.to_str().unwrap().contains("/redo-"))
        .collect()
}

/// True when it was acknowledged.
fn register(serving: &Serving, id: &str) -> bool {
    let (_, csr) = openssl_request(serving.registry.scratch.path(), id);
    let csr = csr.to_str().unwrap();
    let register = ["device", "register", "--id", id, "--csr", csr];
    serving.run(&register).status.success()
}

#[test]
fn a_full_disk_under_the_database_acknowledges_nothing_and_passes() {
    let Some(serving) = serving() else { return };
    let files = database_files(&serving);
    let full = Fault::inject(&serving, "write,pwrite64", "ENOSPC", &files);
    for _ in 0..2 {
        assert!(!register(&serving, EID));
    }
    assert_eq!(ask(serving.dns, ICCID), Said::Active);
    assert_eq!(ask(serving.dns, EID), Said::NotActive);
    drop(full);
    assert!(
        !serving
            .run(&["device", "info", "--id", EID])
            .status
            .success()
    );
    assert!(register(&serving, EID));
    assert_eq!(ask(serving.dns, EID), Said::Active);
    succeed(&serving.run(&["zone", "check"]));
}

#[test]
fn a_full_disk_under_the_zone_delays_changes_and_passes() {
    let Some(serving) = serving() else { return };
    // A version that somebody holds keeps its pages, so that the zone has to grow.
    let directory = Directory::new(&serving.registry.dir);
    let config = Config::load(&directory).unwrap().zone;
    let keys = ZoneKeys::load(&directory.zone()).unwrap().public();
    let observer = ZoneObserver::open(&directory.zone(), &config, keys).unwrap();
    let held = observer.unwrap().snapshot().unwrap();
    let full = Fault::inject(&serving, "fallocate", "ENOSPC", &[]);
    let mut changes = ["deactivate", "activate"].into_iter().cycle();
    let pending = changes.by_ref().take(CHANGES_MAX).find(|verb| {
        let change = succeed(&serving.run(&["device", verb, "--id", ICCID]));
        change.contains("pending")
    });
    let verb = pending.expect("the zone is never full");
    const FAILED: &str = "publication failed; the last version stays";
    serving.wait_for_log(FAILED, 1);
    // It is tried twice a second.
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    let times = serving.log().matches(FAILED).count();
    assert!(times <= 2, "it is said {times} times in four seconds");
    let (before, after) = match verb {
        "activate" => (Said::NotActive, Said::Active),
        _ => (Said::Active, Said::NotActive),
    };
    assert_eq!(ask(serving.dns, ICCID), before);
    drop((full, held));
    let begin = std::time::Instant::now();
    while ask(serving.dns, ICCID) != after {
        assert!(begin.elapsed().as_secs() < 10, "it does not go on");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    serving.wait_for_log("publication works again", 1);
    succeed(&serving.run(&["zone", "check"]));
}

#[test]
fn a_failed_sync_ends_the_process_and_the_next_start_recovers() {
    let Some(mut serving) = serving() else { return };
    for files in [database_files, log_files] {
        let fault = Fault::inject(&serving, "fsync,fdatasync", "EIO", &files(&serving));
        assert!(
            !serving
                .run(&["device", "deactivate", "--id", ICCID])
                .status
                .success()
        );
        let registry = serving.ended();
        drop(fault);
        serving = registry.serve();
        succeed(&serving.run(&["device", "activate", "--id", ICCID]));
        assert_eq!(ask(serving.dns, ICCID), Said::Active);
        succeed(&serving.run(&["zone", "check"]));
    }
    assert!(register(&serving, EID));
}

/// The program with reads of some files failing from its start on.
fn on_bad_sectors(registry: &Registry, files: &[PathBuf], arguments: &[&str]) -> Output {
    let mut command = Command::new("strace");
    command
        .args(["-f", "-o", "/dev/null", "-e", "trace=pread64"])
        .args(["-e", "inject=pread64:error=EIO"]);
    for file in files {
        command.arg("-P").arg(file);
    }
    command
        .arg(env!("CARGO_BIN_EXE_iot-registry"))
        .arg("--dir")
        .arg(&registry.dir)
        .args(arguments);
    command.output().unwrap()
}

fn loaded(devices: u64) -> Option<Registry> {
    judge("strace", &["--version"])?;
    let registry = Registry::init(Profile::Standard);
    let text: String = (0..devices).map(|number| line(number, "")).collect();
    succeed(&load(&registry, &text));
    Some(registry)
}

#[test]
fn bad_sectors_under_the_zone_cost_their_names_and_a_rebuild_repairs_them() {
    const DEVICES: u64 = 400;
    let Some(registry) = loaded(DEVICES) else {
        return;
    };
    let serving = registry.serve();
    let blocks = serving.registry.dir.join("zone/blocks");
    let said = |serving: &Serving, number| ask(serving.dns, &eid(number).to_string());
    assert_eq!(said(&serving, 7), Said::Active);
    let bad = Fault::inject(&serving, "pread64", "EIO", &[blocks]);
    let refused = (0..DEVICES).filter(|number| said(&serving, *number) == Said::Failure);
    // Those near the one that was asked for are in pages that are known to be whole.
    assert!((100..DEVICES).contains(&(refused.count() as u64)));
    assert_eq!(said(&serving, 7), Said::Active);
    serving.wait_for_log("a page of zone/blocks cannot be read", 1);
    drop(bad);
    let registry = serving.stop();
    succeed(&registry.run(&["zone", "rebuild"]));
    let serving = registry.serve();
    assert!((0..DEVICES).all(|number| said(&serving, number) == Said::Active));
    succeed(&serving.run(&["zone", "check"]));
}

#[test]
fn a_zone_whose_superblocks_or_log_are_on_bad_sectors_is_rebuilt() {
    for what in ["blocks", "redo-"] {
        let Some(registry) = loaded(40) else { return };
        let serving = registry.serve();
        let blocks = serving.registry.dir.join("zone/blocks");
        let files = match what {
            "blocks" => vec![blocks],
            _ => log_files(&serving),
        };
        let registry = serving.kill();
        let refused = on_bad_sectors(&registry, &files, &["serve"]);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success(), "{said}");
        assert!(said.contains(&format!("zone/{what}")), "{said}");
        assert!(said.contains("'iot-registry zone rebuild'"), "{said}");
        succeed(&on_bad_sectors(&registry, &files, &["zone", "rebuild"]));
        let serving = registry.serve();
        assert_eq!(ask(serving.dns, &eid(7).to_string()), Said::Active);
        succeed(&serving.run(&["zone", "check"]));
    }
}

#[test]
fn a_directory_in_the_place_of_a_file_of_the_zone_keeps_nobody_from_a_rebuild() {
    let registry = Registry::init(Profile::Standard);
    let text: String = (0..40).map(|number| line(number, "")).collect();
    succeed(&load(&registry, &text));
    let readers = registry.dir.join("zone/readers");
    std::fs::remove_file(&readers).unwrap();
    std::fs::create_dir(&readers).unwrap();
    let said = registry.refused_start();
    assert!(said.contains("zone/readers"), "{said}");
    succeed(&registry.run(&["zone", "rebuild"]));
    let serving = registry.serve();
    succeed(&serving.run(&["zone", "check"]));
}
