//! A checker that remembers: the same question is asked once at a time, and again only when the answer has
//! ended or is about to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use iot_identity::OwnerName;
use tokio::sync::OnceCell;

use crate::cache::{Found, Question, VerdictCache};
use crate::checker::{CheckError, Checker};
use crate::evidence::Wanted;
use crate::transport::Transport;
use crate::validate::Verdict;

/// Verdicts that are kept unless something else is said.
pub const VERDICTS_MAX_DEFAULT: usize = 65_536;

/// What came of a question, for everybody who waits for it.
type Asking = Arc<OnceCell<Result<Verdict, CheckError>>>;

/// A [`Checker`] with memory, for services that see the same devices again.
#[derive(Debug)]
pub struct CachingChecker<T> {
    checker: Checker<T>,
    cache: Mutex<VerdictCache>,
    /// Questions that are on their way.
    asking: Mutex<HashMap<Question, Asking>>,
}

impl<T: Transport> CachingChecker<T> {
    /// Remembers at most so many verdicts of this checker.
    pub fn new(checker: Checker<T>, verdicts_max: usize) -> Arc<Self> {
        Arc::new(Self {
            checker,
            cache: Mutex::new(VerdictCache::new(verdicts_max)),
            asking: Mutex::default(),
        })
    }

    /// The checker that asks.
    pub fn checker(&self) -> &Checker<T> {
        &self.checker
    }

    /// As [`Checker::check`]; a verdict may be one that was found before and holds at `now` (Unix seconds).
    /// One that will soon end is asked for again meanwhile.
    ///
    /// # Errors
    /// [`CheckError`], which is never kept; whatever it is, the device must not be admitted.
    pub async fn check(
        self: &Arc<Self>,
        owner: &OwnerName,
        wanted: Wanted,
        now: u64,
    ) -> Result<Verdict, CheckError> {
        let question = Question {
            owner: owner.clone(),
            wanted,
        };
        let found = lock(&self.cache).find(&question, now);
        match found {
            Found::Fresh(verdict) => Ok(verdict),
            Found::Ageing(verdict) => {
                let this = Arc::clone(self);
                tokio::spawn(async move {
                    // Whoever needs it asks again, should this fail.
                    let _ = this.ask(question, now).await;
                });
                Ok(verdict)
            }
            Found::Nothing => self.ask(question, now).await,
        }
    }

    /// Asks, or waits for somebody who does. When he goes away, another one asks in his place.
    async fn ask(&self, question: Question, now: u64) -> Result<Verdict, CheckError> {
        let turn = Turn::take(&self.asking, question);
        let question = &turn.question;
        let answered = turn.asking.get_or_init(|| async {
            let result = self
                .checker
                .check(&question.owner, question.wanted, now)
                .await;
            if let Ok(verdict) = &result {
                lock(&self.cache).keep(question.clone(), verdict.clone(), now);
            }
            result
        });
        answered.await.clone()
    }
}

/// Somebody's part in a question; the last one takes it off the list, also when he does not wait to the end.
struct Turn<'a> {
    all: &'a Mutex<HashMap<Question, Asking>>,
    question: Question,
    asking: Asking,
}

impl<'a> Turn<'a> {
    fn take(all: &'a Mutex<HashMap<Question, Asking>>, question: Question) -> Self {
        let mut listed = lock(all);
        let present = listed
            .get(&question)
            .filter(|asking| asking.get().is_none());
        let asking = present.map_or_else(Asking::default, Arc::clone);
        listed.insert(question.clone(), Arc::clone(&asking));
        drop(listed);
        Self {
            all,
            question,
            asking,
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut listed = lock(self.all);
        let is_mine = |present: &Asking| Arc::ptr_eq(present, &self.asking);
        // One is the list's, one is ours; nobody takes a third while the list is locked.
        if listed.get(&self.question).is_some_and(is_mine) && Arc::strong_count(&self.asking) <= 2 {
            listed.remove(&self.question);
        }
    }
}

/// What is in it is whole at any moment.
fn lock<V>(value: &Mutex<V>) -> MutexGuard<'_, V> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
