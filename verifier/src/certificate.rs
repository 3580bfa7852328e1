//! The certificate that a device shows, and its binding to what the registry publishes.
//!
//! The binding says: this certificate's name is the name that was asked, its fingerprint is the one
//! published there, and it is within its own dates. Two more things must hold before a device is
//! let in, and belong to the TLS handshake: the chain to the registry's issuing certificate, and
//! possession of the private key.

use iot_identity::{Fingerprint, OwnerName, OwnerNameError};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use thiserror::Error;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::policy::CLOCK_SKEW_SECS_MAX;
use crate::validate::ActiveDevice;

/// Octets of the longest certificate, in DER or PEM.
pub const CERTIFICATE_OCTETS_MAX: usize = 16_384;

/// A certificate of the registry's form, parsed. Its signature is not checked here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentedCertificate {
    owner: OwnerName,
    fingerprint: Fingerprint,
    not_before: i64,
    not_after: i64,
}

/// Why octets are not a device's certificate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// More than [`CERTIFICATE_OCTETS_MAX`].
    #[error("a certificate of {octets} octets, more than {CERTIFICATE_OCTETS_MAX}")]
    TooLong {
        /// Octets found.
        octets: usize,
    },
    /// PEM that is not exactly one certificate block.
    #[error("the PEM text is not exactly one CERTIFICATE block")]
    Pem,
    /// Not one X.509 certificate in DER, or octets after it.
    #[error("not an X.509 certificate in DER")]
    Der,
    /// Not exactly one common name.
    #[error("the certificate has {found} common names instead of one")]
    CommonNames {
        /// How many there are.
        found: usize,
    },
    /// Not exactly one subject alternative name, a dNSName.
    #[error("the certificate's only subject alternative name is not one dNSName")]
    SubjectAlternativeName,
    /// CN and dNSName differ.
    #[error("the certificate's common name {common_name:?} is not its dNSName {dns_name:?}")]
    NamesDiffer {
        /// CN.
        common_name: String,
        /// dNSName.
        dns_name: String,
    },
    /// The name is not that of a device's credential.
    #[error("the certificate's name {name:?} is not a device's: {fault}")]
    Name {
        /// CN and dNSName.
        name: String,
        /// What is wrong.
        fault: OwnerNameError,
    },
}

/// Why a certificate is not the one for which the registry vouches.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BindingError {
    /// The verdict is about another name.
    #[error("the certificate is that of {presented}, the verdict is about {asked}")]
    OtherName {
        /// Name in the certificate.
        presented: Box<OwnerName>,
        /// Name of the verdict.
        asked: Box<OwnerName>,
    },
    /// The registry vouches for another certificate at this name.
    #[error("superseded: the registry publishes {published}, the certificate is {presented}")]
    Superseded {
        /// What is published.
        published: Fingerprint,
        /// Fingerprint of the certificate.
        presented: Fingerprint,
    },
    /// The certificate's notBefore lies ahead.
    #[error("the certificate is not valid before {not_before} (Unix seconds)")]
    CertificateNotYetValid {
        /// In Unix seconds.
        not_before: i64,
    },
    /// The certificate's notAfter is past.
    #[error("the certificate expired at {not_after} (Unix seconds)")]
    CertificateExpired {
        /// In Unix seconds.
        not_after: i64,
    },
    /// The verdict is too old: ask again.
    #[error("the verdict was good until {valid_until} (Unix seconds)")]
    VerdictOutdated {
        /// In Unix seconds.
        valid_until: u64,
    },
}

/// A device's certificate and the registry's word for it agree. Only [`bind`] makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    owner: OwnerName,
    fingerprint: Fingerprint,
    recheck_at: u64,
}

impl Admitted {
    /// Who it is.
    pub fn owner(&self) -> &OwnerName {
        &self.owner
    }

    /// SHA-256 of the certificate's DER.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// When a session that is still open must be checked again, in Unix seconds.
    pub fn recheck_at(&self) -> u64 {
        self.recheck_at
    }
}

