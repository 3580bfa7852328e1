//! Frames of HTTP/2 (RFC 9113) that no client sends: each flood ends its connection after a stated
//! amount, and the others are answered meanwhile.

#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a test may end here")]

mod support;

use std::time::Duration;

use iot_epp_api::server::Limits;
use support::{Door, EID, MNO, get};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::client::TlsStream;

const DEVICES: &str = "/rpp/v1/devices";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// RFC 9113 §4.1.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A header field, literal and not indexed (RFC 7541 §6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0, u8::try_from(name.len()).unwrap()];
    field.extend(name.bytes());
    assert!(value.len() < 127);
    field.push(u8::try_from(value.len()).unwrap());
    field.extend(value.bytes());
    field
}

fn fields(method: &str) -> Vec<u8> {
    [
        field(":method", method),
        field(":scheme", "https"),
        field(":authority", "localhost"),
        field(":path", DEVICES),
        field("authorization", &format!("Bearer {MNO}")),
        field("content-type", "application/json"),
        field("rpp-cltrid", "frames-1"),
    ]
    .concat()
}

/// A connection on which frames are written as they are.
struct Frames {
    reader: ReadHalf<TlsStream<TcpStream>>,
    writer: WriteHalf<TlsStream<TcpStream>>,
}

impl Frames {
    async fn open(door: &Door) -> Self {
        let (reader, mut writer) = split(door.tls(b"h2").await.unwrap());
        writer.write_all(PREFACE).await.unwrap();
        writer.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
        Self { reader, writer }
    }

    /// Writes the octets again and again while what comes back is read; how many octets went out until
    /// the server closed, or none when it took them all.
    async fn flood(mut self, octets: &[u8], octets_max: usize) -> Option<usize> {
        let drain = tokio::spawn(async move {
            let mut buffer = [0; 16 * 1024];
            while matches!(self.reader.read(&mut buffer).await, Ok(1..)) {}
        });
        let mut sent = 0;
        while sent < octets_max && !drain.is_finished() {
            let written = timeout(Duration::from_secs(20), self.writer.write_all(octets));
            if !matches!(written.await, Ok(Ok(()))) {
                break;
            }
            sent += octets.len();
        }
        let closed = timeout(Duration::from_secs(20), drain).await.is_ok();
        closed.then_some(sent)
    }
}

/// Others are answered while a flood goes on.
async fn beside<T: Send + 'static>(
    door: &Door,
    flood: impl Future<Output = T> + Send + 'static,
) -> T {
    let flood = tokio::spawn(flood);
    let mut answered = 0;
    while answered < 20 || (answered < 200 && !flood.is_finished()) {
        let begin = Instant::now();
        assert_eq!(door.send(get(DEVICES, MNO)).await.status, 200);
        let waited = begin.elapsed();
        assert!(waited < Duration::from_secs(2), "an answer took {waited:?}");
        answered += 1;
    }
    flood.await.unwrap()
}

async fn door() -> Door {
    Door::open_with(Limits {
        request_timeout: Duration::from_secs(3),
        idle_timeout: Duration::from_secs(3),
        ..Limits::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_that_go_on_in_frame_after_frame_end_the_connection() {
    let door = door().await;
    let mut frames = Frames::open(&door).await;
    let begun = frame(HEADERS, END_STREAM, 1, &fields("GET"));
    frames.writer.write_all(&begun).await.unwrap();
    let more = field("x-more", &"a".repeat(100)).repeat(64);
    let more = frame(CONTINUATION, 0, 1, &more);
    let sent = beside(&door, async move { frames.flood(&more, 64 << 20).await }).await;
    let sent = sent.expect("64 MiB of fields were taken");
    assert!(sent < 8 << 20, "{sent} octets of fields were taken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_frames_of_fields_end_the_connection() {
    let door = door().await;
    let mut frames = Frames::open(&door).await;
    let begun = frame(HEADERS, END_STREAM, 1, &fields("GET"));
    frames.writer.write_all(&begun).await.unwrap();
    let empty = frame(CONTINUATION, 0, 1, &[]).repeat(1000);
    let sent = beside(&door, async move { frames.flood(&empty, 64 << 20).await }).await;
    assert!(sent.is_some(), "seven million frames were taken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_empty_frames_ends_with_its_time_and_is_no_command() {
    let door = door().await;
    let mut frames = Frames::open(&door).await;
    let begun = frame(HEADERS, END_HEADERS, 1, &fields("POST"));
    frames.writer.write_all(&begun).await.unwrap();
    let empty = frame(DATA, 0, 1, &[]).repeat(1000);
    let begin = Instant::now();
    beside(&door, async move { frames.flood(&empty, 256 << 20).await }).await;
    assert!(
        begin.elapsed() < Duration::from_secs(60),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(door.registry.device_count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_and_pings_without_end_keep_nobody_else_waiting() {
    let door = door().await;
    let settings = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0x40, 0]);
    for octets in [settings, frame(PING, 0, 0, &[7; 8])] {
        let frames = Frames::open(&door).await;
        let many = octets.repeat(1000);
        beside(&door, async move { frames.flood(&many, 16 << 20).await }).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_takes_keep_nobody_else_waiting() {
    let door = door().await;
    // No window at all, and never read: the server has nowhere to put its answers.
    let (_reader, mut writer) = split(door.tls(b"h2").await.unwrap());
    writer.write_all(PREFACE).await.unwrap();
    let no_window = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    writer.write_all(&no_window).await.unwrap();
    let flood = async move {
        for stream in (1..20_001).step_by(2) {
            let asked = frame(HEADERS, END_HEADERS | END_STREAM, stream, &fields("GET"));
            let written = timeout(Duration::from_secs(5), writer.write_all(&asked));
            if !matches!(written.await, Ok(Ok(()))) {
                return;
            }
        }
    };
    beside(&door, flood).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_the_server_reset_its_own_streams_ends_the_connection() {
    let door = door().await;
    let mut frames = Frames::open(&door).await;
    // A request that runs, then a frame that is wrong on its stream: the server resets it, over and over
    // (CVE-2025-8671).
    let mut octets = Vec::new();
    for stream in (1..40_001_u32).step_by(2) {
        octets.extend(frame(HEADERS, END_HEADERS, stream, &fields("POST")));
        octets.extend(frame(WINDOW_UPDATE, 0, stream, &[0, 0, 0, 0]));
    }
    octets.extend(frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]));
    let sent = beside(&door, async move {
        let size = octets.len();
        let written = timeout(Duration::from_secs(20), frames.writer.write_all(&octets)).await;
        let refused = !matches!(written, Ok(Ok(())));
        let mut buffer = [0; 16 * 1024];
        let end = async { while matches!(frames.reader.read(&mut buffer).await, Ok(1..)) {} };
        let closed = timeout(Duration::from_secs(20), end).await.is_ok();
        (refused || closed, size)
    })
    .await;
    assert!(sent.0, "{} octets of broken streams were taken", sent.1);
    assert_eq!(door.registry.device_count(), 0);
    let other = format!("{DEVICES}/{EID}");
    assert_eq!(door.send(get(&other, MNO)).await.status, 404);
}
