//! The door before DNS over HTTPS: who comes in, and for how long.
//!
//! hickory-server takes every connection that there is a descriptor for, gives it as long as it likes
//! to begin with HTTP/2, and then takes any number of requests at once: 15 octets each that cost some
//! KiB until they time out. So it listens at the loopback only, and connections from outside are
//! passed on to it from here, octet for octet, at a limited rate, as long as they
//!
//! - are within the number for all and for one client, which are a part of those of TCP and DoT;
//! - are told something every `idle` seconds: whoever completes neither handshake nor request is not;
//! - read what they are told within `stalled` seconds.

mod flow;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::stream::{Admission, Client, Limits};
use flow::Flow;

/// Connections of TCP and DoT for one of HTTPS, which has many queries in one and takes three
/// descriptors.
const SHARE: usize = 10;
/// The same of one client.
const SHARE_OF_CLIENT: usize = 8;
/// Octets that a connection may send: some hundreds of queries a second.
const OCTETS_PER_SEC: u64 = 64 * 1024;
/// Octets that all may send: some hundred thousand requests in the time that one has to end.
const OCTETS_PER_SEC_OF_ALL: u64 = 1024 * 1024;
/// Octets passed on at once from outside, and to there.
const TAKEN_OCTETS: usize = 4 * 1024;
const PASSED_OCTETS: usize = 16 * 1024;
/// How long nothing is accepted after the system had no room.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An open door. Dropping it closes the door and all connections that came through.
#[derive(Debug)]
pub(super) struct Door {
    task: JoinHandle<()>,
}

impl Door {
    /// Passes on what comes to `listener` to the server that listens at `inside`.
    pub(super) fn open(listener: TcpListener, inside: SocketAddr, limits: &Limits) -> Self {
        let limits = Limits {
            connections: (limits.connections / SHARE).max(1),
            connections_per_address: (limits.connections_per_address / SHARE_OF_CLIENT).max(1),
            ..*limits
        };
        let task = tokio::spawn(accept_all(listener, inside, limits));
        Self { task }
    }

    /// Closes it, and returns when the address is free.
    pub(super) async fn close(mut self) {
        self.task.abort();
        // That it was aborted is all there is to be told.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept_all(listener: TcpListener, inside: SocketAddr, limits: Limits) {
    let admission = Arc::new(Admission::new(&limits));
    let of_all = Arc::new(Mutex::new(Flow::new(OCTETS_PER_SEC_OF_ALL, Instant::now())));
    let mut passing = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((outside, peer)) => {
                    if let Some(place) = Place::take(&admission, peer) {
                        let of_all = Arc::clone(&of_all);
                        passing.spawn(async move {
                            let _place = place;
                            pass(outside, inside, &of_all, &limits).await
                        });
                    }
                }
                // No descriptors, no memory: at once it would be the same.
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = passing.join_next() => {}
        }
    }
}

/// One of the connections that may be open; given back when it is dropped.
struct Place {
    admission: Arc<Admission>,
    client: Client,
}

