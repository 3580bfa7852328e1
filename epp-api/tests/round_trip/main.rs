//! What a client writes is what the door reads, and back; arbitrary octets never break either side.

#![allow(clippy::unwrap_used, reason = "a test may end here")]

mod commands;
#[path = "../openapi/document.rs"]
mod document;
mod replies;

use std::sync::LazyLock;

use commands::{any_command, any_token, any_transaction};
use document::Description;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use iot_epp_api::client::{ClientError, ClientRequest};
use iot_epp_api::command::{AccountCommand, DeviceCommand, ZoneCommand};
use iot_epp_api::json::event::{self, EventReader};
use iot_epp_api::json::header::bearer_token;
use iot_epp_api::json::{Asked, BASE_PATH, Discovery, Head, OPENAPI_PATH, OpenDocuments, encode};
use iot_epp_api::secret::Secret;
use iot_epp_api::{
    AccountInfo, AccountName, BearerToken, ClientTransactionId, Command, Door, Problem, Reply,
    Request, Response, ResultCode, Role, server_transaction_id,
};
use iot_identity::{DeviceId, ZoneName};
use proptest::collection::vec;
use proptest::prelude::*;
use replies::{any_message, command_and_reply};

fn through_the_door(asked: &ClientRequest, token: &BearerToken) -> (Request, Asked, BearerToken) {
    let (parts, body) = asked.to_http(token).unwrap().into_parts();
    let head = Head::decode(&parts.method, &parts.uri, &parts.headers).unwrap();
    let (request, asked) = head.into_request(&body).unwrap();
    (request, asked, bearer_token(&parts.headers).unwrap())
}

/// The OpenAPI description of the door.
static DESCRIPTION: LazyLock<Description> = LazyLock::new(|| {
    let open = OpenDocuments::new(&Discovery {
        origin: "https://localhost:8443".to_owned(),
        certificate_origin: None,
        name: "test".to_owned(),
        status: "test".to_owned(),
        zone: ZoneName::parse("iotregistry.example").unwrap(),
    });
    let (method, headers) = (Method::GET, HeaderMap::new());
    let answer = open
        .answer(&method, OPENAPI_PATH, &headers, "IOTR-1")
        .unwrap();
    Description::new(serde_json::from_slice(answer.body()).unwrap())
});

/// Why an answer to a request is not as the description has it.
fn fault(asked: &ClientRequest, answer: &http::Response<Vec<u8>>) -> Option<String> {
    let request = asked.to_http_without_token().unwrap();
    let path = request.uri().path().strip_prefix(BASE_PATH).unwrap();
    let operation = DESCRIPTION.operation_of(request.method(), path);
    let media_type = answer.headers().get("content-type");
    let media_type = media_type.map_or("", |value| value.to_str().unwrap());
    DESCRIPTION.fault_of_answer(
        &operation,
        answer.status().as_u16(),
        media_type,
        answer.body(),
    )
}

