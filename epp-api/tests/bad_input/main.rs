//! Everything that clients get wrong, asked over TLS: each has its own clear refusal, and none of
//! it reaches the registry.

#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a test may end here")]

mod bodies;
mod resources;
#[path = "../support/mod.rs"]
mod support;

use std::sync::atomic::Ordering;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, Request};
use serde_json::json;
use support::{Door, EID, MNO, OPERATOR, create_body, get, post, request};

const DEVICES: &str = "/rpp/v1/devices";

/// Sends, expects this refusal, and gives its reason and paths.
async fn refused(
    door: &Door,
    asked: Request<Vec<u8>>,
    status: u16,
    code: &str,
) -> (String, serde_json::Value) {
    let answer = door.send(asked).await;
    let reason = answer.reason(status, code);
    let paths = answer.json()["errors"][0]["paths"].clone();
    (reason, paths)
}

fn create(body: impl Into<Vec<u8>>) -> Request<Vec<u8>> {
    post(DEVICES, MNO, body)
}

#[tokio::test]
async fn no_token_and_unknown_token_are_401_with_a_challenge() {
    let door = Door::open().await;
    for (authorization, code) in [
        (None, "02200"),
        (Some("Basic dXNlcjpwYXNz".to_owned()), "02200"),
        (Some("Bearer".to_owned()), "02200"),
        (Some("Bearer x".to_owned()), "02202"),
        (Some(format!("Bearer {}", "x".repeat(257))), "02202"),
        (Some("Bearer token-of-nobody-000000001".to_owned()), "02202"),
    ] {
        for target in [DEVICES, "/rpp/v1/zone", "/nothing/here"] {
            let mut asked = create(create_body(EID));
            *asked.uri_mut() = target.parse().unwrap();
            asked.headers_mut().remove(AUTHORIZATION);
            if let Some(value) = &authorization {
                let value = HeaderValue::from_str(value).unwrap();
                asked.headers_mut().insert(AUTHORIZATION, value);
            }
            let answer = door.send(asked).await;
            let reason = answer.reason(401, code);
            assert!(!reason.contains("nobody"), "the token is not quoted");
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
            assert_eq!(answer.header("rpp-cltrid"), "test-0001");
        }
    }
    assert_eq!(door.registry.request_count(), 0);
}

