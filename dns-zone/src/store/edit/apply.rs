//! First pass: edits go into the blocks that hold their keys.

use super::super::block::{BlockView, Source};
use super::super::page::Damaged;
use super::Edit;
use super::plan::{Block, Child, Entry, Node, Plan};

impl<'a> Plan<'a> {
    /// The edits that change something: all but removals of what is not there.
    pub(super) fn effective(&self, edits: &'a [Edit]) -> Result<Vec<&'a Edit>, Damaged> {
        let mut effective = Vec::with_capacity(edits.len());
        for edit in edits {
            if edit.after.is_some() || self.tree.find(&edit.key)?.is_some() {
                effective.push(edit);
            }
        }
        Ok(effective)
    }

    /// Merges effective edits into the tree below a node, which is left balanced on its level.
    pub(super) fn apply(
        &mut self,
        node: &mut Node<'a>,
        mut edits: &[&'a Edit],
    ) -> Result<(), Damaged> {
        if node.entries.is_empty() {
            let sources: Vec<_> = edits
                .iter()
                .filter_map(|edit| Source::of_edit(edit))
                .collect();
            self.records += sources.len() as u64;
            node.entries.push(Entry::of_block(sources));
            edits = &[];
        }
        while let Some(edit) = edits.first() {
            let after = node
                .entries
                .partition_point(|entry| entry.first <= edit.key);
            let place = after.saturating_sub(1);
            let group = match node.entries.get(place + 1) {
                Some(next) => edits.partition_point(|edit| edit.key < next.first),
                None => edits.len(),
            };
            let (here, rest) = edits.split_at(group);
            let entry = &mut node.entries[place];
            let before = entry.first;
            self.apply_to(entry, node.level, here)?;
            node.has_old_keys &= entry.first == before;
            edits = rest;
        }
        let before = node.entries.len();
        node.entries.retain(|entry| !entry.is_empty());
        node.has_old_keys &= node.entries.len() == before;
        if node.level == 1 {
            self.balance_blocks(node)?;
        }
        Ok(())
    }

    fn apply_to(
        &mut self,
        entry: &mut Entry<'a>,
        level: u8,
        edits: &[&'a Edit],
    ) -> Result<(), Damaged> {
        let first = if level == 1 {
            let Child::Kept(page) = entry.child else {
                unreachable!("edits of one block come together")
            };
            let block = merge(self.tree.block(page)?, edits, &mut self.records);
            self.freed.push(page);
            let first = block.sources.first().map(|source| *source.key());
            entry.child = Child::Block(Box::new(block));
            first
        } else {
            let node = self.open_branch(entry, level - 1)?;
            self.apply(node, edits)?;
            node.entries.first().map(|entry| entry.first)
        };
        // A child without a first key is empty, and about to be dropped.
        entry.first = first.unwrap_or(entry.first);
        Ok(())
    }
}

impl Entry<'_> {
    fn is_empty(&self) -> bool {
        match &self.child {
            Child::Kept(_) => false,
            Child::Block(block) => block.sources.is_empty(),
            Child::Node(node) => node.entries.is_empty(),
        }
    }
}

/// The records of a block with edits applied; `records` counts those added and taken out.
fn merge<'a>(view: BlockView<'a>, edits: &[&'a Edit], records: &mut u64) -> Block<'a> {
    let mut sources = Vec::with_capacity(view.count() + edits.len());
    let mut records_before = view.records();
    let mut taken = 0;
    for edit in edits {
        let up_to = view.floor(&edit.key);
        let is_there = up_to.is_some_and(|slot| view.key(slot) == &edit.key);
        let below = up_to.map_or(0, |slot| slot + usize::from(!is_there));
        sources.extend(
            records_before
                .by_ref()
                .take(below - taken)
                .map(Source::Kept),
        );
        taken = below;
        if is_there {
            records_before.next();
            taken += 1;
        }
        sources.extend(Source::of_edit(edit));
    }
    sources.extend(records_before.map(Source::Kept));
    let has_shrunk = sources.len() < view.count();
    *records = *records + sources.len() as u64 - view.count() as u64;
    Block {
        sources,
        fence: None,
        has_shrunk,
    }
}
