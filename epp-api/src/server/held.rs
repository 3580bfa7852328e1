//! A document on its way to the client, with what it holds until it is sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

/// Octets that are handed over at once. The next ones wait until the client takes these, so a client
/// that reads nothing keeps what the answer holds.
const PIECE_OCTETS: usize = 16 * 1024;

/// The octets of an answer, and something that is dropped when they are sent or given up.
pub(super) struct Held<T> {
    left: Bytes,
    _held: T,
}

impl<T> Held<T> {
    pub(super) fn new(octets: Bytes, held: T) -> Self {
        Self {
            left: octets,
            _held: held,
        }
    }
}

impl<T: Unpin> Body for Held<T> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let count = self.left.len().min(PIECE_OCTETS);
        let piece = self.left.split_to(count);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}