#[tokio::test]
async fn token_is_refused_before_the_body_is_read() {
    let door = Door::open().await;
    let head = "POST /rpp/v1/devices HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\
                Authorization: Bearer token-of-nobody-000000001\r\n\r\n";
    let answer = door.raw(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

#[tokio::test]
async fn store_that_is_not_open_is_503_and_not_a_wrong_token() {
    let door = Door::open().await;
    door.registry.unavailable.store(true, Ordering::SeqCst);
    let answer = door.send(create(create_body(EID))).await;
    answer.reason(503, "02400");
    assert_eq!(answer.header("retry-after"), "5");
    assert_eq!(answer.json()["retryAfterSecs"], 5);
}

#[tokio::test]
async fn registry_that_breaks_down_is_500_without_internals() {
    let door = Door::open().await;
    let body = json!({"id": EID, "csr": support::registry::PANIC}).to_string();
    let (reason, _) = refused(&door, create(body), 500, "02400").await;
    assert!(!reason.contains("asked for"));
    let alive = door.send(get(DEVICES, MNO)).await;
    assert_eq!(alive.status, 200);
}

#[tokio::test]
async fn changes_need_a_transaction_id_and_queries_do_not() {
    let door = Door::open().await;
    for (method, target) in [
        (Method::POST, DEVICES.to_owned()),
        (Method::DELETE, format!("{DEVICES}/{EID}")),
        (
            Method::POST,
            format!("{DEVICES}/{EID}/processes/activateProcesses"),
        ),
        (
            Method::POST,
            format!("{DEVICES}/{EID}/processes/deactivateProcesses"),
        ),
        (Method::POST, "/rpp/v1/accounts".to_owned()),
        (Method::PATCH, "/rpp/v1/accounts/mno-one".to_owned()),
        (Method::PATCH, "/rpp/v1/jobs/4/rows?offset=0".to_owned()),
        (Method::PUT, "/rpp/v1/endpoints/self".to_owned()),
    ] {
        let mut asked = request(method, &target, OPERATOR).body(Vec::new()).unwrap();
        asked.headers_mut().remove("rpp-cltrid");
        let (reason, _) = refused(&door, asked, 400, "02003").await;
        assert!(reason.contains("RPP-Cltrid"), "{reason}");
    }
    assert_eq!(door.registry.request_count(), 0);
    let mut query = get(DEVICES, MNO);
    query.headers_mut().remove("rpp-cltrid");
    let answer = door.send(query).await;
    assert_eq!((answer.status, answer.header("rpp-cltrid")), (200, ""));
}

#[tokio::test]
async fn malformed_transaction_ids_are_refused_and_not_echoed() {
    let door = Door::open().await;
    let long = "x".repeat(65);
    let values: [&[u8]; 6] = [
        b"ab",
        b"a  b c",
        b"abc\td",
        long.as_bytes(),
        b"\xff\xfe\xfd",
        b"",
    ];
    for value in values {
        for mut asked in [create(create_body(EID)), get(DEVICES, MNO)] {
            let value = HeaderValue::from_bytes(value).unwrap();
            asked.headers_mut().insert("rpp-cltrid", value);
            let answer = door.send(asked).await;
            assert!(answer.reason(400, "02005").contains("RPP-Cltrid"));
            assert_eq!(answer.header("rpp-cltrid"), "");
        }
    }
    let mut twice = create(create_body(EID));
    let value = HeaderValue::from_static("test-0002");
    twice.headers_mut().append("rpp-cltrid", value);
    refused(&door, twice, 400, "02001").await;
    assert_eq!(door.registry.request_count(), 0);
}

#[tokio::test]
async fn proxy_headers_change_nothing_and_smuggling_is_refused() {
    let door = Door::open().await;
    let mut asked = get(DEVICES, MNO);
    for name in [
        "x-ssl-client-cert",
        "x-forwarded-user",
        "x-forwarded-for",
        "forwarded",
    ] {
        let value = HeaderValue::from_static("operator");
        asked.headers_mut().insert(name, value);
    }
    assert_eq!(door.send(asked).await.status, 200);
    assert_eq!(door.registry.last_request().0.account.as_str(), "mno-one");

    let head = format!(
        "POST {DEVICES} HTTP/1.1\r\nHost: x\r\nRPP-Cltrid: abc\r\nAuthorization: Bearer {MNO}\r\n\
         Content-Type: application/json\r\n"
    );
    let smuggled = "GET /rpp/v1/devices HTTP/1.1\r\nHost: x\r\n\r\n";
    for fields in [
        "Content-Length: 2\r\nContent-Length: 40\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Content-Length: +2\r\n",
        "Transfer-Encoding\r\n : chunked\r\n",
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
    ] {
        let answer = door
            .raw(format!("{head}{fields}\r\n{{}}{smuggled}").as_bytes())
            .await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{fields:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    }
    assert_eq!(door.registry.request_count(), 1);
}

#[tokio::test]
async fn header_sections_over_the_limit_are_refused() {
    let door = Door::open().await;
    let many = "X: y\r\n".repeat(100);
    let long = format!("X: {}\r\n", "y".repeat(20_000));
    for fields in [many, long] {
        let asked = format!("GET {DEVICES} HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
        let answer = door.raw(asked.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    let asked = "GET /rpp/v1/devices HTTP/1.1\r\nHost: x\r\n\r\n".replace('\n', "");
    assert!(!door.raw(asked.as_bytes()).await.contains("200 OK"));
}

#[tokio::test]
async fn plain_http_on_the_tls_port_gets_no_answer() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let door = Door::open().await;
    let mut socket = tokio::net::TcpStream::connect(door.address())
        .await
        .unwrap();
    socket
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}

#[tokio::test]
async fn idempotency_key_is_another_name_of_the_transaction_id() {
    let door = Door::open().await;
    let mut asked = create(create_body(EID));
    asked.headers_mut().remove("rpp-cltrid");
    let key = HeaderValue::from_static("\"key-0001\"");
    asked.headers_mut().insert("idempotency-key", key);
    let answer = door.send(asked.clone()).await;
    assert_eq!(
        (answer.status, answer.header("rpp-cltrid")),
        (201, "key-0001")
    );
    let again = door.send(asked.clone()).await;
    assert_eq!((again.status, again.header("rpp-replayed")), (201, "true"));
    let other = HeaderValue::from_static("key-0002");
    asked.headers_mut().insert("rpp-cltrid", other);
    let (reason, _) = refused(&door, asked, 400, "02001").await;
    assert!(reason.contains("differ"), "{reason}");
    assert_eq!(door.registry.device_count(), 1);
}

#[tokio::test]
async fn a_request_names_its_host_once() {
    let door = Door::open().await;
    let token = format!("Authorization: Bearer {MNO}\r\n");
    let asked = |version: &str, hosts: &str| {
        format!("GET /rpp/v1/devices {version}\r\n{hosts}{token}Connection: close\r\n\r\n")
    };
    for hosts in [
        "",
        "Host: a\r\nHost: a\r\n",
        "Host: a b\r\n",
        "Host: a/b\r\n",
        "Host: a@b\r\n",
    ] {
        let answer = door.raw(asked("HTTP/1.1", hosts).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{hosts:?}: {answer}");
    }
    for (version, hosts) in [("HTTP/1.1", "Host: localhost:8443\r\n"), ("HTTP/1.0", "")] {
        let answer = door.raw(asked(version, hosts).as_bytes()).await;
        assert!(answer.contains(" 200 "), "{answer}");
    }
}
