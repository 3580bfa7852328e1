//! Finding records in one version of the zone.
//!
//! A version is a [`Root`]: a tree of index pages over data blocks, none of which changes while the
//! version is held. A lookup reads one page a level and the block, and allocates nothing. Its two
//! halves can be called apart, [`Tree::locate`] and [`Tree::floor_in`], so that a whole batch of
//! queries has its blocks fetched while others are searched.

#[cfg(test)]
mod tests;
mod walk;

use super::block::{BlockView, RECORDS_AT};
use super::index::{IndexView, Search};
use super::mapping::Mapping;
use super::page::{Damaged, KEY_OCTETS, Key, PageNo};
use super::record::{RECORD_OCTETS, RecordView};

pub(crate) use walk::{Unreadable, WalkAround};

const CACHE_LINE_OCTETS: usize = 64;

/// Where a version of the tree begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Root {
    /// Topmost page; 0 when there is no record.
    pub(crate) page: PageNo,
    /// Levels of index above the data blocks; 0 when the topmost page is a block itself.
    pub(crate) levels: u8,
    /// Records in it.
    pub(crate) records: u64,
    /// Index pages and data blocks in it.
    pub(crate) pages_live: u64,
}

/// One version of the tree, to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tree<'a> {
    mapping: &'a Mapping,
    root: &'a Root,
    unit_secs: u32,
}

/// Names that cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Gap {
    /// About how many they are.
    pub(crate) names: u64,
    /// The first key behind them; none when nothing is known to follow.
    pub(crate) next: Option<Key>,
}

/// A record's place in the version it was found in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cursor {
    pub(crate) page: PageNo,
    pub(crate) slot: u8,
}

/// The block for a key, as [`Tree::locate`] gives it.
pub(crate) type Located = Result<Option<PageNo>, Damaged>;

impl Cursor {
    fn new(page: PageNo, slot: usize) -> Self {
        Self {
            page,
            slot: slot as u8,
        }
    }
}

impl<'a> Tree<'a> {
    /// The version with this root. Whoever calls holds it (see [`Mapping`]); times in it have this
    /// unit, at least 1.
    pub(crate) fn new(mapping: &'a Mapping, root: &'a Root, unit_secs: u32) -> Self {
        Self {
            mapping,
            root,
            unit_secs: unit_secs.max(1),
        }
    }

