//! What a simulated disk keeps in mind: what was done to its files and names, what shall go wrong,
//! and how much room is left.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

use super::super::power_cut::{Chance, Change, FileModel, NameChange};

/// Room is given back in whole pages.
pub(super) const HOLE_OCTETS: u64 = 4096;

#[derive(Debug)]
pub(super) struct Model {
    pub(super) files: Vec<FileModel>,
    pub(super) names: BTreeMap<String, usize>,
    pub(super) durable_names: BTreeMap<String, usize>,
    pub(super) name_changes: Vec<NameChange>,
    pub(super) faults: Faults,
    pub(super) operations: u64,
    /// Times that room was given back.
    pub(super) punches: u64,
    pub(super) chance: Chance,
}

/// What shall go wrong; counters run down to the operation concerned.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) stop_at: Option<u64>,
    pub(super) stopped: bool,
    pub(super) fail_sync_at: Option<u64>,
    pub(super) fail_write_at: Option<u64>,
    pub(super) room: Option<u64>,
    /// Files, and ranges of octets in them, that cannot be read.
    pub(super) unreadable: Vec<(usize, Range<u64>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Write,
    Sync,
    Other,
}

/// What becomes of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Happens,
    /// Reports an error; a write is done by half, a sync by chance.
    Fails,
    /// The machine stops here: the operation was asked for, and whether it happened is for the cut.
    Stops,
    /// The machine had stopped before.
    Stopped,
}

impl Step {
    /// Notes what was done to a file, unless the machine had stopped before.
    pub(super) fn note(self, file: &mut FileModel, change: Change) -> io::Result<()> {
        if self != Self::Stopped {
            file.changes.push(change);
        }
        self.result()
    }

    pub(super) fn result(self) -> io::Result<()> {
        match self {
            Self::Happens => Ok(()),
            Self::Fails => Err(io::Error::other("the simulated disk fails here")),
            Self::Stops | Self::Stopped => Err(stopped()),
        }
    }
}

impl Model {
    /// Counts an operation and says what becomes of it.
    pub(super) fn step(&mut self, kind: Kind) -> Step {
        if self.faults.stopped {
            return Step::Stopped;
        }
        self.operations += 1;
        if runs_out(&mut self.faults.stop_at) {
            self.faults.stopped = true;
            return Step::Stops;
        }
        let fails = match kind {
            Kind::Write => runs_out(&mut self.faults.fail_write_at),
            Kind::Sync => runs_out(&mut self.faults.fail_sync_at),
            Kind::Other => false,
        };
        if fails { Step::Fails } else { Step::Happens }
    }

    /// Takes room for what was given back in a range.
    pub(super) fn fill_holes(&mut self, file: usize, range: Range<u64>) -> io::Result<()> {
        let holes: Vec<u64> = self.files[file]
            .holes
            .range(pages_of(&range))
            .copied()
            .collect();
        if let Some(room) = &mut self.faults.room {
            let wanted = holes.len() as u64 * HOLE_OCTETS;
            *room = room.checked_sub(wanted).ok_or(io::ErrorKind::StorageFull)?;
        }
        for hole in holes {
            self.files[file].holes.remove(&hole);
        }
        Ok(())
    }

    /// Takes room up to the length from what is left.
    pub(super) fn take_room(&mut self, file: usize, length: u64) -> io::Result<()> {
        let wanted = length.saturating_sub(self.files[file].room);
        if let Some(room) = &mut self.faults.room {
            *room = room.checked_sub(wanted).ok_or(io::ErrorKind::StorageFull)?;
        }
        self.files[file].room += wanted;
        Ok(())
    }
}

impl Faults {
    /// Fails like a bad sector where a range touches one.
    pub(super) fn read(&self, file: usize, octets: &Range<u64>) -> io::Result<()> {
        let touches = |(bad, range): &(usize, Range<u64>)| {
            *bad == file && range.start < octets.end && octets.start < range.end
        };
        if self.unreadable.iter().any(touches) {
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        Ok(())
    }
}

/// Pages that a range touches.
pub(super) fn pages_of(range: &Range<u64>) -> Range<u64> {
    range.start / HOLE_OCTETS..range.end.div_ceil(HOLE_OCTETS)
}

fn runs_out(counter: &mut Option<u64>) -> bool {
    match counter {
        Some(left) if *left <= 1 => {
            *counter = None;
            true
        }
        Some(left) => {
            *left -= 1;
            false
        }
        None => false,
    }
}

pub(super) fn stopped() -> io::Error {
    io::Error::new(
        io::ErrorKind::BrokenPipe,
        "the simulated machine has stopped",
    )
}
