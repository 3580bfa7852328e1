//! The topic `udp`: CPU time of an answer, beside the peers and beside floors that look nothing up.

use anyhow::Context;

use crate::cold;
use crate::comparison::{compare, in_words};
use crate::dnsperf;
use crate::figure::Figure;
use crate::fleet::FleetArguments;
use crate::machine;
use crate::ours::serve_ours;
use crate::peers::{Peer, Ports};
use crate::population::{Ids, Population};
use crate::processes::{CLIENT_CORE, Conversation, Process, SERVER_CORE};
use crate::queries::Asked;
use crate::rounds::{self, Series, of};
use crate::servers::Servers;
use crate::udp_client;
use crate::zone_server::Order;

/// Time in which the length of answers is seen.
const LENGTH_SECS: f64 = 0.1;

/// How much of everything.
struct Scale {
    devices: u64,
    /// The larger fleet of ours alone; none in a quick run.
    many_devices: Option<u64>,
    queries: u64,
    rounds: usize,
    secs: f64,
    peers: &'static [Peer],
}

impl Scale {
    fn new(quick: bool) -> Self {
        if quick {
            Self {
                devices: 100_000,
                many_devices: None,
                queries: 100_000,
                rounds: 3,
                secs: 0.4,
                peers: &[Peer::Knot],
            }
        } else {
            Self {
                devices: 1_000_000,
                many_devices: Some(10_000_000),
                queries: 1_000_000,
                rounds: 9,
                secs: 2.0,
                peers: &Peer::ALL,
            }
        }
    }
}

pub(crate) fn measure(run: &crate::Scale) -> anyhow::Result<Vec<Figure>> {
    let scale = Scale::new(run.quick);
    let random = Population {
        ids: Ids::Random,
        devices: scale.devices,
    };
    let measured_peers = if run.has("peers") { scale.peers } else { &[] };
    let mut servers = Servers::start(random, measured_peers)?;
    let mut clients = vec![client(random, scale.queries)?];
    let mut figures = Vec::new();
    if run.has("peers") {
        figures.extend(beside_peers(&scale, &servers, &mut clients)?);
        figures.extend(with_dnsperf(&scale, &servers)?);
    }
    // What is left has the core to itself.
    servers.running.clear();
    if run.has("ours") {
        figures.extend(among_ours(&scale, &mut servers, clients)?);
    }
    figures.extend(machine::floors()?);
    Ok(figures)
}

fn client(population: Population, queries: u64) -> anyhow::Result<Conversation> {
    let mut arguments = vec!["ask-udp".to_owned(), format!("--queries={queries}")];
    arguments.extend(FleetArguments::of(population).words());
    Ok(Conversation::start("client", CLIENT_CORE, &arguments)?.0)
}

fn floor(ports: Ports, octets: (f64, f64), extra: &[String]) -> anyhow::Result<Conversation> {
    let mut arguments = vec![
        "floor-udp".to_owned(),
        format!("--listen={}", ports.dns),
        format!("--present-octets={}", octets.0.round()),
        format!("--absent-octets={}", octets.1.round()),
    ];
    arguments.extend_from_slice(extra);
    Ok(Conversation::start("floor", SERVER_CORE, &arguments)?.0)
}

fn order(ports: Ports, asked: Asked, secs: f64, unchecked: bool) -> udp_client::Order {
    udp_client::Order {
        to: ports.dns,
        asked,
        secs,
        unchecked,
    }
}

pub(crate) fn series<'a>(
    server: &str,
    process: &'a Process,
    ports: Ports,
    client: usize,
    asked: Asked,
    secs: f64,
) -> Series<'a, udp_client::Order> {
    Series {
        server: server.to_owned(),
        asked,
        process,
        client,
        order: order(ports, asked, secs, server == "floor"),
    }
}

/// Ours, the peers and the floors in the same rounds.
fn beside_peers(
    scale: &Scale,
    servers: &Servers,
    clients: &mut [Conversation],
) -> anyhow::Result<Vec<Figure>> {
    let Servers {
        peers,
        ours,
        running,
        ..
    } = servers;
    // Floors send as much as we do.
    let octets = rounds::answer_octets(clients, |asked| {
        let process = &ours.conversation.process;
        series("ours", process, ours.ports, 0, asked, LENGTH_SECS)
    })?;
    let (echo_at, denial_at, hash_at) = (Ports::free()?, Ports::free()?, Ports::free()?);
    let echo = floor(echo_at, octets, &[])?;
    let denial = floor(denial_at, octets, &["--denies".to_owned()])?;
    let fleet = FleetArguments::of(servers.population).words();
    let hash = floor(hash_at, octets, &fleet)?;
    let mut all = Vec::new();
    for asked in Asked::ALL {
        let mut add = |server: &str, process, ports| {
            all.push(series(server, process, ports, 0, asked, scale.secs));
        };
        add("ours", &ours.conversation.process, ours.ports);
        for (peer, one) in running {
            add(peer.word(), &one.process, one.ports);
        }
        match asked {
            Asked::Present => add("floor", &echo.process, echo_at),
            Asked::Nxdomain => add("floor", &denial.process, denial_at),
            Asked::Mix => {}
        }
        add("hash_floor", &hash.process, hash_at);
    }
    let measured = rounds::measure(clients, &all, scale.rounds)?;
    compare("udp", &measured, peers, scale.devices)
}

