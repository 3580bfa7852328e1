//! The real `iot-registry serve` as a child process that can be killed.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use iot_registry::directory::Directory;
use tokio::sync::mpsc::{self, UnboundedReceiver};

/// Longest wait for a start.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks at a process that is to be killed at a point.
const LOOK_PAUSE: Duration = Duration::from_millis(5);
const SIGKILL: i32 = 9;

/// `iot-registry` beside this program.
///
/// # Errors
/// When there is none.
pub fn beside_this_one() -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("iot-registry");
    ensure!(
        path.is_file(),
        "{} is missing; build it with 'cargo build -p iot-registry', or name another in IOT_REGISTRY_BIN",
        path.display()
    );
    Ok(path)
}

/// How a process is started.
#[derive(Clone, Debug)]
pub struct Program {
    /// `iot-registry`.
    pub path: PathBuf,
    /// What it logs is appended here.
    pub log: PathBuf,
}

/// A call of the operating system before which the process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Its name.
    pub call: &'static str,
    /// Which one of the first thread that makes so many, from 1.
    pub number: u16,
}

/// A process that was started and is not yet ready.
pub struct Starting {
    process: Process,
    lines: UnboundedReceiver<String>,
    begin: Instant,
}

/// A process that answers.
pub struct Serving {
    process: Process,
    /// DNS over TLS.
    pub dot: SocketAddr,
    /// HTTPS door.
    pub api: SocketAddr,
    /// EPP door.
    pub epp: SocketAddr,
    /// SOA serial that it started with.
    pub serial: u32,
    /// From the start of the process until it was ready.
    pub took: Duration,
}

/// Killed at the latest when it is dropped.
struct Process {
    child: Child,
    log: PathBuf,
}

impl Starting {
    /// Starts the program on a directory, under `strace` when it shall be killed at a point.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn spawn(
        program: &Program,
        directory: &Directory,
        point: Option<Point>,
    ) -> anyhow::Result<Self> {
        let log = &program.log;
        let log_file = File::options().create(true).append(true).open(log)?;
        let begin = Instant::now();
        let mut command = match point {
            Some(point) => strace(point, &program.path),
            None => Command::new(&program.path),
        };
        let mut child = command
            .arg("--dir")
            .arg(directory.root())
            .arg("serve")
            .arg("--no-init")
            // A level that hides how the zone was opened would hide what is looked for.
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .with_context(|| program.path.display().to_string())?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let (sender, lines) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            let told = BufReader::new(stdout).lines().map_while(Result::ok);
            told.map(|line| sender.send(line)).all(|sent| sent.is_ok())
        });
        let log = log.to_owned();
        let process = Process { child, log };
        Ok(Self {
            process,
            lines,
            begin,
        })
    }

    /// Waits until it says "ready".
    ///
    /// # Errors
    /// When it ends instead, takes too long, or does not say where it listens.
    pub async fn ready(self) -> anyhow::Result<Serving> {
        match self.ready_or_killed().await? {
            Some(serving) => Ok(serving),
            None => bail!("somebody else killed the registry"),
        }
    }

    /// Waits until it says "ready" or is killed at its point.
    ///
    /// # Errors
    /// When it ends otherwise, takes too long, or does not say where it listens.
    pub async fn ready_or_killed(mut self) -> anyhow::Result<Option<Serving>> {
        let mut told = Vec::new();
        let until_ready = async {
            while let Some(line) = self.lines.recv().await {
                if line == "ready" {
                    return true;
                }
                told.push(line);
            }
            false
        };
        match tokio::time::timeout(START_PATIENCE, until_ready).await {
            Ok(true) => {}
            Ok(false) if self.process.was_killed()? => return Ok(None),
            Ok(false) => bail!("the registry does not start: {}", self.process.last_log()),
            Err(_) => bail!(
                "not ready in {START_PATIENCE:?}: {}",
                self.process.last_log()
            ),
        }
        Ok(Some(Serving {
            dot: address(&told, "DoT")?,
            api: address(&told, "API")?,
            epp: address(&told, "EPP")?,
            serial: last_word(&told, "zone")?.parse().context("serial")?,
            took: self.begin.elapsed(),
            process: self.process,
        }))
    }

    /// SIGKILL, ready or not.
    ///
    /// # Errors
    /// When it had ended by itself.
    pub fn kill(self) -> anyhow::Result<()> {
        self.process.kill()
    }
}

impl Serving {
    /// SIGKILL.
    ///
    /// # Errors
    /// When it had ended by itself.
    pub fn kill(self) -> anyhow::Result<()> {
        self.process.kill()
    }
}

impl Serving {
    /// Waits until it is killed at its point; false when it is not in that time.
    ///
    /// # Errors
    /// When it ends otherwise.
    pub async fn is_killed_within(&mut self, patience: Duration) -> anyhow::Result<bool> {
        let begin = Instant::now();
        while begin.elapsed() < patience {
            match self.process.child.try_wait()? {
                Some(status) => {
                    ensure!(
                        status.signal() == Some(SIGKILL),
                        "the registry ended by itself ({status}): {}",
                        self.process.last_log()
                    );
                    return Ok(true);
                }
                None => tokio::time::sleep(LOOK_PAUSE).await,
            }
        }
        Ok(false)
    }
}

impl Process {
    /// Waits for the end; whether it was SIGKILL.
    fn was_killed(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.wait()?.signal() == Some(SIGKILL))
    }

    fn kill(mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!(
                "the registry ended by itself ({status}): {}",
                self.last_log()
            );
        }
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn last_log(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let from = log.lines().count().saturating_sub(10);
        log.lines().skip(from).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `strace` as a grandchild (`-D`): the program stays our child, and its end is seen here. The
/// signal comes on entering the call, which is then not made. Not with `--seccomp-bpf`: with it
/// strace 6.1 does not count the calls of `when`.
fn strace(point: Point, program: &Path) -> Command {
    let Point { call, number } = point;
    let mut command = Command::new("strace");
    command
        .args(["-D", "-f", "-qq", "-o", "/dev/null"])
        .args(["-e", "signal=none", "-e", &format!("trace={call}")])
        .args(["-e", &format!("inject={call}:signal=KILL:when={number}")])
        .arg("--")
        .arg(program);
    command
}

fn last_word<'a>(told: &'a [String], first_word: &str) -> anyhow::Result<&'a str> {
    let line = told.iter().find(|line| line.starts_with(first_word));
    line.and_then(|line| line.split_ascii_whitespace().last())
        .with_context(|| format!("'serve' does not say its {first_word}: {told:?}"))
}

fn address(told: &[String], name: &str) -> anyhow::Result<SocketAddr> {
    let word = last_word(told, name)?;
    let address = word.trim_start_matches("https://").parse();
    address.with_context(|| format!("{name} address {word:?}"))
}
