//! unbound as a validating resolver that gets this zone from our server.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::peers::free_port;
use super::scene::{Scene, TLS_NAME};
use crate::accounts::ZONE;

/// Longest wait for a start.
const START_PATIENCE: Duration = Duration::from_secs(20);
/// Another process may take a free port before unbound does.
const START_ATTEMPTS: u32 = 5;

/// How it reaches us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Upstream {
    /// It recurses to us over UDP, and TCP after truncation.
    StubUdp,
    /// It recurses to us over TLS.
    StubTls,
    /// It forwards to us over TLS.
    ForwardTls,
}

impl Upstream {
    pub(super) const ALL: [Self; 3] = [Self::StubUdp, Self::StubTls, Self::ForwardTls];

    fn zone(self, scene: &Scene) -> String {
        let (kind, address) = match self {
            Self::StubUdp => ("stub", scene.udp),
            Self::StubTls => ("stub", scene.dot),
            Self::ForwardTls => ("forward", scene.dot),
        };
        let (ip, port) = (address.ip(), address.port());
        let head = format!("{kind}-zone:\n    name: \"{ZONE}.\"\n");
        match self {
            Self::StubUdp => format!("{head}    {kind}-addr: {ip}@{port}\n"),
            _ => format!(
                "{head}    {kind}-tls-upstream: yes\n    {kind}-addr: \"{ip}@{port}#{TLS_NAME}\"\n"
            ),
        }
    }
}

/// A running unbound; ended when dropped.
pub(super) struct Resolver {
    pub(super) upstream: Upstream,
    pub(super) address: SocketAddr,
    child: Child,
    directory: PathBuf,
}

impl Resolver {
    /// Starts it with the zone's key as its only anchor.
    ///
    /// # Errors
    /// When it does not start; its log is in the message.
    pub(super) fn start(upstream: Upstream, scratch: &Path, scene: &Scene) -> anyhow::Result<Self> {
        let directory = scratch.join(format!("unbound-{upstream:?}"));
        std::fs::create_dir_all(&directory)?;
        std::fs::write(directory.join("zone.ds"), &scene.anchor)?;
        for _ in 0..START_ATTEMPTS {
            let address = free_port()?;
            let text = configuration(upstream, &directory, scene, address);
            std::fs::write(directory.join("unbound.conf"), text)?;
            let log = std::fs::File::create(directory.join("log"))?;
            let mut child = Command::new("unbound")
                .args(["-dd", "-c"])
                .arg(directory.join("unbound.conf"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .context("unbound (./test installs it)")?;
            if takes_connections(&mut child, address)? {
                return Ok(Self {
                    upstream,
                    address,
                    child,
                    directory,
                });
            }
        }
        let log = std::fs::read_to_string(directory.join("log"))?;
        bail!("unbound does not start: {log}")
    }

    /// Its last lines of log, to show with an error.
    pub(super) fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        let from = log.lines().count().saturating_sub(8);
        log.lines().skip(from).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything is asked of us anew or validated anew as far as unbound allows; qname minimisation
/// makes it ask for the names above as well.
fn configuration(
    upstream: Upstream,
    directory: &Path,
    scene: &Scene,
    address: SocketAddr,
) -> String {
    let (dir, ip, port) = (directory.display(), address.ip(), address.port());
    // With 0x20 it would take our answer for forged if we changed the case of its question.
    let mixed_case = if upstream == Upstream::StubUdp {
        "yes"
    } else {
        "no"
    };
    format!(
        "server:\n    username: \"\"\n    chroot: \"\"\n    directory: \"{dir}\"\n    \
         pidfile: \"{dir}/unbound.pid\"\n    use-syslog: no\n    num-threads: 1\n    \
         interface: {ip}@{port}\n    access-control: 127.0.0.0/8 allow\n    \
         do-not-query-localhost: no\n    module-config: \"validator iterator\"\n    \
         trust-anchor-file: \"{dir}/zone.ds\"\n    tls-cert-bundle: \"{certificate}\"\n    \
         aggressive-nsec: no\n    harden-below-nxdomain: no\n    qname-minimisation: yes\n    \
         use-caps-for-id: {mixed_case}\n    edns-buffer-size: 1232\n    minimal-responses: no\n    \
         val-clean-additional: yes\n    val-log-level: 2\n    verbosity: 1\n    ede: yes\n    \
         local-zone: \"example.\" nodefault\n    trust-anchor-signaling: no\n    \
         outbound-msg-retry: 32\n    infra-keep-probing: yes\n\
         remote-control:\n    control-enable: no\n{zone}",
        certificate = scene.certificate.display(),
        zone = upstream.zone(scene),
    )
}

/// True once it takes connections; false when it ended.
fn takes_connections(child: &mut Child, address: SocketAddr) -> anyhow::Result<bool> {
    let begin = Instant::now();
    while begin.elapsed() < START_PATIENCE {
        if child.try_wait()?.is_some() {
            return Ok(false);
        }
        if TcpStream::connect(address).is_ok() {
            return Ok(true);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
    Ok(false)
}
