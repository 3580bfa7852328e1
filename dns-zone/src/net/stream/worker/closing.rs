//! Ends of connections: deadlines, and the last words to a peer.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{TICK, Worker};
use crate::answer::Patience;
use crate::net::stream::close::Close;
use crate::net::stream::poll::{forget_unread, transmit};
use crate::net::stream::table::{Class, Token};

impl Worker {
    /// Closes what is past its deadline.
    pub(super) fn close_overdue(&mut self) {
        if self.now < self.tick_at {
            return;
        }
        self.tick_at = self.now + TICK;
        for class in [Class::Handshaking, Class::Idle] {
            // The oldest is due first, so the first one that is not ends it.
            while let Some(token) = self.table.oldest(class) {
                if !self.close_if_due(token) {
                    break;
                }
            }
        }
        let mut next = self.table.oldest(Class::Busy);
        while let Some(token) = next {
            next = self.table.newer(token);
            self.close_if_due(token);
        }
    }

    fn close_if_due(&mut self, token: Token) -> bool {
        let now = self.now;
        let due = self.table.get_mut(token).and_then(|peer| {
            let (at, why) = peer.connection.deadline(&self.limits);
            (at <= now).then_some(why)
        });
        due.inspect(|why| self.close(token, *why)).is_some()
    }

    /// Takes a connection out and closes it, with a word to TLS peers that can still hear it.
    pub(super) fn close(&mut self, token: Token, why: Close) {
        let Some((client, mut peer)) = self.table.remove(token) else {
            return;
        };
        self.admission.leave(client);
        self.held_octets -= peer.held_octets;
        self.waiting_queries -= peer.waiting_queries;
        self.shared.counters.closed(why);
        let is_unread = !peer.connection.backlog().is_empty();
        if is_unread && matches!(why, Close::Stalled | Close::Evicted) {
            forget_unread(&peer.socket);
        }
        let is_orderly = matches!(
            why,
            Close::Ended | Close::Idle | Close::Evicted | Close::Shutdown
        );
        if is_orderly && !is_unread {
            let outgoing = &mut self.scratch.outgoing;
            outgoing.clear();
            // It is closed whether or not the peer hears that.
            let _ = catch_unwind(AssertUnwindSafe(|| {
                peer.connection.say_goodbye(outgoing);
                transmit(&peer.socket, outgoing)
            }));
        }
    }

    /// Answers what waits, and closes everything.
    pub(super) fn close_all(&mut self) {
        self.listeners.clear();
        for token in self.table.tokens() {
            self.turn(token, |worker| {
                worker.work_on(token, |connection, work| {
                    connection.retry(Patience::Refuse, work)
                })
            });
            self.close(token, Close::Shutdown);
        }
    }
}
