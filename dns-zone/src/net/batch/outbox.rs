//! Answers of a batch on their way out: each goes to the peer of its query, from where that was
//! asked. It keeps the invariant of the [batch](super): a header of an answer is a copy of a valid
//! one, with another length or without a control message.
#![forbid(unsafe_code)]

use super::path::aim_back;
use super::{ANSWER_OCTETS_MAX, BATCH, CONTROL_OCTETS, PEER_OCTETS, Words};

/// Where an answer has to go, and from which address.
#[derive(Clone, Copy)]
pub(in crate::net) struct ReturnPath {
    pub(super) peer: [u8; PEER_OCTETS],
    pub(super) peer_octets: usize,
    pub(super) control: [u8; CONTROL_OCTETS],
    pub(super) control_octets: usize,
}

/// Collects answers for one `sendmmsg`.
pub(in crate::net) struct Outbox<'a> {
    pub(super) received: &'a [libc::mmsghdr; BATCH],
    pub(super) replies: &'a [libc::msghdr; BATCH],
    pub(super) answer_parts: &'a mut [libc::iovec; BATCH],
    pub(super) sent: &'a mut [libc::mmsghdr; BATCH],
    pub(super) peers: &'a [Words<32>; BATCH],
    pub(super) controls: &'a mut [Words<CONTROL_OCTETS>; BATCH],
    pub(super) queued: &'a mut usize,
}

impl Outbox<'_> {
    /// Queues the answer in a place; to be called at most once for each.
    #[inline]
    pub(in crate::net) fn queue(&mut self, place: usize, octets: usize) {
        let header = &self.received[place].msg_hdr;
        let Some(next) = self.sent.get_mut(*self.queued) else {
            return;
        };
        let mut reply = self.replies[place];
        self.answer_parts[place].iov_len = octets.min(ANSWER_OCTETS_MAX);
        reply.msg_namelen = header.msg_namelen.min(PEER_OCTETS as libc::socklen_t);
        let control_octets = control_octets(header);
        let control = &mut self.controls[place].0[..control_octets];
        if !control.is_empty() && aim_back(control) {
            reply.msg_controllen = control_octets as _;
        } else {
            reply.msg_control = std::ptr::null_mut();
            reply.msg_controllen = 0;
        }
        next.msg_hdr = reply;
        *self.queued += 1;
    }

    /// What is needed to answer the query of a place later.
    pub(in crate::net) fn return_path(&self, place: usize) -> ReturnPath {
        let header = &self.received[place].msg_hdr;
        let mut peer = [0; PEER_OCTETS];
        peer.copy_from_slice(&self.peers[place].0[..PEER_OCTETS]);
        ReturnPath {
            peer,
            peer_octets: (header.msg_namelen as usize).min(PEER_OCTETS),
            control: self.controls[place].0,
            control_octets: control_octets(header),
        }
    }
}

#[allow(
    clippy::unnecessary_cast,
    reason = "not every C library has usize here"
)]
fn control_octets(header: &libc::msghdr) -> usize {
    (header.msg_controllen as usize).min(CONTROL_OCTETS)
}
