//! Bulk jobs: rows in parts, results by page.

use http::{Method, Request};

use crate::support::{Door, MNO, get, post, request};

fn rows(offset: &str, content_type: &str, octets: Vec<u8>) -> Request<Vec<u8>> {
    let target = format!("/rpp/v1/jobs/4/rows{offset}");
    let built = request(Method::PATCH, &target, MNO).header("content-type", content_type);
    built.body(octets).unwrap()
}

#[tokio::test]
async fn job_is_made_filled_closed_and_read() {
    let door = Door::open().await;
    let made = door
        .send(post("/rpp/v1/jobs", MNO, r#"{"action":"create"}"#))
        .await;
    assert_eq!(
        (made.status, made.header("location")),
        (201, "/rpp/v1/jobs/4")
    );
    let part = vec![b'x'; 300 * 1024];
    let kept = door
        .send(rows("?offset=0", "application/x-ndjson", part.clone()))
        .await;
    assert_eq!(kept.json()["octetsReceived"], 307_200, "{}", kept.text());
    let again = door
        .send(rows("?offset=0", "application/x-ndjson", part))
        .await;
    assert_eq!(again.status, 422, "the offset is not where the rows end");
    let closed = door
        .send(post("/rpp/v1/jobs/4/processes/closeProcesses", MNO, ""))
        .await;
    assert_eq!(closed.status, 200);

    let mut target = "/rpp/v1/jobs/4/results?limit=2".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = door.send(get(&target, MNO)).await;
        assert_eq!(page.header("content-type"), "application/x-ndjson");
        let lines = page.text();
        for line in lines.lines() {
            let result: serde_json::Value = serde_json::from_str(line).unwrap();
            seen.push(result["row"].as_u64().unwrap());
        }
        let Some(link) = page.header("link").strip_prefix('<') else {
            break;
        };
        target = link.split('>').next().unwrap().to_owned();
    }
    assert_eq!(seen, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn rows_are_bounded_typed_and_placed() {
    let door = Door::open().await;
    let most = 4 * 1024 * 1024;
    let lines = "application/x-ndjson";
    door.send(rows("?offset=0", lines, vec![b'x'; most + 1]))
        .await
        .reason(413, "02004");
    door.send(rows("", lines, Vec::new()))
        .await
        .reason(400, "02003");
    door.send(rows("?offset=-1", lines, Vec::new()))
        .await
        .reason(400, "02005");
    door.send(rows("?offset=0", "application/json", b"{}".to_vec()))
        .await
        .reason(415, "02001");
    assert_eq!(door.registry.request_count(), 0);
    let answer = door.send(rows("?offset=0", lines, vec![b'x'; most])).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn members_that_the_action_has_no_room_for_are_refused() {
    let door = Door::open().await;
    for (body, code) in [
        (r#"{"action":"transferPush"}"#, "02003"),
        (r#"{"action":"create","arrival":"held"}"#, "02001"),
        (
            r#"{"action":"delete","gainingClientId":"mno-two"}"#,
            "02001",
        ),
        (r#"{"action":"explode"}"#, "02005"),
    ] {
        door.send(post("/rpp/v1/jobs", MNO, body))
            .await
            .reason(400, code);
    }
    assert_eq!(door.registry.request_count(), 0);
}
