//! Whether a payload belongs to this card and comes from the registry.

use iot_identity::OwnerName;
use rustls_pki_types::{CertificateDer, UnixTime};
use thiserror::Error;
use x509_parser::extensions::GeneralName;

use super::{DevicePayload, layout, parse_certificate};
use crate::public_key::PublicKey;

/// Why a payload is not believed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PayloadCheckError {
    /// The payload's root is not the one that the caller knows.
    #[error("the payload's root certificate is not the registry's")]
    OtherRoot,
    /// A certificate cannot be read.
    #[error("the certificate in container {container} cannot be read")]
    Certificate {
        /// Container number.
        container: u8,
    },
    /// The chain from root over issuing authority to the device does not hold.
    #[error("the chain of certificates does not hold: {reason}")]
    Chain {
        /// What is wrong with it.
        reason: webpki::Error,
    },
    /// The certificate is for another key than the one on the card.
    #[error("the device's certificate is for another key than the one on the card")]
    OtherKey,
    /// Common name and the only dNSName are not the same name of a device.
    #[error("the device's certificate does not name one device in both common name and dNSName")]
    Name,
}

impl DevicePayload {
    /// Checks that the root is `trusted_root` (DER, brought from outside the card), that the chain
    /// from it to the device's certificate holds at `now` for authenticating a client, that the
    /// certificate is for `card_key`, and that it names one device. Returns that name.
    ///
    /// The DNS is not asked: whether the credential is active is the verifier's question.
    ///
    /// # Errors
    /// See [`PayloadCheckError`].
    pub fn check(
        &self,
        trusted_root: &[u8],
        card_key: &PublicKey,
        now: UnixTime,
    ) -> Result<OwnerName, PayloadCheckError> {
        if self.registry_root != trusted_root {
            return Err(PayloadCheckError::OtherRoot);
        }
        self.check_chain(now)?;
        let container = layout::CLIENT_CERTIFICATE;
        let certificate = parse_certificate(container, &self.client_certificate)
            .map_err(|_| PayloadCheckError::Certificate { container })?;
        if certificate.public_key().raw != card_key.to_spki_der() {
            return Err(PayloadCheckError::OtherKey);
        }
        owner_name(&certificate).ok_or(PayloadCheckError::Name)
    }

    fn check_chain(&self, now: UnixTime) -> Result<(), PayloadCheckError> {
        let chain_error = |reason| PayloadCheckError::Chain { reason };
        let root = CertificateDer::from(self.registry_root.as_slice());
        let issuing = [CertificateDer::from(self.issuing_certificate.as_slice())];
        let client = CertificateDer::from(self.client_certificate.as_slice());
        let anchor = webpki::anchor_from_trusted_cert(&root).map_err(chain_error)?;
        webpki::EndEntityCert::try_from(&client)
            .map_err(chain_error)?
            .verify_for_usage(
                &[webpki::ring::ECDSA_P256_SHA256],
                &[anchor],
                &issuing,
                now,
                webpki::KeyUsage::client_auth(),
                None, // revocation is asked from the DNS
                None,
            )
            .map(|_| ())
            .map_err(chain_error)
    }
}

/// The one name in common name and dNSName.
fn owner_name(certificate: &x509_parser::certificate::X509Certificate<'_>) -> Option<OwnerName> {
    let mut common_names = certificate.subject().iter_common_name();
    let common_name = match (common_names.next(), common_names.next()) {
        (Some(name), None) => name.as_str().ok()?,
        _ => return None,
    };
    let extension = certificate.subject_alternative_name().ok()??;
    match extension.value.general_names.as_slice() {
        [GeneralName::DNSName(dns_name)] if *dns_name == common_name => {
            OwnerName::parse_in_any_zone(common_name).ok()
        }
        _ => None,
    }
}
