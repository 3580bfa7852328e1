//! Every resource of the JSON door, asked over TLS.

#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a test may end here")]

mod certificates;
mod conditions;
mod events;
mod jobs;
mod open;
mod quotas;
#[path = "../support/mod.rs"]
mod support;
mod transfers;

use http::Method;
use iot_epp_api::client::ClientRequest;
use iot_epp_api::command::{DeviceCommand, ZoneCommand};
use iot_epp_api::{BearerToken, ClientTransactionId, Command, Request, ResultCode};
use serde_json::json;
use support::{Door, EID, ICCID, MNO, OPERATOR, OTHER_MNO, create_body, get, post, request};

fn device(suffix: &str) -> String {
    format!("/rpp/v1/devices/{EID}{suffix}")
}

async fn with_device() -> Door {
    let door = Door::open().await;
    let created = door
        .send(post("/rpp/v1/devices", MNO, create_body(EID)))
        .await;
    assert_eq!(created.status, 201, "{}", created.text());
    door
}

#[tokio::test]
async fn create_answers_201_with_location_certificate_and_times() {
    let door = Door::open().await;
    let answer = door
        .send(post("/rpp/v1/devices", MNO, create_body(EID)))
        .await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("location"), device(""));
    assert_eq!(answer.header("rpp-code"), "01000");
    assert_eq!(answer.header("rpp-cltrid"), "test-0001");
    assert!(answer.header("rpp-svtrid").starts_with("IOTR-"));
    assert_eq!(answer.header("rpp-replayed"), "");
    assert_eq!(answer.header("content-type"), "application/rpp+json");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    let document = answer.json();
    let device = &document["device"];
    assert_eq!(device["deviceId"], EID);
    assert_eq!(device["state"], "active");
    assert_eq!(device["statuses"], json!(["ok"]));
    assert_eq!(device["createdAt"], "2026-11-22T01:00:00.25Z");
    let slot = &device["slots"][0];
    assert_eq!(slot["slot"], 1);
    assert_eq!(slot["ownerName"], format!("1.{EID}.iotregistry.example"));
    assert_eq!(slot["fingerprint"], "5a".repeat(32));
    assert_eq!(slot["notAfter"], "2031-11-22T00:00:00Z");
    assert!(document["certificatePem"].is_string() && document["chainPem"].is_string());
    assert_eq!(document["publication"]["publishedSerial"], 7);
    assert_eq!(
        document["publication"]["visibleEverywhereBy"],
        "2026-11-22T02:05:00Z"
    );
}

#[tokio::test]
async fn info_is_the_same_for_every_spelling_of_the_id() {
    let door = Door::open().await;
    door.send(post(
        "/rpp/v1/devices",
        MNO,
        create_body("8912230200031010008F"),
    ))
    .await;
    for spelling in [ICCID, "8912230200031010008F", "%38912230200031010008%66"] {
        let answer = door
            .send(get(&format!("/rpp/v1/devices/{spelling}"), MNO))
            .await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["deviceId"], ICCID);
    }
}

#[tokio::test]
async fn list_pages_by_link_until_the_end() {
    let door = Door::open().await;
    door.send(post("/rpp/v1/devices", MNO, create_body(ICCID)))
        .await;
    let second = request(Method::POST, "/rpp/v1/devices", MNO)
        .header("content-type", "application/json; charset=utf-8")
        .header("host", "localhost");
    let mut second = second.body(create_body(EID)).unwrap();
    second
        .headers_mut()
        .insert("rpp-cltrid", "the second one".parse().unwrap());
    let second = door.send(second).await;
    assert_eq!(
        (second.status, second.header("rpp-cltrid")),
        (201, "the second one")
    );

    let page = door.send(get("/rpp/v1/devices?limit=1", MNO)).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.json()["devices"].as_array().unwrap().len(), 1);
    let first = page.json()["nextAfter"].as_str().unwrap().to_owned();
    let link = format!("</rpp/v1/devices?after={first}&limit=1>; rel=\"next\"");
    assert_eq!(page.header("link"), link);

    let next = link.trim_start_matches('<').split('>').next().unwrap();
    let page = door.send(get(next, MNO)).await;
    assert_eq!(page.json()["devices"].as_array().unwrap().len(), 1);
    assert_ne!(page.json()["devices"][0]["deviceId"], first);
    assert_eq!(page.header("link"), "");

    let all = door.send(get("/rpp/v1/devices", MNO)).await;
    assert_eq!(all.json()["devices"].as_array().unwrap().len(), 2);
    let foreign = door.send(get("/rpp/v1/devices?", OTHER_MNO)).await;
    assert_eq!(foreign.json()["devices"], json!([]));
}

