//! A root and a top-level domain of other people's making, with the registry's zone below: signed by
//! BIND's signer, served by NSD, and a resolver that finds all three.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{ZONE, succeed};

/// The top-level domain.
const TLD: &str = "example";
/// A zone below it without DS record.
pub(crate) const UNSIGNED: &str = "unsigned.example";
/// How long signatures above the registry's zone live: weeks, as they do.
const LIFETIME: &str = "now+1814400";

/// The universe; its processes end when it is dropped.
pub(crate) struct Universe {
    pub(crate) scratch: tempfile::TempDir,
    /// The resolver, plain DNS.
    pub(crate) resolver: SocketAddr,
    processes: [Child; 2],
}

impl Universe {
    /// A universe in which the registry's zone is served at this address, and its parent has this DS
    /// record.
    pub(crate) fn start(registry: SocketAddr, ds: &str) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path();
        let tld_ds = sign_tld(dir, ds);
        sign_root(dir, &tld_ds);
        let unsigned = format!(
            "$ORIGIN {UNSIGNED}.\n$TTL 3600\n@ SOA ns1 host 1 3600 600 86400 900\n@ NS ns1\n\
             ns1 A 127.0.0.1\n"
        );
        fs::write(dir.join(UNSIGNED), unsigned).unwrap();
        let authority = free_port();
        let nsd = start_nsd(dir, authority);
        let resolver = free_port();
        let unbound = start_unbound(dir, resolver, authority, registry);
        Self {
            scratch,
            resolver,
            processes: [nsd, unbound],
        }
    }
}

