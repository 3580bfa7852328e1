//! What a client writes is what the door reads, and back; arbitrary octets never break either side.

#![allow(clippy::unwrap_used, reason = "a test may end here")]

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use iot_epp_api::client::{ClientError, ClientRequest};
use iot_epp_api::json::header::bearer_token;
use iot_epp_api::json::{Asked, Head, encode};
use iot_epp_api::{
    AccountInfo, AccountName, Availability, BearerToken, ClientTransactionId, Command, DeviceInfo,
    DeviceState, DeviceStatus, Door, Problem, ProcessKind, ProcessState, ProcessStatus,
    PublicationTimes, Reply, Request, Response, ResultCode, Role, SlotInfo, SlotState, ZoneReport,
    server_transaction_id,
};
use iot_identity::{DeviceId, Fingerprint, OwnerName, Slot, ZoneName};
use proptest::collection::vec;
use proptest::prelude::*;
use time::OffsetDateTime;

/// Thirty digits and the two check digits of ISO 7064 MOD 97-10.
fn any_eid() -> impl Strategy<Value = DeviceId> {
    "[0-9]{30}".prop_map(|digits| {
        let remainder = digits.bytes().chain(*b"00").fold(0, |remainder, digit| {
            (remainder * 10 + u32::from(digit - b'0')) % 97
        });
        DeviceId::parse(&format!("{digits}{:02}", 98 - remainder)).unwrap()
    })
}

/// The one final digit that fits Luhn, with and without filler.
fn any_iccid() -> impl Strategy<Value = DeviceId> {
    ("89[0-9]{16,17}", any::<bool>()).prop_filter_map("length", |(digits, capital)| {
        let filler = match (digits.len(), capital) {
            (18, false) => "f",
            (18, true) => "F",
            _ => "",
        };
        (0..10).find_map(|digit| DeviceId::parse(&format!("{digits}{digit}{filler}")).ok())
    })
}

fn any_id() -> impl Strategy<Value = DeviceId> {
    prop_oneof![any_eid(), any_iccid()]
}

fn any_name() -> impl Strategy<Value = AccountName> {
    "[a-z0-9][a-z0-9-]{1,14}[a-z0-9]".prop_map(|name| AccountName::parse(&name).unwrap())
}

fn any_csr() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 1..2000),
        "\\PC{0,200}".prop_map(|text| format!("-----BEGIN {text}\r\n").into_bytes()),
    ]
}

fn any_command() -> impl Strategy<Value = Command> {
    let kind = prop::sample::select(&ProcessKind::ALL[..]);
    let role = prop::sample::select(&Role::ALL[..]);
    prop_oneof![
        any_id().prop_map(|id| Command::DeviceCheck {
            device_ids: vec![id]
        }),
        any_id().prop_map(|device_id| Command::DeviceInfo { device_id }),
        (prop::option::of(any_id()), 1..=1000u16)
            .prop_map(|(after, limit)| Command::DeviceList { after, limit }),
        (any_id(), any_csr()).prop_map(|(device_id, csr)| Command::DeviceCreate { device_id, csr }),
        any_id().prop_map(|device_id| Command::DeviceActivate { device_id }),
        any_id().prop_map(|device_id| Command::DeviceDeactivate { device_id }),
        any_id().prop_map(|device_id| Command::DeviceDelete { device_id }),
        (any_id(), kind, any::<u64>()).prop_map(|(device_id, kind, process_id)| {
            Command::ProcessInfo {
                device_id,
                kind,
                process_id,
            }
        }),
        (any_name(), role).prop_map(|(name, role)| Command::AccountCreate { name, role }),
        Just(Command::AccountList),
        any_name().prop_map(|name| Command::AccountDisable { name }),
        Just(Command::ZoneDump),
        Just(Command::ZoneCheck),
    ]
}

fn any_transaction() -> impl Strategy<Value = ClientTransactionId> {
    "[!-~]{3,64}".prop_map(|text| ClientTransactionId::parse(&text).unwrap())
}

fn any_token() -> impl Strategy<Value = BearerToken> {
    "[A-Za-z0-9._~+/-]{16,253}={0,3}".prop_map(|text| BearerToken::parse(&text).unwrap())
}

fn any_time() -> impl Strategy<Value = OffsetDateTime> {
    // Years 1 to 9999, to the nanosecond.
    (-62_135_596_800i64..253_402_300_800, 0..1_000_000_000i64).prop_map(|(secs, nanos)| {
        OffsetDateTime::from_unix_timestamp(secs).unwrap() + time::Duration::nanoseconds(nanos)
    })
}

fn any_times() -> impl Strategy<Value = PublicationTimes> {
    let moment = || prop::option::of(any_time());
    (any::<u32>(), moment(), moment(), moment()).prop_map(
        |(published_serial, denied_everywhere_by, honest_caches_by, visible_everywhere_by)| {
            PublicationTimes {
                published_serial,
                denied_everywhere_by,
                honest_caches_by,
                visible_everywhere_by,
            }
        },
    )
}

