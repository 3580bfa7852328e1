//! Editing a version into the next one: pages in, pages out, nothing overwritten.
//!
//! The touched part of the tree is opened in memory (`plan`), in five passes:
//!
//! 1. `apply`: edits are merged into the blocks that hold their keys.
//! 2. `blocks`: blocks that became too full share with their neighbours, three of them split into
//!    four only when all are full; those that became too empty are packed.
//! 3. `fences`: where the first key of a block changed, the block before it is opened too.
//! 4. `branches`: the same balance for index pages.
//! 5. `write`: what is open gets new pages, what is not keeps its own.
//!
//! All reading is done before the first page is taken from the allocator. A neighbour that cannot be
//! read shares with nobody; it costs its own names alone.

mod apply;
mod blocks;
mod branches;
mod fences;
mod plan;
mod write;

#[cfg(test)]
mod tests;

use super::free::Free;
use super::page::{Damaged, Key, Page, PageNo};
use super::record::StoredRecord;
use super::tree::{Root, Tree};
use plan::Plan;

/// What shall be at a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    pub(crate) key: Key,
    /// `None`: nothing.
    pub(crate) after: Option<StoredRecord>,
}

/// The next version.
#[derive(Debug)]
pub(crate) struct Edited {
    pub(crate) root: Root,
    /// Pages to be written before the root is used.
    pub(crate) pages: Vec<(PageNo, Box<Page>)>,
    /// Pages of the old version that the new one does not reach.
    pub(crate) freed: Vec<PageNo>,
}

/// Applies edits, ascending by key and unique, to a version; the pages written say `version`.
///
/// Pages are taken from the allocator; those freed are returned, not yet released to it. Nothing is
/// taken when the tree is damaged. Edits without effect write nothing.
pub(crate) fn edit(
    tree: Tree<'_>,
    allocator: &mut Free,
    edits: &[Edit],
    version: u64,
) -> Result<Edited, Damaged> {
    debug_assert!(edits.is_sorted_by(|left, right| left.key < right.key));
    let mut plan = Plan::new(tree);
    let edits = plan.effective(edits)?;
    if edits.is_empty() {
        return Ok(Edited {
            root: tree.root().clone(),
            pages: Vec::new(),
            freed: Vec::new(),
        });
    }
    let mut top = plan.open_top()?;
    plan.apply(&mut top, &edits)?;
    plan.fences(&mut top, None, None)?;
    plan.balance_branches(&mut top)?;
    Ok(write::write(top, plan, allocator, version))
}
