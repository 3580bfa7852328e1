//! Certificate requests (PKCS #10, RFC 2986) signed on the card.
//!
//! The request carries the subject `CN = <owner name>`, the P-256 key and the proof of possession,
//! and no attributes: a registry takes nothing but the key from it.

use iot_identity::OwnerName;

use crate::card::{CardError, IotSafe, KeyPairReference};
use crate::der;
use crate::pem::pem;

/// ecdsa-with-SHA256, 1.2.840.10045.4.3.2 (RFC 5758 §3.2).
const ECDSA_WITH_SHA256: [u8; 8] = [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02];
/// id-at-commonName, 2.5.4.3 (RFC 5280 appendix A.1).
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
/// `attributes [0]`, constructed.
const ATTRIBUTES: u8 = 0xA0;

/// A CertificationRequest, DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRequest(Vec<u8>);

impl CertificateRequest {
    /// Asks the card for the public key, and has it sign the request.
    ///
    /// # Errors
    /// When the card refuses either; [`CardError::Malformed`] when its signature does not verify
    /// under its public key.
    pub fn sign(
        card: &mut IotSafe,
        key: &KeyPairReference,
        owner_name: &OwnerName,
    ) -> Result<Self, CardError> {
        let public_key = card.public_key(&key.public)?;
        let information = request_information(owner_name, &public_key.to_spki_der());
        let digest = ring::digest::digest(&ring::digest::SHA256, &information);
        let digest = digest.as_ref().try_into().expect("SHA-256 makes 32 octets");
        let signature = card.sign_digest(&key.private, digest)?;
        if !public_key.verifies(digest, &signature) {
            return Err(CardError::Malformed {
                command: "COMPUTE SIGNATURE",
                reason: "the signature is not of the public key that the card gave",
            });
        }
        let algorithm = der::sequence(&[&der::object_identifier(&ECDSA_WITH_SHA256)]);
        Ok(Self(der::sequence(&[
            &information,
            &algorithm,
            &der::bit_string(&signature.to_der()),
        ])))
    }

    /// The request, DER.
    pub fn as_der(&self) -> &[u8] {
        &self.0
    }

    /// The request, PEM (RFC 7468 §7).
    pub fn to_pem(&self) -> String {
        pem("CERTIFICATE REQUEST", &self.0)
    }
}

/// CertificationRequestInfo: version 0, subject, key, no attributes.
fn request_information(owner_name: &OwnerName, spki_der: &[u8]) -> Vec<u8> {
    let common_name = der::sequence(&[
        &der::object_identifier(&COMMON_NAME),
        &der::utf8_string(&owner_name.to_string()),
    ]);
    let subject = der::sequence(&[&der::set_of_one(&common_name)]);
    der::sequence(&[
        &der::unsigned_integer(&[0]),
        &subject,
        spki_der,
        &der::object(ATTRIBUTES, &[]),
    ])
}
