//! Every certificate that anybody saw in a run, by its serial number: none may have two contents.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, bail, ensure};
use iot_identity::{DeviceId, OwnerName, Slot, ZoneName};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use crate::accounts::ZONE;

/// What was seen.
#[derive(Debug, Default)]
pub struct Serials {
    certificates: HashMap<Vec<u8>, Vec<u8>>,
    voided: HashSet<Vec<u8>>,
}

impl Serials {
    /// Notes a certificate, DER.
    ///
    /// # Errors
    /// When its serial number was seen in another one, or was given up.
    pub fn note(&mut self, certificate: &[u8]) -> anyhow::Result<()> {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate)
            .context("what was issued is no certificate")?;
        let serial = without_zeros(parsed.tbs_certificate.serial.to_bytes_be());
        ensure!(
            !self.voided.contains(&serial),
            "the serial number {serial:02x?} was given up, and a certificate has it"
        );
        match self.certificates.get(&serial) {
            None => {
                self.certificates.insert(serial, certificate.to_vec());
                Ok(())
            }
            Some(seen) if seen == certificate => Ok(()),
            Some(seen) => bail!(
                "the serial number {serial:02x?} has two contents:\n{seen:02x?}\n{certificate:02x?}"
            ),
        }
    }

    /// Notes a serial number that was given up.
    ///
    /// # Errors
    /// When a certificate with it was seen.
    pub fn note_voided(&mut self, serial: &[u8]) -> anyhow::Result<()> {
        let serial = without_zeros(serial.to_vec());
        ensure!(
            !self.certificates.contains_key(&serial),
            "the serial number {serial:02x?} was given up, and somebody has seen its certificate"
        );
        self.voided.insert(serial);
        Ok(())
    }

    /// Different certificates that were seen.
    pub fn len(&self) -> usize {
        self.certificates.len()
    }

    /// Whether none was seen.
    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }
}

/// A serial number is a number: the octets in front that are 0 say nothing.
fn without_zeros(octets: Vec<u8>) -> Vec<u8> {
    octets.into_iter().skip_while(|octet| *octet == 0).collect()
}

/// Holds a certificate to what was asked for: the key of the request, and the name of the slot.
///
/// # Errors
/// When it is for another key or another name.
pub fn require_for(
    certificate: &[u8],
    csr: &[u8],
    device_id: DeviceId,
    slot: Slot,
) -> anyhow::Result<()> {
    let (_, certificate) =
        x509_parser::parse_x509_certificate(certificate).context("not a certificate")?;
    let (_, request) = X509CertificationRequest::from_der(csr).context("not a request")?;
    let asked = request.certification_request_info.subject_pki.raw;
    ensure!(
        certificate.public_key().raw == asked,
        "the certificate of {slot}.{device_id} has another key than was asked for"
    );
    let zone = ZoneName::parse(ZONE)?;
    let owner = OwnerName::new(slot, device_id, &zone).to_string();
    let name = certificate.subject().iter_common_name().next();
    let name = name.and_then(|name| name.as_str().ok());
    ensure!(
        name == Some(owner.trim_end_matches('.')),
        "the certificate of {owner} is for {name:?}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(serial: u64) -> Vec<u8> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::default();
        parameters.serial_number = Some(serial.into());
        parameters.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn a_serial_with_two_contents_and_one_that_was_given_up_are_breaches() {
        let mut serials = Serials::default();
        let (first, other) = (certificate(7), certificate(8));
        serials.note(&first).unwrap();
        serials.note(&first).unwrap();
        serials.note(&other).unwrap();
        assert_eq!(serials.len(), 2);
        let error = serials.note(&certificate(7)).unwrap_err().to_string();
        assert!(error.contains("two contents"), "{error}");
        let error = serials.note_voided(&[0, 8]).unwrap_err().to_string();
        assert!(error.contains("somebody has seen"), "{error}");
        serials.note_voided(&[9]).unwrap();
        let error = serials.note(&certificate(9)).unwrap_err().to_string();
        assert!(error.contains("given up"), "{error}");
    }
}
