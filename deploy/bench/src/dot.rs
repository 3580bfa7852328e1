//! The topic `dot`: CPU time of an answer over TCP and DNS over TLS, of a connection, and memory of
//! connections that stay silent.

use anyhow::{Context, ensure};

use crate::comparison::{compare, in_words};
use crate::figure::Figure;
use crate::fleet::FleetArguments;
use crate::machine;
use crate::peers::{Peer, Ports};
use crate::population::{Ids, Population};
use crate::processes::{CLIENT_CORE, Conversation, Process, SERVER_CORE};
use crate::queries::Asked;
use crate::rounds::{self, Measured, Series, of};
use crate::servers::Servers;
use crate::stream_client::{Order, Use};

/// Connections of a steady client, and outstanding queries on each.
const CONNECTIONS: usize = 10;
const OUTSTANDING: usize = 20;
/// Time in which the length of answers is seen.
const LENGTH_SECS: f64 = 0.1;
/// Share of connections that have to resume when resumption is measured, and of idle connections
/// that have to be open at the end.
const SHARE_MIN: f64 = 0.99;

/// How much of everything.
struct Scale {
    devices: u64,
    queries: u64,
    rounds: usize,
    secs: f64,
    idle_connections: usize,
    peers: &'static [Peer],
}

impl Scale {
    fn new(quick: bool) -> Self {
        if quick {
            Self {
                devices: 100_000,
                queries: 50_000,
                rounds: 3,
                secs: 0.3,
                idle_connections: 1_000,
                peers: &[Peer::Knot],
            }
        } else {
            Self {
                devices: 1_000_000,
                queries: 1_000_000,
                rounds: 7,
                secs: 2.0,
                idle_connections: 10_000,
                peers: &Peer::ALL,
            }
        }
    }
}

pub(crate) fn measure(quick: bool) -> anyhow::Result<Vec<Figure>> {
    let scale = Scale::new(quick);
    let population = Population {
        ids: Ids::Random,
        devices: scale.devices,
    };
    let servers = Servers::start(population, scale.peers)?;
    let mut clients = vec![client(&scale, &servers)?];
    let setting = Setting {
        scale: &scale,
        servers: &servers,
    };
    let mut figures = setting.steady(&mut clients)?;
    figures.extend(setting.padded(&mut clients)?);
    figures.extend(setting.handshakes(&mut clients)?);
    figures.extend(setting.idle(&mut clients)?);
    figures.extend(machine::floors()?);
    Ok(figures)
}

fn client(scale: &Scale, servers: &Servers) -> anyhow::Result<Conversation> {
    let mut arguments = vec![
        "ask-stream".to_owned(),
        format!("--queries={}", scale.queries),
    ];
    arguments.extend(asker(servers));
    Ok(Conversation::start("client", CLIENT_CORE, &arguments)?.0)
}

/// What every client over TLS is told.
fn asker(servers: &Servers) -> Vec<String> {
    let certificate = servers.scratch.path().display();
    let mut words = vec![format!("--tls-directory={certificate}")];
    words.extend(FleetArguments::of(servers.population).words());
    words
}

/// What all parts of the topic have in common.
struct Setting<'a> {
    scale: &'a Scale,
    servers: &'a Servers,
}

impl<'a> Setting<'a> {
    fn order(&self, ports: Ports, tls: bool) -> Order {
        Order {
            to: if tls { ports.dot } else { ports.dns },
            tls,
            use_of_connections: Use::Steady,
            asked: Asked::Mix,
            secs: self.scale.secs,
            connections: CONNECTIONS,
            outstanding: OUTSTANDING,
            padded: false,
            unchecked: false,
        }
    }

    fn series(&self, server: &str, process: &'a Process, order: Order) -> Series<'a, Order> {
        Series {
            server: server.to_owned(),
            asked: order.asked,
            process,
            client: 0,
            order,
        }
    }

    /// Ours and every peer with the same order.
    fn all_with(&self, order: impl Fn(Ports) -> Order) -> Vec<Series<'a, Order>> {
        let ours = &self.servers.ours.conversation.process;
        let mut all = vec![self.series("ours", ours, order(self.servers.ours.ports))];
        for (peer, running) in &self.servers.running {
            all.push(self.series(peer.word(), &running.process, order(running.ports)));
        }
        all
    }

    /// Connections that stay, over TCP and over TLS, with the floor.
    fn steady(&self, clients: &mut [Conversation]) -> anyhow::Result<Vec<Figure>> {
        // The floor sends as much as we do.
        let ours = &self.servers.ours;
        let octets = rounds::answer_octets(clients, |asked| {
            let order = Order {
                asked,
                secs: LENGTH_SECS,
                ..self.order(ours.ports, false)
            };
            self.series("ours", &ours.conversation.process, order)
        })?;
        let floor_at = Ports::free()?;
        let arguments = [
            "floor-stream".to_owned(),
            format!("--listen={}", floor_at.dns),
            format!("--listen-tls={}", floor_at.dot),
            format!("--present-octets={}", octets.0.round()),
            format!("--absent-octets={}", octets.1.round()),
            format!("--tls-directory={}", self.servers.scratch.path().display()),
        ];
        let (floor, _) = Conversation::start("floor", SERVER_CORE, &arguments)?;
        let mut figures = Vec::new();
        for (transport, tls) in [("tcp", false), ("dot", true)] {
            let mut all = self.all_with(|ports| self.order(ports, tls));
            let order = Order {
                unchecked: true,
                ..self.order(floor_at, tls)
            };
            all.push(self.series("floor", &floor.process, order));
            let measured = rounds::measure(clients, &all, self.scale.rounds)?;
            figures.extend(compare(
                transport,
                &measured,
                &self.servers.peers,
                self.scale.devices,
            )?);
        }
        Ok(figures)
    }

