//! How much one client and one account may take, and how sessions end that do not end themselves.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use iot_epp_api::epp::{SessionLimits, encode_frame};
use iot_epp_api::server::epp::EppLimits;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::door::{Door, ONE, PATIENCE, TWO, password};
use crate::frames;
use crate::registry::{CSR, HELD, PANIC};

const SOON: Duration = Duration::from_millis(300);
/// Soon, and long enough for what has to happen before it on a machine that does other things too.
const SOON_ENOUGH: Duration = Duration::from_millis(1500);

fn session(change: impl FnOnce(&mut SessionLimits)) -> EppLimits {
    let mut limits = EppLimits::default();
    change(&mut limits.session);
    limits
}

async fn until(mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < PATIENCE, "it did not come to that");
        sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_1000_sessions_of_one_account_as_many_are_logged_in_as_it_may_have() {
    let door = Door::open_with(EppLimits {
        account_connections_max: 24,
        account_sessions_max: 8,
        handshakes_max: 16,
        network_handshakes_max: 1000,
        // A thousand handshakes may take a while; this is not about time.
        handshake_timeout: PATIENCE * 5,
        send_timeout: PATIENCE * 5,
        ..session(|limits| limits.login_timeout = PATIENCE * 5)
    })
    .await;
    let door = Arc::new(door);
    let mut other = door.logged_in(TWO).await;
    // Both ends of every connection are in this process, and it has 1,024 descriptors in some places.
    let descriptors = Arc::new(Semaphore::new(300));
    let mut clients = JoinSet::new();
    for _ in 0..1000 {
        let (door, descriptors) = (Arc::clone(&door), Arc::clone(&descriptors));
        clients.spawn(async move {
            let descriptor = descriptors.acquire_owned().await.unwrap();
            let mut wire = door.connect(&door.one).await.unwrap();
            let first = wire.read().await;
            if !first.has("<greeting>") {
                return (first.code(), None);
            }
            let answer = wire.ask(&frames::login(ONE, &password(ONE))).await;
            let logged_in = (answer.code() == 1000).then_some((wire, descriptor));
            (answer.code(), logged_in)
        });
    }
    let (mut kept, mut refused) = (Vec::new(), 0);
    while let Some(client) = clients.join_next().await {
        let (code, wire) = client.unwrap();
        match wire {
            Some(wire) => kept.push(wire),
            None => {
                assert_eq!(code, 2502);
                refused += 1;
            }
        }
    }
    assert_eq!((kept.len(), refused), (8, 992));
    let polled = timeout(PATIENCE, other.ask(&frames::poll("A-1"))).await;
    assert_eq!(
        polled.unwrap().code(),
        1300,
        "another account does not notice"
    );
    kept.pop();
    // The place is free again once the server has seen the end.
    let mut last = 2502;
    for _ in 0..100 {
        let mut wire = door.greeted(&door.one).await;
        last = wire.ask(&frames::login(ONE, &password(ONE))).await.code();
        if last == 1000 {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(last, 1000);
}

/// Expects 2500 and the end, soon and not at once.
async fn ends_with_2500(begin: Instant, after: Duration, wire: &mut crate::door::Wire) {
    let ended = wire.read().await;
    assert_eq!(ended.code(), 2500, "{}", ended.0);
    assert!(begin.elapsed() >= after && begin.elapsed() < PATIENCE);
    wire.ended().await;
}

#[tokio::test]
async fn a_slow_frame_ends_the_session() {
    let door = Door::open_with(session(|limits| limits.frame_timeout = SOON)).await;
    let mut wire = door.logged_in(ONE).await;
    sleep(SOON * 2).await;
    assert!(
        wire.ask(&frames::hello()).await.has("<greeting>"),
        "no frame, no deadline of one"
    );
    let frame = encode_frame(&frames::delete("A-1"));
    let begin = Instant::now();
    for octet in &frame[..20] {
        if wire.write(&[*octet]).await.is_err() {
            break;
        }
        sleep(SOON / 10).await;
    }
    ends_with_2500(begin, SOON, &mut wire).await;
    assert_eq!(door.registry.begun.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_idle_session_ends_and_hello_keeps_one() {
    let idle_timeout = SOON_ENOUGH;
    let door = Door::open_with(session(|limits| limits.idle_timeout = idle_timeout)).await;
    let mut wire = door.logged_in(ONE).await;
    let mut last = Instant::now();
    for _ in 0..6 {
        sleep(SOON).await;
        last = Instant::now();
        assert!(wire.ask(&frames::hello()).await.has("<greeting>"));
    }
    ends_with_2500(last, idle_timeout, &mut wire).await;
}

#[tokio::test]
async fn who_does_not_log_in_is_sent_away() {
    let door = Door::open_with(session(|limits| limits.login_timeout = SOON)).await;
    let begin = Instant::now();
    let mut wire = door.greeted(&door.one).await;
    ends_with_2500(begin, SOON, &mut wire).await;
}

#[tokio::test]
async fn a_session_has_a_last_frame() {
    let door = Door::open_with(session(|limits| limits.frames_max = 3)).await;
    let mut wire = door.logged_in(ONE).await;
    for _ in 0..2 {
        assert!(wire.ask(&frames::hello()).await.has("<greeting>"));
    }
    assert_eq!(wire.ask(&frames::hello()).await.code(), 2502);
    wire.ended().await;
}

#[tokio::test]
async fn a_client_that_takes_no_answers_is_left() {
    let limits = EppLimits {
        send_timeout: SOON,
        ..EppLimits::default()
    };
    let door = Door::open_with(limits).await;
    let mut wire = door.logged_in(ONE).await;
    let hellos = encode_frame(&frames::hello()).repeat(64);
    let flood = async { while wire.write(&hellos).await.is_ok() {} };
    timeout(PATIENCE, flood).await.expect("the server leaves");
}

#[tokio::test]
async fn handshakes_that_do_not_come_are_given_up_and_others_get_in() {
    let door = Door::open_with(EppLimits {
        handshakes_max: 2,
        handshake_timeout: SOON_ENOUGH,
        ..EppLimits::default()
    })
    .await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(door.address()).await.unwrap());
    }
    // Those that never had a turn are given up as well.
    for socket in &mut silent {
        let end = timeout(PATIENCE, socket.read(&mut [0; 16])).await.unwrap();
        assert!(matches!(end, Ok(0) | Err(_)));
    }
    door.logged_in(ONE).await;
}

#[tokio::test]
async fn one_network_has_so_many_unfinished_handshakes() {
    let door = Door::open_with(EppLimits {
        network_handshakes_max: 3,
        ..EppLimits::default()
    })
    .await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(TcpStream::connect(door.address()).await.unwrap());
    }
    // The fourth is closed at once, long before the others' time is over.
    let mut fourth = TcpStream::connect(door.address()).await.unwrap();
    let end = timeout(SOON * 25, fourth.read(&mut [0; 16])).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)));
    drop(silent);
    let mut wire = None;
    for _ in 0..100 {
        match door.connect(&door.one).await {
            Ok(connected) => {
                wire = Some(connected);
                break;
            }
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }
    assert!(
        wire.unwrap().read().await.has("<greeting>"),
        "their places are free again"
    );
}

