//! Bodies of requests: collected within limits, or read and thrown away so that the refusal arrives.

use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use tokio::time::{Instant, timeout_at};

use crate::json::Refusal;
use crate::result_code::ResultCode;

/// What is read of a refused body, and how long: beyond it the connection is closed in the middle.
const DISCARDED_OCTETS_MAX: usize = 1024 * 1024;
const DISCARDING_MAX: Duration = Duration::from_secs(2);

/// Collects a body; of one that announces too much nothing is read.
pub(super) async fn read(
    body: &mut Incoming,
    octets_max: usize,
    deadline: Instant,
) -> Result<Bytes, Refusal> {
    let too_large = || match octets_max {
        0 => Refusal::body_not_taken(),
        octets_max => Refusal::body_too_large(octets_max),
    };
    if body.size_hint().lower() > octets_max as u64 {
        return Err(too_large());
    }
    let collected = timeout_at(deadline, Limited::new(body, octets_max).collect()).await;
    match collected {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Refusal::new(
            ResultCode::SyntaxError,
            "the body ended before its announced length",
        )),
        Err(_) => Err(Refusal::request_timeout()),
    }
}

/// Reads what is left of a refused body, within limits, and throws it away.
///
/// A socket that is closed with unread octets resets the connection, and then a client that is
/// still sending loses the answer that says what was wrong (RFC 9112, 9.6). To be run beside the answer.
pub(super) async fn discard(mut body: Incoming) {
    let deadline = Instant::now() + DISCARDING_MAX;
    let mut left = DISCARDED_OCTETS_MAX;
    while let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await {
        let octets = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(octets) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}