fn example() -> (ClientRequest, Asked) {
    let device_id = DeviceId::parse("89049032123451234512345678901235").unwrap();
    let transaction = ClientTransactionId::parse("test-1").unwrap();
    let auth_info = None;
    let command = Command::Device(DeviceCommand::Info {
        device_id,
        auth_info,
    });
    let asked = ClientRequest::new(command, transaction);
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
        let answer = encode(&context, response.clone());
        prop_assert_eq!(fault(&asked, &answer), None);
        let (parts, body) = answer.into_parts();
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
        precondition_failed in any::<bool>(),
    ) {
        prop_assume!(!code.is_success());
        let (asked, context) = example();
        let problem = Problem {
            code, title, reason, paths, retry_after_secs, precondition_failed,
        };
        let response = Response::failure(server_transaction_id([1; 16]), problem);
        let (parts, body) = encode(&context, response.clone()).into_parts();
        let arrived = asked.parse_response(parts.status, &parts.headers, &body).unwrap();
        prop_assert_eq!(arrived, response);
    }

    #[test]
    fn every_message_arrives_as_an_event(messages in vec(any_message(), 0..4), part in 1..500usize) {
        let mut stream = event::ALIVE.to_vec();
        for message in &messages {
            stream.extend(event::write(message).unwrap());
        }
        let mut reader = EventReader::default();
        let mut arrived = Vec::new();
        for octets in stream.chunks(part) {
            arrived.extend(reader.read(octets).unwrap());
        }
        prop_assert_eq!(arrived, messages);
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
        for (method, target) in [
            (Method::POST, "/rpp/v1/devices"),
            (Method::POST, "/rpp/v1/accounts"),
            (Method::POST, "/rpp/v1/jobs"),
            (Method::PATCH, "/rpp/v1/accounts/mno-one"),
            (Method::PATCH, "/rpp/v1/devices/89049032123451234512345678901235"),
            (Method::PUT, "/rpp/v1/endpoints/self"),
        ] {
            let uri = Uri::from_static(target);
            let head = Head::decode(&method, &uri, &headers).unwrap();
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
        path in "/(rpp/v1/)?(devices|accounts|jobs|zone|[!-~]{0,9})(/[!-~]{0,40}|/89049032123451234512345678901235|/processes|/self|/7){0,5}(\\?[!-~]{0,40}|\\?(after|limit|offset)=[0-9]{1,40})?",
        transaction in vec(any::<u8>(), 0..70),
        authorization in vec(any::<u8>(), 0..70),
        method in prop::sample::select(vec!["GET", "HEAD", "POST", "DELETE", "PUT", "PATCH"]),
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
fn a_condition_travels_with_changes_of_devices_alone() {
    let device_id = DeviceId::parse("89049032123451234512345678901235").unwrap();
    let transaction = ClientTransactionId::parse("test-1").unwrap();
    let command = Command::Device(DeviceCommand::Deactivate { device_id });
    let asked = ClientRequest::new(command, transaction.clone()).if_version(7);
    let (parts, body) = asked.to_http_without_token().unwrap().into_parts();
    let head = Head::decode(&parts.method, &parts.uri, &parts.headers).unwrap();
    let (request, _) = head.into_request(&body).unwrap();
    assert_eq!(request.if_version, Some(7));
    assert_eq!(request.digest, request.command.digest());

    let elsewhere = ClientRequest::new(Command::Zone(ZoneCommand::Dump), transaction).if_version(7);
    let error = elsewhere.to_http_without_token().unwrap_err();
    assert!(matches!(error, ClientError::Condition));
}

#[test]
fn authorization_information_in_the_request_is_marked_as_sensitive() {
    let device_id = DeviceId::parse("89049032123451234512345678901235").unwrap();
    let auth_info = Some(Secret::new("an-authInfo-of-a-device"));
    let command = Command::Device(DeviceCommand::Info {
        device_id,
        auth_info,
    });
    let transaction = ClientTransactionId::parse("test-1").unwrap();
    let asked = ClientRequest::new(command, transaction);
    let request = asked.to_http_without_token().unwrap();
    assert!(request.headers()["rpp-authorization"].is_sensitive());
    assert!(request.headers().get("authorization").is_none());
    let head = Head::decode(request.method(), request.uri(), request.headers()).unwrap();
    assert!(!format!("{request:?} {asked:?} {head:?}").contains("authInfo-of"));
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
    let asked = Command::Account(AccountCommand::Info { name: None });
    let transaction = ClientTransactionId::parse("test-1").unwrap();
    let asked = ClientRequest::new(asked, transaction);
    let token = BearerToken::parse("an-example-of-a-token").unwrap();
    let (_, context, _) = through_the_door(&asked, &token);
    let account = Reply::Account(Box::new(AccountInfo {
        name: AccountName::parse("mno-one").unwrap(),
        role: Role::Mno,
        disabled: false,
        created_at: time::macros::datetime!(-0001-01-01 00:00 UTC),
        prefixes: Vec::new(),
        imported_ids: 0,
        iccids_allowed: false,
        devices_max: 0,
        devices: 0,
        strict_transaction_ids: false,
        tokens: Vec::new(),
        certificates: Vec::new(),
        consents: Vec::new(),
    }));
    let response = Response::success(server_transaction_id([1; 16]), account);
    let answer = encode(&context, response);
    assert_eq!(answer.status(), 500);
    assert_eq!(answer.headers()["rpp-code"], "02400");
}
