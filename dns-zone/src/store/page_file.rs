//! The zone file as a row of pages that are written, mapped and given back.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::disk::DiskFile;
use super::mapping::Mapping;
use super::page::{PAGE_OCTETS, Page, PageNo};

/// Pages that are written in one call.
const WRITE_PAGES: usize = 256;
/// The file grows by a 256th of its pages, within these bounds.
const GROWTH_PAGES: (PageNo, PageNo) = (16, 1024);

/// The zone file, open and mapped.
#[derive(Debug)]
pub(super) struct PageFile {
    pub(super) blocks: Arc<dyn DiskFile>,
    pub(super) mapping: Arc<Mapping>,
    pages: PageNo,
    /// What is written stays in this process's memory.
    is_in_memory: bool,
}

impl PageFile {
    /// Maps a file; octets after its last whole page do not count.
    pub(super) fn new(blocks: Arc<dyn DiskFile>) -> io::Result<Self> {
        let pages = PageNo::try_from(blocks.length()? / PAGE_OCTETS as u64)
            .map_err(|_| io::Error::other("the zone file exceeds 16 TiB"))?;
        let mapping = Arc::new(Mapping::new(Arc::clone(&blocks), pages)?);
        Ok(Self {
            blocks,
            mapping,
            pages,
            is_in_memory: false,
        })
    }

    /// Maps a file for reading alone: pages that are written are this process's own and lie behind
    /// those of the file, of which there were so many.
    pub(super) fn in_memory(blocks: Arc<dyn DiskFile>, file_pages: PageNo) -> io::Result<Self> {
        let present = PageNo::try_from(blocks.length()? / PAGE_OCTETS as u64)
            .map_err(|_| io::Error::other("the zone file exceeds 16 TiB"))?;
        let mapping = Mapping::private(Arc::clone(&blocks), present)?;
        // A page that was cut off the file is damaged, and is never another one.
        let pages = present.max(file_pages);
        mapping.set_bounds(pages)?;
        Ok(Self {
            blocks,
            mapping: Arc::new(mapping),
            pages,
            is_in_memory: true,
        })
    }

    /// Length of the file in pages.
    pub(super) fn pages(&self) -> PageNo {
        self.pages
    }

    /// Takes room for at least so many pages. Nothing else changes, so that a full disk here is no
    /// failure of the store.
    pub(super) fn grow(&mut self, pages: PageNo) -> io::Result<()> {
        if pages <= self.pages {
            return Ok(());
        }
        let step = (self.pages / 256).clamp(GROWTH_PAGES.0, GROWTH_PAGES.1);
        let pages = pages.max(self.pages.saturating_add(step));
        if !self.is_in_memory {
            self.blocks.reserve(offset_of(pages))?;
        }
        self.mapping.set_bounds(pages)?;
        self.pages = pages;
        Ok(())
    }

    /// Takes room for pages that were given back to the file system.
    pub(super) fn refill(&self, pages: &[PageNo]) -> io::Result<()> {
        for run in pages.chunk_by(|one, next| one.checked_add(1) == Some(*next)) {
            let octets = (run.len() * PAGE_OCTETS) as u64;
            self.blocks.refill(offset_of(run[0]), octets)?;
        }
        Ok(())
    }

    /// Pages without room on the disk, as far as the file system tells.
    pub(super) fn punched(&self) -> io::Result<Vec<Range<PageNo>>> {
        let page = |octets: u64| PageNo::try_from(octets).unwrap_or(PageNo::MAX);
        let holes = self.blocks.holes()?.into_iter();
        let pages = holes.map(|hole| {
            let octets = PAGE_OCTETS as u64;
            page(hole.start / octets)..page(hole.end.div_ceil(octets))
        });
        Ok(pages.collect())
    }

    /// Writes pages, neighbours together; they can be read through the mapping at once.
    pub(super) fn write(&mut self, mut pages: Vec<(PageNo, Box<Page>)>) -> io::Result<()> {
        if self.is_in_memory {
            return self.write_in_memory(&pages);
        }
        pages.sort_unstable_by_key(|(number, _)| *number);
        let neighbours = pages.chunk_by(|(one, _), (next, _)| one.checked_add(1) == Some(*next));
        let mut octets = Vec::new();
        for run in neighbours.flat_map(|run| run.chunks(WRITE_PAGES)) {
            octets.clear();
            run.iter()
                .for_each(|(_, page)| octets.extend_from_slice(&page[..]));
            self.blocks.write_at(&octets, offset_of(run[0].0))?;
            run.iter()
                .for_each(|(number, _)| self.mapping.note_written(*number));
        }
        Ok(())
    }

    fn write_in_memory(&mut self, pages: &[(PageNo, Box<Page>)]) -> io::Result<()> {
        let mapping = self.own_mapping()?;
        for (number, page) in pages {
            mapping.write(*number, page)?;
        }
        Ok(())
    }

    /// Makes a page of this process's memory one that nobody takes for whole.
    pub(super) fn spoil(&mut self, page: PageNo) -> io::Result<()> {
        if page >= self.pages {
            return Ok(()); // nobody takes that for whole either
        }
        self.own_mapping()?.write(page, &[0; PAGE_OCTETS])
    }

    fn own_mapping(&mut self) -> io::Result<&mut Mapping> {
        Arc::get_mut(&mut self.mapping).ok_or_else(|| io::Error::other("somebody reads it already"))
    }

    /// Cuts the file; no version reaches the pages behind.
    pub(super) fn cut(&mut self, pages: PageNo) -> io::Result<()> {
        self.mapping.set_bounds(pages)?;
        self.pages = pages;
        self.blocks.set_len(offset_of(pages))
    }

    /// Gives the room of pages back that no version reaches.
    pub(super) fn punch(&self, pages: &Range<PageNo>) -> io::Result<()> {
        let octets = offset_of(pages.end) - offset_of(pages.start);
        self.blocks.punch(offset_of(pages.start), octets)
    }

    /// Asks for pages to be read ahead; ascending order makes long reads of neighbours.
    pub(super) fn will_need(&self, pages: &[PageNo]) {
        for run in pages.chunk_by(|one, next| one.checked_add(1) == Some(*next)) {
            self.blocks
                .will_need(offset_of(run[0]), (run.len() * PAGE_OCTETS) as u64);
        }
    }
}

/// Where a page lies.
pub(super) fn offset_of(page: PageNo) -> u64 {
    u64::from(page) * PAGE_OCTETS as u64
}