/// The same servers asked by dnsperf, which sends evenly instead of in bursts.
fn with_dnsperf(scale: &Scale, servers: &Servers) -> anyhow::Result<Vec<Figure>> {
    let Servers {
        population,
        peers,
        ours,
        running,
        scratch,
    } = servers;
    let file = "queries";
    let queries = scale.queries.min(200_000);
    dnsperf::write_queries(&scratch.path().join(file), population, queries)?;
    let mut targets = vec![("ours", &ours.conversation.process, ours.ports)];
    if let Some((_, knot)) = running.iter().find(|(peer, _)| *peer == Peer::Knot) {
        targets.push(("knot", &knot.process, knot.ports));
    }
    let mut figures = Vec::new();
    let mut cpu_us = Vec::new();
    for (server, process, ports) in targets {
        let rounds = if scale.rounds > 3 { 5 } else { 1 };
        let one = dnsperf::cpu_us(
            peers,
            process,
            ports.dns,
            &scratch.inside(file),
            rounds,
            scale.secs,
        )
        .with_context(|| format!("dnsperf against {server}"))?;
        cpu_us.push(one);
        let id = format!("udp_present_cpu_us_dnsperf_{server}");
        figures.push(
            Figure::new(id, one, "us", in_words(scale.devices)).beside(peers.named("dnsperf")),
        );
    }
    if let [ours, knot] = cpu_us[..] {
        let id = "udp_present_cpu_vs_knot_dnsperf";
        let figure = Figure::new(id, ours / knot, "ratio", in_words(scale.devices));
        figures.push(figure.beside(peers.named("knot")));
    }
    Ok(figures)
}

/// Ours against ours: clustered ids, and many more devices.
fn among_ours(
    scale: &Scale,
    servers: &mut Servers,
    mut clients: Vec<Conversation>,
) -> anyhow::Result<Vec<Figure>> {
    servers.ours.order(&Order::Read)?;
    let Servers {
        population: random,
        ours,
        scratch,
        ..
    } = servers;
    let mut others = vec![(
        "clustered",
        Population {
            ids: Ids::Clustered,
            ..*random
        },
    )];
    if let Some(devices) = scale.many_devices {
        others.push(("many", Population { devices, ..*random }));
    }
    let largest = others.last().map_or(*random, |(_, population)| *population);
    let mut asking = client(largest, scale.queries)?;
    let cold = cold::present(largest, scratch, &mut asking, scale.secs)?;
    drop(asking);
    let mut running = Vec::new();
    for (name, population) in &others {
        let mut other = serve_ours(name, *population, scratch, None)?;
        // Warm: pages are mapped and verified before the first query, as after hours of service.
        other.order(&Order::Read)?;
        running.push(other);
        clients.push(client(*population, scale.queries)?);
    }
    let mut all = Vec::new();
    for asked in [Asked::Present, Asked::Nxdomain] {
        let process = &ours.conversation.process;
        all.push(series("ours", process, ours.ports, 0, asked, scale.secs));
        for (at, (name, _)) in others.iter().enumerate() {
            let other = &running[at];
            let process = &other.conversation.process;
            all.push(series(
                name,
                process,
                other.ports,
                at + 1,
                asked,
                scale.secs,
            ));
        }
    }
    let measured = rounds::measure(&mut clients, &all, scale.rounds)?;
    let mut figures = vec![cold];
    for asked in [Asked::Present, Asked::Nxdomain] {
        let base = of(&measured, "ours", asked)?.cpu_us;
        for (name, population) in &others {
            let id = match *name {
                "many" => format!("udp_{}_cpu_10m_vs_1m", asked.word()),
                _ => format!("udp_{}_cpu_clustered_vs_random", asked.word()),
            };
            let value = of(&measured, name, asked)?.cpu_us / base;
            figures.push(Figure::new(
                id,
                value,
                "ratio",
                in_words(population.devices),
            ));
        }
    }
    Ok(figures)
}
