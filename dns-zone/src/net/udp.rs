//! UDP: threads that receive, answer and send in batches.
//!
//! Each thread stays on one core and has one socket at each address. A batch lives in memory that
//! was allocated before; a snapshot of the zone is held while its answers are written. With one
//! socket and nobody waiting a thread sleeps in the reception itself, else in `poll`. Shutting the
//! sockets down for reading ends either sleep.

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{Shutdown, shutdown};

use super::batch::{BATCH, Batch, Until};
use super::counters::{SharedCounters, UdpCounters};
use super::ended::Watch;
use super::pin;
use super::source::Source;
use super::waiting::{PATIENCE, Parked, Waiting};
use crate::answer::{Disposition, Exchange, Patience};

/// Batches of one socket before the others have their turn.
const BATCHES_OF_A_TURN: usize = 8;
/// How soon a new version of the zone is noticed while queries wait for it.
const LOOK_AGAIN: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 1_000_000,
};

/// Running UDP threads. Dropping it ends them without waiting.
pub(super) struct Workers {
    threads: Vec<Thread>,
    stop: Arc<AtomicBool>,
}

struct Thread {
    handle: JoinHandle<()>,
    sockets: Arc<[UdpSocket]>,
    counters: Arc<SharedCounters>,
}

impl Workers {
    /// Starts a thread for each set of sockets, one after the other on the allowed cores.
    ///
    /// # Errors
    /// The system gives no more threads; then none runs.
    pub(super) fn start<S: Source + Clone>(
        socket_sets: Vec<Vec<UdpSocket>>,
        source: &S,
        watch: &Watch,
    ) -> io::Result<Self> {
        let cores = pin::allowed_cores();
        let mut workers = Self {
            threads: Vec::with_capacity(socket_sets.len()),
            stop: Arc::new(AtomicBool::new(false)),
        };
        for (number, sockets) in socket_sets.into_iter().enumerate() {
            let core = cores.get(number % cores.len().max(1)).copied();
            let sockets: Arc<[UdpSocket]> = sockets.into();
            let counters = Arc::new(SharedCounters::default());
            let (stop, source) = (workers.stop.clone(), source.clone());
            let (theirs, shared) = (sockets.clone(), counters.clone());
            let handle = watch.spawn(format!("dns-udp-{number}"), move || {
                if let Some(Err(error)) = core.map(pin::stay_on) {
                    tracing::warn!(%error, number, "a UDP thread is not kept on its core");
                }
                Worker::new(theirs, source, stop, shared).run()
            })?;
            workers.threads.push(Thread {
                handle,
                sockets,
                counters,
            });
        }
        Ok(workers)
    }

    /// What each thread has done.
    pub(super) fn counters(&self) -> Vec<UdpCounters> {
        let threads = self.threads.iter();
        threads.map(|thread| thread.counters.read()).collect()
    }

    /// Ends the threads and returns when their sockets are closed.
    pub(super) fn stop(mut self) {
        self.wake_to_stop();
        for thread in self.threads.drain(..) {
            // A panic was told when it happened.
            let _ = thread.handle.join();
        }
    }

    fn wake_to_stop(&self) {
        self.stop.store(true, Ordering::Release);
        for socket in self.threads.iter().flat_map(|thread| &*thread.sockets) {
            // Says that there is no connection, but wakes who sleeps on the socket.
            let _ = shutdown(socket, Shutdown::Read);
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.wake_to_stop();
    }
}

/// What one thread works with.
struct Worker<S> {
    sockets: Arc<[UdpSocket]>,
    source: S,
    batch: Batch,
    /// Empty between batches; kept for its memory.
    exchanges: Vec<Exchange<'static>>,
    waiting: Waiting,
    counters: UdpCounters,
    shared: Arc<SharedCounters>,
    stop: Arc<AtomicBool>,
}

impl<S: Source> Worker<S> {
    fn new(
        sockets: Arc<[UdpSocket]>,
        source: S,
        stop: Arc<AtomicBool>,
        shared: Arc<SharedCounters>,
    ) -> Self {
        Self {
            sockets,
            source,
            batch: Batch::new(),
            exchanges: Vec::with_capacity(BATCH),
            waiting: Waiting::new(),
            counters: UdpCounters::default(),
            shared,
            stop,
        }
    }

