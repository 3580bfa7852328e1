//! The real `iot-registry serve` as a child process that can be killed.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use iot_registry::directory::Directory;
use tokio::sync::mpsc::{self, UnboundedReceiver};

/// Longest wait for a start.
const START_PATIENCE: Duration = Duration::from_secs(60);

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
    /// Starts the program on a directory; what it logs is appended to a file.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn spawn(program: &Path, directory: &Directory, log: &Path) -> anyhow::Result<Self> {
        let log_file = File::options().create(true).append(true).open(log)?;
        let begin = Instant::now();
        let mut child = Command::new(program)
            .arg("--dir")
            .arg(directory.root())
            .arg("serve")
            .arg("--no-init")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .with_context(|| program.display().to_string())?;
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
    pub async fn ready(mut self) -> anyhow::Result<Serving> {
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
            Ok(false) => bail!("the registry does not start: {}", self.process.last_log()),
            Err(_) => bail!(
                "not ready in {START_PATIENCE:?}: {}",
                self.process.last_log()
            ),
        }
        Ok(Serving {
            dot: address(&told, "DoT")?,
            api: address(&told, "API")?,
            serial: last_word(&told, "zone")?.parse().context("serial")?,
            took: self.begin.elapsed(),
            process: self.process,
        })
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

impl Process {
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
