//! New connections for which another thread is asked to make room: the count of connections is that of all
//! threads, and each thread closes its own.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::{Shared, Worker};
use crate::net::stream::close::Close;
use crate::net::stream::limits::Client;
use crate::net::stream::table::Class;

/// New connections of a thread that wait for room at most; others are refused at once.
const LOBBY_MAX: usize = 64;
/// How long one waits: a turn of a busy thread is shorter.
const PATIENCE: Duration = Duration::from_millis(100);

/// Asks the other threads to close one idle connection.
#[derive(Debug)]
pub(super) struct Request {
    /// Whose it has to be; anybody's without.
    client: Option<Client>,
    asker: Weak<Shared>,
    /// A connection was closed for it.
    is_met: AtomicBool,
    /// Threads that have not looked yet.
    left: AtomicUsize,
}

impl Request {
    /// Nobody has what was asked for.
    fn is_in_vain(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0 && !self.is_met.load(Ordering::Acquire)
    }
}

/// A new connection that waits for room.
#[derive(Debug)]
pub(super) struct Newcomer {
    /// Index of the listener.
    index: usize,
    socket: OwnedFd,
    client: Client,
    request: Arc<Request>,
    until: Instant,
}

impl Worker {
    /// Asks the other threads for room; the connection comes back when nobody can be asked.
    pub(super) fn wait_for_room(
        &mut self,
        index: usize,
        socket: OwnedFd,
        client: Client,
        whose: Option<Client>,
    ) -> Option<OwnedFd> {
        if self.others.is_empty() || self.lobby.len() >= LOBBY_MAX {
            return Some(socket);
        }
        let request = Arc::new(Request {
            client: whose,
            asker: Arc::downgrade(&self.shared),
            is_met: AtomicBool::new(false),
            left: AtomicUsize::new(self.others.len()),
        });
        for other in &self.others {
            other.requests().push(Arc::clone(&request));
            other.wake.wake();
        }
        self.lobby.push(Newcomer {
            index,
            socket,
            client,
            request,
            until: self.now + PATIENCE,
        });
        None
    }

    /// Closes the oldest idle connections that others have asked for.
    pub(super) fn make_room_for_others(&mut self) {
        let requests = std::mem::take(&mut *self.shared.requests());
        for request in requests {
            let idle = match request.client {
                Some(client) => self.table.oldest_idle_of(client),
                None => self.table.oldest(Class::Idle),
            };
            if let Some(token) = idle
                && !request.is_met.swap(true, Ordering::AcqRel)
            {
                self.close(token, Close::Evicted);
            }
            request.left.fetch_sub(1, Ordering::AcqRel);
            if let Some(asker) = request.asker.upgrade() {
                asker.wake.wake();
            }
        }
    }

    /// Takes in those for whom there is room now, and decides about those for whom there will be none.
    pub(super) fn admit_newcomers(&mut self) {
        for newcomer in std::mem::take(&mut self.lobby) {
            if self.admission.enter(newcomer.client).is_ok() {
                self.take_in(newcomer.index, newcomer.socket, newcomer.client);
            } else if newcomer.request.is_in_vain() || newcomer.until <= self.now {
                let anybodys = newcomer.request.client.is_none();
                let made_room = anybodys && self.close_oldest();
                if made_room && self.admission.enter(newcomer.client).is_ok() {
                    self.take_in(newcomer.index, newcomer.socket, newcomer.client);
                } else {
                    self.shared.counters.refused.add(1);
                }
            } else {
                self.lobby.push(newcomer);
            }
        }
    }

    /// When somebody has waited for room for long enough.
    pub(super) fn newcomers_until(&self) -> Option<Instant> {
        self.lobby.iter().map(|newcomer| newcomer.until).min()
    }
}
