//! Walking through a version in ascending order, block by block or record by record.

use super::super::block::BlockView;
use super::super::page::{Damaged, Key, PageNo};
use super::super::record::RecordView;
use super::Tree;

impl<'a> Tree<'a> {
    /// Records in ascending order, from the first at or after `from`.
    pub(crate) fn walk(&self, from: Option<&Key>) -> Walk<'a> {
        Walk {
            blocks: self.walk_blocks(from),
            from: from.copied(),
            block: None,
        }
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

/// Records in ascending order; ends after the first damaged page.
#[derive(Clone)]
pub(crate) struct Walk<'a> {
    blocks: WalkBlocks<'a>,
    /// What the first block is to be searched for.
    from: Option<Key>,
    block: Option<(BlockView<'a>, usize)>,
}

impl<'a> Iterator for Walk<'a> {
    type Item = Result<RecordView<'a>, Damaged>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((block, slot)) = &mut self.block
                && *slot < block.count()
            {
                let record = block.record(*slot);
                *slot += 1;
                return Some(Ok(record));
            }
            let block = match self.blocks.next()? {
                Ok((_, block)) => block,
                Err(damaged) => return Some(Err(damaged)),
            };
            let slot = match self.from.take() {
                Some(from) => (0..block.count())
                    .find(|slot| *block.key(*slot) >= from)
                    .unwrap_or(block.count()),
                None => 0,
            };
            self.block = Some((block, slot));
        }
    }
}
