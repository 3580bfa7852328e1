//! The load generator for TCP and DNS over TLS: some connections with a number of outstanding
//! queries each, or one connection after the other with one query each.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{BufRead, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustls::client::Resumption;
use rustls::{ClientConfig, ClientConnection, HandshakeKind};
use serde::{Deserialize, Serialize};

use crate::certificate;
use crate::kernel::Waiting;
use crate::message_stream::{MessageStream, Tls};
use crate::outcome::{Latencies, Outcome};
use crate::population::Population;
use crate::queries::{Asked, QuerySet, is_right};

/// Without any answer for this long, the server is taken for stuck.
const PATIENCE: Duration = Duration::from_secs(5);
/// Sessions that are remembered for resumption.
const SESSIONS: usize = 256;

/// How connections are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Use {
    /// Connections that stay, each with a number of outstanding queries.
    Steady,
    /// A new connection for every query, without resumption.
    Fresh,
    /// A new connection for every query that resumes an earlier session.
    Resumed,
}

/// A measurement, as one line of JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) to: SocketAddr,
    pub(crate) tls: bool,
    pub(crate) use_of_connections: Use,
    pub(crate) asked: Asked,
    pub(crate) secs: f64,
    pub(crate) connections: usize,
    pub(crate) outstanding: usize,
    /// Queries carry the padding option (RFC 8467).
    pub(crate) padded: bool,
    /// Answers of floors are only counted.
    pub(crate) unchecked: bool,
}

struct Client {
    plain: QuerySet,
    padded: QuerySet,
    fresh: Arc<ClientConfig>,
}

/// Runs orders from standard input until it ends.
#[allow(clippy::print_stdout)] // the answers of the conversation
pub(crate) fn run(population: &Population, queries: u64, tls: &Path) -> anyhow::Result<()> {
    let config = |resumption| -> anyhow::Result<Arc<ClientConfig>> {
        let mut config = certificate::client(tls)?;
        config.resumption = resumption;
        Ok(Arc::new(config))
    };
    let client = Client {
        plain: QuerySet::new(population, queries, false),
        padded: QuerySet::new(population, queries, true),
        fresh: config(Resumption::disabled())?,
    };
    // All servers have one name: a session of one is not offered to another.
    let mut resuming: HashMap<SocketAddr, Arc<ClientConfig>> = HashMap::new();
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let order: Order = serde_json::from_str(&line?)?;
        let outcome = match order.use_of_connections {
            Use::Steady => client.steady(&order),
            Use::Fresh => client.one_by_one(&order, &client.fresh),
            Use::Resumed => {
                let known = match resuming.entry(order.to) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => {
                        new.insert(config(Resumption::in_memory_sessions(SESSIONS))?)
                    }
                };
                client.one_by_one(&order, known)
            }
        };
        let outcome = outcome.with_context(|| order.to.to_string())?;
        println!("{}", serde_json::to_string(&outcome)?);
    }
    Ok(())
}

/// A connection and what it waits for: ids are places in `sent`.
struct Lane {
    stream: MessageStream,
    sent: Vec<Option<(Instant, u64)>>,
}

impl Lane {
    fn push(&mut self, id: usize, query: &[u8], number: u64, now: Instant) {
        let outgoing = self.stream.outgoing();
        outgoing.extend((query.len() as u16).to_be_bytes());
        let begin = outgoing.len();
        outgoing.extend_from_slice(query);
        outgoing[begin..begin + 2].copy_from_slice(&(id as u16).to_be_bytes());
        self.sent[id] = Some((now, number));
    }
}

impl Client {
    fn set(&self, order: &Order) -> &QuerySet {
        if order.padded {
            &self.padded
        } else {
            &self.plain
        }
    }

    fn connect(&self, order: &Order) -> anyhow::Result<MessageStream> {
        let socket = TcpStream::connect(order.to)?;
        let tls = order.tls.then(|| client_session(&self.fresh)).transpose()?;
        let tls = tls.map(|session| Tls::Client(Box::new(session)));
        Ok(MessageStream::new(socket, tls)?)
    }

