//! Transfers, and what authorization information opens.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request};

use crate::support::registry::AUTH_INFO;
use crate::support::{ICCID, MNO, OTHER_MNO, get, post, request};
use crate::{device, with_device};

fn authorized(mut request: Request<Vec<u8>>, auth_info: &str) -> Request<Vec<u8>> {
    let value = format!("authinfo value={}", STANDARD.encode(auth_info));
    let value = value.parse().unwrap();
    request.headers_mut().insert("rpp-authorization", value);
    request
}

#[tokio::test]
async fn pull_is_202_with_the_transfer_and_its_place() {
    let door = with_device().await;
    let target = device("/processes/transferProcesses");
    let body = r#"{"transferDir":"pull","arrival":"held"}"#;
    let asked = authorized(post(&target, OTHER_MNO, body), AUTH_INFO);
    let answer = door.send(asked).await;
    assert_eq!((answer.status, answer.header("rpp-code")), (202, "01001"));
    assert_eq!(answer.header("location"), format!("{target}/latest"));
    assert_eq!(answer.json()["transfer"]["status"], "pending");

    let latest = door.send(get(&format!("{target}/latest"), MNO)).await;
    assert_eq!(latest.json()["gaining"], "mno-two");
    for (method, end, status) in [
        (Method::POST, "/transferApprove", "clientApproved"),
        (Method::POST, "/transferReject", "clientRejected"),
        (Method::DELETE, "", "clientCancelled"),
    ] {
        let mut decide = request(method, &format!("{target}/latest{end}"), MNO);
        let id = status.parse().unwrap();
        decide.headers_mut().unwrap().insert("rpp-cltrid", id);
        let decided = door.send(decide.body(Vec::new()).unwrap()).await;
        assert_eq!((decided.status, decided.header("rpp-code")), (200, "01000"));
        assert_eq!(decided.json()["transfer"]["status"], status);
        assert_eq!(decided.json()["publication"]["publishedSerial"], 8);
    }
}

#[tokio::test]
async fn wrong_authorization_information_is_401_for_present_and_absent_devices_alike() {
    let door = with_device().await;
    let mut answers = Vec::new();
    for id in [crate::support::EID, ICCID] {
        let path = format!("/rpp/v1/devices/{id}");
        let info = authorized(get(&path, OTHER_MNO), "wrong");
        let target = format!("{path}/processes/transferProcesses");
        let pull = authorized(
            post(&target, OTHER_MNO, r#"{"transferDir":"pull"}"#),
            "wrong",
        );
        let mut pull = pull;
        let id = format!("pull-{id}").parse().unwrap();
        pull.headers_mut().insert("rpp-cltrid", id);
        for asked in [info, pull] {
            let answer = door.send(asked).await;
            answer.reason(401, "02202");
            answers.push(answer.body);
        }
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    let right = authorized(get(&device(""), OTHER_MNO), AUTH_INFO);
    assert_eq!(door.send(right).await.status, 200);
}

#[tokio::test]
async fn members_that_contradict_the_direction_are_refused() {
    let door = with_device().await;
    let count = door.registry.request_count();
    let target = device("/processes/transferProcesses");
    for (body, code, path) in [
        (r#"{"transferDir":"push"}"#, "02003", "$.gainingClientId"),
        (r#"{"transferDir":"forced"}"#, "02003", "$.gainingClientId"),
        (
            r#"{"transferDir":"push","gainingClientId":"mno-two","arrival":"held"}"#,
            "02001",
            "$.arrival",
        ),
        (
            r#"{"transferDir":"pull","gainingClientId":"mno-two"}"#,
            "02001",
            "$.gainingClientId",
        ),
        (r#"{"transferDir":"sideways"}"#, "02005", "$.transferDir"),
    ] {
        let answer = door.send(post(&target, MNO, body)).await;
        answer.reason(400, code);
        assert_eq!(answer.json()["errors"][0]["paths"][0], path, "{body}");
    }
    let without = door
        .send(post(&target, MNO, r#"{"transferDir":"pull"}"#))
        .await;
    assert!(without.reason(400, "02003").contains("RPP-Authorization"));
    let push = r#"{"transferDir":"push","gainingClientId":"mno-two"}"#;
    let refused = door
        .send(authorized(post(&target, MNO, push), AUTH_INFO))
        .await;
    refused.reason(400, "02001");
    assert_eq!(door.registry.request_count(), count);
}

#[tokio::test]
async fn authorization_information_elsewhere_is_refused_and_never_quoted() {
    let door = with_device().await;
    let asked = authorized(get("/rpp/v1/devices", MNO), "a-secret-of-somebody");
    let answer = door.send(asked).await;
    answer.reason(400, "02001");
    let mut malformed = get(&device(""), MNO);
    let value = "authinfo value=a-secret-of-somebody".parse().unwrap();
    malformed.headers_mut().insert("rpp-authorization", value);
    let refused = door.send(malformed).await;
    assert!(!refused.reason(400, "02005").contains("secret"));
}
