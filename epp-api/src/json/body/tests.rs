//! What bodies are refused for, and where.

use iot_identity::DeviceId;
use serde::Deserialize;

use super::*;
use crate::result_code::ResultCode;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "some members are only there to be refused")]
struct Example {
    id: String,
    csr: Option<String>,
    slot_number: Option<u8>,
    #[serde(default)]
    ids: Vec<DeviceId>,
    #[serde(default)]
    choices: Vec<Choice>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Choice {
    Alone {},
    Text(String),
    Pair { left: u8, right: bool },
}

fn refusal(body: &[u8]) -> Refusal {
    match read::<Example>(body) {
        Ok(_) => panic!("accepted: {:?}", String::from_utf8_lossy(body)),
        Err(refusal) => refusal,
    }
}

fn assert_refused(body: &str, code: ResultCode, path: &str, says: &str) {
    let refusal = refusal(body.as_bytes());
    assert_eq!(refusal.problem.code, code, "{body}: {refusal:?}");
    assert_eq!(refusal.problem.paths, [path], "{body}");
    assert!(refusal.problem.reason.contains(says), "{refusal:?}");
}

#[test]
fn documents_are_read_in_any_order() {
    let text = r#" {"slotNumber":7,"choices":[{"pair":{"right":true,"left":1}},{"alone":{}},{"text":"t"}],"id":"x\u0041"} "#;
    let example: Example = read(text.as_bytes()).unwrap();
    assert_eq!((example.id.as_str(), example.slot_number), ("xA", Some(7)));
    assert_eq!(example.csr, None);
    let pair = Choice::Pair {
        left: 1,
        right: true,
    };
    let text = Choice::Text("t".to_owned());
    assert_eq!(example.choices, [pair, Choice::Alone {}, text]);
    read_empty(b"{}").unwrap();
    assert!(read_empty(b"{\"force\":true}").is_err());
}

#[test]
fn unknown_members_are_refused_by_name_at_every_depth() {
    for name in ["owner", "serial", "notAfter", "status", "ID", "slot_number"] {
        let body = format!("{{\"id\":\"1\",\"{name}\":{{}}}}");
        let path = format!("$.{name}");
        assert_refused(
            &body,
            ResultCode::SyntaxError,
            &path,
            &format!("\"{name}\""),
        );
    }
    let nested = r#"{"id":"1","choices":[{"pair":{"left":1,"right":true,"middle":0}}]}"#;
    let path = "$.choices[0].pair.middle";
    assert_refused(nested, ResultCode::SyntaxError, path, "only: left, right");
    let long = refusal(format!("{{\"{}\":1}}", "n".repeat(5000)).as_bytes());
    assert!(long.problem.reason.len() < 300);
    assert_eq!(long.problem.paths, ["$"]);
}

#[test]
fn duplicate_members_are_refused_even_when_escaped() {
    for body in [r#"{"id":"1","id":"1"}"#, r#"{"id":"1","\u0069d":"2"}"#] {
        assert_refused(body, ResultCode::SyntaxError, "$.id", "twice");
    }
    let nested = r#"{"id":"1","choices":[{"pair":{"left":1,"left":1}}]}"#;
    let path = "$.choices[0].pair.left";
    assert_refused(nested, ResultCode::SyntaxError, path, "twice");
}

#[test]
fn values_of_another_kind_are_refused_by_kind() {
    for (value, kind) in [
        ("89049032123451234512345678901235", "a number"),
        ("-0", "a number"),
        ("1.5", "a number"),
        ("true", "a boolean"),
        ("null", "null"),
        ("[\"x\"]", "an array"),
        ("{}", "an object"),
    ] {
        for name in ["id", "csr"] {
            let body = format!("{{\"{name}\":{value}}}");
            let path = format!("$.{name}");
            assert_refused(&body, ResultCode::ParameterSyntax, &path, kind);
        }
    }
    for value in ["-1", "1.0", "1e2", "\"1\"", "null"] {
        let body = format!("{{\"id\":\"1\",\"slotNumber\":{value}}}");
        let says = "a whole number";
        assert_refused(&body, ResultCode::ParameterSyntax, "$.slotNumber", says);
    }
    let body = r#"{"id":"1","slotNumber":256}"#;
    assert_refused(body, ResultCode::ParameterRange, "$.slotNumber", "range");
}

#[test]
fn missing_members_are_2003() {
    assert_refused("{}", ResultCode::RequiredParameterMissing, "$.id", "\"id\"");
    let nested = r#"{"id":"1","choices":[{"pair":{"left":1}}]}"#;
    let path = "$.choices[0].pair.right";
    assert_refused(nested, ResultCode::RequiredParameterMissing, path, "right");
}

#[test]
fn values_that_their_parsers_refuse_are_2005_with_their_place() {
    let body = r#"{"id":"1","ids":["89049032123451234512345678901235","890490"]}"#;
    assert_refused(body, ResultCode::ParameterSyntax, "$.ids[1]", "item 1");
}

#[test]
fn choices_are_exactly_one() {
    let path = "$.choices[0]";
    for item in ["{}", r#"{"alone":{},"text":"t"}"#] {
        let body = format!("{{\"id\":\"1\",\"choices\":[{item}]}}");
        assert_refused(&body, ResultCode::SyntaxError, path, "exactly one");
    }
    let body = r#"{"id":"1","choices":[{"other":{}}]}"#;
    assert_refused(body, ResultCode::SyntaxError, "$.choices[0].other", "other");
    for item in ["7", "null", "[]"] {
        let body = format!("{{\"id\":\"1\",\"choices\":[{item}]}}");
        assert_refused(&body, ResultCode::ParameterSyntax, path, "has to be");
    }
}

#[test]
fn depth_and_members_are_bounded() {
    for deep in ["[".repeat(60_000), "{\"x\":".repeat(10_000)] {
        let refusal = refusal(deep.as_bytes());
        assert_eq!(refusal.problem.code, ResultCode::SyntaxError);
        assert!(refusal.problem.reason.contains("deeper than 8"));
    }
    let allowed = format!("{}{}", "[".repeat(8), "]".repeat(8));
    assert!(
        refusal(allowed.as_bytes())
            .problem
            .reason
            .contains("an array")
    );
    let many: Vec<String> = (0..33).map(|n| format!("\"m{n}\":0")).collect();
    let many = format!("{{{}}}", many.join(","));
    assert!(
        refusal(many.as_bytes())
            .problem
            .reason
            .contains("more than 32")
    );
}

#[test]
fn text_that_is_not_plain_utf_8_json_is_refused_by_cause() {
    for (body, cause) in [
        (&b""[..], "empty"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"\xff\xfe{\0}\0", "byte order mark"),
        (b"{\0\"\0", "NUL"),
        (b"{\"id\":\"\xc0\xaf\"}", "not UTF-8 at octet 7"),
        (b"{\"id\":\"\\ud800\"}", "column"),
        (b"{\"id\":\"\n\"}", "column"),
        (b"{\"id\":1e400}", "column"),
        (b"{\"id\":\"1\"} {}", "column"),
        (b"{\"id\":\"1\",}", "column"),
        (b"{'id':'1'}", "column"),
        (b"[]", "an array"),
        (b"\"id\"", "a string"),
        (b"null", "null"),
    ] {
        let refusal = refusal(body);
        assert_eq!(refusal.problem.code, ResultCode::SyntaxError, "{refusal:?}");
        assert!(refusal.problem.reason.contains(cause), "{refusal:?}");
    }
}
