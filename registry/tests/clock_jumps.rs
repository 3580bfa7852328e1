//! A clock that jumps under a running registry: nothing is decided by it, and devices do not go
//! dark.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod asking;
mod harness;

use asking::{Said, ask};
use harness::{EID, ICCID, Registry, Serving, judge, openssl_request, succeed};
use iot_dns_zone::Profile;

const ALARM: &str = "nothing is signed or withdrawn";

/// The registry with the clock that a file says.
fn serve(library: &str) -> Serving {
    let registry = Registry::init(Profile::Standard);
    let clock = registry.scratch.path().join("clock");
    std::fs::write(&clock, "+0s").unwrap();
    registry.serve_in(&[
        ("LD_PRELOAD", library),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        // What has passed since the start is known by the monotonic clock.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
    ])
}

fn set_clock(serving: &Serving, offset: &str) {
    let clock = serving.registry.scratch.path().join("clock");
    std::fs::write(clock, offset).unwrap();
}

fn register(serving: &Serving, id: &str) {
    let (_, csr) = openssl_request(serving.registry.scratch.path(), id);
    let csr = csr.to_str().unwrap();
    succeed(&serving.run(&["device", "register", "--id", id, "--csr", csr]));
}

#[test]
fn a_clock_that_jumps_stops_signing_and_not_answering() {
    let arguments = ["-f", "+0s", "sh", "-c", "printf %s \"$LD_PRELOAD\""];
    let Some(found) = judge("faketime", &arguments) else {
        return;
    };
    let serving = serve(&succeed(&found));
    for id in [EID, ICCID] {
        register(&serving, id);
    }
    // By the first two times every signature has expired, by the second every certificate too; by
    // the last no signature is valid yet.
    for (count, jump) in ["+30d", "+7300d", "-400d"].into_iter().enumerate() {
        set_clock(&serving, jump);
        serving.wait_for_log(ALARM, serving.log().matches(ALARM).count() + 1);
        for id in [EID, ICCID] {
            assert_eq!(ask(serving.dns, id), Said::Active, "{jump}");
        }
        let refused = serving.run(&["device", "deactivate", "--id", EID]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            !refused.status.success() && said.contains("clock"),
            "{said}"
        );
        set_clock(&serving, "+0s");
        // It goes on by itself.
        succeed(&serving.run(&["device", "deactivate", "--id", EID]));
        assert_eq!(ask(serving.dns, EID), Said::NotActive, "{count}");
        succeed(&serving.run(&["device", "activate", "--id", EID]));
        assert_eq!(ask(serving.dns, EID), Said::Active, "{count}");
    }
    succeed(&serving.run(&["zone", "check"]));
    // What the wrong clock showed was not written down either: the next start is an ordinary one.
    let serving = serving.stop().serve();
    assert_eq!(ask(serving.dns, ICCID), Said::Active);
}
