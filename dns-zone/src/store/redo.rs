//! The redo log: one frame a commit, and the bounded history of changes.
//!
//! Segments are files `redo-<8 hex of the store's id>-<16 hex of the first version>`, written once
//! over their whole length before use, so that an append changes no length. A segment is followed
//! by the one whose first version is next. The tail ends at the first place that does not hold the
//! whole frame of the next version; a whole frame of a later version behind that place says that
//! acknowledged commits are gone, and the store refuses to open.
//!
//! Octets of a recycled segment are not wiped: its old frames have versions before the first
//! version of the segment, so that they are never the next.

mod spare;
mod tail;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::StoreError;
use super::disk::{Disk, DiskFile};
use super::frame::{self, Frame};
use spare::SPARE;
pub(super) use spare::{Spare, prepare, prepare_spare};
use tail::Tail;

const PREFIX: &str = "redo-";
/// Longest segment that is read: one frame of the largest size.
const MAX_SEGMENT_OCTETS: u64 = 300 << 20;

/// How long segments are and how much history is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RedoLimits {
    /// Octets of a segment; a larger frame has a segment of its own.
    pub(crate) segment_octets: u64,
    /// Octets of all segments above which the oldest go.
    pub(crate) history_octets: u64,
    /// Age above which segments go, by the signing times in their commits.
    pub(crate) history_secs: u32,
}

impl Default for RedoLimits {
    fn default() -> Self {
        Self {
            segment_octets: 8 << 20,
            history_octets: 1 << 30,
            history_secs: 86_400,
        }
    }
}

/// A place in the log: where the frame after a version begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// First version of the segment.
    pub(super) segment: u64,
    pub(super) offset: u64,
}

#[derive(Debug)]
struct Segment {
    first_version: u64,
    octets: u64,
    /// Signing time of the first commit in it; unknown until asked for.
    began_at: Option<u32>,
}

/// The log, open for appending.
#[derive(Debug)]
pub(super) struct Redo {
    disk: Arc<dyn Disk>,
    store_id: [u8; 16],
    limits: RedoLimits,
    /// Oldest first; the last is appended to.
    segments: VecDeque<Segment>,
    current: Arc<dyn DiskFile>,
    offset: u64,
    spare: Arc<Spare>,
    /// Octets appended and replayed since the log was opened.
    appended: u64,
}

impl Redo {
    /// Makes the first segment of a new store. Its name is durable after the next sync of the
    /// directory.
    pub(super) fn create(
        disk: Arc<dyn Disk>,
        store_id: [u8; 16],
        limits: RedoLimits,
        first_version: u64,
    ) -> io::Result<Self> {
        let name = segment_name(&store_id, first_version);
        let current = prepare(&*disk, &name, limits.segment_octets)?;
        let segment = Segment {
            first_version,
            octets: limits.segment_octets,
            began_at: None,
        };
        Ok(Self {
            disk,
            store_id,
            limits,
            segments: VecDeque::from([segment]),
            current,
            offset: 0,
            spare: Arc::default(),
            appended: 0,
        })
    }