    pub(crate) fn root(&self) -> &'a Root {
        self.root
    }

    pub(crate) fn mapping(&self) -> &'a Mapping {
        self.mapping
    }

    pub(crate) fn unit_secs(&self) -> u32 {
        self.unit_secs
    }

    /// The block that holds the last record at or before the key; `None` when it is before the
    /// first. Does not touch the block.
    #[inline]
    pub(crate) fn locate(&self, key: &Key) -> Result<Option<PageNo>, Damaged> {
        let mut page = self.root.page;
        let mut level = self.root.levels;
        if page == 0 {
            return Ok(None);
        }
        if level == 0 {
            let first = self.block(page)?.key(0);
            return Ok((first <= key).then_some(page));
        }
        while level > 0 {
            let index = self.index(page, level)?;
            let Some(at) = index.floor(key) else {
                return Ok(None);
            };
            page = index.child(at);
            level -= 1;
        }
        Ok(Some(page))
    }

    /// [`Tree::locate`] for many keys at once; nothing is looked for where there is no key. Below the
    /// topmost page, which is always at hand, the searches of a level take their steps together: the
    /// memory that they wait for is fetched at the same time.
    #[inline]
    pub(crate) fn locate_all<const N: usize>(&self, keys: &[Option<&Key>; N]) -> [Located; N] {
        let levels = self.root.levels;
        let mut located: [Located; N] = [Ok(None); N];
        if self.root.page == 0 || levels == 0 {
            for (located, key) in located.iter_mut().zip(keys) {
                *located = key.map_or(Ok(None), |key| self.locate(key));
            }
            return located;
        }
        for (located, key) in located.iter_mut().zip(keys) {
            let Some(key) = key else { continue };
            *located = self.index(self.root.page, levels).map(|index| {
                let child = index.floor(key).map(|at| index.child(at));
                if let Some(page) = child {
                    self.mapping.prefetch(page, 0);
                }
                child
            });
        }
        for level in (1..levels).rev() {
            self.descend(level, keys, &mut located);
        }
        located
    }

    /// From the index pages of a level to their children.
    #[inline]
    fn descend<const N: usize>(
        &self,
        level: u8,
        keys: &[Option<&Key>; N],
        located: &mut [Located; N],
    ) {
        let mut searches: [Option<Search<'_>>; N] = [const { None }; N];
        for ((search, key), located) in searches.iter_mut().zip(keys).zip(located.iter_mut()) {
            if let (Some(key), Ok(Some(page))) = (key, *located) {
                match self.index(page, level) {
                    Ok(index) => *search = Some(index.search(key)),
                    Err(damaged) => *located = Err(damaged),
                }
            }
        }
        let mut goes_on = true;
        while goes_on {
            goes_on = false;
            for search in searches.iter_mut().flatten() {
                goes_on |= search.step();
            }
        }
        for ((search, key), located) in searches.iter().zip(keys).zip(located) {
            if let (Some(search), Some(key)) = (search, key) {
                let child = search.finish(key).map(|at| search.index().child(at));
                if let Some(page) = child {
                    self.mapping.prefetch(page, 0);
                }
                *located = Ok(child);
            }
        }
    }

    /// The last record at or before the key; `None` when it is before the first.
    #[inline]
    pub(crate) fn floor(&self, key: &Key) -> Result<Option<Cursor>, Damaged> {
        match self.locate(key)? {
            Some(page) => self.floor_in(page, key).map(Some),
            None => Ok(None),
        }
    }

    /// The last record at or before the key in the block that [`Tree::locate`] gave for it.
    #[inline]
    pub(crate) fn floor_in(&self, page: PageNo, key: &Key) -> Result<Cursor, Damaged> {
        match self.block(page)?.floor(key) {
            Some(slot) => Ok(Cursor::new(page, slot)),
            None => Err(Damaged { page }),
        }
    }

    /// Asks for the part of a block that is searched.
    #[inline]
    pub(crate) fn prefetch_head(&self, page: PageNo) {
        self.mapping.prefetch(page, 0);
        self.mapping.prefetch(page, CACHE_LINE_OCTETS);
    }

    /// Asks for a record, and for the key after it.
    #[inline]
    pub(crate) fn prefetch_record(&self, cursor: Cursor) {
        let start = RECORDS_AT + usize::from(cursor.slot) * RECORD_OCTETS;
        let end = start + RECORD_OCTETS + KEY_OCTETS;
        let lines = start / CACHE_LINE_OCTETS..end.div_ceil(CACHE_LINE_OCTETS);
        for line in lines {
            self.mapping.prefetch(cursor.page, line * CACHE_LINE_OCTETS);
        }
    }

    /// The record at a cursor of this version.
    #[inline]
    pub(crate) fn record(&self, cursor: Cursor) -> Result<RecordView<'a>, Damaged> {
        let block = self.block(cursor.page)?;
        let slot = usize::from(cursor.slot);
        if slot < block.count() {
            Ok(block.record(slot))
        } else {
            Err(Damaged { page: cursor.page })
        }
    }

    /// The key after the cursor's; `None` at the very end. Touches no other block.
    #[inline]
    pub(crate) fn next_key(&self, cursor: Cursor) -> Result<Option<Key>, Damaged> {
        let block = self.block(cursor.page)?;
        Ok(block.next_key(usize::from(cursor.slot)).copied())
    }

    /// The record with exactly this key.
    pub(crate) fn find(&self, key: &Key) -> Result<Option<Cursor>, Damaged> {
        let Some(page) = self.locate(key)? else {
            return Ok(None);
        };
        let slot = self.block(page)?.find(key);
        Ok(slot.map(|slot| Cursor::new(page, slot)))
    }

    /// The first record of all.
    pub(crate) fn first(&self) -> Result<Option<Cursor>, Damaged> {
        let edge = self.edge(|_| 0)?;
        Ok(edge.map(|page| Cursor::new(page, 0)))
    }

    /// The last record of all.
    #[cfg(test)]
    pub(crate) fn last(&self) -> Result<Option<Cursor>, Damaged> {
        let Some(page) = self.edge(|index| index.count() - 1)? else {
            return Ok(None);
        };
        let count = self.block(page)?.count();
        Ok(Some(Cursor::new(page, count - 1)))
    }

    /// The record after the cursor's.
    #[cfg(test)]
    pub(crate) fn next(&self, cursor: Cursor) -> Result<Option<Cursor>, Damaged> {
        let block = self.block(cursor.page)?;
        let after = usize::from(cursor.slot) + 1;
        if after < block.count() {
            return Ok(Some(Cursor::new(cursor.page, after)));
        }
        match block.fence() {
            Some(fence) => self.find(fence)?.map_or_else(
                || Err(Damaged { page: cursor.page }),
                |cursor| Ok(Some(cursor)),
            ),
            None => Ok(None),
        }
    }

    /// The record before the cursor's.
    pub(crate) fn previous(&self, cursor: Cursor) -> Result<Option<Cursor>, Damaged> {
        if cursor.slot > 0 {
            return Ok(Some(Cursor::new(cursor.page, usize::from(cursor.slot) - 1)));
        }
        let first = self.block(cursor.page)?.key(0);
        match key_before(first) {
            Some(key) => self.floor(&key),
            None => Ok(None),
        }
    }

    /// A block of this version.
    #[inline]
    pub(crate) fn block(&self, page: PageNo) -> Result<BlockView<'a>, Damaged> {
        BlockView::new(self.mapping.page(page)?, page, self.unit_secs)
    }

    /// An index page of this version.
    #[inline]
    pub(crate) fn index(&self, page: PageNo, level: u8) -> Result<IndexView<'a>, Damaged> {
        IndexView::new(self.mapping.page(page)?, page, level)
    }

    /// What the damaged page on the way to `from` holds, be it an index page or the block, as far as
    /// the pages above it tell.
    pub(crate) fn gap_at(&self, from: &Key) -> Gap {
        let mut gap = Gap {
            names: self.root.records,
            next: None,
        };
        let mut page = self.root.page;
        for level in (1..=self.root.levels).rev() {
            let Ok(index) = self.index(page, level) else {
                break;
            };
            let at = index.floor(from).unwrap_or(0);
            if at + 1 < index.count() {
                gap.next = Some(index.key(at + 1));
            }
            gap.names = (gap.names / index.count() as u64).max(1);
            page = index.child(at);
        }
        gap
    }

    /// All pages of this version, in no particular order; reads the index, not the blocks.
    #[cfg(test)]
    pub(crate) fn live_pages(&self) -> Result<Vec<PageNo>, Damaged> {
        if self.root.page == 0 {
            return Ok(Vec::new());
        }
        let mut pages = vec![self.root.page];
        let mut level_start = 0;
        for level in (1..=self.root.levels).rev() {
            let level_end = pages.len();
            for at in level_start..level_end {
                let index = self.index(pages[at], level)?;
                pages.extend((0..index.count()).map(|child| index.child(child)));
            }
            level_start = level_end;
        }
        Ok(pages)
    }

    /// The block that is reached by the same choice on every level.
    fn edge(&self, choose: impl Fn(&IndexView<'_>) -> usize) -> Result<Option<PageNo>, Damaged> {
        let mut page = self.root.page;
        if page == 0 {
            return Ok(None);
        }
        for level in (1..=self.root.levels).rev() {
            let index = self.index(page, level)?;
            page = index.child(choose(&index));
        }
        Ok(Some(page))
    }
}

/// The key just before this one, if there is any.
pub(super) fn key_before(key: &Key) -> Option<Key> {
    let mut before = *key;
    for octet in before.iter_mut().rev() {
        let (value, borrowed) = octet.overflowing_sub(1);
        *octet = value;
        if !borrowed {
            return Some(before);
        }
    }
    None
}
