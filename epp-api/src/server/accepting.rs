//! Accepting connections on a listener, for as long as it is asked to, and no more than there is room
//! for: what both doors have in common.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tracing::warn;

/// Pause after the process has run out of something: without it the loop would spin, with it the
/// connections that end meanwhile give it back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Shuts a listener down, when it is told to or dropped.
#[derive(Debug)]
pub(super) struct Stop(watch::Sender<bool>);

impl Stop {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(super) fn stopping(&self) -> Stopping {
        Stopping(self.0.subscribe())
    }
}

/// Tells a connection when its listener is shut down.
#[derive(Clone, Debug)]
pub(super) struct Stopping(watch::Receiver<bool>);

impl Stopping {
    /// Returns when the listener is shut down or its handle is gone.
    pub(super) async fn asked(&mut self) {
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

/// Connections being accepted; dropping it begins the graceful end as well.
#[derive(Debug)]
pub(super) struct Accepting {
    local_addr: SocketAddr,
    stop: Stop,
    task: JoinHandle<()>,
}

impl Accepting {
    /// Begins to accept: `serve` becomes a task for each connection, at most `connections_max` at one
    /// time. When `stop` says so, each of them has `drain_timeout`.
    ///
    /// # Errors
    /// When the listener has no local address.
    pub(super) fn begin<S: Future<Output = ()> + Send + 'static>(
        listener: TcpListener,
        stop: Stop,
        connections_max: usize,
        drain_timeout: Duration,
        serve: impl Fn(TcpStream, SocketAddr, Stopping) -> S + Send + 'static,
    ) -> io::Result<Self> {
        let local_addr = listener.local_addr()?;
        let slots = Arc::new(Semaphore::new(connections_max));
        let task = accept_loop(listener, slots, drain_timeout, serve, stop.stopping());
        Ok(Self {
            local_addr,
            stop,
            task: tokio::spawn(task),
        })
    }

    pub(super) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Accepts nothing more and returns when all connections have ended, at the latest after twice
    /// the time that each of them has.
    pub(super) async fn shutdown(self) {
        self.stop.0.send_replace(true);
        if let Err(error) = self.task.await {
            warn!(%error, "an accept loop ended with an error");
        }
    }
}

async fn accept_loop<S: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    slots: Arc<Semaphore>,
    drain_timeout: Duration,
    serve: impl Fn(TcpStream, SocketAddr, Stopping) -> S,
    mut stopping: Stopping,
) {
    let for_connections = stopping.clone();
    let mut connections = JoinSet::new();
    loop {
        // The slot comes first: a connection that cannot be served stays in the system's queue.
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            () = stopping.asked() => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((socket, peer, slot)) => {
                let connection = serve(socket, peer, for_connections.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(slot);
                });
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                warn!(%error, "cannot accept connections");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    // Twice the time that each connection has, so that only a stuck one is cut off here.
    let _ = timeout(drain_timeout * 2, all_ended).await;
    connections.shutdown().await;
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await;
    let slot = slot.expect("the semaphore is never closed");
    let (socket, peer) = listener.accept().await?;
    Ok((socket, peer, slot))
}

/// Errors of accept(2) that belong to the connection that would have been accepted.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_out_of_descriptors_pauses_the_loop() {
        const EMFILE: i32 = 24;
        const ENFILE: i32 = 23;
        for errno in [EMFILE, ENFILE] {
            let error = io::Error::from_raw_os_error(errno);
            assert!(!concerns_one_connection(&error));
        }
        let aborted = io::Error::from(io::ErrorKind::ConnectionAborted);
        assert!(concerns_one_connection(&aborted));
    }
}
