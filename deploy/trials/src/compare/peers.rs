//! Knot DNS, NSD and BIND, each with the same zone file and as little else as it lets itself be
//! configured to: no rate limits, no cookies, no version, 1,232 octets in a datagram.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::PAYLOAD_OCTETS_MAX;
use crate::accounts::ZONE;

/// Longest wait for a start.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// Another process may take a free port before the server does.
const START_ATTEMPTS: u32 = 5;

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Brand {
    /// knotd.
    Knot,
    /// nsd.
    Nsd,
    /// named.
    Bind,
}

/// A running server; ended when dropped.
#[derive(Debug)]
pub(super) struct Peer {
    /// Whose it is.
    pub(super) brand: Brand,
    /// Where it answers over UDP and TCP.
    pub(super) address: SocketAddr,
    child: Child,
    directory: PathBuf,
}

impl Brand {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Knot, Self::Nsd, Self::Bind];

    /// Name of its program.
    pub fn program(self) -> &'static str {
        match self {
            Self::Knot => "knotd",
            Self::Nsd => "nsd",
            Self::Bind => "named",
        }
    }

    /// Its version as it says it, in one line; `None` when it is not installed.
    pub fn version(self) -> Option<String> {
        let flag = if self == Self::Nsd { "-v" } else { "-V" };
        let output = Command::new(self.program()).arg(flag).output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        Some(text.lines().next().unwrap_or_default().trim().to_owned())
    }

    fn configuration(self, directory: &Path, zone_file: &Path, port: u16) -> String {
        let (dir, file) = (directory.display(), zone_file.display());
        let octets = PAYLOAD_OCTETS_MAX;
        match self {
            Self::Knot => format!(
                "server:\n    rundir: \"{dir}\"\n    listen: 127.0.0.1@{port}\n    udp-workers: 1\n    \
                 tcp-workers: 1\n    background-workers: 1\n    udp-max-payload: {octets}\n    \
                 version: \"\"\n    identity: \"\"\n\
                 log:\n  - target: stderr\n    any: info\n\
                 database:\n    storage: \"{dir}\"\n\
                 zone:\n  - domain: {ZONE}\n    file: \"{file}\"\n    zonefile-sync: -1\n    \
                 journal-content: none\n    dnssec-signing: off\n    semantic-checks: on\n"
            ),
            Self::Nsd => format!(
                "server:\n    ip-address: 127.0.0.1@{port}\n    server-count: 1\n    username: \"\"\n    \
                 zonesdir: \"{dir}\"\n    database: \"\"\n    logfile: \"\"\n    \
                 pidfile: \"{dir}/nsd.pid\"\n    xfrdfile: \"{dir}/xfrd.state\"\n    xfrdir: \"{dir}\"\n    \
                 zonelistfile: \"{dir}/zone.list\"\n    ipv4-edns-size: {octets}\n    \
                 ipv6-edns-size: {octets}\n    rrl-ratelimit: 0\n    minimal-responses: yes\n    \
                 refuse-any: no\n    hide-version: yes\n    hide-identity: yes\n    answer-cookie: no\n\
                 remote-control:\n    control-enable: no\n\
                 zone:\n    name: {ZONE}\n    zonefile: \"{file}\"\n"
            ),
            Self::Bind => format!(
                "options {{\n    directory \"{dir}\";\n    pid-file \"{dir}/named.pid\";\n    \
                 session-keyfile \"{dir}/session.key\";\n    managed-keys-directory \"{dir}\";\n    \
                 listen-on port {port} {{ 127.0.0.1; }};\n    listen-on-v6 {{ none; }};\n    \
                 recursion no;\n    minimal-responses yes;\n    minimal-any no; zero-no-soa-ttl no;\n    notify no;\n    \
                 dnssec-validation no;\n    answer-cookie no;\n    edns-udp-size {octets};\n    \
                 max-udp-size {octets};\n    version none;\n    hostname none;\n    server-id none;\n    \
                 empty-zones-enable no;\n}};\n\
                 controls {{ }};\nlogging {{ category default {{ default_stderr; }}; }};\n\
                 zone \"{ZONE}\" {{ type primary; file \"{file}\"; masterfile-format text; check-names ignore; }};\n"
            ),
        }
    }

    fn arguments(self, configuration: &Path) -> Vec<String> {
        let file = configuration.display().to_string();
        match self {
            Self::Knot => vec!["-c".into(), file],
            Self::Nsd => vec!["-d".into(), "-c".into(), file],
            Self::Bind => vec![
                "-f".into(),
                "-g".into(),
                "-n".into(),
                "1".into(),
                "-c".into(),
                file,
            ],
        }
    }
}

impl Peer {
    /// Starts a server in a directory of its own and waits until it answers from the zone.
    ///
    /// # Errors
    /// When it does not start; its log is in the message.
    pub(super) fn start(brand: Brand, scratch: &Path, zone_file: &Path) -> anyhow::Result<Self> {
        let directory = scratch.join(brand.program());
        std::fs::create_dir(&directory)?;
        for _ in 0..START_ATTEMPTS {
            let address = free_port()?;
            let configuration = directory.join("server.conf");
            let text = brand.configuration(&directory, zone_file, address.port());
            std::fs::write(&configuration, text)?;
            let log = File::create(directory.join("log"))?;
            let child = Command::new(brand.program())
                .args(brand.arguments(&configuration))
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log)
                .spawn()
                .with_context(|| format!("{} (./test installs it)", brand.program()))?;
            let directory = directory.clone();
            let mut peer = Self {
                brand,
                address,
                child,
                directory,
            };
            if peer.is_ready()? {
                return Ok(peer);
            }
        }
        let log = std::fs::read_to_string(directory.join("log"))?;
        bail!("{} does not start: {log}", brand.program())
    }

    /// True once it answers with authority; false when it ended.
    fn is_ready(&mut self) -> anyhow::Result<bool> {
        let begin = Instant::now();
        while begin.elapsed() < START_PATIENCE {
            if self.child.try_wait()?.is_some() {
                return Ok(false);
            }
            if self.has_authority().unwrap_or(false) && TcpStream::connect(self.address).is_ok() {
                return Ok(true);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!(
            "{} does not answer in {START_PATIENCE:?}: {}",
            self.brand.program(),
            self.log()
        )
    }

    fn has_authority(&self) -> anyhow::Result<bool> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(Duration::from_millis(500)))?;
        let mut query = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in ZONE.split('.') {
            query.push(u8::try_from(label.len())?);
            query.extend_from_slice(label.as_bytes());
        }
        query.extend([0, 0, 6, 0, 1]);
        socket.send_to(&query, self.address)?;
        let mut response = [0; 512];
        let length = socket.recv(&mut response)?;
        ensure!(length >= 12, "no header");
        Ok(response[2] & 0x04 != 0 && response[3] & 0x0f == 0)
    }

    /// Its last lines of log, to show with an error.
    pub(super) fn log_tail(&self) -> String {
        let log = self.log();
        let from = log.lines().count().saturating_sub(5);
        let lines: Vec<&str> = log.lines().skip(from).collect();
        format!("{}: {}", self.brand.program(), lines.join("\n"))
    }

    /// What it logged.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // NSD has children of its own, which end with it when it is asked to.
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(5) {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port of the loopback address that is free for UDP and TCP.
pub(super) fn free_port() -> anyhow::Result<SocketAddr> {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0")?;
        let address = tcp.local_addr()?;
        if UdpSocket::bind(address).is_ok() {
            return Ok(address);
        }
    }
}
