//! Tasks without which the registry is worse than stopped: a panic in one of them ends the process,
//! and the next start is the recovery.

/// Held by such a task while it runs.
pub(crate) struct AbortOnPanic(pub(crate) &'static str);

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(
                alarm = true,
                task = self.0,
                "a task panicked; ending the process"
            );
            std::process::abort();
        }
    }
}
