//! Wrong authorization information, counted for each account: nobody guesses 128 bits, but nobody has to
//! be let try either.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use iot_epp_api::{Caller, Problem, ResultCode};

use super::Service;

/// Wrong ones that an account may present within a window.
const WRONG_MAX: u32 = 100;
const WINDOW: Duration = Duration::from_secs(3600);

/// What each account has tried.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<HashMap<String, Window>>);

#[derive(Clone, Copy, Debug)]
struct Window {
    begun: Instant,
    wrong: u32,
}

impl Attempts {
    fn note_wrong(&self, account: &str, now: Instant) {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        windows.retain(|_, window| now.duration_since(window.begun) < WINDOW);
        let new = Window {
            begun: now,
            wrong: 0,
        };
        windows.entry(account.to_owned()).or_insert(new).wrong += 1;
    }

    /// How long the account has to wait, when it has.
    fn wait(&self, account: &str, now: Instant) -> Option<Duration> {
        let windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.get(account)?;
        let elapsed = now.duration_since(window.begun);
        (window.wrong >= WRONG_MAX && elapsed < WINDOW).then(|| WINDOW - elapsed)
    }
}

impl Service {
    /// Refuses accounts that have presented too many wrong ones.
    pub(super) fn check_attempts(&self, caller: &Caller) -> Result<(), Problem> {
        let attempts = &self.inner.attempts;
        let Some(wait) = attempts.wait(caller.account.as_str(), Instant::now()) else {
            return Ok(());
        };
        let problem = Problem::new(
            ResultCode::InvalidAuthorizationInformation,
            "this account has presented too many wrong authorization informations; try again later",
        );
        Err(problem.retry_after(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX)))
    }

    pub(super) fn note_wrong_attempt(&self, caller: &Caller) {
        let attempts = &self.inner.attempts;
        attempts.note_wrong(caller.account.as_str(), Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_that_tries_too_often_waits_and_others_do_not() {
        let attempts = Attempts::default();
        let begin = Instant::now();
        for _ in 0..WRONG_MAX {
            assert_eq!(attempts.wait("mno-a", begin), None);
            attempts.note_wrong("mno-a", begin);
        }
        assert_eq!(attempts.wait("mno-a", begin), Some(WINDOW));
        assert_eq!(attempts.wait("mno-b", begin), None);
        assert_eq!(attempts.wait("mno-a", begin + WINDOW), None);
    }
}
