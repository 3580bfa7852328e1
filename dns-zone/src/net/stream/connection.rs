//! One connection: octets in, octets out, and when it must end.
//!
//! Messages over a stream are framed by a length of two octets (RFC 1035 §4.2.2, RFC 7766 §8). All
//! whole messages that arrived together are answered together; those whose signature is being made
//! wait, and are answered after later ones (RFC 7766 §6.2.1.1). What is not whole yet is kept here,
//! and so are answers that the peer has not taken; an idle connection keeps nothing.
//!
//! Knows no socket and no clock. `messages`: from whole messages to responses.

mod messages;

use std::mem;
use std::time::Instant;

use super::backlog::Backlog;
use super::close::Close;
use super::limits::Limits;
use super::scratch::{CRAMPED_OCTETS, Load, Work};
use super::table::Class;
use super::tls::{Session, TlsError};
use crate::answer::Transport;
use messages::Waiting;

/// Records that are not whole: one record of the largest size, and what may be read behind it.
const RECORDS_OCTETS_MAX: usize = 40_000;
/// The same before the handshake has ended: a ClientHello has a few hundred octets to 2 KiB.
const HANDSHAKE_OCTETS_MAX: usize = 16_384;

/// The state of one connection.
#[derive(Debug)]
pub(super) struct Connection {
    session: Option<Box<Session>>,
    transport: Transport,
    /// TLS records that are not whole.
    records: Vec<u8>,
    /// Messages that are not whole, or not answered yet.
    messages: Vec<u8>,
    backlog: Backlog,
    waiting: Vec<Waiting>,
    /// A whole message is in `messages`.
    is_ready: bool,
    /// The peer sends nothing more.
    has_ended: bool,
    began_at: Instant,
    active_at: Instant,
    /// Since when a message or record has been incomplete.
    begun_at: Option<Instant>,
}

impl Connection {
    /// A connection accepted now; with a session, DNS over TLS.
    pub(super) fn new(session: Option<Session>, now: Instant) -> Self {
        let transport = match session {
            Some(_) => Transport::EncryptedStream,
            None => Transport::Stream,
        };
        Self {
            session: session.map(Box::new),
            transport,
            records: Vec::new(),
            messages: Vec::new(),
            backlog: Backlog::default(),
            waiting: Vec::new(),
            is_ready: false,
            has_ended: false,
            began_at: now,
            active_at: now,
            begun_at: None,
        }
    }

