//! Listeners: UDP, TCP and DNS over TLS by our own threads; DNS over HTTPS through hickory-server.
//!
//! Every answer comes from [`answer`](crate::answer). What carries the octets:
//!
//! | transport | carrier |
//! |---|---|
//! | UDP | `udp`: one pinned thread a core, batches by recvmmsg and sendmmsg |
//! | TCP, DoT | `stream`: one pinned thread a core, epoll, all queries of a read at once |
//! | DoH | `hickory`, behind the limits of `https_door`: tasks of the runtime |

mod batch;
mod counters;
mod ended;
mod handler;
mod hickory;
mod https_door;
mod pin;
mod socket;
mod source;
mod stream;
mod udp;
mod waiting;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::num::NonZero;
use std::sync::Arc;

use rustls::ServerConfig;
use thiserror::Error;

use crate::reader::ZoneReader;
use ended::Watch;
use hickory::Hickory;
use source::ZoneSource;
use stream::{Streams, listen};
use udp::Workers;

use crate::answer::Answering;
pub use counters::UdpCounters;
pub use ended::Ended;
pub use stream::{Limits, StreamFigures};

/// Tells the time in seconds since 1970.
pub type Clock = fn() -> u64;

/// Where to listen; port 0 takes any free port.
#[derive(Clone, Debug, Default)]
pub struct Listeners {
    /// DNS over UDP. An unspecified address means all addresses of its family; answers leave from
    /// the one that was asked.
    pub udp: Vec<SocketAddr>,
    /// DNS over TCP.
    pub tcp: Vec<SocketAddr>,
    /// DNS over TLS (RFC 7858).
    pub dot: Vec<SocketAddr>,
    /// DNS over HTTPS (RFC 8484), path `/dns-query`.
    pub doh: Vec<SocketAddr>,
}

/// How to serve.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the server says of itself; the time of idle connections comes from `limits`.
    pub answering: Answering,
    /// UDP threads, and as many for TCP and DoT; without a number, one for each core that this
    /// process may use.
    pub threads: Option<NonZero<usize>>,
    /// What connections may cost.
    pub limits: Limits,
}

impl Default for Options {
    /// Who pads queries gets padded answers; the server has no name.
    fn default() -> Self {
        Self {
            answering: Answering {
                padding: true,
                ..Answering::default()
            },
            threads: None,
            limits: Limits::default(),
        }
    }
}

/// Why the listeners were not started.
#[derive(Debug, Error)]
pub enum ServeError {
    /// An address could not be taken.
    #[error("{transport} {address}: {source}")]
    Bind {
        /// Transport.
        transport: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// DoT or DoH without certificate and key.
    #[error("DNS over TLS and over HTTPS need a certificate and its key")]
    NoTls,
    /// The system has no random octets for TLS tickets.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The system gives no more threads.
    #[error("starting a thread: {0}")]
    Thread(io::Error),
}

/// Running listeners. Dropping it ends them without waiting for anybody.
pub struct Server {
    udp: Workers,
    streams: Streams,
    hickory: Hickory,
    watch: Watch,
    bound: Listeners,
}

impl Server {
    /// The addresses that are listened on, with their real ports.
    pub fn bound(&self) -> &Listeners {
        &self.bound
    }

    /// What each UDP thread has done since its start.
    pub fn udp_counters(&self) -> Vec<UdpCounters> {
        self.udp.counters()
    }

    /// What all threads of TCP and DoT have seen since their start.
    pub fn stream_figures(&self) -> StreamFigures {
        self.streams.figures()
    }

    /// Waits until a thread ends by itself, through an error of its sockets or a panic: a server
    /// that goes on would answer a part of the queries only. `None` after a shutdown without that.
    pub fn ended(&self) -> impl Future<Output = Option<Ended>> + Send + 'static + use<> {
        self.watch.ended()
    }

    /// Stops accepting, lets tasks end, and returns when they have and every address is free.
    ///
    /// # Errors
    /// A listener had ended before.
    pub async fn shutdown(self) -> Result<(), io::Error> {
        let Self {
            udp,
            streams,
            hickory,
            watch,
            bound: _,
        } = self;
        let threads = tokio::task::spawn_blocking(|| {
            udp.stop();
            streams.stop();
        });
        let tasks = hickory.shutdown().await;
        threads.await.map_err(io::Error::other)?;
        match watch.seen() {
            Some(ended) => Err(io::Error::other(ended)),
            None => tasks,
        }
    }
}

/// Takes the addresses and starts to answer from whatever version `reader` shows, with ordinary
/// [`Options`]. `tls` holds certificate and key; its ALPN protocols are replaced by `dot` and `h2`.
///
/// # Errors
/// An address could not be taken; then nothing is served.
pub async fn serve(
    reader: ZoneReader,
    listeners: &Listeners,
    tls: Option<Arc<ServerConfig>>,
    clock: Clock,
) -> Result<Server, ServeError> {
    serve_with(reader, listeners, tls, clock, Options::default()).await
}

/// Like [`serve`], with other options.
///
/// # Errors
/// An address could not be taken, or a thread not be started; then nothing is served.
pub async fn serve_with(
    reader: ZoneReader,
    listeners: &Listeners,
    tls: Option<Arc<ServerConfig>>,
    clock: Clock,
    options: Options,
) -> Result<Server, ServeError> {
    let needs_tls = !listeners.dot.is_empty() || !listeners.doh.is_empty();
    if needs_tls && tls.is_none() {
        return Err(ServeError::NoTls);
    }
    let mut bound = Listeners::default();
    let threads = threads_of(&options);
    let udp_threads = if listeners.udp.is_empty() { 0 } else { threads };
    let sockets = take_udp(&listeners.udp, udp_threads, &mut bound)?;
    let stream_sockets = listen(listeners, tls.as_deref(), threads, &mut bound)?;
    let hickory = Hickory::start(reader.clone(), &options, listeners, tls, clock, &mut bound)?;
    let watch = Watch::new();
    let answering = Arc::new(Answering {
        keepalive_tenths: Some(options.limits.idle_tenths()),
        ..options.answering
    });
    let answer = stream::answers_of_zone(reader.clone(), Arc::clone(&answering), clock);
    let streams = Streams::start(stream_sockets, options.limits, &answer, &watch)?;
    let source = ZoneSource::new(reader, answering, clock);
    let udp = Workers::start(sockets, &source, &watch).map_err(ServeError::Thread)?;
    Ok(Server {
        udp,
        streams,
        hickory,
        watch,
        bound,
    })
}

fn threads_of(options: &Options) -> usize {
    let threads = options.threads.map(NonZero::get);
    threads.unwrap_or_else(|| pin::allowed_cores().len().max(1))
}

/// One socket at each address for each thread.
fn take_udp(
    addresses: &[SocketAddr],
    threads: usize,
    bound: &mut Listeners,
) -> Result<Vec<Vec<UdpSocket>>, ServeError> {
    let mut of_threads: Vec<Vec<UdpSocket>> = (0..threads).map(|_| Vec::new()).collect();
    for address in addresses {
        let opened = socket::open(*address, threads);
        let (sockets, local) = opened.map_err(|source| bind_error("udp", *address, source))?;
        bound.udp.push(local);
        for (of_thread, socket) in of_threads.iter_mut().zip(sockets) {
            of_thread.push(socket);
        }
    }
    Ok(of_threads)
}

fn bind_error(transport: &'static str, address: SocketAddr, source: io::Error) -> ServeError {
    ServeError::Bind {
        transport,
        address,
        source,
    }
}
