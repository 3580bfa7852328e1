//! Which pages of the zone file may be written again.
//!
//! A page that some version can still be read from is never overwritten. A page given up by version
//! `v` may be written again when no version before `v` is held, *and* no durable checkpoint can need
//! it: a checkpoint of `v` or later is durable, or the page was born after the last durable one. A
//! checkpoint that is being written counts as a holder of its version; its caller drops that hold
//! only together with telling [`Free::reclaim`] that it is durable.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ops::Range;

use super::page::{FIRST_PAGE, PageNo};

/// The pages that are not reachable from the newest version.
#[derive(Clone, Debug)]
pub(crate) struct Free {
    file_pages: PageNo,
    /// May be written again, and lie on disk.
    reusable: BTreeSet<PageNo>,
    /// May be written again, but were given back to the file system.
    punched: BTreeSet<PageNo>,
    /// Given up, and a version that can read them may be held; ascending by version.
    held: VecDeque<GivenUp>,
    /// Held by nobody, but the last durable checkpoint needs them; ascending by version.
    awaiting_checkpoint: VecDeque<GivenUp>,
    /// Punched pages that were taken and whose room is still to be taken.
    taken_punched: Vec<PageNo>,
    /// Version that allocated each page since the last durable checkpoint.
    born: HashMap<PageNo, u64>,
    checkpointed: u64,
}

#[derive(Clone, Copy, Debug)]
struct GivenUp {
    page: PageNo,
    by_version: u64,
}

impl Free {
    /// All pages of a file of `file_pages` that are not live; as it is when the zone is opened at
    /// its durable checkpoint and nothing is held.
    pub(crate) fn from_live(
        live: impl Iterator<Item = PageNo>,
        file_pages: PageNo,
        checkpointed: u64,
    ) -> Self {
        let mut is_live = vec![false; file_pages as usize];
        for page in live {
            if let Some(slot) = is_live.get_mut(page as usize) {
                *slot = true;
            }
        }
        let reusable = (FIRST_PAGE..file_pages)
            .filter(|page| !is_live[*page as usize])
            .collect();
        Self {
            file_pages: file_pages.max(FIRST_PAGE),
            reusable,
            punched: BTreeSet::new(),
            taken_punched: Vec::new(),
            held: VecDeque::new(),
            awaiting_checkpoint: VecDeque::new(),
            born: HashMap::new(),
            checkpointed,
        }
    }

    /// A page for this version to write: the lowest that may be written again, else one more at the
    /// end of the file.
    pub(crate) fn allocate(&mut self, version: u64) -> PageNo {
        let page = self
            .reusable
            .pop_first()
            .or_else(|| self.take_punched())
            .unwrap_or_else(|| {
                let page = self.file_pages;
                self.file_pages = page.checked_add(1).expect("a zone file is below 16 TiB");
                page
            });
        self.born.insert(page, version);
        page
    }

    fn take_punched(&mut self) -> Option<PageNo> {
        let page = self.punched.pop_first()?;
        self.taken_punched.push(page);
        Some(page)
    }

    /// Free pages among these have no room on the disk.
    pub(crate) fn note_punched(&mut self, pages: Range<PageNo>) {
        let found: Vec<PageNo> = self.reusable.range(pages).copied().collect();
        for page in found {
            self.reusable.remove(&page);
            self.punched.insert(page);
        }
    }

    /// Pages taken that have no room on the disk, once; it has to be taken before they are written.
    pub(crate) fn take_taken_punched(&mut self) -> Vec<PageNo> {
        std::mem::take(&mut self.taken_punched)
    }

    /// Takes pages back that were taken and never written; `punched` are those among them that have
    /// no room. The file ends at `file_pages`.
    pub(crate) fn take_back(
        &mut self,
        pages: impl Iterator<Item = PageNo>,
        punched: &[PageNo],
        file_pages: PageNo,
    ) {
        for page in pages {
            self.born.remove(&page);
            if page >= file_pages {
                continue;
            }
            if punched.contains(&page) {
                self.punched.insert(page);
            } else {
                self.reusable.insert(page);
            }
        }
        self.file_pages = self.file_pages.min(file_pages.max(FIRST_PAGE));
    }

    /// Notes that this version no longer reaches a page that the version before did. Versions never
    /// descend.
    pub(crate) fn release(&mut self, page: PageNo, version: u64) {
        debug_assert!(
            self.held
                .back()
                .is_none_or(|last| last.by_version <= version)
        );
        self.held.push_back(GivenUp {
            page,
            by_version: version,
        });
    }

    /// Takes back what `oldest_held` (the oldest version that anybody holds, the newest version
    /// included) and the durable checkpoint allow.
    pub(crate) fn reclaim(&mut self, oldest_held: u64, checkpointed: u64) {
        if checkpointed > self.checkpointed {
            self.checkpointed = checkpointed;
            self.born.retain(|_, version| *version > checkpointed);
            while let Some(given_up) = pop_up_to(&mut self.awaiting_checkpoint, checkpointed) {
                self.reusable.insert(given_up.page);
            }
        }
        while let Some(given_up) = pop_up_to(&mut self.held, oldest_held) {
            let is_unknown_to_checkpoint = self.born.contains_key(&given_up.page);
            if is_unknown_to_checkpoint || given_up.by_version <= self.checkpointed {
                self.born.remove(&given_up.page);
                self.reusable.insert(given_up.page);
            } else {
                self.awaiting_checkpoint.push_back(given_up);
            }
        }
    }

