//! What the operator decides about the zone.

use iot_identity::ZoneName;
use thiserror::Error;

use crate::host_name::{self, HostNameError};
use crate::name::NameKey;
use crate::profile::Profile;
use crate::static_records::StaticRecords;

/// More name servers make the NS answer outgrow a datagram and help nobody.
const NAME_SERVERS_MAX: usize = 13;

/// The zone as the operator describes it.
#[derive(Clone, Debug)]
pub struct ZoneConfig {
    /// The zone's name.
    pub apex: ZoneName,
    /// Its times.
    pub profile: Profile,
    /// Host names of the name servers; the first is the SOA's MNAME.
    pub name_servers: Vec<String>,
    /// Mailbox of the people responsible, `hostmaster@example.org`: the SOA's RNAME.
    pub contact: String,
    /// Records beside the devices.
    pub static_records: StaticRecords,
}

/// Why a zone cannot be published as described.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// None or too many.
    #[error("a zone has 1 to {NAME_SERVERS_MAX} name servers; {count} are given")]
    NameServerCount {
        /// Number given.
        count: usize,
    },
    /// Not a host name.
    #[error("name server: {0}")]
    NameServer(#[from] HostNameError),
    /// Given twice.
    #[error("name server {name} is given twice")]
    NameServerTwice {
        /// The name.
        name: String,
    },
    /// A name server in the zone that nobody could find.
    #[error("name server {name} lies in the zone, so the static records need its A or AAAA record")]
    NameServerWithoutAddress {
        /// The name.
        name: String,
    },
    /// Not a mailbox.
    #[error("contact {contact:?} is not a mailbox of the form name@host.example")]
    Contact {
        /// The text as given.
        contact: String,
    },
}

/// A configuration that was checked, in wire form.
pub(crate) struct CheckedConfig {
    pub(crate) apex: ZoneName,
    pub(crate) profile: Profile,
    /// Wire octets of each name server.
    pub(crate) name_servers: Vec<Vec<u8>>,
    /// RNAME as wire octets.
    pub(crate) contact: Vec<u8>,
    pub(crate) static_records: StaticRecords,
}

impl ZoneConfig {
    /// Checks the configuration without publishing anything.
    ///
    /// # Errors
    /// Says what is wrong; see [`ConfigError`].
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.check().map(|_| ())
    }

    pub(crate) fn check(&self) -> Result<CheckedConfig, ConfigError> {
        let count = self.name_servers.len();
        if !(1..=NAME_SERVERS_MAX).contains(&count) {
            return Err(ConfigError::NameServerCount { count });
        }
        let mut name_servers = Vec::with_capacity(count);
        for name in &self.name_servers {
            let wire = self.check_name_server(name)?;
            if name_servers.contains(&wire) {
                return Err(ConfigError::NameServerTwice { name: name.clone() });
            }
            name_servers.push(wire);
        }
        Ok(CheckedConfig {
            apex: self.apex.clone(),
            profile: self.profile,
            name_servers,
            contact: contact_wire(&self.contact).ok_or_else(|| ConfigError::Contact {
                contact: self.contact.clone(),
            })?,
            static_records: self.static_records.clone(),
        })
    }

    fn check_name_server(&self, name: &str) -> Result<Vec<u8>, ConfigError> {
        let labels = host_name::labels(name)?;
        let wire = host_name::wire(&labels);
        let below = labels
            .len()
            .checked_sub(usize::from(self.apex.label_count()))
            .filter(|below| host_name::wire(&labels[*below..]) == self.apex.wire());
        if let Some(below) = below {
            let key = NameKey::from_labels(labels[..below].iter().map(Vec::as_slice));
            if !self.static_records.has_address(&key) {
                return Err(ConfigError::NameServerWithoutAddress {
                    name: name.to_owned(),
                });
            }
        }
        Ok(wire)
    }
}

/// A mailbox as a name: its local part is the first label, dots included (RFC 1035 §8).
fn contact_wire(contact: &str) -> Option<Vec<u8>> {
    let (local, domain) = contact.split_once('@')?;
    let printable = local
        .bytes()
        .all(|octet| octet.is_ascii_graphic() && octet != b'\\' && octet != b'"');
    if !printable || !(1..=63).contains(&local.len()) {
        return None;
    }
    let mut labels = vec![local.to_ascii_lowercase().into_bytes()];
    labels.extend(host_name::labels(domain).ok()?);
    let wire = host_name::wire(&labels);
    (wire.len() <= 255).then_some(wire)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(name_servers: &[&str], contact: &str, records: &str) -> Result<(), ConfigError> {
        let apex = ZoneName::parse("iotregistry.example").unwrap();
        ZoneConfig {
            static_records: StaticRecords::parse(records, &apex).unwrap(),
            apex,
            profile: Profile::Standard,
            name_servers: name_servers.iter().map(|&name| name.to_owned()).collect(),
            contact: contact.to_owned(),
        }
        .validate()
    }

    #[test]
    fn name_servers_in_the_zone_need_an_address() {
        let ns1 = &["ns1.iotregistry.example"];
        let error = config(ns1, "h@example.org", "").unwrap_err();
        assert!(error.to_string().contains("A or AAAA"), "{error}");
        assert_eq!(config(ns1, "h@example.org", "ns1 AAAA 2001:db8::1"), Ok(()));
        assert_eq!(config(&["ns.example.org."], "h@example.org", ""), Ok(()));
    }

    #[test]
    fn name_servers_and_contacts_that_do_not_fit_are_refused() {
        assert!(config(&[], "h@example.org", "").is_err());
        assert!(config(&["a.example"; 2], "h@example.org", "").is_err());
        assert!(config(&["a b"], "h@example.org", "").is_err());
        for contact in [
            "",
            "example.org",
            "@example.org",
            "a b@example.org",
            "a@",
            "a@b@c",
        ] {
            let error = config(&["ns.example.org"], contact, "").unwrap_err();
            assert!(matches!(error, ConfigError::Contact { .. }), "{contact}");
        }
    }

    #[test]
    fn a_dot_in_the_mailbox_stays_inside_its_label() {
        assert_eq!(
            contact_wire("First.Last@Example.org"),
            Some(b"\x0afirst.last\x07example\x03org\0".to_vec())
        );
    }
}
