//! Verdicts that are kept: each as long as the registry's word for it lasts, never longer, and no more of
//! them than were allowed. Errors are never kept.

use std::collections::{BTreeSet, HashMap};

use iot_identity::OwnerName;

use crate::evidence::Wanted;
use crate::validate::Verdict;

/// What a verdict is about: the whole name and the types that were asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Question {
    pub(crate) owner: OwnerName,
    pub(crate) wanted: Wanted,
}

/// What the cache has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A verdict that still holds.
    Fresh(Verdict),
    /// One that holds, and will soon not.
    Ageing(Verdict),
    /// Nothing that holds now.
    Nothing,
}

/// Verdicts by what they are about. Sans-IO: `now` in Unix seconds.
#[derive(Debug)]
pub(crate) struct VerdictCache {
    entries: HashMap<Question, Entry>,
    /// The same in the order in which they end.
    by_end: BTreeSet<(u64, Question)>,
    verdicts_max: usize,
}

#[derive(Debug)]
struct Entry {
    verdict: Verdict,
    kept_at: u64,
    /// Whether somebody was told that it will soon end: it is asked for again once, since a cache on the way
    /// may give the same answer until its end.
    is_told: bool,
}

impl Entry {
    /// Whether it holds: not before it was kept (the clock was set back) and not at its end.
    fn holds(&self, now: u64) -> bool {
        (self.kept_at..self.verdict.valid_until()).contains(&now)
    }

    /// Whether less than a tenth of its life is left.
    fn is_ageing(&self, now: u64) -> bool {
        let end = self.verdict.valid_until();
        let (life, left) = (end - self.kept_at.min(end), end.saturating_sub(now));
        left * 10 < life
    }
}

impl VerdictCache {
    /// An empty cache for at most so many verdicts.
    pub(crate) fn new(verdicts_max: usize) -> Self {
        Self {
            entries: HashMap::new(),
            by_end: BTreeSet::new(),
            verdicts_max,
        }
    }

    /// What is known now. That a verdict will soon end is said once.
    pub(crate) fn find(&mut self, question: &Question, now: u64) -> Found {
        let Some(entry) = self.entries.get_mut(question) else {
            return Found::Nothing;
        };
        if !entry.holds(now) {
            return Found::Nothing;
        }
        if entry.is_ageing(now) && !entry.is_told {
            entry.is_told = true;
            return Found::Ageing(entry.verdict.clone());
        }
        Found::Fresh(entry.verdict.clone())
    }

    /// Keeps a verdict in place of the one before; where there is no room, those go that end first.
    pub(crate) fn keep(&mut self, question: Question, verdict: Verdict, now: u64) {
        self.forget(&question);
        let end = verdict.valid_until();
        if end <= now || self.verdicts_max == 0 {
            return;
        }
        while self.entries.len() >= self.verdicts_max {
            let Some((_, first)) = self.by_end.pop_first() else {
                break;
            };
            self.entries.remove(&first);
        }
        self.by_end.insert((end, question.clone()));
        let entry = Entry {
            verdict,
            kept_at: now,
            is_told: false,
        };
        self.entries.insert(question, entry);
    }

    fn forget(&mut self, question: &Question) {
        if let Some(entry) = self.entries.remove(question) {
            let end = entry.verdict.valid_until();
            self.by_end.remove(&(end, question.clone()));
        }
    }
}