    /// Opens the log and hands every commit after the checkpoint to `replay`, in order.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        store_id: [u8; 16],
        limits: RedoLimits,
        checkpointed: u64,
        position: Position,
        replay: impl FnMut(Frame) -> Result<(), StoreError>,
    ) -> Result<Self, StoreError> {
        let segments = find_segments(&*disk, &store_id)?;
        let mut tail = Tail::after(store_id, checkpointed);
        let (current, offset) = tail.read_all(&*disk, &segments, position, replay)?;
        tail.write_last_frame_again()?;
        Ok(Self {
            disk,
            store_id,
            limits,
            segments,
            current,
            offset,
            spare: Arc::default(),
            appended: tail.appended,
        })
    }

    /// Hands every commit after the checkpoint to `look`, in order, and writes nothing.
    pub(super) fn look(
        disk: &dyn Disk,
        store_id: [u8; 16],
        checkpointed: u64,
        position: Position,
        look: impl FnMut(Frame) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let segments = find_segments(disk, &store_id)?;
        Tail::after(store_id, checkpointed)
            .read_all(disk, &segments, position, look)
            .map(drop)
    }

    /// Where the next frame goes.
    pub(super) fn position(&self) -> Position {
        Position {
            segment: self.current_segment().first_version,
            offset: self.offset,
        }
    }

    /// Octets of frames appended, and replayed at the start, in all.
    pub(super) fn appended(&self) -> u64 {
        self.appended
    }

    /// Octets of all segments.
    pub(super) fn octets(&self) -> u64 {
        self.segments.iter().map(|segment| segment.octets).sum()
    }

    /// The place of the prepared segment, for whoever prepares it in the background.
    pub(super) fn spare(&self) -> Arc<Spare> {
        Arc::clone(&self.spare)
    }

    /// Octets of zeros written to prepare segments since the log was opened.
    pub(super) fn zeroed_octets(&self) -> u64 {
        self.spare.zeroed_octets()
    }

    pub(super) fn limits(&self) -> RedoLimits {
        self.limits
    }

    /// Whether a frame of this length needs [`Redo::turn`] first.
    pub(super) fn is_full_for(&self, octets: usize) -> bool {
        self.current_segment().octets.saturating_sub(self.offset) < octets as u64
    }

    /// Whether it is time to prepare the next segment.
    pub(super) fn is_half_full(&self) -> bool {
        self.offset > self.current_segment().octets / 2
    }

    /// Has a segment ready for a frame that does not fit; nothing in the log changes, so that a
    /// full disk here is no failure of the store.
    pub(super) fn make_room(&self, octets: usize) -> io::Result<()> {
        let mut spare = self.spare.lock();
        let wanted = self.limits.segment_octets.max(octets as u64);
        let enough = match &*spare {
            Some(file) => file.length()? >= wanted,
            None => false,
        };
        if !enough {
            *spare = None;
            *spare = Some(self.spare.prepare(&*self.disk, wanted)?);
        }
        Ok(())
    }

    /// Goes on in the prepared segment, which begins with this version.
    pub(super) fn turn(&mut self, first_version: u64, began_at: u32) -> io::Result<()> {
        // Held until the name is another one: whoever prepares the next one uses the same name.
        let mut spare = self.spare.lock();
        let file = spare
            .take()
            .ok_or_else(|| io::Error::other("no redo segment was prepared"))?;
        let octets = file.length()?;
        self.disk
            .rename(SPARE, &segment_name(&self.store_id, first_version))?;
        drop(spare);
        self.disk.sync_directory()?;
        if self.offset == 0 {
            // Its name would be the same: nothing was ever written to it.
            self.segments.pop_back();
        }
        self.segments.push_back(Segment {
            first_version,
            octets,
            began_at: Some(began_at),
        });
        self.current = file;
        self.offset = 0;
        Ok(())
    }

    /// Appends one frame and makes it durable.
    pub(super) fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        self.current.write_at(frame, self.offset)?;
        self.current.sync_data()?;
        self.offset += frame.len() as u64;
        self.appended += frame.len() as u64;
        Ok(())
    }

    /// Lets the oldest segments go that the history does not need: one becomes the spare, the others
    /// are removed. Never one that the checkpoint at `needed` needs.
    pub(super) fn retire(&mut self, needed: Position, now: u32) -> io::Result<()> {
        while self.segments.len() > 1
            && self.segments[1].first_version <= needed.segment
            && self.oldest_is_beyond_the_limits(now)?
        {
            let oldest = self.segments.pop_front().expect("there are two at least");
            let name = segment_name(&self.store_id, oldest.first_version);
            let mut spare = self.spare.lock();
            if spare.is_none() && oldest.octets == self.limits.segment_octets {
                self.disk.rename(&name, SPARE)?;
                *spare = Some(self.disk.open(SPARE, false)?);
            } else {
                self.disk.remove(&name)?;
            }
        }
        Ok(())
    }

    fn oldest_is_beyond_the_limits(&mut self, now: u32) -> io::Result<bool> {
        if self.octets() > self.limits.history_octets {
            return Ok(true);
        }
        // The oldest ended when the one after it began.
        let ended_at = match self.segments[1].began_at {
            Some(known) => known,
            None => {
                let name = segment_name(&self.store_id, self.segments[1].first_version);
                let file = self.disk.open(&name, false)?;
                let began = began_at(&self.store_id, &*file, self.segments[1].octets)?;
                *self.segments[1].began_at.insert(began.unwrap_or(now))
            }
        };
        Ok(now.saturating_sub(ended_at) > self.limits.history_secs)
    }

    fn current_segment(&self) -> &Segment {
        self.segments.back().expect("a log has a segment")
    }
}

