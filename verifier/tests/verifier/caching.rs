//! Verdicts that are remembered: how long, how many, and that a question is asked once at a time (V17).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use iot_verifier::{
    CachingChecker, Channel, CheckError, Checker, Query, Transport, TransportError, Verdict, Wanted,
};

use iot_verifier::transport::Response;

use crate::rogue::*;

/// A server without a socket: it counts the questions about the device, and takes its time.
struct Counting {
    case: Case,
    questions: Arc<AtomicUsize>,
    pause: Duration,
    /// So many questions fail before the first answer.
    failures: usize,
}

impl Transport for Counting {
    async fn exchange(&self, query: Query) -> Result<Response, TransportError> {
        let (_, _, record_type) = question(&query.octets);
        if record_type != DNSKEY {
            let asked = self.questions.fetch_add(1, Ordering::SeqCst);
            if asked < self.failures {
                return Err(TransportError::Deadline(Duration::ZERO));
            }
        }
        tokio::time::sleep(self.pause).await;
        Ok(Response {
            octets: answer(&self.case, &query.octets),
            channel: Channel::Stream,
        })
    }
}

struct Remembering {
    caching: Arc<CachingChecker<Counting>>,
    questions: Arc<AtomicUsize>,
}

impl Remembering {
    fn new(case: impl FnOnce(&World) -> Case, verdicts_max: usize) -> Self {
        Self::with(case, verdicts_max, |_| {})
    }

    fn with(
        case: impl FnOnce(&World) -> Case,
        verdicts_max: usize,
        change: impl FnOnce(&mut Counting),
    ) -> Self {
        let world = World::new();
        let questions = Arc::new(AtomicUsize::new(0));
        let mut transport = Counting {
            case: case(&world),
            questions: Arc::clone(&questions),
            pause: Duration::ZERO,
            failures: 0,
        };
        change(&mut transport);
        // A clock that is set back is no wrong clock here.
        let checker = Checker::new(transport, world.anchor(), policy_at(NOW - 1_000));
        Self {
            caching: CachingChecker::new(checker, verdicts_max),
            questions,
        }
    }

    async fn check(&self, wanted: Wanted, now: u64) -> Result<Verdict, CheckError> {
        self.caching.check(&owner(), wanted, now).await
    }

    fn asked(&self) -> usize {
        self.questions.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_verdict_is_kept_until_its_end_and_no_longer() {
    let remembering = Remembering::new(World::active, 10);
    let verdict = remembering.check(Wanted::Cert, NOW).await.unwrap();
    let end = verdict.valid_until();
    assert_eq!(end, NOW + ttl());
    for now in [NOW, NOW + 1, end - ttl() / 5] {
        assert_eq!(remembering.check(Wanted::Cert, now).await.unwrap(), verdict);
    }
    assert_eq!(remembering.asked(), 1);
    remembering.check(Wanted::Cert, end).await.unwrap();
    assert_eq!(remembering.asked(), 2);
}

#[tokio::test]
async fn what_is_denied_is_kept_for_half_a_minute_at_most() {
    for case in [World::inactive, World::absent] {
        let remembering = Remembering::new(case, 10);
        remembering.check(Wanted::Cert, NOW).await.unwrap();
        remembering.check(Wanted::Cert, NOW + 20).await.unwrap();
        assert_eq!(remembering.asked(), 1);
        remembering.check(Wanted::Cert, NOW + 30).await.unwrap();
        assert_eq!(remembering.asked(), 2);
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_makes_nothing_last_longer() {
    let remembering = Remembering::new(World::active, 10);
    remembering.check(Wanted::Cert, NOW).await.unwrap();
    remembering.check(Wanted::Cert, NOW - 100).await.unwrap();
    assert_eq!(remembering.asked(), 2);
}

#[tokio::test]
async fn a_failure_is_not_kept() {
    let remembering = Remembering::with(World::active, 10, |transport| transport.failures = 1);
    assert!(remembering.check(Wanted::Cert, NOW).await.is_err());
    assert!(remembering.check(Wanted::Cert, NOW).await.is_ok());
    assert_eq!(remembering.asked(), 2);
}

#[tokio::test]
async fn other_questions_about_a_device_have_verdicts_of_their_own() {
    let remembering = Remembering::new(World::active, 10);
    remembering.check(Wanted::Cert, NOW).await.unwrap();
    remembering.check(Wanted::Tlsa, NOW).await.unwrap();
    assert_eq!(remembering.asked(), 2);
}

#[tokio::test]
async fn what_ends_first_goes_where_there_is_no_room() {
    let remembering = Remembering::new(World::active, 2);
    for (seconds, wanted) in [(0, Wanted::Cert), (1, Wanted::Tlsa), (2, Wanted::Both)] {
        remembering.check(wanted, NOW + seconds).await.unwrap();
    }
    // CERT and TLSA at once are two queries.
    assert_eq!(remembering.asked(), 4);
    remembering.check(Wanted::Tlsa, NOW + 3).await.unwrap();
    remembering.check(Wanted::Both, NOW + 3).await.unwrap();
    assert_eq!(remembering.asked(), 4);
    remembering.check(Wanted::Cert, NOW + 3).await.unwrap();
    assert_eq!(remembering.asked(), 5);
}

#[tokio::test]
async fn nothing_is_kept_where_nothing_may_be() {
    let remembering = Remembering::new(World::active, 0);
    remembering.check(Wanted::Cert, NOW).await.unwrap();
    remembering.check(Wanted::Cert, NOW).await.unwrap();
    assert_eq!(remembering.asked(), 2);
}

fn slow(transport: &mut Counting) {
    transport.pause = Duration::from_millis(100);
}

#[tokio::test]
async fn a_hundred_who_ask_at_once_ask_once() {
    let remembering = Remembering::with(World::active, 10, slow);
    let checks = (0..100).map(|_| {
        let caching = Arc::clone(&remembering.caching);
        tokio::spawn(async move { caching.check(&owner(), Wanted::Cert, NOW).await })
    });
    for check in checks.collect::<Vec<_>>() {
        assert!(matches!(check.await.unwrap(), Ok(Verdict::Active(_))));
    }
    assert_eq!(remembering.asked(), 1);
}

#[tokio::test]
async fn who_goes_away_leaves_the_question_to_those_who_wait() {
    let remembering = Remembering::with(World::active, 10, slow);
    let first = tokio::time::timeout(
        Duration::from_millis(50),
        remembering.check(Wanted::Cert, NOW),
    );
    let (first, second) = tokio::join!(first, remembering.check(Wanted::Cert, NOW));
    assert!(first.is_err() && second.is_ok());
    assert_eq!(remembering.asked(), 2);
    assert!(remembering.check(Wanted::Cert, NOW).await.is_ok());
    assert_eq!(remembering.asked(), 2);
}

#[tokio::test]
async fn a_verdict_that_soon_ends_is_given_and_asked_for_again_meanwhile() {
    let remembering = Remembering::new(World::active, 10);
    let verdict = remembering.check(Wanted::Cert, NOW).await.unwrap();
    let late = verdict.valid_until() - 2;
    assert_eq!(
        remembering.check(Wanted::Cert, late).await.unwrap(),
        verdict
    );
    while remembering.asked() < 2 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let renewed = remembering.check(Wanted::Cert, late).await.unwrap();
    assert_eq!(renewed.valid_until(), late + ttl());
    assert_eq!(remembering.asked(), 2);
}