    pub(super) fn class(&self) -> Class {
        let is_idle = self.records.is_empty()
            && self.messages.is_empty()
            && self.waiting.is_empty()
            && self.backlog().is_empty();
        if self.is_handshaking() {
            Class::Handshaking
        } else if is_idle {
            Class::Idle
        } else {
            Class::Busy
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.session
            .as_ref()
            .is_some_and(|session| session.is_handshaking())
    }

    /// Octets that this connection keeps in memory beside its state.
    pub(super) fn held_octets(&self) -> usize {
        let waiting = self.waiting.iter().map(|waiting| waiting.query.len());
        self.records.len()
            + self.messages.len()
            + self.backlog.held_octets()
            + waiting.sum::<usize>()
    }

    /// Whether octets from the peer are welcome now.
    pub(super) fn wants_input(&self, limits: &Limits) -> bool {
        !self.has_ended && !self.is_ready && self.backlog().len() < limits.backlog_octets
    }

    /// Whether there are whole messages to answer and room for the answers.
    pub(super) fn has_work(&self, limits: &Limits, load: Load) -> bool {
        self.is_ready && self.backlog().len() < load.backlog_octets_max(limits)
    }

    pub(super) fn waiting_queries(&self) -> usize {
        self.waiting.len()
    }

    /// The peer sends nothing more and has all its answers.
    pub(super) fn is_finished(&self) -> bool {
        self.has_ended && !self.is_ready && self.waiting.is_empty() && self.backlog().is_empty()
    }

    /// When it must be closed, and why, unless something happens before.
    pub(super) fn deadline(&self, limits: &Limits) -> (Instant, Close) {
        if self.is_handshaking() {
            return (self.began_at + limits.handshake, Close::Handshake);
        }
        if self.class() == Class::Idle {
            return (self.active_at + limits.idle, Close::Idle);
        }
        let slow = self.begun_at.map(|at| (at + limits.message, Close::Slow));
        let stalled = self.backlog.stalled_since();
        let stalled = stalled.map(|at| (at + limits.stalled, Close::Stalled));
        let owed = [slow, stalled].into_iter().flatten();
        owed.min_by_key(|(at, _)| *at)
            // Queries wait, or are about to be answered: that ends by itself.
            .unwrap_or((
                self.active_at.max(self.began_at) + limits.idle + limits.patience,
                Close::Idle,
            ))
    }

    /// Since when the peer has owed us the rest of a message, or room for its answers.
    pub(super) fn owed_since(&self) -> Option<Instant> {
        let owed = [self.begun_at, self.backlog.stalled_since()];
        owed.into_iter().flatten().min()
    }

    /// Takes octets from the peer and answers what is whole. Also after an error, what was written
    /// is to be sent.
    pub(super) fn receive(&mut self, octets: &mut [u8], work: &mut Work<'_>) -> Result<(), Close> {
        let outcome = match self.session.take() {
            None => {
                let outcome = self.take_messages(octets, work);
                mem::swap(&mut work.desk.responses, work.outgoing);
                outcome
            }
            Some(mut session) => {
                let outcome = self.take_records(&mut session, octets, work);
                self.session = Some(session);
                outcome
            }
        };
        work.desk.responses.clear();
        self.note_begun(work.now);
        outcome?;
        if work.load.is_cramped
            && self.records.len() + self.messages.len() > CRAMPED_OCTETS
            && !self.is_ready
        {
            return Err(Close::Slow);
        }
        Ok(())
    }

    /// The peer closed its side.
    pub(super) fn end_input(&mut self) {
        self.has_ended = true;
        if !self.is_ready {
            self.messages = Vec::new();
        }
        self.begun_at = None;
    }

    /// Goes on with whole messages that had to wait for their turn.
    pub(super) fn resume(&mut self, work: &mut Work<'_>) -> Result<(), Close> {
        let outcome = self.take_messages(&[], work);
        let sealed = self.seal(work);
        self.note_begun(work.now);
        outcome.and(sealed)
    }

    /// Answers that the peer has not taken, in the order in which they are to be sent.
    pub(super) fn backlog(&self) -> &[u8] {
        self.backlog.octets()
    }

    /// Puts octets behind the backlog.
    pub(super) fn keep(&mut self, octets: &[u8], now: Instant) {
        self.backlog.keep(octets, now);
    }

    /// Notes that the peer's kernel took so many octets of the backlog.
    pub(super) fn note_sent(&mut self, octets: usize, now: Instant, limits: &Limits) {
        self.backlog.note_sent(octets, now, limits.progress_octets);
        if self.backlog().is_empty() {
            // The time without anything to do begins here, however long the peer has read.
            self.active_at = now;
        }
    }

    /// Writes the end of a TLS session.
    pub(super) fn say_goodbye(&mut self, outgoing: &mut Vec<u8>) {
        if let Some(session) = &mut self.session {
            session.say_goodbye(&mut self.records, outgoing);
        }
    }

    /// Decrypts whole records, answers whole messages, encrypts the responses.
    fn take_records(
        &mut self,
        session: &mut Session,
        octets: &mut [u8],
        work: &mut Work<'_>,
    ) -> Result<(), Close> {
        let mut plain = mem::take(&mut work.desk.plain);
        plain.clear();
        let mut held = mem::take(&mut self.records);
        let records = if held.is_empty() {
            octets
        } else {
            held.extend_from_slice(octets);
            &mut held
        };
        let was_handshaking = session.is_handshaking();
        let opened = session.open(records, &mut plain, work.outgoing);
        let opened = opened.map_err(|error| refused(&error))?;
        if was_handshaking && !session.is_handshaking() {
            work.counters.handshakes.add(1);
            work.counters.resumed.add(usize::from(session.is_resumed()));
            self.active_at = work.now;
        }
        let rest = &mut records[opened.used_octets..];
        let outcome = self.take_messages(&plain, work);
        work.desk.plain = plain;
        session
            .seal(rest, &work.desk.responses, work.outgoing)
            .map_err(|error| refused(&error))?;
        self.records = rest.to_vec();
        outcome?;
        if opened.ended {
            self.end_input();
        }
        let octets_max = if session.is_handshaking() {
            HANDSHAKE_OCTETS_MAX
        } else {
            RECORDS_OCTETS_MAX
        };
        if self.records.len() > octets_max {
            return Err(Close::Malformed);
        }
        Ok(())
    }

    /// Moves the responses to what is sent, encrypted where that is due.
    fn seal(&mut self, work: &mut Work<'_>) -> Result<(), Close> {
        let responses = &mut work.desk.responses;
        let sealed = match &mut self.session {
            Some(session) => session
                .seal(&mut self.records, responses, work.outgoing)
                .map_err(|error| refused(&error)),
            None => {
                work.outgoing.extend_from_slice(responses);
                Ok(())
            }
        };
        responses.clear();
        sealed
    }

    /// A peer is slow from the first octet of a message until its last; not while we hold back.
    fn note_begun(&mut self, now: Instant) {
        let is_begun = !self.is_ready && (!self.messages.is_empty() || !self.records.is_empty());
        if !is_begun {
            self.begun_at = None;
        } else if self.begun_at.is_none() || self.active_at == now {
            self.begun_at = Some(now);
        }
    }
}

fn refused(error: &TlsError) -> Close {
    tracing::debug!(%error, "TLS session ended");
    Close::Tls
}
