//! Connections of which nothing is known yet, counted by the network that they come from: whoever connects
//! takes a place and a handshake's work before anything is known about him.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The unknown connections of a listener.
#[derive(Debug, Default)]
pub(super) struct Networks(Mutex<HashMap<IpAddr, usize>>);

/// A connection of which nothing is known; counted until it is dropped.
#[derive(Debug)]
pub(super) struct Unknown {
    networks: Arc<Networks>,
    network: IpAddr,
}

impl Networks {
    /// Counts a connection of this peer; none when its network has as many as it may have.
    pub(super) fn count(self: &Arc<Self>, peer: IpAddr, most: usize) -> Option<Unknown> {
        let network = network_of(peer);
        let mut all = self.lock();
        let count = all.entry(network).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Unknown {
            networks: Arc::clone(self),
            network,
        })
    }

    /// Counts are whole even if a holder panicked.
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Unknown {
    fn drop(&mut self) {
        let mut all = self.networks.lock();
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
        let networks = Arc::new(Networks::default());
        let address = |text: &str| text.parse().unwrap();
        let first = networks.count(address("2001:db8::1"), 2);
        let second = networks.count(address("2001:db8::ffff:1"), 2).unwrap();
        assert!(first.is_some());
        assert!(
            networks.count(address("2001:db8::2"), 2).is_none(),
            "the same 64 bits"
        );
        let other = networks.count(address("2001:db8:0:1::1"), 2);
        let mapped = networks.count(address("::ffff:192.0.2.1"), 1);
        assert!(other.is_some() && mapped.is_some());
        assert!(
            networks.count(address("192.0.2.1"), 1).is_none(),
            "the same address"
        );
        assert!(networks.count(address("192.0.2.2"), 1).is_some());
        drop(second);
        assert!(networks.count(address("2001:db8::2"), 2).is_some());
        drop((first, other, mapped));
        assert!(networks.lock().is_empty());
    }
}
