//! So many things of one account at one time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::account::AccountName;

/// Counts what each account has at work.
pub(super) struct Quota {
    most: usize,
    /// Only accounts that have something at work.
    at_work: Mutex<HashMap<AccountName, usize>>,
}

/// One thing at work; dropping it makes room.
pub(super) struct Entered {
    quota: Arc<Quota>,
    account: AccountName,
}

impl Quota {
    pub(super) fn new(most: usize) -> Arc<Self> {
        let at_work = Mutex::default();
        Arc::new(Self { most, at_work })
    }

    /// Begins one thing; none when the account has as many as it may.
    pub(super) fn enter(self: &Arc<Self>, account: &AccountName) -> Option<Entered> {
        // Counts are whole even if a holder panicked.
        let mut at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        let count = at_work.entry(account.clone()).or_insert(0);
        if *count >= self.most {
            if *count == 0 {
                at_work.remove(account);
            }
            return None;
        }
        *count += 1;
        Some(Entered {
            quota: Arc::clone(self),
            account: account.clone(),
        })
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let at_work = self.quota.at_work.lock();
        let mut at_work = at_work.unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = at_work.get_mut(&self.account) {
            *count -= 1;
            if *count == 0 {
                at_work.remove(&self.account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_counted_apart_and_forgotten() {
        let [one, two] = ["mno-one", "mno-two"].map(|name| AccountName::parse(name).unwrap());
        let quota = Quota::new(2);
        let first = quota.enter(&one).unwrap();
        let second = quota.enter(&one).unwrap();
        assert!(quota.enter(&one).is_none());
        let other = quota.enter(&two).unwrap();
        drop(first);
        let third = quota.enter(&one).unwrap();
        assert!(quota.enter(&one).is_none());
        drop((second, third, other));
        assert!(quota.at_work.lock().unwrap().is_empty());
        let none = Quota::new(0);
        assert!(none.enter(&one).is_none());
        assert!(none.at_work.lock().unwrap().is_empty());
    }
}
