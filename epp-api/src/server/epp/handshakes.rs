//! TLS handshakes in progress: so many at one time, and so many from one network, because whoever
//! connects costs this before anything is known about him.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

/// The handshakes of a listener.
#[derive(Debug)]
pub(super) struct Handshakes {
    places: Semaphore,
    by_network: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection that has not finished its handshake; counted until it is dropped.
#[derive(Debug)]
pub(super) struct Unknown<'h> {
    handshakes: &'h Handshakes,
    network: IpAddr,
}

impl Handshakes {
    pub(super) fn new(handshakes_max: usize) -> Self {
        Self {
            places: Semaphore::new(handshakes_max),
            by_network: Mutex::default(),
        }
    }

    /// Counts a connection of this peer; none when its network has as many as it may have.
    pub(super) fn count(&self, peer: IpAddr, network_max: usize) -> Option<Unknown<'_>> {
        let network = network_of(peer);
        let mut all = self.lock();
        let count = all.entry(network).or_default();
        if *count >= network_max {
            return None;
        }
        *count += 1;
        Some(Unknown {
            handshakes: self,
            network,
        })
    }

    /// Counts are whole even if a holder panicked.
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_network
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unknown<'_> {
    /// Waits for a place among those that are carried out.
    pub(super) async fn place(&self) -> SemaphorePermit<'_> {
        let place = self.handshakes.places.acquire().await;
        place.expect("the semaphore is never closed")
    }
}

impl Drop for Unknown<'_> {
    fn drop(&mut self) {
        let mut all = self.handshakes.lock();
        if let Some(count) = all.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.network);
            }
        }
    }
}

/// One IPv4 address, or the 64 bits that one customer has of IPv6.
fn network_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(network))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_so_many_and_others_have_theirs() {
        let handshakes = Handshakes::new(1);
        let address = |text: &str| text.parse().unwrap();
        let first = handshakes.count(address("2001:db8::1"), 2);
        let second = handshakes.count(address("2001:db8::ffff:1"), 2).unwrap();
        assert!(first.is_some());
        assert!(
            handshakes.count(address("2001:db8::2"), 2).is_none(),
            "the same 64 bits"
        );
        let other = handshakes.count(address("2001:db8:0:1::1"), 2);
        let mapped = handshakes.count(address("::ffff:192.0.2.1"), 1);
        assert!(other.is_some() && mapped.is_some());
        assert!(
            handshakes.count(address("192.0.2.1"), 1).is_none(),
            "the same address"
        );
        assert!(handshakes.count(address("192.0.2.2"), 1).is_some());
        drop(second);
        assert!(handshakes.count(address("2001:db8::2"), 2).is_some());
        drop((first, other, mapped));
        assert!(handshakes.lock().is_empty());
    }
}
