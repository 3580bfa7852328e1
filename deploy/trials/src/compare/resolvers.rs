//! What validating resolvers believe of our answers: unbound that recurses to us over UDP and over
//! TLS and forwards to us over TLS, and delv. For every question they have to say what we say, and
//! call it proven; for a zone whose signatures have expired, nothing.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail, ensure};

use super::delv::{self, Verdict};
use super::exchange::Asked;
use super::message::{FLAG_AD, FLAG_CD, Message, TYPE_NSEC, TYPE_OPT, TYPE_RRSIG};
use super::question::{AskedEdns, Carrier, Question};
use super::scene::{Scene, Signed};
use super::unbound::{Resolver, Upstream};
use super::{choice, message, proof};
use crate::draws::Draws;
use crate::report::{Counts, Report, add, keep_evidence};

const NOERROR: u16 = 0;
const SERVFAIL: u16 = 2;
const NXDOMAIN: u16 = 3;
const TYPE_SIG: u16 = 24;
const TYPE_KEY: u16 = 25;
const TYPE_DS: u16 = 43;
const TYPE_ANY: u16 = 255;
const TYPE_DLV: u16 = 32_769;
const APEX_LABELS: usize = 2;
/// delv is a process for each question: it gets one in so many.
const DELV_EVERY: u32 = 10;
/// Names of a zone that has expired.
const EXPIRED_NAMES: u32 = 12;

/// A run to come.
#[derive(Clone, Copy, Debug)]
pub struct Resolvers {
    /// Questions.
    pub count: u32,
    /// Determines zone and questions.
    pub seed: u64,
}

impl Resolvers {
    /// Runs it with servers and resolvers of its own.
    ///
    /// # Errors
    /// The first disagreement.
    pub async fn run(self) -> anyhow::Result<Report> {
        let begin = Instant::now();
        let scratch = tempfile::tempdir()?;
        let mut counts = Counts::new();
        let result = self.play(scratch.path(), &mut counts).await;
        keep_evidence(scratch, result)?;
        Ok(Report {
            topic: "resolvers",
            seed: self.seed,
            count: self.count,
            counts,
            took: begin.elapsed(),
        })
    }

    async fn play(self, scratch: &Path, counts: &mut Counts) -> anyhow::Result<()> {
        for signed in [Signed::Now, Signed::Expired] {
            let scratch = scratch.join(format!("{signed:?}"));
            std::fs::create_dir(&scratch)?;
            let scene = Scene::set(&scratch, self.seed, signed).await?;
            let result = tokio::task::block_in_place(|| match signed {
                Signed::Now => self.agree(&scratch, &scene, counts),
                Signed::Expired => self.refuse(&scratch, &scene, counts),
            });
            scene.end().await?;
            result?;
        }
        Ok(())
    }

    fn agree(self, scratch: &Path, scene: &Scene, counts: &mut Counts) -> anyhow::Result<()> {
        let mut draws = Draws::seeded(self.seed, 2);
        let mut ours = Asked::new(scene.udp, scene.tcp)?;
        let mut resolvers = start(scratch, scene)?;
        for number in 0..self.count {
            let question = question(&mut draws, scene);
            let said = message(&mut ours, &question, Carrier::Tcp)?;
            add(counts, kind(&said), 1);
            for (resolver, asked) in &mut resolvers {
                let believed = message(asked, &question, Carrier::Tcp)?;
                agrees(&question, &said, &believed).with_context(|| {
                    let (upstream, log) = (resolver.upstream, resolver.log_tail());
                    format!(
                        "unbound, {upstream:?}: {question}\nours: {said}unbound: {believed}{log}"
                    )
                })?;
                add(counts, "answers of unbound, validated", 1);
            }
            if number % DELV_EVERY == 0 {
                let verdict = delv::ask(scratch, scene, &question)?;
                let expected = match (said.answer.is_empty(), said.code) {
                    (false, _) => Verdict::Answer,
                    (true, code) => Verdict::Denial {
                        name: code == NXDOMAIN,
                    },
                };
                ensure!(
                    verdict == expected,
                    "delv: {question}\nours: {said}delv: {verdict:?}"
                );
                add(counts, "answers of delv, validated", 1);
            }
        }
        Ok(())
    }

