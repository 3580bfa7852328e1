//! unbound with the configuration that deploy/ ships, at any time of its clock.

#![allow(dead_code, unreachable_pub)] // every test uses its part

pub mod replayer;

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::ZONE;
use crate::judges::{Answer, Server, Way, openssl};

/// Name in the resolver's certificate.
pub const NAME: &str = "resolver.example";

const SHIPPED: &str = include_str!("../../../deploy/unbound/unbound.conf");
/// The only line of the shipped file that a test changes: where the site's own file is.
const SITE_LINE: &str = "include: \"/etc/unbound/iot-site.conf\"";

/// What unbound is told to believe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// The shipped file as it is.
    Shipped,
    /// The shipped file without its `val-sig-skew-*` lines: unbound's own tolerance.
    UnboundsOwnSkew,
}

/// The resolver's clock, through libfaketime.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Seconds ahead of the machine's clock when it starts.
    pub ahead_secs: i64,
    /// Seconds that pass in one.
    pub rate: u32,
}

/// A running unbound; ended when dropped.
pub struct Resolver {
    child: Child,
    started: Instant,
    scratch: tempfile::TempDir,
    pub dot: SocketAddr,
}

impl Resolver {
    /// Starts unbound with the registry's zone at `upstream`, trusting the DS record of `anchor`.
    pub fn start(upstream: SocketAddr, anchor: &str, times: Times, clock: Option<Clock>) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path();
        std::fs::write(path.join("zone.ds"), anchor).unwrap();
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            &format!("/CN={NAME}"),
            "-addext",
            &format!("subjectAltName=DNS:{NAME}"),
            "-days",
            "30",
            "-keyout",
            path.join("tls.key").to_str().unwrap(),
            "-out",
            path.join("tls.pem").to_str().unwrap(),
        ]);
        // Another process may take a free port before unbound does.
        for _ in 0..5 {
            let dot = free_port();
            write_configuration(path, upstream, dot, times);
            let started = Instant::now();
            let mut child = spawn(path, clock);
            if answers(&mut child, dot) {
                return Self {
                    child,
                    started,
                    scratch,
                    dot,
                };
            }
        }
        panic!("unbound does not start: {}", log(path));
    }

    /// Its certificate, which is its own root.
    pub fn certificate(&self) -> PathBuf {
        self.scratch.path().join("tls.pem")
    }

    /// Base64 of the SHA-256 of its SubjectPublicKeyInfo.
    pub fn spki_pin(&self) -> String {
        use base64::prelude::*;
        let certificate = self.certificate();
        let pem = openssl(&[
            "x509",
            "-in",
            certificate.to_str().unwrap(),
            "-noout",
            "-pubkey",
        ]);
        let body: String = pem
            .lines()
            .filter(|line| !line.starts_with("-----"))
            .collect();
        let octets = BASE64_STANDARD.decode(body).unwrap();
        BASE64_STANDARD.encode(ring::digest::digest(&ring::digest::SHA256, &octets))
    }

    /// One query over DNS-over-TLS.
    pub fn ask(&self, owner: &str, record_type: &str) -> Answer {
        let roots = self.certificate();
        let server = Server {
            address: self.dot,
            way: Way::Tls,
            roots: &roots,
            name: NAME,
        };
        let answer = server.ask(owner, record_type);
        answer.unwrap_or_else(|| panic!("unbound does not answer: {}", self.log()))
    }

    /// Time since its start.
    pub fn running(&self) -> Duration {
        self.started.elapsed()
    }

    /// What it logged.
    pub fn log(&self) -> String {
        log(self.scratch.path())
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log(path: &Path) -> String {
    std::fs::read_to_string(path.join("unbound.log")).unwrap_or_default()
}

/// The shipped file with a site file as the example beside it describes.
fn write_configuration(path: &Path, upstream: SocketAddr, dot: SocketAddr, times: Times) {
    let site_file = path.join("iot-site.conf");
    assert_eq!(SHIPPED.matches(SITE_LINE).count(), 1);
    let mut text = SHIPPED.replace(SITE_LINE, &format!("include: \"{}\"", site_file.display()));
    if times == Times::UnboundsOwnSkew {
        let (dropped, kept): (Vec<_>, Vec<_>) = text
            .lines()
            .partition(|line| line.trim().starts_with("val-sig-skew-"));
        assert_eq!(dropped.len(), 2, "{dropped:?}");
        text = kept.join("\n") + "\n";
    }
    let (dir, port) = (path.display(), dot.port());
    let site = format!(
        "server:\n\
         username: \"\"\nchroot: \"\"\ndirectory: \"{dir}\"\npidfile: \"{dir}/unbound.pid\"\n\
         use-syslog: no\n\
         tls-port: {port}\ninterface: {dot_ip}@{port}\n\
         tls-service-pem: \"{dir}/tls.pem\"\ntls-service-key: \"{dir}/tls.key\"\n\
         access-control: 127.0.0.0/8 allow\n\
         trust-anchor-file: \"{dir}/zone.ds\"\n\
         local-zone: \"{ZONE}.\" transparent\n\
         do-not-query-localhost: no\n\
         stub-zone:\nname: \"{ZONE}.\"\nstub-addr: {upstream_ip}@{upstream_port}\n",
        dot_ip = dot.ip(),
        upstream_ip = upstream.ip(),
        upstream_port = upstream.port(),
    );
    std::fs::write(site_file, site).unwrap();
    std::fs::write(path.join("unbound.conf"), text).unwrap();
}

fn spawn(path: &Path, clock: Option<Clock>) -> Child {
    let log = std::fs::File::create(path.join("unbound.log")).unwrap();
    let mut command = Command::new("unbound");
    command.arg("-dd").arg("-c").arg(path.join("unbound.conf"));
    if let Some(clock) = clock {
        // The library itself: the program 'faketime' stays between us and unbound, so that killing
        // our child would leave unbound running.
        command.env("LD_PRELOAD", faketime_library());
        command.env(
            "FAKETIME",
            format!("{:+}s x{}", clock.ahead_secs, clock.rate),
        );
        // Timers of the event loop run on the monotonic clock.
        command.env("DONT_FAKE_MONOTONIC", "1");
    }
    command
        .stdout(Stdio::null())
        .stderr(Stdio::from(log))
        .spawn()
        .unwrap()
}

/// Where the program 'faketime' finds its library.
fn faketime_library() -> String {
    let output = Command::new("faketime")
        .args(["-f", "+0s", "sh", "-c", "printf %s \"$LD_PRELOAD\""])
        .output()
        .unwrap();
    let library = String::from_utf8(output.stdout).unwrap();
    assert!(library.contains("libfaketime"), "{library:?}");
    library
}

/// True once it takes connections; false when it ended.
fn answers(child: &mut Child, dot: SocketAddr) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(20) {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if TcpStream::connect(dot).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
    false
}

/// A port of the loopback address that is free for UDP and TCP.
fn free_port() -> SocketAddr {
    loop {
        let tcp = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = tcp.local_addr().unwrap();
        if UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
}
