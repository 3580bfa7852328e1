//! What one peer may cost, and who may come in.
//!
//! Every limit is a bound on what somebody can hold without doing anything useful: descriptors,
//! memory, a place in the table. A connection that is being answered is never closed for a new one;
//! one whose peer lets us wait is.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};

/// Connections at most, however many descriptors there are.
const CONNECTIONS_MAX: u64 = 10_000;
/// Descriptors left to the rest of the process: database, zone files, UDP sockets, other doors.
const FILES_RESERVED: u64 = 512;
/// Connections that are allowed even where descriptors are scarce.
const CONNECTIONS_MIN: u64 = 64;

/// What connections may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections of all threads together. HTTPS may have a tenth as many beside them.
    pub connections: usize,
    /// Open connections of one client: an IPv4 address or an IPv6 /64. Of HTTPS, an eighth as many.
    pub connections_per_address: usize,
    /// A connection that asks nothing for so long is closed (RFC 7766 §6.2.3 asks for seconds).
    pub idle: Duration,
    /// From accepting to the end of the TLS handshake.
    pub handshake: Duration,
    /// From the first octet of a message to its last.
    pub message: Duration,
    /// How long a peer that has answers to read may take [`progress_octets`](Self::progress_octets)
    /// or less of them.
    pub stalled: Duration,
    /// After so long without the rest of a message, or without reading, a connection may be closed for
    /// a new one when all are taken and none is idle.
    pub lag: Duration,
    /// What counts as reading.
    pub progress_octets: usize,
    /// Unread answers above which nothing more is read from a peer.
    pub backlog_octets: usize,
    /// Queries of one connection that may wait for a signature at the same time; more are refused.
    pub waiting_queries: usize,
    /// The same for all connections of one thread together.
    pub waiting_queries_of_thread: usize,
    /// How long a query may wait for a signature.
    pub patience: Duration,
    /// Begun messages and unread answers of one thread above which single connections get little
    /// room.
    pub held_octets: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: connections_for(getrlimit(Resource::Nofile).current),
            connections_per_address: 256,
            idle: Duration::from_secs(10),
            handshake: Duration::from_secs(5),
            message: Duration::from_secs(5),
            stalled: Duration::from_secs(5),
            lag: Duration::from_secs(1),
            progress_octets: 4096,
            backlog_octets: 256 * 1024,
            waiting_queries: 64,
            waiting_queries_of_thread: 256,
            patience: Duration::from_millis(20),
            held_octets: 64 * 1024 * 1024,
        }
    }
}

impl Limits {
    /// How long a connection may be idle, in units of 100 ms, as clients are told (RFC 7828 §3.1).
    pub(in crate::net) fn idle_tenths(&self) -> u16 {
        u16::try_from(self.idle.as_millis() / 100).unwrap_or(u16::MAX)
    }
}

/// Connections for a number of descriptors; none given means that there is no limit. Of 13, three are
/// for the connections of HTTPS, which are a tenth as many with three descriptors each.
fn connections_for(files: Option<u64>) -> usize {
    let files = files.unwrap_or(u64::MAX).saturating_sub(FILES_RESERVED);
    let connections = (files / 13)
        .saturating_mul(10)
        .clamp(CONNECTIONS_MIN, CONNECTIONS_MAX);
    usize::try_from(connections).expect("at most 10,000")
}

/// What counts as one client: an IPv4 address, or the /64 that one subscriber of IPv6 has anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::net) enum Client {
    V4([u8; 4]),
    V6([u8; 8]),
}

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// Why somebody does not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::net) enum Full {
    /// All connections are taken.
    Everywhere,
    /// This client has all it may have.
    Client,
}

/// The count of connections that all threads share.
#[derive(Debug)]
pub(in crate::net) struct Admission {
    connections: usize,
    per_client: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_client: HashMap<Client, usize>,
}

impl Admission {
    pub(in crate::net) fn new(limits: &Limits) -> Self {
        Self {
            connections: limits.connections,
            per_client: limits.connections_per_address,
            open: Mutex::default(),
        }
    }

    /// Counts one more connection of a client, or says why not. The client's own limit is looked at
    /// first: who has too many makes room for itself, not at the cost of others.
    pub(in crate::net) fn enter(&self, client: Client) -> Result<(), Full> {
        let mut open = self.open();
        let has = open.by_client.get(&client).copied().unwrap_or(0);
        if has >= self.per_client {
            return Err(Full::Client);
        }
        if open.total >= self.connections {
            return Err(Full::Everywhere);
        }
        open.total += 1;
        open.by_client.insert(client, has + 1);
        Ok(())
    }

    /// Takes a connection that had entered off the count.
    pub(in crate::net) fn leave(&self, client: Client) {
        let mut open = self.open();
        open.total = open.total.saturating_sub(1);
        if let Entry::Occupied(mut has) = open.by_client.entry(client) {
            match has.get().checked_sub(1) {
                None | Some(0) => {
                    has.remove();
                }
                Some(left) => {
                    has.insert(left);
                }
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // Both counts are changed together without a step that could fail in between.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(text: &str) -> Client {
        Client::from(text.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn a_client_is_an_address_or_a_slash_64() {
        assert_ne!(client("192.0.2.1"), client("192.0.2.2"));
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:0:0:2"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
    }

    #[test]
    fn both_limits_are_exact_and_places_come_back() {
        let limits = Limits {
            connections: 3,
            connections_per_address: 2,
            ..Limits::default()
        };
        let admission = Admission::new(&limits);
        let (one, two) = (client("192.0.2.1"), client("192.0.2.2"));
        assert_eq!(admission.enter(one), Ok(()));
        assert_eq!(admission.enter(one), Ok(()));
        assert_eq!(admission.enter(one), Err(Full::Client));
        assert_eq!(admission.enter(two), Ok(()));
        assert_eq!(admission.enter(two), Err(Full::Everywhere));
        admission.leave(one);
        assert_eq!(admission.enter(two), Ok(()));
        for client in [one, two, two] {
            admission.leave(client);
        }
        let open = admission.open();
        assert_eq!((open.total, open.by_client.len()), (0, 0));
    }

    #[test]
    fn idle_time_is_told_in_tenths_of_seconds_and_never_longer() {
        let told = |millis| {
            let idle = Duration::from_millis(millis);
            let limits = Limits {
                idle,
                ..Limits::default()
            };
            limits.idle_tenths()
        };
        assert_eq!(Limits::default().idle_tenths(), 100);
        assert_eq!((told(99), told(100), told(199)), (0, 1, 1));
        assert_eq!(told(86_400_000), 65_535);
    }

    #[test]
    fn connections_follow_the_descriptors() {
        assert_eq!(connections_for(None), 10_000);
        assert_eq!(connections_for(Some(1024)), 390);
        assert_eq!(connections_for(Some(100)), 64);
        assert_eq!(connections_for(Some(65_536)), 10_000);
    }
}
