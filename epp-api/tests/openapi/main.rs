//! The door against its own description: requests made from the OpenAPI document, valid and broken,
//! are never answered with a failure, and never with anything that the document does not tell of.

#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a test may end here")]

mod document;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use document::{Asked, Description};
use http::{Method, Request};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http2::SendRequest;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use support::{Answer, Door, MNO, OPERATOR, create_body, post};

type Connection = SendRequest<Full<Bytes>>;

/// Requests to each operation.
const REQUESTS: usize = 40;

async fn description(door: &Door) -> Description {
    let asked = Request::get("/rpp/v1/openapi.json")
        .body(Vec::new())
        .unwrap();
    Description::new(door.send(asked).await.json())
}

/// Asks over one connection, as an MNO and an operator in turns.
async fn answer(connection: &Connection, asked: &Asked, number: usize) -> Answer {
    let (mut parts, body) = asked.request.clone().into_parts();
    parts.uri = format!("https://localhost{}", parts.uri).parse().unwrap();
    let token = if number.is_multiple_of(2) {
        MNO
    } else {
        OPERATOR
    };
    let bearer = format!("Bearer {token}").parse().unwrap();
    parts.headers.insert("authorization", bearer);
    if asked.is_valid && parts.headers.contains_key("rpp-cltrid") {
        let own = format!("request-{number}-{}", parts.uri.path().len());
        parts.headers.insert("rpp-cltrid", own.parse().unwrap());
    }
    let request = Request::from_parts(parts, Full::new(Bytes::from(body)));
    let answer = connection.clone().send_request(request).await.unwrap();
    Answer::read(answer).await
}

#[tokio::test]
async fn answers_to_any_request_are_documented_and_never_failures() {
    let door = Door::open().await;
    let description = description(&door).await;
    door.send(post("/rpp/v1/devices", MNO, create_body(support::EID)))
        .await;
    (0..10).for_each(|message_id| door.registry.tell(message_id));
    let connection = door.http2().await;
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut statuses: BTreeMap<String, BTreeMap<u16, usize>> = BTreeMap::new();
    for operation in description.operations() {
        // A stream has no end; its head is asked for.
        let is_stream = operation.template == "/events" && operation.method == "GET";
        let strategy = description.requests("/rpp/v1", &operation);
        // A header of it belongs to one form of its body alone, so that few requests fit.
        let is_rare = operation.template.ends_with("/transferProcesses");
        let requests = if is_rare { 20 * REQUESTS } else { REQUESTS };
        for number in 0..requests {
            if is_stream {
                continue;
            }
            let asked = strategy.new_tree(&mut runner).unwrap().current();
            let answer = answer(&connection, &asked, number).await;
            let media_type = answer.header("content-type").to_owned();
            let (status, body) = (answer.status, &answer.body);
            let fault = description.fault_of_answer(&asked.operation, status, &media_type, body);
            assert_eq!(fault, None, "{asked:?}\n{}", answer.text());
            let fault = description.fault_of_headers(&asked.operation, status, &answer.headers);
            assert_eq!(fault, None, "{asked:?}\n{}", answer.text());
            if answer.status >= 400 && answer.status != 404 {
                assert!(!answer.header("rpp-code").starts_with("01"), "{asked:?}");
            }
            let name = format!("{} {}", operation.method, operation.template);
            *statuses
                .entry(name)
                .or_default()
                .entry(answer.status)
                .or_default() += 1;
        }
    }
    for (operation, statuses) in statuses {
        let succeeded = statuses.keys().any(|status| *status < 300);
        assert!(succeeded, "{operation} never succeeds: {statuses:?}");
    }
}

#[tokio::test]
async fn valid_requests_are_never_malformed() {
    let door = Door::open().await;
    let description = description(&door).await;
    let connection = door.http2().await;
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[8; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    for operation in description.operations() {
        // A header that belongs to one form of the body, and members of which one is enough: these
        // the description tells in words.
        let depends = ["transferProcesses", "/endpoints/self"];
        if depends.iter().any(|end| operation.template.ends_with(end))
            || (operation.template == "/events" && operation.method == "GET")
        {
            continue;
        }
        let valid = description.requests("/rpp/v1", &operation);
        let valid = valid.prop_filter("valid", |asked| asked.is_valid);
        for number in 0..REQUESTS / 4 {
            let asked = valid.new_tree(&mut runner).unwrap().current();
            let answer = answer(&connection, &asked, number).await;
            assert!(
                ![400, 413, 415].contains(&answer.status),
                "{asked:?}\n{}",
                answer.text()
            );
        }
    }
}

#[tokio::test]
async fn faults_in_answers_are_found() {
    let door = Door::open().await;
    let description = description(&door).await;
    let zone = description.operation_of(&Method::GET, "/zone/check");
    let json = "application/rpp+json";
    let good = br#"{"zone":"z","serial":1,"deviceNames":1,"signaturesVerified":1,"findings":[]}"#;
    assert_eq!(description.fault_of_answer(&zone, 200, json, good), None);
    for (status, media_type, body) in [
        (500, json, &good[..]),
        (302, json, good),
        (200, "text/html", good),
        (200, json, b"{"),
        (200, json, b"{}"),
        (200, json, br#"{"zone":"z","serial":-1,"deviceNames":1,"signaturesVerified":1,"findings":[]}"#),
        (200, json, br#"{"zone":"z","serial":1,"deviceNames":1,"signaturesVerified":1,"findings":[1]}"#),
        (200, json, br#"{"zone":"z","serial":1,"deviceNames":1,"signaturesVerified":1,"findings":[],"x":1}"#),
    ] {
        let fault = description.fault_of_answer(&zone, status, media_type, body);
        assert!(fault.is_some(), "{status} {media_type}");
    }
    let mut headers = http::HeaderMap::new();
    let fault = |headers: &http::HeaderMap| description.fault_of_headers(&zone, 200, headers);
    assert!(fault(&headers).is_some(), "no code");
    headers.insert("rpp-code", "01000".parse().unwrap());
    headers.insert("rpp-svtrid", "IOTR-1".parse().unwrap());
    headers.insert("date", "now".parse().unwrap());
    assert_eq!(fault(&headers), None);
    for name in ["etag", "location", "link", "rpp-queue-size", "rpp-other"] {
        let mut more = headers.clone();
        more.insert(name, "1".parse().unwrap());
        assert!(fault(&more).is_some(), "{name}");
    }
    let removed = description.operation_of(&Method::DELETE, "/endpoints/self");
    assert_eq!(description.fault_of_answer(&removed, 204, "", b""), None);
    assert!(
        description
            .fault_of_answer(&removed, 204, "", b"x")
            .is_some()
    );
}
