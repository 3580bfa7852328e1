//! Server-sent events over TLS.

use std::time::Duration;

use http::Request;
use iot_epp_api::AccountName;
use iot_epp_api::json::event::EventReader;
use iot_epp_api::server::Limits;
use tokio::io::AsyncWriteExt;

use crate::support::{Door, EventStream, MNO, OPERATOR, get, request};

const EVENTS: &str = "/rpp/v1/events";

fn after(message_id: &str) -> Request<Vec<u8>> {
    let mut asked = get(EVENTS, MNO);
    let value = message_id.parse().unwrap();
    asked.headers_mut().insert("last-event-id", value);
    asked
}

/// The numbers of the next messages, as many as asked for.
async fn numbers(stream: &mut EventStream, count: usize) -> Vec<u64> {
    let mut reader = EventReader::default();
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let part = stream.next().await.expect("the stream goes on");
        numbers.extend(reader.read(&part).unwrap().iter().map(|one| one.message_id));
    }
    numbers
}

#[tokio::test]
async fn messages_come_as_they_are_queued_and_go_on_behind_the_last_one() {
    let door = Door::open().await;
    door.registry.tell(3);
    door.registry.tell(5);
    let mut stream = door.events(get(EVENTS, MNO)).await;
    let headers = stream.answer.headers().clone();
    assert_eq!(headers["content-type"], "text/event-stream");
    assert_eq!(headers["rpp-code"], "01000");
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(numbers(&mut stream, 2).await, [3, 5]);
    door.registry.tell(6);
    assert_eq!(numbers(&mut stream, 1).await, [6]);

    let mut again = door.events(after("5")).await;
    assert_eq!(numbers(&mut again, 1).await, [6]);
    let many: Vec<u64> = (7..257).collect();
    for number in &many {
        door.registry.tell(*number);
    }
    assert_eq!(numbers(&mut again, many.len()).await, many);
    assert_eq!(
        door.registry.request_count(),
        0,
        "reading takes nothing out of the queue"
    );
}

#[tokio::test]
async fn silent_streams_say_that_they_are_alive() {
    let limits = Limits {
        event_interval: Duration::from_millis(50),
        idle_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let door = Door::open_with(limits).await;
    let mut stream = door.events(get(EVENTS, MNO)).await;
    for _ in 0..10 {
        assert_eq!(stream.next().await.unwrap(), b": alive\n\n");
    }
    door.registry.tell(1);
    assert_eq!(
        numbers(&mut stream, 1).await,
        [1],
        "longer than a connection may be idle"
    );
}

#[tokio::test]
async fn stream_of_a_disabled_account_ends() {
    let door = Door::open().await;
    let mut stream = door.events(get(EVENTS, MNO)).await;
    assert!(stream.next().await.is_some());
    let name = AccountName::parse("mno-one").unwrap();
    door.registry.disabled.lock().unwrap().insert(name);
    door.registry.tell(1);
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn streams_of_an_account_are_bounded_and_make_room_when_they_end() {
    let limits = Limits {
        event_streams_per_account_max: 2,
        event_interval: Duration::from_millis(20),
        ..Limits::default()
    };
    let door = Door::open_with(limits).await;
    let first = door.events(get(EVENTS, MNO)).await;
    let second = door.events(get(EVENTS, MNO)).await;
    assert_eq!(second.answer.status(), 200);
    let refused = door.send(get(EVENTS, MNO)).await;
    refused.reason(429, "02502");
    assert_eq!(refused.header("retry-after"), "1");
    drop(first);
    let begin = std::time::Instant::now();
    loop {
        let again = door.events(get(EVENTS, MNO)).await;
        if again.answer.status() == 200 {
            break;
        }
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "no room was made"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn who_may_not_read_messages_gets_a_refusal_and_no_stream() {
    let door = Door::open().await;
    door.send(get(EVENTS, OPERATOR)).await.reason(403, "02201");
    door.send(get(EVENTS, "token-of-nobody-000000001"))
        .await
        .reason(401, "02202");
    door.send(after("x")).await.reason(400, "02005");
    let head = request(http::Method::HEAD, EVENTS, MNO)
        .body(Vec::new())
        .unwrap();
    let head = door.send(head).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[tokio::test]
async fn shutdown_ends_streams_at_once() {
    let door = Door::open().await;
    let mut stream = door.events(get(EVENTS, MNO)).await;
    assert!(stream.next().await.is_some());
    let begin = std::time::Instant::now();
    door.handle.shutdown().await;
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn client_that_never_reads_its_stream_is_cut_off() {
    let limits = Limits {
        event_streams_per_account_max: 1,
        idle_timeout: Duration::from_millis(300),
        drain_timeout: Duration::from_millis(300),
        ..Limits::default()
    };
    let door = Door::open_with(limits).await;
    // More than all buffers on the way can hold.
    for number in 1..40_000 {
        door.registry.tell(number);
    }
    let mut silent = door.tls(b"http/1.1").await.unwrap();
    let head = format!("GET {EVENTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {MNO}\r\n\r\n");
    silent.write_all(head.as_bytes()).await.unwrap();
    let begin = std::time::Instant::now();
    let mut refused = 0;
    while door.events(get(EVENTS, MNO)).await.answer.status() != 200 {
        refused += 1;
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "its place is still taken"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(refused > 0, "its place was taken");
}
