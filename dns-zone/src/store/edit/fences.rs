//! Third pass: every block says where the next one begins.

use super::super::page::{Damaged, Key};
use super::plan::{Child, Node, Plan};

impl<'a> Plan<'a> {
    /// Sets the fences of all opened blocks below a node, and opens the blocks whose fence is no
    /// longer right. `next` is the first key after the node, `old_next` what that was before.
    pub(super) fn fences(
        &mut self,
        node: &mut Node<'a>,
        mut next: Option<Key>,
        old_next: Option<Key>,
    ) -> Result<(), Damaged> {
        for at in (0..node.entries.len()).rev() {
            if !node.is_followed_as_before(at) {
                let old_next = node.old_key_after(at).or(old_next);
                self.fence_of(node, at, next, old_next)?;
            }
            next = Some(node.entries[at].first);
        }
        Ok(())
    }

    fn fence_of(
        &mut self,
        node: &mut Node<'a>,
        at: usize,
        next: Option<Key>,
        old_next: Option<Key>,
    ) -> Result<(), Damaged> {
        let level = node.level;
        let entry = &mut node.entries[at];
        if matches!(entry.child, Child::Kept(_)) && next == old_next {
            return Ok(());
        }
        if level == 1 {
            self.open_block(entry)?.fence = next;
            return Ok(());
        }
        let node = self.open_branch(entry, level - 1)?;
        self.fences(node, next, old_next)
    }
}

impl Node<'_> {
    /// Whether neither this child nor the one after it was opened, and nothing was between them.
    fn is_followed_as_before(&self, at: usize) -> bool {
        let entry = &self.entries[at];
        let Some(after) = self.entries.get(at + 1) else {
            return false;
        };
        matches!(
            (&entry.child, &after.child),
            (Child::Kept(_), Child::Kept(_))
        ) && entry.old_place + 1 == after.old_place
    }

    /// First key of the child that came after this one in the old page.
    fn old_key_after(&self, at: usize) -> Option<Key> {
        let after = usize::from(self.entries[at].old_place) + 1;
        let old = self.old.as_ref().filter(|old| after < old.count())?;
        Some(old.key(after))
    }
}
