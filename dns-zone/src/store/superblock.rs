//! Superblocks: pages 0 and 1 of the zone file, which say what the last checkpoint made durable.
//!
//! | octets | field |
//! |---|---|
//! | 0..4 | CRC32C of octets 4..4096 |
//! | 4 | page kind 4 |
//! | 8..16 | magic `iotblk03` (its last two digits are the format) |
//! | 16..24 | number of the checkpoint; the whole slot with the highest one counts |
//! | 24..40 | the store's id |
//! | 40..72 | digest of the zone's shape |
//! | 72..76 | time unit in seconds |
//! | 76..97 | root: page 4, levels 1, records 8, live pages 8 |
//! | 97..105 | fixed names: page 4, octets 4 |
//! | 105..121 | redo position: first version of the segment 8, offset 8 |
//! | 121..125 | pages of the file |
//! | 125..295 | commit record |
//!
//! Slot 0 is written first and synced, then slot 1 gets the same octets; so while one of them is
//! being written the other one is whole, and later both say the same.

use std::io;

use super::StoreError;
use super::blob::Blob;
use super::disk::DiskFile;
use super::octets::Octets;
use super::page::{self, PAGE_OCTETS, Page, PageNo};
use super::record_of_commit::CommitRecord;
use super::redo::Position;
use super::tree::Root;
use super::zone_store::BLOCKS;

/// Superblock slots; they lie at the beginning of the file.
pub(super) const SLOTS: u64 = 2;

const KIND: u8 = 4;
const MAGIC: [u8; 8] = *b"iotblk03";
const MAGIC_AT: usize = 8;

/// What one checkpoint made durable.
#[derive(Clone, Debug)]
pub(super) struct Superblock {
    pub(super) checkpoint: u64,
    pub(super) store_id: [u8; 16],
    pub(super) shape_digest: [u8; 32],
    pub(super) unit_secs: u32,
    pub(super) root: Root,
    pub(super) fixed: Blob,
    pub(super) redo: Position,
    pub(super) file_pages: PageNo,
    pub(super) record: CommitRecord,
}

impl Superblock {
    pub(super) fn encode(&self) -> Box<Page> {
        let mut out = Vec::with_capacity(PAGE_OCTETS);
        out.extend_from_slice(&[0, 0, 0, 0, KIND, 0, 0, 0]);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.checkpoint.to_le_bytes());
        out.extend_from_slice(&self.store_id);
        out.extend_from_slice(&self.shape_digest);
        out.extend_from_slice(&self.unit_secs.to_le_bytes());
        out.extend_from_slice(&self.root.page.to_le_bytes());
        out.push(self.root.levels);
        out.extend_from_slice(&self.root.records.to_le_bytes());
        out.extend_from_slice(&self.root.pages_live.to_le_bytes());
        out.extend_from_slice(&self.fixed.page.to_le_bytes());
        out.extend_from_slice(&self.fixed.octets.to_le_bytes());
        out.extend_from_slice(&self.redo.segment.to_le_bytes());
        out.extend_from_slice(&self.redo.offset.to_le_bytes());
        out.extend_from_slice(&self.file_pages.to_le_bytes());
        self.record.encode(&mut out);
        let mut page = Box::new([0; PAGE_OCTETS]);
        page[..out.len()].copy_from_slice(&out);
        page::seal(&mut page);
        page
    }

    /// Reads a slot; `None` unless it is whole and of this format.
    pub(super) fn decode(page: &Page) -> Option<Self> {
        if !page::is_whole(page) || page[4] != KIND {
            return None;
        }
        let mut octets = Octets::new(&page[MAGIC_AT..]);
        if octets.array()? != MAGIC {
            return None;
        }
        Some(Self {
            checkpoint: octets.u64()?,
            store_id: octets.array()?,
            shape_digest: octets.array()?,
            unit_secs: octets.u32().filter(|unit| *unit > 0)?,
            root: Root {
                page: octets.u32()?,
                levels: octets.u8()?,
                records: octets.u64()?,
                pages_live: octets.u64()?,
            },
            fixed: Blob {
                page: octets.u32()?,
                octets: octets.u32()?,
            },
            redo: Position {
                segment: octets.u64()?,
                offset: octets.u64()?,
            },
            file_pages: octets.u32()?,
            record: CommitRecord::decode(&mut octets)?,
        })
    }
}

/// Reads both slots; the newest whole one, though the other one cannot be read.
pub(super) fn newest(file: &dyn DiskFile) -> Result<Superblock, StoreError> {
    let mut newest: Option<Superblock> = None;
    let mut reason = StoreError::SuperblockDamaged;
    for slot in 0..SLOTS {
        let mut page = [0; PAGE_OCTETS];
        match file.read_at(&mut page, slot * PAGE_OCTETS as u64) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                tracing::error!(alarm = true, slot, %error, "a superblock cannot be read");
                reason = StoreError::reading(BLOCKS, "reading a superblock of zone/blocks")(error);
                continue;
            }
            _ => {}
        }
        if is_of_another_format(&page) {
            reason = StoreError::OtherFormat;
        }
        if let Some(found) = Superblock::decode(&page)
            && newest
                .as_ref()
                .is_none_or(|newest| newest.checkpoint < found.checkpoint)
        {
            newest = Some(found);
        }
    }
    newest.ok_or(reason)
}

/// Writes one slot; durable after the next sync.
pub(super) fn write(file: &dyn DiskFile, slot: u64, page: &Page) -> io::Result<()> {
    file.write_at(&page[..], slot * PAGE_OCTETS as u64)
}

/// Whether the page is a whole superblock of another format.
fn is_of_another_format(page: &Page) -> bool {
    page::is_whole(page)
        && page[4] == KIND
        && page[MAGIC_AT..].starts_with(&MAGIC[..6])
        && !page[MAGIC_AT..].starts_with(&MAGIC)
}

#[cfg(test)]
mod tests {
    use super::super::record_of_commit::tests::record;
    use super::*;

    fn superblock() -> Superblock {
        Superblock {
            checkpoint: 9,
            store_id: [1; 16],
            shape_digest: [2; 32],
            unit_secs: 16,
            root: Root {
                page: 3,
                levels: 2,
                records: 4,
                pages_live: 5,
            },
            fixed: Blob { page: 6, octets: 7 },
            redo: Position {
                segment: 8,
                offset: 16,
            },
            file_pages: 10,
            record: record(11),
        }
    }

    #[test]
    fn superblock_is_read_back_and_any_flipped_bit_is_seen() {
        let mut page = superblock().encode();
        let read = Superblock::decode(&page).unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", superblock()));
        for bit in (0..PAGE_OCTETS * 8).step_by(7).chain(0..400 * 8) {
            page[bit / 8] ^= 1 << (bit % 8);
            assert!(Superblock::decode(&page).is_none(), "bit {bit}");
            page[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(Superblock::decode(&[0; PAGE_OCTETS]).is_none());
    }

    #[test]
    fn another_format_is_told_from_damage() {
        let mut page = superblock().encode();
        assert!(!is_of_another_format(&page));
        page[MAGIC_AT + 7] = b'9';
        assert!(!is_of_another_format(&page), "damaged");
        page::seal(&mut page);
        assert!(is_of_another_format(&page));
        assert!(Superblock::decode(&page).is_none());
    }
}
