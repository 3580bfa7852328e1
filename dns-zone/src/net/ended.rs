//! Threads that must not end by themselves, and how it is noticed when one does.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, JoinHandle};

use thiserror::Error;
use tokio::sync::watch;

/// A listener's thread ended though nobody had stopped it: from then on its share of the queries
/// stays unanswered.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{thread} ended: {reason}")]
pub struct Ended {
    /// The thread's name.
    pub thread: String,
    /// The error, or the message of the panic.
    pub reason: String,
}

/// Starts threads and hears of their end.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    first: watch::Sender<Option<Ended>>,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self {
            first: watch::Sender::new(None),
        }
    }

    /// Runs `work` on a thread of this name. Its error and its panic are told; its good end is not.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub(super) fn spawn(
        &self,
        name: String,
        work: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let first = self.first.clone();
        let thread = name.clone();
        thread::Builder::new().name(name).spawn(move || {
            let reason = match catch_unwind(AssertUnwindSafe(work)) {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(panic) => panic_message(panic.as_ref()),
            };
            tracing::error!(alarm = true, thread, reason, "a listener's thread ended");
            first.send_if_modified(|first| {
                let is_first = first.is_none();
                first.get_or_insert(Ended { thread, reason });
                is_first
            });
        })
    }

    /// Whether a thread has ended by itself.
    pub(super) fn seen(&self) -> Option<Ended> {
        self.first.borrow().clone()
    }

    /// Waits for the first thread that ends by itself; `None` when all were stopped before one did.
    pub(super) fn ended(&self) -> impl Future<Output = Option<Ended>> + Send + 'static + use<> {
        let mut first = self.first.subscribe();
        async move { first.wait_for(Option::is_some).await.ok()?.clone() }
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "panic".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_an_end_that_nobody_asked_for_is_told() {
        let watch = Watch::new();
        let ended = watch.ended();
        let work = || Ok(());
        watch.spawn("good".into(), work).unwrap().join().unwrap();
        assert_eq!(watch.seen(), None);
        let work = || Err(io::Error::other("no more"));
        watch.spawn("bad".into(), work).unwrap().join().unwrap();
        let work = || panic!("at {}", 7);
        watch.spawn("worse".into(), work).unwrap().join().unwrap();
        let first = Ended {
            thread: "bad".into(),
            reason: "no more".into(),
        };
        assert_eq!(ended.await, Some(first.clone()));
        assert_eq!(watch.seen(), Some(first));
    }

    #[tokio::test]
    async fn the_message_of_a_panic_is_told() {
        let watch = Watch::new();
        let work = || panic!("at {}", 7);
        watch.spawn("worse".into(), work).unwrap().join().unwrap();
        assert_eq!(watch.ended().await.unwrap().reason, "at 7");
        let quiet = Watch::new();
        let ended = quiet.ended();
        drop(quiet);
        assert_eq!(ended.await, None);
    }
}
