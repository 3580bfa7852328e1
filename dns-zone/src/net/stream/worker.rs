//! The loop of one thread: accepts, reads, answers, writes and closes.
//!
//! A turn of a connection is one read, all whole queries as one batch, one write. Connections with
//! a session come before handshakes, of which a round does only a few: a storm of them then takes
//! what is left, and not the time of those who are already there. Nor does a crowd that sends more
//! queries than a turn answers: of those too, a few a round go on, in the order in which they came.

mod accepting;
mod closing;
mod lobby;
mod shared;
mod turns;

use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::event::epoll::Event;
use rustls::ServerConfig;
use tracing::{debug, error};

use super::close::Close;
use super::connection::Connection;
use super::limits::{Admission, Limits};
use super::poll::{EventFlags, Poll, give_up_after, ready, receive, transmit};
use super::scratch::{Answer, Load, Scratch, Work};
use super::table::{Class, Table, Token};
use crate::answer::Patience;
use lobby::Newcomer;
pub(super) use shared::Shared;
use turns::Turns;

/// Handshake steps of one round: about 1.5 ms.
const HANDSHAKES_A_ROUND: usize = 8;
/// Connections that go on with queries of an earlier read in one round: some milliseconds, after which
/// it is looked who else has asked.
const RESUMED_A_ROUND: usize = 8;
/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(100);
/// How often a query that waits is asked again.
const RETRY: Duration = Duration::from_millis(2);
/// Events of the eventfd; those of the listeners count down from here.
const WAKE: u64 = u64::MAX;

/// A socket that listens, and what speaks there.
#[derive(Debug)]
pub(in crate::net) struct Listener {
    pub(super) socket: OwnedFd,
    /// DNS over TLS with this configuration; none for TCP.
    pub(super) tls: Option<Arc<ServerConfig>>,
}

/// A connection with its socket.
#[derive(Debug)]
struct Peer {
    socket: OwnedFd,
    connection: Connection,
    interest: EventFlags,
    held_octets: usize,
    waiting_queries: usize,
    /// It is in the list of those that go on in the next round.
    is_listed_again: bool,
    /// It is in the list of those with queries that wait.
    is_listed_waiting: bool,
}

/// One thread's state.
pub(super) struct Worker {
    poll: Poll,
    shared: Arc<Shared>,
    /// The other threads.
    others: Vec<Arc<Shared>>,
    /// New connections that wait for the others to make room.
    lobby: Vec<Newcomer>,
    listeners: Vec<Listener>,
    limits: Limits,
    admission: Arc<Admission>,
    answer: Box<Answer>,
    table: Table<Peer>,
    scratch: Scratch,
    /// Connections with whole messages that had to wait for their next turn, in order.
    again: Vec<Token>,
    /// Connections with queries that wait for a signature.
    waiting: Vec<Token>,
    handshakes: Turns,
    held_octets: usize,
    waiting_queries: usize,
    now: Instant,
    retry_at: Instant,
    tick_at: Instant,
    accept_at: Option<Instant>,
}

impl Worker {
    pub(super) fn new(
        listeners: Vec<Listener>,
        limits: Limits,
        admission: Arc<Admission>,
        shared: Arc<Shared>,
        others: Vec<Arc<Shared>>,
        answer: Box<Answer>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.add(&shared.wake.event, WAKE, EventFlags::IN)?;
        for (listener, token) in listeners.iter().zip((0..WAKE).rev()) {
            give_up_after(&listener.socket, limits.idle.saturating_add(limits.stalled))?;
            poll.add(&listener.socket, token, EventFlags::IN)?;
        }
        let now = Instant::now();
        Ok(Self {
            poll,
            shared,
            others,
            lobby: Vec::new(),
            listeners,
            limits,
            admission,
            answer,
            table: Table::new(),
            scratch: Scratch::new(),
            again: Vec::new(),
            waiting: Vec::new(),
            handshakes: Turns::default(),
            held_octets: 0,
            waiting_queries: 0,
            now,
            retry_at: now,
            tick_at: now,
            accept_at: None,
        })
    }

