//! The topic `change`: from SQL COMMIT to the answer that shows it, and how many changes a second
//! the zone takes in.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use iot_dns_zone::Profile;
use iot_identity::{OwnerName, Slot, TYPE_CERT};

use crate::comparison::in_words;
use crate::figure::Figure;
use crate::fleet::ZoneArguments;
use crate::machine;
use crate::ours::secs_before_half_interval;
use crate::peer_changes;
use crate::peers::{Peer, Peers, Ports, wait_until_it_answers};
use crate::population::{Ids, Population, mixed};
use crate::processes::Conversation;
use crate::queries::{Asked, QuerySet, probe, push_query};
use crate::registry_server::{Order, State, now_ns};
use crate::zone::unix_now;

/// Every core: what the product does to itself belongs to the figure.
const ALL_CORES: &str = "0-63";
const PROFILE: Profile = Profile::Standard;
/// Time for re-signing to be in its stride.
const MARGIN_SECS: u64 = 10;
/// Queries that run beside the changes.
const QUERIES_PER_SEC: u64 = 1_000;
/// Pause between changes: they come one by one.
const PAUSE: Duration = Duration::from_millis(10);
/// Pause between looks at how far the publisher is.
const LOOK: Duration = Duration::from_millis(200);
/// Longest wait for a change to become visible.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bare signatures whose mean a rate is held against.
const BARE: u32 = 20_000;

/// How much of everything.
struct Scale {
    devices: u64,
    many_devices: Option<u64>,
    changes: u64,
    sustained: Duration,
    /// Rows that wait when the sustained run begins.
    backlog: u64,
    bind_changes: u64,
    knot_changes: u64,
}

impl Scale {
    fn new(quick: bool) -> Self {
        if quick {
            Self {
                devices: 100_000,
                many_devices: None,
                changes: 200,
                sustained: Duration::from_secs(8),
                backlog: 150_000,
                bind_changes: 40,
                knot_changes: 4,
            }
        } else {
            Self {
                devices: 1_000_000,
                many_devices: Some(10_000_000),
                changes: 2_000,
                sustained: Duration::from_secs(600),
                backlog: 6_000_000,
                bind_changes: 400,
                knot_changes: 10,
            }
        }
    }
}

pub(crate) fn measure(run: &crate::Scale) -> anyhow::Result<Vec<Figure>> {
    let scale = Scale::new(run.quick);
    let mut figures = Vec::new();
    let sizes = [("1m", Some(scale.devices)), ("10m", scale.many_devices)];
    for (word, devices) in sizes {
        let Some(devices) = devices.filter(|_| run.has(word)) else {
            continue;
        };
        let population = Population {
            ids: Ids::Random,
            devices,
        };
        let (p50_ms, p99_ms) = latency(population, scale.changes)?;
        let said = format!(
            "{}, {} changes, {QUERIES_PER_SEC} queries/s beside",
            in_words(devices),
            scale.changes
        );
        figures.push(Figure::new(
            format!("change_{word}_p50_ms"),
            p50_ms,
            "ms",
            said.clone(),
        ));
        figures.push(Figure::new(
            format!("change_{word}_p99_ms"),
            p99_ms,
            "ms",
            said,
        ));
    }
    if run.has("sustained") {
        figures.extend(sustained(&scale)?);
    }
    let wanted = |peer: &(Peer, u64)| run.has("peers") || run.has(peer.0.word());
    let peers = [
        (Peer::Bind, scale.bind_changes),
        (Peer::Knot, scale.knot_changes),
    ];
    let peers: Vec<_> = peers.into_iter().filter(wanted).collect();
    if !peers.is_empty() {
        figures.extend(beside(&scale, &peers)?);
        figures.extend(against_bind(&figures));
    }
    figures.extend(machine::floors()?);
    Ok(figures)
}

