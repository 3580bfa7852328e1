//! A registry of its own for each test: the real program in a temporary directory, on free ports.

#![allow(dead_code, unreachable_pub)] // every test uses its part

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use iot_dns_zone::Profile;
use iot_identity::ZoneName;
use iot_registry::config::{InitialConfig, Listen};
use iot_registry::directory::Directory;

pub const ZONE: &str = "iotregistry.example";
pub const EID: &str = "89049032123451234512345678901235";
pub const ICCID: &str = "8912230200031010008f";

/// A directory with an initialised registry and one operator's account, not running.
pub struct Registry {
    pub scratch: tempfile::TempDir,
    pub dir: PathBuf,
}

/// The same, running.
pub struct Serving {
    pub registry: Registry,
    pub dns: SocketAddr,
    pub dot: SocketAddr,
    pub doh: SocketAddr,
    pub api: SocketAddr,
    pub epp: Option<SocketAddr>,
    child: Child,
}

impl Registry {
    /// Makes a registry with the profile and an account `mno-a`, whose token is `client.token`.
    pub fn init(profile: Profile) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("data");
        let initial = InitialConfig {
            zone: ZoneName::parse(ZONE).unwrap(),
            profile,
            name_servers: Vec::new(),
            contact: None,
            listen: Listen::any_port(),
        };
        iot_registry::init::init(&Directory::new(&dir), &initial).unwrap();
        let registry = Self { scratch, dir };
        registry.add_account("mno-a", &registry.dir.join("client.token"));
        registry
    }

    /// Makes an account of a mobile operator that may register every EID and ICCID.
    pub fn add_account(&self, name: &str, token_file: &Path) {
        let token_file = token_file.to_str().unwrap();
        let add = ["account", "add", name, "--prefix", "89"];
        succeed(&self.run(&[&add[..], &["--save-token", token_file]].concat()));
        succeed(&self.run(&["account", "allow-iccids", name, "true"]));
    }

    /// Runs the program with this directory.
    pub fn run(&self, arguments: &[&str]) -> Output {
        program()
            .arg("--dir")
            .arg(&self.dir)
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Starts the program, which must refuse within 30 s, and returns what it says.
    pub fn refused_start(&self) -> String {
        let mut child = program()
            .arg("--dir")
            .arg(&self.dir)
            .arg("serve")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let begin = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if begin.elapsed() > Duration::from_secs(30) {
                let _ = child.kill();
                let _ = child.wait();
                panic!("it started, and should have refused");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let output = child.wait_with_output().unwrap();
        assert!(
            !output.status.success(),
            "it ended well, and should have refused"
        );
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Starts the program, which must open the DNS doors alone within 30 s; hands `look` the DNS
    /// address, ends the program and returns what it said.
    pub fn answers_only(&self, look: impl FnOnce(SocketAddr)) -> String {
        self.answers_and_refuses(|dns, _| look(dns))
    }

    /// The same; `look` also gets the address of the HTTPS door, which refuses.
    pub fn answers_and_refuses(&self, look: impl FnOnce(SocketAddr, SocketAddr)) -> String {
        let mut child = program()
            .arg("--dir")
            .arg(&self.dir)
            .arg("serve")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (mut dns, mut api) = (None, None);
        let mut opened = false;
        for line in stdout.lines().map(Result::unwrap) {
            if let Some(address) = line.strip_prefix("DNS  ") {
                dns = address.parse().ok();
            }
            if let Some(address) = line.strip_prefix("API  https://") {
                api = address.split(' ').next().unwrap().parse().ok();
            }
            assert!(line != "ready", "it takes commands");
            if line == "answering only" {
                opened = true;
                break;
            }
        }
        if opened {
            look(dns.unwrap(), api.unwrap());
        }
        let _ = child.kill();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(opened, "it does not answer: {said}");
        said
    }

    /// Starts the program and waits until it is ready.
    pub fn serve(self) -> Serving {
        self.serve_in(&[])
    }

    /// The same, with these variables in its environment.
    pub fn serve_in(self, environment: &[(&str, &str)]) -> Serving {
        let mut child = program()
            .envs(environment.iter().copied())
            .arg("--dir")
            .arg(&self.dir)
            .arg("serve")
            .stdout(Stdio::piped())
            .stderr(Stdio::from(
                std::fs::File::options()
                    .create(true)
                    .append(true)
                    .open(self.scratch.path().join("serve.log"))
                    .unwrap(),
            ))
            .spawn()
            .unwrap();
        let mut doors = BTreeMap::new();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        for line in stdout.lines() {
            let line = line.unwrap();
            if line == "ready" || line == "answering only" {
                break;
            }
            if let Some((door, address)) = line.split_once("  ") {
                let address = address.trim_start_matches("https://").split(' ').next();
                doors.extend(
                    address
                        .unwrap()
                        .parse()
                        .map(|found| (door.to_owned(), found)),
                );
            }
        }
        let door = |name: &str| doors.get(name).copied();
        let (Some(dns), Some(dot), Some(doh), Some(api)) =
            (door("DNS"), door("DoT"), door("DoH"), door("API"))
        else {
            let _ = child.kill();
            let log = std::fs::read_to_string(self.scratch.path().join("serve.log"));
            panic!("the registry did not start: {}", log.unwrap_or_default());
        };
        Serving {
            registry: self,
            dns,
            dot,
            doh,
            api,
            epp: door("EPP"),
            child,
        }
    }
}

impl Serving {
    /// Runs the program against this registry's door.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let api = self.api.to_string();
        program()
            .env("IOT_REGISTRY_SERVER", api)
            .arg("--dir")
            .arg(&self.registry.dir)
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Ends it as an operator would and waits.
    pub fn stop(mut self) -> Registry {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        let begin = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(
                begin.elapsed() < Duration::from_secs(20),
                "it does not stop"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        self.into_registry()
    }

    /// Ends it as a power cut of the process would (SIGKILL) and waits.
    pub fn kill(mut self) -> Registry {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.into_registry()
    }

    /// Waits until it has ended by itself.
    pub fn ended(mut self) -> Registry {
        let begin = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(begin.elapsed() < Duration::from_secs(20), "it goes on");
            std::thread::sleep(Duration::from_millis(20));
        }
        self.into_registry()
    }

    /// What it has written to its log, and those before it.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.registry.scratch.path().join("serve.log")).unwrap()
    }

    /// Waits until the log has so many lines with these words.
    pub fn wait_for_log(&self, words: &str, lines: usize) {
        let begin = Instant::now();
        while self
            .log()
            .lines()
            .filter(|line| line.contains(words))
            .count()
            < lines
        {
            assert!(
                begin.elapsed() < Duration::from_secs(30),
                "{words:?} is not said: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn into_registry(mut self) -> Registry {
        let scratch = std::mem::replace(&mut self.registry.scratch, tempfile::tempdir().unwrap());
        let dir = self.registry.dir.clone();
        Registry { scratch, dir }
    }

    /// Root certificate of the listeners, PEM file.
    pub fn service_root(&self) -> PathBuf {
        self.registry.dir.join("trust/service/root.cert.pem")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program under test.
pub fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_iot-registry"))
}

/// Standard output of a command that must have succeeded.
#[track_caller]
pub fn succeed(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Runs an outside judge; `None` when it is missing and may be.
pub fn judge(tool: &str, arguments: &[&str]) -> Option<Output> {
    match Command::new(tool).args(arguments).output() {
        Ok(output) => Some(output),
        Err(error) if std::env::var_os("IOT_SKIP_INTEROP").is_some() => {
            println!("left out: {tool} ({error})");
            None
        }
        Err(error) => panic!(
            "{tool} is needed ({error}); ./test installs it, IOT_SKIP_INTEROP=1 leaves it out"
        ),
    }
}

/// A key and a certificate request made by openssl: real input. Returns the two files.
pub fn openssl_request(directory: &Path, stem: &str) -> (PathBuf, PathBuf) {
    let (key, csr) = (
        directory.join(format!("{stem}.key")),
        directory.join(format!("{stem}.csr")),
    );
    let output = Command::new("openssl")
        .args([
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ])
        .args(["-subj", "/CN=device", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&csr)
        .output()
        .unwrap();
    succeed(&output);
    (key, csr)
}
