//! Generated queries to our server, Knot DNS, NSD and BIND, all with the same zone: what they answer
//! has to be the same, or differ for a reason that is written down.
//!
//! In reading order: `scene` (the zone), `peers` (the servers), `choice` and `question` (what is
//! asked), `exchange` (how), `message` (what came back), `proof` (what NSEC records prove),
//! `differences`, and [`reasons`]. [`resolvers`] asks validating resolvers in the same way: `unbound`
//! and `delv`.

mod choice;
mod delv;
mod differences;
mod exchange;
mod message;
mod peers;
mod proof;
mod question;
pub mod reasons;
pub mod resolvers;
mod scene;
mod unbound;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail, ensure};

use crate::draws::Draws;
use crate::report::{Counts, Report, add, keep_evidence};
use differences::{Aspect, Pair, own_breach};
use exchange::Asked;
use message::Message;
use peers::Peer;
use question::{Carrier, Question};
use scene::{Scene, Signed};

pub use peers::Brand;

/// Most octets of a datagram from any of the servers.
const PAYLOAD_OCTETS_MAX: u16 = 1232;
/// Queries between two lines of progress.
const PROGRESS_EVERY: u32 = 10_000;

/// A run to come.
#[derive(Clone, Copy, Debug)]
pub struct Compare {
    /// Queries; each is sent over UDP and over TCP.
    pub count: u32,
    /// Determines zone and queries.
    pub seed: u64,
    /// Go on after a breach and report all kinds of them at the end.
    pub keep_going: bool,
}

impl Compare {
    /// Runs it with servers of its own.
    ///
    /// # Errors
    /// The first breach.
    pub async fn run(self) -> anyhow::Result<Report> {
        let begin = Instant::now();
        let scratch = tempfile::tempdir()?;
        let mut counts = Counts::new();
        let scene = Scene::set(scratch.path(), self.seed, Signed::Now).await?;
        let play = || self.play(&scene, scratch.path(), &mut counts);
        let result = tokio::task::block_in_place(play);
        scene.end().await?;
        keep_evidence(scratch, result)?;
        Ok(Report {
            topic: "compare",
            seed: self.seed,
            count: self.count,
            counts,
            took: begin.elapsed(),
        })
    }

    fn play(self, scene: &Scene, scratch: &Path, counts: &mut Counts) -> anyhow::Result<()> {
        let mut servers = Servers::start(scene, scratch)?;
        let mut draws = Draws::seeded(self.seed, 1);
        let mut breaches = Breaches::default();
        for number in 1..=self.count {
            let question = choice::question(&mut draws, &scene.apex, &scene.owners);
            let asked = servers.ask(&question, counts, &mut breaches);
            asked.with_context(|| format!("query {number}: {question}"))?;
            if !self.keep_going {
                breaches.none()?;
            }
            if number % PROGRESS_EVERY == 0 {
                tracing::info!(done = number, of = self.count, "no breach");
            }
        }
        breaches.none()
    }
}

/// What nobody explains, one example of each kind.
#[derive(Default)]
struct Breaches(BTreeMap<(&'static str, Vec<Aspect>), (u64, String)>);

impl Breaches {
    fn note(&mut self, who: &'static str, what: Vec<Aspect>, example: impl FnOnce() -> String) {
        let kind = self.0.entry((who, what)).or_insert_with(|| (0, example()));
        kind.0 += 1;
    }

    fn none(&self) -> anyhow::Result<()> {
        let shown = |((who, what), (number, example)): (&(&str, Vec<Aspect>), &(u64, String))| {
            format!("{number} times, {who} {what:?}: {example}")
        };
        let breaches: Vec<String> = self.0.iter().map(shown).collect();
        ensure!(breaches.is_empty(), "{}", breaches.join("\n"));
        Ok(())
    }
}

struct Servers {
    ours: Asked,
    theirs: Vec<(Peer, Asked)>,
}

impl Servers {
    fn start(scene: &Scene, scratch: &Path) -> anyhow::Result<Self> {
        let start = |brand| {
            let peer = Peer::start(brand, scratch, &scene.file)?;
            let asked = Asked::new(peer.address, peer.address)?;
            tracing::info!(?brand, version = brand.version(), "answers");
            Ok((peer, asked))
        };
        let theirs: anyhow::Result<_> = Brand::ALL.into_iter().map(start).collect();
        Ok(Self {
            ours: Asked::new(scene.udp, scene.tcp)?,
            theirs: theirs?,
        })
    }

    /// Asks all of them both ways.
    fn ask(
        &mut self,
        question: &Question,
        counts: &mut Counts,
        breaches: &mut Breaches,
    ) -> anyhow::Result<()> {
        let tcp = message(&mut self.ours, question, Carrier::Tcp).context("our server, TCP")?;
        let udp = message(&mut self.ours, question, Carrier::Udp).context("our server, UDP")?;
        self.compare(question, Carrier::Tcp, [&tcp, &tcp], counts, breaches)?;
        self.compare(question, Carrier::Udp, [&udp, &tcp], counts, breaches)
    }

    /// Counts in what the others' responses differ from ours, and why.
    fn compare(
        &mut self,
        question: &Question,
        carrier: Carrier,
        [ours, full]: [&Message; 2],
        counts: &mut Counts,
        breaches: &mut Breaches,
    ) -> anyhow::Result<()> {
        if let Some(what) = own_breach(question, carrier, ours, full) {
            let example = || format!("query over {carrier:?}: {question}\nours: {ours}");
            breaches.note(what, Vec::new(), example);
        }
        for (peer, asked) in &mut self.theirs {
            let theirs = message(asked, question, carrier).with_context(|| peer.log_tail())?;
            let pair = Pair {
                question,
                carrier,
                brand: peer.brand,
                ours,
                full,
                theirs: &theirs,
            };
            let mut unexplained = Vec::new();
            let differences = pair.differences();
            let same = if differences.is_empty() {
                "responses the same"
            } else {
                "responses that differ for a reason"
            };
            for aspect in differences {
                match reasons::reason(&pair, aspect) {
                    Some(reason) => add(counts, reason.name, 1),
                    None => unexplained.push(aspect),
                }
            }
            if unexplained.is_empty() {
                add(counts, same, 1);
                continue;
            }
            breaches.note(peer.brand.program(), unexplained, || {
                format!("query over {carrier:?}: {question}\nours: {ours}theirs: {theirs}")
            });
        }
        Ok(())
    }
}

fn message(asked: &mut Asked, question: &Question, carrier: Carrier) -> anyhow::Result<Message> {
    let octets = question.octets();
    let response = match carrier {
        Carrier::Udp => asked.over_udp(&octets)?,
        Carrier::Tcp => asked.over_tcp(&octets)?,
    };
    match response {
        Some(response) => Message::parse(&response),
        None => bail!("no answer"),
    }
}
