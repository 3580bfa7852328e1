//! Verifying the structure of a whole version: for tests and for the check of the zone.

use std::collections::HashSet;

use thiserror::Error;

use super::block::BlockView;
use super::index::IndexView;
use super::page::{Damaged, FIRST_PAGE, Key, PageNo};
use super::tree::Tree;

/// What a version consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Structure {
    /// Records, also in the root.
    pub(crate) records: u64,
    /// Data blocks.
    pub(crate) blocks: u64,
    /// Index pages.
    pub(crate) indexes: u64,
}

/// What is wrong in a version's structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum StructureError {
    /// A page cannot be trusted.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// A page is reached twice, or is none of the tree's.
    #[error("page {page} of the zone file is reached twice")]
    Shared { page: PageNo },
    /// Keys in a page do not ascend, or are not those that the page above promises.
    #[error("page {page} of the zone file is out of order")]
    Order { page: PageNo },
    /// What is derived from the keys of a block is not what it should be.
    #[error("page {page} of the zone file is inconsistent")]
    Inconsistent { page: PageNo },
    /// A fence is not the first key of the next block.
    #[error("the fence of page {page} of the zone file is not the next key")]
    Fence { page: PageNo },
    /// The root counts other records or pages.
    #[error("the root of the zone file counts other records or pages")]
    Count,
}

impl Tree<'_> {
    /// Reads every page of the version, checksums included, and verifies order, separators, fences
    /// and counts.
    pub(crate) fn verify_structure(&self) -> Result<Structure, StructureError> {
        let mut check = Check {
            tree: *self,
            structure: Structure::default(),
            seen: HashSet::new(),
            fence: None,
        };
        let root = self.root();
        if root.page != 0 {
            check.page(root.page, root.levels, None, None)?;
        }
        if let Some((page, Some(_))) = check.fence {
            return Err(StructureError::Fence { page });
        }
        let Structure {
            records,
            blocks,
            indexes,
        } = check.structure;
        if (records, blocks + indexes) != (root.records, root.pages_live) {
            return Err(StructureError::Count);
        }
        Ok(check.structure)
    }
}

struct Check<'a> {
    tree: Tree<'a>,
    structure: Structure,
    seen: HashSet<PageNo>,
    /// The block before, and its fence.
    fence: Option<(PageNo, Option<Key>)>,
}

impl Check<'_> {
    /// Verifies what is below a page, whose keys start at `first` and end before `end`.
    fn page(
        &mut self,
        page: PageNo,
        level: u8,
        first: Option<&Key>,
        end: Option<&Key>,
    ) -> Result<(), StructureError> {
        if page < FIRST_PAGE || !self.seen.insert(page) {
            return Err(StructureError::Shared { page });
        }
        self.tree.mapping().scrub(page)?;
        if level == 0 {
            let block = self.tree.block(page)?;
            self.structure.blocks += 1;
            self.structure.records += block.count() as u64;
            return self.block(page, block, first, end);
        }
        let index = self.tree.index(page, level)?;
        self.structure.indexes += 1;
        let keys: Vec<Key> = (0..index.count()).map(|at| index.key(at)).collect();
        in_order(page, &keys, first, end)?;
        self.children(index, level, &keys, end)
    }

    fn children(
        &mut self,
        index: IndexView<'_>,
        level: u8,
        keys: &[Key],
        end: Option<&Key>,
    ) -> Result<(), StructureError> {
        for (at, key) in keys.iter().enumerate() {
            let end = keys.get(at + 1).or(end);
            self.page(index.child(at), level - 1, Some(key), end)?;
        }
        Ok(())
    }

    fn block(
        &mut self,
        page: PageNo,
        block: BlockView<'_>,
        first: Option<&Key>,
        end: Option<&Key>,
    ) -> Result<(), StructureError> {
        let keys: Vec<Key> = block.records().map(|record| *record.key()).collect();
        in_order(page, &keys, first, end)?;
        if !block.is_consistent() {
            return Err(StructureError::Inconsistent { page });
        }
        if let Some((before, fence)) = self.fence
            && fence != keys.first().copied()
        {
            return Err(StructureError::Fence { page: before });
        }
        self.fence = Some((page, block.fence().copied()));
        Ok(())
    }
}

fn in_order(
    page: PageNo,
    keys: &[Key],
    first: Option<&Key>,
    end: Option<&Key>,
) -> Result<(), StructureError> {
    let ascends = keys.is_sorted_by(|left, right| left < right);
    let starts = first.is_none_or(|first| keys.first() == Some(first));
    let ends = end.is_none_or(|end| keys.last() < Some(end));
    if ascends && starts && ends {
        Ok(())
    } else {
        Err(StructureError::Order { page })
    }
}
