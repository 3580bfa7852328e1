//! Configuration: the file as written, and the values after checking.
//!
//! `init` writes `registry.toml` with every field explained; a field that is unknown or wrong stops
//! the start with a sentence that names it.

mod initial;

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use iot_dns_zone::{Profile, StaticRecords, ZoneConfig};
use iot_identity::ZoneName;
use serde::Deserialize;
use thiserror::Error;

pub use self::initial::InitialConfig;
use crate::ca::VALIDITY_SECS_DEFAULT;
use crate::directory::{self, Directory, DirectoryError};
use crate::lifecycle::EXPIRY_YEARS_MAX;
use crate::service::random_octets;

/// Longest life of a device certificate that may be configured, in days.
const VALIDITY_DAYS_MAX: u32 = 20 * 365;
/// Length of a registration unless something else is configured, and the longest: months.
const REGISTRATION_MONTHS_DEFAULT: u32 = 120;
const REGISTRATION_MONTHS_MAX: u32 = EXPIRY_YEARS_MAX * 12;
/// Longest identifier of a server, in characters.
const NSID_CHARACTERS_MAX: usize = 64;

/// Why the configuration is refused.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The file is not what it should be.
    #[error("registry.toml: {0}")]
    File(String),
    /// The static records file.
    #[error("static.zone: {0}")]
    StaticRecords(String),
}

/// `registry.toml`, version 1, as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    version: u32,
    zone: ZoneName,
    profile: String,
    name_servers: Vec<String>,
    contact: String,
    #[serde(default)]
    environment: Environment,
    nsid: Option<String>,
    listen: ListenFile,
    #[serde(default)]
    certificate: CertificateFile,
    #[serde(default)]
    registration: RegistrationFile,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListenFile {
    dns: Vec<SocketAddr>,
    dot: Vec<SocketAddr>,
    doh: Vec<SocketAddr>,
    api: SocketAddr,
    api_origin: Option<String>,
    api_certificates: Option<SocketAddr>,
    epp: Option<SocketAddr>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CertificateFile {
    validity_days: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RegistrationFile {
    period_months: Option<u32>,
}

/// What this registry is used for; told to clients that ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Real devices.
    Production,
    /// Trials by accounts.
    Test,
    /// Work on the registry itself.
    #[default]
    Development,
}

impl Environment {
    /// The word in configuration and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Test => "test",
            Self::Development => "development",
        }
    }
}

/// Where the registry listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// DNS over UDP and TCP.
    pub dns: Vec<SocketAddr>,
    /// DNS over TLS (RFC 7858).
    pub dot: Vec<SocketAddr>,
    /// DNS over HTTPS (RFC 8484).
    pub doh: Vec<SocketAddr>,
    /// The JSON door.
    pub api: SocketAddr,
    /// The JSON door for clients with a certificate, where it is wanted.
    pub api_certificates: Option<SocketAddr>,
    /// The EPP door (RFC 5734), where it is wanted.
    pub epp: Option<SocketAddr>,
}

impl Listen {
    /// The development ports on an address.
    pub fn development(address: IpAddr) -> Self {
        let local = |port| SocketAddr::new(address, port);
        Self {
            dns: vec![local(5300)],
            dot: vec![local(8853)],
            doh: vec![local(8444)],
            api: local(8443),
            api_certificates: Some(local(8445)),
            epp: Some(local(7000)),
        }
    }

    /// Any free ports on the loopback address; one port for DNS over both UDP and TCP, from below those
    /// that systems give to whoever asks for any: until it is opened, nobody else comes by it.
    pub fn any_port() -> Self {
        let on = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let local = on(0);
        let both = || {
            let address = on(20_000 + u16::from_be_bytes(random_octets()) % 12_000);
            let tcp = TcpListener::bind(address);
            tcp.and_then(|_listening| UdpSocket::bind(address).map(|_| address))
        };
        let dns = (0..100).find_map(|_| both().ok()).unwrap_or(local);
        Self {
            dns: vec![dns],
            dot: vec![local],
            doh: vec![local],
            api: local,
            api_certificates: Some(local),
            epp: Some(local),
        }
    }
}

/// The configuration after checking.
#[derive(Clone, Debug)]
pub struct Config {
    /// The zone and its static records.
    pub zone: ZoneConfig,
    /// Addresses.
    pub listen: Listen,
    /// Scheme and authority under which clients reach the JSON door, when it is not its address.
    pub api_origin: Option<String>,
    /// What this registry is used for.
    pub environment: Environment,
    /// What this server tells those who ask for its identifier (RFC 5001): 1 to 64 printable
    /// characters of ASCII.
    pub nsid: Option<String>,
    /// Life of a device certificate.
    pub certificate_validity_secs: u64,
    /// Length of a registration where the account names none, in calendar months.
    pub registration_months: u32,
}

impl Config {
    /// Reads and checks `registry.toml` and `zone/static.zone`.
    ///
    /// # Errors
    /// [`ConfigError`], naming file and field.
    pub fn load(directory: &Directory) -> Result<Self, ConfigError> {
        let text = read_text(directory::read_public(&directory.config())?)?;
        let statics = read_text(directory::read_public(&directory.static_records())?)?;
        Self::parse(&text, &statics)
    }

