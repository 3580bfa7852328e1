//! One account cannot take the place of others.

use std::time::Duration;

use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use iot_epp_api::server::Limits;
use iot_identity::DeviceId;
use serde_json::json;

use crate::support::{Door, EID, ICCID, MNO, OTHER_MNO, get, post, registry};

const DEVICES: &str = "/rpp/v1/devices";

fn held(id: &str, transaction: &str) -> Request<Vec<u8>> {
    let body = json!({"id": id, "csr": registry::HELD}).to_string();
    let mut asked = post(DEVICES, MNO, body);
    let transaction = transaction.parse().unwrap();
    asked.headers_mut().insert("rpp-cltrid", transaction);
    asked
}

#[tokio::test]
async fn commands_beyond_the_quota_are_429_and_others_are_served() {
    let limits = Limits {
        commands_per_account_max: 2,
        ..Limits::default()
    };
    let door = Door::open_with(limits).await;
    let test = async {
        while door.registry.request_count() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let refused = door.send(get(DEVICES, MNO)).await;
        assert!(refused.reason(429, "02502").contains("too many"));
        assert_eq!(refused.header("retry-after"), "1");
        assert_eq!(door.registry.request_count(), 2);
        let other = door.send(get(DEVICES, OTHER_MNO)).await;
        assert_eq!(other.status, 200);
        door.registry.release.add_permits(2);
    };
    let (first, second, ()) = tokio::join!(
        door.send(held(EID, "held-1")),
        door.send(held(ICCID, "held-2")),
        test
    );
    assert_eq!((first.status, second.status), (201, 201));
    assert_eq!(door.send(get(DEVICES, MNO)).await.status, 200);
}

#[tokio::test]
async fn a_command_that_outlives_its_request_still_counts() {
    let limits = Limits {
        commands_per_account_max: 1,
        request_timeout: Duration::from_millis(300),
        ..Limits::default()
    };
    let door = Door::open_with(limits).await;
    door.send(held(EID, "held-1")).await.reason(503, "02400");
    door.send(get(DEVICES, MNO)).await.reason(429, "02502");
    door.registry.release.add_permits(1);
    let begin = std::time::Instant::now();
    while door.send(get(DEVICES, MNO)).await.status != 200 {
        assert!(begin.elapsed() < Duration::from_secs(10));
    }
}

#[tokio::test]
async fn parts_of_jobs_have_a_quota_of_their_own() {
    let limits = Limits {
        job_parts_per_account_max: 0,
        ..Limits::default()
    };
    let door = Door::open_with(limits).await;
    let mut part = post("/rpp/v1/jobs/4/rows?offset=0", MNO, "{}\n");
    *part.method_mut() = http::Method::PATCH;
    let lines = http::HeaderValue::from_static("application/x-ndjson");
    part.headers_mut().insert("content-type", lines);
    door.send(part).await.reason(429, "02502");
    assert_eq!(door.send(get("/rpp/v1/jobs/4", MNO)).await.status, 200);
}

/// The EID of these digits with its check digits.
fn eid(number: u32) -> DeviceId {
    let mut with_check = (0..100).map(|check| {
        format!(
            "{:030}{check:02}",
            89_u128 * 10_u128.pow(28) + u128::from(number)
        )
    });
    with_check
        .find_map(|text| DeviceId::parse(&text).ok())
        .unwrap()
}

#[tokio::test]
async fn an_answer_that_is_not_read_keeps_its_place() {
    let limits = Limits {
        commands_per_account_max: 1,
        ..Limits::default()
    };
    let door = Door::open_with(limits).await;
    // Longer than what the server hands over before the client has read it.
    for number in 0..150 {
        let create = || {
            let body = crate::support::create_body(eid(number).as_str());
            let mut create = post(DEVICES, MNO, body);
            let transaction = format!("test-{number:04}").parse().unwrap();
            create.headers_mut().insert("rpp-cltrid", transaction);
            create
        };
        while door.send(create()).await.status != 201 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let list = || get(&format!("{DEVICES}?limit=1000"), MNO);
    let mut client = door.http2_with_window(1).await;
    let mut asked = list().map(|body| Full::new(Bytes::from(body)));
    *asked.uri_mut() = format!("https://localhost{DEVICES}?limit=1000")
        .parse()
        .unwrap();
    let unread = client.send_request(asked).await.unwrap();
    assert_eq!(unread.status(), 200);
    tokio::time::sleep(Duration::from_millis(300)).await;
    door.send(list()).await.reason(429, "02502");
    let octets = unread.into_body().collect().await.unwrap().to_bytes();
    assert!(octets.len() > 32 * 1024, "{}", octets.len());
    let begin = std::time::Instant::now();
    while door.send(list()).await.status != 200 {
        assert!(begin.elapsed() < Duration::from_secs(10));
    }
}

#[tokio::test]
async fn connections_of_strangers_are_few_of_one_network_and_known_ones_do_not_count() {
    let limits = Limits {
        network_strangers_max: 3,
        ..Limits::default()
    };
    let door = Door::open_with(limits).await;
    let mut known = Vec::new();
    for _ in 0..5 {
        let mut client = door.http2().await;
        let mut asked = get(DEVICES, MNO).map(|body| Full::new(Bytes::from(body)));
        *asked.uri_mut() = format!("https://localhost{DEVICES}").parse().unwrap();
        assert_eq!(client.send_request(asked).await.unwrap().status(), 200);
        known.push(client);
    }
    let mut strangers = Vec::new();
    for _ in 0..3 {
        strangers.push(door.tls(b"h2").await.unwrap());
    }
    assert!(door.tls(b"h2").await.is_err(), "one too many");
    strangers.pop();
    let begin = std::time::Instant::now();
    while door.tls(b"h2").await.is_err() {
        assert!(begin.elapsed() < Duration::from_secs(10));
    }
}
