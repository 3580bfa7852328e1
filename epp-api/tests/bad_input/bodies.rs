//! Bodies that are refused: too long, of another type, not JSON, or with what no client may set.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderValue, Method};
use serde_json::json;

use crate::support::{Door, EID, MNO, OPERATOR, PEM, create_body, post, request};
use crate::{DEVICES, create, refused};

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
            "02001",
            "deeper",
        ),
        ("[".repeat(60_000).into(), "02001", "deeper"),
        (r#"{"id":[]}"#.into(), "02005", "an array"),
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
async fn a_status_that_one_update_adds_and_removes_is_refused_whichever_comes_first() {
    let door = Door::open().await;
    let target = format!("{DEVICES}/{EID}");
    let (add, remove) = (
        json!({"addStatus": "clientHold"}),
        json!({"removeStatus": "clientHold"}),
    );
    let other = json!({"removeStatus": "clientUpdateProhibited"});
    for changes in [
        json!([add, remove]),
        json!([remove, add]),
        json!([other, remove, other, add]),
    ] {
        let body = json!({"changes": changes}).to_string();
        let asked = request(Method::PATCH, &target, MNO).header(CONTENT_TYPE, "application/json");
        let asked = asked.body(body.into_bytes()).unwrap();
        let (reason, paths) = refused(&door, asked, 422, "02306").await;
        assert!(reason.contains("clientHold"), "{reason}");
        assert_eq!(paths, json!(["$.changes"]));
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
async fn updates_are_refused_at_the_change_that_is_wrong() {
    let door = Door::open().await;
    let target = format!("{DEVICES}/{EID}");
    let many = vec![json!({"clearAuthInfo": {}}); 257];
    for (body, code, path) in [
        (json!({"changes": []}), "02004", "$.changes"),
        (json!({"changes": many}), "02004", "$.changes"),
        (json!({"changes": [{}]}), "02001", "$.changes[0]"),
        (
            json!({"changes": [{"addStatus": "ok"}]}),
            "02005",
            "$.changes[0].addStatus",
        ),
        (
            json!({"changes": [{"clearAuthInfo": null}]}),
            "02005",
            "$.changes[0].clearAuthInfo",
        ),
        (
            json!({"changes": [{"setAuthInfo": "short"}]}),
            "02005",
            "$.changes[0].setAuthInfo",
        ),
        (
            json!({"changes": [{"clearAuthInfo": {}}, {"bind": {"slot": 0, "asp": "asp-one"}}]}),
            "02005",
            "$.changes[1].bind.slot",
        ),
        (
            json!({"changes": [{"withdraw": {"slot": 70000, "reason": "superseded"}}]}),
            "02004",
            "$.changes[0].withdraw.slot",
        ),
    ] {
        let mut asked = post(&target, MNO, body.to_string());
        *asked.method_mut() = Method::PATCH;
        let (reason, paths) = refused(&door, asked, 400, code).await;
        assert_eq!(paths, json!([path]), "{body} {reason}");
        assert!(
            !reason.contains("short\""),
            "secrets are not quoted: {reason}"
        );
    }
    assert_eq!(door.registry.request_count(), 0);
}
