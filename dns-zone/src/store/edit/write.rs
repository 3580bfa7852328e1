//! Last pass: what is open gets pages.

use super::super::block::write_block;
use super::super::free::Free;
use super::super::index::{write_index, write_renumbered};
use super::super::page::{Key, Page, PageNo};
use super::super::tree::Root;
use super::Edited;
use super::blocks::divide;
use super::branches::parts_of;
use super::plan::{Child, Node, Plan};

/// Writes the opened part of a tree, below this node.
pub(super) fn write(
    mut top: Node<'_>,
    plan: Plan<'_>,
    allocator: &mut Free,
    version: u64,
) -> Edited {
    let mut writer = Writer {
        allocator,
        version,
        unit_secs: plan.tree.unit_secs(),
        pages: Vec::new(),
    };
    while let Some(lower) = only_node(&mut top) {
        top = lower;
    }
    let (page, levels) = writer.top(top);
    let pages_live =
        plan.tree.root().pages_live + writer.pages.len() as u64 - plan.freed.len() as u64;
    Edited {
        root: Root {
            page,
            levels,
            records: plan.records,
            pages_live,
        },
        pages: writer.pages,
        freed: plan.freed,
    }
}

/// The opened node that is the only child of this one.
fn only_node<'a>(node: &mut Node<'a>) -> Option<Node<'a>> {
    match node.entries.as_mut_slice() {
        [entry] if matches!(entry.child, Child::Node(_)) => match node.entries.pop()?.child {
            Child::Node(lower) => Some(*lower),
            Child::Kept(_) | Child::Block(_) => None,
        },
        _ => None,
    }
}

struct Writer<'w> {
    allocator: &'w mut Free,
    version: u64,
    unit_secs: u32,
    pages: Vec<(PageNo, Box<Page>)>,
}

impl Writer<'_> {
    /// Writes the topmost node, with as many levels above as it needs, or none above a lone child;
    /// returns the topmost page and the levels below it.
    fn top(&mut self, node: Node<'_>) -> (PageNo, u8) {
        let mut level = node.level;
        let mut entries = self.children(node);
        loop {
            match entries.as_slice() {
                [] => return (0, 0),
                [(_, page)] => return (*page, level - 1),
                _ => {}
            }
            let parts = parts_of(&entries, |(first, _)| first);
            entries = divide(&entries, parts)
                .map(|part| {
                    (
                        part[0].0,
                        self.take(write_index(&part, level, self.version)),
                    )
                })
                .collect();
            level += 1;
        }
    }

    fn children(&mut self, node: Node<'_>) -> Vec<(Key, PageNo)> {
        let entries = node.entries.into_iter();
        entries
            .map(|entry| (entry.first, self.child(entry.child)))
            .collect()
    }

    fn child(&mut self, child: Child<'_>) -> PageNo {
        match child {
            Child::Kept(page) => page,
            Child::Block(block) => {
                let fence = block.fence.as_ref();
                let page = write_block(&block.sources, fence, self.version, self.unit_secs);
                self.take(page)
            }
            Child::Node(node) => self.node(*node),
        }
    }

    fn node(&mut self, node: Node<'_>) -> PageNo {
        if let (Some(old), true) = (node.old, node.has_old_keys) {
            let entries = node.entries.into_iter();
            let children: Vec<PageNo> = entries.map(|entry| self.child(entry.child)).collect();
            return self.take(write_renumbered(old, children.into_iter(), self.version));
        }
        let level = node.level;
        let children = self.children(node);
        self.take(write_index(&children, level, self.version))
    }

    fn take(&mut self, page: Box<Page>) -> PageNo {
        let number = self.allocator.allocate(self.version);
        self.pages.push((number, page));
        number
    }
}
