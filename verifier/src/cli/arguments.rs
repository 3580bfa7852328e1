//! Arguments of `iot-verify`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use base64::prelude::*;
use clap::{ArgGroup, Parser, ValueEnum};
use iot_identity::ZoneName;
use iot_verifier::{Policy, RootAnchor, ServerIdentity, TrustAnchor, Wanted, ZoneAnchor};

use super::roots::read_roots;

const EXIT_CODES: &str = "Exit codes:
  0  active (and the certificate, when one was given, is the one published)
  1  inactive: the registry has withdrawn the credential
  2  absent: the registry knows no such credential
  3  bogus: the answer is proven wrong
  4  indeterminate: no answer, an answer that cannot be judged, or a wrong clock
  5  wrong usage or input
  6  active, but not this certificate: superseded, or outside its own dates";

/// Asks the DNS whether a registry vouches for a device's certificate, and validates the answer
/// locally with the zone's trust anchor, or along the chain from the root.
#[derive(Debug, Parser)]
#[command(name = "iot-verify", version, after_help = EXIT_CODES)]
#[command(group = ArgGroup::new("server").required(true).args(["tls_name", "spki_pin", "plain"]))]
#[command(group = ArgGroup::new("trust").required(true).args(["anchor", "zone"]))]
pub(crate) struct Arguments {
    /// The device's certificate (PEM or DER file), or the name of its credential
    /// (SLOT.DEVICE-ID.ZONE).
    #[arg(value_name = "CERTIFICATE|NAME")]
    pub(crate) subject: String,

    /// The resolver, or a server of the registry itself. Given several times, the next one is asked when
    /// one does not answer; all have the same name or pin.
    #[arg(long, value_name = "ADDRESS:PORT", required = true)]
    pub(crate) resolver: Vec<SocketAddr>,

    /// DNS over TLS; the server's certificate must be for this name or IP address.
    #[arg(long, value_name = "NAME")]
    tls_name: Option<String>,

    /// Roots that may vouch for the server's certificate (PEM); the system's without it.
    #[arg(long, value_name = "FILE", requires = "tls_name", conflicts_with_all = ["spki_pin", "plain"])]
    tls_roots: Option<PathBuf>,

    /// DNS over TLS; the server's key must have this pin: base64 of the SHA-256 of its
    /// SubjectPublicKeyInfo.
    #[arg(long, value_name = "BASE64")]
    spki_pin: Option<String>,

    /// Plain DNS (UDP and TCP): for tests and trusted links.
    #[arg(long)]
    plain: bool,

    /// The zone's own trust anchor: a file of DS or DNSKEY records. The resolver may be a server of the
    /// registry itself.
    #[arg(long, value_name = "FILE")]
    anchor: Option<PathBuf>,

    /// The registry's zone, whose keys are found along the chain from the root; this takes a recursive
    /// resolver.
    #[arg(long, value_name = "NAME", value_parser = ZoneName::parse)]
    zone: Option<ZoneName>,

    /// The root's keys, as DS or DNSKEY records; those that IANA publishes without it.
    #[arg(long, value_name = "FILE", requires = "zone")]
    root_anchor: Option<PathBuf>,

    /// Which record to ask for.
    #[arg(long, value_enum, default_value = "cert")]
    pub(crate) record: RecordChoice,

    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,

    /// Seconds for the whole check.
    #[arg(long, value_name = "SECONDS", default_value_t = 5,
          value_parser = clap::value_parser!(u64).range(1..=120))]
    pub(crate) timeout: u64,

    /// Longest lifetime of a signature over the device's records; goes before the anchor file's.
    #[arg(long, value_name = "SECONDS")]
    lifetime_max: Option<u64>,
}

/// Values of `--record`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RecordChoice {
    /// One query.
    Cert,
    /// One query.
    Tlsa,
    /// Two queries, which must agree.
    Both,
}

impl From<RecordChoice> for Wanted {
    fn from(choice: RecordChoice) -> Self {
        match choice {
            RecordChoice::Cert => Self::Cert,
            RecordChoice::Tlsa => Self::Tlsa,
            RecordChoice::Both => Self::Both,
        }
    }
}

/// How the server is reached.
#[derive(Clone)]
pub(crate) enum Server {
    Dot(ServerIdentity),
    Plain,
}

impl Arguments {
    /// Which server, and how it proves that it is the right one.
    pub(crate) fn server(&self) -> anyhow::Result<Server> {
        if let Some(name) = &self.tls_name {
            let roots = Arc::new(read_roots(self.tls_roots.as_deref())?);
            let name = name.clone().try_into();
            let name = name.context("--tls-name is neither a host name nor an IP address")?;
            return Ok(Server::Dot(ServerIdentity::Name { name, roots }));
        }
        if let Some(pin) = &self.spki_pin {
            let octets = BASE64_STANDARD.decode(pin).ok();
            let pin = octets.and_then(|octets| octets.try_into().ok());
            let pin = pin.ok_or_else(|| anyhow!("--spki-pin is not the base64 of 32 octets"))?;
            return Ok(Server::Dot(ServerIdentity::SpkiPin(pin)));
        }
        Ok(Server::Plain)
    }

    /// Where trust in the zone begins.
    pub(crate) fn trust_anchor(&self) -> anyhow::Result<TrustAnchor> {
        if let Some(zone) = &self.zone {
            let root = match &self.root_anchor {
                Some(path) => {
                    let anchor = RootAnchor::parse(&read(path)?);
                    anchor.with_context(|| path.display().to_string())?
                }
                None => RootAnchor::iana(),
            };
            let zone = zone.clone();
            return Ok(TrustAnchor::Root { root, zone });
        }
        let path = self.anchor.as_deref();
        let path = path.ok_or_else(|| anyhow!("neither --anchor nor --zone"))?;
        let anchor = ZoneAnchor::parse(&read(path)?);
        Ok(anchor.with_context(|| path.display().to_string())?.into())
    }

    pub(crate) fn policy(&self) -> Policy {
        match self.lifetime_max {
            Some(secs) => Policy::default().with_lifetime_max_secs(secs),
            None => Policy::default(),
        }
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
