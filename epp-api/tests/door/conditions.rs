//! Entity tags: what has not changed is not sent again, and what has changed is not overwritten.

use http::{Method, Request};

use crate::support::{Answer, MNO, get, request};
use crate::{device, with_device};

fn with(mut request: Request<Vec<u8>>, name: &'static str, value: &str) -> Request<Vec<u8>> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

fn changes() -> [Request<Vec<u8>>; 4] {
    let body = br#"{"changes":[{"addStatus":"clientHold"}]}"#.to_vec();
    let json = |method, target: &str, body| {
        let built = request(method, target, MNO).header("content-type", "application/json");
        built.body(body).unwrap()
    };
    let renew = br#"{"currentExpiry":"2027-11-22"}"#.to_vec();
    [
        json(Method::PATCH, &device(""), body),
        json(Method::POST, &device("/processes/renewProcesses"), renew),
        json(
            Method::POST,
            &device("/processes/deactivateProcesses"),
            Vec::new(),
        ),
        request(Method::DELETE, &device(""), MNO)
            .body(Vec::new())
            .unwrap(),
    ]
}

#[tokio::test]
async fn a_version_that_the_client_has_is_304_without_body() {
    let door = with_device().await;
    let first = door.send(get(&device(""), MNO)).await;
    let tag = first.header("etag").to_owned();
    assert_eq!(tag, format!("\"{}\"", first.json()["version"]));
    for list in [tag.clone(), format!("\"99\", W/{tag}")] {
        let again = door
            .send(with(get(&device(""), MNO), "if-none-match", &list))
            .await;
        assert_eq!((again.status, again.header("etag")), (304, tag.as_str()));
        assert_eq!((again.body.len(), again.header("rpp-code")), (0, "01000"));
    }
    let other = door
        .send(with(get(&device(""), MNO), "if-none-match", "\"99\""))
        .await;
    assert_eq!((other.status, other.body), (200, first.body));
}

#[tokio::test]
async fn a_change_of_another_version_is_412_and_changes_nothing() {
    let door = with_device().await;
    for (number, change) in changes().into_iter().enumerate() {
        let change = with(change, "rpp-cltrid", &format!("change-{number}"));
        let refused = door.send(with(change, "if-match", "\"99\"")).await;
        assert!(refused.reason(412, "02306").contains("has changed"));
    }
    let info = door.send(get(&device(""), MNO)).await;
    assert_eq!(info.json()["version"], 1);
}

#[tokio::test]
async fn a_change_of_the_named_version_is_carried_out() {
    for (number, change) in changes().into_iter().enumerate() {
        let door = with_device().await;
        let change = with(change, "rpp-cltrid", &format!("change-{number}"));
        let change = with(change, "if-match", "\"1\"");
        let answer: Answer = door.send(change).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["device"]["version"], 2);
        assert_eq!(door.registry.last_request().1.if_version, Some(1));
    }
}

#[tokio::test]
async fn foreign_devices_have_no_entity_tags() {
    let door = with_device().await;
    let asked = with(
        get(&device(""), crate::support::OTHER_MNO),
        "if-none-match",
        "\"1\"",
    );
    let answer = door.send(asked).await;
    answer.reason(404, "02303");
    assert_eq!(answer.header("etag"), "");
}