fn any_slot(device_id: DeviceId) -> impl Strategy<Value = SlotInfo> {
    let zone = ZoneName::parse("iotregistry.example").unwrap();
    let states = [SlotState::Live, SlotState::Withdrawn, SlotState::Expired];
    let state = prop::sample::select(states.to_vec());
    let times = (any_time(), any_time());
    (
        1..=9999u16,
        any::<[u8; 32]>(),
        prop::option::of("[0-9a-f]{32}"),
        times,
        state,
    )
        .prop_map(
            move |(number, digest, serial, (not_before, not_after), state)| {
                let slot = Slot::new(number).unwrap();
                SlotInfo {
                    slot,
                    owner_name: OwnerName::new(slot, device_id, &zone),
                    fingerprint: Fingerprint::from_octets(digest),
                    serial,
                    not_before,
                    not_after,
                    state,
                }
            },
        )
}

fn any_device() -> impl Strategy<Value = DeviceInfo> {
    let states = [
        DeviceState::Active,
        DeviceState::Inactive,
        DeviceState::PendingDelete,
    ];
    let state = prop::sample::select(states.to_vec());
    let statuses = [
        DeviceStatus::Ok,
        DeviceStatus::ClientHold,
        DeviceStatus::ServerHold,
    ];
    let statuses = vec(prop::sample::select(statuses.to_vec()), 0..3);
    let times = (any_time(), any_time(), prop::option::of(any_time()));
    (any_id(), any_name(), state, statuses, times).prop_flat_map(
        |(device_id, account, state, statuses, (created_at, updated_at, restore_until))| {
            vec(any_slot(device_id), 0..4).prop_map(move |slots| DeviceInfo {
                device_id,
                account: account.clone(),
                state,
                statuses: statuses.clone(),
                slots,
                created_at,
                updated_at,
                restore_until,
            })
        },
    )
}

/// A reply that fits the command.
fn any_reply(command: &Command) -> BoxedStrategy<Reply> {
    let pending = any::<u64>().prop_map(|process_id| Reply::Pending { process_id });
    match command.clone() {
        Command::DeviceCheck { device_ids } => {
            let check = move |(available, reason)| Availability {
                device_id: device_ids[0],
                available,
                reason,
            };
            (any::<bool>(), prop::option::of("\\PC{0,60}"))
                .prop_map(check)
                .prop_map(|one| Reply::Availability(vec![one]))
                .boxed()
        }
        Command::DeviceInfo { .. } => any_device().prop_map(Reply::Device).boxed(),
        Command::DeviceList { .. } => (vec(any_device(), 0..3), prop::option::of(any_id()))
            .prop_map(|(devices, next_after)| Reply::Devices {
                devices,
                next_after,
            })
            .boxed(),
        Command::DeviceCreate { .. } => prop_oneof![
            pending,
            (any_device(), "\\PC{0,99}", "\\PC{0,99}", any_times()).prop_map(
                |(info, certificate_pem, chain_pem, publication)| Reply::DeviceCreated {
                    info,
                    certificate_pem,
                    chain_pem,
                    publication,
                }
            )
        ]
        .boxed(),
        Command::DeviceActivate { .. }
        | Command::DeviceDeactivate { .. }
        | Command::DeviceDelete { .. } => prop_oneof![
            pending,
            (any_device(), any_times()).prop_map(|(info, times)| Reply::Changed { info, times })
        ]
        .boxed(),
        Command::ProcessInfo {
            kind, process_id, ..
        } => {
            let states = [
                ProcessState::Pending,
                ProcessState::Completed,
                ProcessState::Failed,
            ];
            let state = prop::sample::select(states.to_vec());
            (state, prop::option::of(any_times()))
                .prop_map(move |(state, publication)| {
                    Reply::Process(ProcessStatus {
                        process_id,
                        kind,
                        state,
                        publication,
                    })
                })
                .boxed()
        }
        Command::AccountCreate { name, .. } => any_token()
            .prop_map(move |token| Reply::AccountCreated {
                name: name.clone(),
                token,
            })
            .boxed(),
        Command::AccountList => vec(any_account(), 0..4).prop_map(Reply::Accounts).boxed(),
        Command::AccountDisable { .. } => any_account().prop_map(Reply::Account).boxed(),
        Command::ZoneDump => "\\PC{0,300}".prop_map(Reply::ZoneText).boxed(),
        Command::ZoneCheck => (any::<u32>(), any::<u64>(), vec("\\PC{0,40}", 0..3))
            .prop_map(|(serial, number, findings)| {
                Reply::ZoneReport(ZoneReport {
                    zone: ZoneName::parse("iotregistry.example").unwrap(),
                    serial,
                    device_names: number,
                    signatures_verified: number,
                    findings,
                })
            })
            .boxed(),
    }
}

fn any_account() -> impl Strategy<Value = AccountInfo> {
    let role = prop::sample::select(&Role::ALL[..]);
    (any_name(), role, any::<bool>(), any_time()).prop_map(|(name, role, disabled, created_at)| {
        AccountInfo {
            name,
            role,
            disabled,
            created_at,
        }
    })
}

fn command_and_reply() -> impl Strategy<Value = (Command, Reply)> {
    any_command().prop_flat_map(|command| {
        let reply = any_reply(&command);
        (Just(command), reply)
    })
}

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