#[tokio::test]
async fn availability_is_200_or_404_and_the_same_for_head() {
    let door = Door::open().await;
    for (status, available) in [(200, true), (404, false)] {
        let asked = door.send(get(&device("/availability"), MNO)).await;
        assert_eq!(asked.status, status);
        assert_eq!(asked.header("rpp-code"), "01000");
        assert_eq!(asked.json()["available"], available);
        let head = request(Method::HEAD, &device("/availability"), MNO);
        let head = door.send(head.body(Vec::new()).unwrap()).await;
        assert_eq!(head.status, status);
        assert_eq!(head.header("rpp-code"), "01000");
        assert_eq!(head.header("content-length"), asked.body.len().to_string());
        assert!(head.body.is_empty());
        door.send(post("/rpp/v1/devices", MNO, create_body(EID)))
            .await;
    }
}

#[tokio::test]
async fn deactivation_tells_by_when_it_is_believed() {
    let door = with_device().await;
    let target = device("/processes/deactivateProcesses");
    for body in ["", "{}"] {
        let answer = door.send(post(&target, MNO, body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let document = answer.json();
        assert_eq!(document["device"]["state"], "inactive");
        let times = &document["publication"];
        assert_eq!(times["publishedSerial"], 8);
        assert_eq!(times["deniedEverywhereBy"], "2026-11-22T02:05:00Z");
        assert_eq!(times["honestCachesBy"], "2026-11-22T01:01:00Z");
        assert!(times["visibleEverywhereBy"].is_null());
    }
    let target = device("/processes/activateProcesses");
    let without_content_type = request(Method::POST, &target, MNO)
        .body(Vec::new())
        .unwrap();
    let answer = door.send(without_content_type).await;
    assert_eq!(answer.json()["device"]["state"], "active");
}

#[tokio::test]
async fn deactivations_with_one_transaction_id_are_each_carried_out() {
    let door = with_device().await;
    let before = door.registry.request_count();
    for action in ["deactivate", "activate", "deactivate"] {
        let target = device(&format!("/processes/{action}Processes"));
        let answer = door.send(post(&target, MNO, "")).await;
        assert_eq!((answer.status, answer.header("rpp-replayed")), (200, ""));
    }
    assert_eq!(door.registry.request_count(), before + 3);
    let info = door.send(get(&device(""), MNO)).await;
    assert_eq!(info.json()["state"], "inactive");
}

#[tokio::test]
async fn delete_answers_with_the_device_as_it_is_then() {
    let door = with_device().await;
    let mut asked = request(Method::DELETE, &device(""), MNO)
        .body(Vec::new())
        .unwrap();
    asked
        .headers_mut()
        .insert("rpp-cltrid", "test-0002".parse().unwrap());
    let answer = door.send(asked).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["device"]["state"], "pendingDelete");
}

#[tokio::test]
async fn pending_answers_202_with_the_process_that_can_be_asked() {
    let door = Door::open().await;
    let body = json!({"id": EID, "csr": support::registry::PENDING}).to_string();
    let answer = door.send(post("/rpp/v1/devices", MNO, body)).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.header("rpp-code"), "01001");
    let location = answer.header("location").to_owned();
    assert_eq!(location, device("/processes/createProcesses/7"));
    assert!(answer.header("link").contains("rel=\"rpp-process\""));
    assert_eq!(answer.json()["processId"], 7);
    let process = door.send(get(&location, MNO)).await;
    assert_eq!(process.status, 200);
    assert_eq!(process.json()["kind"], "create");
    assert_eq!(process.json()["state"], "completed");
}

