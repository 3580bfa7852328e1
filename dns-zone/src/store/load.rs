//! A whole tree written at once, from records in ascending order.
//!
//! Blocks are filled to the last place and index pages to the last entry; pages are numbered in the
//! order in which they are handed out, and none is handed out twice.

use std::io;

use thiserror::Error;

use super::block::{BLOCK_RECORDS, Source, write_block};
use super::index::{capacity, write_index};
use super::page::{Key, Page, PageNo};
use super::record::StoredRecord;
use super::tree::Root;

/// Why loading stopped.
#[derive(Debug, Error)]
pub(crate) enum LoadError {
    /// The pages could not be taken.
    #[error("writing the zone file: {0}")]
    Write(#[from] io::Error),
    /// A key is not after the one before it.
    #[error("records do not ascend")]
    NotAscending,
    /// More pages than numbers.
    #[error("the zone file would exceed 16 TiB")]
    TooLarge,
}

/// Takes records in ascending order and hands whole pages to `sink`.
#[derive(Debug)]
pub(crate) struct Loader<Sink> {
    sink: Sink,
    next_page: PageNo,
    version: u64,
    unit_secs: u32,
    records: u64,
    pages: u64,
    /// Records of the block being filled.
    block: Vec<(Key, StoredRecord)>,
    /// Entries of the index page being filled, on each level from 1.
    levels: Vec<Vec<(Key, PageNo)>>,
}

impl<Sink: FnMut(PageNo, &Page) -> io::Result<()>> Loader<Sink> {
    /// Pages get numbers from `first_page` on.
    pub(crate) fn new(first_page: PageNo, version: u64, unit_secs: u32, sink: Sink) -> Self {
        Self {
            sink,
            next_page: first_page,
            version,
            unit_secs: unit_secs.max(1),
            records: 0,
            pages: 0,
            block: Vec::with_capacity(BLOCK_RECORDS),
            levels: Vec::new(),
        }
    }

    /// Takes the next record.
    pub(crate) fn push(&mut self, key: Key, record: StoredRecord) -> Result<(), LoadError> {
        if self.block.last().is_some_and(|(last, _)| *last >= key) {
            return Err(LoadError::NotAscending);
        }
        if self.block.len() == BLOCK_RECORDS {
            self.write_block(Some(&key))?;
        }
        self.block.push((key, record));
        self.records += 1;
        Ok(())
    }

    /// Writes what is left; returns the root and the number of pages that the file needs.
    pub(crate) fn finish(mut self) -> Result<(Root, PageNo), LoadError> {
        if self.block.is_empty() {
            return Ok((Root::default(), self.next_page));
        }
        self.write_block(None)?;
        let mut level = 0;
        loop {
            let entries = &self.levels[level];
            if level + 1 == self.levels.len() && entries.len() == 1 {
                break;
            }
            self.write_index(level)?;
            level += 1;
        }
        let root = Root {
            page: self.levels[level][0].1,
            levels: level as u8,
            records: self.records,
            pages_live: self.pages,
        };
        Ok((root, self.next_page))
    }

    fn write_block(&mut self, fence: Option<&Key>) -> Result<(), LoadError> {
        let sources: Vec<_> = self
            .block
            .iter()
            .map(|(key, record)| Source::Changed(key, record))
            .collect();
        let page = write_block(&sources, fence, self.version, self.unit_secs);
        let first = self.block[0].0;
        self.block.clear();
        let number = self.hand_out(&page)?;
        self.enter(0, first, number)
    }

    /// Enters a page of one level into the index page above it, writing that first when it is full.
    fn enter(&mut self, level: usize, first: Key, number: PageNo) -> Result<(), LoadError> {
        if level == self.levels.len() {
            self.levels.push(Vec::new());
        }
        let is_full = self.levels[level]
            .first()
            .is_some_and(|(lowest, _)| self.levels[level].len() >= capacity(lowest, &first));
        if is_full {
            self.write_index(level)?;
        }
        self.levels[level].push((first, number));
        Ok(())
    }

    fn write_index(&mut self, level: usize) -> Result<(), LoadError> {
        let entries = std::mem::take(&mut self.levels[level]);
        let page = write_index(&entries, level as u8 + 1, self.version);
        let number = self.hand_out(&page)?;
        self.enter(level + 1, entries[0].0, number)
    }

    fn hand_out(&mut self, page: &Page) -> Result<PageNo, LoadError> {
        let number = self.next_page;
        self.next_page = number.checked_add(1).ok_or(LoadError::TooLarge)?;
        (self.sink)(number, page)?;
        self.pages += 1;
        Ok(number)
    }
}
