//! Work that may hang for as long as a disk does: on a thread of its own, for which nobody has to
//! wait, not even the end of the process.

use tokio::sync::oneshot;

/// What the work returns; none when there is no thread for it, or it panicked. Given up, the work
/// goes on by itself.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (reply, result) = oneshot::channel();
    let thread = std::thread::Builder::new().name("disk".to_owned());
    let started = thread.spawn(move || {
        // Whoever asked may have gone away.
        let _ = reply.send(work());
    });
    started.ok()?;
    result.await.ok()
}
