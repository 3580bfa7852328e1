//! Changes of a device in the peers: a dynamic update (RFC 2136) in a zone that they sign
//! themselves, and the time until the answer shows it.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use iot_dns_zone::Profile;
use iot_identity::{OwnerName, Slot, TYPE_CERT};

use crate::peer_update::Update;
use crate::peers::{Peer, Peers, Ports, Running, Scratch};
use crate::population::{Population, mixed};
use crate::queries::{APEX, probe, push_query};
use crate::rounds::median;
use crate::{sign, zone};

/// Every core, as for ours.
const ALL_CORES: &str = "0-63";
/// How long a peer may take to sign the zone, and to show a change.
const SIGNING_PATIENCE: Duration = Duration::from_secs(1200);
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between changes: they come one by one.
const PAUSE: Duration = Duration::from_millis(10);
/// Pause between looks: asking without one would take the cores from what is measured.
pub(crate) const LOOK: Duration = Duration::from_micros(100);
/// How long devices are added, and how many in a message.
const SUSTAINED: Duration = Duration::from_secs(30);
const MESSAGE_DEVICES: u64 = 100;
/// The apex does not change its serial for so long when a zone is signed whole.
const QUIET: Duration = Duration::from_secs(10);
/// Numbers of RFC 1035 and RFC 4034.
const TYPE_SOA: u16 = 6;
const TYPE_RRSIG: u16 = 46;
const CLASS_IN: u16 = 1;

/// What a peer can do.
pub(crate) struct Changes {
    /// Median time from sending an update to the first answer with the new state, milliseconds.
    pub(crate) p50_ms: f64,
    /// New devices a second, a hundred in a message; only of a peer that changes in milliseconds.
    pub(crate) sustained_per_sec: Option<f64>,
}

/// Has a peer sign a fleet and changes it.
pub(crate) fn measure(
    peers: &Peers,
    peer: Peer,
    scratch: &Scratch,
    population: Population,
    changes: u64,
) -> anyhow::Result<Changes> {
    zone::write_unsigned(
        population,
        Profile::Standard,
        &scratch.path().join(sign::UNSIGNED),
    )?;
    let mut running = serve(peers, peer, scratch)?;
    wait_until_signed(&mut running, population)?;
    let mut times_ms = Vec::with_capacity(changes as usize);
    for turn in 0..changes {
        let number = mixed(turn / 2) % population.devices;
        let active = turn % 2 == 1;
        let name = OwnerName::new(Slot::FIRST, population.device(number), &zone::apex()).wire();
        let mut update = Update::new();
        update.device(&name, number, active);
        let begin = Instant::now();
        send(&running, &update)?;
        wait_until_seen(&running, &name, active)?;
        times_ms.push(begin.elapsed().as_secs_f64() * 1e3);
        std::thread::sleep(PAUSE);
    }
    let sustained_per_sec = match peer {
        Peer::Bind => Some(devices_per_sec(&running, population)?),
        _ => None,
    };
    Ok(Changes {
        p50_ms: median(times_ms),
        sustained_per_sec,
    })
}

/// New devices, message after message; each is answered when its devices are visible.
fn devices_per_sec(running: &Running, population: Population) -> anyhow::Result<f64> {
    let begin = Instant::now();
    let mut added = 0;
    while begin.elapsed() < SUSTAINED {
        let mut update = Update::new();
        for _ in 0..MESSAGE_DEVICES {
            let number = population.devices + added;
            let name = OwnerName::new(Slot::FIRST, population.device(number), &zone::apex()).wire();
            update.device(&name, number, true);
            added += 1;
        }
        send(running, &update)?;
    }
    Ok(added as f64 / begin.elapsed().as_secs_f64())
}

fn send(running: &Running, update: &Update) -> anyhow::Result<()> {
    let reply = probe(running.ports.dns, &update.octets(), PATIENCE).context("update")?;
    ensure!(reply[3] & 0x0f == 0, "update refused: {}", reply[3] & 0x0f);
    Ok(())
}

fn wait_until_seen(running: &Running, name: &[u8], active: bool) -> anyhow::Result<()> {
    let mut query = Vec::new();
    push_query(&mut query, name, TYPE_CERT, false);
    let begin = Instant::now();
    loop {
        let answer = probe(running.ports.dns, &query, PATIENCE)?;
        if answer[3] & 0x0f == 0 && (answer[7] > 0) == active {
            return Ok(());
        }
        ensure!(begin.elapsed() < PATIENCE, "a change was not visible");
        std::thread::sleep(LOOK);
    }
}

