//! The chain of trust from the root, in a universe that others made: its root by algorithm 8, its
//! top-level domain by 13 with NSEC3, lifetimes of weeks. What unbound and delv validate with the root's
//! key alone, iot-verify validates, and where the chain is broken it has no verdict.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod harness;
mod judges;
mod universe;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Output;

use harness::{EID, ICCID, Registry, Serving, ZONE, judge, openssl_request, succeed};
use iot_dns_zone::Profile;
use judges::{delv_below, present};
use universe::{UNSIGNED, Universe};

const UNKNOWN: &str = "89049032123451234512345678901332";

/// A registry with an active and an inactive device, and the universe around its zone.
struct World {
    serving: Serving,
    universe: Universe,
}

impl World {
    fn begin() -> Option<Self> {
        let tools = [
            "kdig",
            "delv",
            "unbound",
            "nsd",
            "dnssec-keygen",
            "dnssec-signzone",
        ];
        // BIND's tools know no -V.
        let are_there = tools.iter().all(|tool| judge(tool, &["-h"]).is_some());
        if !are_there || !present(&["kdig", "delv"]) {
            return None;
        }
        let serving = Registry::init(Profile::Standard).serve();
        let scratch = serving.registry.scratch.path();
        for id in [EID, ICCID] {
            let (_, csr) = openssl_request(scratch, id);
            let out = scratch.join(format!("{id}.pem"));
            let (csr, out) = (csr.to_str().unwrap(), out.to_str().unwrap());
            let register = ["device", "register", "--id", id, "--csr", csr, "--out", out];
            succeed(&serving.run(&register));
        }
        succeed(&serving.run(&["device", "deactivate", "--id", ICCID]));
        let ds = succeed(&serving.run(&["zone", "ds"]));
        let universe = Universe::start(serving.dns, &ds);
        Some(Self { serving, universe })
    }

    fn path(&self, file: &str) -> String {
        let path = self.universe.scratch.path().join(file);
        path.to_str().unwrap().to_owned()
    }

    /// iot-verify with the root's key, or another file.
    fn verify(&self, subject: &str, zone: &str, server: SocketAddr, root: &str) -> Output {
        let program = Path::new(env!("CARGO_BIN_EXE_iot-registry")).with_file_name("iot-verify");
        let (server, root) = (server.to_string(), self.path(root));
        let arguments = [
            subject,
            "--resolver",
            &server,
            "--plain",
            "--zone",
            zone,
            "--root-anchor",
            &root,
            "--record",
            "both",
        ];
        judge(program.to_str().unwrap(), &arguments).unwrap()
    }
}

fn owner(id: &str) -> String {
    format!("1.{id}.{ZONE}")
}

#[track_caller]
fn expect(output: &Output, code: i32, parts: &[&str]) {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in:\n{said}");
    }
}

#[test]
fn each_state_is_validated_from_the_root_by_unbound_by_delv_and_by_us() {
    let Some(world) = World::begin() else { return };
    let resolver = world.universe.resolver;
    let anchor = world.path("root.bind");
    for (id, code, state, status, validated) in [
        (EID, 0, "active", "NOERROR", "; fully validated"),
        (
            ICCID,
            1,
            "inactive",
            "NOERROR",
            "; negative response, fully validated",
        ),
        (
            UNKNOWN,
            2,
            "absent",
            "NXDOMAIN",
            "; negative response, fully validated",
        ),
    ] {
        let name = owner(id);
        let output = world.verify(&name, ZONE, resolver, "root.ds");
        expect(
            &output,
            code,
            &[
                state,
                "chain        .\n               DNSKEY: key ",
                " (RSASHA256), ",
                "\n               DS of example.: key ",
                "\n               └─ example.\n                  DNSKEY: key ",
                "\n                  DS of iotregistry.example.: key ",
                "\n                  └─ iotregistry.example.\n                     DNSKEY: key ",
            ],
        );
        let said = delv_below(".", resolver, Path::new(&anchor), &name, "CERT");
        assert!(said.contains(validated), "{said}");
        let port = resolver.port().to_string();
        let kdig = [
            "@127.0.0.1",
            "-p",
            &port,
            "+dnssec",
            "+adflag",
            &name,
            "CERT",
        ];
        let said = succeed(&judge("kdig", &kdig).unwrap());
        assert!(said.contains(&format!("status: {status}")), "{said}");
        assert!(said.contains("Flags: qr rd ra ad;"), "{said}");
    }
    // The device's certificate in place of its name.
    let certificate = world
        .serving
        .registry
        .scratch
        .path()
        .join(format!("{EID}.pem"));
    let output = world.verify(certificate.to_str().unwrap(), ZONE, resolver, "root.ds");
    expect(&output, 0, &["active"]);
}

#[test]
fn a_broken_chain_has_no_verdict() {
    let Some(world) = World::begin() else { return };
    let resolver = world.universe.resolver;
    // Another root: rightly signed by a key that is not ours.
    let other = "dsset-example.";
    let text = std::fs::read_to_string(world.path(other)).unwrap();
    let strange = world.path("other.ds");
    std::fs::write(strange, text.replace("example.", ".")).unwrap();
    let output = world.verify(&owner(EID), ZONE, resolver, "other.ds");
    expect(&output, 3, &["bogus", "the chain from the root: at .:"]);
    // The parent says that this zone is not signed.
    let unsigned = format!("1.{EID}.{UNSIGNED}");
    let output = world.verify(&unsigned, UNSIGNED, resolver, "root.ds");
    expect(
        &output,
        4,
        &[
            "indeterminate",
            "unsigned.example. is delegated without DS record",
        ],
    );
    // The registry's own server knows nothing above its zone.
    let output = world.verify(&owner(EID), ZONE, world.serving.dns, "root.ds");
    expect(&output, 4, &["indeterminate", "takes a recursive resolver"]);
}
