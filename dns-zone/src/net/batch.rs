//! Batches of datagrams: one `recvmmsg` and one `sendmmsg` for up to 64 of them, over memory that is
//! allocated once.
//!
//! The only unsafe code of the listeners. Its invariant: a [`Batch`] owns one [`Storage`] that never
//! moves; every pointer in a header of the storage points into that same storage and is derived from
//! the pointer of its allocation (never from a reference), with a length within its array. Headers
//! change only in length, except where one is copied over another, or points to no control message.
//! References into the storage are made from `&self` or `&mut self`, so none is alive while the
//! kernel reads or writes.
#![allow(
    unsafe_code,
    reason = "recvmmsg and sendmmsg over preallocated headers"
)]

mod outbox;
mod path;

use std::io;
use std::mem::{size_of, size_of_val};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub(super) use outbox::{Outbox, ReturnPath};
use path::has_port;

/// Datagrams in a batch.
pub(super) const BATCH: usize = 64;
/// Octets of the longest query that is looked at; longer ones arrive cut and are dropped.
pub(super) const QUERY_OCTETS_MAX: usize = 4096;
/// Octets of the longest answer.
pub(super) const ANSWER_OCTETS_MAX: usize = 1232;

/// A cache line more than the octets that are used: with a stride of exactly a page, the beginnings
/// of all queries would compete for the same few lines of the cache.
const QUERY_STRIDE: usize = QUERY_OCTETS_MAX + 64;
/// An odd number of cache lines, for the same reason.
const ANSWER_STRIDE: usize = 21 * 64;
/// Octets of the longer of both socket addresses.
const PEER_OCTETS: usize = size_of::<libc::sockaddr_in6>();
/// Octets for the control message with the longer of both destinations, and a margin.
const CONTROL_OCTETS: usize = 64;
/// How long nothing is received when the system has no memory for it.
const NO_MEMORY_WAIT: Duration = Duration::from_millis(1);
/// How often a batch waits for a full socket, and how long each time.
const FULL_SOCKET_WAITS_MAX: u32 = 4;
const FULL_SOCKET_WAIT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 2_000_000,
};

#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Lines<const OCTETS: usize>([u8; OCTETS]);

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Words<const OCTETS: usize>([u8; OCTETS]);

/// Everything that the kernel reads and writes. All zero is a valid value of each field.
#[repr(C)]
struct Storage {
    queries: [Lines<QUERY_STRIDE>; BATCH],
    answers: [Lines<ANSWER_STRIDE>; BATCH],
    peers: [Words<32>; BATCH],
    controls: [Words<CONTROL_OCTETS>; BATCH],
    query_parts: [libc::iovec; BATCH],
    answer_parts: [libc::iovec; BATCH],
    /// One for each place, in order.
    received: [libc::mmsghdr; BATCH],
    /// One for each answer, in the order of sending; copies of `replies`.
    sent: [libc::mmsghdr; BATCH],
    /// One for each place: to its peer, from where it was asked, its answer.
    replies: [libc::msghdr; BATCH],
}

/// When to come back from [`Batch::receive`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// When at least one datagram is there.
    One,
    /// At once.
    Now,
}

/// What became of the answers that were queued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) sent: usize,
    /// Refused by the system: no route, no memory, forbidden by a filter.
    pub(super) failed: usize,
}

/// Places for queries, their peers and their answers.
pub(super) struct Batch {
    storage: NonNull<Storage>,
    /// Places whose headers were changed since they were last made ready to receive.
    used: usize,
    /// Headers at the beginning of `sent` that wait to be sent.
    queued: usize,
}

