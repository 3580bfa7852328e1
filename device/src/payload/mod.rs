//! The registry payload on the card, in the container layout of CIRA's middleware: the device's
//! certificate, the chain above it, the certificate and the endpoint of its application service
//! provider.
//!
//! In reading order: [`layout`] (container numbers, and a card personalised with them),
//! [`endpoint`] (the JSON file), and here the whole payload, written, read and checked.
//!
//! The layout says nothing about when it was written or for which card; [`DevicePayload::check`]
//! therefore holds the certificate against the key on the card and against an anchor that the
//! caller brings. CIRA's two signature files (containers 9 and 10) are not written yet.

mod check;
pub mod endpoint;
pub mod layout;

use thiserror::Error;

use crate::card::{CardError, IotSafe};
pub use check::PayloadCheckError;
pub use endpoint::{Endpoint, EndpointError};

/// Longest certificate: the capacity of a file on the card.
pub const CERTIFICATE_OCTETS_MAX: usize = crate::applet::file::FILE_CAPACITY_OCTETS;

/// What the registry gives to a device. Certificates are DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicePayload {
    /// The device's own certificate (container 2).
    pub client_certificate: Vec<u8>,
    /// The certificate by which the device knows its application service provider (container 3).
    pub asp_certificate: Vec<u8>,
    /// The registry's root certificate (container 6).
    pub registry_root: Vec<u8>,
    /// The certificate of the registry's issuing authority (container 7).
    pub issuing_certificate: Vec<u8>,
    /// Where to connect (container 8).
    pub endpoint: Endpoint,
}

/// Why a payload cannot be written or read.
#[derive(Debug, Error)]
pub enum PayloadError {
    /// The card does not do it.
    #[error("container {container}: {error}")]
    Card {
        /// Container number.
        container: u8,
        /// What the card says.
        error: CardError,
    },
    /// A certificate that is not one DER object, or is too long.
    #[error("container {container}: not one X.509 certificate of at most 2048 octets")]
    Certificate {
        /// Container number.
        container: u8,
    },
    /// The endpoint.
    #[error("container 8: {0}")]
    Endpoint(#[from] EndpointError),
}

impl DevicePayload {
    /// Writes all files of the payload to the card: the certificates first, the endpoint last, so
    /// that a payload that was cut off does not look new.
    ///
    /// # Errors
    /// See [`PayloadError`]; everything is looked at before anything is written.
    pub fn write(&self, card: &mut IotSafe) -> Result<(), PayloadError> {
        let certificates = self.certificates();
        for (container, certificate) in certificates {
            parse_certificate(container, certificate)?;
        }
        let endpoint = self.endpoint.to_json();
        for (container, content) in certificates
            .into_iter()
            .chain([(layout::ENDPOINT, endpoint.as_slice())])
        {
            card.write_file(&layout::object(container), content)
                .map_err(|error| PayloadError::Card { container, error })?;
        }
        Ok(())
    }

    /// Reads the payload from the card. What it says is not yet to be believed: see
    /// [`DevicePayload::check`].
    ///
    /// # Errors
    /// See [`PayloadError`].
    pub fn read(card: &mut IotSafe) -> Result<Self, PayloadError> {
        Ok(Self {
            client_certificate: read_certificate(card, layout::CLIENT_CERTIFICATE)?,
            asp_certificate: read_certificate(card, layout::ASP_CERTIFICATE)?,
            registry_root: read_certificate(card, layout::REGISTRY_ROOT)?,
            issuing_certificate: read_certificate(card, layout::ISSUING_CERTIFICATE)?,
            endpoint: Endpoint::from_json(&read(card, layout::ENDPOINT)?)?,
        })
    }

    fn certificates(&self) -> [(u8, &[u8]); 4] {
        [
            (layout::REGISTRY_ROOT, self.registry_root.as_slice()),
            (
                layout::ISSUING_CERTIFICATE,
                self.issuing_certificate.as_slice(),
            ),
            (
                layout::CLIENT_CERTIFICATE,
                self.client_certificate.as_slice(),
            ),
            (layout::ASP_CERTIFICATE, self.asp_certificate.as_slice()),
        ]
    }
}

fn read(card: &mut IotSafe, container: u8) -> Result<Vec<u8>, PayloadError> {
    card.read_file(&layout::object(container))
        .map_err(|error| PayloadError::Card { container, error })
}

fn read_certificate(card: &mut IotSafe, container: u8) -> Result<Vec<u8>, PayloadError> {
    let der = read(card, container)?;
    parse_certificate(container, &der)?;
    Ok(der)
}

/// One certificate, whole, with nothing behind it.
fn parse_certificate(
    container: u8,
    der: &[u8],
) -> Result<x509_parser::certificate::X509Certificate<'_>, PayloadError> {
    match x509_parser::parse_x509_certificate(der) {
        Ok(([], certificate)) if der.len() <= CERTIFICATE_OCTETS_MAX => Ok(certificate),
        _ => Err(PayloadError::Certificate { container }),
    }
}
