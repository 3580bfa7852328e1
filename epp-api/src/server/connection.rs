//! One client: TLS handshake, HTTP/2 or HTTP/1.1 by ALPN, and the time limits around them.

use std::convert::Infallible;
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;
use tokio::pin;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::server::TlsStream;
use tracing::debug;

use crate::server::accepting::Stopping;
use crate::server::exchange::Exchange;
use crate::server::identity::PeerCertificates;
use crate::server::listener::{Admission, Shared};
use crate::server::networks::Unknown;
use crate::server::{Limits, Registry};

/// Octets that wait unsent on one HTTP/2 stream before its writer has to wait.
const SEND_BUFFER_OCTETS: usize = 256 * 1024;
/// hyper refuses to work with a smaller buffer for HTTP/1.1.
const HTTP1_BUFFER_OCTETS_MIN: usize = 8192;

/// Serves one connection until its end. Errors are the client's and only logged for debugging.
pub(super) async fn serve_connection<R: Registry>(
    socket: TcpStream,
    peer: SocketAddr,
    shared: Arc<Shared<R>>,
    stopping: Stopping,
) {
    let most = shared.limits.network_strangers_max;
    let Some(unknown) = shared.networks.count(peer.ip(), most) else {
        debug!(%peer, "too many connections of strangers from one network");
        return;
    };
    // Answers are small and complete; waiting to fill a segment would only delay them.
    let _ = socket.set_nodelay(true);
    let handshake = shared.acceptor.accept(socket);
    match timeout(shared.limits.handshake_timeout, handshake).await {
        Ok(Ok(stream)) => serve_stream(stream, unknown, shared, stopping).await,
        Ok(Err(error)) => debug!(%error, "TLS handshake failed"),
        Err(_) => debug!("TLS handshake took too long"),
    }
}

async fn serve_stream<R: Registry>(
    stream: TlsStream<TcpStream>,
    unknown: Unknown,
    shared: Arc<Shared<R>>,
    mut stopping: Stopping,
) {
    let limits = shared.limits.clone();
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let certificates = shown_certificates(&stream, shared.admission);
    let activity = Arc::new(Activity::new());
    let unknown = Arc::new(Mutex::new(Some(unknown)));
    let service = service_fn(|request| {
        let exchange = Exchange {
            shared: Arc::clone(&shared),
            certificates: certificates.clone(),
            running: Activity::enter(&activity),
            unknown: Arc::clone(&unknown),
        };
        async move { Ok::<_, Infallible>(exchange.answer(request).await) }
    });
    let builder = builder(&limits, http2);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return log(ended),
        () = stopping.asked() => {}
        () = activity.idle_for(limits.idle_timeout) => {}
    }
    connection.as_mut().graceful_shutdown();
    match timeout(limits.drain_timeout, connection).await {
        Ok(ended) => log(ended),
        Err(_) => debug!("connection cut off"),
    }
}

/// The client's certificates, on the listener that asks for them.
fn shown_certificates(
    stream: &TlsStream<TcpStream>,
    admission: Admission,
) -> Option<PeerCertificates> {
    match admission {
        Admission::Tokens => None,
        // A handshake without one would have failed; none at all belongs to no account.
        Admission::ClientCertificates => {
            let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
            let owned = shown.iter().map(|one| one.clone().into_owned());
            Some(Arc::new(owned.collect()))
        }
    }
}

fn log<E: Display>(ended: Result<(), E>) {
    if let Err(error) = ended {
        debug!(%error, "connection failed");
    }
}

fn builder(limits: &Limits, http2: bool) -> Builder<TokioExecutor> {
    let builder = Builder::new(TokioExecutor::new());
    let mut builder = if http2 {
        builder.http2_only()
    } else {
        builder.http1_only()
    };
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(limits.header_fields_max)
        .max_buf_size((limits.header_octets_max as usize).max(HTTP1_BUFFER_OCTETS_MIN));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(limits.header_octets_max)
        .max_send_buf_size(SEND_BUFFER_OCTETS)
        .keep_alive_interval(limits.idle_timeout)
        .keep_alive_timeout(limits.header_timeout);
    builder
}

/// How busy a connection is: requests being answered, and when the last one was.
struct Activity(Mutex<(usize, Instant)>);

/// One request being answered.
pub(super) struct Running(Arc<Activity>);

impl Activity {
    fn new() -> Self {
        Self(Mutex::new((0, Instant::now())))
    }

    fn enter(activity: &Arc<Self>) -> Running {
        activity.change(|running| running + 1);
        Running(Arc::clone(activity))
    }

    fn change(&self, change: impl FnOnce(usize) -> usize) {
        // A count and a time are whole even if a holder panicked.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = (change(state.0), Instant::now());
    }

    /// Returns when nothing has been asked for this long.
    async fn idle_for(&self, duration: Duration) {
        loop {
            let (running, last) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let begin = if running == 0 { last } else { Instant::now() };
            let due = begin + duration;
            if due <= Instant::now() {
                return;
            }
            sleep_until(due).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.change(|running| running - 1);
    }
}
