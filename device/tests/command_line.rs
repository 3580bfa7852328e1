//! The binary: a virtual card over TCP, and everything that one asks of it by hand.
#![allow(clippy::unwrap_used)] // helpers outside of test functions

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use iot_device::applet::Aid;
use iot_device::card::TcpCard;
use iot_device::payload::layout;
use iot_device::{IotSafe, pem::pem};

/// A virtual card that ends with the test.
struct Simulation {
    process: Child,
    card: String,
}

impl Simulation {
    fn start(arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_iot-device"))
            .arg("sim")
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self {
            process,
            card: line.trim().to_owned(),
        }
    }

    fn ask(&self, arguments: &[&str], input: &[u8]) -> (bool, String) {
        let mut process = Command::new(env!("CARGO_BIN_EXE_iot-device"))
            .arg(arguments[0])
            .args(["--card", &self.card])
            .args(&arguments[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The process may end without reading.
        let _ = process.stdin.take().unwrap().write_all(input);
        let output = process.wait_with_output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_card_is_used_from_other_processes() {
    let card = Simulation::start(&["--signature-form", "33-00-40"]);
    let (ok, text) = card.ask(&["info"], b"");
    assert!(ok && text.contains(support::EID), "{text}");
    assert!(text.contains("client-key"), "{text}");
    let (ok, text) = card.ask(&["sign"], b"text");
    assert!(!ok && text.contains("6985"), "{text}");
    let name = format!("1.{}.iotregistry.example", support::EID);
    let (ok, request) = card.ask(&["csr", "--generate", "--name", &name], b"");
    assert!(ok, "{request}");
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("request.pem"), request).unwrap();
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    let key = openssl(&[
        "req",
        "-in",
        &path("request.pem"),
        "-verify",
        "-pubkey",
        "-noout",
    ]);
    std::fs::write(path("key.pem"), key).unwrap();

    let (ok, signature) = card.ask(&["sign"], b"text");
    assert!(ok, "{signature}");
    std::fs::write(path("signature.b64"), signature).unwrap();
    std::fs::write(path("text"), b"text").unwrap();
    let signature = openssl(&["base64", "-d", "-in", &path("signature.b64")]);
    std::fs::write(path("signature"), signature).unwrap();
    openssl(&[
        "dgst",
        "-sha256",
        "-verify",
        &path("key.pem"),
        "-signature",
        &path("signature"),
        &path("text"),
    ]);
    let (ok, random) = card.ask(&["random", "--octets", "16"], b"");
    assert!(ok && random.trim().len() == 32, "{random}");
}

#[test]
fn the_certificate_is_printed_as_pem() {
    let card = Simulation::start(&[]);
    let (ok, text) = card.ask(&["cert"], b"");
    assert!(!ok && text.contains("READ FILE"), "{text}");
    let address = card.card.strip_prefix("tcp:").unwrap();
    let transport = TcpCard::connect(address, Duration::from_secs(10)).unwrap();
    let mut client = IotSafe::open(transport, &Aid::known()).unwrap();
    let certificate = [0x30, 3, 1, 2, 3];
    let file = layout::object(layout::CLIENT_CERTIFICATE);
    client.write_file(&file, &certificate).unwrap();
    drop(client);
    let (ok, text) = card.ask(&["cert"], b"");
    assert!(ok);
    assert_eq!(text, pem("CERTIFICATE", &certificate));
}

#[test]
fn wrong_arguments_are_refused() {
    for arguments in [
        &["sim", "--listen", "0.0.0.0:0"][..],
        &["sim", "--eid", "89049032123451234512345678901234"],
        &["sim", "--signature-form", "34"],
        &["info", "--card", "serial"],
        &["random", "--card", "tcp:127.0.0.1:1", "--octets", "128"],
        &["info", "--card", "tcp:127.0.0.1:1"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_iot-device"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}