impl Drop for Universe {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Algorithm 13 with NSEC3 and opt-out, as large domains have it. Returns its DS record.
fn sign_tld(dir: &Path, registry_ds: &str) -> String {
    let record = registry_ds.lines().find(|line| line.contains(" DS "));
    let zone = format!(
        "$ORIGIN {TLD}.\n$TTL 3600\n\
         @ SOA ns host 1 3600 600 86400 900\n@ NS ns\nns A 127.0.0.1\n\
         {ZONE}. NS ns1.{ZONE}.\nns1.{ZONE}. A 127.0.0.1\n{}\n\
         {UNSIGNED}. NS ns1.{UNSIGNED}.\nns1.{UNSIGNED}. A 127.0.0.1\n",
        record.unwrap()
    );
    fs::write(dir.join(TLD), zone).unwrap();
    make_keys(dir, TLD, &["-a", "ECDSAP256SHA256"]);
    sign(dir, TLD, TLD, &["-3", "-", "-A"])
}

/// Algorithm 8 and NSEC, as the root has it.
fn sign_root(dir: &Path, tld_ds: &str) {
    let zone = format!(
        "$ORIGIN .\n$TTL 86400\n\
         . SOA ns.root. host.root. 1 1800 900 604800 86400\n. NS ns.root.\nns.root. A 127.0.0.1\n\
         {TLD}. NS ns.{TLD}.\nns.{TLD}. A 127.0.0.1\n{tld_ds}\n"
    );
    fs::write(dir.join("root"), zone).unwrap();
    make_keys(dir, ".", &["-a", "RSASHA256", "-b", "2048"]);
    let ds = sign(dir, ".", "root", &[]);
    fs::write(dir.join("root.ds"), &ds).unwrap();
    let fields: Vec<&str> = ds.split_whitespace().collect();
    let [.., tag, algorithm, digest_type, digest] = fields[..] else {
        panic!("{ds}");
    };
    let anchor =
        format!("trust-anchors {{ . static-ds {tag} {algorithm} {digest_type} \"{digest}\"; }};\n");
    fs::write(dir.join("root.bind"), anchor).unwrap();
}

fn make_keys(dir: &Path, zone: &str, algorithm: &[&str]) {
    for role in [&["-f", "KSK"][..], &[]] {
        let arguments = [&["-K", "."], algorithm, role, &[zone]].concat();
        run(dir, "dnssec-keygen", &arguments);
    }
}

/// Signs a file into `<file>.signed`; returns the zone's DS record with a SHA-256 digest.
fn sign(dir: &Path, zone: &str, file: &str, more: &[&str]) -> String {
    let fixed = ["-S", "-K", ".", "-d", ".", "-e", LIFETIME, "-o", zone];
    run(dir, "dnssec-signzone", &[&fixed, more, &[file]].concat());
    // The name of the file for the root differs between versions.
    let is_dsset = |name: &str| name.starts_with("dsset-") && name.trim_end_matches('.').len() < 7;
    let name = match zone {
        "." => fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .find(|name| is_dsset(name))
            .unwrap(),
        zone => format!("dsset-{zone}."),
    };
    let set = fs::read_to_string(dir.join(name)).unwrap();
    let line = set.lines().find(|line| line.contains(" 2 ")).unwrap();
    // The digest is written in two parts.
    let (head, digest) = line.split_once(" 2 ").unwrap();
    format!("{head} 2 {}", digest.split_whitespace().collect::<String>())
}

fn run(dir: &Path, tool: &str, arguments: &[&str]) {
    let mut command = Command::new(tool);
    succeed(&command.args(arguments).current_dir(dir).output().unwrap());
}

fn start_nsd(dir: &Path, address: SocketAddr) -> Child {
    let (place, port) = (dir.display(), address.port());
    let text = format!(
        "server:\n ip-address: 127.0.0.1@{port}\n username: \"\"\n zonesdir: \"{place}\"\n \
         database: \"\"\n pidfile: \"{place}/nsd.pid\"\n xfrdfile: \"{place}/xfrd.state\"\n \
         zonelistfile: \"{place}/zone.list\"\n server-count: 1\n\
         remote-control:\n control-enable: no\n\
         zone:\n name: \".\"\n zonefile: \"root.signed\"\n\
         zone:\n name: \"{TLD}.\"\n zonefile: \"{TLD}.signed\"\n\
         zone:\n name: \"{UNSIGNED}.\"\n zonefile: \"{UNSIGNED}\"\n"
    );
    fs::write(dir.join("nsd.conf"), text).unwrap();
    start(dir, "nsd", &["-d", "-c", "nsd.conf"], address)
}

/// unbound with the root's key as its anchor. Delegations lead to port 53, so that it is told where each
/// zone is.
fn start_unbound(
    dir: &Path,
    address: SocketAddr,
    authority: SocketAddr,
    registry: SocketAddr,
) -> Child {
    let (place, port) = (dir.display(), address.port());
    let stub = |zone: &str, address: SocketAddr| {
        format!(
            "stub-zone:\n name: \"{zone}.\"\n stub-addr: {}@{}\n",
            address.ip(),
            address.port()
        )
    };
    let text = format!(
        "server:\n interface: 127.0.0.1\n port: {port}\n do-daemonize: no\n username: \"\"\n \
         chroot: \"\"\n directory: \"{place}\"\n pidfile: \"\"\n use-syslog: no\n num-threads: 1\n \
         do-not-query-localhost: no\n trust-anchor-file: \"{place}/root.ds\"\n \
         local-zone: \"{TLD}.\" transparent\n\
         remote-control:\n control-enable: no\n{}{}{}{}",
        stub("", authority),
        stub(TLD, authority),
        stub(UNSIGNED, authority),
        stub(ZONE, registry),
    );
    fs::write(dir.join("unbound.conf"), text).unwrap();
    start(dir, "unbound", &["-d", "-c", "unbound.conf"], address)
}

/// Starts a server and waits until it takes connections.
fn start(dir: &Path, tool: &str, arguments: &[&str], address: SocketAddr) -> Child {
    let log = fs::File::create(dir.join(format!("{tool}.log"))).unwrap();
    let mut child = Command::new(tool)
        .args(arguments)
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::from(log))
        .spawn()
        .unwrap();
    let begin = Instant::now();
    while TcpStream::connect(address).is_err() {
        let has_ended = child.try_wait().unwrap().is_some();
        if has_ended || begin.elapsed() > Duration::from_secs(20) {
            let _ = child.kill();
            let _ = child.wait();
            let said = fs::read_to_string(dir.join(format!("{tool}.log")));
            panic!("{tool} does not start: {}", said.unwrap_or_default());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child
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
