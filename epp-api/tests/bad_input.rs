//! Everything that clients get wrong, asked over TLS: each has its own clear refusal, and none of
//! it reaches the registry.

#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a test may end here")]

mod support;

use std::sync::atomic::Ordering;

use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};
use serde_json::json;
use support::{Door, EID, MNO, OPERATOR, PEM, create_body, get, post, request};

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
    assert_eq!(answer.json()["retry_after_secs"], 5);
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
        (
            Method::POST,
            "/rpp/v1/accounts/mno-one/processes/disableProcesses".to_owned(),
        ),
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
    let values: [&[u8]; 5] = [b"ab", b"a b c", long.as_bytes(), b"\xff\xfe\xfd", b""];
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
async fn device_ids_are_refused_with_the_rule_they_break() {
    let door = Door::open().await;
    for (id, says) in [
        ("8904903212345123451234567890123", "31"),
        ("890490321234512345123456789012355", "33"),
        ("", "0"),
        ("89049032123451234512345678901236", "check digits"),
        ("8904903212345123451234567890123x", "character 32"),
        ("８９049032123451234512345678901235", "character 1 "),
        ("+9049032123451234512345678901235", "character 1 "),
        ("8904903212345123 512345678901235", "character 17"),
        ("8904903212345123451234567890123\n", "character 32"),
        ("8904903212345123451234567890123\0", "character 32"),
        ("8912230200031010009f", "Luhn"),
        ("7912230200031010008f", "begins with 89"),
    ] {
        let body = json!({"id": id, "csr": PEM}).to_string();
        let (reason, paths) = refused(&door, create(body), 400, "02005").await;
        assert!(reason.contains(says), "{id:?}: {reason}");
        assert!(!reason.contains(char::is_control), "{reason:?}");
        assert_eq!(paths, json!(["$.id"]));
    }
    assert_eq!(door.registry.request_count(), 0);
}

#[tokio::test]
async fn paths_that_are_no_resource_are_404_and_wrong_ids_400() {
    let door = Door::open().await;
    for (target, status, code) in [
        ("/", 404, "02000"),
        ("/rpp/v1", 404, "02000"),
        ("/rpp/v2/devices", 404, "02000"),
        ("/rpp/v1/devices/", 400, "02005"),
        ("/rpp/v1/devices/x", 400, "02005"),
        ("/rpp/v1/devices/..%2f..%2fzone", 400, "02005"),
        ("/rpp/v1/devices/%zz", 400, "02001"),
        ("/rpp/v1/devices/89%ff", 400, "02001"),
        (
            "/rpp/v1/devices/89049032123451234512345678901235/processes/renewProcesses/1",
            404,
            "02000",
        ),
        (
            "/rpp/v1/devices/89049032123451234512345678901235/processes/createProcesses/-1",
            400,
            "02005",
        ),
        ("/rpp/v1/accounts?x=1", 400, "02001"),
        ("/rpp/v1/zone?check", 400, "02001"),
        ("/.well-known/other", 404, "02000"),
    ] {
        refused(&door, get(target, OPERATOR), status, code).await;
    }
    assert_eq!(door.registry.request_count(), 0);
}

#[tokio::test]
async fn other_methods_are_405_with_those_there_are() {
    let door = Door::open().await;
    let device = format!("{DEVICES}/{EID}");
    for (method, target, allow) in [
        ("PUT", DEVICES.to_owned(), "GET, HEAD, POST"),
        ("PATCH", device.clone(), "GET, HEAD, DELETE"),
        ("OPTIONS", device.clone(), "GET, HEAD, DELETE"),
        ("POST", device.clone(), "GET, HEAD, DELETE"),
        ("BREW", format!("{device}/availability"), "GET, HEAD"),
        (
            "GET",
            format!("{device}/processes/activateProcesses"),
            "POST",
        ),
        (
            "DELETE",
            format!("{device}/processes/createProcesses/1"),
            "GET, HEAD",
        ),
        ("DELETE", "/rpp/v1/zone".to_owned(), "GET, HEAD"),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let asked = request(method, &target, OPERATOR).body(Vec::new()).unwrap();
        let answer = door.send(asked).await;
        answer.reason(405, "02000");
        assert_eq!(answer.header("allow"), allow, "{target}");
    }
}

