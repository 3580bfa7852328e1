//! Callers who ask for what is not theirs: ids and keys that are taken, other accounts' devices,
//! wrong tokens, wrong roles. Each is refused, learns nothing and leaves no trace.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod crafted;
mod inside;
mod refusing;

use crafted::pem;
use http::Method;
use inside::raw::Ask;
use inside::{EID, ICCID, eid};
use iot_epp_api::{BearerToken, Role};
use refusing::{World, check_refusal, good_csr};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_and_keys_that_are_taken_are_refused_without_naming_their_owner() {
    let world = World::make().await;
    let used_key = pem("CERTIFICATE REQUEST", &world.registered.der());
    let exists = (409, "02302", "registered already");
    let key_known = (409, "02305", "already in use");
    for by in [&world.mno_a, &world.mno_b] {
        for (what, ask, refusal) in [
            ("same id", Ask::register(EID, &good_csr()), exists),
            ("same id and key", Ask::register(EID, &used_key), exists),
            ("same key", Ask::register(ICCID, &used_key), key_known),
        ] {
            let ask = ask.header("x-real-ip", "192.0.2.1");
            let answer = world.refuses_as(what, by, &ask, refusal).await;
            let text = String::from_utf8(answer.body.to_vec()).unwrap();
            assert!(!text.contains("mno-"), "{text}");
        }
    }
    // To own and foreign accounts it is the same answer.
    let ask = Ask::register(EID, &good_csr());
    let own = world.refuses_as("own", &world.mno_a, &ask, exists).await;
    let foreign = world
        .refuses_as("foreign", &world.mno_b, &ask, exists)
        .await;
    assert_eq!(own.anonymous(), foreign.anonymous());

    // The key of a deleted device stays used, and its name stays taken for the restore window.
    let delete = Ask::new(Method::DELETE, format!("/rpp/v1/devices/{EID}"))
        .header("rpp-cltrid", "raw-delete")
        .token(world.mno_a.expose());
    assert_eq!(world.inside.send(&delete).await.status.as_u16(), 200);
    world.refuses("id of a deleted device", &ask, exists).await;
    world
        .refuses(
            "key of a deleted device",
            &Ask::register(ICCID, &used_key),
            key_known,
        )
        .await;
    world.still_registers(ICCID).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_accounts_device_is_answered_like_an_absent_one() {
    let world = World::make().await;
    let absent = eid(7);
    for (method, below) in [
        (Method::GET, ""),
        (Method::HEAD, ""),
        (Method::DELETE, ""),
        (Method::POST, "/processes/activateProcesses"),
        (Method::POST, "/processes/deactivateProcesses"),
        (Method::GET, "/processes/createProcesses/1"),
        (Method::GET, "/processes/deleteProcesses/1"),
    ] {
        let before = world.inside.trace().await;
        let mut answers = Vec::new();
        for id in [EID, &absent] {
            let ask = Ask::new(method.clone(), format!("/rpp/v1/devices/{id}{below}"))
                .header("rpp-cltrid", "the-same-for-both")
                .token(world.mno_b.expose());
            let answer = world.inside.send(&ask).await;
            if method != Method::HEAD {
                check_refusal(below, &answer, (404, "02303", "no such object"));
            }
            assert!(
                !String::from_utf8_lossy(&answer.body).contains(id),
                "{method} {below}"
            );
            answers.push(answer.anonymous());
        }
        assert_eq!(answers[0], answers[1], "{method} {below}");
        assert_eq!(answers[0].0.as_u16(), 404);
        assert_eq!(
            world.inside.trace().await,
            before,
            "{method} {below} has left a trace"
        );
    }
    let list = Ask::new(Method::GET, "/rpp/v1/devices").token(world.mno_b.expose());
    let list = world.inside.send(&list).await.json();
    assert_eq!(list["devices"].as_array().unwrap().len(), 0, "{list}");
    world.inside.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_are_missing_garbled_or_of_disabled_accounts_are_refused() {
    let world = World::make().await;
    let register = Ask::register(ICCID, &good_csr());
    let known = world.mno_a.expose().to_owned();
    let unknown: String = known.chars().rev().collect();
    let missing = (401, "02200", "Authorization: Bearer");
    let invalid = (401, "02202", "token is not valid");
    let authorization = |value: &str| register.clone().header("authorization", value);
    for (what, ask, refusal) in [
        ("no token", register.clone(), missing),
        (
            "another scheme",
            authorization(&format!("Basic {known}")),
            missing,
        ),
        ("token alone", authorization(&known), missing),
        (
            "two tokens",
            register.clone().token(&known).token(&known),
            missing,
        ),
        ("garbled", authorization("Bearer !!!"), invalid),
        ("empty", authorization("Bearer "), missing),
        ("unknown", register.clone().token(&unknown), invalid),
        (
            "one character less",
            register.clone().token(&known[1..]),
            invalid,
        ),
        (
            "one character more",
            register.clone().token(&format!("{known}A")),
            invalid,
        ),
        (
            "other case",
            register.clone().token(&known.to_ascii_lowercase()),
            invalid,
        ),
        (
            "token in the query",
            Ask {
                path: format!("/rpp/v1/devices?access_token={known}"),
                ..register.clone()
            },
            missing,
        ),
    ] {
        let answer = world.refuses_raw(what, &ask, refusal).await;
        assert!(
            answer.header("www-authenticate").starts_with("Bearer"),
            "{what}"
        );
        assert!(
            !String::from_utf8_lossy(&answer.body).contains(&known),
            "{what}"
        );
    }
    let list = Ask::new(Method::GET, "/rpp/v1/devices").token(&known);
    assert_eq!(world.inside.send(&list).await.status.as_u16(), 200);
    world.inside.disable("mno-a").await;
    world.refuses_raw("disabled, list", &list, invalid).await;
    world
        .refuses("disabled, register", &register, invalid)
        .await;
    let deactivate = format!("/rpp/v1/devices/{EID}/processes/deactivateProcesses");
    let deactivate = Ask::new(Method::POST, deactivate).header("rpp-cltrid", "raw-hold");
    world
        .refuses("disabled, deactivate", &deactivate, invalid)
        .await;
    world.still_registers(ICCID).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_may_do_only_what_is_theirs() {
    let world = World::make().await;
    let asp = world.inside.account("asp-a", Role::Asp).await;
    let operator = world.inside.operator_token();
    let register = Ask::register(ICCID, &good_csr());
    let get = |path: &str| Ask::new(Method::GET, format!("/rpp/v1/{path}"));
    let change = |method: Method, path: &str| {
        Ask::new(method, format!("/rpp/v1/{path}")).header("rpp-cltrid", "raw-change")
    };
    let device = format!("devices/{EID}");
    let hold = format!("{device}/processes/deactivateProcesses");
    let account = Ask {
        path: "/rpp/v1/accounts".to_owned(),
        ..Ask::create(r#"{"name":"mno-c","role":"operator"}"#)
    };
    let disable = Ask {
        method: Method::PATCH,
        path: "/rpp/v1/accounts/operator".to_owned(),
        ..Ask::create(r#"{"disabled":true}"#)
    };
    let refusals: [(&str, &BearerToken, Vec<Ask>); 3] = [
        (
            "role asp",
            &asp,
            vec![
                register.clone(),
                get(&format!("{device}/availability")),
                change(Method::POST, &hold),
                change(Method::DELETE, &device),
                get("zone"),
                account.clone(),
                disable.clone(),
            ],
        ),
        (
            "role mno",
            &world.mno_a,
            vec![
                get("zone"),
                get("zone/check"),
                get("accounts"),
                get("accounts/mno-b"),
                account,
                disable,
            ],
        ),
        (
            "role operator",
            &operator,
            vec![register, change(Method::DELETE, &device)],
        ),
    ];
    for (says, by, asks) in refusals {
        for ask in asks {
            let what = format!("{says}: {} {}", ask.method, ask.path);
            world
                .refuses_as(&what, by, &ask, (403, "02201", says))
                .await;
        }
    }
    // A provider sees devices with slots bound to it; this one has none.
    let absent = (404, "02303", "no such object");
    let foreign = world
        .refuses_as("foreign", &asp, &get(&device), absent)
        .await;
    let unknown = get(&format!("devices/{}", eid(7)));
    let unknown = world.refuses_as("unknown", &asp, &unknown, absent).await;
    assert_eq!(foreign.anonymous(), unknown.anonymous());
    let list = get("devices").token(asp.expose());
    let list = world.inside.send(&list).await.json();
    assert_eq!(list["devices"].as_array().unwrap().len(), 0, "{list}");
    world.still_registers(ICCID).await;
}