impl Place {
    fn take(admission: &Arc<Admission>, peer: SocketAddr) -> Option<Self> {
        let client = Client::from(peer.ip());
        admission.enter(client).ok()?;
        Some(Self {
            admission: Arc::clone(admission),
            client,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admission.leave(self.client);
    }
}

/// Passes octets in both directions until one of them has ended or time is over.
async fn pass(
    outside: TcpStream,
    inside: SocketAddr,
    of_all: &Mutex<Flow>,
    limits: &Limits,
) -> io::Result<()> {
    let inside = TcpStream::connect(inside).await?;
    inside.set_nodelay(true)?;
    let (from_outside, to_outside) = outside.into_split();
    let (from_inside, to_inside) = inside.into_split();
    tokio::select! {
        ended = pass_inwards(from_outside, to_inside, of_all) => ended,
        ended = pass_outwards(from_inside, to_outside, limits) => ended,
    }
}

async fn pass_inwards(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    of_all: &Mutex<Flow>,
) -> io::Result<()> {
    let mut octets = vec![0; TAKEN_OCTETS];
    let mut own = Flow::new(OCTETS_PER_SEC, Instant::now());
    loop {
        let read = from.read(&mut octets).await?;
        if read == 0 {
            to.shutdown().await?;
            // Answers may still come.
            return std::future::pending().await;
        }
        let now = Instant::now();
        let wait = own.take(read, now).max({
            // Nothing can fail while it is held.
            let mut of_all = of_all.lock().unwrap_or_else(PoisonError::into_inner);
            of_all.take(read, now)
        });
        if !wait.is_zero() {
            sleep(wait).await;
        }
        to.write_all(&octets[..read]).await?;
    }
}

async fn pass_outwards(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    limits: &Limits,
) -> io::Result<()> {
    let mut octets = vec![0; PASSED_OCTETS];
    loop {
        let read = timeout(limits.idle, from.read(&mut octets)).await??;
        if read == 0 {
            return to.shutdown().await;
        }
        timeout(limits.stalled, to.write_all(&octets[..read])).await??;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A door before a server that sends everything back.
    async fn door(limits: Limits) -> (Door, SocketAddr) {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let inside = TcpListener::bind(any).await.unwrap();
        let at = inside.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = inside.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        let listener = TcpListener::bind(any).await.unwrap();
        let outside = listener.local_addr().unwrap();
        (Door::open(listener, at, &limits), outside)
    }

    async fn echoes(client: &mut TcpStream) -> bool {
        let mut octets = [0; 5];
        let sent = client.write_all(b"hello").await;
        sent.is_ok() && client.read_exact(&mut octets).await.is_ok() && octets == *b"hello"
    }

    #[tokio::test]
    async fn numbers_are_bounded_and_places_come_back() {
        let (_door, at) = door(Limits {
            connections_per_address: 24,
            ..Limits::default()
        })
        .await;
        for _ in 0..3 {
            let mut clients = Vec::new();
            let start = Instant::now();
            // Places of the round before come back one after the other.
            while clients.len() < 3 {
                assert!(start.elapsed() < Duration::from_secs(5));
                let mut client = TcpStream::connect(at).await.unwrap();
                if echoes(&mut client).await {
                    clients.push(client);
                }
            }
            let mut one_more = TcpStream::connect(at).await.unwrap();
            assert!(!echoes(&mut one_more).await);
            assert!(echoes(&mut clients[0]).await);
        }
    }

    #[tokio::test]
    async fn whoever_is_told_nothing_is_closed_also_when_octets_keep_coming() {
        let limits = Limits {
            idle: Duration::from_millis(400),
            ..Limits::default()
        };
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        // It takes everything and says nothing, as one that waits for the rest of a request.
        let inside = TcpListener::bind(any).await.unwrap();
        let silent = inside.local_addr().unwrap();
        tokio::spawn(async move {
            let mut taken = Vec::new();
            while let Ok((stream, _)) = inside.accept().await {
                taken.push(stream);
            }
        });
        let listener = TcpListener::bind(any).await.unwrap();
        let at = listener.local_addr().unwrap();
        let _door = Door::open(listener, silent, &limits);
        let mut client = TcpStream::connect(at).await.unwrap();
        let start = Instant::now();
        while client.write_all(&[1]).await.is_ok() {
            assert!(start.elapsed() < Duration::from_secs(5));
            sleep(Duration::from_millis(20)).await;
        }
        assert!(start.elapsed() >= limits.idle);
    }

    #[tokio::test]
    async fn octets_are_let_in_at_a_rate() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let inside = TcpListener::bind(any).await.unwrap();
        let at_inside = inside.local_addr().unwrap();
        let listener = TcpListener::bind(any).await.unwrap();
        let at = listener.local_addr().unwrap();
        let _door = Door::open(listener, at_inside, &Limits::default());
        let mut client = TcpStream::connect(at).await.unwrap();
        let (mut passed, _) = inside.accept().await.unwrap();
        let start = Instant::now();
        let flood = tokio::spawn(async move { client.write_all(&vec![1; 8 << 20]).await });
        let mut octets = vec![0; 1 << 16];
        let mut count = 0;
        while start.elapsed() < Duration::from_millis(1500) {
            let read = timeout(Duration::from_millis(100), passed.read(&mut octets)).await;
            count += read.map_or(0, Result::unwrap) as u64;
        }
        let since = OCTETS_PER_SEC * start.elapsed().as_millis() as u64 / 1000;
        let most = OCTETS_PER_SEC + since + TAKEN_OCTETS as u64;
        assert!((OCTETS_PER_SEC..=most).contains(&count), "{count}");
        flood.abort();
    }

    #[tokio::test]
    async fn whoever_does_not_read_is_closed() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let inside = TcpListener::bind(any).await.unwrap();
        let at_inside = inside.local_addr().unwrap();
        let listener = TcpListener::bind(any).await.unwrap();
        let at = listener.local_addr().unwrap();
        let limits = Limits {
            stalled: Duration::from_millis(400),
            ..Limits::default()
        };
        let _door = Door::open(listener, at_inside, &limits);
        let _deaf = TcpStream::connect(at).await.unwrap();
        let (mut told, _) = inside.accept().await.unwrap();
        let octets = vec![1; 1 << 20];
        let telling = async { while told.write_all(&octets).await.is_ok() {} };
        timeout(Duration::from_secs(10), telling).await.unwrap();
    }

    #[tokio::test]
    async fn a_client_that_ended_its_side_still_hears_the_rest() {
        let (_door, at) = door(Limits::default()).await;
        let mut client = TcpStream::connect(at).await.unwrap();
        client.write_all(&[7; 100_000]).await.unwrap();
        client.shutdown().await.unwrap();
        let mut octets = Vec::new();
        client.read_to_end(&mut octets).await.unwrap();
        assert_eq!(octets.len(), 100_000);
    }

    #[tokio::test]
    async fn a_door_that_is_closed_closes_everything() {
        let (door, at) = door(Limits::default()).await;
        let mut client = TcpStream::connect(at).await.unwrap();
        assert!(echoes(&mut client).await);
        door.close().await;
        assert!(!echoes(&mut client).await);
        assert!(TcpStream::connect(at).await.is_err());
    }
}
