//! Whether and how an answer can go back, read from what the kernel tells about a datagram. Pure.
#![forbid(unsafe_code)]

/// Octets before the data of a control message.
pub(super) const CONTROL_HEADER_OCTETS: usize = size_of::<libc::cmsghdr>();

/// Whether a socket address has a port to send to. Port 0 is in forged datagrams only.
pub(super) fn has_port(peer: &[u8], peer_octets: usize) -> bool {
    // Family, then the port, in addresses of both families.
    peer_octets >= size_of::<libc::sockaddr_in>()
        && matches!(peer, [_, _, high, low, ..] if high | low != 0)
}

/// Turns the control message that told the destination of a query into the one that sets the source
/// of its answer; false when it is neither of the two that can be. The interface is left to routing,
/// except for link-local addresses, which mean nothing without it.
pub(super) fn aim_back(control: &mut [u8]) -> bool {
    let Some((header, data)) = control.split_at_mut_checked(CONTROL_HEADER_OCTETS) else {
        return false;
    };
    // The header ends with level and kind, 4 octets each.
    let number = |at: usize| {
        let octets = header.get(CONTROL_HEADER_OCTETS - at..)?.first_chunk()?;
        Some(i32::from_ne_bytes(*octets))
    };
    let interface = match (number(8), number(4)) {
        (Some(libc::IPPROTO_IP), Some(libc::IP_PKTINFO)) => data.get_mut(..4),
        (Some(libc::IPPROTO_IPV6), Some(libc::IPV6_PKTINFO)) => match data {
            // fe80::/10
            [0xfe, second, ..] if *second & 0xc0 == 0x80 => return true,
            data => data.get_mut(16..20),
        },
        _ => None,
    };
    interface.map(|octets| octets.fill(0)).is_some()
}
