//! Accepting a certificate signing request (PKCS#10, RFC 2986): the list of refusals.
//!
//! From an accepted request only the public key is ever used. Names, usages and validity of the
//! certificate come from the registry's own record of the device, so a request that asks for
//! something else is refused rather than silently answered differently.

mod wishes;

use iot_identity::{DeviceId, ZoneName};
use ring::{digest, signature};
use thiserror::Error;
use x509_parser::asn1_rs::Tag;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521,
    OID_PKCS1_RSAENCRYPTION, OID_SIG_ECDSA_WITH_SHA256, OID_SIG_ED25519,
};
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use self::wishes::{check_attributes, check_subject};
use crate::der;

/// Largest request, in octets, whether DER or PEM. A P-256 request has about 300.
pub const CSR_OCTETS_MAX: usize = 16 * 1024;

/// Octets of an uncompressed P-256 point (SEC 1 §2.3.3).
pub const POINT_OCTETS: usize = 65;

/// A request whose sender holds the private key, and which asks for nothing we would not give.
///
/// Only this module makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedCsr {
    point: [u8; POINT_OCTETS],
}

impl AcceptedCsr {
    /// The public key: an uncompressed point on P-256.
    pub fn point(&self) -> &[u8; POINT_OCTETS] {
        &self.point
    }

    /// SHA-256 of the point: how the registry recognises a key that it has seen.
    pub fn key_hash(&self) -> [u8; 32] {
        key_hash(&self.point)
    }
}

/// SHA-256 of an uncompressed point.
pub fn key_hash(point: &[u8]) -> [u8; 32] {
    let hash = digest::digest(&digest::SHA256, point);
    hash.as_ref().try_into().expect("SHA-256 has 32 octets")
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CsrError {
    /// Over [`CSR_OCTETS_MAX`].
    #[error("the CSR has {octets} octets; at most {CSR_OCTETS_MAX} are accepted")]
    TooLarge {
        /// Octets sent.
        octets: usize,
    },
    /// Text that is not exactly one PEM block of a CSR.
    #[error(
        "the CSR must be DER, or one PEM block '-----BEGIN CERTIFICATE REQUEST-----' with nothing before or behind it: {reason}"
    )]
    Pem {
        /// What is wrong.
        reason: &'static str,
    },
    /// Not a PKCS#10 request in DER.
    #[error(
        "the CSR is not a PKCS#10 CertificationRequest in DER; make it with 'openssl req -new'"
    )]
    Der,
    /// Another kind of key.
    #[error(
        "the key in the CSR is {found}; devices have P-256 keys: make it with 'openssl ecparam -name prime256v1 -genkey'"
    )]
    Key {
        /// Kind of key found.
        found: &'static str,
    },
    /// The point is compressed or at infinity. (One that is not on the curve cannot have signed:
    /// [`Self::ProofOfPossession`].)
    #[error("the public key in the CSR is not an uncompressed point on P-256")]
    Point,
    /// Another signature algorithm.
    #[error("the CSR must be signed with ECDSA and SHA-256")]
    SignatureAlgorithm,
    /// The signature does not verify: no proof of possession.
    #[error(
        "the CSR's signature does not fit its key, so it proves nothing about who holds the key"
    )]
    ProofOfPossession,
    /// Basic constraints with CA:TRUE, or key usages of an authority.
    #[error("the CSR asks to become a certification authority; devices are none")]
    AsksForAuthority,
    /// A subject alternative name other than a name of this device.
    #[error(
        "the CSR asks for the subject alternative name {name}; leave names out, the registry sets <slot>.{device_id}.{zone}"
    )]
    ForeignName {
        /// The name asked for.
        name: String,
        /// The device that is being registered.
        device_id: DeviceId,
        /// The registry's zone.
        zone: ZoneName,
    },
    /// The common name is another device's.
    #[error("the CSR's common name {common_name:?} is not that of device {device_id}")]
    OtherDevice {
        /// The common name.
        common_name: String,
        /// The device that is being registered.
        device_id: DeviceId,
    },
    /// Control or direction characters in the subject.
    #[error("the CSR's subject contains control or direction characters")]
    Subject,
    /// Any other extension or attribute.
    #[error("the CSR asks for {what}, which the registry does not grant; make it without")]
    NotGranted {
        /// What was asked for.
        what: String,
    },
}

/// Accepts a request for a credential of `device_id`.
///
/// `octets` are DER or one PEM block.
///
/// # Errors
/// The first reason to refuse it; see [`CsrError`].
pub fn accept(
    octets: &[u8],
    device_id: DeviceId,
    zone: &ZoneName,
) -> Result<AcceptedCsr, CsrError> {
    accept_where(octets, |request| {
        check_subject(request, device_id, zone)?;
        check_attributes(request, device_id, zone)
    })
}

/// Accepts a request for a client certificate of an account: its subject is not looked at, because
/// accounts are known by their key.
///
/// `octets` are DER or one PEM block.
///
/// # Errors
/// The first reason to refuse it; see [`CsrError`].
pub fn accept_of_account(octets: &[u8]) -> Result<AcceptedCsr, CsrError> {
    accept_where(octets, |request| {
        let attributes = &request.certification_request_info;
        match attributes.iter_attributes().next() {
            None => Ok(()),
            Some(attribute) => Err(CsrError::NotGranted {
                what: format!("the attribute {}", attribute.oid),
            }),
        }
    })
}

