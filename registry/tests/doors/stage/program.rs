//! The real program on a registry's directory, which can be killed.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use iot_epp_api::BearerToken;
use iot_registry::directory::Directory;

use super::Party;

/// The program, serving.
pub(crate) struct Program {
    scratch: tempfile::TempDir,
    directory: Directory,
    roots_pem: Vec<u8>,
    child: Child,
    api: SocketAddr,
}

impl Program {
    /// Starts it and waits until it is ready.
    pub(super) fn start(
        scratch: tempfile::TempDir,
        directory: Directory,
        roots_pem: Vec<u8>,
    ) -> Self {
        let (child, api) = tokio::task::block_in_place(|| serve(&directory));
        Self {
            scratch,
            directory,
            roots_pem,
            child,
            api,
        }
    }

    /// Kills it (SIGKILL) and starts it again.
    pub(crate) fn kill_and_start(mut self) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Self::start(self.scratch, self.directory, self.roots_pem)
    }

    /// Kills it for good.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// A party that was met before.
    pub(crate) fn again(&self, party: &Party) -> Party {
        let token = BearerToken::parse(party.token.expose()).unwrap();
        let name = party.name.as_str();
        Party::new(name, party.role, token, self.api, &self.roots_pem)
    }

    /// One number from the database.
    pub(crate) async fn count(&self, query: &'static str) -> i64 {
        super::count(&self.directory, query)
    }
}

fn serve(directory: &Directory) -> (Child, SocketAddr) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_iot-registry"))
        .arg("--dir")
        .arg(directory.root())
        .arg("serve")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut api = None;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines.by_ref() {
        let line = line.unwrap();
        if let Some(rest) = line.strip_prefix("API  https://") {
            api = api.or(rest.split(' ').next().unwrap().parse().ok());
        }
        if line == "ready" {
            break;
        }
    }
    (child, api.expect("it says where it is"))
}
