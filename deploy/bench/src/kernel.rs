//! System calls that the standard library does not have: batches of datagrams, waiting for many
//! sockets, connecting from a chosen address, dropping a file from the page cache.
//!
//! Invariant of [`Datagrams`]: every pointer in `vectors` and `headers` points into `octets`,
//! `addresses` or `vectors` of the same value. These are boxed slices that are never replaced, so
//! moving the value does not move what is pointed to, and every length that the kernel sees is at
//! most the length of the slot behind its pointer.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::mem;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

/// A number of datagrams that are received or sent with one call.
pub(crate) struct Datagrams {
    octets: Box<[u8]>,
    slot_octets: usize,
    addresses: Box<[libc::sockaddr_in]>,
    vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
}

// SAFETY: the pointers refer to memory that the value owns alone (the invariant above); nothing in
// it belongs to a thread.
unsafe impl Send for Datagrams {}

impl Datagrams {
    /// Room for `slots` datagrams of at most `slot_octets`, with addresses (for sockets that are
    /// not connected) or without.
    pub(crate) fn new(slots: usize, slot_octets: usize, addressed: bool) -> Self {
        // SAFETY: both are plain structures of integers and pointers, for which zero is a value.
        let (address, header) = unsafe {
            (
                mem::zeroed::<libc::sockaddr_in>(),
                mem::zeroed::<libc::mmsghdr>(),
            )
        };
        let mut datagrams = Self {
            octets: vec![0; slots * slot_octets].into_boxed_slice(),
            slot_octets,
            addresses: vec![address; slots].into_boxed_slice(),
            vectors: vec![
                libc::iovec {
                    iov_base: ptr::null_mut(),
                    iov_len: slot_octets,
                };
                slots
            ]
            .into_boxed_slice(),
            headers: vec![header; slots].into_boxed_slice(),
        };
        for (slot, part) in datagrams.octets.chunks_exact_mut(slot_octets).enumerate() {
            datagrams.vectors[slot].iov_base = part.as_mut_ptr().cast();
            let header = &mut datagrams.headers[slot].msg_hdr;
            header.msg_iov = &raw mut datagrams.vectors[slot];
            header.msg_iovlen = 1;
            if addressed {
                header.msg_name = (&raw mut datagrams.addresses[slot]).cast();
                header.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
            }
        }
        datagrams
    }

    /// Receives what is there, at least one datagram when `blocking`; their number.
    pub(crate) fn receive(&mut self, socket: &UdpSocket, blocking: bool) -> io::Result<usize> {
        for (header, vector) in self.headers.iter_mut().zip(&mut self.vectors) {
            vector.iov_len = self.slot_octets;
            if !header.msg_hdr.msg_name.is_null() {
                header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
            }
        }
        let flags = if blocking {
            libc::MSG_WAITFORONE
        } else {
            libc::MSG_DONTWAIT
        };
        // SAFETY: `headers` holds as many headers as are announced, each describing memory of this
        // value (the invariant).
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                self.headers.len() as u32,
                flags,
                ptr::null_mut(),
            )
        };
        match usize::try_from(count) {
            Ok(count) => Ok(count),
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
                error => Err(error),
            },
        }
    }

    /// A datagram of the last [`Datagrams::receive`].
    pub(crate) fn received(&self, slot: usize) -> &[u8] {
        let length = (self.headers[slot].msg_len as usize).min(self.slot_octets);
        &self.octets[slot * self.slot_octets..][..length]
    }

    /// The octets of a slot, to be filled before [`Datagrams::send`].
    pub(crate) fn slot_mut(&mut self, slot: usize) -> &mut [u8] {
        &mut self.octets[slot * self.slot_octets..][..self.slot_octets]
    }

    /// How much of a slot is sent.
    pub(crate) fn set_length(&mut self, slot: usize, octets: usize) {
        self.vectors[slot].iov_len = octets.min(self.slot_octets);
    }

    /// Sends a slot to where a datagram of `received` came from.
    pub(crate) fn address_as(&mut self, slot: usize, received: &Self, from: usize) {
        self.addresses[slot] = received.addresses[from];
    }

    /// Sends the slots `first..first + count`; the number that the kernel took, which is 0 when
    /// there is no room now.
    pub(crate) fn send(
        &mut self,
        socket: &UdpSocket,
        first: usize,
        count: usize,
    ) -> io::Result<usize> {
        let headers = &mut self.headers[first..first + count];
        // SAFETY: as for receiving; the slice holds `count` headers.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                headers.len() as u32,
                0,
            )
        };
        match usize::try_from(sent) {
            Ok(sent) => Ok(sent),
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
                error => Err(error),
            },
        }
    }
}

/// Sockets that are waited for together.
#[derive(Default)]
pub(crate) struct Waiting {
    polled: Vec<libc::pollfd>,
}