    /// The server's clock stands where its signatures are still valid; the resolvers' does not.
    fn refuse(self, scratch: &Path, scene: &Scene, counts: &mut Counts) -> anyhow::Result<()> {
        let mut draws = Draws::seeded(self.seed, 3);
        let mut ours = Asked::new(scene.udp, scene.tcp)?;
        let mut resolvers = start(scratch, scene)?;
        for _ in 0..EXPIRED_NAMES {
            let question = question(&mut draws, scene);
            let said = message(&mut ours, &question, Carrier::Tcp)?;
            ensure!(
                [NOERROR, NXDOMAIN].contains(&said.code),
                "{question}: {said}"
            );
            for (resolver, asked) in &mut resolvers {
                let believed = message(asked, &question, Carrier::Tcp)?;
                let refused = believed.code == SERVFAIL
                    && believed.answer.is_empty()
                    && !believed.has(FLAG_AD);
                ensure!(
                    refused,
                    "unbound, {:?}: {question}\n{believed}",
                    resolver.upstream
                );
                add(counts, "expired answers that unbound calls bogus", 1);
            }
            match delv::ask(scratch, scene, &question)? {
                Verdict::Failure(text) if text.contains("expired") => {}
                other => bail!("delv: {question}: {other:?}"),
            }
            add(counts, "expired answers that delv calls bogus", 1);
        }
        Ok(())
    }
}

fn start(scratch: &Path, scene: &Scene) -> anyhow::Result<Vec<(Resolver, Asked)>> {
    let start = |upstream| {
        let resolver = Resolver::start(upstream, scratch, scene)?;
        let asked = Asked::new(resolver.address, resolver.address)?;
        Ok((resolver, asked))
    };
    Upstream::ALL.into_iter().map(start).collect()
}

/// A question that resolvers answer like authoritative servers: of class IN, in the zone, and of a
/// type that the zone itself answers for (DS at the apex is the parent's) and that is no request
/// for whatever is there.
fn question(draws: &mut Draws, scene: &Scene) -> Question {
    loop {
        let mut question = choice::question(draws, &scene.apex, &scene.owners);
        let excluded = [TYPE_RRSIG, TYPE_SIG, TYPE_KEY, TYPE_ANY, TYPE_OPT, TYPE_DLV];
        let in_zone = question.labels.len() >= APEX_LABELS && ends_with(&question, scene);
        let at_parent = question.record_type == TYPE_DS && question.labels.len() == APEX_LABELS;
        if !in_zone || at_parent || excluded.contains(&question.record_type) {
            continue;
        }
        question.class = 1;
        // Recursion desired, validation left to the resolver.
        question.flags = 0x0100;
        question.edns = Some(AskedEdns {
            payload_octets: 1232,
            version: 0,
            dnssec_ok: true,
            options: Vec::new(),
        });
        return question;
    }
}

fn ends_with(question: &Question, scene: &Scene) -> bool {
    let zone = &question.labels[question.labels.len() - APEX_LABELS..];
    let pairs = zone.iter().zip(&scene.apex);
    pairs
        .into_iter()
        .all(|(label, apex)| label.eq_ignore_ascii_case(apex))
}

/// Holds what a resolver says to what we said, and to its claim that it is proven.
fn agrees(question: &Question, said: &Message, believed: &Message) -> anyhow::Result<()> {
    ensure!(believed.code == said.code, "another code");
    ensure!(
        believed.has(FLAG_AD) && !believed.has(FLAG_CD),
        "not validated"
    );
    ensure!(
        believed.answer.records == said.answer.records,
        "another answer"
    );
    if said.answer.is_empty() {
        let nsecs = |message: &Message| message.authority.of_type(TYPE_NSEC).cloned().collect();
        let (ours, theirs): (Vec<_>, Vec<_>) = (nsecs(said), nsecs(believed));
        ensure!(theirs == ours, "another proof");
        ensure!(proof::holds(question, APEX_LABELS, believed), "no proof");
    }
    Ok(())
}

/// The state that a response shows, for the report.
fn kind(said: &Message) -> &'static str {
    let types: Vec<u16> = said.answer.records.iter().map(|r| r.record_type).collect();
    let name = said.question.to_ascii_lowercase();
    let mut nsecs = said.authority.of_type(TYPE_NSEC);
    let here = nsecs.any(|record| name.starts_with(&record.owner));
    match (said.code, types.first()) {
        (NXDOMAIN, _) => "asked: absent names",
        (_, Some(37 | 52)) => "asked: active credentials",
        (_, Some(16)) => "asked: texts, inactive credentials among them",
        (_, Some(_)) => "asked: other records",
        (_, None) if here => "asked: types that a name lacks",
        (_, None) => "asked: empty non-terminals",
    }
}
