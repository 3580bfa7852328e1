//! What the stream threads have seen, for whoever watches them.

use std::sync::atomic::{AtomicU64, Ordering};

use super::close::Close;

/// Declares the counters of a thread and their sum over threads, so that neither can forget one.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What all stream threads together have seen since they were started.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct StreamFigures {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// What one thread has seen. Only that thread writes.
        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $(pub(super) $name: Counter,)*
        }

        impl Counters {
            pub(super) fn add_to(&self, sum: &mut StreamFigures) {
                $(sum.$name += self.$name.get();)*
            }
        }
    };
}

counters! {
    /// Connections accepted.
    accepted,
    /// Connections that are open now.
    open,
    /// New connections closed at once, because nobody could be closed for them.
    refused,
    /// Idle connections, or unfinished handshakes, closed for a new connection.
    evicted,
    /// Times that accepting paused for want of descriptors or memory.
    accept_pauses,
    /// TLS handshakes that ended well.
    handshakes,
    /// Of these, the ones that resumed an earlier session.
    resumed,
    /// Connections ended by what rustls refused: no TLS, a wrong protocol, a broken record.
    tls_refused,
    /// Whole messages received.
    queries,
    /// Responses written.
    responses,
    /// Queries that had to wait for a signature.
    waits,
    /// Of these, the ones that were refused in the end.
    waits_refused,
    /// Connections closed after asking nothing for the idle time.
    closed_idle,
    /// Connections closed because a handshake took too long.
    closed_handshake,
    /// Connections closed because a message took too long.
    closed_slow,
    /// Connections closed because the peer did not read its answers.
    closed_stalled,
    /// Connections closed for a message shorter than a header, or TLS records without end.
    closed_malformed,
    /// Connections that the peer reset.
    closed_reset,
    /// Connections closed because handling them panicked: a fault of ours.
    faults,
}

/// A number that one thread writes and others read.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn take_one(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    /// Counts why a connection ended.
    pub(super) fn closed(&self, why: Close) {
        self.open.take_one();
        match why {
            Close::Ended | Close::Shutdown => {}
            Close::Idle => self.closed_idle.add(1),
            Close::Evicted => self.evicted.add(1),
            Close::Handshake => self.closed_handshake.add(1),
            Close::Slow => self.closed_slow.add(1),
            Close::Stalled => self.closed_stalled.add(1),
            Close::Malformed => self.closed_malformed.add(1),
            Close::Tls => self.tls_refused.add(1),
            Close::Reset => self.closed_reset.add(1),
            Close::Fault => self.faults.add(1),
        }
    }
}
