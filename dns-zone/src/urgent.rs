//! Names whose signatures a query met expired: they are signed before everything that can wait.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::position::Key;

/// Names that may wait at once; more are turned away, since a query waits 20 ms at most.
const NAMES_MAX: usize = 4096;

/// A name that a query waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UrgentName {
    /// The apex or a static name: all of them are signed together.
    Fixed,
    /// The device with this key.
    Device(Key),
}

/// The names that queries wait for, between those who answer and the one who signs.
#[derive(Debug, Default)]
pub struct Urgent {
    names: Mutex<BTreeSet<UrgentName>>,
    grew: Notify,
    /// Nobody signs: waiting would be in vain.
    is_closed: AtomicBool,
}

impl Urgent {
    /// For a zone that nobody signs.
    pub(crate) fn closed() -> Self {
        Self {
            is_closed: AtomicBool::new(true),
            ..Self::default()
        }
    }

    /// From now on somebody signs.
    pub(crate) fn open(&self) {
        self.is_closed.store(false, Ordering::Relaxed);
    }

    /// Asks for a name to be signed at once; false when too many wait already, or nobody signs.
    pub fn want(&self, name: UrgentName) -> bool {
        if self.is_closed.load(Ordering::Relaxed) {
            return false;
        }
        let mut names = self.lock();
        if names.len() >= NAMES_MAX && !names.contains(&name) {
            return false;
        }
        let first = names.insert(name);
        drop(names);
        if first {
            self.grew.notify_one();
        }
        true
    }

    /// Completes when a name was asked for since the last time it completed.
    pub async fn wanted(&self) {
        self.grew.notified().await;
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Takes up to `max` names.
    pub(crate) fn take(&self, max: usize) -> Vec<UrgentName> {
        let mut names = self.lock();
        std::iter::from_fn(|| names.pop_first()).take(max).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<UrgentName>> {
        // Nothing that can panic runs under the lock.
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_once_and_only_so_many_wait() {
        let urgent = Urgent::default();
        let key = |number: u32| {
            let mut key = [0; 18];
            key[..4].copy_from_slice(&number.to_be_bytes());
            UrgentName::Device(key)
        };
        for number in 0..NAMES_MAX as u32 {
            assert!(urgent.want(key(number)));
        }
        assert!(urgent.want(key(7)), "it waits already");
        assert!(!urgent.want(UrgentName::Fixed));
        assert_eq!(urgent.take(2), [key(0), key(1)]);
        assert!(urgent.want(UrgentName::Fixed));
        assert_eq!(urgent.take(1), [UrgentName::Fixed]);
        assert_eq!(urgent.take(NAMES_MAX).len(), NAMES_MAX - 2);
        assert!(urgent.is_empty());
    }

    #[test]
    fn nobody_waits_where_nobody_signs() {
        let urgent = Urgent::closed();
        assert!(!urgent.want(UrgentName::Fixed));
        assert!(urgent.is_empty());
        urgent.open();
        assert!(urgent.want(UrgentName::Fixed));
    }
}
