//! Walking through a version in ascending order, block by block or record by record.

use super::super::block::BlockView;
use super::super::page::{Damaged, KEY_OCTETS, Key, PageNo};
use super::super::record::RecordView;
use super::{Gap, Tree};

/// No key is before this one.
const FIRST_KEY: Key = [0; KEY_OCTETS];

impl<'a> Tree<'a> {
    /// Records in ascending order, and what cannot be read between them.
    pub(crate) fn walk_around(&self) -> WalkAround<'a> {
        self.walk_from(FIRST_KEY)
    }

    fn walk_from(&self, from: Key) -> WalkAround<'a> {
        WalkAround {
            tree: *self,
            at: Some(from),
            block: None,
        }
    }

    /// Records in ascending order, from the first at or after `from`.
    #[cfg(test)]
    pub(crate) fn walk(
        &self,
        from: Option<&Key>,
    ) -> impl Iterator<Item = Result<RecordView<'a>, Damaged>> + use<'a> {
        let around = self.walk_from(from.copied().unwrap_or(FIRST_KEY));
        around.map(|record| record.map_err(|Unreadable { page, .. }| Damaged { page }))
    }

    /// Blocks in ascending order, from the one that holds the last record at or before `from` (or
    /// the very first).
    pub(crate) fn walk_blocks(&self, from: Option<&Key>) -> WalkBlocks<'a> {
        WalkBlocks {
            tree: *self,
            at: match from {
                Some(key) => At::Key(*key),
                None => At::Start,
            },
        }
    }
}

/// Blocks in ascending order; ends after the first damaged page.
#[derive(Clone, Debug)]
pub(crate) struct WalkBlocks<'a> {
    tree: Tree<'a>,
    at: At,
}

#[derive(Clone, Debug)]
enum At {
    Start,
    Key(Key),
    End,
}

impl<'a> WalkBlocks<'a> {
    fn step(&mut self) -> Result<Option<(PageNo, BlockView<'a>)>, Damaged> {
        let at = std::mem::replace(&mut self.at, At::End);
        let page = match at {
            At::Start => self.tree.edge(|_| 0)?,
            At::Key(key) => match self.tree.locate(&key)? {
                Some(page) => Some(page),
                None => self.tree.edge(|_| 0)?,
            },
            At::End => None,
        };
        let Some(page) = page else { return Ok(None) };
        let block = self.tree.block(page)?;
        if let Some(fence) = block.fence() {
            // A fence at or before its own block would lead in circles.
            if fence <= block.key(block.count().saturating_sub(1)) {
                return Err(Damaged { page });
            }
            self.at = At::Key(*fence);
        }
        Ok(Some((page, block)))
    }
}

impl<'a> Iterator for WalkBlocks<'a> {
    type Item = Result<(PageNo, BlockView<'a>), Damaged>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// Names under a page that cannot be read, from one key to the next that can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) page: PageNo,
    /// The first of them; before everything when nothing was read in front of them. Exact behind a
    /// record.
    pub(crate) from: Key,
    pub(crate) gap: Gap,
}

/// Records in ascending order; goes around damaged pages.
pub(crate) struct WalkAround<'a> {
    tree: Tree<'a>,
    /// Where the next block begins; none at the end.
    at: Option<Key>,
    block: Option<(BlockView<'a>, usize)>,
}

impl<'a> Iterator for WalkAround<'a> {
    type Item = Result<RecordView<'a>, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((block, slot)) = &mut self.block
                && *slot < block.count()
            {
                let record = block.record(*slot);
                *slot += 1;
                return Some(Ok(record));
            }
            let from = self.at.take()?;
            match self.tree.walk_blocks(Some(&from)).next()? {
                Ok((_, block)) => {
                    let first = (0..block.count()).find(|slot| *block.key(*slot) >= from);
                    self.at = block.fence().copied();
                    self.block = Some((block, first.unwrap_or(block.count())));
                }
                Err(Damaged { page }) => {
                    let mut gap = self.tree.gap_at(&from);
                    // One that does not lead on would lead in circles.
                    gap.next = gap.next.filter(|next| *next > from);
                    (self.at, self.block) = (gap.next, None);
                    return Some(Err(Unreadable { page, from, gap }));
                }
            }
        }
    }
}
