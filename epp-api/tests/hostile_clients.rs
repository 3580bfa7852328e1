//! Clients that are slow, silent, many or gone: the others are served, and no command is lost.

#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a test may end here")]

mod support;

use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use iot_epp_api::server::Limits;
use serde_json::json;
use support::{Answer, Door, EID, ICCID, MNO, create_body, get, post, request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

const DEVICES: &str = "/rpp/v1/devices";

fn short_limits() -> Limits {
    Limits {
        handshake_timeout: Duration::from_millis(300),
        header_timeout: Duration::from_millis(300),
        request_timeout: Duration::from_millis(600),
        idle_timeout: Duration::from_millis(500),
        drain_timeout: Duration::from_millis(500),
        ..Limits::default()
    }
}

/// Waits for something that has to come.
async fn eventually(what: &str, come: impl Fn() -> bool) {
    let begin = Instant::now();
    while !come() {
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "{what} never came"
        );
        sleep(Duration::from_millis(5)).await;
    }
}

/// A create that the registry holds until it is released.
fn held(id: &str, transaction: &str) -> http::Request<Vec<u8>> {
    let body = json!({"id": id, "csr": support::registry::HELD}).to_string();
    let mut asked = post(DEVICES, MNO, body);
    let transaction = transaction.parse().unwrap();
    asked.headers_mut().insert("rpp-cltrid", transaction);
    asked
}

