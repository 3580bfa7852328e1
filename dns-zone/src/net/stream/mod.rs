//! DNS over TCP (RFC 7766) and over TLS (RFC 7858): one thread a core, each with its own listeners.
//!
//! | file | what |
//! |---|---|
//! | `connection` | one connection: octets in, octets out, deadlines; pure |
//! | `framing`, `backlog` | its messages as octets; its answers that were not taken; pure |
//! | `scratch` | what a thread lends to a connection for one turn |
//! | `tls` | a TLS session without buffers of its own; pure |
//! | `table` | the connections of a thread, and who is closed first; pure |
//! | `limits` | what a peer may cost, and the counts that threads share |
//! | `poll` | all system calls |
//! | `worker` | the loop of one thread |
//! | `counters` | what was seen |
//!
//! Not done: early data, client certificates, transfers.

mod backlog;
mod close;
mod connection;
mod counters;
mod framing;
mod limits;
mod poll;
mod scratch;
mod table;
#[cfg(test)]
mod tests;
mod tls;
mod worker;

use std::sync::Arc;
use std::thread::JoinHandle;

use rustls::ServerConfig;

use super::ended::Watch;
use super::{Clock, Listeners, ServeError, bind_error, pin};
use crate::answer::{Answering, Disposition, Patience, answer_batch};
use crate::reader::ZoneReader;
use scratch::Answer;
use worker::{Listener, Shared, Worker};

pub use counters::StreamFigures;
pub use limits::Limits;
pub(super) use limits::{Admission, Client};
pub(super) use poll::give_up_after;

/// The running threads. Dropping it tells them to end, and does not wait.
#[derive(Debug)]
pub(super) struct Streams {
    threads: Vec<Thread>,
}

#[derive(Debug)]
struct Thread {
    shared: Arc<Shared>,
    handle: JoinHandle<()>,
}

impl Streams {
    /// Starts a thread for each set of listeners, one after the other on the allowed cores. `answer`
    /// makes what answers, once for each thread.
    ///
    /// # Errors
    /// The system has no room for them; then none goes on.
    pub(super) fn start(
        listener_sets: Vec<Vec<Listener>>,
        limits: Limits,
        answer: &dyn Fn() -> Box<Answer>,
        watch: &Watch,
    ) -> Result<Self, ServeError> {
        let cores = pin::allowed_cores();
        let admission = Arc::new(Admission::new(&limits));
        let mut streams = Self {
            threads: Vec::with_capacity(listener_sets.len()),
        };
        let all = listener_sets.iter().map(|_| Shared::new().map(Arc::new));
        let all: Vec<Arc<Shared>> = all.collect::<Result<_, _>>().map_err(ServeError::Thread)?;
        for (number, listeners) in listener_sets.into_iter().enumerate() {
            let core = cores.get(number % cores.len().max(1)).copied();
            let shared = Arc::clone(&all[number]);
            let others = all.iter().filter(|one| !Arc::ptr_eq(one, &shared));
            let others = others.cloned().collect();
            let (admission, theirs) = (Arc::clone(&admission), Arc::clone(&shared));
            let worker = Worker::new(listeners, limits, admission, theirs, others, answer())
                .map_err(ServeError::Thread)?;
            let handle = watch
                .spawn(format!("dns-stream-{number}"), move || {
                    if let Some(Err(error)) = core.map(pin::stay_on) {
                        tracing::warn!(%error, number, "a stream thread is not kept on its core");
                    }
                    worker.run()
                })
                .map_err(ServeError::Thread)?;
            streams.threads.push(Thread { shared, handle });
        }
        Ok(streams)
    }

    /// What all threads have seen.
    pub(super) fn figures(&self) -> StreamFigures {
        let mut figures = StreamFigures::default();
        for thread in &self.threads {
            thread.shared.counters.add_to(&mut figures);
        }
        figures
    }

    /// Closes all connections and returns when all threads have ended: a matter of milliseconds.
    /// Blocks.
    pub(super) fn stop(mut self) {
        self.end();
        for thread in self.threads.drain(..) {
            // A panic was told when it happened.
            let _ = thread.handle.join();
        }
    }

    fn end(&self) {
        for thread in &self.threads {
            thread.shared.end();
        }
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.end();
    }
}

/// What answers from whatever version `reader` shows, held for one batch.
pub(super) fn answers_of_zone(
    reader: ZoneReader,
    answering: Arc<Answering>,
    clock: Clock,
) -> impl Fn() -> Box<Answer> {
    move || {
        let (reader, answering) = (reader.clone(), Arc::clone(&answering));
        Box::new(move |exchanges, transport, patience| {
            let snapshot = reader.snapshot();
            let now = clock();
            answer_batch(&snapshot, &answering, exchanges, transport, patience, now);
            for exchange in exchanges {
                let in_vain = match &exchange.disposition {
                    Disposition::Wait(name) => !reader.urgent().want(*name),
                    _ => false,
                };
                if in_vain {
                    let one = std::slice::from_mut(exchange);
                    answer_batch(&snapshot, &answering, one, transport, Patience::Refuse, now);
                }
            }
        })
    }
}

/// Takes the addresses of TCP and DoT, once for each thread, and notes their real ports in `bound`.
/// Of `tls`, only the certificate is used. Without addresses there are no sets.
///
/// # Errors
/// An address could not be taken; or DoT without certificate.
pub(super) fn listen(
    listeners: &Listeners,
    tls: Option<&ServerConfig>,
    threads: usize,
    bound: &mut Listeners,
) -> Result<Vec<Vec<Listener>>, ServeError> {
    if listeners.tcp.is_empty() && listeners.dot.is_empty() {
        return Ok(Vec::new());
    }
    let tls = match tls {
        _ if listeners.dot.is_empty() => None,
        None => return Err(ServeError::NoTls),
        Some(tls) => Some(tls::server_config(Arc::clone(&tls.cert_resolver))?),
    };
    let mut sets: Vec<Vec<Listener>> = (0..threads).map(|_| Vec::new()).collect();
    let tcp = listeners.tcp.iter().map(|address| ("tcp", address, None));
    let dot = listeners
        .dot
        .iter()
        .map(|address| ("dot", address, tls.clone()));
    for (transport, address, tls) in tcp.chain(dot) {
        let taken = poll::listen_at(*address, threads);
        let (sockets, local) = taken.map_err(|source| bind_error(transport, *address, source))?;
        match tls {
            None => bound.tcp.push(local),
            Some(_) => bound.dot.push(local),
        }
        for (set, socket) in sets.iter_mut().zip(sockets) {
            let tls = tls.clone();
            set.push(Listener { socket, tls });
        }
    }
    Ok(sets)
}
