//! Second pass: no block too full, none needlessly empty.
//!
//! An overfull block shares evenly with its neighbours under the same index page. Only when three
//! neighbours and one more on either side are full, the three become four. So random growth keeps
//! blocks about 85 % full, where halving a full block would end at 69 %.

use std::ops::Range;

use super::super::block::{BLOCK_RECORDS, Source};
use super::super::page::Damaged;
use super::plan::{Child, Entry, Node, Plan};

/// Blocks that share.
const WINDOW: usize = 3;
/// Most blocks that are packed at once after a removal.
const PACKED_MAX: usize = 4;
/// Places left over when blocks are packed, so that the next record does not split them again.
const SLACK: usize = 2;
/// Records in each of a run of rewritten blocks that is packed.
const RUN_RECORDS: usize = BLOCK_RECORDS - 1;

impl<'a> Plan<'a> {
    /// Balances the blocks of a node on level 1.
    pub(super) fn balance_blocks(&mut self, node: &mut Node<'a>) -> Result<(), Damaged> {
        let mut at = 0;
        while at < node.entries.len() {
            at = if node.entries[at].opened_records() > Some(BLOCK_RECORDS) {
                self.spread(node, at)?
            } else {
                at + 1
            };
        }
        self.pack_runs(node)?;
        let mut at = 0;
        while at < node.entries.len() {
            at = if node.entries[at].may_be_packed() {
                self.pack_around(node, at)?
            } else {
                at + 1
            };
        }
        Ok(())
    }

    /// Shares an overfull block with its neighbours; returns the place after them.
    fn spread(&mut self, node: &mut Node<'a>, at: usize) -> Result<usize, Damaged> {
        let length = node.entries.len();
        let start = at
            .saturating_sub(WINDOW / 2)
            .min(length.saturating_sub(WINDOW));
        let mut window = start..(start + WINDOW).min(length);
        if self.count(node, window.clone()).is_none() {
            // A neighbour that cannot be read shares nothing.
            window = at..at + 1;
        } else if !self.fits(node, &window)
            && let Some(wider) = self.with_room(node, &window)
        {
            window = wider;
        }
        let records = self.count(node, window.clone()).unwrap_or(0);
        let blocks = window.len().max(records.div_ceil(BLOCK_RECORDS));
        self.redistribute(node, window, blocks)
    }

    fn fits(&self, node: &Node<'a>, window: &Range<usize>) -> bool {
        let most = window.len() * BLOCK_RECORDS;
        self.count(node, window.clone())
            .is_some_and(|records| records <= most)
    }

    /// The window with the one of its two neighbours that has more room, if that is enough.
    fn with_room(&self, node: &Node<'a>, window: &Range<usize>) -> Option<Range<usize>> {
        let (start, end) = (window.start, window.end);
        let before = start.checked_sub(1).map(|start| start..end);
        let after = (end < node.entries.len()).then_some(start..end + 1);
        let wider = [before, after].into_iter().flatten();
        wider
            .filter(|wider| self.fits(node, wider))
            .min_by_key(|wider| self.count(node, wider.clone()))
    }

    /// Packs each run of rewritten neighbours where that saves a block: they are written anyway.
    fn pack_runs(&mut self, node: &mut Node<'a>) -> Result<(), Damaged> {
        let mut start = 0;
        while start < node.entries.len() {
            let run = node.entries[start..]
                .iter()
                .map_while(Entry::opened_records)
                .collect::<Vec<_>>();
            let blocks = run.iter().sum::<usize>().div_ceil(RUN_RECORDS);
            let end = start + run.len();
            start = if blocks < run.len() {
                self.redistribute(node, start..end, blocks)? + 1
            } else {
                end + 1
            };
        }
        Ok(())
    }

    /// Packs a shrunk block with neighbours where that saves one; returns where to go on.
    fn pack_around(&mut self, node: &mut Node<'a>, at: usize) -> Result<usize, Damaged> {
        for blocks in 1..PACKED_MAX {
            let most = blocks * BLOCK_RECORDS - SLACK;
            let lowest = at.saturating_sub(blocks);
            for start in lowest..=at {
                let window = start..start + blocks + 1;
                let fits = |records| records <= most;
                if window.end <= node.entries.len()
                    && self.count(node, window.clone()).is_some_and(fits)
                {
                    return self.redistribute(node, window, blocks);
                }
            }
        }
        Ok(at + 1)
    }

    /// Records of some neighbours, opened or not; none when one of them cannot be read.
    fn count(&self, node: &Node<'a>, window: Range<usize>) -> Option<usize> {
        let mut records = 0;
        for entry in &node.entries[window] {
            records += match entry.child {
                Child::Kept(page) => self.tree.block(page).ok()?.count(),
                Child::Block(_) | Child::Node(_) => entry.opened_records().unwrap_or(0),
            };
        }
        Some(records)
    }

    /// Spreads the records of a window evenly over a number of blocks; returns the place after them.
    fn redistribute(
        &mut self,
        node: &mut Node<'a>,
        window: Range<usize>,
        blocks: usize,
    ) -> Result<usize, Damaged> {
        node.has_old_keys = false;
        let mut sources: Vec<Source<'a>> = Vec::new();
        for entry in &mut node.entries[window.clone()] {
            sources.append(&mut self.open_block(entry)?.sources);
        }
        let after = window.start + blocks;
        node.entries
            .splice(window, divide(&sources, blocks).map(Entry::of_block));
        Ok(after)
    }
}

impl Entry<'_> {
    /// Records of an opened block.
    fn opened_records(&self) -> Option<usize> {
        match &self.child {
            Child::Block(block) => Some(block.sources.len()),
            Child::Kept(_) | Child::Node(_) => None,
        }
    }

    /// Whether a record was taken out and few are left.
    fn may_be_packed(&self) -> bool {
        const MOST: usize = ((PACKED_MAX - 1) * BLOCK_RECORDS - SLACK) / PACKED_MAX;
        matches!(&self.child, Child::Block(block)
            if block.has_shrunk && block.sources.len() <= MOST)
    }
}

/// Parts of nearly equal length.
pub(super) fn divide<T: Clone>(all: &[T], parts: usize) -> impl Iterator<Item = Vec<T>> {
    let (least, longer) = (all.len() / parts, all.len() % parts);
    (0..parts).map(move |part| {
        let start = part * least + part.min(longer);
        let length = least + usize::from(part < longer);
        all[start..start + length].to_vec()
    })
}