impl PresentedCertificate {
    /// Reads one certificate in DER.
    ///
    /// # Errors
    /// [`CertificateError`]: too long, not DER, or not of the registry's form (CN = the only
    /// subject alternative name = a device's name).
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        check_length(der)?;
        let (rest, certificate) =
            X509Certificate::from_der(der).map_err(|_| CertificateError::Der)?;
        if !rest.is_empty() {
            return Err(CertificateError::Der);
        }
        let validity = certificate.validity();
        Ok(Self {
            owner: read_name(&certificate)?,
            fingerprint: Fingerprint::of_certificate(der),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
        })
    }

    /// Reads one certificate in PEM; text around the block is allowed, another block is not.
    ///
    /// # Errors
    /// As [`PresentedCertificate::from_der`], and [`CertificateError::Pem`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, CertificateError> {
        check_length(pem)?;
        let blocks = pem.windows(BEGIN.len()).filter(|window| *window == BEGIN);
        if blocks.count() != 1 {
            return Err(CertificateError::Pem);
        }
        let der = CertificateDer::from_pem_slice(pem).map_err(|_| CertificateError::Pem)?;
        Self::from_der(&der)
    }

    /// CN and dNSName.
    pub fn owner(&self) -> &OwnerName {
        &self.owner
    }

    /// SHA-256 of its DER.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// In Unix seconds.
    pub fn not_before(&self) -> i64 {
        self.not_before
    }

    /// In Unix seconds.
    pub fn not_after(&self) -> i64 {
        self.not_after
    }
}

/// Binds a certificate to the registry's word, at the time `now` (Unix seconds). `notBefore` may lie
/// ahead by the clock skew; `notAfter` counts exactly.
///
/// # Errors
/// [`BindingError`] with what does not agree.
pub fn bind(
    active: &ActiveDevice,
    certificate: &PresentedCertificate,
    now: u64,
) -> Result<Admitted, BindingError> {
    if certificate.owner != *active.owner() {
        return Err(BindingError::OtherName {
            presented: Box::new(certificate.owner.clone()),
            asked: Box::new(active.owner().clone()),
        });
    }
    if certificate.fingerprint != active.fingerprint() {
        return Err(BindingError::Superseded {
            published: active.fingerprint(),
            presented: certificate.fingerprint,
        });
    }
    if active.valid_until() < now {
        return Err(BindingError::VerdictOutdated {
            valid_until: active.valid_until(),
        });
    }
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let not_after = certificate.not_after;
    if now > not_after {
        return Err(BindingError::CertificateExpired { not_after });
    }
    let not_before = certificate.not_before;
    // At most 300.
    if now.saturating_add(CLOCK_SKEW_SECS_MAX as i64) < not_before {
        return Err(BindingError::CertificateNotYetValid { not_before });
    }
    Ok(Admitted {
        owner: certificate.owner.clone(),
        fingerprint: certificate.fingerprint,
        // `now` is not after notAfter, so that is not negative unless the clock is.
        recheck_at: active
            .valid_until()
            .min(u64::try_from(not_after).unwrap_or(0)),
    })
}

const BEGIN: &[u8] = b"-----BEGIN ";

fn check_length(octets: &[u8]) -> Result<(), CertificateError> {
    match octets.len() {
        octets if octets > CERTIFICATE_OCTETS_MAX => Err(CertificateError::TooLong { octets }),
        _ => Ok(()),
    }
}

/// CN = the only subject alternative name = a device's name, without final dot, in any case.
fn read_name(certificate: &X509Certificate<'_>) -> Result<OwnerName, CertificateError> {
    let common_names: Vec<_> = certificate.subject().iter_common_name().collect();
    let [common_name] = common_names[..] else {
        return Err(CertificateError::CommonNames {
            found: common_names.len(),
        });
    };
    let common_name = common_name.as_str().map_err(|_| CertificateError::Der)?;
    let dns_name = read_dns_name(certificate)?;
    if !common_name.eq_ignore_ascii_case(dns_name) {
        return Err(CertificateError::NamesDiffer {
            common_name: common_name.to_owned(),
            dns_name: dns_name.to_owned(),
        });
    }
    let name_fault = |fault| CertificateError::Name {
        name: common_name.to_owned(),
        fault,
    };
    // In certificates the final dot is another name (RFC 5280 §4.2.1.6); its empty label is refused
    // where the name is read as one.
    if common_name.ends_with('.') {
        return Err(name_fault(OwnerNameError::Zone(
            iot_identity::ZoneNameError::Label {
                label: String::new(),
            },
        )));
    }
    OwnerName::parse_in_any_zone(common_name).map_err(name_fault)
}

fn read_dns_name<'a>(certificate: &'a X509Certificate<'_>) -> Result<&'a str, CertificateError> {
    let extension = certificate
        .subject_alternative_name()
        .map_err(|_| CertificateError::SubjectAlternativeName)?
        .ok_or(CertificateError::SubjectAlternativeName)?;
    match extension.value.general_names[..] {
        [GeneralName::DNSName(name)] => Ok(name),
        _ => Err(CertificateError::SubjectAlternativeName),
    }
}
