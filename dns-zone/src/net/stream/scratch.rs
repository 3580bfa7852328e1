//! What a thread lends to a connection for one turn: room, limits, and what answers.

use std::time::Instant;

use super::counters::Counters;
use super::limits::Limits;
use crate::answer::{Exchange, Patience, Transport};

/// The longest message there is.
pub(super) const RESPONSE_OCTETS_MAX: usize = 65_535;
/// Queries answered at once: enough to hide the memory's latency, few enough to stay in the cache.
pub(super) const BATCH: usize = 32;
/// Room of one response in the scratch. Not a power of two, so that the beginnings of responses do
/// not compete for the same lines of the cache.
pub(super) const ROOM_OCTETS: usize = RESPONSE_OCTETS_MAX + 193;
/// Queries of one connection that are answered before others get their turn.
const QUERIES_A_TURN: usize = 128;
/// What a connection may hold while the thread as a whole holds too much.
pub(super) const CRAMPED_OCTETS: usize = 4096;
/// Octets read at once: a whole record.
const READ_OCTETS: usize = 16_384 + 512;

/// Room that all connections of a thread share, as they are handled one after the other.
#[derive(Debug)]
pub(super) struct Scratch {
    /// What was read from the socket.
    pub(super) input: Vec<u8>,
    /// What is to be sent, in this turn of this connection.
    pub(super) outgoing: Vec<u8>,
    desk: Desk,
}

#[derive(Debug)]
pub(super) struct Desk {
    /// Decrypted octets.
    pub(super) plain: Vec<u8>,
    /// Responses as they are made, `ROOM_OCTETS` each.
    pub(super) rooms: Vec<u8>,
    /// Responses behind their lengths, before encryption.
    pub(super) responses: Vec<u8>,
}

impl Scratch {
    pub(super) fn new() -> Self {
        Self {
            input: vec![0; READ_OCTETS],
            outgoing: Vec::new(),
            desk: Desk {
                plain: Vec::new(),
                // Zeroed pages come from the kernel when they are touched: far less than 2 MiB.
                rooms: vec![0; BATCH * ROOM_OCTETS],
                responses: Vec::new(),
            },
        }
    }
}

/// Answers exchanges that came by a transport.
pub(in crate::net) type Answer = dyn FnMut(&mut [Exchange<'_>], Transport, Patience) + Send;

/// What the connections of the thread hold together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// More octets than they should.
    pub(super) is_cramped: bool,
    /// Queries that may begin to wait for a signature.
    pub(super) waits_left: usize,
}

impl Load {
    /// Unread answers above which a connection gets no more.
    pub(super) fn backlog_octets_max(self, limits: &Limits) -> usize {
        if self.is_cramped {
            CRAMPED_OCTETS
        } else {
            limits.backlog_octets
        }
    }
}

/// What a connection works with during one turn.
pub(super) struct Work<'a> {
    pub(super) limits: &'a Limits,
    pub(super) now: Instant,
    pub(super) answer: &'a mut Answer,
    pub(super) counters: &'a Counters,
    pub(super) load: Load,
    pub(super) desk: &'a mut Desk,
    /// What is to be sent after the turn.
    pub(super) outgoing: &'a mut Vec<u8>,
    /// Queries that may still be answered in this turn.
    pub(super) queries_left: usize,
}

impl<'a> Work<'a> {
    /// A turn, and the octets that were read for it into the scratch.
    pub(super) fn new(
        limits: &'a Limits,
        now: Instant,
        answer: &'a mut Answer,
        counters: &'a Counters,
        load: Load,
        scratch: &'a mut Scratch,
    ) -> (Self, &'a mut [u8]) {
        // Nothing of another connection stays, also not after a panic.
        scratch.outgoing.clear();
        scratch.desk.responses.clear();
        let work = Self {
            limits,
            now,
            answer,
            counters,
            load,
            desk: &mut scratch.desk,
            outgoing: &mut scratch.outgoing,
            queries_left: QUERIES_A_TURN,
        };
        (work, &mut scratch.input)
    }
}
