//! The accept loop and its handle.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use crate::json::Discovery;
use crate::server::connection::serve_connection;
use crate::server::{Limits, Registry};

/// Pause after the process has run out of something: without it the loop would spin, with it the
/// connections that end meanwhile give it back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What every connection of a listener shares.
pub(super) struct Shared<R> {
    pub(super) registry: Arc<R>,
    pub(super) discovery: Discovery,
    pub(super) limits: Limits,
    pub(super) acceptor: TlsAcceptor,
    /// One permit for each command being carried out.
    pub(super) commands: Arc<Semaphore>,
}

/// A running listener; dropping it begins the graceful end as well.
#[derive(Debug)]
pub struct ServerHandle {
    local_addr: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl ServerHandle {
    /// Address and port of the listener.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Accepts nothing more, lets the requests that are here finish, and returns when all
    /// connections are closed, at the latest after [`Limits::drain_timeout`].
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            warn!(%error, "the accept loop of the JSON door ended with an error");
        }
    }
}

/// Begins to serve the JSON door on a bound listener.
///
/// ALPN and early data of `tls` are set here: `h2` and `http/1.1`, and no early data, because it
/// could be replayed.
///
/// # Errors
/// When the listener has no local address.
pub fn serve<R: Registry>(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    registry: Arc<R>,
    discovery: Discovery,
    limits: Limits,
) -> io::Result<ServerHandle> {
    let local_addr = listener.local_addr()?;
    let mut tls = ServerConfig::clone(&tls);
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    tls.max_early_data_size = 0;
    let shared = Arc::new(Shared {
        registry,
        discovery,
        acceptor: TlsAcceptor::from(Arc::new(tls)),
        commands: Arc::new(Semaphore::new(limits.commands_max)),
        limits,
    });
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(accept_loop(listener, shared, stopped));
    info!(%local_addr, "the JSON door is open");
    Ok(ServerHandle {
        local_addr,
        stop,
        task,
    })
}

async fn accept_loop<R: Registry>(
    listener: TcpListener,
    shared: Arc<Shared<R>>,
    stopped: watch::Receiver<bool>,
) {
    let slots = Arc::new(Semaphore::new(shared.limits.connections_max));
    let mut connections = JoinSet::new();
    let mut stopping = stopped.clone();
    loop {
        // The slot comes first: a connection that cannot be served stays in the system's queue.
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            () = stop_asked(&mut stopping) => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((socket, slot)) => {
                let connection = serve_connection(socket, Arc::clone(&shared), stopped.clone());
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
    let all_closed = async { while connections.join_next().await.is_some() {} };
    // Twice the time that each connection has, so that only a stuck one is cut off here.
    let _ = timeout(shared.limits.drain_timeout * 2, all_closed).await;
    connections.shutdown().await;
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await;
    let slot = slot.expect("the semaphore is never closed");
    let (socket, _) = listener.accept().await?;
    Ok((socket, slot))
}

/// Returns when the handle asks for the end or is gone.
pub(super) async fn stop_asked(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
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
