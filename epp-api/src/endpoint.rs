//! Where the devices of an application service provider connect, and whom they trust there. The
//! registry carries it into the registry payload; it does not connect by itself.

use iot_identity::Fingerprint;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest host name, in characters (RFC 1035 §2.3.4, without the final dot).
const HOST_CHARACTERS_MAX: usize = 253;
/// Longest URL, in characters.
const URL_CHARACTERS_MAX: usize = 1024;
/// Longest certificate, in octets of PEM.
const CERTIFICATE_OCTETS_MAX: usize = 8 * 1024;
/// Longest ciphertext, in characters of base64.
const CIPHERTEXT_CHARACTERS_MAX: usize = 4 * 1024;

/// A provider's profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EndpointProfile {
    /// Host name of the service, lower case, without a final dot.
    pub fqdn: String,
    /// Port of the service.
    pub port: u16,
    /// Where the service is, for protocols that have URLs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The service's certificate, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_pem: Option<String>,
    /// SHA-256 of the service's certificate, as TLSA 3 0 1 has it: instead of the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tlsa_fingerprint: Option<Fingerprint>,
    /// Settings of a wireless network, encrypted for the devices; base64. The registry cannot read
    /// them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wifi_ciphertext: Option<String>,
}

/// What is wrong with a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// The host name.
    #[error(
        "fqdn has to be a host name of at most 253 lower-case letters, digits, hyphens and inner dots"
    )]
    Fqdn,
    /// The port.
    #[error("port has to be 1 to 65535")]
    Port,
    /// The URL.
    #[error(
        "url has to begin with a scheme and ://, have the host of fqdn, and at most 1024 printable ASCII characters"
    )]
    Url,
    /// Certificate and fingerprint.
    #[error("either certificatePem (at most 8 KiB) or tlsaFingerprint is needed, and not both")]
    Certificate,
    /// The ciphertext.
    #[error("wifiCiphertext has to be base64 of at most 4096 characters")]
    Ciphertext,
}

impl EndpointProfile {
    /// Holds the profile against its rules; what is in the certificate is not looked at.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), EndpointError> {
        if !is_host_name(&self.fqdn) {
            return Err(EndpointError::Fqdn);
        }
        if self.port == 0 {
            return Err(EndpointError::Port);
        }
        if self
            .url
            .as_deref()
            .is_some_and(|url| !is_url_at(url, &self.fqdn))
        {
            return Err(EndpointError::Url);
        }
        match (&self.certificate_pem, &self.tlsa_fingerprint) {
            (Some(pem), None) if pem.len() <= CERTIFICATE_OCTETS_MAX => {}
            (None, Some(_)) => {}
            _ => return Err(EndpointError::Certificate),
        }
        let is_base64 = |text: &String| {
            let digit = |octet: u8| octet.is_ascii_alphanumeric() || b"+/=".contains(&octet);
            text.len() <= CIPHERTEXT_CHARACTERS_MAX && text.bytes().all(digit)
        };
        if !self.wifi_ciphertext.as_ref().is_none_or(is_base64) {
            return Err(EndpointError::Ciphertext);
        }
        Ok(())
    }

    /// Gives each member to the digest of a command.
    pub(crate) fn add_to(&self, mut add: impl FnMut(Option<&[u8]>)) {
        add(Some(self.fqdn.as_bytes()));
        add(Some(&self.port.to_be_bytes()));
        add(self.url.as_deref().map(str::as_bytes));
        add(self.certificate_pem.as_deref().map(str::as_bytes));
        add(self
            .tlsa_fingerprint
            .as_ref()
            .map(|one| one.as_octets().as_slice()));
        add(self.wifi_ciphertext.as_deref().map(str::as_bytes));
    }
}

fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        let inner = |octet: u8| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        (1..=63).contains(&label.len())
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= HOST_CHARACTERS_MAX && text.contains('.') && text.split('.').all(label)
}

fn is_url_at(url: &str, fqdn: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    let scheme_octet =
        |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'+';
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    let (host, port) = authority.split_once(':').unwrap_or((authority, "0"));
    // Neither user information, behind which another host would follow, nor what some readers take for a
    // slash: of an authority only host and port (RFC 3986 §3.2).
    let is_plain = !authority.contains('@') && !url.contains('\\');
    is_plain
        && !port.is_empty()
        && port.parse::<u16>().is_ok()
        && url.len() <= URL_CHARACTERS_MAX
        && url.bytes().all(|octet| octet.is_ascii_graphic())
        && !scheme.is_empty()
        && scheme.bytes().all(scheme_octet)
        && host == fqdn
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> EndpointProfile {
        EndpointProfile {
            fqdn: "iot.asp.example".to_owned(),
            port: 8883,
            url: Some("mqtts://iot.asp.example:8883/fleet".to_owned()),
            certificate_pem: None,
            tlsa_fingerprint: Some(Fingerprint::from_octets([7; 32])),
            wifi_ciphertext: Some("AAEC".to_owned()),
        }
    }

    #[test]
    fn each_rule_is_named() {
        assert_eq!(profile().check(), Ok(()));
        for fqdn in [
            "",
            "host",
            "-a.example",
            "A.example",
            "a..example",
            "a.example.",
        ] {
            let fqdn = fqdn.to_owned();
            let broken = EndpointProfile { fqdn, ..profile() };
            assert_eq!(broken.check(), Err(EndpointError::Fqdn));
        }
        let broken = EndpointProfile {
            port: 0,
            ..profile()
        };
        assert_eq!(broken.check(), Err(EndpointError::Port));
        for url in [
            "iot.asp.example",
            "://iot.asp.example",
            "https://other.example/",
            "https://iot.asp.example@evil.example/",
            "https://iot.asp.example:x@evil.example/",
            "https://iot.asp.example:443@evil.example/",
            "https://iot.asp.example:/",
            "https://iot.asp.example:70000/",
            "https://iot.asp.example\\evil/",
        ] {
            let url = Some(url.to_owned());
            let broken = EndpointProfile { url, ..profile() };
            assert_eq!(broken.check(), Err(EndpointError::Url));
        }
        let both = Some("-----BEGIN".to_owned());
        let broken = EndpointProfile {
            certificate_pem: both,
            ..profile()
        };
        assert_eq!(broken.check(), Err(EndpointError::Certificate));
        let wifi_ciphertext = Some("a b".to_owned());
        let broken = EndpointProfile {
            wifi_ciphertext,
            ..profile()
        };
        assert_eq!(broken.check(), Err(EndpointError::Ciphertext));
    }
}
