//! Issuing a device certificate: everything in it comes from the registry's record, except the
//! public key, which comes from an [`AcceptedCsr`].

use std::path::Path;

use iot_identity::{Fingerprint, OwnerName, ZoneName};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SignatureAlgorithm,
};
use ring::rand::{SecureRandom, SystemRandom};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use thiserror::Error;
use time::OffsetDateTime;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

use super::trust::{TrustError, certificate_error, load_key, read_text};
use crate::csr::{self, AcceptedCsr, POINT_OCTETS};

/// Octets of a serial number: 128 random bits (the CA/Browser Forum asks for 64).
pub const SERIAL_OCTETS: usize = 16;

/// Life of a device certificate unless the CA ends before: 5 years.
pub const VALIDITY_SECS_DEFAULT: u64 = 5 * 365 * 24 * 3600;

/// A certificate is valid from a little before it is made, for devices whose clock lags.
const BACKDATE_SECS: u64 = 300;

/// A certificate that was signed once and has been read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The certificate in DER.
    pub der: Vec<u8>,
    /// SHA-256 of it.
    pub fingerprint: Fingerprint,
    /// First second of validity.
    pub not_before: u64,
    /// Last second of validity.
    pub not_after: u64,
}

/// Why no certificate was made.
#[derive(Debug, Error)]
pub enum IssueError {
    /// The issuing CA is not valid at this time.
    #[error(
        "the issuing CA is valid from {not_before} to {not_after} (seconds since 1970), not now ({now})"
    )]
    CaNotValid {
        /// First second of the CA.
        not_before: u64,
        /// Last second of the CA.
        not_after: u64,
        /// The time of the attempt.
        now: u64,
    },
    /// The library refused.
    #[error("signing the certificate: {0}")]
    Signing(#[from] rcgen::Error),
    /// What was signed is not what was meant; it is thrown away.
    #[error("the signed certificate was refused on reading it back: {0}")]
    ReadBack(&'static str),
}

/// What is to be certified; consumed by [`IssuingCa::issue`], so that it is signed once.
#[derive(Debug)]
pub struct TbsDevice {
    /// Key whose possession was proven.
    pub csr: AcceptedCsr,
    /// Name of the credential: common name and only dNSName.
    pub owner: OwnerName,
    /// Serial number, reserved durably beforehand.
    pub serial: [u8; SERIAL_OCTETS],
}

/// The CA that signs device certificates.
pub struct IssuingCa {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    certificate_der: CertificateDer<'static>,
    zone: ZoneName,
    not_before: u64,
    not_after: u64,
    point: Vec<u8>,
}

impl IssuingCa {
    /// Loads certificate and key.
    ///
    /// # Errors
    /// The files cannot be read, or the key is not that of the certificate.
    pub(super) fn load(certificate: &Path, key: &Path, zone: ZoneName) -> Result<Self, TrustError> {
        let refuse = |reason: &str| TrustError::File {
            path: certificate.to_owned(),
            reason: reason.to_owned(),
        };
        let certificate_pem = read_text(certificate)?;
        let certificate_der = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|_| refuse("no PEM certificate"))?;
        let key = load_key(key)?;
        let (not_before, not_after, point) = {
            let (_, parsed) = x509_parser::parse_x509_certificate(&certificate_der)
                .map_err(|_| refuse("not a certificate"))?;
            let (not_before, not_after) = validity_of(&parsed);
            (
                not_before,
                not_after,
                parsed.public_key().subject_public_key.data.to_vec(),
            )
        };
        if point != key.public_key_raw() {
            return Err(refuse(
                "the private key beside it belongs to another certificate",
            ));
        }
        let issuer = Issuer::from_ca_cert_der(&certificate_der, key)
            .map_err(certificate_error(certificate))?;
        Ok(Self {
            issuer,
            certificate_pem,
            certificate_der,
            zone,
            not_before,
            not_after,
            point,
        })
    }

    /// The CA's certificate, PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The CA's certificate, DER.
    pub fn certificate_der(&self) -> &CertificateDer<'static> {
        &self.certificate_der
    }

    /// Hash of the CA's own public key: no device may have it.
    pub fn key_hash(&self) -> [u8; 32] {
        csr::key_hash(&self.point)
    }

    /// Signs one certificate and reads it back.
    ///
    /// It is valid from 300 s before `now` for `validity_secs`, but never past the CA.
    ///
    /// # Errors
    /// [`IssueError`]; the serial is then never used.
    pub fn issue(
        &self,
        device: TbsDevice,
        validity_secs: u64,
        now: u64,
    ) -> Result<Issued, IssueError> {
        if !(self.not_before..=self.not_after).contains(&now) || *device.owner.zone() != self.zone {
            let (not_before, not_after) = (self.not_before, self.not_after);
            return Err(IssueError::CaNotValid {
                not_before,
                not_after,
                now,
            });
        }
        let not_before = (now - BACKDATE_SECS.min(now)).max(self.not_before);
        // A certificate is valid through its last second (RFC 5280 §4.1.2.5).
        let not_after = (not_before + validity_secs - 1).min(self.not_after);
        let name = device.owner.to_string();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, name.as_str());
        params.subject_alt_names = vec![SanType::DnsName(name.as_str().try_into()?)];
        params.serial_number = Some(device.serial.to_vec().into());
        params.not_before = time_of(not_before)?;
        params.not_after = time_of(not_after)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let key = RequestedKey {
            point: *device.csr.point(),
        };
        let der = params.signed_by(&key, &self.issuer)?.der().to_vec();
        self.read_back(&der, &device, &name, (not_before, not_after))?;
        Ok(Issued {
            fingerprint: Fingerprint::of_certificate(&der),
            der,
            not_before,
            not_after,
        })
    }

    /// What leaves the registry is what was meant, seen by another parser than the one that wrote it.
    fn read_back(
        &self,
        der: &[u8],
        device: &TbsDevice,
        name: &str,
        validity: (u64, u64),
    ) -> Result<(), IssueError> {
        let refuse = |reason| Err(IssueError::ReadBack(reason));
        let Ok((rest, certificate)) = x509_parser::parse_x509_certificate(der) else {
            return refuse("it does not parse");
        };
        if !rest.is_empty() {
            return refuse("octets behind it");
        }
        if certificate.public_key().subject_public_key.data.as_ref() != device.csr.point() {
            return refuse("another public key");
        }
        if certificate.serial.to_bytes_be() != trim_zeros(&device.serial) {
            return refuse("another serial number");
        }
        if validity_of(&certificate) != validity {
            return refuse("another validity");
        }
        if !is_named(&certificate, name) || certificate.is_ca() {
            return refuse("another name, or a CA");
        }
        let signature = ring::signature::UnparsedPublicKey::new(
            &ring::signature::ECDSA_P256_SHA256_ASN1,
            &self.point,
        );
        match signature.verify(
            certificate.tbs_certificate.as_ref(),
            &certificate.signature_value.data,
        ) {
            Ok(()) => Ok(()),
            Err(_) => refuse("the signature is not the issuing CA's"),
        }
    }
}