    /// Ours with padding on both directions against ours without.
    fn padded(&self, clients: &mut [Conversation]) -> anyhow::Result<Vec<Figure>> {
        let ours = &self.servers.ours.conversation.process;
        let plain = self.order(self.servers.ours.ports, true);
        let padded = Order {
            padded: true,
            ..self.order(self.servers.ours.ports, true)
        };
        let all = [
            self.series("plain", ours, plain),
            self.series("padded", ours, padded),
        ];
        let measured = rounds::measure(clients, &all, self.scale.rounds)?;
        let padded = of(&measured, "padded", Asked::Mix)?;
        let said = format!(
            "{}, {:.0} octets an answer, {:.2} us without padding",
            in_words(self.scale.devices),
            padded.answer_octets,
            of(&measured, "plain", Asked::Mix)?.cpu_us
        );
        Ok(vec![Figure::new(
            "dot_padded_mix_cpu_us",
            padded.cpu_us,
            "us",
            said,
        )])
    }

    /// A connection for every query.
    fn handshakes(&self, clients: &mut [Conversation]) -> anyhow::Result<Vec<Figure>> {
        let mut figures = Vec::new();
        let mut fresh_us = 0.0;
        for (word, use_of_connections) in [("fresh", Use::Fresh), ("resumed", Use::Resumed)] {
            let all = self.all_with(|ports| Order {
                use_of_connections,
                asked: Asked::Present,
                ..self.order(ports, true)
            });
            let measured = rounds::measure(clients, &all, self.scale.rounds)?;
            for one in &measured {
                figures.push(self.connection(word, one));
            }
            let ours = of(&measured, "ours", Asked::Present)?;
            let resumed = use_of_connections == Use::Resumed;
            let comparable = |one: &&Measured| !resumed || one.resumed_share >= SHARE_MIN;
            let best = measured
                .iter()
                .filter(|one| one.server != "ours")
                .filter(comparable)
                .min_by(|one, other| one.cpu_us.total_cmp(&other.cpu_us))
                .context("no peer resumes sessions")?;
            let id = format!("dot_{word}_cpu_vs_best");
            let scale = in_words(self.scale.devices);
            let figure = Figure::new(id, ours.cpu_us / best.cpu_us, "ratio", scale.clone());
            figures.push(figure.beside(self.servers.peers.named(&best.server)));
            if resumed {
                ensure!(
                    ours.resumed_share >= SHARE_MIN,
                    "only {:.3} of our connections resumed",
                    ours.resumed_share
                );
                let value = ours.cpu_us / fresh_us;
                figures.push(Figure::new(
                    "dot_resumed_cpu_vs_fresh",
                    value,
                    "ratio",
                    scale,
                ));
            }
            fresh_us = ours.cpu_us;
        }
        Ok(figures)
    }

    fn connection(&self, word: &str, one: &Measured) -> Figure {
        let said = format!(
            "connection with one query, {:.0} a second, p50 {:.0} us, p99 {:.0} us, {:.3} resumed",
            one.answers_per_sec, one.p50_us, one.p99_us, one.resumed_share
        );
        match one.server.as_str() {
            "ours" => Figure::new(format!("dot_{word}_cpu_us"), one.cpu_us, "us", said),
            peer => Figure::new(format!("dot_{word}_cpu_us_{peer}"), one.cpu_us, "us", said)
                .beside(self.servers.peers.named(peer)),
        }
    }

    /// Memory of silent connections, and what they do to the others.
    fn idle(&self, clients: &mut [Conversation]) -> anyhow::Result<Vec<Figure>> {
        let ours = &self.servers.ours.conversation.process;
        let p99_us = |clients: &mut [Conversation]| -> anyhow::Result<f64> {
            let one = [self.series("ours", ours, self.order(self.servers.ours.ports, true))];
            Ok(rounds::measure(clients, &one, self.scale.rounds)?[0].p99_us)
        };
        let alone_us = p99_us(clients)?;
        let before = ours.proportional_octets();
        let count = self.scale.idle_connections;
        let mut arguments = vec![
            "hold-connections".to_owned(),
            format!("--to={}", self.servers.ours.ports.dot),
            format!("--count={count}"),
        ];
        arguments.extend(asker(self.servers));
        let (mut holder, _) = Conversation::start("idle connections", CLIENT_CORE, &arguments)?;
        let octets = ours.proportional_octets().saturating_sub(before);
        let beside_us = p99_us(clients)?;
        let open: usize = holder.ask("count")?.parse()?;
        ensure!(
            open as f64 >= count as f64 * SHARE_MIN,
            "only {open} of {count} idle connections are still open"
        );
        let scale = format!("{count} idle connections over TLS");
        let kib = octets as f64 / 1024.0 / count as f64;
        let times =
            format!("{scale}, p99 {alone_us:.0} us without and {beside_us:.0} us with them");
        Ok(vec![
            Figure::new("dot_idle_connection_kib", kib, "KiB", scale),
            Figure::new("dot_p99_beside_idle", beside_us / alone_us, "ratio", times),
        ])
    }
}
