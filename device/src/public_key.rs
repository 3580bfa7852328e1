//! P-256 public keys as the card and X.509 write them.

use std::fmt;

use p256::ecdsa::VerifyingKey;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use thiserror::Error;

use crate::apdu::{Tlv, tag, tlv};
use crate::der;
use crate::signature::EcdsaSignature;

/// Octets of an uncompressed point: 04 ‖ X ‖ Y.
const POINT_OCTETS: usize = 65;
/// id-ecPublicKey, 1.2.840.10045.2.1 (RFC 5480 §2.1.1).
const EC_PUBLIC_KEY: [u8; 7] = [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];
/// secp256r1, 1.2.840.10045.3.1.7 (RFC 5480 §2.1.1.1).
const SECP256R1: [u8; 8] = [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];

/// A point that lies on P-256 and is not the point at infinity.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// The octets are no uncompressed point of P-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not an uncompressed point of the curve P-256")]
pub struct PublicKeyError;

impl PublicKey {
    /// From 04 ‖ X ‖ Y.
    ///
    /// # Errors
    /// When the octets have another form or the point is not on the curve.
    pub fn from_point(octets: &[u8]) -> Result<Self, PublicKeyError> {
        if octets.len() != POINT_OCTETS || octets[0] != 0x04 {
            return Err(PublicKeyError);
        }
        VerifyingKey::from_sec1_bytes(octets)
            .map(Self)
            .map_err(|_| PublicKeyError)
    }

    pub(crate) fn from_verifying_key(key: VerifyingKey) -> Self {
        Self(key)
    }

    /// 04 ‖ X ‖ Y.
    pub fn point(&self) -> [u8; POINT_OCTETS] {
        let point = self.0.to_sec1_point(false);
        point
            .as_bytes()
            .try_into()
            .expect("an uncompressed point of P-256 has 65 octets")
    }

    /// SubjectPublicKeyInfo, DER (RFC 5480 §2).
    pub fn to_spki_der(&self) -> Vec<u8> {
        let algorithm = der::sequence(&[
            &der::object_identifier(&EC_PUBLIC_KEY),
            &der::object_identifier(&SECP256R1),
        ]);
        der::sequence(&[&algorithm, &der::bit_string(&self.point())])
    }

    /// True when `signature` is one of this key over the SHA-256 `digest`.
    pub fn verifies(&self, digest: &[u8; 32], signature: &EcdsaSignature) -> bool {
        p256::ecdsa::Signature::from_slice(signature.as_octets())
            .is_ok_and(|signature| self.0.verify_prehash(digest, &signature).is_ok())
    }

    /// Public key data of IoT.05: `34 45 49 43 86 41 04 ‖ X ‖ Y`.
    pub(crate) fn to_tlv(&self) -> Vec<u8> {
        let mut point = Vec::new();
        tlv::append(&mut point, tag::POINT_OCTETS, &self.point());
        let mut curve_point = Vec::new();
        tlv::append(&mut curve_point, tag::ELLIPTIC_CURVE_POINT, &point);
        let mut data = Vec::new();
        tlv::append(&mut data, tag::PUBLIC_KEY_DATA, &curve_point);
        data
    }

    /// Reads public key data of IoT.05 from the value of tag 34.
    pub(crate) fn from_tlv_value(value: &[u8]) -> Result<Self, PublicKeyError> {
        let inner = |octets, wanted| match Tlv::take(octets) {
            Ok((object, [])) if object.tag == wanted => Ok(object.value),
            _ => Err(PublicKeyError),
        };
        let curve_point = inner(value, tag::ELLIPTIC_CURVE_POINT)?;
        Self::from_point(inner(curve_point, tag::POINT_OCTETS)?)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PublicKey(")?;
        for octet in self.point() {
            write!(formatter, "{octet:02x}")?;
        }
        formatter.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_off_the_curve_are_refused() {
        let mut octets = [1; POINT_OCTETS];
        octets[0] = 4;
        assert!(PublicKey::from_point(&octets).is_err());
        assert!(PublicKey::from_point(&[0]).is_err());
        assert!(PublicKey::from_point(&[2; 33]).is_err());
    }
}