/// The name is the common name and the only alternative name.
fn is_named(certificate: &X509Certificate<'_>, name: &str) -> bool {
    let mut common_names = certificate.subject().iter_common_name();
    let common_name = common_names
        .next()
        .and_then(|attribute| attribute.as_str().ok());
    let Ok(Some(alternative)) = certificate.subject_alternative_name() else {
        return false;
    };
    common_name == Some(name)
        && common_names.next().is_none()
        && alternative.value.general_names == [GeneralName::DNSName(name)]
}

fn validity_of(certificate: &X509Certificate<'_>) -> (u64, u64) {
    let validity = certificate.validity();
    let unix = |time: i64| u64::try_from(time).unwrap_or(0);
    (
        unix(validity.not_before.timestamp()),
        unix(validity.not_after.timestamp()),
    )
}

fn trim_zeros(octets: &[u8]) -> &[u8] {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    &octets[zeros..]
}

pub(super) fn time_of(unix: u64) -> Result<OffsetDateTime, IssueError> {
    i64::try_from(unix)
        .ok()
        .and_then(|unix| OffsetDateTime::from_unix_timestamp(unix).ok())
        .ok_or(IssueError::ReadBack("a time outside the calendar"))
}

/// 128 random bits. (Collisions are refused by the database all the same.)
pub(crate) fn random_serial() -> [u8; SERIAL_OCTETS] {
    let mut serial = [0; SERIAL_OCTETS];
    SystemRandom::new()
        .fill(&mut serial)
        .expect("the operating system's random source works");
    serial
}

/// A public key as the certificate library wants it.
pub(super) struct RequestedKey {
    pub(super) point: [u8; POINT_OCTETS],
}

impl PublicKeyData for RequestedKey {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}