    /// Checks the two files' texts.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(text: &str, static_records: &str) -> Result<Self, ConfigError> {
        let file_error = |error: &dyn std::fmt::Display| ConfigError::File(error.to_string());
        let file: ConfigFile = toml::from_str(text).map_err(|error| file_error(&error))?;
        if file.version != 1 {
            return Err(file_error(&format!(
                "version {} is unknown; this is 1",
                file.version
            )));
        }
        let profile: Profile = file.profile.parse().map_err(|error| file_error(&error))?;
        let static_records = StaticRecords::parse(static_records, &file.zone)
            .map_err(|error| ConfigError::StaticRecords(error.to_string()))?;
        let zone = ZoneConfig {
            apex: file.zone,
            profile,
            name_servers: file.name_servers,
            contact: file.contact,
            static_records,
        };
        zone.validate().map_err(|error| file_error(&error))?;
        let is_nsid = |text: &String| {
            (1..=NSID_CHARACTERS_MAX).contains(&text.len())
                && text.bytes().all(|octet| matches!(octet, b' '..=b'~'))
        };
        if file.nsid.as_ref().is_some_and(|text| !is_nsid(text)) {
            return Err(file_error(&format!(
                "nsid has to be 1 to {NSID_CHARACTERS_MAX} printable ASCII characters"
            )));
        }
        let validity_secs = match file.certificate.validity_days {
            None => VALIDITY_SECS_DEFAULT,
            Some(days @ 1..=VALIDITY_DAYS_MAX) => u64::from(days) * 24 * 3600,
            Some(days) => {
                return Err(file_error(&format!(
                    "certificate.validity_days is {days}; 1 to {VALIDITY_DAYS_MAX} are possible"
                )));
            }
        };
        let ListenFile {
            dns,
            dot,
            doh,
            api,
            api_origin,
            api_certificates,
            epp,
        } = file.listen;
        let listen = Listen {
            dns,
            dot,
            doh,
            api,
            api_certificates,
            epp,
        };
        let registration_months = match file.registration.period_months {
            None => REGISTRATION_MONTHS_DEFAULT,
            Some(months @ 1..=REGISTRATION_MONTHS_MAX) => months,
            Some(months) => {
                return Err(file_error(&format!(
                    "registration.period_months is {months}; 1 to {REGISTRATION_MONTHS_MAX} are possible"
                )));
            }
        };
        Ok(Self {
            zone,
            listen,
            api_origin,
            environment: file.environment,
            nsid: file.nsid,
            certificate_validity_secs: validity_secs,
            registration_months,
        })
    }
}

fn read_text(octets: Vec<u8>) -> Result<String, ConfigError> {
    String::from_utf8(octets).map_err(|_| ConfigError::File("it is not UTF-8 text".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn initial() -> InitialConfig {
        InitialConfig {
            zone: ZoneName::parse("iotregistry.example").unwrap(),
            profile: Profile::Standard,
            name_servers: Vec::new(),
            contact: None,
            listen: Listen::development([127, 0, 0, 1].into()),
        }
    }

    #[test]
    fn what_init_writes_reads_back_as_the_defaults() {
        let initial = initial();
        let config = Config::parse(&initial.config_text(), &initial.static_records_text()).unwrap();
        assert_eq!(config.listen, Listen::development([127, 0, 0, 1].into()));
        assert_eq!(config.zone.profile, Profile::Standard);
        assert_eq!(config.zone.name_servers, ["ns1.iotregistry.example"]);
        assert_eq!(config.certificate_validity_secs, VALIDITY_SECS_DEFAULT);
        assert_eq!(config.nsid, None);
    }

    #[test]
    fn unknown_and_wrong_fields_are_named() {
        let initial = initial();
        let statics = initial.static_records_text();
        let refuse = |from: &str, to: &str| {
            let text = initial.config_text();
            assert!(text.contains(from));
            Config::parse(&text.replace(from, to), &statics)
                .unwrap_err()
                .to_string()
        };
        assert!(refuse("contact", "kontact").contains("kontact"));
        assert!(refuse("version = 1", "version = 2").contains("version 2"));
        assert!(refuse("\"standard\"", "\"forever\"").contains("forever"));
        assert!(refuse("validity_days = 1825", "validity_days = 0").contains("validity_days"));
        let long = format!("nsid = \"{}\"", "n".repeat(65));
        for wrong in [
            &long,
            "nsid = \"\"",
            "nsid = \"dns\u{e4}\"",
            "nsid = \"a\\tb\"",
        ] {
            assert!(refuse("# nsid = \"dns1\"", wrong).contains("nsid"));
        }
        assert!(
            refuse(
                "iotregistry.example\"\n",
                "a.name.that.is.much.too.long\"\n"
            )
            .contains("26")
        );
        let missing = Config::parse(&initial.config_text(), "")
            .unwrap_err()
            .to_string();
        assert!(missing.contains("ns1.iotregistry.example"), "{missing}");
    }
}
