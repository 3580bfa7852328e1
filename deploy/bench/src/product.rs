//! The registry's own program, as operators start it, around a fleet that `zone load` brought in.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use iot_dns_zone::Profile;
use iot_epp_api::secret::Secret;
use iot_epp_api::{AccountName, BearerToken};
use iot_registry::config::{InitialConfig, Listen};
use iot_registry::directory::Directory;
use iot_registry::init::init;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::door_clients::Door;
use crate::peers::Ports;
use crate::population::Population;
use crate::processes::Process;
use crate::zone;

const ACCOUNT: &str = "fleet";
/// Files beside the registry's own.
const TOKEN: &str = "token";
const PASSWORD: &str = "password";
const START_PATIENCE: Duration = Duration::from_secs(600);
/// End of every certificate: the end of 2049.
const NOT_AFTER: u64 = 2_524_607_999;

/// A registry that is not running.
pub(crate) struct Registry {
    directory: tempfile::TempDir,
    /// Where its DNS is once it runs.
    pub(crate) dns: SocketAddr,
    api: SocketAddr,
    epp: SocketAddr,
}

impl Registry {
    /// Makes a registry with an account that may register every EID.
    pub(crate) fn with_account(profile: Profile) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let (ports, doors) = (Ports::free()?, Ports::free()?);
        let initial = InitialConfig {
            zone: zone::apex(),
            profile,
            name_servers: Vec::new(),
            contact: None,
            listen: Listen {
                dns: vec![ports.dns],
                api: doors.dns,
                epp: Some(doors.dot),
                ..Listen::any_port()
            },
        };
        init(&Directory::new(directory.path().join("data")), &initial)?;
        let registry = Self {
            directory,
            dns: ports.dns,
            api: doors.dns,
            epp: doors.dot,
        };
        let (token, password) = (registry.file(TOKEN), registry.file(PASSWORD));
        let (token, password) = (token.to_string_lossy(), password.to_string_lossy());
        registry.run(&[
            "account",
            "add",
            ACCOUNT,
            "--prefix",
            "89",
            "--save-token",
            &token,
        ])?;
        registry.run(&["account", "reset-password", ACCOUNT, "--save", &password])?;
        Ok(registry)
    }

    /// The same with a fleet loaded into it.
    pub(crate) fn with_fleet(population: Population, profile: Profile) -> anyhow::Result<Self> {
        let registry = Self::with_account(profile)?;
        let file = registry.file("fleet");
        write_fleet(population, File::create(&file)?)?;
        let file = file.to_string_lossy();
        registry.run(&["zone", "load", "--account", ACCOUNT, &file])?;
        Ok(registry)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The account that sponsors everything.
    pub(crate) fn account(&self) -> AccountName {
        AccountName::parse(ACCOUNT).expect("it is a name")
    }

    pub(crate) fn token(&self) -> anyhow::Result<BearerToken> {
        Ok(BearerToken::parse(
            fs::read_to_string(self.file(TOKEN))?.trim(),
        )?)
    }

    pub(crate) fn password(&self) -> anyhow::Result<Secret> {
        Ok(Secret::new(fs::read_to_string(self.file(PASSWORD))?.trim()))
    }

    /// The JSON door as the account uses it.
    pub(crate) fn json_door(&self) -> anyhow::Result<Door> {
        let config = self.client_config()?.with_no_client_auth();
        Ok(Door {
            address: self.api,
            tls: Arc::new(config),
        })
    }

    /// The EPP door as the account uses it, with a certificate that is made once.
    pub(crate) fn epp_door(&self) -> anyhow::Result<Door> {
        let (key_file, certificate_file) = (self.file("client.key"), self.file("client.pem"));
        if !key_file.exists() {
            let key = rcgen::KeyPair::generate()?;
            let csr = rcgen::CertificateParams::default().serialize_request(&key)?;
            fs::write(self.file("client.csr"), csr.pem()?)?;
            let (csr, out) = (self.file("client.csr"), certificate_file.to_string_lossy());
            let csr = csr.to_string_lossy();
            self.run(&[
                "account",
                "add-certificate",
                ACCOUNT,
                "--csr",
                &csr,
                "--out",
                &out,
            ])?;
            fs::write(&key_file, key.serialize_pem())?;
        }
        let certificate = CertificateDer::from_pem_file(&certificate_file)?;
        let key = PrivateKeyDer::from_pem_file(&key_file)?;
        let config = self
            .client_config()?
            .with_client_auth_cert(vec![certificate], key)?;
        Ok(Door {
            address: self.epp,
            tls: Arc::new(config),
        })
    }

    fn client_config(
        &self,
    ) -> anyhow::Result<rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>> {
        let data = Directory::new(self.directory.path().join("data"));
        let root = data.trust().join("service").join("root.cert.pem");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(root)?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Ok(ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots))
    }

    /// Until its JSON door takes connections.
    pub(crate) fn wait_until_it_serves(&self, process: &mut Process) -> anyhow::Result<()> {
        let begin = Instant::now();
        while TcpStream::connect(self.api).is_err() {
            process.check_running()?;
            ensure!(
                begin.elapsed() < START_PATIENCE,
                "the registry does not serve"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
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
