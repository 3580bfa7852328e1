//! The other servers: where they are, how each is configured to be comparable, and how they run.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::certificate::{CERTIFICATE_FILE, KEY_FILE};
use crate::processes::{Process, SERVER_CORE};
use crate::queries::{APEX, probe, push_query};

/// How long a server may take to load its zone.
const LOAD_PATIENCE: Duration = Duration::from_secs(300);
const TYPE_SOA: u16 = 6;

/// A server that is measured beside ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    Knot,
    Nsd,
    Bind,
}

impl Peer {
    pub(crate) const ALL: [Self; 3] = [Self::Knot, Self::Nsd, Self::Bind];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Knot => "knot",
            Self::Nsd => "nsd",
            Self::Bind => "bind",
        }
    }
}

/// The programs of the peers: in a root directory of their own, or those of this machine.
#[derive(Debug)]
pub(crate) struct Peers {
    root: Option<PathBuf>,
    versions: BTreeMap<String, String>,
}

impl Peers {
    /// Asks the script beside `goals.toml`, which makes the root directory when there is none.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let script = Path::new("deploy/bench/peers");
        let output = Command::new(script)
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| script.display().to_string())?;
        ensure!(output.status.success(), "{} failed", script.display());
        let text = String::from_utf8(output.stdout)?;
        let mut versions: BTreeMap<String, String> = text
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(name, version)| (name.to_owned(), version.to_owned()))
            .collect();
        let root = versions.remove("root").map(PathBuf::from);
        Ok(Self { root, versions })
    }

    /// Name and version, as figures name them.
    pub(crate) fn named(&self, program: &str) -> String {
        let version = self.versions.get(program).map_or("", String::as_str);
        format!("{program} {version}").trim_end().to_owned()
    }

    pub(crate) fn versions(&self) -> &BTreeMap<String, String> {
        &self.versions
    }

    /// A new directory that peers can reach, removed with the value.
    pub(crate) fn scratch(&self) -> anyhow::Result<Scratch> {
        let directory = match &self.root {
            None => tempfile::tempdir()?,
            Some(root) => {
                let parent = root.join("bench");
                fs::create_dir_all(&parent)?;
                tempfile::tempdir_in(parent)?
            }
        };
        let inside = match &self.root {
            None => directory.path().to_owned(),
            Some(root) => Path::new("/").join(directory.path().strip_prefix(root)?),
        };
        Ok(Scratch { directory, inside })
    }

    /// Program and arguments that run a peer's program where it lives.
    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> (OsString, Vec<OsString>) {
        let own = arguments.iter().map(OsString::from);
        match &self.root {
            None => (program.into(), own.collect()),
            Some(root) => {
                // A mount namespace of its own: /proc goes away with the process.
                let enter = "mount -t proc proc \"$0/proc\"; root=$0; exec chroot \"$root\" \"$@\"";
                let mut all: Vec<OsString> = ["--mount", "sh", "-c", enter]
                    .iter()
                    .map(OsString::from)
                    .collect();
                all.push(root.into());
                all.push(program.into());
                all.extend(own);
                ("unshare".into(), all)
            }
        }
    }

    /// Runs one of the peers' tools to its end; its standard output.
    pub(crate) fn tool(
        &self,
        cores: &str,
        program: &str,
        arguments: &[&str],
    ) -> anyhow::Result<String> {
        let (program, arguments) = self.command(program, arguments);
        let output = Command::new("taskset")
            .args(["-c", cores])
            .arg(&program)
            .args(&arguments)
            .output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{program:?} {arguments:?}: {}", said.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Starts a server with one worker on the server's core and waits until it answers.
    pub(crate) fn serve(
        &self,
        peer: Peer,
        scratch: &Scratch,
        at: Ports,
    ) -> anyhow::Result<Running> {
        let directory = scratch.inside.join(peer.word());
        let outside = scratch.path().join(peer.word());
        fs::create_dir_all(outside.join("run"))?;
        let text = configuration(peer, &directory, &scratch.inside, at);
        fs::write(outside.join("server.conf"), text)?;
        let file = directory.join("server.conf");
        let file = file.to_str().context("a path that is no text")?;
        let command = match peer {
            Peer::Knot => self.command("knotd", &["-c", file]),
            Peer::Nsd => self.command("nsd", &["-d", "-c", file]),
            Peer::Bind => self.command("named", &["-4", "-n", "1", "-g", "-u", "root", "-c", file]),
        };
        Running::start(peer, SERVER_CORE, command, &outside, at, LOAD_PATIENCE)
    }
}

/// A directory as it is called here and where the peers run.
#[derive(Debug)]
pub(crate) struct Scratch {
    directory: tempfile::TempDir,
    inside: PathBuf,
}

impl Scratch {
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A file of the directory as the peers call it.
    pub(crate) fn inside(&self, file: &str) -> String {
        self.inside.join(file).display().to_string()
    }
}

/// Where a server listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) dns: SocketAddr,
    pub(crate) dot: SocketAddr,
}