/// The same change in the peers, as dynamic update of a zone that they sign. A peer that fails has
/// no figure, which is an error at the end, when the others are printed.
#[allow(clippy::print_stderr)] // the program's own warning
fn beside(scale: &Scale, measured: &[(Peer, u64)]) -> anyhow::Result<Vec<Figure>> {
    let peers = Peers::find()?;
    machine::note_peers(peers.versions());
    let population = Population {
        ids: Ids::Random,
        devices: scale.devices,
    };
    let mut figures = Vec::new();
    for &(peer, changes) in measured {
        let scratch = peers.scratch()?;
        let measured = peer_changes::measure(&peers, peer, &scratch, population, changes);
        let named = peers.named(peer.word());
        let changed = match measured {
            Ok(changed) => changed,
            Err(error) => {
                eprintln!("iot-bench: {named}: {error:#}");
                continue;
            }
        };
        let scale = in_words(scale.devices);
        let said = format!("{scale}, {changes} dynamic updates");
        let id = format!("change_1m_p50_ms_{}", peer.word());
        figures.push(Figure::new(id, changed.p50_ms, "ms", said).beside(named.clone()));
        if let Some(rate) = changed.sustained_per_sec {
            let said = format!("{scale}, new devices, a hundred a message");
            let id = format!("change_sustained_per_sec_{}", peer.word());
            figures.push(Figure::new(id, rate, "1/s", said).beside(named));
        }
    }
    Ok(figures)
}

/// Changes a second against BIND's, where both were measured.
fn against_bind(figures: &[Figure]) -> Option<Figure> {
    let of = |id: &str| figures.iter().find(|figure| figure.id == id);
    let (ours, bind) = (
        of("change_sustained_per_sec")?,
        of("change_sustained_per_sec_bind")?,
    );
    let ratio = ours.value / bind.value;
    let figure = Figure::new("change_sustained_vs_bind", ratio, "ratio", &ours.scale);
    Some(match &bind.peer {
        Some(peer) => figure.beside(peer),
        None => figure,
    })
}

/// The product's process around a fleet.
struct Served {
    server: Conversation,
    at: SocketAddr,
    /// When signatures are renewed at an even pace.
    in_stride_at: u64,
    // Removed after the process has ended.
    _directory: tempfile::TempDir,
}

/// Starts the product's process around a fleet.
fn serve(population: Population, backlog: u64) -> anyhow::Result<Served> {
    let directory = tempfile::tempdir()?;
    let at = Ports::free()?.dns;
    let secs_ago = secs_before_half_interval(population.devices, PROFILE)?;
    let mut arguments = vec![
        "serve-registry".to_owned(),
        format!("--dns={at}"),
        format!("--backlog={backlog}"),
        format!("--secs-ago={secs_ago}"),
    ];
    arguments.extend(ZoneArguments::of(directory.path(), population, PROFILE).words());
    let signed_at = unix_now() - secs_ago;
    let (mut server, _) = Conversation::start("registry", ALL_CORES, &arguments)?;
    wait_until_it_answers(&mut server.process, at)?;
    let half_interval = u64::from(PROFILE.resign_after_secs()) / 2;
    let in_stride_at = signed_at + half_interval + MARGIN_SECS;
    Ok(Served {
        server,
        at,
        in_stride_at,
        _directory: directory,
    })
}

/// Median and 99th percentile of the time from COMMIT to the first answer with the new state.
fn latency(population: Population, changes: u64) -> anyhow::Result<(f64, f64)> {
    let mut served = serve(population, 0)?;
    let (server, at) = (&mut served.server, served.at);
    let wait_secs = served.in_stride_at.saturating_sub(unix_now());
    std::thread::sleep(Duration::from_secs(wait_secs));
    // What fell behind while the zone was signed is caught up first.
    let order = serde_json::to_string(&Order::State)?;
    while serde_json::from_str::<State>(&server.ask(&order)?)?.behind_secs > 1 {
        std::thread::sleep(LOOK);
    }
    let load = Load::start(population, at)?;
    let mut times_ms = Vec::with_capacity(changes as usize);
    for turn in 0..changes {
        // A device is withdrawn, and given back at its next turn.
        let number = mixed(turn / 2) % population.devices;
        let active = turn % 2 == 1;
        let order = Order::Commit { number, active };
        server.say(&serde_json::to_string(&order)?)?;
        let seen_at_ns = wait_until_seen(&population, number, active, at)?;
        let state: State = serde_json::from_str(&server.line()?)?;
        times_ms.push(seen_at_ns.saturating_sub(state.committed_at_ns) as f64 / 1e6);
        std::thread::sleep(PAUSE);
    }
    load.end()?;
    times_ms.sort_by(f64::total_cmp);
    let quantile = |share: f64| times_ms[((times_ms.len() - 1) as f64 * share) as usize];
    Ok((quantile(0.5), quantile(0.99)))
}

