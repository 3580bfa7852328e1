//! What unbound with the shipped configuration believes, and for how long: the revocation clock as
//! service providers see it.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod harness;
mod judges;
mod resolver;

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use harness::{EID, Registry, Serving, ZONE, judge, openssl_request, succeed};
use iot_dns_zone::Profile;
use judges::{Answer, Server, Way, present};
use resolver::replayer::Replayer;
use resolver::{Clock, Resolver, Times};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// What `denied_everywhere_by` counts for clocks that differ, and the shipped file allows.
const SKEW_SECS: i64 = 300;
/// `cache-max-ttl` of the shipped file.
const CACHE_SECS_MAX: i64 = 60;
const TYPE_CERT: u16 = 37;
const TYPE_DNSKEY: u16 = 48;

fn owner() -> String {
    format!("1.{EID}.{ZONE}")
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// A registry with one active device.
fn serve(profile: Profile) -> Serving {
    let serving = Registry::init(profile).serve();
    let scratch = serving.registry.scratch.path();
    let (_, csr) = openssl_request(scratch, "x");
    let certificate = scratch.join("x.pem");
    let (csr, certificate) = (csr.to_str().unwrap(), certificate.to_str().unwrap());
    succeed(&serving.run(&[
        "device",
        "register",
        "--id",
        EID,
        "--csr",
        csr,
        "--out",
        certificate,
    ]));
    serving
}

/// Unix time of a line `<name> <RFC 3339>` that a command printed.
fn time_of(output: &str, name: &str) -> i64 {
    let line = output.lines().find(|line| line.starts_with(name)).unwrap();
    let text = line.split_ascii_whitespace().nth(1).unwrap();
    OffsetDateTime::parse(text, &Rfc3339)
        .unwrap()
        .unix_timestamp()
}

/// Expiration of the signature over CERT, as kdig reads it from the registry.
fn expiration(serving: &Serving) -> i64 {
    let roots = serving.service_root();
    let server = Server {
        address: serving.dns,
        way: Way::Tcp,
        roots: &roots,
        name: "localhost",
    };
    let data = server.ask(&owner(), "CERT").unwrap().data("RRSIG");
    let text = data.split(' ').nth(4).unwrap();
    let format = format_description!("[year][month][day][hour][minute][second]");
    time::PrimitiveDateTime::parse(text, &format)
        .unwrap()
        .assume_utc()
        .unix_timestamp()
}

fn is_believed(answer: &Answer) -> bool {
    answer.status == "NOERROR" && answer.has_flag("ad") && !answer.data("CERT").is_empty()
}

fn is_refused_as_expired(answer: &Answer) -> bool {
    answer.status == "SERVFAIL"
        && answer.answer.is_empty()
        && !answer.has_flag("ad")
        && answer.text.contains("ignature expired")
}

/// What an attacker holds of an active device that has been deactivated since.
struct Loot {
    replayer: Replayer,
    anchor: String,
    captured: i64,
    expiration: i64,
    denied_everywhere_by: i64,
}

/// Captures the answers of an active device, deactivates it, ends the registry.
fn capture_then_deactivate(profile: Profile) -> Loot {
    let serving = serve(profile);
    let questions = [(owner(), TYPE_CERT), (ZONE.to_owned(), TYPE_DNSKEY)];
    let questions: Vec<(&str, u16)> = questions
        .iter()
        .map(|(owner, record_type)| (owner.as_str(), *record_type))
        .collect();
    let replayer = Replayer::capture(serving.dns, &questions);
    let (captured, expiration) = (now(), expiration(&serving));
    let anchor = succeed(&serving.run(&["zone", "ds"]));
    let output = succeed(&serving.run(&["device", "deactivate", "--id", EID]));
    let denied_everywhere_by = time_of(&output, "denied_everywhere_by");
    serving.stop();
    Loot {
        replayer,
        anchor,
        captured,
        expiration,
        denied_everywhere_by,
    }
}

impl Loot {
    /// Asks a fresh resolver whose clock shows this time.
    fn ask_at(&self, unix_time: i64, times: Times) -> Answer {
        let clock = Clock {
            ahead_secs: unix_time - now(),
            rate: 1,
        };
        let address = self.replayer.address;
        Resolver::start(address, &self.anchor, times, Some(clock)).ask(&owner(), "CERT")
    }
}

#[test]
fn a_captured_answer_is_refused_once_validity_and_skew_are_over() {
    if !present(&["unbound", "faketime", "kdig", "openssl"]) {
        return;
    }
    let loot = capture_then_deactivate(Profile::Standard);
    let validity_secs = i64::from(Profile::Standard.validity_secs());
    assert!(
        loot.expiration <= loot.captured + validity_secs,
        "jitter only shortens"
    );
    assert!(loot.denied_everywhere_by >= loot.expiration + SKEW_SECS);
    // A bound, which may be a quarter of the validity late: what earlier starts may have released.
    assert!(loot.denied_everywhere_by <= loot.captured + validity_secs / 4 * 5 + SKEW_SECS);

    for before in [loot.expiration - 60, loot.expiration + SKEW_SECS - 30] {
        let answer = loot.ask_at(before, Times::Shipped);
        assert!(
            is_believed(&answer),
            "{} {}",
            before - loot.expiration,
            answer.text
        );
    }
    let over = [
        loot.expiration + SKEW_SECS + 1,
        loot.denied_everywhere_by + 1,
        loot.captured + validity_secs + SKEW_SECS + 1,
    ];
    for after in over {
        let answer = loot.ask_at(after, Times::Shipped);
        assert!(
            is_refused_as_expired(&answer),
            "{} {}",
            after - loot.expiration,
            answer.text
        );
    }
    // The shipped lines are what refuses it: with its own skew unbound would go on believing.
    for after in over {
        let answer = loot.ask_at(after, Times::UnboundsOwnSkew);
        assert!(
            is_believed(&answer),
            "{} {}",
            after - loot.expiration,
            answer.text
        );
    }
}

#[test]
fn a_replay_accepted_at_the_last_moment_is_kept_for_a_minute_at_most() {
    if !present(&["unbound", "faketime", "kdig", "openssl"]) {
        return;
    }
    // The TTL of this profile is 300 s: what shortens it is the shipped cache-max-ttl.
    let loot = capture_then_deactivate(Profile::Fleet);
    let rate = 20;
    let begin = loot.expiration + SKEW_SECS - 40;
    let clock = Clock {
        ahead_secs: begin - now(),
        rate,
    };
    let resolver = Resolver::start(
        loot.replayer.address,
        &loot.anchor,
        Times::Shipped,
        Some(clock),
    );
    // It began its clock after we noted its start, so it shows this time or an earlier one.
    let latest_time = || {
        let running = resolver.running() * rate;
        begin + 1 + i64::try_from(running.as_secs()).unwrap()
    };
    let first = resolver.ask(&owner(), "CERT");
    assert!(is_believed(&first), "{}", first.text);
    let mut believed_until = latest_time();
    while latest_time() < loot.expiration + SKEW_SECS + 4 * CACHE_SECS_MAX {
        if is_believed(&resolver.ask(&owner(), "CERT")) {
            believed_until = latest_time();
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    let past_skew = believed_until - loot.expiration - SKEW_SECS;
    println!("believed until {past_skew} s after validity and skew, by the latest estimate");
    // The estimate may be late by the start of a process (kdig, unbound) on a busy machine.
    assert!(
        past_skew <= CACHE_SECS_MAX + 8 * i64::from(rate),
        "{past_skew}"
    );
    // Within val-bogus-ttl the refusal comes from unbound's cache, which does not repeat its reason.
    let last = resolver.ask(&owner(), "CERT");
    assert!(
        last.status == "SERVFAIL" && !is_believed(&last),
        "{}",
        last.text
    );
}

#[test]
fn a_running_resolver_sees_every_change_by_the_time_the_registry_names() {
    if !present(&["unbound", "kdig", "openssl"]) {
        return;
    }
    let serving = serve(Profile::Strict);
    let anchor = succeed(&serving.run(&["zone", "ds"]));
    let resolver = Resolver::start(serving.dns, &anchor, Times::Shipped, None);
    let answer = resolver.ask(&owner(), "CERT");
    assert!(is_believed(&answer), "{}", answer.text);
    let second = resolver.ask(&format!("2.{EID}.{ZONE}"), "TLSA");
    assert!(
        second.status == "NXDOMAIN" && second.has_flag("ad"),
        "{}",
        second.text
    );
    assert!(second.is_signed_denial(), "{}", second.text);
    assert_eq!(
        resolver.ask("example.com", "A").status,
        "REFUSED",
        "it serves this zone alone"
    );
    assert_eq!(verify(&serving, &resolver), Some(0), "active");

    let output = succeed(&serving.run(&["device", "deactivate", "--id", EID]));
    wait_until(time_of(&output, "honest_caches_by"));
    for record_type in ["CERT", "TLSA"] {
        let answer = resolver.ask(&owner(), record_type);
        assert!(
            answer.status == "NOERROR" && answer.has_flag("ad"),
            "{}",
            answer.text
        );
        assert!(answer.is_signed_denial(), "{}", answer.text);
        assert_eq!(answer.bitmap_of(&owner()), ["TXT", "RRSIG", "NSEC"]);
    }
    assert_eq!(verify(&serving, &resolver), Some(1), "inactive");

    let output = succeed(&serving.run(&["device", "activate", "--id", EID]));
    wait_until(time_of(&output, "honest_caches_by"));
    let answer = resolver.ask(&owner(), "CERT");
    assert!(is_believed(&answer), "{}", answer.text);
    assert_eq!(verify(&serving, &resolver), Some(0), "active again");
}

#[test]
fn a_resolver_with_another_anchor_refuses_the_whole_zone() {
    if !present(&["unbound", "kdig", "openssl"]) {
        return;
    }
    let serving = serve(Profile::Standard);
    let other = Registry::init(Profile::Standard);
    let anchor = succeed(&other.run(&["zone", "ds"]));
    let resolver = Resolver::start(serving.dns, &anchor, Times::Shipped, None);
    for record_type in ["CERT", "TXT"] {
        let answer = resolver.ask(&owner(), record_type);
        assert!(
            answer.status == "SERVFAIL" && answer.answer.is_empty(),
            "{}",
            answer.text
        );
    }
    assert!(
        resolver.log().contains("validation failure"),
        "{}",
        resolver.log()
    );
}

/// Exit code of iot-verify for the device's certificate, through the resolver.
fn verify(serving: &Serving, resolver: &Resolver) -> Option<i32> {
    let program = Path::new(env!("CARGO_BIN_EXE_iot-registry")).with_file_name("iot-verify");
    let scratch = serving.registry.scratch.path();
    let (certificate, anchor) = (scratch.join("x.pem"), scratch.join("zone.ds"));
    std::fs::write(&anchor, succeed(&serving.run(&["zone", "ds"]))).unwrap();
    let (address, pin) = (resolver.dot.to_string(), resolver.spki_pin());
    let arguments = [
        certificate.to_str().unwrap(),
        "--resolver",
        &address,
        "--spki-pin",
        &pin,
        "--anchor",
        anchor.to_str().unwrap(),
        "--record",
        "both",
    ];
    judge(program.to_str().unwrap(), &arguments)?.status.code()
}

fn wait_until(unix_time: i64) {
    while now() <= unix_time {
        std::thread::sleep(Duration::from_millis(100));
    }
}
