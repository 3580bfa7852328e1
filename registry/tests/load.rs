//! `zone load`: credentials that were issued elsewhere, by their fingerprints.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod credentials;
mod harness;

use std::fmt::Write as _;
use std::process::{Output, Stdio};
use std::time::Duration;

use credentials::{eid, line, load, write};
use harness::{EID, ICCID, Registry, Serving, openssl_request, program, succeed};
use iot_dns_zone::Profile;
use iot_identity::Fingerprint;

fn refusal(output: &Output) -> String {
    assert!(!output.status.success(), "it was loaded");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn names(serving: &Serving) -> String {
    succeed(&serving.run(&["zone", "dump"]))
}

#[test]
fn loaded_credentials_are_published_and_can_be_managed() {
    let registry = Registry::init(Profile::Standard);
    let mut text = String::from("# from the registry before this one\n\n");
    for number in 0..300 {
        text.push_str(&line(number, if number == 7 { " held" } else { "" }));
    }
    let said = succeed(&load(&registry, &text));
    assert!(
        said.contains("300 credentials") && said.contains("300 names"),
        "{said}"
    );
    // The same again changes nothing.
    succeed(&load(&registry, &text));

    let serving = registry.serve();
    let dump = names(&serving);
    let fingerprint = Fingerprint::of_certificate(&5_u64.to_be_bytes());
    let tlsa = format!("3 0 1 {}", fingerprint.to_string().to_uppercase());
    let published = dump
        .lines()
        .find(|line| line.contains(eid(5).as_str()) && line.contains("\tTLSA\t"));
    let published = published.unwrap().to_uppercase();
    assert!(published.ends_with(&tlsa), "{published}");
    assert_eq!(dump.matches("status=inactive").count(), 1);
    succeed(&serving.run(&["zone", "check"]));

    // They are devices like others, except that nobody has their certificates here.
    let id = eid(7).to_string();
    succeed(&serving.run(&["device", "activate", "--id", &id]));
    succeed(&serving.run(&["device", "deactivate", "--id", eid(5).as_str()]));
    let info = succeed(&serving.run(&["device", "info", "--id", &id]));
    assert!(info.contains("issued elsewhere"), "{info}");
    let dump = names(&serving);
    assert_eq!(dump.matches("status=inactive").count(), 1);
    let (_, csr) = openssl_request(serving.registry.scratch.path(), &id);
    let again = serving.run(&[
        "device",
        "register",
        "--id",
        &id,
        "--csr",
        csr.to_str().unwrap(),
    ]);
    assert!(refusal(&again).contains("registered already"));
    succeed(&serving.run(&["zone", "check"]));
}

#[test]
fn a_wrong_line_is_named_and_nothing_is_loaded() {
    let registry = Registry::init(Profile::Standard);
    let good = line(1, "");
    let said = refusal(&load(
        &registry,
        &format!("{good}{}not-an-id 1 00 0\n", line(2, "")),
    ));
    assert!(
        said.contains("line 3") && said.contains("nothing was loaded"),
        "{said}"
    );
    let said = refusal(&load(&registry, &format!("{good}{}", line(2, " off"))));
    assert!(said.contains("line 2") && said.contains("held"), "{said}");
    let said = refusal(&load(&registry, &format!("{good}{good}")));
    assert!(
        said.contains("line 2") && said.contains("used before"),
        "{said}"
    );
    let twice = line(3, "").replace(eid(3).as_str(), eid(4).as_str());
    let said = refusal(&load(&registry, &format!("{}{twice}", line(3, ""))));
    assert!(
        said.contains("line 2") && said.contains("fingerprint"),
        "{said}"
    );
    let output = registry.run(&["zone", "load", "/nonexistent", "--account", "mno-a"]);
    assert_eq!(refusal(&output).matches("/nonexistent").count(), 1);
    let path = write(&registry, &good);
    let output = registry.run(&[
        "zone",
        "load",
        path.to_str().unwrap(),
        "--account",
        "nobody",
    ]);
    assert!(refusal(&output).contains("nobody"));

    let serving = registry.serve();
    assert!(!names(&serving).contains(eid(1).as_str()));
}

#[test]
fn what_a_long_file_says_twice_is_found_before_anything_is_loaded() {
    let registry = Registry::init(Profile::Standard);
    let mut text = line(0, "");
    for number in 0..21_000 {
        let _ = writeln!(text, "# {number}");
    }
    let same_fingerprint = line(0, "").replace(eid(0).as_str(), eid(1).as_str());
    let same_name = line(2, "").replace(eid(2).as_str(), eid(0).as_str());
    let said = refusal(&load(
        &registry,
        &format!("{text}{same_fingerprint}{same_name}"),
    ));
    for expected in [
        "line 21002: the fingerprint is another credential's, in line 1;",
        "line 21003: the slot 1 of",
        "nothing was loaded",
    ] {
        assert!(said.contains(expected), "{said}");
    }
    let corrected = format!("{text}{}{}", line(1, ""), line(2, ""));
    let said = succeed(&load(&registry, &corrected));
    assert!(
        said.contains("3 credentials") && said.contains("3 names"),
        "{said}"
    );
}

#[test]
fn a_pipe_is_refused_before_anything_is_read() {
    let registry = Registry::init(Profile::Standard);
    let pipe = registry.scratch.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    for path in [pipe.to_str().unwrap(), "/dev/stdin"] {
        // Nobody writes to the pipe, and what standard input gives does not end.
        let mut child = program()
            .arg("--dir")
            .arg(&registry.dir)
            .args(["zone", "load", path, "--account", "mno-a"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let begin = std::time::Instant::now();
        while child.try_wait().unwrap().is_none() {
            if begin.elapsed() > Duration::from_secs(20) {
                let _ = child.kill();
                let _ = child.wait();
                panic!("{path} is waited for");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let said = refusal(&child.wait_with_output().unwrap());
        assert!(said.contains("not a file but a pipe"), "{said}");
        assert_eq!(said.matches(path).count(), 1, "{said}");
    }
}

#[test]
fn devices_that_are_registered_already_are_not_taken_over() {
    let serving = Registry::init(Profile::Standard).serve();
    let (_, csr) = openssl_request(serving.registry.scratch.path(), EID);
    let csr = csr.to_str().unwrap();
    succeed(&serving.run(&["device", "register", "--id", EID, "--csr", csr]));
    let registry = serving.stop();
    let own = line(1, "")
        .replace(eid(1).as_str(), EID)
        .replace(" 1 ", " 2 ");
    let said = refusal(&load(&registry, &format!("{}{own}", line(2, ""))));
    assert!(
        said.contains("line 2") && said.contains("registered already"),
        "{said}"
    );
    let iccid = line(1, "").replace(eid(1).as_str(), ICCID);
    succeed(&load(&registry, &iccid));
    let serving = registry.serve();
    let dump = names(&serving);
    assert!(dump.contains(&format!("1.{ICCID}.")) && dump.contains(&format!("1.{EID}.")));
    assert!(!dump.contains(&format!("2.{EID}.")) && !dump.contains(eid(2).as_str()));
}

#[test]
fn a_load_that_was_killed_goes_on_where_it_was() {
    let registry = Registry::init(Profile::Standard);
    let mut text = String::new();
    for number in 0..2_000 {
        text.push_str(&line(number, ""));
    }
    // Blank lines make transactions without making work for the signer.
    for number in 0..200_000 {
        let _ = writeln!(text, "# {number}");
    }
    let path = write(&registry, &text);
    let mut kills = 0;
    for patience_ms in [40, 80, 160, 240, 320] {
        let mut child = program()
            .arg("--dir")
            .arg(&registry.dir)
            .args(["zone", "load", path.to_str().unwrap(), "--account", "mno-a"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(patience_ms));
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            kills += 1;
        }
        child.wait().unwrap();
    }
    assert!(kills > 0, "it was never caught in the middle");
    succeed(&registry.run(&["zone", "load", path.to_str().unwrap(), "--account", "mno-a"]));
    let serving = registry.serve();
    succeed(&serving.run(&["zone", "check"]));
    let dump = names(&serving);
    for number in [0, 999, 1_999] {
        assert!(dump.contains(&format!("1.{}.", eid(number))));
    }
    let owners = dump
        .lines()
        .filter(|line| line.contains("\tCERT\tPKIX") || line.contains("\tCERT\t1 "));
    assert_eq!(owners.count(), 2_000);
}
