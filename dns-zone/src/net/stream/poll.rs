//! Sockets, epoll and eventfd: all system calls of the stream threads.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, acceptfrom_with, bind,
    getsockname, ipproto, listen, recv, send, socket_with, sockopt,
};

pub(super) use rustix::event::epoll::EventFlags;
pub(super) use rustix::io::Errno;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// Kernel memory for the answers that one peer has not read yet (the kernel doubles it). Without it
/// the kernel would keep megabytes for every peer that does not read.
const SEND_BUFFER_OCTETS: usize = 128 * 1024;
/// The same for queries.
const RECEIVE_BUFFER_OCTETS: usize = 64 * 1024;
/// Events taken from the kernel at once.
const EVENTS: usize = 256;

/// What is ready: the token it was added with, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    pub(super) token: u64,
    pub(super) flags: EventFlags,
}

/// A level-triggered epoll instance.
#[derive(Debug)]
pub(super) struct Poll {
    epoll: OwnedFd,
}

impl Poll {
    pub(super) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Self { epoll })
    }

    pub(super) fn add(&self, source: impl AsFd, token: u64, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::add(
            &self.epoll,
            source,
            EventData::new_u64(token),
            flags,
        )?)
    }

    pub(super) fn modify(
        &self,
        source: impl AsFd,
        token: u64,
        flags: EventFlags,
    ) -> io::Result<()> {
        Ok(epoll::modify(
            &self.epoll,
            source,
            EventData::new_u64(token),
            flags,
        )?)
    }

    /// Waits for something to be ready; `None` waits for ever. A signal ends it with nothing.
    pub(super) fn wait(
        &self,
        timeout: Option<Duration>,
        events: &mut Vec<Event>,
    ) -> io::Result<()> {
        events.clear();
        events.reserve(EVENTS);
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        });
        match epoll::wait(&self.epoll, spare_capacity(events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What an event says.
pub(super) fn ready(event: &Event) -> Ready {
    Ready {
        token: event.data.u64(),
        flags: event.flags,
    }
}

/// Wakes a thread that waits in [`Poll::wait`].
#[derive(Debug)]
pub(super) struct Wake {
    pub(super) event: OwnedFd,
}

impl Wake {
    pub(super) fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { event })
    }

    pub(super) fn wake(&self) {
        // It fails only when the count is full, and then the thread is awake.
        let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
    }

    /// Forgets that it was woken, before it looks for what.
    pub(super) fn sleep(&self) {
        // It fails only when the count is zero already.
        let _ = rustix::io::read(&self.event, &mut [0; 8]);
    }
}

/// Listens at an address with as many sockets, between which the kernel shares the connections; port
/// 0 takes one free port for all of them.
///
/// The first socket is bound without sharing, so that the address is refused when any other process
/// has it, even one of our own kind.
///
/// # Errors
/// What the system said.
pub(super) fn listen_at(
    address: SocketAddr,
    count: usize,
) -> io::Result<(Vec<OwnedFd>, SocketAddr)> {
    let first = unbound(address)?;
    bind(&first, &address)?;
    sockopt::set_socket_reuseport(&first, true)?;
    let bound = SocketAddr::try_from(getsockname(&first)?)?;
    let mut sockets = vec![first];
    while sockets.len() < count {
        let next = unbound(bound)?;
        sockopt::set_socket_reuseport(&next, true)?;
        bind(&next, &bound)?;
        sockets.push(next);
    }
    for socket in &sockets {
        listen(socket, BACKLOG)?;
    }
    Ok((sockets, bound))
}

/// Accepted sockets inherit the options: no Nagle's algorithm (an answer that waits for the
/// acknowledgement of the one before it is 40 ms late), and bounded buffers.
fn unbound(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    // Connections of an earlier process may linger at the address.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    sockopt::set_tcp_nodelay(&socket, true)?;
    sockopt::set_socket_send_buffer_size(&socket, SEND_BUFFER_OCTETS)?;
    sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER_OCTETS)?;
    Ok(socket)
}

/// Lets the kernel give up connections that are accepted here when their peer has acknowledged nothing
/// of what it was sent for so long, or has left no room for it: also after we closed them, when the
/// kernel would keep the rest for minutes.
///
/// # Errors
/// What the system said.
pub(in crate::net) fn give_up_after(listener: impl AsFd, time: Duration) -> io::Result<()> {
    let millis = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    Ok(sockopt::set_tcp_user_timeout(listener, millis)?)
}

/// Lets the end of a connection be a reset: what its peer has not read is forgotten at once.
pub(super) fn forget_unread(socket: impl AsFd) {
    // Otherwise the kernel gives up later.
    let _ = sockopt::set_socket_linger(socket, Some(Duration::ZERO));
}

/// The next connection that waits, with the peer's address.
pub(super) fn accept(listener: impl AsFd) -> Result<(OwnedFd, SocketAddr), Errno> {
    let (socket, peer) = acceptfrom_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
    let peer = peer.ok_or(Errno::CONNABORTED)?;
    Ok((socket, SocketAddr::try_from(peer)?))
}

/// Reads what is there; 0 is the end. `None`: nothing yet.
pub(super) fn receive(socket: impl AsFd, octets: &mut [u8]) -> Result<Option<usize>, Errno> {
    match recv(socket, octets, RecvFlags::empty()) {
        Ok((_, received)) => Ok(Some(received)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes what the kernel takes; 0 when its buffer is full.
pub(super) fn transmit(socket: impl AsFd, octets: &[u8]) -> Result<usize, Errno> {
    match send(socket, octets, SendFlags::NOSIGNAL) {
        Ok(sent) => Ok(sent),
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shared_between_threads_and_with_nobody_else() {
        for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"] {
            let (sockets, bound) = listen_at(address.parse().unwrap(), 3).unwrap();
            assert_eq!(sockets.len(), 3);
            assert_ne!(bound.port(), 0);
            let error = listen_at(bound, 1).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
            drop(sockets);
            assert!(listen_at(bound, 2).is_ok());
        }
    }
}
