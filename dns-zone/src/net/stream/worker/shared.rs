//! What others have to do with a thread.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::lobby::Request;
use crate::net::stream::counters::Counters;
use crate::net::stream::poll::Wake;

/// What a thread shares with whoever started it, and with the other threads.
#[derive(Debug)]
pub(in crate::net::stream) struct Shared {
    pub(in crate::net::stream) wake: Wake,
    pub(in crate::net::stream) is_ending: AtomicBool,
    pub(in crate::net::stream) counters: Counters,
    /// Other threads that need room.
    requests: Mutex<Vec<Arc<Request>>>,
}

impl Shared {
    pub(in crate::net::stream) fn new() -> io::Result<Self> {
        Ok(Self {
            wake: Wake::new()?,
            is_ending: AtomicBool::new(false),
            counters: Counters::default(),
            requests: Mutex::default(),
        })
    }

    pub(super) fn requests(&self) -> MutexGuard<'_, Vec<Arc<Request>>> {
        // A list of which every state is a list.
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the thread close everything and end.
    pub(in crate::net::stream) fn end(&self) {
        self.is_ending.store(true, Ordering::Release);
        self.wake.wake();
    }
}