/// Removes every segment that is not of this store, and the spare; before the log is opened.
pub(super) fn remove_others(disk: &dyn Disk, store_id: &[u8; 16]) -> io::Result<()> {
    disk.remove(SPARE)?;
    remove_segments_of_others(disk, store_id)
}

/// Removes every segment that is not of this store, whose log may be open.
pub(super) fn remove_segments_of_others(disk: &dyn Disk, store_id: &[u8; 16]) -> io::Result<()> {
    remove_where(disk, |name| {
        name != SPARE && first_version_of(name, store_id).is_none()
    })
}

/// Removes every segment of this store.
pub(super) fn remove_segments_of(disk: &dyn Disk, store_id: &[u8; 16]) -> io::Result<()> {
    remove_where(disk, |name| first_version_of(name, store_id).is_some())
}

fn remove_where(disk: &dyn Disk, goes: impl Fn(&str) -> bool) -> io::Result<()> {
    for name in disk.list()? {
        if name.starts_with(PREFIX) && goes(&name) {
            disk.remove(&name)?;
        }
    }
    Ok(())
}

fn find_segments(disk: &dyn Disk, store_id: &[u8; 16]) -> Result<VecDeque<Segment>, StoreError> {
    let mut segments = Vec::new();
    for name in disk
        .list()
        .map_err(StoreError::io("listing the zone's files"))?
    {
        if let Some(first_version) = first_version_of(&name, store_id) {
            let octets = disk
                .open(&name, false)
                .and_then(|file| file.length())
                .map_err(StoreError::reading(
                    &name,
                    "opening a segment of zone/redo-*",
                ))?;
            segments.push(Segment {
                first_version,
                octets,
                began_at: None,
            });
        }
    }
    segments.sort_by_key(|segment| segment.first_version);
    Ok(segments.into())
}

/// Signing time of the first commit of a segment; `None` when its first frame is not whole.
fn began_at(store_id: &[u8; 16], file: &dyn DiskFile, octets: u64) -> io::Result<Option<u32>> {
    let mut head = vec![0; octets.min(MAX_SEGMENT_OCTETS) as usize];
    file.read_at(&mut head, 0)?;
    let record = frame::whole(store_id, &head).and_then(|frame| frame.record());
    Ok(record.map(|record| record.last_signed_at))
}

fn segment_name(store_id: &[u8; 16], first_version: u64) -> String {
    format!("{PREFIX}{:08x}-{first_version:016x}", short_id(store_id))
}

fn short_id(store_id: &[u8; 16]) -> u32 {
    u32::from_be_bytes([store_id[0], store_id[1], store_id[2], store_id[3]])
}

fn first_version_of(name: &str, store_id: &[u8; 16]) -> Option<u64> {
    let hex = name.strip_prefix(PREFIX)?.split_once('-')?.1;
    let first_version = u64::from_str_radix(hex, 16).ok()?;
    (name == segment_name(store_id, first_version)).then_some(first_version)
}

#[cfg(test)]
mod tests;
