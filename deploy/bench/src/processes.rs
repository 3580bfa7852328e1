//! Processes that are measured: started on a core of their own, ended with the value, and what the
//! kernel says they used.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// The core of whatever is measured.
pub(crate) const SERVER_CORE: &str = "0";
/// The core of whatever asks.
pub(crate) const CLIENT_CORE: &str = "1";
/// How long a process may take to end by itself.
const END_PATIENCE: Duration = Duration::from_secs(20);
/// Length of a clock tick of `/proc/<pid>/stat`: USER_HZ, which is 100 on every architecture.
const TICK_US: f64 = 10_000.0;

/// A process of ours with its children.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pub(crate) name: String,
}

impl Process {
    /// Starts a command on some cores (as `taskset -c` names them).
    pub(crate) fn start<S: AsRef<OsStr>>(
        name: &str,
        cores: &str,
        program: &OsStr,
        arguments: &[S],
        configure: impl FnOnce(&mut Command),
    ) -> anyhow::Result<Self> {
        let mut command = Command::new("taskset");
        command.args(["-c", cores]).arg(program).args(arguments);
        configure(&mut command);
        let child = command
            .spawn()
            .with_context(|| format!("start of {name}"))?;
        Ok(Self {
            child,
            name: name.to_owned(),
        })
    }

    /// Ends the process as a crash would.
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Fails when the process has ended.
    pub(crate) fn check_running(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended: {status}", self.name),
        }
    }

    /// CPU time of all threads of the process and its children, in microseconds.
    pub(crate) fn cpu_us(&self) -> f64 {
        family(self.pid()).into_iter().map(cpu_us).sum()
    }

    /// Octets that the process had read from the disk, by calls and by pages of mapped files.
    pub(crate) fn disk_octets_read(&self) -> u64 {
        field(&format!("/proc/{}/io", self.pid()), "read_bytes:").unwrap_or(0)
    }

    /// Resident memory of the process and its children, pages that several share counted by share:
    /// octets.
    pub(crate) fn proportional_octets(&self) -> u64 {
        let of = |pid| field(&format!("/proc/{pid}/smaps_rollup"), "Pss:").unwrap_or(0) * 1024;
        family(self.pid()).into_iter().map(of).sum()
    }

    /// Resident memory of the process, octets: its own and pages of files that it has mapped.
    pub(crate) fn resident_octets(&self) -> u64 {
        field(&format!("/proc/{}/status", self.pid()), "VmRSS:").unwrap_or(0) * 1024
    }

    /// The part of it that is no file's.
    pub(crate) fn anonymous_octets(&self) -> u64 {
        field(&format!("/proc/{}/status", self.pid()), "RssAnon:").unwrap_or(0) * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        let family = family(self.pid());
        signal("-TERM", &[self.pid()]);
        let begin = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if begin.elapsed() > END_PATIENCE {
                signal("-KILL", &family);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let left: Vec<u32> = family[1..]
            .iter()
            .copied()
            .filter(|pid| runs(*pid))
            .collect();
        signal("-KILL", &left);
    }
}

fn signal(signal: &str, pids: &[u32]) {
    if !pids.is_empty() {
        let pids = pids.iter().map(ToString::to_string);
        // A process that has ended meanwhile needs no signal.
        let _ = Command::new("kill")
            .arg(signal)
            .args(pids)
            .stderr(Stdio::null())
            .status();
    }
}

fn runs(pid: u32) -> bool {
    fs::exists(format!("/proc/{pid}/stat")).unwrap_or(false)
}

/// A process of our own program that takes commands on its standard input, one a line, and answers
/// each with one line.
pub(crate) struct Conversation {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    // Dropped last: the end of its input ends the process.
    pub(crate) process: Process,
}