#[tokio::test]
async fn commands_of_one_session_are_carried_out_one_after_the_other() {
    let door = Door::open().await;
    let mut wire = door.logged_in(ONE).await;
    let both = [frames::create("A-1", HELD), frames::info("A-2")];
    let glued: Vec<u8> = both
        .iter()
        .flat_map(|document| encode_frame(document))
        .collect();
    wire.write(&glued).await.unwrap();
    until(|| door.registry.begun.load(Ordering::SeqCst) == 1).await;
    sleep(SOON / 3).await;
    assert_eq!(
        door.registry.begun.load(Ordering::SeqCst),
        1,
        "the second waits"
    );
    let mut other = door.logged_in(ONE).await;
    assert_eq!(
        other.ask(&frames::poll("B-1")).await.code(),
        1300,
        "another session does not"
    );
    door.registry.release.add_permits(1);
    let (first, second) = (wire.read().await, wire.read().await);
    assert!(first.has("<clTRID>A-1</clTRID>") && second.has("<clTRID>A-2</clTRID>"));
    assert_eq!((first.code(), second.code()), (1000, 1000));
}

#[tokio::test]
async fn a_command_that_breaks_is_2400_and_the_session_goes_on() {
    let door = Door::open().await;
    let mut wire = door.logged_in(ONE).await;
    let broken = wire.ask(&frames::create("A-1", PANIC)).await;
    assert_eq!(broken.code(), 2400);
    assert!(broken.has("<clTRID>A-1</clTRID>") && !broken.has("asked for"));
    assert_eq!(wire.ask(&frames::create("A-2", CSR)).await.code(), 1000);
}

