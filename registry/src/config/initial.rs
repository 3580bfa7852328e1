//! The configuration that `init` writes: every field with what it means.

use std::net::SocketAddr;

use iot_dns_zone::Profile;
use iot_identity::ZoneName;

use super::{Listen, REGISTRATION_MONTHS_DEFAULT};
use crate::ca::VALIDITY_SECS_DEFAULT;

/// What `init` is told; becomes the text of the two files.
#[derive(Clone, Debug)]
pub struct InitialConfig {
    /// The zone.
    pub zone: ZoneName,
    /// Its profile.
    pub profile: Profile,
    /// Host names of its name servers; `ns1.<zone>` when empty.
    pub name_servers: Vec<String>,
    /// Responsible mailbox; `hostmaster@<zone>` when absent.
    pub contact: Option<String>,
    /// Addresses.
    pub listen: Listen,
}

impl InitialConfig {
    /// Host names of the name servers.
    pub fn name_servers(&self) -> Vec<String> {
        if self.name_servers.is_empty() {
            return vec![format!("ns1.{}", self.zone)];
        }
        self.name_servers.clone()
    }

    /// Text of `registry.toml`.
    pub fn config_text(&self) -> String {
        let zone = &self.zone;
        let contact = self
            .contact
            .clone()
            .unwrap_or_else(|| format!("hostmaster@{zone}"));
        let list = |addresses: &[SocketAddr]| {
            let quoted: Vec<String> = addresses.iter().map(|a| format!("\"{a}\"")).collect();
            quoted.join(", ")
        };
        let optional = |name: &str, address: Option<SocketAddr>| match address {
            Some(address) => format!("{name} = \"{address}\""),
            None => format!("# {name} = \"127.0.0.1:0\""),
        };
        let name_servers: Vec<String> = self
            .name_servers()
            .iter()
            .map(|name| format!("\"{name}\""))
            .collect();
        format!(
            "# Configuration of the device registry. Changes take effect at the next start.\n\
             version = 1\n\
             \n\
             # The zone that is published; it cannot be changed once devices are registered.\n\
             zone = \"{zone}\"\n\
             # How long answers can be believed: strict, standard, fleet or archive.\n\
             profile = \"{profile}\"\n\
             # Host names of the name servers, the primary first. Those inside the zone need their\n\
             # addresses in zone/static.zone.\n\
             name_servers = [{name_servers}]\n\
             # Mailbox of the people responsible (SOA RNAME).\n\
             contact = \"{contact}\"\n\
             # production, test or development; told to clients that ask.\n\
             environment = \"development\"\n\
             # Identifier of this server, told to those who ask for it (NSID, RFC 5001).\n\
             # nsid = \"dns1\"\n\
             \n\
             [listen]\n\
             # DNS over UDP and TCP, over TLS (RFC 7858), over HTTPS (RFC 8484).\n\
             dns = [{dns}]\n\
             dot = [{dot}]\n\
             doh = [{doh}]\n\
             # The JSON door for accounts, and how clients reach it when not by that address.\n\
             api = \"{api}\"\n\
             # api_origin = \"https://registry.example:8443\"\n\
             # The same for clients with a certificate of the account root, and EPP (RFC 5734).\n\
             {api_certificates}\n\
             {epp}\n\
             \n\
             [registration]\n\
             # Months that a registration lasts where the account names no period.\n\
             period_months = {months}\n\
             \n\
             [certificate]\n\
             # Days that a device's certificate is valid; never past the issuing CA.\n\
             validity_days = {days}\n",
            profile = self.profile,
            name_servers = name_servers.join(", "),
            dns = list(&self.listen.dns),
            dot = list(&self.listen.dot),
            doh = list(&self.listen.doh),
            api = self.listen.api,
            api_certificates = optional("api_certificates", self.listen.api_certificates),
            epp = optional("epp", self.listen.epp),
            months = REGISTRATION_MONTHS_DEFAULT,
            days = VALIDITY_SECS_DEFAULT / (24 * 3600),
        )
    }

    /// Text of `zone/static.zone`: the address of each name server inside the zone.
    pub fn static_records_text(&self) -> String {
        let address = self
            .listen
            .dns
            .first()
            .map_or([127, 0, 0, 1].into(), SocketAddr::ip);
        let kind = if address.is_ipv4() { "A" } else { "AAAA" };
        let mut text = String::from(
            "; Records beside the devices: addresses of the name servers, TLSA of the DoT service,\n\
             ; CAA, TXT, HTTPS. No wildcards, aliases or delegations. One record a line.\n",
        );
        for name in self.name_servers() {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            if name.ends_with(&format!(".{}", self.zone)) {
                text.push_str(&format!("{name}. {kind} {address}\n"));
            }
        }
        text
    }
}
