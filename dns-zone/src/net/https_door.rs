//! The door before DNS over HTTPS: who comes in, and for how long.
//!
//! hickory-server takes every connection that there is a descriptor for, and gives it as long as it
//! likes to begin with HTTP/2. So it listens at the loopback only, and connections from outside are
//! passed on to it from here, octet for octet, as long as they
//!
//! - are within the number for all and for one client, which are a part of those of TCP and DoT;
//! - are told something every `idle` seconds: whoever completes neither handshake nor request is not;
//! - read what they are told within `stalled` seconds.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::stream::{Admission, Client, Limits};

/// Connections of TCP and DoT for one of HTTPS, which has many queries in one and takes three
/// descriptors.
const SHARE: usize = 10;
/// The same of one client.
const SHARE_OF_CLIENT: usize = 8;
/// Octets passed on at once.
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
    let mut passing = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((outside, peer)) => {
                    if let Some(place) = Place::take(&admission, peer) {
                        passing.spawn(async move {
                            let _place = place;
                            pass(outside, inside, &limits).await
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
async fn pass(outside: TcpStream, inside: SocketAddr, limits: &Limits) -> io::Result<()> {
    let inside = TcpStream::connect(inside).await?;
    inside.set_nodelay(true)?;
    let (mut from_outside, to_outside) = outside.into_split();
    let (from_inside, mut to_inside) = inside.into_split();
    let inwards = async {
        tokio::io::copy(&mut from_outside, &mut to_inside).await?;
        // Answers may still come.
        to_inside.shutdown().await?;
        std::future::pending::<io::Result<()>>().await
    };
    tokio::select! {
        ended = inwards => ended,
        ended = pass_outwards(from_inside, to_outside, limits) => ended,
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
    use std::time::Instant;

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
    async fn whoever_does_not_read_is_closed() {
        let (_door, at) = door(Limits {
            stalled: Duration::from_millis(400),
            ..Limits::default()
        })
        .await;
        let mut client = TcpStream::connect(at).await.unwrap();
        let start = Instant::now();
        // What nobody reads comes back until every buffer is full; then it is closed.
        let octets = vec![1; 1 << 20];
        while let Ok(written) = timeout(Duration::from_secs(5), client.write_all(&octets)).await {
            assert!(start.elapsed() < Duration::from_secs(10));
            if written.is_err() {
                return;
            }
        }
        panic!("nothing is taken, and nothing ends");
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
