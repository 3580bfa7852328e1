//! Logins that are looked into: verifying a password costs a tenth of a second of a core on purpose, so
//! those of one account are looked into one after the other, and slowly once they are wrong.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// Wrong passwords in a row after which the next ones wait.
const WRONG_FREE: u32 = 5;
/// How long each of these waits.
const PAUSE: Duration = Duration::from_secs(1);

/// The turns of all accounts; wrong passwords in a row since the start or the last right one.
#[derive(Debug)]
pub(super) struct Logins {
    turns: Mutex<HashMap<String, Arc<Turn<u32>>>>,
    pause: Duration,
}

/// The turn of an account, held while its password is verified.
#[derive(Debug)]
pub(super) struct Verifying(OwnedMutexGuard<u32>);

impl Default for Logins {
    fn default() -> Self {
        Self {
            turns: Mutex::default(),
            pause: PAUSE,
        }
    }
}

impl Logins {
    /// Waits for the account's turn.
    pub(super) async fn turn(&self, account: &str) -> Verifying {
        let turn = {
            let mut all = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(account.to_owned()).or_default())
        };
        let wrong = turn.lock_owned().await;
        if *wrong >= WRONG_FREE {
            tokio::time::sleep(self.pause).await;
        }
        Verifying(wrong)
    }
}

impl Verifying {
    /// Notes what came of it, and lets the next one begin.
    pub(super) fn end(mut self, is_right: bool) {
        *self.0 = if is_right {
            0
        } else {
            self.0.saturating_add(1)
        };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn wrong_passwords_become_slow_for_their_account_alone() {
        let pause = Duration::from_millis(300);
        let logins = Logins {
            pause,
            ..Logins::default()
        };
        let begin = Instant::now();
        for _ in 0..WRONG_FREE {
            logins.turn("mno-a").await.end(false);
        }
        logins.turn("mno-b").await.end(true);
        assert!(begin.elapsed() < pause);
        logins.turn("mno-a").await.end(false);
        logins.turn("mno-a").await.end(true);
        assert!(begin.elapsed() >= 2 * pause);
        let right = Instant::now();
        logins.turn("mno-a").await.end(true);
        assert!(right.elapsed() < pause, "a right one ends it");
    }

    #[tokio::test]
    async fn one_account_has_one_at_work() {
        let logins = Logins::default();
        let first = logins.turn("mno-a").await;
        let second = logins.turn("mno-a");
        let waits = tokio::time::timeout(Duration::from_millis(50), second).await;
        assert!(waits.is_err());
        drop(first);
        logins.turn("mno-a").await.end(true);
    }
}
