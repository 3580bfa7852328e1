//! The owners of a version in canonical order, around what cannot be read.

use iot_identity::PackedKey;

use super::{Record, device_records, fixed_records};
use crate::position::{Key, Position};
use crate::snapshot::{Snapshot, earlier};
use crate::store::record::RecordView;
use crate::store::tree::{Unreadable, WalkAround};

/// A piece of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A name with all its records; without NSEC where the next name is not known.
    Name {
        /// Whether it is a device's credential.
        of_device: bool,
        /// Its records.
        records: Vec<Record>,
    },
    /// Devices under a page that cannot be read. Other names between them follow.
    Unread(Unread),
    /// A page that had been read was lost meanwhile: nothing that came before counts.
    Lost,
}

/// Devices' names that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Number of the damaged page.
    pub page: u32,
    /// About how many names it holds.
    pub names: u64,
    /// None of them is before this one.
    pub from: PackedKey,
    /// The first name behind them; none when nothing is known to follow.
    pub until: Option<PackedKey>,
}

impl From<Unreadable> for Unread {
    fn from(unreadable: Unreadable) -> Self {
        Self {
            page: unreadable.page,
            names: unreadable.gap.names,
            from: PackedKey::from_octets(unreadable.from),
            until: unreadable.gap.next.map(PackedKey::from_octets),
        }
    }
}

/// The owners of the zone in canonical order, each as its records.
pub(super) struct Owners<'a> {
    snapshot: &'a Snapshot,
    devices: WalkAround<'a>,
    /// The next device, or what cannot be read there.
    ahead: Option<Result<RecordView<'a>, Unreadable>>,
    /// Place of the next fixed name.
    fixed: usize,
    /// The first key behind what could not be read last.
    unread_until: Option<Option<Key>>,
    /// Pages lost before it began.
    lost: u64,
    ended: bool,
}

impl<'a> Owners<'a> {
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        let lost = snapshot.version.mapping.lost();
        let mut devices = snapshot.tree().walk_around();
        Self {
            snapshot,
            lost,
            ended: false,
            ahead: devices.next(),
            devices,
            fixed: 0,
            unread_until: None,
        }
    }

    /// The first key of what is ahead among the devices.
    fn key_ahead(&self) -> Option<Key> {
        self.ahead.as_ref().map(|ahead| match ahead {
            Ok(device) => *device.key(),
            Err(unreadable) => unreadable.from,
        })
    }

    /// Whether devices that cannot be read may lie between a fixed name and what is ahead.
    fn is_next_unknown(&self, at: usize, position: &Position) -> bool {
        let lies_between = self
            .unread_until
            .is_some_and(|until| until.is_none_or(|until| position.key < until));
        // What is unreadable from the very first device on does not say which that is.
        lies_between || (at == 0 && matches!(self.ahead, Some(Err(_))))
    }

    fn device(&mut self, ahead: Result<RecordView<'a>, Unreadable>) -> Piece {
        self.ahead = self.devices.next();
        match ahead {
            Ok(device) => {
                let names = &self.snapshot.fixed;
                let fixed = (self.fixed < names.names().len()).then_some(self.fixed);
                let next = earlier(names, fixed, self.key_ahead());
                Piece::Name {
                    of_device: true,
                    records: device_records(self.snapshot, &device, &next),
                }
            }
            Err(unreadable) => {
                self.unread_until = Some(unreadable.gap.next);
                Piece::Unread(unreadable.into())
            }
        }
    }
}

impl Iterator for Owners<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if self.ended {
            return None;
        }
        let piece = self.step();
        if self.snapshot.version.mapping.has_lost_since(self.lost) {
            self.ended = true;
            return Some(Piece::Lost);
        }
        piece
    }
}

impl Owners<'_> {
    fn step(&mut self) -> Option<Piece> {
        let names = &self.snapshot.fixed;
        let fixed = names.names().get(self.fixed);
        let is_device_first = match (self.key_ahead(), fixed) {
            // The apex is before everything.
            (Some(key), Some(name)) => self.fixed > 0 && key <= name.position.key,
            (key, _) => key.is_some(),
        };
        if is_device_first && let Some(ahead) = self.ahead.take() {
            return Some(self.device(ahead));
        }
        let name = fixed?;
        let at = self.fixed;
        self.fixed += 1;
        let following = (self.fixed < names.names().len()).then_some(self.fixed);
        let next = earlier(names, following, self.key_ahead());
        let next = (!self.is_next_unknown(at, &name.position)).then_some(next);
        Some(Piece::Name {
            of_device: false,
            records: fixed_records(self.snapshot, at, name, next.as_ref()),
        })
    }
}
