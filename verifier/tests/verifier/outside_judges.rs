//! Judges from outside: a zone signed by ldns and served by unbound is validated by us, and the
//! rogue's honest answers are validated by BIND's delv, so that the wrong ones are wrong for the
//! reason named and for no other.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use iot_identity::{DeviceId, Fingerprint, OwnerName, Slot};
use iot_verifier::transport::plain::PlainTransport;
use iot_verifier::{CheckError, Checker, Policy, Verdict, Wanted, ZoneAnchor};

use crate::command_line::present_world;
use crate::rogue::records::nsec;
use crate::rogue::server::{Manners, start_plain};
use crate::rogue::*;

/// Whether the tools are there. Without them the test fails, unless told to do without.
fn tools_are_missing(tools: &[&str]) -> bool {
    let missing = |tool: &&&str| {
        let found = Command::new("sh")
            .args(["-c", &format!("command -v {tool}")])
            .stdout(Stdio::null())
            .status();
        !found.unwrap().success()
    };
    let missing: Vec<_> = tools.iter().filter(missing).collect();
    if missing.is_empty() {
        return false;
    }
    let skips = std::env::var_os("IOT_SKIP_INTEROP").is_some_and(|value| value == "1");
    assert!(
        skips,
        "not installed: {missing:?} (IOT_SKIP_INTEROP=1 does without)"
    );
    true
}

const ACTIVE: &str = "89049032123451234512345678901235";
const INACTIVE: &str = "8912230200031010008f";
const UNKNOWN: &str = "89049032123451234512345678901332";

fn zone_file(fingerprint: Fingerprint) -> String {
    use base64::prelude::*;
    let base64 = BASE64_STANDARD.encode(fingerprint.as_octets());
    format!(
        "$ORIGIN {ZONE}\n$TTL 60\n\
         @ SOA ns1 host 1 3600 600 1800 60\n@ NS ns1\nns1 A 127.0.0.1\n\
         1.{ACTIVE} CERT 1 1 0 {base64}\n1.{ACTIVE} TLSA 3 0 1 {fingerprint}\n\
         1.{INACTIVE} TXT \"v=iotr1; status=inactive\"\n"
    )
}

