//! Who waits for messages is told that there are some: the newest number of each account that is waited
//! for is looked up now and then.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::Service;

/// Those who wait, by account.
#[derive(Debug, Default)]
pub(super) struct News(Mutex<HashMap<String, watch::Sender<u64>>>);

impl News {
    /// Changes whenever the newest number of the account's messages does.
    pub(super) fn of(&self, account: &str) -> watch::Receiver<u64> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = waiting.entry(account.to_owned());
        sender.or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    /// The accounts that somebody waits for; the others are forgotten.
    fn waited_for(&self) -> Vec<String> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, sender| sender.receiver_count() > 0);
        waiting.keys().cloned().collect()
    }

    fn tell(&self, account: &str, newest: u64) {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = waiting.get(account) {
            sender.send_if_modified(|known| std::mem::replace(known, newest) != newest);
        }
    }
}

impl Service {
    /// Tells, until the process ends, those who wait for messages.
    pub async fn tell_news(self, pause: Duration) {
        loop {
            tokio::time::sleep(pause).await;
            for account in self.inner.news.waited_for() {
                match self.store().newest_message(&account).await {
                    Ok(newest) => self.inner.news.tell(&account, newest),
                    Err(error) => tracing::warn!(%error, "messages cannot be looked for"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_told_once_of_each_change_and_forgotten_afterwards() {
        let news = News::default();
        let mut receiver = news.of("mno-a");
        news.tell("mno-a", 3);
        assert!(receiver.has_changed().unwrap());
        assert_eq!(*receiver.borrow_and_update(), 3);
        news.tell("mno-a", 3);
        assert!(!receiver.has_changed().unwrap());
        assert_eq!(news.waited_for(), ["mno-a"]);
        drop(receiver);
        assert!(news.waited_for().is_empty());
    }
}