/// The same in octets.
fn held_octets() -> Vec<u8> {
    let body = json!({"id": EID, "csr": support::registry::HELD}).to_string();
    format!(
        "POST {DEVICES} HTTP/1.1\r\nHost: x\r\nRPP-Cltrid: abc\r\nAuthorization: Bearer {MNO}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Reads until the server closes.
async fn until_closed(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let _ = timeout(Duration::from_secs(20), read)
        .await
        .expect("closed by the server");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn slow_clients_do_not_stop_others() {
    let door = Door::open().await;
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(
            tokio::net::TcpStream::connect(door.address())
                .await
                .unwrap(),
        );
    }
    let mut slow = Vec::new();
    for octets in [
        "",
        "GET /rpp/v1/dev",
        "POST /rpp/v1/devices HTTP/1.1\r\nContent-Length: 9\r\n",
    ] {
        for _ in 0..10 {
            let mut stream = door.tls(b"http/1.1").await.unwrap();
            stream.write_all(octets.as_bytes()).await.unwrap();
            slow.push(stream);
        }
    }
    let begin = Instant::now();
    let created = door.send(post(DEVICES, MNO, create_body(EID))).await;
    assert_eq!(created.status, 201);
    assert!(
        begin.elapsed() < Duration::from_secs(2),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test]
async fn connections_at_the_limit_wait_and_are_served_when_silent_ones_time_out() {
    let limits = Limits {
        connections_max: 4,
        ..short_limits()
    };
    let door = Door::open_with(limits).await;
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(
            tokio::net::TcpStream::connect(door.address())
                .await
                .unwrap(),
        );
    }
    let begin = Instant::now();
    let answer = timeout(Duration::from_secs(5), door.send(get(DEVICES, MNO))).await;
    assert_eq!(answer.unwrap().status, 200);
    assert!(
        begin.elapsed() >= Duration::from_millis(200),
        "it had to wait"
    );
}

#[tokio::test]
async fn head_and_body_have_to_arrive_in_time() {
    let door = Door::open_with(short_limits()).await;
    let mut stream = door.tls(b"http/1.1").await.unwrap();
    stream
        .write_all(b"GET /rpp/v1/devices HTTP/1.1\r\nHost: x\r\n")
        .await
        .unwrap();
    let answer = until_closed(&mut stream).await;
    assert!(!answer.contains("200 OK"), "{answer}");

    let mut stream = door.tls(b"http/1.1").await.unwrap();
    let head = format!(
        "POST {DEVICES} HTTP/1.1\r\nHost: x\r\nRPP-Cltrid: abc\r\nAuthorization: Bearer {MNO}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = until_closed(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("rpp-code: 02001"), "{answer}");
    assert_eq!(door.registry.request_count(), 0);
}

#[tokio::test]
async fn idle_connections_are_closed_on_both_protocols() {
    let door = Door::open_with(short_limits()).await;
    let mut stream = door.tls(b"http/1.1").await.unwrap();
    until_closed(&mut stream).await;

    let mut sender = door.http2().await;
    let target = format!("https://localhost{DEVICES}");
    let asked = || {
        request(http::Method::GET, &target, MNO)
            .body(Full::<Bytes>::default())
            .unwrap()
    };
    let answer = Answer::read(sender.send_request(asked()).await.unwrap()).await;
    assert_eq!(answer.status, 200);
    eventually("the end of the idle connection", || sender.is_closed()).await;
}

#[tokio::test]
async fn client_that_never_reads_is_cut_off() {
    let door = Door::open_with(short_limits()).await;
    let mut stream = door.tls(b"http/1.1").await.unwrap();
    let asked = format!(
        "GET /.well-known/rpp.json HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
        "y".repeat(500)
    );
    let pipelined = asked.repeat(100);
    // Once the answers fill every buffer the server stops reading, and then closes.
    let writing = async { while stream.write_all(pipelined.as_bytes()).await.is_ok() {} };
    let closed = timeout(Duration::from_secs(20), writing).await;
    assert!(closed.is_ok(), "still open");
    assert_eq!(door.send(get(DEVICES, MNO)).await.status, 200);
}

#[tokio::test]
async fn command_of_a_client_that_went_away_is_carried_out() {
    let door = Door::open().await;
    let mut stream = door.tls(b"http/1.1").await.unwrap();
    stream.write_all(&held_octets()).await.unwrap();
    eventually("the command", || door.registry.request_count() == 1).await;
    drop(stream);
    sleep(Duration::from_millis(200)).await;
    assert_eq!(door.registry.device_count(), 0);
    door.registry.release.add_permits(1);
    eventually("the device", || door.registry.device_count() == 1).await;
}

#[tokio::test]
async fn command_that_takes_too_long_is_503_and_its_retry_finds_the_result() {
    let limits = Limits {
        request_timeout: Duration::from_millis(500),
        ..Limits::default()
    };
    let door = Door::open_with(limits).await;
    let answer = door.send(held(EID, "held-1")).await;
    assert!(answer.reason(503, "02400").contains("same RPP-Cltrid"));
    assert_eq!(answer.header("retry-after"), "1");
    door.registry.release.add_permits(1);
    eventually("the device", || door.registry.device_count() == 1).await;
    let again = door.send(held(EID, "held-1")).await;
    assert_eq!((again.status, again.header("rpp-replayed")), (201, "true"));
    assert_eq!(door.registry.device_count(), 1);
}

#[tokio::test]
async fn commands_beyond_the_limit_are_not_begun() {
    let limits = Limits {
        commands_max: 1,
        request_timeout: Duration::from_millis(500),
        ..Limits::default()
    };
    let door = Door::open_with(limits).await;
    let answers = tokio::join!(
        door.send(held(EID, "held-1")),
        door.send(held(ICCID, "held-2"))
    );
    answers.0.reason(503, "02400");
    answers.1.reason(503, "02400");
    assert_eq!(door.registry.request_count(), 1);
    door.registry.release.add_permits(1);
    eventually("the device", || door.registry.device_count() == 1).await;
    assert_eq!(door.send(get(DEVICES, MNO)).await.status, 200);
}

#[tokio::test]
async fn one_connection_cannot_open_streams_without_end() {
    let limits = Limits {
        streams_max: 2,
        ..Limits::default()
    };
    let door = Door::open_with(limits).await;
    let sender = door.http2().await;
    let mut running = Vec::new();
    for number in 0..6 {
        let mut asked = held(EID, &format!("stream-{number}"));
        *asked.uri_mut() = format!("https://localhost{DEVICES}").parse().unwrap();
        let asked = asked.map(|body| Full::new(Bytes::from(body)));
        let mut sender = sender.clone();
        running.push(tokio::spawn(
            async move { sender.send_request(asked).await },
        ));
    }
    eventually("two streams", || door.registry.request_count() == 2).await;
    sleep(Duration::from_millis(200)).await;
    assert_eq!(door.registry.request_count(), 2, "two streams run, no more");
    door.registry.release.add_permits(6);
    for task in running {
        // Streams opened before the client knew the limit are refused, later ones wait.
        if let Err(error) = task.await.unwrap() {
            assert!(format!("{error:?}").contains("REFUSED_STREAM"), "{error:?}");
        }
    }
}

#[tokio::test]
async fn shutdown_answers_what_is_running_and_closes_the_rest() {
    let door = Door::open_with(Limits::default()).await;
    let address = door.address();
    let mut idle = door.tls(b"http/1.1").await.unwrap();
    let mut running = door.tls(b"http/1.1").await.unwrap();
    running.write_all(&held_octets()).await.unwrap();
    eventually("the command", || door.registry.request_count() == 1).await;
    let registry = std::sync::Arc::clone(&door.registry);
    let release = async {
        sleep(Duration::from_millis(300)).await;
        registry.release.add_permits(1);
    };
    let (answer, rest, (), ()) = tokio::join!(
        until_closed(&mut running),
        until_closed(&mut idle),
        door.handle.shutdown(),
        release
    );
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert_eq!(rest, "");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

/// Sends the head and so much body before it reads anything; what the server answered.
async fn sends_all_before_it_reads(
    door: &Door,
    head: &str,
    octets: usize,
) -> std::io::Result<String> {
    let mut stream = door.tls(b"http/1.1").await.unwrap();
    let head = format!(
        "POST {DEVICES} HTTP/1.1\r\nHost: x\r\nContent-Length: {octets}\r\nConnection: close\r\n{head}\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut left = octets;
    while left > 0 {
        let part = left.min(16 * 1024);
        stream.write_all(&vec![b' '; part]).await?;
        stream.flush().await?;
        left -= part;
        sleep(Duration::from_millis(1)).await;
    }
    Ok(until_closed(&mut stream).await)
}

#[tokio::test]
async fn client_that_sends_all_of_a_refused_body_reads_why_it_was_refused() {
    let door = Door::open().await;
    let allowed = format!(
        "RPP-Cltrid: abc\r\nAuthorization: Bearer {MNO}\r\nContent-Type: application/json\r\n"
    );
    for (head, octets, status) in [
        (allowed.as_str(), 65_537, "413"),
        (allowed.as_str(), 900_000, "413"),
        ("RPP-Cltrid: abc\r\n", 900_000, "401"),
    ] {
        let answer = sends_all_before_it_reads(&door, head, octets)
            .await
            .unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{octets}: {answer}"
        );
    }
}

#[tokio::test]
async fn body_without_end_is_not_read_for_ever() {
    let door = Door::open().await;
    let begin = Instant::now();
    let sent = sends_all_before_it_reads(&door, "RPP-Cltrid: abc\r\n", 1 << 30);
    let sent = timeout(Duration::from_secs(15), sent)
        .await
        .expect("cut off");
    let sent = sent.is_err();
    assert!(sent, "a gigabyte was taken in {:?}", begin.elapsed());
}

#[tokio::test]
async fn streams_that_are_reset_at_once_end_their_connection_and_no_other() {
    let door = Door::open().await;
    let target = format!("https://localhost{DEVICES}");
    let asked = || {
        let built = request(http::Method::GET, &target, MNO);
        built.body(Full::<Bytes>::default()).unwrap()
    };
    let mut sender = door.http2().await;
    let mut reset = 0;
    while reset < 5000 && !sender.is_closed() {
        // Polled once, so that the request goes out, and dropped, so that it is reset.
        let sent = timeout(Duration::ZERO, sender.send_request(asked()));
        let _ = sent.await;
        reset += 1;
        if reset % 50 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let begin = Instant::now();
    let mut other = door.http2().await;
    let answer = Answer::read(other.send_request(asked()).await.unwrap()).await;
    assert_eq!(answer.status, 200);
    assert!(
        begin.elapsed() < Duration::from_secs(2),
        "{:?}",
        begin.elapsed()
    );
    let served = door.registry.request_count();
    assert!(served <= reset + 1, "{served} of {reset}");
}

#[tokio::test]
async fn client_that_waits_with_its_body_is_refused_at_once() {
    let door = Door::open().await;
    for more in ["", "Expect: 100-continue\r\n"] {
        let mut stream = door.tls(b"http/1.1").await.unwrap();
        let head =
            format!("POST {DEVICES} HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n{more}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut first = [0; 12];
        let answered = timeout(Duration::from_millis(1_500), stream.read_exact(&mut first));
        answered.await.expect("it waits for the body").unwrap();
        assert_eq!(&first, b"HTTP/1.1 401", "{more}");
    }
}
