//! What a server takes for an answer, and ours against Knot and the floor.

use crate::figure::Figure;
use crate::peers::{Peer, Peers};
use crate::queries::Asked;
use crate::rounds::{Measured, of};

/// A number of devices as figures name it.
pub(crate) fn in_words(devices: u64) -> String {
    match devices {
        n if n.is_multiple_of(1_000_000) => format!("{}M devices", n / 1_000_000),
        n if n.is_multiple_of(1_000) => format!("{}k devices", n / 1_000),
        n => format!("{n} devices"),
    }
}

/// A figure of every server, and ours against Knot's and the floor's.
pub(crate) fn compare(
    transport: &str,
    measured: &[Measured],
    peers: &Peers,
    devices: u64,
) -> anyhow::Result<Vec<Figure>> {
    let scale = in_words(devices);
    let mut figures = Vec::new();
    for one in measured {
        let (server, asked) = (one.server.as_str(), one.asked.word());
        let id = match server {
            "ours" => format!("{transport}_{asked}_cpu_us"),
            _ => format!("{transport}_{asked}_cpu_us_{server}"),
        };
        let said = format!(
            "{scale}, {:.0} answers/s, p50 {:.0} us, p99 {:.0} us, {:.0} octets",
            one.answers_per_sec, one.p50_us, one.p99_us, one.answer_octets
        );
        let figure = Figure::new(id, one.cpu_us, "us", said);
        figures.push(match Peer::ALL.iter().find(|peer| peer.word() == server) {
            Some(peer) => figure.beside(peers.named(peer.word())),
            None => figure,
        });
    }
    for asked in Asked::ALL {
        let Ok(ours) = of(measured, "ours", asked) else {
            continue;
        };
        for against in ["knot", "floor"] {
            if let Ok(other) = of(measured, against, asked) {
                let id = format!("{transport}_{}_cpu_vs_{against}", asked.word());
                let figure = Figure::new(id, ours.cpu_us / other.cpu_us, "ratio", scale.clone());
                figures.push(match against {
                    "knot" => figure.beside(peers.named("knot")),
                    _ => figure.beside("floor: prebuilt answers of the same size"),
                });
            }
        }
    }
    Ok(figures)
}
