//! UDP sockets: one for each thread at an address, between which the kernel shares the datagrams.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use rustix::net::sockopt::{
    Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
    set_ipv6_v6only, set_socket_recv_buffer_size, set_socket_recv_buffer_size_force,
    set_socket_reuseport, set_socket_send_buffer_size, set_socket_send_buffer_size_force,
};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};

use super::batch::tell_destinations;

/// Octets that may wait in each direction: some thousands of queries, which a thread that was
/// interrupted for a few milliseconds finds when it comes back.
const BUFFER_OCTETS: usize = 4 << 20;

/// Takes an address with as many sockets; port 0 takes one free port for all of them.
///
/// The first socket is bound without sharing, so that the address is refused when any other process
/// has it, even one of our own kind: two servers would each answer a part of the queries.
///
/// # Errors
/// What the system said.
pub(super) fn open(address: SocketAddr, count: usize) -> io::Result<(Vec<UdpSocket>, SocketAddr)> {
    let first = unbound(address)?;
    bind(&first, &address)?;
    set_socket_reuseport(&first, true)?;
    let bound = first.local_addr()?;
    let mut sockets = vec![first];
    while sockets.len() < count {
        let next = unbound(bound)?;
        set_socket_reuseport(&next, true)?;
        bind(&next, &bound)?;
        sockets.push(next);
    }
    Ok((sockets, bound))
}

fn unbound(address: SocketAddr) -> io::Result<UdpSocket> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let socket = socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let socket = UdpSocket::from(socket);
    // Path MTUs that ICMP messages claim are not believed: who forges them could make us send
    // fragments, and replace the second one. Answers fit into any path of today.
    if address.is_ipv4() {
        set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::OMIT)?;
    } else {
        set_ipv6_v6only(&socket, true)?;
        set_ipv6_mtu_discover(&socket, Ipv6PathMtuDiscovery::OMIT)?;
    }
    if address.ip().is_unspecified() {
        tell_destinations(&socket, address.is_ipv4())?;
    }
    // Beyond the system's limit only with the privilege for it; up to the limit always.
    if set_socket_recv_buffer_size_force(&socket, BUFFER_OCTETS).is_err() {
        set_socket_recv_buffer_size(&socket, BUFFER_OCTETS)?;
    }
    if set_socket_send_buffer_size_force(&socket, BUFFER_OCTETS).is_err() {
        set_socket_send_buffer_size(&socket, BUFFER_OCTETS)?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::sockopt::{
        ip_mtu_discover, ipv6_mtu_discover, ipv6_v6only, socket_recv_buffer_size, socket_reuseport,
    };

    #[test]
    fn every_socket_of_an_address_shares_it_and_believes_no_path_mtu() {
        let plain = UdpSocket::bind("127.0.0.1:0").unwrap();
        let ordinary = socket_recv_buffer_size(&plain).unwrap();
        for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"] {
            let (sockets, bound) = open(address.parse().unwrap(), 3).unwrap();
            assert_eq!(sockets.len(), 3);
            assert_ne!(bound.port(), 0);
            for socket in &sockets {
                assert_eq!(socket.local_addr().unwrap(), bound);
                assert!(socket_reuseport(socket).unwrap());
                assert!(socket_recv_buffer_size(socket).unwrap() >= ordinary);
                if bound.is_ipv4() {
                    let mode = ip_mtu_discover(socket).unwrap();
                    assert_eq!(mode, Ipv4PathMtuDiscovery::OMIT);
                } else {
                    let mode = ipv6_mtu_discover(socket).unwrap();
                    assert_eq!(mode, Ipv6PathMtuDiscovery::OMIT);
                    assert!(ipv6_v6only(socket).unwrap());
                }
            }
        }
    }

    #[test]
    fn an_address_is_refused_when_any_other_socket_has_it() {
        let plain = UdpSocket::bind("127.0.0.1:0").unwrap();
        let taken = plain.local_addr().unwrap();
        assert_eq!(open(taken, 2).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let sharing = unbound(taken).unwrap();
        set_socket_reuseport(&sharing, true).unwrap();
        bind(&sharing, &SocketAddr::new(taken.ip(), 0)).unwrap();
        let taken = sharing.local_addr().unwrap();
        assert_eq!(open(taken, 2).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