impl Waiting {
    pub(crate) fn add(&mut self, descriptor: RawFd) {
        self.polled.push(libc::pollfd {
            fd: descriptor,
            events: libc::POLLIN,
            revents: 0,
        });
    }

    /// Leaves a socket out; the last one takes its index.
    pub(crate) fn swap_remove(&mut self, index: usize) {
        self.polled.swap_remove(index);
    }

    /// Waits until one of the sockets can be read, or was closed by its peer; how many are.
    pub(crate) fn wait(&mut self, patience: Duration) -> io::Result<usize> {
        let milliseconds = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
        let count = self.polled.len() as libc::nfds_t;
        // SAFETY: pointer and count describe `polled`, which outlives the call.
        let ready = unsafe { libc::poll(self.polled.as_mut_ptr(), count, milliseconds) };
        match usize::try_from(ready) {
            Ok(ready) => Ok(ready),
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(0),
                error => Err(error),
            },
        }
    }

    /// Whether the last [`Waiting::wait`] found something for a socket, by its index.
    pub(crate) fn is_ready(&self, index: usize) -> bool {
        self.polled[index].revents != 0
    }
}

/// A TCP connection from a chosen address of this machine, any port.
pub(crate) fn connect_from(source: Ipv4Addr, to: SocketAddrV4) -> io::Result<TcpStream> {
    // SAFETY: no pointers; the result is checked before it is owned.
    let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and has no other owner.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let length = size_of::<libc::sockaddr_in>() as u32;
    let from = address_of(SocketAddrV4::new(source, 0));
    // SAFETY: pointer and length describe `from`.
    if unsafe { libc::bind(fd, (&raw const from).cast(), length) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let to = address_of(to);
    // SAFETY: pointer and length describe `to`.
    if unsafe { libc::connect(fd, (&raw const to).cast(), length) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(TcpStream::from(socket))
}

fn address_of(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes(address.ip().octets()),
        },
        sin_zero: [0; 8],
    }
}

/// CPU time of all processes that this one started and that have ended.
pub(crate) fn children_cpu_secs() -> f64 {
    // SAFETY: a structure of integers, for which zero is a value.
    let mut usage = unsafe { mem::zeroed::<libc::rusage>() };
    // SAFETY: the pointer is to `usage`; the call cannot fail with these arguments.
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) };
    let secs = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    secs(usage.ru_utime) + secs(usage.ru_stime)
}

/// Reserves a large receive buffer for a datagram socket; the kernel may give less.
pub(crate) fn set_receive_buffer(socket: &UdpSocket, octets: i32) {
    // SAFETY: pointer and length describe `octets`; a refusal leaves the default, which works too.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUF,
            (&raw const octets).cast(),
            size_of::<i32>() as u32,
        );
    }
}

/// Drops a file's pages from the page cache, after writing what is not written yet. Pages that somebody
/// has mapped stay.
pub(crate) fn drop_from_cache(file: &File) -> io::Result<()> {
    file.sync_all()?;
    // SAFETY: the descriptor is the file's, which is borrowed; no memory is handed over.
    let error = unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    match error {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_go_back_to_where_they_came_from() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(server.local_addr().unwrap()).unwrap();
        let mut out = Datagrams::new(3, 16, false);
        for slot in 0..3 {
            out.slot_mut(slot)[..2].copy_from_slice(&[slot as u8, 7]);
            out.set_length(slot, 2);
        }
        assert_eq!(out.send(&client, 0, 3).unwrap(), 3);
        let mut received = Datagrams::new(8, 16, true);
        let mut replies = Datagrams::new(8, 16, true);
        assert_eq!(received.receive(&server, true).unwrap(), 3);
        assert_eq!(received.received(2), [2, 7]);
        replies.slot_mut(0)[..1].copy_from_slice(&[9]);
        replies.set_length(0, 1);
        replies.address_as(0, &received, 2);
        assert_eq!(replies.send(&server, 0, 1).unwrap(), 1);
        let mut waiting = Waiting::default();
        waiting.add(client.as_raw_fd());
        assert_eq!(waiting.wait(Duration::from_secs(1)).unwrap(), 1);
        assert!(waiting.is_ready(0));
        assert_eq!(received.receive(&client, false).unwrap(), 1);
        assert_eq!(received.received(0), [9]);
        assert_eq!(received.receive(&client, false).unwrap(), 0);
    }

    #[test]
    fn connections_come_from_the_address_that_was_asked_for() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let std::net::SocketAddr::V4(to) = listener.local_addr().unwrap() else {
            panic!("an address of version 4 was asked for");
        };
        let source = Ipv4Addr::new(127, 1, 2, 3);
        let stream = connect_from(source, to).unwrap();
        assert_eq!(stream.local_addr().unwrap().ip(), source);
    }
}
