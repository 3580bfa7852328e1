//! Several servers, of which one has to answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::timeout;

use super::{Response, Transport, TransportError};
use crate::lookup::Query;

/// Time that each server has, unless something else is said.
pub const PATIENCE_DEFAULT: Duration = Duration::from_millis(1_500);
/// SERVFAIL and REFUSED: another server may do better.
const FAILURES: [u8; 2] = [2, 5];

/// Asks one server after the other until one answers, beginning with the one that answered last. What they
/// say is judged all the same; a server that fails or refuses is passed over while there is another.
#[derive(Debug)]
pub struct Failover<T> {
    transports: Vec<T>,
    answered_last: AtomicUsize,
    patience: Duration,
}

impl<T> Failover<T> {
    /// Servers in the order in which they are asked, each for so long; none when there is no server.
    pub fn new(transports: Vec<T>, patience: Duration) -> Option<Self> {
        (!transports.is_empty()).then(|| Self {
            transports,
            answered_last: AtomicUsize::new(0),
            patience,
        })
    }
}

impl<T: Transport> Transport for Failover<T> {
    async fn exchange(&self, query: Query) -> Result<Response, TransportError> {
        let first = self.answered_last.load(Ordering::Relaxed);
        let mut outcome = Err(TransportError::Deadline(self.patience));
        for step in 0..self.transports.len() {
            let index = (first + step) % self.transports.len();
            let exchange = self.transports[index].exchange(query.clone());
            match timeout(self.patience, exchange).await {
                Ok(Ok(response)) if has_failed(&response) => outcome = Ok(response),
                Ok(Ok(response)) => {
                    self.answered_last.store(index, Ordering::Relaxed);
                    return Ok(response);
                }
                // An answer that tells of a failure says more than none.
                Ok(Err(error)) if outcome.is_err() => outcome = Err(error),
                Ok(Err(_)) | Err(_) => {}
            }
        }
        outcome
    }
}

fn has_failed(response: &Response) -> bool {
    let code = response.octets.get(3).map(|octet| octet & 0x0f);
    code.is_some_and(|code| FAILURES.contains(&code))
}
