//! What a client writes is what the door reads, and back; arbitrary octets never break either side.

#![allow(clippy::unwrap_used, reason = "a test may end here")]

mod arbitrary;

use arbitrary::{any_command, any_token, any_transaction, command_and_reply};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use iot_epp_api::client::{ClientError, ClientRequest};
use iot_epp_api::json::header::bearer_token;
use iot_epp_api::json::{Asked, Head, encode};
use iot_epp_api::{
    AccountInfo, AccountName, BearerToken, ClientTransactionId, Command, Door, Problem, Reply,
    Request, Response, ResultCode, Role, server_transaction_id,
};
use iot_identity::DeviceId;
use proptest::collection::vec;
use proptest::prelude::*;

fn through_the_door(asked: &ClientRequest, token: &BearerToken) -> (Request, Asked, BearerToken) {
    let (parts, body) = asked.to_http(token).unwrap().into_parts();
    let head = Head::decode(&parts.method, &parts.uri, &parts.headers).unwrap();
    let (request, asked) = head.into_request(&body).unwrap();
    (request, asked, bearer_token(&parts.headers).unwrap())
}

fn example() -> (ClientRequest, Asked) {
    let device_id = DeviceId::parse("89049032123451234512345678901235").unwrap();
    let transaction = ClientTransactionId::parse("test-1").unwrap();
    let asked = ClientRequest::new(Command::DeviceInfo { device_id }, transaction);
    let token = BearerToken::parse("an-example-of-a-token").unwrap();
    let (_, context, _) = through_the_door(&asked, &token);
    (asked, context)
}

proptest! {
    #[test]
    fn every_command_arrives_as_it_was_sent(
        command in any_command(),
        transaction in any_transaction(),
        token in any_token(),
    ) {
        let asked = ClientRequest::new(command.clone(), transaction.clone());
        let (request, _, arrived) = through_the_door(&asked, &token);
        prop_assert_eq!(request, Request::new(command, Some(transaction), Door::Json));
        prop_assert_eq!(arrived, token);
    }

    #[test]
    fn every_reply_arrives_as_it_was_given(
        (command, reply) in command_and_reply(),
        transaction in any_transaction(),
        random in any::<[u8; 16]>(),
        replayed in any::<bool>(),
    ) {
        let asked = ClientRequest::new(command, transaction);
        let token = BearerToken::parse("an-example-of-a-token").unwrap();
        let (_, context, _) = through_the_door(&asked, &token);
        let mut response = Response::success(server_transaction_id(random), reply);
        response.replayed = replayed;
        let (parts, body) = encode(&context, response.clone()).into_parts();
        let arrived = asked.parse_response(parts.status, &parts.headers, &body).unwrap();
        prop_assert_eq!(arrived, response);
    }

    #[test]
    fn every_problem_arrives_as_it_was_given(
        code in prop::sample::select(ResultCode::ALL),
        title in "\\PC{0,40}",
        reason in "\\PC{0,100}",
        paths in vec("\\$\\.[a-z]{1,8}", 0..3),
        retry_after_secs in prop::option::of(any::<u32>()),
    ) {
        prop_assume!(!code.is_success());
        let (asked, context) = example();
        let problem = Problem { code, title, reason, paths, retry_after_secs };
        let response = Response::failure(server_transaction_id([1; 16]), problem);
        let (parts, body) = encode(&context, response.clone()).into_parts();
        let arrived = asked.parse_response(parts.status, &parts.headers, &body).unwrap();
        prop_assert_eq!(arrived, response);
    }

    #[test]
    fn arbitrary_bodies_are_refused_or_read_and_never_panic(
        body in prop_oneof![
            vec(any::<u8>(), 0..300),
            "[\\[\\]{}\":,0-9a-z\\\\ ]{0,200}".prop_map(String::into_bytes),
            "\\{\"(id|csr|x)\":(\"[0-9f]{0,33}\"|[0-9eE+.-]{1,9}|null|\\[)(,\"csr\":\"[A-Z=]{0,9}\")?\\}"
                .prop_map(String::into_bytes),
        ],
    ) {
        let mut headers = HeaderMap::new();
        headers.insert("rpp-cltrid", HeaderValue::from_static("test-1"));
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        for target in ["/rpp/v1/devices", "/rpp/v1/accounts"] {
            let uri = Uri::from_static(target);
            let head = Head::decode(&Method::POST, &uri, &headers).unwrap();
            if let Err(refusal) = head.into_request(&body) {
                prop_assert!(refusal.status.is_client_error());
                prop_assert!(refusal.problem.reason.len() < 1000);
                prop_assert!(!refusal.problem.reason.contains(char::is_control));
            }
        }
        let (asked, _) = example();
        let mut headers = HeaderMap::new();
        headers.insert("rpp-code", HeaderValue::from_static("01000"));
        headers.insert("rpp-svtrid", HeaderValue::from_static("IOTR-1"));
        headers.insert("rpp-cltrid", HeaderValue::from_static("test-1"));
        let _ = asked.parse_response(StatusCode::OK, &headers, &body);
        headers.insert("rpp-code", HeaderValue::from_static("02400"));
        let _ = asked.parse_response(StatusCode::BAD_GATEWAY, &headers, &body);
    }

    #[test]
    fn arbitrary_targets_and_headers_never_panic(
        path in "/(rpp/v1/)?(devices|accounts|zone|[!-~]{0,9})(/[!-~]{0,40}){0,5}(\\?[!-~]{0,40})?",
        transaction in vec(any::<u8>(), 0..70),
        authorization in vec(any::<u8>(), 0..70),
        method in prop::sample::select(vec!["GET", "HEAD", "POST", "DELETE", "PUT"]),
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in [("rpp-cltrid", transaction), ("authorization", authorization)] {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.insert(name, value);
            }
        }
        let _ = bearer_token(&headers);
        if let Ok(uri) = path.parse::<Uri>() {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            if let Err(refusal) = Head::decode(&method, &uri, &headers) {
                prop_assert!(refusal.status.is_client_error());
                prop_assert!(!refusal.problem.reason.contains(char::is_control));
            }
        }
    }
}