/// Until devices are signed and the serial stands still.
fn wait_until_signed(running: &mut Running, population: Population) -> anyhow::Result<()> {
    let begin = Instant::now();
    let apex = zone::apex();
    let mut soa = Vec::new();
    push_query(&mut soa, apex.wire(), TYPE_SOA, false);
    let mut signed = 0;
    let mut quiet_since = Instant::now();
    let mut last = Vec::new();
    while signed < population.devices.min(100) || quiet_since.elapsed() < QUIET {
        running.process.check_running()?;
        ensure!(begin.elapsed() < SIGNING_PATIENCE, "the zone is not signed");
        std::thread::sleep(Duration::from_millis(500));
        signed = 0;
        while signed < population.devices.min(100) {
            let device = population.device(mixed(signed) % population.devices);
            let name = OwnerName::new(Slot::FIRST, device, &apex).wire();
            let mut query = Vec::new();
            push_query(&mut query, &name, TYPE_CERT, false);
            let answer = probe(running.ports.dns, &query, PATIENCE);
            if !answer.is_ok_and(|answer| has_signature(&answer)) {
                break;
            }
            signed += 1;
        }
        // Every step of signing changes the SOA's serial, and with it the signature.
        let present = probe(running.ports.dns, &soa, PATIENCE).unwrap_or_default();
        if present != last {
            (last, quiet_since) = (present, Instant::now());
        }
    }
    Ok(())
}

/// Two records in the answer, the type of an RRSIG somewhere in the octets behind the question.
fn has_signature(answer: &[u8]) -> bool {
    let wanted = [TYPE_RRSIG.to_be_bytes(), CLASS_IN.to_be_bytes()].concat();
    answer[7] >= 2 && answer.windows(4).any(|octets| octets == wanted)
}

/// Starts a peer that signs the zone itself and takes updates.
fn serve(peers: &Peers, peer: Peer, scratch: &Scratch) -> anyhow::Result<Running> {
    let word = format!("{}-updates", peer.word());
    let outside = scratch.path().join(&word);
    fs::create_dir_all(outside.join("run"))?;
    let inside = scratch.inside(&word);
    let zone = match peer {
        // It signs in steps behind everything else; its tool does in a minute what takes it an hour.
        Peer::Bind => {
            sign::make_keys(peers, scratch)?;
            sign::sign_whole(peers, scratch)?;
            sign::SIGNED
        }
        _ => sign::UNSIGNED,
    };
    fs::rename(scratch.path().join(zone), outside.join("zone.db"))?;
    let keys = scratch.inside("");
    let ports = Ports::free()?;
    fs::write(
        outside.join("server.conf"),
        configuration(peer, &inside, &keys, ports),
    )?;
    let file = format!("{inside}/server.conf");
    let command = match peer {
        Peer::Bind => peers.command("named", &["-4", "-g", "-u", "root", "-c", &file]),
        _ => peers.command("knotd", &["-c", &file]),
    };
    Running::start(peer, ALL_CORES, command, &outside, ports, SIGNING_PATIENCE)
}

/// ECDSA P-256, NSEC, everything on both cores: what makes them comparable with ours.
fn configuration(peer: Peer, directory: &str, keys: &str, at: Ports) -> String {
    let (ip, port) = (at.dns.ip(), at.dns.port());
    match peer {
        Peer::Bind => format!(
            "dnssec-policy here {{ keys {{ ksk lifetime unlimited algorithm ecdsap256sha256; \
             zsk lifetime unlimited algorithm ecdsap256sha256; }}; }};
options {{
    directory \"{directory}\";
    key-directory \"{keys}\";
    listen-on port {port} {{ {ip}; }};
    listen-on-v6 {{ none; }};
    pid-file none;
    session-keyfile none;
    managed-keys-directory \"{directory}/run\";
    recursion no;
    minimal-responses yes;
    dnssec-validation no;
    querylog no;
    notify no;
}};
controls {{ }};
zone \"{APEX}\" {{ type primary; file \"{directory}/zone.db\"; check-names ignore;
    dnssec-policy here; inline-signing no; sig-signing-nodes 10000; sig-signing-signatures 10000;
    allow-update {{ {ip}; }}; }};
"
        ),
        _ => format!(
            "server:
    rundir: {directory}/run
    listen: {ip}@{port}
    background-workers: 2
database:
    storage: {directory}/run
    journal-db-max-size: 8G
log:
  - target: stderr
    any: error
acl:
  - id: updates
    address: {ip}
    action: update
policy:
  - id: here
    algorithm: ecdsap256sha256
    signing-threads: 2
    cds-cdnskey-publish: none
template:
  - id: default
    storage: {directory}
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: changes
    journal-max-usage: 6G
    semantic-checks: off
    dnssec-signing: on
    dnssec-policy: here
    acl: updates
zone:
  - domain: {APEX}
    file: {directory}/zone.db
"
        ),
    }
}