    fn steady(&self, order: &Order) -> anyhow::Result<Outcome> {
        let set = self.set(order);
        let mut outcome = Outcome::default();
        let mut latencies = Latencies::new();
        let mut waiting = Waiting::default();
        let mut number = first_number();
        let mut lanes = Vec::new();
        for _ in 0..order.connections {
            let mut lane = Lane {
                stream: self.connect(order)?,
                sent: vec![None; order.outstanding],
            };
            for id in 0..order.outstanding {
                lane.push(id, set.query(order.asked, number), number, Instant::now());
                number += 1;
            }
            lane.stream.flush()?;
            waiting.add(lane.stream.socket.as_raw_fd());
            lanes.push(lane);
        }
        let begin = Instant::now();
        let until = begin + Duration::from_secs_f64(order.secs);
        let mut outstanding = order.connections * order.outstanding;
        while outstanding > 0 {
            ensure!(waiting.wait(PATIENCE)? > 0, "no answer for {PATIENCE:?}");
            let asking = Instant::now() < until;
            for (index, lane) in lanes.iter_mut().enumerate() {
                if !waiting.is_ready(index) {
                    continue;
                }
                let answered = lane.answers(order, &mut outcome, &mut latencies)?;
                if asking {
                    for id in answered {
                        let query = set.query(order.asked, number);
                        lane.push(id, query, number, Instant::now());
                        number += 1;
                    }
                } else {
                    outstanding -= answered.len();
                }
                lane.stream.flush()?;
            }
        }
        Ok(outcome.ended(begin, &latencies))
    }

    fn one_by_one(&self, order: &Order, config: &Arc<ClientConfig>) -> anyhow::Result<Outcome> {
        let set = self.set(order);
        let mut outcome = Outcome::default();
        let mut latencies = Latencies::new();
        let mut number = first_number();
        let begin = Instant::now();
        let until = begin + Duration::from_secs_f64(order.secs);
        while Instant::now() < until {
            let query = set.query(order.asked, number);
            let sent_at = Instant::now();
            let (response, resumed) = ask_once(order.to, config, query)?;
            latencies.note(sent_at.elapsed());
            outcome.answers += 1;
            outcome.resumed += u64::from(resumed);
            outcome.octets += response.len() as u64;
            let right = is_right(&response, order.asked.is_absent(number));
            outcome.wrong += u64::from(!order.unchecked && !right);
            number += 1;
        }
        Ok(outcome.ended(begin, &latencies))
    }
}

impl Lane {
    /// Takes all answers that are there; the ids that are free again.
    fn answers(
        &mut self,
        order: &Order,
        outcome: &mut Outcome,
        latencies: &mut Latencies,
    ) -> anyhow::Result<Vec<usize>> {
        self.stream.fill()?;
        let now = Instant::now();
        let mut answered = Vec::new();
        while let Some(response) = self.stream.next_message() {
            let id = match response {
                [high, low, ..] => usize::from(u16::from_be_bytes([*high, *low])),
                _ => bail!("a message without an id"),
            };
            let Some((sent_at, number)) = self.sent.get_mut(id).and_then(Option::take) else {
                bail!("an answer that nobody asked for");
            };
            latencies.note(now - sent_at);
            outcome.answers += 1;
            outcome.octets += response.len() as u64;
            if !order.unchecked && !is_right(response, order.asked.is_absent(number)) {
                outcome.wrong += 1;
            }
            answered.push(id);
        }
        ensure!(!self.stream.ended, "the server closed a connection");
        Ok(answered)
    }
}

fn client_session(config: &Arc<ClientConfig>) -> anyhow::Result<ClientConnection> {
    let name = rustls::pki_types::ServerName::try_from(certificate::NAME)?;
    Ok(ClientConnection::new(config.clone(), name)?)
}

/// A connection with one query: the answer, and whether a session was resumed.
pub(crate) fn ask_once(
    to: SocketAddr,
    config: &Arc<ClientConfig>,
    query: &[u8],
) -> anyhow::Result<(Vec<u8>, bool)> {
    let mut socket = TcpStream::connect(to)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut session = client_session(config)?;
    let response = exchange(&mut session, &mut socket, query)?;
    let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
    session.send_close_notify();
    // The answer is there: whether the goodbye arrives does not matter.
    let _ = session.write_tls(&mut socket);
    Ok((response, resumed))
}

/// Shakes hands, asks and reads one answer.
pub(crate) fn exchange(
    session: &mut ClientConnection,
    socket: &mut TcpStream,
    query: &[u8],
) -> anyhow::Result<Vec<u8>> {
    let mut stream = rustls::Stream::new(session, socket);
    let mut framed = (query.len() as u16).to_be_bytes().to_vec();
    framed.extend_from_slice(query);
    stream.write_all(&framed)?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut response = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut response)?;
    Ok(response)
}

/// Where in the set an order begins: elsewhere each time.
fn first_number() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |elapsed| elapsed.as_nanos() as u64 >> 10)
}