/// Runs a tool in the directory and gives its output.
fn run(directory: &Path, tool: &str, arguments: &[&str]) -> String {
    let output = Command::new(tool)
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(output.status.success(), "{tool}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Signs the zone file `zone` into `zone.signed`; gives the text of the DS record.
fn sign_with_ldns(directory: &Path, now: u64) -> String {
    let apex = ZONE.trim_end_matches('.');
    let keygen = |more: &[&str]| {
        let arguments = [&["-a", "ECDSAP256SHA256"], more, &[apex]].concat();
        run(directory, "ldns-keygen", &arguments)
    };
    let (ksk, zsk) = (keygen(&["-k"]), keygen(&[]));
    let (inception, expiration) = ((now - 300).to_string(), (now + 3_600).to_string());
    let arguments = [
        "-i",
        &inception,
        "-e",
        &expiration,
        "-o",
        ZONE,
        "zone",
        &ksk,
        &zsk,
    ];
    run(directory, "ldns-signzone", &arguments);
    std::fs::read_to_string(directory.join(format!("{ksk}.ds"))).unwrap()
}

/// A process that is ended when the test is.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves `zone.signed` with unbound as an authoritative server.
fn serve_with_unbound(directory: &Path) -> (Running, SocketAddr) {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap()
        .port();
    let place = directory.display();
    let configuration = format!(
        "server:\n  interface: 127.0.0.1\n  port: {port}\n  do-daemonize: no\n  username: \"\"\n  \
         chroot: \"\"\n  directory: \"{place}\"\n  pidfile: \"\"\n  use-syslog: no\n  \
         num-threads: 1\n  module-config: \"iterator\"\nremote-control:\n  control-enable: no\n\
         auth-zone:\n  name: \"{ZONE}\"\n  zonefile: \"{place}/zone.signed\"\n  \
         for-downstream: yes\n  for-upstream: no\n"
    );
    std::fs::write(directory.join("unbound.conf"), configuration).unwrap();
    let child = Command::new("unbound")
        .args(["-d", "-c", "unbound.conf"])
        .current_dir(directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    (Running(child), SocketAddr::from(([127, 0, 0, 1], port)))
}

/// Checks until the server has started.
async fn check_started(
    checker: &Checker<PlainTransport>,
    slot: u16,
    device_id: &str,
    now: u64,
) -> Result<Verdict, CheckError> {
    let device_id = DeviceId::parse(device_id).unwrap();
    let zone = checker.anchor().zone();
    let owner = OwnerName::new(Slot::new(slot).unwrap(), device_id, zone);
    for _ in 0..100 {
        match checker.check(&owner, Wanted::Both, now).await {
            Err(CheckError::Transport(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
            other => return other,
        }
    }
    panic!("unbound does not start");
}

#[tokio::test]
async fn a_zone_signed_by_ldns_and_served_by_unbound_is_validated() {
    if tools_are_missing(&["ldns-keygen", "ldns-signzone", "unbound"]) {
        return;
    }
    let now = present_world().now;
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("zone"), zone_file(fingerprint())).unwrap();
    let anchor = ZoneAnchor::parse(&sign_with_ldns(directory.path(), now)).unwrap();
    let (_running, address) = serve_with_unbound(directory.path());
    let checker = Checker::new(PlainTransport::new(address), anchor, Policy::default());
    let active = check_started(&checker, 1, ACTIVE, now).await;
    let Ok(Verdict::Active(active)) = active else {
        panic!("{active:?}");
    };
    assert_eq!(active.fingerprint(), fingerprint());
    let inactive = check_started(&checker, 1, INACTIVE, now).await;
    assert!(matches!(inactive, Ok(Verdict::Inactive(_))), "{inactive:?}");
    for (slot, device_id) in [(2, ACTIVE), (1, UNKNOWN)] {
        let absent = check_started(&checker, slot, device_id, now).await;
        assert!(matches!(absent, Ok(Verdict::Absent(_))), "{absent:?}");
    }
}

/// What delv says to the rogue's answers for our name.
async fn ask_delv(world: &World, case: Case) -> String {
    let directory = tempfile::tempdir().unwrap();
    let text = world.anchor_text();
    let fields: Vec<_> = text.split_whitespace().collect();
    let anchor = format!(
        "trust-anchors {{ \"{ZONE}\" static-ds {} {} {} \"{}\"; }};\n",
        fields[4], fields[5], fields[6], fields[7]
    );
    let path = directory.path().join("anchor");
    std::fs::write(&path, anchor).unwrap();
    let port = start_plain(case, Manners::Quiet, false)
        .await
        .port()
        .to_string();
    let arguments = [
        "@127.0.0.1".to_owned(),
        "-p".to_owned(),
        port,
        "-a".to_owned(),
        path.to_str().unwrap().to_owned(),
        format!("+root={ZONE}"),
        OWNER.to_owned(),
        "CERT".to_owned(),
    ];
    let run = move || Command::new("delv").args(arguments).output().unwrap();
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn delv_validates_the_honest_answers_of_the_rogue() {
    if tools_are_missing(&["delv"]) {
        return;
    }
    let world = present_world();
    for case in [world.active(), world.inactive(), world.absent()] {
        let said = ask_delv(&world, case).await;
        assert!(said.contains("fully validated"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn delv_refuses_what_we_refuse() {
    if tools_are_missing(&["delv"]) {
        return;
    }
    let world = present_world();
    let mut unsigned = world.active();
    unsigned.cert.answer.truncate(1);
    let mut by_zsk_alone = world.active();
    by_zsk_alone.keys.answer = world.by_zsk().sign(world.dnskey_records());
    let mut moved = world.active();
    moved.cert.answer[0] = records::raw(OWNER, CERT, &[&[0, 1, 0, 1, 0][..], &[9; 32]].concat());
    let half = vec![vec![nsec(
        &zone_name("8"),
        &zone_name("zz"),
        &[TXT, RRSIG, NSEC],
    )]];
    let wildcard_open = world.denied(ResponseCode::NXDomain, half);
    for case in [unsigned, by_zsk_alone, moved, wildcard_open] {
        assert!(world.judge(&case).is_err());
        let said = ask_delv(&world, case).await;
        assert!(!said.contains("fully validated"), "{said}");
    }
}
