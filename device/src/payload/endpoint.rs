//! The endpoint file: `{"url":"asp.example","port":8883}`, at most 100 octets because CIRA's
//! middleware reads no more.

use rustls_pki_types::DnsName;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest endpoint file that CIRA's middleware reads.
pub const ENDPOINT_OCTETS_MAX: usize = 100;

/// Where a device connects to: a host name and a TCP port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    host: String,
    port: u16,
}

/// The file. `url` is a host name, whatever its name says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndpointFile<'a> {
    url: &'a str,
    port: u16,
}

/// Why an endpoint is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// Too long for the file.
    #[error("an endpoint file has at most 100 octets; this one has {octets}")]
    TooLong {
        /// Octets found.
        octets: usize,
    },
    /// Not the JSON object that it should be.
    #[error("the endpoint file is not {{\"url\":…,\"port\":…}}")]
    Form,
    /// No host name.
    #[error("{host:?} is not a host name")]
    Host {
        /// The text.
        host: String,
    },
    /// Port 0.
    #[error("the endpoint's port is 0")]
    Port,
}

impl Endpoint {
    /// An endpoint whose file is short enough. The host is a DNS name without final dot.
    ///
    /// # Errors
    /// See [`EndpointError`].
    pub fn new(host: &str, port: u16) -> Result<Self, EndpointError> {
        if DnsName::try_from(host).is_err() || host.ends_with('.') {
            return Err(EndpointError::Host {
                host: host.to_owned(),
            });
        }
        if port == 0 {
            return Err(EndpointError::Port);
        }
        let endpoint = Self {
            host: host.to_ascii_lowercase(),
            port,
        };
        let octets = endpoint.to_json().len();
        if octets > ENDPOINT_OCTETS_MAX {
            return Err(EndpointError::TooLong { octets });
        }
        Ok(endpoint)
    }

    /// Parses the file; unknown members are refused.
    ///
    /// # Errors
    /// See [`EndpointError`].
    pub fn from_json(file: &[u8]) -> Result<Self, EndpointError> {
        if file.len() > ENDPOINT_OCTETS_MAX {
            return Err(EndpointError::TooLong { octets: file.len() });
        }
        let file: EndpointFile<'_> =
            serde_json::from_slice(file).map_err(|_| EndpointError::Form)?;
        Self::new(file.url, file.port)
    }

    /// The file.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&EndpointFile {
            url: &self.host,
            port: self.port,
        })
        .expect("a text and a number have a JSON form")
    }

    /// The host name, lower case.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_the_one_cira_reads() {
        let endpoint = Endpoint::new("ASP.example", 8883).unwrap();
        assert_eq!(endpoint.to_json(), br#"{"url":"asp.example","port":8883}"#);
        assert_eq!(Endpoint::from_json(&endpoint.to_json()), Ok(endpoint));
    }

    #[test]
    fn other_files_are_refused() {
        let refused = |file: &[u8]| Endpoint::from_json(file).unwrap_err();
        assert_eq!(refused(b"{}"), EndpointError::Form);
        assert_eq!(
            refused(br#"{"url":"a.example","port":1,"path":"/"}"#),
            EndpointError::Form
        );
        assert_eq!(
            refused(br#"{"url":"a.example","port":65536}"#),
            EndpointError::Form
        );
        assert_eq!(
            refused(br#"{"url":"a.example","port":0}"#),
            EndpointError::Port
        );
        for host in ["", "https://a.example", "a b.example", "a.example.", "a..b"] {
            let file = format!(r#"{{"url":"{host}","port":1}}"#);
            assert!(matches!(
                refused(file.as_bytes()),
                EndpointError::Host { .. }
            ));
        }
        assert!(matches!(
            Endpoint::new(&["a"; 45].join("."), 65535),
            Err(EndpointError::TooLong { .. })
        ));
        assert!(matches!(
            refused(&[b' '; 101]),
            EndpointError::TooLong { octets: 101 }
        ));
    }
}