impl Ports {
    /// Two ports of the loopback address that nobody uses, neither for UDP nor for TCP.
    pub(crate) fn free() -> anyhow::Result<Self> {
        let mut found: Vec<SocketAddr> = Vec::new();
        while found.len() < 2 {
            let udp = std::net::UdpSocket::bind("127.0.0.1:0")?;
            let at = udp.local_addr()?;
            if !found.contains(&at) && std::net::TcpListener::bind(at).is_ok() {
                found.push(at);
            }
        }
        Ok(Self {
            dns: found[0],
            dot: found[1],
        })
    }
}

/// A server that answers.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) process: Process,
    pub(crate) ports: Ports,
}

impl Running {
    /// Starts a configured peer, program and arguments, on some cores, and waits until it answers;
    /// what it says goes to `log` in the directory.
    pub(crate) fn start(
        peer: Peer,
        cores: &str,
        (program, arguments): (OsString, Vec<OsString>),
        directory: &Path,
        ports: Ports,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        let log = fs::File::create(directory.join("log"))?;
        let mut process = Process::start(peer.word(), cores, &program, &arguments, |command| {
            command
                .stdin(Stdio::null())
                .stdout(log.try_clone().map_or_else(|_| Stdio::null(), Stdio::from))
                .stderr(Stdio::from(log));
        })?;
        answers_within(&mut process, ports.dns, patience)
            .with_context(|| fs::read_to_string(directory.join("log")).unwrap_or_default())?;
        Ok(Self { process, ports })
    }
}

/// Asks for the SOA until it comes.
pub(crate) fn wait_until_it_answers(process: &mut Process, at: SocketAddr) -> anyhow::Result<()> {
    answers_within(process, at, LOAD_PATIENCE)
}

/// Asks for the SOA until it comes, so long at most.
fn answers_within(process: &mut Process, at: SocketAddr, patience: Duration) -> anyhow::Result<()> {
    let apex = crate::zone::apex();
    let mut query = Vec::new();
    push_query(&mut query, apex.wire(), TYPE_SOA, false);
    let begin = Instant::now();
    loop {
        process.check_running()?;
        let answer = probe(at, &query, Duration::from_millis(200));
        if answer.is_ok_and(|answer| answer[3] & 0x0f == 0 && answer[7] >= 1) {
            return Ok(());
        }
        ensure!(
            begin.elapsed() < patience,
            "{} does not answer",
            process.name
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// One worker, the zone from `zone.db`, small answers, no rate limit, no logging of queries: what
/// makes the servers comparable.
fn configuration(peer: Peer, directory: &Path, scratch: &Path, at: Ports) -> String {
    let directory = directory.display();
    let zone = scratch.join("zone.db");
    let (zone, apex) = (zone.display(), APEX);
    let certificate = scratch.join(CERTIFICATE_FILE);
    let key = scratch.join(KEY_FILE);
    let (certificate, key) = (certificate.display(), key.display());
    let (ip, port, tls_port) = (at.dns.ip(), at.dns.port(), at.dot.port());
    match peer {
        Peer::Knot => format!(
            "server:
    rundir: {directory}/run
    listen: {ip}@{port}
    listen-tls: {ip}@{tls_port}
    cert-file: {certificate}
    key-file: {key}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    tcp-max-clients: 20000
    tcp-idle-timeout: 120
database:
    storage: {directory}/run
log:
  - target: stderr
    any: error
template:
  - id: default
    storage: {directory}
    zonefile-sync: -1
    journal-content: none
    semantic-checks: off
zone:
  - domain: {apex}
    file: {zone}
"
        ),
        Peer::Nsd => format!(
            "server:
    server-count: 1
    ip-address: {ip}@{port}
    ip-address: {ip}@{tls_port}
    tls-port: {tls_port}
    tls-service-pem: {certificate}
    tls-service-key: {key}
    port: {port}
    username: \"\"
    chroot: \"\"
    zonesdir: {directory}
    xfrdfile: {directory}/run/xfrd.state
    xfrdir: {directory}/run
    zonelistfile: {directory}/run/zone.list
    pidfile: {directory}/run/nsd.pid
    cookie-secret-file: {directory}/run/cookie
    minimal-responses: yes
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
    tcp-count: 20000
    tcp-timeout: 120
    verbosity: 0
remote-control:
    control-enable: no
zone:
    name: {apex}
    zonefile: {zone}
"
        ),
        Peer::Bind => format!(
            "tls here {{ cert-file \"{certificate}\"; key-file \"{key}\"; }};
options {{
    directory \"{directory}\";
    listen-on port {port} {{ {ip}; }};
    listen-on port {tls_port} tls here {{ {ip}; }};
    listen-on-v6 {{ none; }};
    pid-file none;
    session-keyfile none;
    managed-keys-directory \"{directory}/run\";
    recursion no;
    minimal-responses yes;
    dnssec-validation no;
    querylog no;
    tcp-clients 20000;
    tcp-idle-timeout 1200;
    notify no;
}};
controls {{ }};
zone \"{apex}\" {{ type primary; file \"{zone}\"; check-names ignore; }};
"
        ),
    }
}
