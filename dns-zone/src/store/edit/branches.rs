//! Fourth pass: no index page too full, none needlessly empty.
//!
//! How many entries fit depends on what their keys share, so sizes are asked of the entries
//! themselves. Fences are right by now, so that entries may move between pages freely.

use super::super::index::capacity;
use super::super::page::{Damaged, Key};
use super::blocks::divide;
use super::plan::{Child, Entry, Node, Plan};

impl<'a> Plan<'a> {
    /// Balances the opened index pages below a node.
    pub(super) fn balance_branches(&mut self, node: &mut Node<'a>) -> Result<(), Damaged> {
        if node.level < 2 {
            return Ok(());
        }
        for entry in &mut node.entries {
            if let Child::Node(child) = &mut entry.child {
                self.balance_branches(child)?;
            }
        }
        let mut at = 0;
        while at < node.entries.len() {
            at = match node.entries[at].fill() {
                Some(Fill::Over) => self.share_branches(node, at)?,
                Some(Fill::Under) => self.join_branches(node, at)?,
                Some(Fill::Fair) | None => at + 1,
            };
        }
        Ok(())
    }

    /// Spreads an overfull page and its emptier neighbour over as few pages as hold them; returns
    /// the place after them.
    fn share_branches(&mut self, node: &mut Node<'a>, at: usize) -> Result<usize, Damaged> {
        let (start, end) = match self.emptier_neighbour(node, at) {
            Some(neighbour) => (neighbour.min(at), neighbour.max(at) + 1),
            None => (at, at + 1),
        };
        self.rewrite_branches(node, start, end)
    }

    /// Joins an underfull page with its emptier neighbour where one page holds both comfortably.
    fn join_branches(&mut self, node: &mut Node<'a>, at: usize) -> Result<usize, Damaged> {
        let Some(neighbour) = self.emptier_neighbour(node, at) else {
            return Ok(at + 1);
        };
        let (start, end) = (neighbour.min(at), neighbour.max(at));
        let size = self
            .branch_size(node, start)
            .zip(self.branch_size(node, end));
        let Some(((first_count, _), (second_count, last))) = size else {
            return Ok(at + 1);
        };
        let comfortable = comfortable(capacity(&node.entries[start].first, &last));
        if first_count + second_count <= comfortable {
            return self.rewrite_branches(node, start, end + 1);
        }
        Ok(at + 1)
    }

    /// The neighbour of a child with fewer entries; one that cannot be read is none.
    fn emptier_neighbour(&self, node: &Node<'a>, at: usize) -> Option<usize> {
        let after = (at + 1 < node.entries.len()).then_some(at + 1);
        let readable = [after, at.checked_sub(1)].into_iter().flatten();
        let sized = readable.filter_map(|place| Some((self.branch_size(node, place)?.0, place)));
        sized
            .min_by_key(|(count, _)| *count)
            .map(|(_, place)| place)
    }

    /// Entries of a child, and the last key; none when it cannot be read.
    fn branch_size(&self, node: &Node<'a>, at: usize) -> Option<(usize, Key)> {
        match &node.entries[at].child {
            Child::Kept(page) => {
                let index = self.tree.index(*page, node.level - 1).ok()?;
                Some((index.count(), index.key(index.count() - 1)))
            }
            Child::Node(child) => Some((child.entries.len(), child.last_key())),
            Child::Block(_) => unreachable!("children of a node above level 1 are nodes"),
        }
    }

    fn rewrite_branches(
        &mut self,
        node: &mut Node<'a>,
        start: usize,
        end: usize,
    ) -> Result<usize, Damaged> {
        let level = node.level - 1;
        node.has_old_keys = false;
        let mut entries = Vec::new();
        for entry in &mut node.entries[start..end] {
            entries.append(&mut self.open_branch(entry, level)?.entries);
        }
        let parts = parts_of(&entries, |entry| &entry.first);
        let lengths: Vec<usize> = divide(&vec![(); entries.len()], parts)
            .map(|part| part.len())
            .collect();
        let mut entries = entries.into_iter();
        let nodes: Vec<Entry<'a>> = lengths
            .into_iter()
            .map(|length| Entry::of_node(level, entries.by_ref().take(length).collect()))
            .collect();
        let after = start + nodes.len();
        node.entries.splice(start..end, nodes);
        Ok(after)
    }
}

enum Fill {
    Over,
    Under,
    Fair,
}

impl<'a> Entry<'a> {
    /// How full an opened index page is.
    fn fill(&self) -> Option<Fill> {
        let Child::Node(node) = &self.child else {
            return None;
        };
        let most = capacity(&self.first, &node.last_key());
        let entries = node.entries.len();
        Some(if entries > most {
            Fill::Over
        } else if entries < most / 3 {
            Fill::Under
        } else {
            Fill::Fair
        })
    }

    fn of_node(level: u8, entries: Vec<Entry<'a>>) -> Self {
        Self {
            first: entries.first().expect("no node is made empty").first,
            old_place: 0,
            child: Child::Node(Box::new(Node {
                level,
                old: None,
                entries,
                has_old_keys: false,
            })),
        }
    }
}

impl Node<'_> {
    fn last_key(&self) -> Key {
        self.entries.last().expect("empty nodes are dropped").first
    }
}

/// Nine tenths.
fn comfortable(capacity: usize) -> usize {
    capacity - capacity / 10
}

/// Fewest parts of nearly equal length that each fit in an index page.
pub(super) fn parts_of<T>(entries: &[T], first: impl Fn(&T) -> &Key) -> usize {
    let fits = |parts: usize| {
        let longest = entries.len().div_ceil(parts);
        // Both lengths that `divide` makes; longer ones come first.
        let longer = entries.len() % parts;
        let (head, tail) = entries.split_at(if longer == 0 { 0 } else { longer * longest });
        let shorter = entries.len() / parts;
        head.chunks(longest)
            .chain(tail.chunks(shorter.max(1)))
            .all(|part| part.len() <= capacity(first(&part[0]), first(&part[part.len() - 1])))
    };
    (1..=entries.len())
        .find(|parts| fits(*parts))
        .expect("a page holds 185 entries of any keys")
}
