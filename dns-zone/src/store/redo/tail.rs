//! Finding the end of the log: whole frames in order, and nothing behind them.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::StoreError;
use super::super::disk::{Disk, DiskFile};
use super::super::frame::{self, ALIGNMENT, Frame, WholeFrame};
use super::{MAX_SEGMENT_OCTETS, Position, Segment, segment_name};

/// The end of the log while it is looked for.
pub(super) struct Tail {
    store_id: [u8; 16],
    next_version: u64,
    /// File, offset and octets of the last whole frame.
    last_frame: Option<(Arc<dyn DiskFile>, u64, Vec<u8>)>,
    pub(super) appended: u64,
}

impl Tail {
    pub(super) fn after(store_id: [u8; 16], checkpointed: u64) -> Self {
        Self {
            store_id,
            next_version: checkpointed.saturating_add(1),
            last_frame: None,
            appended: 0,
        }
    }

    /// Replays the frames from a position on; the last segment, and where the next frame goes.
    pub(super) fn read_all(
        &mut self,
        disk: &dyn Disk,
        segments: &VecDeque<Segment>,
        position: Position,
        mut replay: impl FnMut(Frame) -> Result<(), StoreError>,
    ) -> Result<(Arc<dyn DiskFile>, u64), StoreError> {
        let mut end = None;
        let needed = segments
            .iter()
            .skip_while(|segment| segment.first_version != position.segment);
        for segment in needed {
            let is_first = end.is_none();
            if !is_first && segment.first_version != self.next_version {
                return Err(self.gap(segment.first_version));
            }
            let name = segment_name(&self.store_id, segment.first_version);
            let file = disk.open(&name, false).map_err(StoreError::reading(
                &name,
                "opening a segment of zone/redo-*",
            ))?;
            let from = if is_first { position.offset } else { 0 };
            let offset = self.read(&file, &name, segment.octets, from, &mut replay)?;
            end = Some((file, offset));
        }
        end.ok_or(StoreError::RedoMissing {
            first_version: position.segment,
        })
    }

    /// Replays the frames of one segment; where they end.
    fn read(
        &mut self,
        file: &Arc<dyn DiskFile>,
        name: &str,
        segment_octets: u64,
        from: u64,
        replay: &mut impl FnMut(Frame) -> Result<(), StoreError>,
    ) -> Result<u64, StoreError> {
        let length = segment_octets
            .checked_sub(from)
            .filter(|length| *length <= MAX_SEGMENT_OCTETS && from.is_multiple_of(ALIGNMENT as u64))
            .ok_or(StoreError::RedoDamaged {
                zone_version: self.next_version,
            })?;
        let mut octets = vec![0; length as usize];
        file.read_at(&mut octets, from)
            .map_err(StoreError::reading(
                name,
                "reading a segment of zone/redo-*",
            ))?;
        let mut at = 0;
        while let Some(frame) = self.next_frame(&octets[at..]) {
            let decoded = frame.decode().ok_or(StoreError::RedoDamaged {
                zone_version: self.next_version,
            })?;
            replay(decoded)?;
            let end = (at + frame.octets).min(octets.len());
            let copy = octets[at..end].to_vec();
            self.last_frame = Some((Arc::clone(file), from + at as u64, copy));
            self.next_version = self.next_version.saturating_add(1);
            self.appended += (end - at) as u64;
            at = end;
        }
        self.nothing_later(&octets[at..])?;
        Ok(from + at as u64)
    }

    fn next_frame<'a>(&self, octets: &'a [u8]) -> Option<WholeFrame<'a>> {
        let frame = frame::whole(&self.store_id, octets)?;
        (frame.zone_version == self.next_version).then_some(frame)
    }

    /// Frames are synced one by one, so a power cut leaves no whole frame behind a broken one.
    fn nothing_later(&self, octets: &[u8]) -> Result<(), StoreError> {
        for at in (0..octets.len()).step_by(ALIGNMENT) {
            if !frame::may_begin(&octets[at..]) {
                continue;
            }
            if let Some(frame) = frame::whole(&self.store_id, &octets[at..])
                && frame.zone_version >= self.next_version
            {
                return Err(self.gap(frame.zone_version));
            }
        }
        Ok(())
    }

    fn gap(&self, found: u64) -> StoreError {
        StoreError::RedoGap {
            expected: self.next_version,
            found,
        }
    }

    /// After a sync that failed, the system's cache may hold a frame that the disk does not: what is
    /// taken for committed is written once more.
    pub(super) fn write_last_frame_again(&self) -> Result<(), StoreError> {
        let Some((file, offset, octets)) = &self.last_frame else {
            return Ok(());
        };
        file.write_at(octets, *offset)
            .and_then(|()| file.sync_data())
            .map_err(StoreError::io("writing the last redo frame again"))
    }
}
