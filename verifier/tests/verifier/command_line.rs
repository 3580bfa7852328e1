//! `iot-verify` as people and scripts run it: exit codes, both forms of output, both transports.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::prelude::*;
use iot_identity::{CertRecord, Fingerprint};
use serde_json::Value;

use crate::binding::certificate;
use crate::rogue::records::{Signing, raw};
use crate::rogue::server::{Credentials, Manners, SERVER_NAME, start_dot, start_plain};
use crate::rogue::*;

/// The rogue's zone at the present time: the command reads the clock.
pub(crate) fn present_world() -> World {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    World::at(now.as_secs())
}

async fn run(arguments: Vec<String>) -> Output {
    let run = move || {
        Command::new(env!("CARGO_BIN_EXE_iot-verify"))
            .args(arguments)
            .output()
            .unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// Runs the command on `subject` against a plain server; gives exit code and JSON.
async fn check(world: &World, case: Case, manners: Manners, subject: &str) -> (i32, Value) {
    let directory = tempfile::tempdir().unwrap();
    let anchor = write(directory.path(), "anchor", &world.anchor_text());
    let address = start_plain(case, manners, false).await.to_string();
    let arguments = [
        subject,
        "--plain",
        "--json",
        "--timeout",
        "2",
        "--resolver",
        &address,
        "--anchor",
        &anchor,
    ];
    let output = run(arguments.map(str::to_owned).to_vec()).await;
    let json: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert_eq!(json["exit_code"], output.status.code().unwrap());
    (output.status.code().unwrap(), json)
}

fn write(directory: &Path, file: &str, text: &str) -> String {
    let path = directory.join(file);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The active case that publishes this certificate.
fn publishing(world: &World, certificate: &rcgen::Certificate) -> Case {
    let fingerprint = Fingerprint::of_certificate(certificate.der());
    let record = raw(OWNER, CERT, &CertRecord { fingerprint }.rdata());
    let mut case = world.active();
    case.cert.answer = world.by_zsk().sign(vec![record]);
    case
}

#[tokio::test(flavor = "multi_thread")]
async fn each_state_has_its_exit_code() {
    let world = present_world();
    let honest = Manners::Honest;
    let (code, json) = check(&world, world.active(), honest, OWNER).await;
    assert_eq!(
        (code, json["state"].as_str()),
        (0, Some("active")),
        "{json}"
    );
    assert_eq!(json["fingerprint"], fingerprint().to_string());
    assert_eq!(json["signatures"][1]["key_tag"], world.zsk.tag());
    let (code, json) = check(&world, world.inactive(), honest, OWNER).await;
    assert_eq!(
        (code, json["state"].as_str()),
        (1, Some("inactive")),
        "{json}"
    );
    let (code, json) = check(&world, world.absent(), honest, OWNER).await;
    assert_eq!(
        (code, json["state"].as_str()),
        (2, Some("absent")),
        "{json}"
    );
    assert_eq!(json["fingerprint"], Value::Null);
    let expired = Signing {
        inception: world.now - 4_000,
        expiration: world.now - 400,
        ..world.by_zsk()
    };
    let mut case = world.active();
    case.cert.answer = expired.sign(vec![cert_record()]);
    let (code, json) = check(&world, case, honest, OWNER).await;
    assert_eq!((code, json["state"].as_str()), (3, Some("bogus")), "{json}");
    assert!(
        json["reason"].as_str().unwrap().contains("expired"),
        "{json}"
    );
    let (code, json) = check(&world, world.active(), Manners::Failing, OWNER).await;
    assert_eq!(
        (code, json["state"].as_str()),
        (4, Some("indeterminate")),
        "{json}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_held_against_what_is_published() {
    let world = present_world();
    let directory = tempfile::tempdir().unwrap();
    let published = certificate(|_| ());
    let other = certificate(|_| ());
    let case = publishing(&world, &published);
    let path = write(directory.path(), "published.pem", &published.pem());
    let (code, json) = check(&world, case.clone(), Manners::Honest, &path).await;
    assert_eq!(
        (code, json["state"].as_str()),
        (0, Some("active")),
        "{json}"
    );
    let path = write(directory.path(), "other.pem", &other.pem());
    let (code, json) = check(&world, case, Manners::Honest, &path).await;
    assert_eq!(
        (code, json["state"].as_str()),
        (6, Some("mismatch")),
        "{json}"
    );
    assert!(
        json["reason"].as_str().unwrap().starts_with("superseded"),
        "{json}"
    );
    let (code, _) = check(&world, world.inactive(), Manners::Honest, &path).await;
    assert_eq!(code, 1);
    let der = directory.path().join("published.der");
    std::fs::write(&der, published.der()).unwrap();
    let case = publishing(&world, &published);
    let (code, _) = check(&world, case, Manners::Honest, der.to_str().unwrap()).await;
    assert_eq!(code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn dns_over_tls_works_by_name_and_by_pin_and_a_wrong_pin_is_indeterminate() {
    let world = present_world();
    let directory = tempfile::tempdir().unwrap();
    let anchor = write(directory.path(), "anchor", &world.anchor_text());
    let credentials = Credentials::generate();
    let roots = write(directory.path(), "roots.pem", &credentials.pem());
    let (address, _) = start_dot(&credentials, world.active(), Manners::Honest).await;
    let address = address.to_string();
    let pin = BASE64_STANDARD.encode(credentials.pin());
    let wrong_pin = BASE64_STANDARD.encode([0; 32]);
    let common = [
        OWNER,
        "--resolver",
        &address,
        "--anchor",
        &anchor,
        "--record",
        "both",
    ];
    for (identity, expected) in [
        (vec!["--spki-pin", &pin], 0),
        (vec!["--tls-name", SERVER_NAME, "--tls-roots", &roots], 0),
        (vec!["--spki-pin", &wrong_pin], 4),
        (
            vec!["--tls-name", "other.example", "--tls-roots", &roots],
            4,
        ),
    ] {
        let arguments = common.iter().chain(&identity);
        let output = run(arguments.map(|&text| text.to_owned()).collect()).await;
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(expected), "{identity:?}: {text}");
        let state = if expected == 0 {
            "active"
        } else {
            "indeterminate"
        };
        assert!(text.contains(&format!("state        {state}")), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_and_input_have_exit_code_five() {
    let world = present_world();
    let directory = tempfile::tempdir().unwrap();
    let anchor = write(directory.path(), "anchor", &world.anchor_text());
    let empty = write(directory.path(), "empty", "; nothing\n");
    let foreign = OWNER.replace("iotregistry", "attacker");
    let resolver = "127.0.0.1:9";
    for arguments in [
        vec![],
        vec![OWNER],
        vec![OWNER, "--resolver", resolver, "--anchor", &anchor],
        vec![
            OWNER,
            "--resolver",
            resolver,
            "--anchor",
            &anchor,
            "--plain",
            "--spki-pin",
            "x",
        ],
        vec![
            OWNER,
            "--resolver",
            resolver,
            "--anchor",
            &anchor,
            "--spki-pin",
            "AAAA",
        ],
        vec![
            OWNER,
            "--resolver",
            resolver,
            "--anchor",
            &anchor,
            "--plain",
            "--tls-roots",
            "x",
        ],
        vec![
            OWNER,
            "--resolver",
            "localhost",
            "--anchor",
            &anchor,
            "--plain",
        ],
        vec![
            OWNER,
            "--resolver",
            resolver,
            "--anchor",
            "/nowhere/anchor",
            "--plain",
        ],
        vec![OWNER, "--resolver", resolver, "--anchor", &empty, "--plain"],
        vec![
            &foreign,
            "--resolver",
            resolver,
            "--anchor",
            &anchor,
            "--plain",
        ],
        vec![
            "/nowhere/cert.pem",
            "--resolver",
            resolver,
            "--anchor",
            &anchor,
            "--plain",
        ],
        vec![
            &anchor,
            "--resolver",
            resolver,
            "--anchor",
            &anchor,
            "--plain",
        ],
        vec![
            OWNER,
            "--resolver",
            resolver,
            "--anchor",
            &anchor,
            "--plain",
            "--timeout",
            "0",
        ],
    ] {
        let output = run(arguments.iter().map(|&text| text.to_owned()).collect()).await;
        assert_eq!(output.status.code(), Some(5), "{arguments:?}: {output:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn help_tells_the_exit_codes() {
    let output = run(vec!["--help".to_owned()]).await;
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    for line in [
        "0  active",
        "1  inactive",
        "2  absent",
        "3  bogus",
        "4  indeterminate",
    ] {
        assert!(text.contains(line), "{text}");
    }
}