    /// Serves until it is told to end; then everything is closed.
    ///
    /// # Errors
    /// The system does not tell what is ready.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = Vec::new();
        while !self.shared.is_ending.load(Ordering::Acquire) {
            self.poll.wait(self.timeout(), &mut events)?;
            self.now = Instant::now();
            self.round(&events);
        }
        self.close_all();
        Ok(())
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.again.is_empty() {
            return Some(Duration::ZERO);
        }
        let waiting = (!self.waiting.is_empty()).then_some(self.retry_at);
        let tick = (self.table.len() > 0).then_some(self.tick_at);
        let due = [waiting, tick, self.accept_at, self.newcomers_until()];
        let first = due.into_iter().flatten().min();
        first.map(|at| at.saturating_duration_since(Instant::now()))
    }

    fn round(&mut self, events: &[Event]) {
        let mut handshakes = Vec::new();
        let mut knocked = Vec::new();
        let mut is_woken = false;
        for event in events.iter().map(ready) {
            let token = Token::from_u64(event.token);
            if event.token == WAKE {
                self.shared.wake.sleep();
                is_woken = true;
            } else if let Some(index) = self.listener(event.token) {
                knocked.push(index);
            } else if self.table.class(token) == Some(Class::Handshaking) {
                handshakes.push((token, event.flags));
            } else {
                self.turn(token, |worker| worker.converse(token, event.flags));
            }
        }
        let resumed = self.again.len().min(RESUMED_A_ROUND);
        for token in self.again.drain(..resumed).collect::<Vec<_>>() {
            if let Some(peer) = self.table.get_mut(token) {
                peer.is_listed_again = false;
            }
            self.turn(token, |worker| worker.resume(token));
        }
        for (token, flags) in self.handshakes.some(handshakes, HANDSHAKES_A_ROUND) {
            self.turn(token, |worker| worker.converse(token, flags));
        }
        self.retry();
        if is_woken {
            self.make_room_for_others();
        }
        self.admit_newcomers();
        for index in knocked {
            self.accept_some(index);
        }
        self.resume_accepting();
        self.close_overdue();
    }

    fn listener(&self, token: u64) -> Option<usize> {
        let index = usize::try_from(WAKE.checked_sub(token)?.checked_sub(1)?).ok()?;
        (index < self.listeners.len()).then_some(index)
    }

    /// Does something with a connection and looks at what came of it. A panic ends this connection
    /// and no other.
    fn turn(&mut self, token: Token, step: impl FnOnce(&mut Self) -> Result<(), Close>) {
        let outcome = catch_unwind(AssertUnwindSafe(|| step(self)));
        match outcome {
            Ok(Ok(())) => self.settle(token),
            Ok(Err(close)) => self.close(token, close),
            Err(_) => {
                error!("handling a connection panicked; it is closed");
                self.close(token, Close::Fault);
            }
        }
    }

    /// Writes what is owed, reads, answers, writes.
    fn converse(&mut self, token: Token, flags: EventFlags) -> Result<(), Close> {
        if flags.intersects(EventFlags::ERR | EventFlags::HUP) {
            return Err(Close::Reset);
        }
        let load = self.load();
        let Some(peer) = self.table.get_mut(token) else {
            return Ok(());
        };
        let (mut work, input) = Work::new(
            &self.limits,
            self.now,
            &mut *self.answer,
            &self.shared.counters,
            load,
            &mut self.scratch,
        );
        let mut outcome = Ok(());
        if flags.contains(EventFlags::IN) && peer.connection.wants_input(&self.limits) {
            match receive(&peer.socket, input) {
                Ok(None) => {}
                Ok(Some(0)) => peer.connection.end_input(),
                Ok(Some(octets)) => {
                    outcome = peer.connection.receive(&mut input[..octets], &mut work);
                }
                Err(_) => return Err(Close::Reset),
            }
        }
        let sent = self.flush(token);
        outcome.and(sent)
    }

    /// Answers more of what is there already.
    fn resume(&mut self, token: Token) -> Result<(), Close> {
        self.work_on(token, |connection, work| {
            if connection.has_work(work.limits, work.load) {
                connection.resume(work)
            } else {
                Ok(())
            }
        })
    }

    fn work_on(
        &mut self,
        token: Token,
        step: impl FnOnce(&mut Connection, &mut Work<'_>) -> Result<(), Close>,
    ) -> Result<(), Close> {
        let load = self.load();
        let Some(peer) = self.table.get_mut(token) else {
            return Ok(());
        };
        let (mut work, _) = Work::new(
            &self.limits,
            self.now,
            &mut *self.answer,
            &self.shared.counters,
            load,
            &mut self.scratch,
        );
        let outcome = step(&mut peer.connection, &mut work);
        let sent = self.flush(token);
        outcome.and(sent)
    }

    /// Sends the backlog and what this turn made; what the kernel does not take becomes backlog.
    fn flush(&mut self, token: Token) -> Result<(), Close> {
        let Some(Peer {
            socket, connection, ..
        }) = self.table.get_mut(token)
        else {
            return Ok(());
        };
        let outgoing = &self.scratch.outgoing;
        if connection.backlog().is_empty() {
            if !outgoing.is_empty() {
                let sent = transmit(socket, outgoing).map_err(|_| Close::Reset)?;
                connection.keep(&outgoing[sent..], self.now);
            }
        } else {
            connection.keep(outgoing, self.now);
            let sent = transmit(socket, connection.backlog()).map_err(|_| Close::Reset)?;
            connection.note_sent(sent, self.now, &self.limits);
        }
        self.scratch.outgoing.clear();
        Ok(())
    }

    /// After a turn: what to wait for, its place in the table, whether it is over.
    fn settle(&mut self, token: Token) {
        let load = self.load();
        let Some(peer) = self.table.get_mut(token) else {
            return;
        };
        let connection = &peer.connection;
        let held = connection.held_octets();
        self.held_octets = self.held_octets - peer.held_octets + held;
        peer.held_octets = held;
        let waiting = connection.waiting_queries();
        self.waiting_queries = self.waiting_queries - peer.waiting_queries + waiting;
        peer.waiting_queries = waiting;
        if connection.is_finished() {
            return self.close(token, Close::Ended);
        }
        let (deadline, why) = connection.deadline(&self.limits);
        if deadline <= self.now {
            return self.close(token, why);
        }
        let mut interest = EventFlags::empty();
        interest.set(EventFlags::IN, connection.wants_input(&self.limits));
        interest.set(EventFlags::OUT, !connection.backlog().is_empty());
        if !peer.is_listed_again && connection.has_work(&self.limits, load) {
            peer.is_listed_again = true;
            self.again.push(token);
        }
        if !peer.is_listed_waiting && waiting > 0 {
            peer.is_listed_waiting = true;
            if self.waiting.is_empty() {
                self.retry_at = self.now + RETRY;
            }
            self.waiting.push(token);
        }
        let class = connection.class();
        if interest != peer.interest {
            peer.interest = interest;
            if let Err(error) = self.poll.modify(&peer.socket, token.to_u64(), interest) {
                debug!(%error, "a connection cannot be waited for");
                return self.close(token, Close::Reset);
            }
        }
        self.table.place(token, class);
    }

    fn load(&self) -> Load {
        let waits_max = self.limits.waiting_queries_of_thread;
        Load {
            is_cramped: self.held_octets > self.limits.held_octets,
            waits_left: waits_max.saturating_sub(self.waiting_queries),
        }
    }

    /// Asks again for all queries that wait.
    fn retry(&mut self) {
        if self.waiting.is_empty() || self.now < self.retry_at {
            return;
        }
        self.retry_at = self.now + RETRY;
        for token in std::mem::take(&mut self.waiting) {
            if let Some(peer) = self.table.get_mut(token) {
                peer.is_listed_waiting = false;
            }
            self.turn(token, |worker| {
                worker.work_on(token, |connection, work| {
                    connection.retry(Patience::Wait, work)
                })
            });
        }
    }
}
