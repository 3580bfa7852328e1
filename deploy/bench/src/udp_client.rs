//! The bursting load generator for UDP: several sockets, each with a window of outstanding queries,
//! sent and received in bursts. A server that works in batches meets batches here.

use std::io::BufRead;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::kernel::{Datagrams, Waiting, set_receive_buffer};
use crate::outcome::{Latencies, Outcome};
use crate::population::Population;
use crate::queries::{Asked, QuerySet, is_right};

/// Datagrams in one burst at most, and the fewest that are worth a call.
const BURST_MAX: usize = 64;
const BURST_MIN: usize = 32;
/// Queries on their way on one socket.
const WINDOW: usize = 64;
/// Sockets. All windows together fit the receive buffer that a server has by default (212,992
/// octets, of which a small datagram takes 832): a loss would be the client's doing.
const SOCKETS: usize = 3;
/// Longest datagram that is expected.
const DATAGRAM_OCTETS: usize = 2048;
/// Without any answer for this long, what is on its way counts as lost.
const PATIENCE: Duration = Duration::from_secs(1);

/// A measurement, as one line of JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) to: SocketAddr,
    pub(crate) asked: Asked,
    pub(crate) secs: f64,
    /// Answers of floors are only counted.
    pub(crate) unchecked: bool,
}

/// Runs orders from standard input until it ends.
#[allow(clippy::print_stdout)] // the answers of the conversation
pub(crate) fn run(population: &Population, queries: u64) -> anyhow::Result<()> {
    let set = QuerySet::new(population, queries, false);
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let order: Order = serde_json::from_str(&line?)?;
        let outcome = ask(&set, &order).with_context(|| order.to.to_string())?;
        println!("{}", serde_json::to_string(&outcome)?);
    }
    Ok(())
}

/// One socket and what it waits for.
struct Lane {
    socket: UdpSocket,
    /// When the query with each id was sent, and its running number; ids go round.
    sent: Vec<(Instant, u64)>,
    /// Whether an answer to the id is still awaited.
    awaited: Vec<bool>,
    next_id: u16,
    outstanding: usize,
}

impl Lane {
    fn new(to: SocketAddr) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(to)?;
        socket.set_nonblocking(true)?;
        set_receive_buffer(&socket, 1 << 20);
        let ids = usize::from(u16::MAX) + 1;
        Ok(Self {
            socket,
            sent: vec![(Instant::now(), 0); ids],
            awaited: vec![false; ids],
            next_id: 0,
            outstanding: 0,
        })
    }

    /// Sends a burst when the window has room for one.
    fn send(
        &mut self,
        burst: &mut Datagrams,
        set: &QuerySet,
        asked: Asked,
        number: &mut u64,
    ) -> anyhow::Result<()> {
        let count = (WINDOW - self.outstanding).min(BURST_MAX);
        if count < BURST_MIN {
            return Ok(());
        }
        let now = Instant::now();
        for slot in 0..count {
            let id = self.next_id.wrapping_add(slot as u16);
            let place = burst.slot_mut(slot);
            place[..set.octets()].copy_from_slice(set.query(asked, *number + slot as u64));
            place[..2].copy_from_slice(&id.to_be_bytes());
            burst.set_length(slot, set.octets());
            self.sent[usize::from(id)] = (now, *number + slot as u64);
        }
        let sent = burst.send(&self.socket, 0, count)?;
        for slot in 0..sent {
            self.awaited[usize::from(self.next_id.wrapping_add(slot as u16))] = true;
        }
        self.next_id = self.next_id.wrapping_add(sent as u16);
        self.outstanding += sent;
        *number += sent as u64;
        Ok(())
    }

    /// Receives what is there.
    fn receive(
        &mut self,
        burst: &mut Datagrams,
        order: &Order,
        outcome: &mut Outcome,
        latencies: &mut Latencies,
    ) -> anyhow::Result<usize> {
        let count = burst.receive(&self.socket, false)?;
        let now = Instant::now();
        for slot in 0..count {
            let response = burst.received(slot);
            let id = match response {
                [high, low, ..] => usize::from(u16::from_be_bytes([*high, *low])),
                _ => continue,
            };
            if !std::mem::take(&mut self.awaited[id]) {
                outcome.wrong += 1;
                continue;
            }
            self.outstanding -= 1;
            let (sent_at, number) = self.sent[id];
            latencies.note(now - sent_at);
            outcome.answers += 1;
            outcome.octets += response.len() as u64;
            if !order.unchecked && !is_right(response, order.asked.is_absent(number)) {
                outcome.wrong += 1;
            }
        }
        Ok(count)
    }

    /// Gives up what is on its way.
    fn give_up(&mut self, outcome: &mut Outcome) {
        outcome.lost += self.outstanding as u64;
        self.outstanding = 0;
        self.awaited.fill(false);
    }
}

fn ask(set: &QuerySet, order: &Order) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut latencies = Latencies::new();
    let mut lanes = (0..SOCKETS)
        .map(|_| Lane::new(order.to))
        .collect::<anyhow::Result<Vec<Lane>>>()?;
    let mut waiting = Waiting::default();
    for lane in &lanes {
        waiting.add(lane.socket.as_raw_fd());
    }
    let mut outgoing = Datagrams::new(BURST_MAX, set.octets(), false);
    let mut incoming = Datagrams::new(BURST_MAX, DATAGRAM_OCTETS, false);
    // Every order begins elsewhere in the set.
    let mut number = first_number(order);
    let begin = Instant::now();
    let until = begin + Duration::from_secs_f64(order.secs);
    while Instant::now() < until {
        let mut received = 0;
        for lane in &mut lanes {
            received += lane.receive(&mut incoming, order, &mut outcome, &mut latencies)?;
            lane.send(&mut outgoing, set, order.asked, &mut number)?;
        }
        if received == 0 && waiting.wait(PATIENCE)? == 0 {
            for lane in &mut lanes {
                lane.give_up(&mut outcome);
            }
        }
    }
    // What is on its way costs the server too: it belongs to this order, not to the next.
    while lanes.iter().any(|lane| lane.outstanding > 0) && waiting.wait(PATIENCE)? > 0 {
        for lane in &mut lanes {
            lane.receive(&mut incoming, order, &mut outcome, &mut latencies)?;
        }
    }
    for lane in &mut lanes {
        lane.give_up(&mut outcome);
    }
    Ok(outcome.ended(begin, &latencies))
}

/// Where in the set an order begins.
fn first_number(order: &Order) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanoseconds = now.map_or(0, |elapsed| elapsed.subsec_nanos());
    (u64::from(order.to.port()) << 32) + u64::from(nanoseconds)
}
