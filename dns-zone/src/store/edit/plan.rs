//! The opened part of a tree: what is going to be written anew, and what is kept.

use super::super::block::Source;
use super::super::index::IndexView;
use super::super::page::{Damaged, Key, PageNo};
use super::super::tree::Tree;

/// The version that is edited, and what was opened of it.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) tree: Tree<'a>,
    /// Pages opened: the next version does not reach them.
    pub(super) freed: Vec<PageNo>,
    /// Records of the next version.
    pub(super) records: u64,
}

/// An opened index page, or a stand-in above a tree that has none.
pub(super) struct Node<'a> {
    /// 1: the children are blocks.
    pub(super) level: u8,
    /// The page as it was.
    pub(super) old: Option<IndexView<'a>>,
    pub(super) entries: Vec<Entry<'a>>,
    /// Whether entries have the keys of the old page, so that only numbers change.
    pub(super) has_old_keys: bool,
}

/// A child of a node.
pub(super) struct Entry<'a> {
    /// First key of the child, as it is going to be.
    pub(super) first: Key,
    /// Its place in the old page; of no meaning for a block that was made by redistribution.
    pub(super) old_place: u16,
    pub(super) child: Child<'a>,
}

pub(super) enum Child<'a> {
    /// Not opened.
    Kept(PageNo),
    Block(Box<Block<'a>>),
    Node(Box<Node<'a>>),
}

/// An opened block.
#[derive(Default)]
pub(super) struct Block<'a> {
    pub(super) sources: Vec<Source<'a>>,
    pub(super) fence: Option<Key>,
    /// Whether a record was taken out of it.
    pub(super) has_shrunk: bool,
}

impl<'a> Plan<'a> {
    pub(super) fn new(tree: Tree<'a>) -> Self {
        Self {
            tree,
            freed: Vec::new(),
            records: tree.root().records,
        }
    }

    /// Opens the topmost page; a lone block or an empty tree gets a stand-in above it.
    pub(super) fn open_top(&mut self) -> Result<Node<'a>, Damaged> {
        let root = self.tree.root();
        if root.levels > 0 {
            return self.open_node(root.page, root.levels);
        }
        let mut entries = Vec::new();
        if root.page != 0 {
            entries.push(Entry {
                first: *self.tree.block(root.page)?.key(0),
                old_place: 0,
                child: Child::Kept(root.page),
            });
        }
        Ok(Node {
            level: 1,
            old: None,
            entries,
            has_old_keys: false,
        })
    }

    pub(super) fn open_node(&mut self, page: PageNo, level: u8) -> Result<Node<'a>, Damaged> {
        let old = self.tree.index(page, level)?;
        let entries = (0..old.count()).map(|at| Entry {
            first: old.key(at),
            old_place: at as u16,
            child: Child::Kept(old.child(at)),
        });
        let entries = entries.collect();
        self.freed.push(page);
        Ok(Node {
            level,
            old: Some(old),
            entries,
            has_old_keys: true,
        })
    }

    /// Opens the block of an entry, if it is not open.
    pub(super) fn open_block<'e>(
        &mut self,
        entry: &'e mut Entry<'a>,
    ) -> Result<&'e mut Block<'a>, Damaged> {
        if let Child::Kept(page) = entry.child {
            let view = self.tree.block(page)?;
            let block = Block {
                sources: view.records().map(Source::Kept).collect(),
                ..Block::default()
            };
            entry.child = Child::Block(Box::new(block));
            self.freed.push(page);
        }
        match &mut entry.child {
            Child::Block(block) => Ok(block),
            Child::Kept(_) | Child::Node(_) => {
                unreachable!("children of a node on level 1 are blocks")
            }
        }
    }

    /// Opens the index page of an entry on this level, if it is not open.
    pub(super) fn open_branch<'e>(
        &mut self,
        entry: &'e mut Entry<'a>,
        level: u8,
    ) -> Result<&'e mut Node<'a>, Damaged> {
        if let Child::Kept(page) = entry.child {
            entry.child = Child::Node(Box::new(self.open_node(page, level)?));
        }
        match &mut entry.child {
            Child::Node(node) => Ok(node),
            Child::Kept(_) | Child::Block(_) => {
                unreachable!("children of a node above level 1 are nodes")
            }
        }
    }
}

impl<'a> Entry<'a> {
    /// A block that takes the place of others.
    pub(super) fn of_block(sources: Vec<Source<'a>>) -> Self {
        Self {
            first: *sources.first().expect("no block is made empty").key(),
            old_place: 0,
            child: Child::Block(Box::new(Block {
                sources,
                ..Block::default()
            })),
        }
    }
}
