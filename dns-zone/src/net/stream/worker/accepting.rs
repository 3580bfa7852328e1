//! New connections, and room for them.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, error, warn};

use super::{Peer, WAKE, Worker};
use crate::net::stream::close::Close;
use crate::net::stream::connection::Connection;
use crate::net::stream::limits::{Client, Full};
use crate::net::stream::poll::{Errno, EventFlags, accept};
use crate::net::stream::table::{Class, Token};
use crate::net::stream::tls::Session;

/// Connections accepted at once from one listener.
const ACCEPTS_A_ROUND: usize = 64;
/// Busy connections that are looked at to find one that may be closed.
const LAGGARDS_SOUGHT: usize = 256;
/// How long nothing is accepted after the system had no room and nobody could be closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Worker {
    pub(super) fn accept_some(&mut self, index: usize) {
        for turn in 0..ACCEPTS_A_ROUND {
            match accept(&self.listeners[index].socket) {
                Ok((socket, peer)) => self.welcome(index, socket, peer),
                Err(Errno::AGAIN) => return,
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    // The system says so before it looks whether anybody waits. Somebody does only
                    // when the listener was reported, which is known of the first turn; if it is
                    // so again, that comes with the next report.
                    if turn > 0 {
                        return;
                    }
                    if !self.close_oldest() {
                        return self.pause_accepting();
                    }
                }
                // The connection that waited first is gone already.
                Err(_) => {}
            }
        }
    }

    /// Takes a new connection in, if need be in place of an idle one of this thread or of another.
    fn welcome(&mut self, index: usize, mut socket: OwnedFd, peer: SocketAddr) {
        let client = Client::from(peer.ip());
        let counters = Arc::clone(&self.shared);
        let counters = &counters.counters;
        counters.accepted.add(1);
        let Err(full) = self.admission.enter(client) else {
            return self.take_in(index, socket, client);
        };
        let (whose, idle) = match full {
            Full::Client => (Some(client), self.table.oldest_idle_of(client)),
            Full::Everywhere => (None, self.table.oldest(Class::Idle)),
        };
        let made_room = match idle {
            Some(token) => {
                self.close(token, Close::Evicted);
                true
            }
            // Another thread may have one.
            None => match self.wait_for_room(index, socket, client, whose) {
                None => return,
                Some(back) => {
                    socket = back;
                    whose.is_none() && self.close_oldest()
                }
            },
        };
        if made_room && self.admission.enter(client).is_ok() {
            self.take_in(index, socket, client);
        } else {
            counters.refused.add(1);
        }
    }

    /// Takes in a connection that was admitted.
    pub(super) fn take_in(&mut self, index: usize, socket: OwnedFd, client: Client) {
        let counters = Arc::clone(&self.shared);
        let counters = &counters.counters;
        counters.open.add(1);
        let session = match &self.listeners[index].tls {
            None => Ok(None),
            Some(config) => Session::new(config).map(Some),
        };
        let session = match session {
            Ok(session) => session,
            Err(error) => {
                warn!(%error, "no TLS session");
                self.admission.leave(client);
                return counters.closed(Close::Tls);
            }
        };
        let connection = Connection::new(session, self.now);
        let class = connection.class();
        let interest = EventFlags::IN;
        let peer = Peer {
            socket,
            connection,
            interest,
            held_octets: 0,
            waiting_queries: 0,
            is_listed_again: false,
            is_listed_waiting: false,
        };
        let token = self.table.insert(client, class, peer);
        let Some(peer) = self.table.get_mut(token) else {
            return;
        };
        if let Err(error) = self.poll.add(&peer.socket, token.to_u64(), interest) {
            debug!(%error, "a connection cannot be waited for");
            self.close(token, Close::Reset);
        }
    }

    /// Closes the oldest idle connection; without one, the oldest handshake; without one, a connection
    /// that we wait for.
    pub(super) fn close_oldest(&mut self) -> bool {
        let idle = self.table.oldest(Class::Idle);
        let oldest = idle
            .or_else(|| self.table.oldest(Class::Handshaking))
            .or_else(|| self.laggard());
        oldest
            .inspect(|token| self.close(*token, Close::Evicted))
            .is_some()
    }

    /// The first, of those that have been busy for longest, whose peer has owed us something for too
    /// long. Without this, single octets would hold all places.
    fn laggard(&mut self) -> Option<Token> {
        let mut next = self.table.oldest(Class::Busy);
        for _ in 0..LAGGARDS_SOUGHT {
            let token = next?;
            let peer = self.table.get_mut(token)?;
            let since = peer.connection.owed_since();
            if since.is_some_and(|since| since + self.limits.lag <= self.now) {
                return Some(token);
            }
            next = self.table.newer(token);
        }
        None
    }

    fn pause_accepting(&mut self) {
        if self.accept_at.is_none() {
            warn!("no room for connections; accepting pauses");
            self.shared.counters.accept_pauses.add(1);
            self.listen_for(EventFlags::empty());
        }
        self.accept_at = Some(self.now + ACCEPT_PAUSE);
    }

    pub(super) fn resume_accepting(&mut self) {
        if self.accept_at.is_some_and(|at| at <= self.now) {
            self.accept_at = None;
            self.listen_for(EventFlags::IN);
        }
    }

    fn listen_for(&self, flags: EventFlags) {
        for (listener, token) in self.listeners.iter().zip((0..WAKE).rev()) {
            if let Err(error) = self.poll.modify(&listener.socket, token, flags) {
                error!(%error, "a listener cannot be waited for");
            }
        }
    }
}