    /// Length of the file in pages.
    pub(crate) fn file_pages(&self) -> PageNo {
        self.file_pages
    }

    /// Pages that may be written again and lie on disk.
    pub(crate) fn reusable(&self) -> usize {
        self.reusable.len()
    }

    /// Pages given up that may not be written again yet.
    pub(crate) fn pending(&self) -> usize {
        self.held.len() + self.awaiting_checkpoint.len()
    }

    /// Pages that were given back to the file system and not taken again.
    pub(crate) fn punched(&self) -> usize {
        self.punched.len()
    }

    /// Pages at the end of the file that may be written again.
    #[cfg(test)]
    pub(crate) fn tail(&self) -> PageNo {
        (FIRST_PAGE..self.file_pages)
            .rev()
            .take_while(|page| self.is_free(*page))
            .fold(0, |pages, _| pages + 1)
    }

    /// Gives up the free pages at the end of the file beyond `keep`, and returns the length to
    /// which the file shall be cut; `None` when there is nothing to cut.
    pub(crate) fn cut_tail(&mut self, keep: usize) -> Option<PageNo> {
        let surplus = self.reusable.len().saturating_sub(keep);
        let mut cut = self.file_pages;
        let mut given = 0;
        while cut > FIRST_PAGE {
            let last = cut - 1;
            if self.punched.remove(&last) {
                cut = last;
            } else if given < surplus && self.reusable.remove(&last) {
                given += 1;
                cut = last;
            } else {
                break;
            }
        }
        let is_shorter = cut < self.file_pages;
        self.file_pages = cut;
        is_shorter.then_some(cut)
    }

    /// Pages beyond `keep` reusable ones, the highest first, as ranges to be punched; they are
    /// counted as punched from now on.
    pub(crate) fn surplus(&mut self, keep: usize) -> Vec<Range<PageNo>> {
        let mut ranges: Vec<Range<PageNo>> = Vec::new();
        while self.reusable.len() > keep {
            let page = self.reusable.pop_last().expect("more than `keep` of them");
            self.punched.insert(page);
            match ranges.last_mut() {
                Some(range) if range.start == page + 1 => range.start = page,
                _ => ranges.push(page..page + 1),
            }
        }
        ranges
    }

    #[cfg(test)]
    fn is_free(&self, page: PageNo) -> bool {
        self.reusable.contains(&page) || self.punched.contains(&page)
    }
}

fn pop_up_to(queue: &mut VecDeque<GivenUp>, version: u64) -> Option<GivenUp> {
    queue.pop_front_if(|given_up| given_up.by_version <= version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free() -> Free {
        // Pages 2, 3, 5 and 6 are live in a file of 8; version 10 is durable.
        Free::from_live([2, 3, 5, 6].into_iter(), 8, 10)
    }

    #[test]
    fn lowest_free_page_is_taken_first_and_then_the_file_grows() {
        let mut free = free();
        assert_eq!([(); 4].map(|()| free.allocate(11)), [4, 7, 8, 9]);
        assert_eq!(free.file_pages(), 10);
    }

    #[test]
    fn page_of_the_checkpoint_waits_for_the_next_one() {
        let mut free = free();
        free.release(2, 11);
        free.reclaim(11, 10);
        assert_eq!((free.reusable(), free.pending()), (2, 1));
        free.reclaim(12, 11);
        assert_eq!((free.reusable(), free.pending()), (3, 0));
        assert_eq!(free.allocate(12), 2);
    }

    #[test]
    fn held_page_waits_for_its_holder_though_the_checkpoint_is_past() {
        let mut free = free();
        free.release(2, 11);
        free.reclaim(10, 12);
        assert_eq!((free.reusable(), free.pending()), (2, 1));
        free.reclaim(11, 12);
        assert_eq!((free.reusable(), free.pending()), (3, 0));
    }

    #[test]
    fn page_born_after_the_checkpoint_waits_for_holders_only() {
        let mut free = free();
        let page = free.allocate(11);
        free.release(page, 12);
        free.reclaim(11, 10);
        assert_eq!(free.pending(), 1);
        free.reclaim(12, 10);
        assert_eq!(free.pending(), 0);
        assert_eq!(free.allocate(13), page);
    }

    #[test]
    fn page_that_a_later_checkpoint_holds_waits_for_the_one_after() {
        let mut free = free();
        let page = free.allocate(11);
        free.reclaim(11, 11);
        free.release(page, 12);
        free.reclaim(12, 11);
        assert_eq!(free.pending(), 1);
        free.reclaim(12, 12);
        assert_eq!(free.pending(), 0);
    }

    #[test]
    fn surplus_is_cut_from_the_end_and_punched_elsewhere() {
        let mut free = Free::from_live([2, 9].into_iter(), 14, 1);
        assert_eq!(free.tail(), 4);
        assert_eq!(free.cut_tail(7), Some(11));
        assert_eq!((free.reusable(), free.tail()), (7, 1));
        assert_eq!(free.surplus(2), [10..11, 5..9]);
        assert_eq!((free.reusable(), free.punched()), (2, 5));
        assert_eq!(free.cut_tail(2), Some(10));
        assert_eq!(free.cut_tail(2), None);
        assert_eq!([(); 4].map(|()| free.allocate(2)), [3, 4, 5, 6]);
    }
}
