//! Why connections end.

use super::framing::TooShort;

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Close {
    /// The peer ended it and has all its answers.
    Ended,
    /// Nothing asked for too long.
    Idle,
    /// For the sake of a new connection.
    Evicted,
    /// The handshake took too long.
    Handshake,
    /// A message took too long.
    Slow,
    /// Answers were not read.
    Stalled,
    /// A message shorter than a header, or records without end.
    Malformed,
    /// rustls refused what came.
    Tls,
    /// The peer is gone.
    Reset,
    /// The server ends.
    Shutdown,
    /// Handling it panicked.
    Fault,
}

impl From<TooShort> for Close {
    fn from(_: TooShort) -> Self {
        Self::Malformed
    }
}
