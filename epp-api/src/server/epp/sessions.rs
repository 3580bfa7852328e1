//! What each account has at the moment: connections, and sessions in which it is logged in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::account::AccountName;

/// The counts of all accounts that are connected.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<AccountName, Counts>>);

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    connections: usize,
    logged_in: usize,
}

/// One connection of an account; counted until it is dropped.
#[derive(Debug)]
pub(super) struct Connected {
    sessions: Arc<Sessions>,
    account: AccountName,
    logged_in: bool,
}

impl Sessions {
    /// Counts a connection; none when the account has as many as it may have.
    pub(super) fn connect(
        self: &Arc<Self>,
        account: &AccountName,
        connections_max: usize,
    ) -> Option<Connected> {
        let mut all = self.lock();
        let counts = all.get(account).copied().unwrap_or_default();
        if counts.connections >= connections_max {
            return None;
        }
        all.entry(account.clone()).or_default().connections += 1;
        Some(Connected {
            sessions: Arc::clone(self),
            account: account.clone(),
            logged_in: false,
        })
    }

    /// Counts are whole even if a holder panicked.
    fn lock(&self) -> MutexGuard<'_, HashMap<AccountName, Counts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connected {
    /// Counts the connection as logged in; false when the account has as many as it may have.
    pub(super) fn log_in(&mut self, logged_in_max: usize) -> bool {
        let mut all = self.sessions.lock();
        let Some(counts) = all.get_mut(&self.account) else {
            return false;
        };
        if !self.logged_in && counts.logged_in >= logged_in_max {
            return false;
        }
        counts.logged_in += usize::from(!self.logged_in);
        self.logged_in = true;
        true
    }

    /// Takes the last one back: the login was not accepted.
    pub(super) fn log_out(&mut self) {
        let mut all = self.sessions.lock();
        if let Some(counts) = all.get_mut(&self.account) {
            counts.logged_in -= usize::from(self.logged_in);
        }
        self.logged_in = false;
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.log_out();
        let mut all = self.sessions.lock();
        let Some(counts) = all.get_mut(&self.account) else {
            return;
        };
        counts.connections -= 1;
        if counts.connections == 0 {
            all.remove(&self.account);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_account_has_its_own_counts_until_it_is_gone() {
        let sessions = Arc::new(Sessions::default());
        let [one, two] = ["mno-one", "mno-two"].map(|name| AccountName::parse(name).unwrap());
        let mut first = sessions.connect(&one, 2).unwrap();
        let mut second = sessions.connect(&one, 2).unwrap();
        assert!(sessions.connect(&one, 2).is_none());
        assert!(sessions.connect(&two, 2).is_some(), "another account");
        assert!(first.log_in(1) && first.log_in(1), "once is once");
        assert!(!second.log_in(1));
        first.log_out();
        assert!(second.log_in(1));
        drop(second);
        assert!(first.log_in(1));
        let third = sessions.connect(&one, 2);
        assert!(third.is_some());
        drop((first, third));
        assert!(sessions.lock().is_empty());
    }
}
