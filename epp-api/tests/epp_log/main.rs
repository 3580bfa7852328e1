//! What the EPP door logs: who did what with which result, and no secret (hazards P7 and P12).
//!
//! A program of its own: whether a line is logged at all is remembered for the whole process, and other
//! tests log to nobody.
#![allow(clippy::unwrap_used)] // a failed step is a failed test
#![allow(dead_code, reason = "the other tests of the door use the rest")]

#[path = "../epp_door/door.rs"]
mod door;
#[path = "../epp_door/frames.rs"]
mod frames;
#[path = "../epp_door/registry/mod.rs"]
mod registry;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing::Level;
use tracing::subscriber::set_default;

use crate::door::{Door, ONE, TWO, password};
use crate::frames::AUTH_INFO;
use crate::registry::CSR;

/// Where lines go.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One thread, so that the door's tasks log to the test's own subscriber.
#[tokio::test(flavor = "current_thread")]
async fn commands_are_logged_without_secrets() {
    let lines = Lines::default();
    let to_lines = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_ansi(false)
        .with_writer(move || to_lines.clone())
        .finish();
    let guard = set_default(subscriber);
    let door = Door::open().await;
    let mut one = door.greeted(&door.one).await;
    one.ask(&frames::login(ONE, "a mistyped password")).await;
    let second = "the second password of one";
    one.ask(&frames::login_with(ONE, &password(ONE), Some(second)))
        .await;
    let auth_info =
        format!("<d:csr>{CSR}</d:csr><d:authInfo><d:pw>{AUTH_INFO}</d:pw></d:authInfo>");
    one.ask(&frames::device("ONE-1", "create", &auth_info))
        .await;
    let mut two = door.logged_in(TWO).await;
    let pull = |secret: &str| {
        let content = format!("<d:authInfo><d:pw>{secret}</d:pw></d:authInfo>");
        frames::device("TWO-1", "transfer op=\"request\"", &content)
    };
    two.ask(&pull("a wrong guess of it")).await;
    two.ask(&pull(AUTH_INFO)).await;
    two.ask(&frames::info("forged&#10;line account=operator"))
        .await;
    one.ask(&frames::logout()).await;
    one.ended().await;
    door.handle.shutdown().await;
    drop(guard);
    let logged = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    for expected in [
        "account=mno-one outcome=\"wrong\"",
        "account=mno-one outcome=\"accepted\"",
        "account=mno-one verb=\"device.create\" code=1000",
        "account=mno-two verb=\"transfer.pull\" code=2202",
        "account=mno-two verb=\"transfer.pull\" code=1001",
        "server_transaction_id=\"IOTR-",
        "elapsed_ms=",
    ] {
        assert!(logged.contains(expected), "{expected}: {logged}");
    }
    for secret in [
        "mistyped",
        second,
        &password(ONE),
        &password(TWO),
        AUTH_INFO,
        "wrong guess",
    ] {
        assert!(!logged.contains(secret), "{secret}");
    }
    assert!(!logged.contains("forged"));
}