    fn run(&mut self) -> io::Result<()> {
        let sockets = self.sockets.clone();
        let polled = sockets.iter();
        let mut polled: Vec<PollFd<'_>> = polled
            .map(|socket| PollFd::new(socket, PollFlags::IN))
            .collect();
        while !self.stop.load(Ordering::Acquire) {
            if polled.len() == 1 && self.waiting.is_empty() {
                self.turn(0, Until::One)?;
            } else {
                self.turns(&mut polled)?;
                self.look_again();
            }
            self.shared.publish(&self.counters);
        }
        Ok(())
    }

    /// Receives from every socket that has something, in turn.
    fn turns(&mut self, polled: &mut [PollFd<'_>]) -> io::Result<()> {
        let timeout = (!self.waiting.is_empty()).then_some(&LOOK_AGAIN);
        match poll(polled, timeout) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        for (socket, polled) in polled.iter().enumerate() {
            if polled.revents().is_empty() {
                continue;
            }
            let mut turns = 0..BATCHES_OF_A_TURN;
            while turns.next().is_some() && self.turn(socket, Until::Now)? {}
        }
        Ok(())
    }

    /// Receives and answers a batch; true when it was full, so that there may be more.
    fn turn(&mut self, socket: usize, until: Until) -> io::Result<bool> {
        let count = self.batch.receive(&self.sockets[socket], until)?;
        if count == 0 || self.stop.load(Ordering::Acquire) {
            return Ok(false);
        }
        let full = count == BATCH;
        let too_long = (0..count).filter(|place| self.batch.is_cut(*place));
        self.counters.too_long += too_long.count() as u64;
        self.counters.batches += 1;
        self.counters.full_batches += u64::from(full);
        self.answer(socket, count, Patience::Wait, None);
        Ok(full)
    }

    /// Looks at waiting queries again: at all when there is a new version of the zone, and for the
    /// last time at those whose time is over.
    fn look_again(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut due = self.waiting.due(self.source.version(), now);
        while due > 0 {
            let Some((socket, overdue)) = self.waiting.oldest(now) else {
                return;
            };
            let mut deadlines = [now; BATCH];
            let mut count = 0;
            for (place, deadline) in deadlines.iter_mut().enumerate().take(due) {
                let Some(parked) = self.waiting.take(socket, overdue, now) else {
                    break;
                };
                self.batch.restore(place, parked.query(), &parked.path);
                *deadline = parked.deadline;
                count += 1;
            }
            due -= count;
            let patience = if overdue {
                self.counters.refused += count as u64;
                Patience::Refuse
            } else {
                Patience::Wait
            };
            self.answer(socket, count, patience, Some(&deadlines));
        }
    }

    /// Answers the first `count` places of the batch. Queries that waited before keep their
    /// `deadlines`.
    fn answer(
        &mut self,
        socket: usize,
        count: usize,
        patience: Patience,
        deadlines: Option<&[Instant; BATCH]>,
    ) {
        let (pairs, mut outbox) = self.batch.split(count);
        let mut exchanges: Vec<Exchange<'_>> = std::mem::take(&mut self.exchanges);
        exchanges.extend(pairs.map(|(query, out)| Exchange::new(query, out)));
        let version = self.source.answer(&mut exchanges, patience);
        for (place, exchange) in exchanges.iter_mut().enumerate() {
            if let Disposition::Wait(name) = exchange.disposition {
                let wait = self.source.want(name) && patience == Patience::Wait;
                let path = outbox.return_path(place);
                let known = deadlines.map(|deadlines| deadlines[place]);
                let deadline = known.unwrap_or_else(|| Instant::now() + PATIENCE);
                let parked = Parked::new(exchange.query, socket, path, version, deadline);
                if wait && parked.is_some_and(|parked| self.waiting.park(parked)) {
                    self.counters.waited += u64::from(known.is_none());
                    continue;
                }
                self.counters.refused += u64::from(patience == Patience::Wait);
                let exchange = std::slice::from_mut(exchange);
                self.source.answer(exchange, Patience::Refuse);
            }
            match exchange.disposition {
                Disposition::Answer(octets) => outbox.queue(place, octets),
                Disposition::Drop | Disposition::Wait(_) => self.counters.dropped += 1,
            }
        }
        self.exchanges = emptied(exchanges);
        let sent = self.batch.send(&self.sockets[socket]);
        self.counters.answered += sent.sent as u64;
        self.counters.unsent += sent.failed as u64;
    }
}

/// The same memory, empty, for exchanges that borrow from elsewhere.
fn emptied(mut exchanges: Vec<Exchange<'_>>) -> Vec<Exchange<'static>> {
    exchanges.clear();
    let exchanges = exchanges.into_iter();
    exchanges
        .map(|_| unreachable!("the exchanges were cleared"))
        .collect()
}

#[cfg(test)]
mod tests;
