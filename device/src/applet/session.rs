//! Sessions: commands that come in an INIT and one or more UPDATEs (P2 is the session's number).
//!
//! Clients differ. Some close before they open, some never close and open again: an INIT replaces
//! the session of its number. A finished session stays closable, but blocks nothing. All sessions
//! of a channel end with the channel, with SELECT and with a reset.

use std::collections::BTreeMap;

use super::digest_input::DigestInput;
use crate::apdu::{Command, StatusWord};

/// Most unfinished sessions on one channel (tag B7).
pub(crate) const SESSIONS_MAX: usize = 8;

/// What a session is for; each has numbers of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    ComputeSignature,
    VerifySignature,
    PutPublicKey,
}

/// The state between two commands.
pub(crate) enum Session {
    /// Place of the private key, and what was said so far.
    ComputeSignature(usize, DigestInput),
    /// Place of the public key, and what was said so far.
    VerifySignature(usize, DigestInput),
    /// Place of the public key.
    PutPublicKey(usize),
    /// The last UPDATE was answered; only closing is left.
    Finished,
}

/// The sessions of one channel.
#[derive(Default)]
pub(crate) struct Sessions(BTreeMap<(Operation, u8), Session>);

impl Sessions {
    /// INIT: P1 = 00 opens what `open` makes, P1 = 01 closes.
    pub(crate) fn init(
        &mut self,
        operation: Operation,
        command: &Command<'_>,
        open: impl FnOnce(&[u8]) -> Result<Session, StatusWord>,
    ) -> Result<(), StatusWord> {
        let place = (operation, command.p2);
        match command.p1 {
            0x00 => {
                self.0.remove(&place);
                if self.unfinished() >= SESSIONS_MAX {
                    return Err(StatusWord::CAPACITY_REACHED);
                }
                self.0.insert(place, open(command.data)?);
                Ok(())
            }
            0x01 => self
                .0
                .remove(&place)
                .map(|_| ())
                .ok_or(StatusWord::CONDITIONS_NOT_SATISFIED),
            _ => Err(StatusWord::INCORRECT_P1_P2),
        }
    }

    /// Takes an unfinished session out; whoever goes on with it puts it back. After an error it is
    /// gone.
    pub(crate) fn take(&mut self, operation: Operation, number: u8) -> Result<Session, StatusWord> {
        let place = (operation, number);
        if matches!(self.0.get(&place), Some(Session::Finished)) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        self.0
            .remove(&place)
            .ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)
    }

    /// Puts a session back.
    pub(crate) fn put(&mut self, operation: Operation, number: u8, session: Session) {
        self.0.insert((operation, number), session);
    }

    /// True when an unfinished session signs with the private key at this place.
    pub(crate) fn uses_private_key(&self, key: usize) -> bool {
        self.0
            .values()
            .any(|session| matches!(session, Session::ComputeSignature(used, _) if *used == key))
    }

    /// True when an unfinished session uses the public key at this place.
    pub(crate) fn uses_public_key(&self, key: usize) -> bool {
        self.0.values().any(|session| {
            matches!(session,
                Session::VerifySignature(used, _) | Session::PutPublicKey(used) if *used == key)
        })
    }

    fn unfinished(&self) -> usize {
        self.0
            .values()
            .filter(|session| !matches!(session, Session::Finished))
            .count()
    }
}

/// P1 of an UPDATE: true for the last one.
pub(crate) fn is_last_part(p1: u8) -> Result<bool, StatusWord> {
    match p1 {
        0x00 => Ok(false),
        0x80 => Ok(true),
        _ => Err(StatusWord::INCORRECT_P1_P2),
    }
}