#[tokio::test]
async fn list_parameters_are_bounded_and_known() {
    let door = Door::open().await;
    for (query, code) in [
        ("limit=0", "02004"),
        ("limit=1001", "02004"),
        ("limit=1000000000", "02004"),
        ("limit=18446744073709551616", "02005"),
        ("limit=", "02005"),
        ("limit=-1", "02005"),
        ("limit=01", "02005"),
        ("limit=%", "02001"),
        ("limit=1&limit=1", "02001"),
        ("after=abc", "02005"),
        ("after=' OR 1=1", "02005"),
        ("account=mno-two", "02001"),
        ("Limit=1", "02001"),
    ] {
        let target = format!("{DEVICES}?{}", query.replace(' ', "%20"));
        refused(&door, get(&target, MNO), 400, code).await;
    }
    let most = door.send(get(&format!("{DEVICES}?limit=1000"), MNO)).await;
    assert_eq!(most.status, 200);
}

#[tokio::test]
async fn bodies_over_64_kib_are_413_announced_or_not() {
    let door = Door::open().await;
    let limit = 64 * 1024;
    refused(&door, create(vec![b' '; limit + 1]), 413, "02004").await;
    let (reason, _) = refused(&door, create(vec![b' '; limit]), 400, "02001").await;
    assert!(reason.contains("JSON"), "{reason}");

    let head = format!(
        "POST {DEVICES} HTTP/1.1\r\nHost: x\r\nRPP-Cltrid: abc\r\nAuthorization: Bearer {MNO}\r\n\
         Content-Type: application/json\r\n"
    );
    let announced = format!("{head}Content-Length: 1000000000\r\n\r\n");
    let answer = door.raw(announced.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");

    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    let endless = format!(
        "{head}Transfer-Encoding: chunked\r\n\r\n{}",
        chunk.repeat(40)
    );
    let answer = door.raw(endless.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert_eq!(door.registry.request_count(), 0);
}

#[tokio::test]
async fn certificate_requests_over_16_kib_are_refused_as_such() {
    let door = Door::open().await;
    let pem = format!("{PEM}{}", "A".repeat(16 * 1024));
    for csr in [pem, "A".repeat(22_000)] {
        let body = json!({"id": EID, "csr": csr}).to_string();
        let (reason, paths) = refused(&door, create(body), 400, "02004").await;
        assert!(reason.contains("16384"), "{reason}");
        assert_eq!(paths, json!(["$.csr"]));
    }
    for csr in ["", "not base64!", "\u{0}"] {
        let body = json!({"id": EID, "csr": csr}).to_string();
        let (_, paths) = refused(&door, create(body), 400, "02005").await;
        assert_eq!(paths, json!(["$.csr"]));
    }
}

#[tokio::test]
async fn other_content_types_and_encodings_are_415() {
    let door = Door::open().await;
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/xml"),
        Some("application/json; charset=utf-16"),
        Some("application/rpp+json; version=2.0"),
    ] {
        let mut asked = create(create_body(EID));
        asked.headers_mut().remove(CONTENT_TYPE);
        if let Some(value) = content_type {
            let value = HeaderValue::from_static(value);
            asked.headers_mut().insert(CONTENT_TYPE, value);
        }
        refused(&door, asked, 415, "02001").await;
    }
    let mut asked = create(create_body(EID));
    let gzip = HeaderValue::from_static("gzip");
    asked.headers_mut().insert(CONTENT_ENCODING, gzip);
    let (reason, _) = refused(&door, asked, 415, "02001").await;
    assert!(reason.contains("Content-Encoding"));
    let target = format!("{DEVICES}/{EID}/processes/activateProcesses");
    let body = request(Method::POST, &target, MNO).body(b"{}".to_vec());
    refused(&door, body.unwrap(), 415, "02001").await;
    assert_eq!(door.registry.request_count(), 0);
}

#[tokio::test]
async fn json_is_read_without_tolerance() {
    let door = Door::open().await;
    let id = EID;
    let cases: Vec<(Vec<u8>, &str, &str)> = vec![
        (b"".to_vec(), "02001", "empty"),
        (b"[]".to_vec(), "02001", "JSON object"),
        (b"{".to_vec(), "02001", "JSON object"),
        (b"{} {}".to_vec(), "02001", "column"),
        (b"{}".to_vec(), "02003", "\"id\""),
        (format!(r#"{{"id":"{id}"}}"#).into(), "02003", "\"csr\""),
        (
            format!(r#"{{"id":"{id}","id":"{id}"}}"#).into(),
            "02001",
            "twice",
        ),
        (format!(r#"{{"id":{id}}}"#).into(), "02005", "a number"),
        (r#"{"id":1e400}"#.into(), "02001", "column"),
        (r#"{"id":-0}"#.into(), "02005", "a number"),
        (r#"{"id":null}"#.into(), "02005", "null"),
        (
            format!(r#"{{"id":{}"#, "[".repeat(50_000)).into(),
            "02005",
            "an array",
        ),
        ("[".repeat(60_000).into(), "02001", "JSON object"),
        (b"\xef\xbb\xbf{}".to_vec(), "02001", "byte order mark"),
        (b"\xff\xfe{\0}\0".to_vec(), "02001", "byte order mark"),
        (b"{\0}\0".to_vec(), "02001", "NUL"),
        (b"{\"id\":\"\xff\"}".to_vec(), "02001", "UTF-8"),
        (br#"{"id":"\ud800"}"#.to_vec(), "02001", "column"),
    ];
    for (body, code, says) in cases {
        let (reason, _) = refused(&door, create(body), 400, code).await;
        assert!(reason.contains(says), "{says}: {reason}");
    }
    assert_eq!(door.registry.request_count(), 0);
}

#[tokio::test]
async fn members_that_a_client_may_not_set_are_refused_by_name() {
    let door = Door::open().await;
    for name in [
        "owner",
        "account",
        "serial",
        "notAfter",
        "not_after",
        "status",
        "zone",
        "slot",
    ] {
        let body = json!({"id": EID, "csr": PEM, name: "x"}).to_string();
        let (reason, paths) = refused(&door, create(body), 400, "02001").await;
        assert!(reason.contains(&format!("\"{name}\"")), "{reason}");
        assert_eq!(paths, json!([format!("$.{name}")]));
    }
    let target = format!("{DEVICES}/{EID}/processes/deactivateProcesses");
    let (reason, _) = refused(&door, post(&target, MNO, r#"{"force":true}"#), 400, "02001").await;
    assert!(reason.contains("\"force\""));
    for body in [
        r#"{"name":"UPPER","role":"mno"}"#,
        r#"{"name":"mno-two","role":"root"}"#,
    ] {
        refused(
            &door,
            post("/rpp/v1/accounts", OPERATOR, body),
            400,
            "02005",
        )
        .await;
    }
    assert_eq!(door.registry.request_count(), 0);
}

#[tokio::test]
async fn bodies_where_none_belong_are_refused() {
    let door = Door::open().await;
    let device = format!("{DEVICES}/{EID}");
    for method in [Method::DELETE, Method::GET] {
        let asked = request(method, &device, MNO)
            .header(CONTENT_TYPE, "application/json")
            .body(b"{}".to_vec());
        let (reason, _) = refused(&door, asked.unwrap(), 400, "02001").await;
        assert!(reason.contains("no body"), "{reason}");
    }
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