/// Asks again and again until the answer is of the new state; when that was.
fn wait_until_seen(
    population: &Population,
    number: u64,
    active: bool,
    at: SocketAddr,
) -> anyhow::Result<u64> {
    let name = OwnerName::new(Slot::FIRST, population.device(number), &crate::zone::apex());
    let mut query = Vec::new();
    push_query(&mut query, &name.wire(), TYPE_CERT, false);
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        let Ok(answer) = probe(at, &query, Duration::from_millis(500)) else {
            continue;
        };
        let answers = u16::from_be_bytes([answer[6], answer[7]]);
        if answer[3] & 0x0f == 0 && (answers > 0) == active {
            return Ok(now_ns());
        }
        std::thread::sleep(peer_changes::LOOK);
    }
    bail!("a change was not visible after {PATIENCE:?}")
}

/// Queries at an even pace from a thread of their own.
struct Load {
    end: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Load {
    fn start(population: Population, at: SocketAddr) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(at)?;
        socket.set_nonblocking(true)?;
        let end = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&end);
        let thread = std::thread::spawn(move || {
            let set = QuerySet::new(&population, 10_000, false);
            let (begin, mut number, mut octets) = (Instant::now(), 0, [0; 2048]);
            while !ended.load(Ordering::Relaxed) {
                socket.send(set.query(Asked::Mix, number))?;
                while socket.recv(&mut octets).is_ok() {}
                number += 1;
                let due = Duration::from_micros(number * 1_000_000 / QUERIES_PER_SEC);
                std::thread::sleep(due.saturating_sub(begin.elapsed()));
            }
            Ok(())
        });
        Ok(Self { end, thread })
    }

    fn end(self) -> anyhow::Result<()> {
        self.end.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .map_err(|_| anyhow::anyhow!("the load ended early"))?
    }
}

/// New devices a second, from journal rows that are committed already; and in the time of a bare
/// signature.
fn sustained(scale: &Scale) -> anyhow::Result<[Figure; 2]> {
    let population = Population {
        ids: Ids::Random,
        devices: scale.devices,
    };
    let mut served = serve(population, scale.backlog)?;
    let order = serde_json::to_string(&Order::State)?;
    let mut applied = || -> anyhow::Result<(f64, Instant)> {
        let state: State = serde_json::from_str(&served.server.ask(&order)?)?;
        Ok((state.applied as f64, Instant::now()))
    };
    let (first, begin) = applied()?;
    let (mut last, mut end) = (first, begin);
    // A rate that was kept up until nothing was left was kept up.
    while end - begin < scale.sustained && last < scale.backlog as f64 {
        std::thread::sleep(LOOK);
        (last, end) = applied()?;
    }
    ensure!(last > first, "nothing was left when the time began");
    let rate = (last - first) / (end - begin).as_secs_f64();
    let said = format!(
        "{}, new devices for {} s",
        in_words(scale.devices),
        (end - begin).as_secs()
    );
    let bare = machine::bare_signature_secs(BARE)?;
    Ok([
        Figure::new("change_sustained_per_sec", rate, "1/s", &said),
        Figure::new(
            "change_sustained_per_bare_signature",
            rate * bare,
            "ratio",
            said,
        )
        .beside("ring"),
    ])
}