impl Conversation {
    /// Starts a subcommand of this program and waits for its first line.
    pub(crate) fn start(
        name: &str,
        cores: &str,
        arguments: &[String],
    ) -> anyhow::Result<(Self, String)> {
        let program = std::env::current_exe()?;
        let mut process = Process::start(name, cores, program.as_os_str(), arguments, |command| {
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
        })?;
        let input = process.child.stdin.take().context("no standard input")?;
        let output = process.child.stdout.take().context("no standard output")?;
        let mut conversation = Self {
            input,
            output: BufReader::new(output),
            process,
        };
        let first = conversation.line()?;
        Ok((conversation, first))
    }

    /// Sends a line and returns the answer to it.
    pub(crate) fn ask(&mut self, line: &str) -> anyhow::Result<String> {
        self.say(line)?;
        self.line()
    }

    pub(crate) fn say(&mut self, line: &str) -> anyhow::Result<()> {
        writeln!(self.input, "{line}").with_context(|| self.process.name.clone())
    }

    pub(crate) fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("{} ended without an answer", self.process.name);
        }
        Ok(line.trim_end().to_owned())
    }
}

/// The process and its descendants.
fn family(pid: u32) -> Vec<u32> {
    let mut family = vec![pid];
    let mut at = 0;
    while at < family.len() {
        let pid = family[at];
        let children = threads(pid)
            .filter_map(|thread| {
                fs::read_to_string(format!("/proc/{pid}/task/{thread}/children")).ok()
            })
            .flat_map(|text| {
                text.split_whitespace()
                    .filter_map(|child| child.parse().ok())
                    .collect::<Vec<u32>>()
            });
        let children: Vec<u32> = children.collect();
        family.extend(children);
        at += 1;
    }
    family
}

fn threads(pid: u32) -> impl Iterator<Item = u32> {
    fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// User and system time of a process. The scheduler's account is exact to the nanosecond but only of
/// threads that still run; where the kernel keeps none, ticks of 10 ms.
fn cpu_us(pid: u32) -> f64 {
    let of_thread = |thread: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/task/{thread}/schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    };
    let exact: Option<f64> = threads(pid).map(of_thread).sum();
    match exact {
        Some(nanoseconds) if nanoseconds > 0.0 => nanoseconds / 1e3,
        _ => ticks(&format!("/proc/{pid}/stat")).unwrap_or(0.0) * TICK_US,
    }
}

/// CPU time of this process, ended threads included.
pub(crate) fn own_cpu_secs() -> f64 {
    ticks("/proc/self/stat").unwrap_or(0.0) * TICK_US / 1e6
}

/// Largest resident memory of this process so far, octets.
pub(crate) fn own_peak_octets() -> u64 {
    field("/proc/self/status", "VmHWM:").unwrap_or(0) * 1024
}

fn ticks(path: &str) -> Option<f64> {
    // utime and stime
    let (user, system) = (stat_field(path, 14)?, stat_field(path, 15)?);
    Some((user + system) as f64)
}

/// A field of `/proc/<pid>/stat` behind the program's name, which may hold spaces; the state is 3.
fn stat_field(path: &str, number: usize) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let behind = text.rsplit_once(')')?.1;
    behind.split_whitespace().nth(number - 3)?.parse().ok()
}

/// The number behind a name in a file of `name number` lines.
fn field(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_and_memory_of_this_process_are_found() {
        let pid = std::process::id();
        let begin = cpu_us(pid);
        let mut sum = 0u64;
        while cpu_us(pid) < begin + 20_000.0 {
            sum = (0..10_000).fold(sum, |sum, n| sum.wrapping_mul(31).wrapping_add(n));
        }
        assert!(ticks("/proc/self/stat").is_some(), "{sum}");
        assert!(field("/proc/self/status", "VmRSS:").unwrap() > 100);
        assert!(family(pid).contains(&pid));
    }

    #[test]
    fn a_process_ends_with_its_value() {
        let process = Process::start("sleep", "0", "sleep".as_ref(), &["600"], |_| {}).unwrap();
        let pid = process.pid();
        drop(process);
        assert!(!runs(pid));
    }
}