impl Batch {
    pub(super) fn new() -> Self {
        // SAFETY: the storage consists of integers and pointers, all of which may be zero.
        let storage = unsafe { Box::<Storage>::new_zeroed().assume_init() };
        let storage = NonNull::from(Box::leak(storage));
        let root = storage.as_ptr();
        for at in 0..BATCH {
            // SAFETY: `root` is the one allocation of this batch and nobody else has it yet; `at` is
            // below the length of every array. No reference is made, only pointers from `root`.
            unsafe {
                let name = (&raw mut (*root).peers[at]).cast();
                let control = (&raw mut (*root).controls[at]).cast();
                (*root).query_parts[at] = libc::iovec {
                    iov_base: (&raw mut (*root).queries[at]).cast(),
                    iov_len: QUERY_OCTETS_MAX,
                };
                (*root).answer_parts[at].iov_base = (&raw mut (*root).answers[at]).cast();
                let received = &raw mut (*root).received[at].msg_hdr;
                let reply = &raw mut (*root).replies[at];
                for (header, parts) in [
                    (received, &raw mut (*root).query_parts[at]),
                    (reply, &raw mut (*root).answer_parts[at]),
                ] {
                    (*header).msg_name = name;
                    (*header).msg_control = control;
                    (*header).msg_iov = parts;
                    (*header).msg_iovlen = 1;
                }
            }
        }
        Self {
            storage,
            used: BATCH,
            queued: 0,
        }
    }

    fn storage(&self) -> &Storage {
        // SAFETY: the allocation lives as long as the batch, and nobody writes to it while `self` is
        // borrowed: the kernel writes only within `receive`, which borrows it exclusively.
        unsafe { self.storage.as_ref() }
    }

    fn storage_mut(&mut self) -> &mut Storage {
        // SAFETY: as above, and `self` is borrowed exclusively.
        unsafe { self.storage.as_mut() }
    }

    /// Receives as many datagrams as are there, at most [`BATCH`]. Errors that ICMP messages left on
    /// the socket are nobody's: they count as nothing received.
    ///
    /// # Errors
    /// The socket cannot be received from any more.
    pub(super) fn receive(&mut self, socket: &UdpSocket, until: Until) -> io::Result<usize> {
        let used = self.used;
        for header in &mut self.storage_mut().received[..used] {
            header.msg_hdr.msg_namelen = PEER_OCTETS as libc::socklen_t;
            header.msg_hdr.msg_controllen = CONTROL_OCTETS as _;
        }
        self.used = 0;
        let flags = match until {
            Until::One => libc::MSG_WAITFORONE,
            Until::Now => libc::MSG_DONTWAIT,
        };
        // SAFETY: the headers are valid by the invariant, with lengths as set above, and there are
        // `BATCH` of them. No timeout is given. The socket is open while it is borrowed.
        let count = unsafe {
            let headers = (&raw mut (*self.storage.as_ptr()).received).cast();
            let no_timeout = std::ptr::null_mut();
            let fd = socket.as_raw_fd();
            libc::recvmmsg(fd, headers, BATCH as libc::c_uint, flags as _, no_timeout)
        };
        match usize::try_from(count) {
            Ok(count) => {
                self.used = count.min(BATCH);
                Ok(self.used)
            }
            Err(_) => passing(io::Error::last_os_error()),
        }
    }

    /// Puts a query that was received before into a place of its own, as if it had just arrived.
    ///
    /// # Panics
    /// The place is not below [`BATCH`].
    pub(super) fn restore(&mut self, place: usize, query: &[u8], path: &ReturnPath) {
        let storage = self.storage_mut();
        let length = query.len().min(QUERY_OCTETS_MAX);
        storage.queries[place].0[..length].copy_from_slice(&query[..length]);
        storage.peers[place].0[..PEER_OCTETS].copy_from_slice(&path.peer);
        storage.controls[place].0 = path.control;
        let header = &mut storage.received[place];
        header.msg_len = length as libc::c_uint;
        header.msg_hdr.msg_flags = 0;
        header.msg_hdr.msg_namelen = path.peer_octets as libc::socklen_t;
        header.msg_hdr.msg_controllen = path.control_octets as _;
        self.used = self.used.max(place + 1);
    }

    /// Whether the query of a place was longer than [`QUERY_OCTETS_MAX`].
    pub(super) fn is_cut(&self, place: usize) -> bool {
        self.storage().received[place].msg_hdr.msg_flags & libc::MSG_TRUNC != 0
    }