#[tokio::test]
async fn a_command_that_takes_too_long_ends_the_session_and_is_carried_out() {
    let limits = EppLimits {
        command_timeout: SOON_ENOUGH,
        ..EppLimits::default()
    };
    let door = Door::open_with(limits).await;
    let mut wire = door.logged_in(ONE).await;
    let begin = Instant::now();
    wire.send(&frames::create("A-1", HELD)).await;
    let overdue = wire.read().await;
    assert!(overdue.has("not known") && overdue.has("<clTRID>A-1</clTRID>"));
    assert_eq!(overdue.code(), 2500);
    assert!(begin.elapsed() >= SOON_ENOUGH);
    wire.ended().await;
    door.registry.release.add_permits(1);
    until(|| door.registry.device_count() == 1).await;
}

#[tokio::test]
async fn commands_beyond_the_limit_wait_and_are_refused_before_they_begin() {
    let limits = EppLimits {
        commands_max: 1,
        command_timeout: SOON_ENOUGH,
        ..EppLimits::default()
    };
    let door = Door::open_with(limits).await;
    let mut first = door.logged_in(ONE).await;
    first.send(&frames::create("A-1", HELD)).await;
    until(|| door.registry.begun.load(Ordering::SeqCst) == 1).await;
    let mut second = door.logged_in(TWO).await;
    let refused = second.ask(&frames::poll("B-1")).await;
    assert_eq!(refused.code(), 2400);
    assert!(refused.has("did not begin"));
    assert_eq!(door.registry.begun.load(Ordering::SeqCst), 1);
    door.registry.release.add_permits(1);
    until(|| door.registry.ended.load(Ordering::SeqCst) == 1).await;
    assert_eq!(second.ask(&frames::poll("B-2")).await.code(), 1300);
}

/// Shuts the door down beside something else.
async fn shut_down_beside(door: Door, beside: impl Future<Output = ()>) {
    let begin = Instant::now();
    tokio::join!(door.handle.shutdown(), beside);
    assert!(begin.elapsed() < PATIENCE);
}

#[tokio::test]
async fn a_shutdown_answers_what_was_begun_and_says_the_end() {
    let door = Door::open().await;
    let address = door.address();
    let mut idle = door.logged_in(TWO).await;
    let mut busy = door.logged_in(ONE).await;
    busy.send(&frames::create("A-1", HELD)).await;
    until(|| door.registry.begun.load(Ordering::SeqCst) == 1).await;
    let registry = Arc::clone(&door.registry);
    shut_down_beside(door, async {
        assert_eq!(idle.read().await.code(), 2500);
        idle.ended().await;
        registry.release.add_permits(1);
        let answered = busy.read().await;
        assert_eq!(answered.code(), 1000);
        assert!(answered.has("<clTRID>A-1</clTRID>"));
        assert_eq!(busy.read().await.code(), 2500);
        busy.ended().await;
    })
    .await;
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens");
}
