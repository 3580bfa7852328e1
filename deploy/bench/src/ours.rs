//! Our zone and our server as topics start them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use iot_dns_zone::Profile;

use crate::fleet::ZoneArguments;
use crate::machine;
use crate::peers::{Ports, Scratch, wait_until_it_answers};
use crate::population::Population;
use crate::processes::{Conversation, SERVER_CORE};
use crate::zone_cache::Signed;
use crate::zone_server::{Order, State};
use crate::zone_signer::Signed as Signing;

/// CPU time of signing a fleet against bare signatures, at most; `sign` measures it.
const SIGNING_VS_BARE: f64 = 1.4;
/// Signatures of a device.
const SIGNATURES: f64 = 3.0;
/// Bare signatures from which the time of signing is estimated.
const BARE: u32 = 2_000;
/// Time for everything else.
const SPARE_SECS: u64 = 20;

/// Our server.
pub(crate) struct Ours {
    pub(crate) conversation: Conversation,
    pub(crate) ports: Ports,
}

impl Ours {
    pub(crate) fn order(&mut self, order: &Order) -> anyhow::Result<State> {
        let line = self.conversation.ask(&serde_json::to_string(order)?)?;
        serde_json::from_str(&line).context(line)
    }
}

/// How our server is started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Service<'a> {
    pub(crate) population: Population,
    pub(crate) profile: Profile,
    /// Directory with the certificate, when TLS is served.
    pub(crate) tls_directory: Option<&'a Path>,
    pub(crate) cores: &'a str,
    pub(crate) resign: bool,
}

/// How long ago a fleet has to be signed so that it is not yet half an interval old when the signing
/// of today is done, and soon afterwards: from then on re-signing is in its stride.
pub(crate) fn secs_before_half_interval(devices: u64, profile: Profile) -> anyhow::Result<u64> {
    let of_device = SIGNATURES * SIGNING_VS_BARE * machine::bare_signature_secs(BARE)?;
    let cores = std::thread::available_parallelism()?.get() as f64;
    let signing_secs = SPARE_SECS + (devices as f64 * of_device / cores) as u64;
    Ok((u64::from(profile.resign_after_secs()) / 2).saturating_sub(signing_secs))
}

/// Signs a fleet on all cores, in a process of its own.
pub(crate) fn sign(
    directory: &Path,
    population: Population,
    profile: Profile,
    secs_ago: u64,
    master: Option<&Path>,
) -> anyhow::Result<Signing> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("sign-zone")
        .args(ZoneArguments::of(directory, population, profile).words())
        .arg(format!("--secs-ago={secs_ago}"));
    if let Some(master) = master {
        command.arg(format!("--master={}", master.display()));
    }
    let output = command.output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "signing: {}", error.trim());
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Starts our server over a signed zone.
pub(crate) fn serve(name: &str, directory: &Path, service: Service<'_>) -> anyhow::Result<Ours> {
    let ports = Ports::free()?;
    let mut arguments = vec!["serve-zone".to_owned(), format!("--dns={}", ports.dns)];
    arguments.extend(ZoneArguments::of(directory, service.population, service.profile).words());
    if let Some(tls) = service.tls_directory {
        arguments.push(format!("--dot={}", ports.dot));
        arguments.push(format!("--tls-directory={}", tls.display()));
    }
    if service.resign {
        arguments.push("--resign".to_owned());
    }
    let (mut conversation, _) = Conversation::start(name, service.cores, &arguments)?;
    wait_until_it_answers(&mut conversation.process, ports.dns)?;
    Ok(Ours {
        conversation,
        ports,
    })
}

/// Profile of fleets that are only answered from.
const ANSWERED: Profile = Profile::Fleet;

/// Serves a signed fleet from the server's core, over every transport.
pub(crate) fn serve_ours(
    name: &str,
    population: Population,
    scratch: &Scratch,
    master: Option<&str>,
) -> anyhow::Result<Ours> {
    copy_ours(name, population, scratch, master)?;
    serve_copy(name, population, scratch)
}

/// Copies a signed fleet, for [`serve_copy`]; returns the directory.
pub(crate) fn copy_ours(
    name: &str,
    population: Population,
    scratch: &Scratch,
    master: Option<&str>,
) -> anyhow::Result<PathBuf> {
    let directory = scratch.path().join(name);
    let master = master.map(|file| scratch.path().join(file));
    let fleet = Signed {
        population,
        profile: ANSWERED,
        expired: false,
    };
    fleet.copy(&directory, master.as_deref())?;
    Ok(directory)
}

/// Serves the copy of this name.
pub(crate) fn serve_copy(
    name: &str,
    population: Population,
    scratch: &Scratch,
) -> anyhow::Result<Ours> {
    let directory = scratch.path().join(name);
    let service = Service {
        population,
        profile: ANSWERED,
        tls_directory: Some(scratch.path()),
        cores: SERVER_CORE,
        resign: false,
    };
    serve(name, &directory, service)
}
