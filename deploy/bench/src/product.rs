//! The registry's own program, as operators start it, around a fleet that `zone load` brought in.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use anyhow::ensure;
use iot_dns_zone::Profile;
use iot_registry::config::{InitialConfig, Listen};
use iot_registry::directory::Directory;
use iot_registry::init::init;

use crate::peers::Ports;
use crate::population::Population;
use crate::processes::Process;
use crate::zone;

const ACCOUNT: &str = "fleet";
/// End of every certificate: the end of 2049.
const NOT_AFTER: u64 = 2_524_607_999;

/// A registry that is not running.
pub(crate) struct Registry {
    directory: tempfile::TempDir,
    /// Where its DNS is once it runs.
    pub(crate) dns: SocketAddr,
}

impl Registry {
    /// Makes a registry and loads a fleet into it.
    pub(crate) fn with_fleet(population: Population, profile: Profile) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let ports = Ports::free()?;
        let initial = InitialConfig {
            zone: zone::apex(),
            profile,
            name_servers: Vec::new(),
            contact: None,
            listen: Listen {
                dns: vec![ports.dns],
                ..Listen::any_port()
            },
        };
        let dns = ports.dns;
        init(&Directory::new(directory.path().join("data")), &initial)?;
        let registry = Self { directory, dns };
        let file = registry.directory.path().join("fleet");
        write_fleet(population, File::create(&file)?)?;
        registry.run(&["account", "add", ACCOUNT])?;
        registry.run(&[
            "zone",
            "load",
            "--account",
            ACCOUNT,
            &file.to_string_lossy(),
        ])?;
        Ok(registry)
    }

    /// Starts `serve`.
    pub(crate) fn serve(&self, cores: &str) -> anyhow::Result<Process> {
        let program = std::env::current_exe()?;
        let arguments = self.arguments(&["serve"]);
        Process::start(
            "registry",
            cores,
            program.as_os_str(),
            &arguments,
            |command| {
                command.stdout(Stdio::null()).stderr(Stdio::null());
            },
        )
    }

    fn run(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = Command::new(std::env::current_exe()?);
        let output = command.args(self.arguments(arguments)).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{arguments:?}: {}", said.trim());
        Ok(())
    }

    fn arguments(&self, arguments: &[&str]) -> Vec<OsString> {
        let mut all: Vec<OsString> = vec!["registry".into(), "--dir".into()];
        all.push(self.directory.path().join("data").into());
        all.extend(arguments.iter().map(OsString::from));
        all
    }
}

/// A line of `zone load` for each device.
fn write_fleet(population: Population, file: File) -> anyhow::Result<()> {
    let mut file = BufWriter::new(file);
    for number in 0..population.devices {
        let device = population.device(number);
        let fingerprint = Population::fingerprint(number);
        write!(file, "{device} 1 ")?;
        for octet in fingerprint.as_octets() {
            write!(file, "{octet:02x}")?;
        }
        writeln!(file, " {NOT_AFTER}")?;
    }
    file.flush()?;
    Ok(())
}