fn accept_where(
    octets: &[u8],
    check: impl FnOnce(&X509CertificationRequest<'_>) -> Result<(), CsrError>,
) -> Result<AcceptedCsr, CsrError> {
    if octets.len() > CSR_OCTETS_MAX {
        return Err(CsrError::TooLarge {
            octets: octets.len(),
        });
    }
    let decoded;
    let der = if octets.first() == Some(&0x30) {
        octets
    } else {
        decoded = decode_pem(octets)?;
        &decoded
    };
    if !der::is_one_strict_value(der) || !has_exactly_the_parts(der) {
        return Err(CsrError::Der);
    }
    let (rest, request) = X509CertificationRequest::from_der(der).map_err(|_| CsrError::Der)?;
    let info = &request.certification_request_info;
    if !rest.is_empty() || info.version.0 != 0 {
        return Err(CsrError::Der);
    }
    let point = p256_point(&info.subject_pki)?;
    check_signature(&request, &point)?;
    check(&request)?;
    Ok(AcceptedCsr { point })
}

/// Whether the parts are those of RFC 2986 §4 and nothing hides behind them, where the parser would
/// not look: each attribute has exactly one value.
fn has_exactly_the_parts(der: &[u8]) -> bool {
    let parts = || {
        let [(0x30, request)] = der::values(der)?[..] else {
            return None;
        };
        let [(0x30, info), (0x30, algorithm), (0x03, [0, ..])] = der::values(request)?[..] else {
            return None;
        };
        let [(0x06, _), ..] = der::values(algorithm)?[..] else {
            return None;
        };
        let [(0x02, _), (0x30, _), (0x30, _), (0xa0, attributes)] = der::values(info)?[..] else {
            return None;
        };
        der::values(attributes)
    };
    let is_type_with_one_value = |&(tag, content): &der::TagAndContent<'_>| {
        let parts = der::values(content).unwrap_or_default();
        matches!(parts[..], [(0x06, _), (0x31, values)]
            if tag == 0x30 && der::values(values).is_some_and(|values| values.len() == 1))
    };
    parts().is_some_and(|attributes| attributes.iter().all(is_type_with_one_value))
}

/// Exactly one block, nothing around it but white space.
fn decode_pem(octets: &[u8]) -> Result<Vec<u8>, CsrError> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    let refuse = |reason| Err(CsrError::Pem { reason });
    let Ok(text) = std::str::from_utf8(octets) else {
        return refuse("it is neither DER nor text");
    };
    if text.matches("-----BEGIN ").count() > 1 {
        return refuse("it has more than one block");
    }
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
    let body = [
        (
            "-----BEGIN CERTIFICATE REQUEST-----",
            "-----END CERTIFICATE REQUEST-----",
        ),
        (
            "-----BEGIN NEW CERTIFICATE REQUEST-----",
            "-----END NEW CERTIFICATE REQUEST-----",
        ),
    ]
    .into_iter()
    .find_map(|(begin, end)| text.strip_prefix(begin)?.strip_suffix(end));
    let Some(body) = body else {
        return refuse("it does not begin and end with those lines");
    };
    let body: String = body.split_ascii_whitespace().collect();
    STANDARD
        .decode(body)
        .or_else(|_| refuse("what is between the lines is not base64"))
}

/// The public key, which must be named-curve P-256 and uncompressed.
fn p256_point(key: &SubjectPublicKeyInfo<'_>) -> Result<[u8; POINT_OCTETS], CsrError> {
    let refuse = |found| Err(CsrError::Key { found });
    let algorithm = &key.algorithm;
    if algorithm.algorithm == OID_PKCS1_RSAENCRYPTION {
        return refuse("RSA");
    }
    if algorithm.algorithm == OID_SIG_ED25519 {
        return refuse("Ed25519");
    }
    if algorithm.algorithm != OID_KEY_TYPE_EC_PUBLIC_KEY {
        return refuse("of an unknown type");
    }
    let curve = algorithm
        .parameters
        .as_ref()
        .filter(|parameters| parameters.tag() == Tag::Oid)
        .and_then(|parameters| parameters.as_oid().ok());
    match curve {
        Some(curve) if curve == OID_EC_P256 => {}
        Some(curve) if curve == OID_NIST_EC_P384 => return refuse("on the curve P-384"),
        Some(curve) if curve == OID_NIST_EC_P521 => return refuse("on the curve P-521"),
        Some(_) => return refuse("on another curve"),
        None => return refuse("on a curve given by explicit parameters"),
    }
    let bits = &key.subject_public_key;
    match <[u8; POINT_OCTETS]>::try_from(bits.data.as_ref()) {
        Ok(point) if bits.unused_bits == 0 && point[0] == 0x04 => Ok(point),
        _ => Err(CsrError::Point),
    }
}

/// Proof of possession: the key signed this very request.
fn check_signature(request: &X509CertificationRequest<'_>, point: &[u8]) -> Result<(), CsrError> {
    let algorithm = &request.signature_algorithm;
    if algorithm.algorithm != OID_SIG_ECDSA_WITH_SHA256 || algorithm.parameters.is_some() {
        return Err(CsrError::SignatureAlgorithm);
    }
    // Verification also refuses points that are not on the curve.
    signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, point)
        .verify(
            request.certification_request_info.raw,
            &request.signature_value.data,
        )
        .map_err(|_| CsrError::ProofOfPossession)
}
