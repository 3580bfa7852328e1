//! From octets of a connection to whole messages, and from those to framed responses: as batches,
//! within the room of a turn, and once more for the ones that wait.

use std::mem;
use std::time::Instant;

use super::Connection;
use crate::answer::{Disposition, Exchange, Patience};
use crate::net::stream::close::Close;
use crate::net::stream::framing::{LENGTH_OCTETS, first_message, push_framed};
use crate::net::stream::scratch::{BATCH, Desk, RESPONSE_OCTETS_MAX, ROOM_OCTETS, Work};

/// A query that waits for a signature.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) query: Box<[u8]>,
    until: Instant,
}

impl Connection {
    /// Asks again for queries that wait for a signature; those that waited long enough are refused.
    /// With [`Patience::Refuse`], all are.
    pub(in crate::net::stream) fn retry(
        &mut self,
        patience: Patience,
        work: &mut Work<'_>,
    ) -> Result<(), Close> {
        let (mut late, mut early) = (Vec::new(), Vec::new());
        for waiting in mem::take(&mut self.waiting) {
            if patience == Patience::Refuse || waiting.until <= work.now {
                late.push(waiting);
            } else {
                early.push(waiting);
            }
        }
        for (waiting, patience) in [(late, Patience::Refuse), (early, Patience::Wait)] {
            for some in waiting.chunks(BATCH) {
                self.ask_again(some, patience, work);
            }
        }
        self.seal(work)
    }

    /// Puts octets behind the messages that are kept and answers what is whole.
    pub(super) fn take_messages(
        &mut self,
        octets: &[u8],
        work: &mut Work<'_>,
    ) -> Result<(), Close> {
        if self.messages.is_empty() {
            let used = self.answer_whole(octets, work)?;
            self.messages.extend_from_slice(&octets[used..]);
            return Ok(());
        }
        self.messages.extend_from_slice(octets);
        if first_message(&self.messages)?.is_none() {
            return Ok(());
        }
        let mut messages = mem::take(&mut self.messages);
        let used = self.answer_whole(&messages, work)?;
        if used < messages.len() {
            messages.drain(..used);
            self.messages = messages;
        }
        Ok(())
    }

    /// Answers whole messages as long as there is room, and says how many octets they had.
    fn answer_whole(&mut self, octets: &[u8], work: &mut Work<'_>) -> Result<usize, Close> {
        let mut used = 0;
        self.is_ready = false;
        loop {
            let unread = self.backlog().len() + work.outgoing.len() + work.desk.responses.len();
            if work.queries_left == 0 || unread >= work.load.backlog_octets_max(work.limits) {
                self.is_ready = first_message(&octets[used..])?.is_some();
                return Ok(used);
            }
            let room = BATCH.min(work.queries_left);
            let mut queries = Vec::with_capacity(room);
            let mut broken = Ok(());
            while queries.len() < room {
                match first_message(&octets[used..]) {
                    Ok(Some(query)) => {
                        used += LENGTH_OCTETS + query.len();
                        queries.push(query);
                    }
                    Ok(None) => break,
                    Err(too_short) => {
                        broken = Err(too_short);
                        break;
                    }
                }
            }
            self.answer(&queries, Patience::Wait, work, None);
            broken?;
            if queries.len() < room {
                return Ok(used);
            }
        }
    }

    /// Answers a batch; `waited` when its queries have waited before.
    fn answer(
        &mut self,
        queries: &[&[u8]],
        patience: Patience,
        work: &mut Work<'_>,
        waited: Option<&[Waiting]>,
    ) {
        if queries.is_empty() {
            return;
        }
        let transport = self.transport;
        let Desk {
            rooms, responses, ..
        } = &mut *work.desk;
        let rooms = rooms.chunks_exact_mut(ROOM_OCTETS);
        let mut exchanges: Vec<_> = queries
            .iter()
            .zip(rooms)
            .map(|(query, room)| Exchange {
                query,
                out: &mut room[..RESPONSE_OCTETS_MAX],
                disposition: Disposition::Drop,
            })
            .collect();
        (work.answer)(&mut exchanges, transport, patience);
        let before = responses.len();
        let mut answered = 0;
        for (at, exchange) in exchanges.iter_mut().enumerate() {
            if let Disposition::Wait(_) = exchange.disposition {
                let until = match waited {
                    Some(waited) => waited[at].until,
                    None => work.now + work.limits.patience,
                };
                let may_begin =
                    self.waiting.len() < work.limits.waiting_queries && work.load.waits_left > 0;
                if patience == Patience::Wait && (may_begin || waited.is_some()) {
                    if waited.is_none() {
                        work.load.waits_left -= 1;
                        work.counters.waits.add(1);
                    }
                    self.waiting.push(Waiting {
                        query: exchange.query.into(),
                        until,
                    });
                    continue;
                }
                let one = std::slice::from_mut(exchange);
                (work.answer)(one, transport, Patience::Refuse);
            }
            if let Disposition::Answer(octets) = exchange.disposition {
                push_framed(responses, exchange.out, octets);
                answered += 1;
            }
        }
        if waited.is_none() {
            work.queries_left = work.queries_left.saturating_sub(queries.len());
            work.counters.queries.add(queries.len());
        } else if patience == Patience::Refuse {
            work.counters.waits_refused.add(queries.len());
        }
        work.counters.responses.add(answered);
        if waited.is_none() || responses.len() > before {
            self.active_at = work.now;
        }
    }

    fn ask_again(&mut self, waiting: &[Waiting], patience: Patience, work: &mut Work<'_>) {
        let queries: Vec<&[u8]> = waiting.iter().map(|waiting| &*waiting.query).collect();
        self.answer(&queries, patience, work, Some(waiting));
    }
}