    /// The first `count` places: each query with the room for its answer; and where answers are
    /// queued. A query that must not be answered, for it is cut or its peer cannot be sent to, is
    /// shown as empty.
    pub(super) fn split(
        &mut self,
        count: usize,
    ) -> (impl Iterator<Item = (&[u8], &mut [u8])>, Outbox<'_>) {
        // SAFETY: as in `storage_mut`; written out so that `queued` can be borrowed beside it.
        let storage = unsafe { self.storage.as_mut() };
        let outbox = Outbox {
            received: &storage.received,
            replies: &storage.replies,
            answer_parts: &mut storage.answer_parts,
            sent: &mut storage.sent,
            peers: &storage.peers,
            controls: &mut storage.controls,
            queued: &mut self.queued,
        };
        let queries = storage.queries.iter().zip(&mut storage.answers);
        let headers = storage.received.iter().zip(&storage.peers);
        let pairs = queries
            .zip(headers)
            .take(count)
            .map(|((query, answer), (header, peer))| {
                let cut = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
                let answerable = !cut && has_port(&peer.0, header.msg_hdr.msg_namelen as usize);
                let length = if answerable {
                    (header.msg_len as usize).min(QUERY_OCTETS_MAX)
                } else {
                    0
                };
                (&query.0[..length], &mut answer.0[..ANSWER_OCTETS_MAX])
            });
        (pairs, outbox)
    }

    /// Sends what was queued. When the socket is full, waits a moment, then gives the rest up: a
    /// query can be repeated, and those that arrive meanwhile cannot wait.
    pub(super) fn send(&mut self, socket: &UdpSocket) -> Sent {
        let queued = std::mem::take(&mut self.queued).min(BATCH);
        let mut result = Sent::default();
        let mut waits = 0..FULL_SOCKET_WAITS_MAX;
        while result.sent + result.failed < queued {
            let at = result.sent + result.failed;
            // SAFETY: the first `queued` headers were copied from valid ones by `Outbox::queue`, and
            // `at` is below that. The socket is open while it is borrowed.
            let count = unsafe {
                let headers = &raw mut (*self.storage.as_ptr()).sent[at];
                let left = (queued - at) as libc::c_uint;
                libc::sendmmsg(socket.as_raw_fd(), headers, left, libc::MSG_DONTWAIT as _)
            };
            let error = match usize::try_from(count) {
                Ok(count @ 1..) => {
                    result.sent += count;
                    continue;
                }
                Ok(0) => io::ErrorKind::WriteZero,
                Err(_) => io::Error::last_os_error().kind(),
            };
            match error {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => {
                    if waits.next().is_none() || !becomes_writable(socket) {
                        result.failed = queued - result.sent;
                    }
                }
                // Concerns the first one alone: no route, a filter, no memory for it.
                _ => result.failed += 1,
            }
        }
        result
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // SAFETY: the pointer came from a box in `new` and is given back once.
        drop(unsafe { Box::from_raw(self.storage.as_ptr()) });
    }
}

/// Makes the socket tell the destination of each datagram, for sockets that have many addresses.
///
/// # Errors
/// What the system said.
pub(super) fn tell_destinations(socket: &UdpSocket, is_ipv4: bool) -> io::Result<()> {
    let (level, option) = if is_ipv4 {
        (libc::IPPROTO_IP, libc::IP_PKTINFO)
    } else {
        (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO)
    };
    let on: libc::c_int = 1;
    // SAFETY: the value is read during the call only and has the length that is given.
    let result = unsafe {
        let length = size_of_val(&on) as libc::socklen_t;
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const on).cast(),
            length,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Errors of receiving that pass by themselves are no datagrams; others remain errors.
fn passing(error: io::Error) -> io::Result<usize> {
    match error.raw_os_error() {
        Some(
            libc::EAGAIN
            | libc::EINTR
            | libc::ECONNREFUSED
            | libc::EHOSTUNREACH
            | libc::ENETUNREACH
            | libc::EHOSTDOWN
            | libc::ENETDOWN
            | libc::EPROTO
            | libc::ENOPROTOOPT
            | libc::EMSGSIZE
            | libc::EACCES,
        ) => Ok(0),
        Some(libc::ENOMEM | libc::ENOBUFS) => {
            // At once it would be the same.
            std::thread::sleep(NO_MEMORY_WAIT);
            Ok(0)
        }
        _ => Err(error),
    }
}

fn becomes_writable(socket: &UdpSocket) -> bool {
    let mut waited = [PollFd::new(socket, PollFlags::OUT)];
    poll(&mut waited, Some(&FULL_SOCKET_WAIT)).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests;