#[tokio::test]
async fn operators_manage_accounts_and_look_at_the_zone() {
    let door = Door::open().await;
    let body = r#"{"name":"asp-one","role":"asp"}"#;
    let created = door.send(post("/rpp/v1/accounts", OPERATOR, body)).await;
    assert_eq!(created.status, 201);
    assert_eq!(
        created.json(),
        json!({"name": "asp-one", "token": "secret-shown-once-0001"})
    );
    let listed = door.send(get("/rpp/v1/accounts", OPERATOR)).await;
    assert_eq!(listed.json()["accounts"][0]["name"], "mno-one");
    let target = "/rpp/v1/accounts/mno-one";
    let disabled = request(Method::PATCH, target, OPERATOR)
        .header("content-type", "application/json")
        .body(br#"{"disabled":true}"#.to_vec());
    let disabled = door.send(disabled.unwrap()).await;
    assert_eq!(
        (disabled.status, &disabled.json()["disabled"]),
        (200, &json!(true))
    );
    let zone = door.send(get("/rpp/v1/zone", OPERATOR)).await;
    assert_eq!(zone.header("content-type"), "text/dns");
    assert_eq!(zone.text(), "; zone\n");
    let report = door.send(get("/rpp/v1/zone/check", OPERATOR)).await;
    assert_eq!(report.json()["findings"], json!([]));
    let refused = door.send(get("/rpp/v1/zone", MNO)).await;
    refused.reason(403, "02201");
}

#[tokio::test]
async fn retry_of_a_create_is_one_device_and_says_so() {
    let door = Door::open().await;
    let first = door
        .send(post("/rpp/v1/devices", MNO, create_body(EID)))
        .await;
    let again = door
        .send(post("/rpp/v1/devices", MNO, create_body(EID)))
        .await;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(again.header("rpp-replayed"), "true");
    assert_ne!(first.header("rpp-svtrid"), again.header("rpp-svtrid"));
    assert_eq!(first.body, again.body);
    let other = door
        .send(post("/rpp/v1/devices", MNO, create_body(ICCID)))
        .await;
    other.reason(422, "02306");
    let stranger = door
        .send(post("/rpp/v1/devices", OTHER_MNO, create_body(ICCID)))
        .await;
    assert_eq!(stranger.status, 201);
    assert_eq!(door.registry.device_count(), 2);
}

/// Everything that can be asked of one device, with what stands behind its path.
fn everything_about_a_device() -> Vec<(Method, &'static str, &'static str)> {
    let csr = r#"{"csr":"-----BEGIN X-----"}"#;
    let hold = r#"{"changes":[{"addStatus":"clientHold"}]}"#;
    let push = r#"{"transferDir":"push","gainingClientId":"mno-one"}"#;
    let withdraw = r#"{"slot":1,"reason":"superseded"}"#;
    let latest = "/processes/transferProcesses/latest";
    vec![
        (Method::GET, "", ""),
        (Method::HEAD, "", ""),
        (Method::PATCH, "", hold),
        (Method::DELETE, "", ""),
        (Method::POST, "/slots", csr),
        (Method::GET, "/slots/1/certificate", ""),
        (Method::POST, "/processes/activateProcesses", ""),
        (Method::POST, "/processes/deactivateProcesses", "{}"),
        (
            Method::POST,
            "/processes/renewProcesses",
            r#"{"currentExpiry":"2027-11-22"}"#,
        ),
        (Method::POST, "/processes/restoreProcesses", ""),
        (Method::POST, "/processes/withdrawProcesses", withdraw),
        (Method::POST, "/processes/transferProcesses", push),
        (Method::GET, latest, ""),
        (Method::DELETE, latest, ""),
        (
            Method::POST,
            "/processes/transferProcesses/latest/transferApprove",
            "",
        ),
        (
            Method::POST,
            "/processes/transferProcesses/latest/transferReject",
            "",
        ),
        (Method::GET, "/processes/createProcesses/7", ""),
    ]
}

#[tokio::test]
async fn foreign_and_absent_devices_have_the_same_answer() {
    let door = with_device().await;
    for (number, (method, suffix, body)) in everything_about_a_device().into_iter().enumerate() {
        let mut answers = Vec::new();
        for id in [EID, ICCID] {
            let target = format!("/rpp/v1/devices/{id}{suffix}");
            let mut asked = request(method.clone(), &target, OTHER_MNO);
            let headers = asked.headers_mut().unwrap();
            // Of one length, so that nothing but the name differs.
            let transaction = format!("{}-{number:04}", &id[id.len() - 4..]);
            headers.insert("rpp-cltrid", transaction.parse().unwrap());
            headers.insert("content-type", "application/json".parse().unwrap());
            if !suffix.contains("transfer") && !method.is_safe() {
                headers.insert("if-match", "\"1\"".parse().unwrap());
            }
            let mut answer = door.send(asked.body(body.into()).unwrap()).await;
            if method != Method::HEAD {
                answer.reason(404, "02303");
            }
            assert_eq!(answer.header("rpp-cltrid"), transaction);
            for name in ["rpp-svtrid", "date", "rpp-cltrid"] {
                answer.headers.remove(name).unwrap();
            }
            let headers = answer.headers.iter();
            let mut headers: Vec<_> = headers
                .map(|(name, value)| format!("{name}: {value:?}"))
                .collect();
            headers.sort();
            answers.push((answer.status, headers, answer.body));
        }
        assert_eq!(answers[0], answers[1], "{method} {suffix}");
    }
}

#[tokio::test]
async fn http_2_has_the_same_answers() {
    let door = with_device().await;
    let mut sender = door.http2().await;
    let target = format!("https://localhost{}", device(""));
    for method in [Method::GET, Method::HEAD] {
        let body = http_body_util::Full::default();
        let asked = request(method.clone(), &target, MNO).body(body).unwrap();
        let answer = support::Answer::read(sender.send_request(asked).await.unwrap()).await;
        assert_eq!((answer.status, answer.header("rpp-code")), (200, "01000"));
        assert_eq!(answer.body.is_empty(), method == Method::HEAD);
    }
}

#[tokio::test]
async fn the_registry_sees_account_transaction_id_and_digest() {
    let door = with_device().await;
    let (caller, request) = door.registry.last_request();
    assert_eq!(caller.account.as_str(), "mno-one");
    assert_eq!(request.client_transaction_id.unwrap().as_str(), "test-0001");
    assert_eq!(request.digest, request.command.digest());
    assert_eq!(request.door, iot_epp_api::Door::Json);
}

#[tokio::test]
async fn the_client_of_this_crate_speaks_to_the_door() {
    let door = Door::open().await;
    let token = BearerToken::parse(MNO).unwrap();
    let device_id = support::eid();
    let csr = support::PEM.as_bytes().to_vec();
    let create = DeviceCommand::Create {
        device_id,
        csr,
        period: None,
        asp: None,
        auth_info: None,
    };
    let device_ids = vec![device_id];
    for (command, code) in [
        (Command::Device(create), ResultCode::Completed),
        (
            Command::Device(DeviceCommand::Deactivate { device_id }),
            ResultCode::Completed,
        ),
        (
            Command::Device(DeviceCommand::Check { device_ids }),
            ResultCode::Completed,
        ),
        (
            Command::Zone(ZoneCommand::Dump),
            ResultCode::AuthorizationError,
        ),
    ] {
        let transaction = ClientTransactionId::parse("client-1").unwrap();
        let asked = ClientRequest::new(command.clone(), transaction.clone());
        let answer = door.send(asked.to_http(&token).unwrap()).await;
        let (_, seen) = door.registry.last_request();
        assert_eq!(
            seen,
            Request::new(command, Some(transaction), iot_epp_api::Door::Json)
        );
        let status = http::StatusCode::from_u16(answer.status).unwrap();
        let response = asked
            .parse_response(status, &answer.headers, &answer.body)
            .unwrap();
        assert_eq!(response.code, code);
        assert_eq!(response.outcome.is_ok(), code.is_success());
    }
}