#[test]
fn check_of_several_ids_does_not_fit_this_door() {
    let device_id = DeviceId::parse("89049032123451234512345678901235").unwrap();
    let token = BearerToken::parse("an-example-of-a-token").unwrap();
    for count in [0, 2] {
        let device_ids = vec![device_id; count];
        let transaction = ClientTransactionId::parse("test-1").unwrap();
        let asked = ClientRequest::new(Command::DeviceCheck { device_ids }, transaction);
        let error = asked.to_http(&token).unwrap_err();
        assert!(matches!(error, ClientError::IdsInCheck { ids } if ids == count));
    }
}

#[test]
fn token_in_the_request_is_marked_as_sensitive() {
    let (asked, _) = example();
    let token = BearerToken::parse("an-example-of-a-token").unwrap();
    let request = asked.to_http(&token).unwrap();
    assert!(request.headers()["authorization"].is_sensitive());
    assert!(!format!("{request:?}").contains("an-example"));
}

#[test]
fn answers_that_are_not_the_registrys_are_errors() {
    let (asked, context) = example();
    let problem = Problem::object_does_not_exist();
    let response = Response::failure(server_transaction_id([1; 16]), problem);
    let (parts, body) = encode(&context, response.clone()).into_parts();
    let parse = |status: StatusCode, change: &dyn Fn(&mut HeaderMap), body: &[u8]| {
        let mut headers = parts.headers.clone();
        change(&mut headers);
        asked.parse_response(status, &headers, body)
    };
    let unchanged = |_: &mut HeaderMap| {};
    assert_eq!(parse(parts.status, &unchanged, &body).unwrap(), response);

    let without_code = |headers: &mut HeaderMap| drop(headers.remove("rpp-code"));
    let error = parse(StatusCode::BAD_GATEWAY, &without_code, b"<html>").unwrap_err();
    assert!(matches!(error, ClientError::NotRpp { status } if status == 502));

    let without_id = |headers: &mut HeaderMap| drop(headers.remove("rpp-svtrid"));
    let error = parse(parts.status, &without_id, &body).unwrap_err();
    assert!(matches!(error, ClientError::Header { name: "RPP-Svtrid" }));

    let other = |headers: &mut HeaderMap| {
        headers.insert("rpp-cltrid", HeaderValue::from_static("other-1"));
    };
    let error = parse(parts.status, &other, &body).unwrap_err();
    assert!(matches!(error, ClientError::OtherTransaction));

    let error = parse(StatusCode::OK, &unchanged, &body).unwrap_err();
    assert!(matches!(error, ClientError::Status { .. }));

    let success = |headers: &mut HeaderMap| {
        headers.insert("rpp-code", HeaderValue::from_static("01000"));
    };
    let error = parse(StatusCode::NOT_FOUND, &success, &body).unwrap_err();
    assert!(matches!(error, ClientError::Status { .. }));

    let another_code = |headers: &mut HeaderMap| {
        headers.insert("rpp-code", HeaderValue::from_static("02302"));
    };
    let error = parse(parts.status, &another_code, &body).unwrap_err();
    assert!(matches!(error, ClientError::Document { .. }));
}

#[test]
fn malformed_server_transaction_id_never_reaches_the_wire() {
    let (_, context) = example();
    for id in ["", "x\r\nSet-Cookie: y", "ä", &"x".repeat(65)] {
        let response = Response::failure(id, Problem::object_does_not_exist());
        let answer = encode(&context, response);
        assert!(answer.headers().get("rpp-svtrid").is_none(), "{id:?}");
    }
}

#[test]
fn time_that_cannot_be_written_is_a_500_and_no_panic() {
    let (_, context) = example();
    let account = AccountInfo {
        name: AccountName::parse("mno-one").unwrap(),
        role: Role::Mno,
        disabled: false,
        created_at: time::macros::datetime!(-0001-01-01 00:00 UTC),
    };
    let response = Response::success(server_transaction_id([1; 16]), Reply::Account(account));
    let answer = encode(&context, response);
    assert_eq!(answer.status(), 500);
    assert_eq!(answer.headers()["rpp-code"], "02400");
}
