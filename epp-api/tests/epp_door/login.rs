//! Logins: passwords, new ones, wrong ones, and those of somebody else (RFC 5730 §2.9.1.1, RFC 8807).

use std::sync::atomic::Ordering;

use crate::door::{Door, ONE, TWO, password};
use crate::frames;

#[tokio::test]
async fn nothing_but_hello_and_login_comes_before_the_login() {
    let door = Door::open().await;
    let mut wire = door.greeted(&door.one).await;
    assert!(wire.ask(&frames::hello()).await.has("<greeting>"));
    for command in [frames::info("A-1"), frames::poll("A-1"), frames::logout()] {
        assert_eq!(wire.ask(&command).await.code(), 2002);
    }
    assert_eq!(door.registry.begun.load(Ordering::SeqCst), 0);
    let login = frames::login(ONE, &password(ONE));
    let accepted = wire.ask(&login).await;
    assert_eq!(accepted.code(), 1000);
    assert!(accepted.has("<loginSec:event type=\"certificate\" level=\"warning\""));
    assert_eq!(wire.ask(&login).await.code(), 2002);
    assert_eq!(wire.ask(&frames::poll("A-2")).await.code(), 1300);
    let bye = wire.ask(&frames::logout()).await;
    assert_eq!(bye.code(), 1500);
    wire.ended().await;
}

#[tokio::test]
async fn the_certificate_of_one_account_with_the_name_of_another_is_2200() {
    let door = Door::open().await;
    let mut wire = door.greeted(&door.one).await;
    let other = frames::login(TWO, &password(TWO));
    for expected in [2200, 2200, 2501] {
        assert_eq!(wire.ask(&other).await.code(), expected);
    }
    wire.ended().await;
    assert_eq!(
        door.registry.logins.load(Ordering::SeqCst),
        0,
        "no password was looked at"
    );
}

#[tokio::test]
async fn the_third_wrong_password_ends_the_session() {
    let door = Door::open().await;
    let mut wire = door.greeted(&door.one).await;
    for expected in [2200, 2200, 2501] {
        let refused = wire.ask(&frames::login(ONE, "not the password")).await;
        assert_eq!(refused.code(), expected);
        assert!(!refused.has("not the password"));
    }
    wire.ended().await;
    assert_eq!(door.registry.logins.load(Ordering::SeqCst), 3);
    door.logged_in(ONE).await;
}

#[tokio::test]
async fn a_new_password_counts_from_then_on() {
    let door = Door::open().await;
    let mut wire = door.greeted(&door.one).await;
    let first = password(ONE);
    for weak in ["short", "aaaaaaaaaaaaaaaa", "my-mno-one-password", &first] {
        let refused = wire.ask(&frames::login_with(ONE, &first, Some(weak))).await;
        let too_short_for_the_schema = weak.len() < 6;
        let expected = if too_short_for_the_schema { 2005 } else { 2306 };
        assert_eq!(refused.code(), expected, "{weak}");
        assert!(too_short_for_the_schema || refused.has("type=\"newPW\" level=\"error\""));
    }
    let second = "a second one, longer than sixteen";
    let changed = wire
        .ask(&frames::login_with(ONE, &first, Some(second)))
        .await;
    assert_eq!(changed.code(), 1000);
    let mut wire = door.greeted(&door.one).await;
    assert_eq!(wire.ask(&frames::login(ONE, &first)).await.code(), 2200);
    assert_eq!(wire.ask(&frames::login(ONE, second)).await.code(), 1000);
}

#[tokio::test]
async fn a_session_ends_when_its_account_has_another_password_than_it_logged_in_with() {
    let door = Door::open().await;
    let mut before = door.logged_in(ONE).await;
    let mut other = door.logged_in(TWO).await;
    assert_eq!(before.ask(&frames::poll("A-1")).await.code(), 1300);
    door.registry
        .reset_password(ONE, "what an operator has made");
    let create = frames::create("A-2", crate::registry::CSR);
    let refused = before.ask(&create).await;
    assert_eq!(refused.code(), 2501);
    assert!(refused.has("<clTRID>A-2</clTRID>") && refused.has("password"));
    before.ended().await;
    assert_eq!(door.registry.device_count(), 0, "it was not carried out");
    assert_eq!(other.ask(&frames::poll("A-1")).await.code(), 1300);

    let mut with_it = door.greeted(&door.one).await;
    let login = frames::login(ONE, "what an operator has made");
    assert_eq!(with_it.ask(&login).await.code(), 1000);
    // Who sets another one by a login goes on; who is logged in with the one before does not.
    let mut changing = door.greeted(&door.one).await;
    let own = "what the client has chosen";
    let change = frames::login_with(ONE, "what an operator has made", Some(own));
    assert_eq!(changing.ask(&change).await.code(), 1000);
    for number in 1..3 {
        let poll = frames::poll(&format!("B-{number}"));
        assert_eq!(changing.ask(&poll).await.code(), 1300);
    }
    assert_eq!(with_it.ask(&frames::poll("C-1")).await.code(), 2501);
    with_it.ended().await;
}

#[tokio::test]
async fn what_was_not_logged_in_for_is_moved_into_the_result() {
    let door = Door::open().await;
    let mut wire = door.greeted(&door.one).await;
    let login = frames::login(ONE, &password(ONE));
    let uri = iot_epp_api::epp::namespace::LOGIN_SECURITY;
    let without = login.replace(&format!("<extURI>{uri}</extURI>"), "");
    let accepted = wire.ask(&without).await;
    assert_eq!(accepted.code(), 1000);
    assert!(accepted.has("loginSec-1.0 not in login services</reason>"));
    assert!(!accepted.has("<extension>"));
}

#[tokio::test]
async fn a_refused_login_takes_no_place() {
    let limits = iot_epp_api::server::epp::EppLimits {
        account_sessions_max: 1,
        ..Default::default()
    };
    let door = Door::open_with(limits).await;
    let mut refused = door.greeted(&door.one).await;
    let wrong = frames::login(ONE, "not the password");
    assert_eq!(refused.ask(&wrong).await.code(), 2200);
    let accepted = door.logged_in(ONE).await;
    let login = frames::login(ONE, &password(ONE));
    let mut third = door.greeted(&door.one).await;
    assert_eq!(third.ask(&login).await.code(), 2502);
    third.ended().await;
    // The place is free again once the server has seen the end.
    drop(accepted);
    let mut code = 2502;
    for _ in 0..100 {
        let mut wire = door.greeted(&door.one).await;
        code = wire.ask(&login).await.code();
        if code == 1000 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(code, 1000);
}
