//! The account root: it makes the client certificates by which accounts are recognised, and listeners
//! that ask for them trust it alone.

use std::path::Path;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use ring::digest;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use thiserror::Error;

use super::issue::{IssueError, RequestedKey, random_serial, time_of};
use super::trust::{TrustError, certificate_error, load_key, read_text};
use crate::csr::AcceptedCsr;

/// Life of a client certificate: 13 months, as accounts are to be looked at once a year.
const VALIDITY_SECS: u64 = 396 * 24 * 3600;
/// A certificate is valid from a little before it is made, for clocks that lag.
const BACKDATE_SECS: u64 = 300;

/// The account root.
pub struct AccountCa {
    root: CertificateDer<'static>,
    /// SHA-256 of the root's SubjectPublicKeyInfo.
    root_key: [u8; 32],
    /// None while the key is kept elsewhere.
    issuer: Option<Issuer<'static, KeyPair>>,
}

/// A client certificate that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIssued {
    /// The certificate, DER.
    pub der: Vec<u8>,
    /// What it is recognised by.
    pub keys: ClientKeys,
    /// Last second of its validity.
    pub not_after: u64,
}

/// By what a client certificate is recognised: never by names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientKeys {
    /// SHA-256 of the issuer's SubjectPublicKeyInfo.
    pub issuer: [u8; 32],
    /// SHA-256 of its own SubjectPublicKeyInfo.
    pub subject: [u8; 32],
}

/// Why no client certificate was made.
#[derive(Debug, Error)]
pub enum AccountIssueError {
    /// The root's private key is not here.
    #[error(
        "the key of the account root is not here; put account/root.key.pem back, or use 'iot-registry account' where it is"
    )]
    KeyIsElsewhere,
    /// It could not be made.
    #[error(transparent)]
    Issue(#[from] IssueError),
}

impl AccountCa {
    /// Loads the certificate, and the key where it is.
    ///
    /// # Errors
    /// [`TrustError`].
    pub(super) fn load(directory: &Path) -> Result<Self, TrustError> {
        let path = directory.join("root.cert.pem");
        let text = read_text(&path)?;
        let root =
            CertificateDer::from_pem_slice(text.as_bytes()).map_err(|error| TrustError::File {
                path: path.clone(),
                reason: error.to_string(),
            })?;
        let refuse = || TrustError::File {
            path: path.clone(),
            reason: "not a certificate".to_owned(),
        };
        let root_key = subject_key(&root).ok_or_else(refuse)?;
        let key = directory.join("root.key.pem");
        let issuer = match key.exists() {
            false => None,
            true => {
                let key = load_key(&key)?;
                Some(Issuer::from_ca_cert_der(&root, key).map_err(certificate_error(&path))?)
            }
        };
        Ok(Self {
            root,
            root_key,
            issuer,
        })
    }

    /// The root's certificate, DER.
    pub fn root(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// Makes a client certificate for an account.
    ///
    /// # Errors
    /// [`AccountIssueError`].
    pub fn issue(
        &self,
        csr: &AcceptedCsr,
        account: &str,
        now: u64,
    ) -> Result<ClientIssued, AccountIssueError> {
        let issuer = self.issuer.as_ref();
        let issuer = issuer.ok_or(AccountIssueError::KeyIsElsewhere)?;
        let not_before = now - BACKDATE_SECS.min(now);
        let not_after = not_before + VALIDITY_SECS - 1;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, account);
        params.serial_number = Some(random_serial().to_vec().into());
        params.not_before = time_of(not_before)?;
        params.not_after = time_of(not_after)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let key = RequestedKey {
            point: *csr.point(),
        };
        let certificate = params.signed_by(&key, issuer).map_err(IssueError::from)?;
        let der = certificate.der().to_vec();
        let keys = self.keys_of(&der);
        let keys = keys.ok_or(IssueError::ReadBack("it does not parse"))?;
        Ok(ClientIssued {
            der,
            keys,
            not_after,
        })
    }

    /// By what a certificate is recognised that a listener has verified against this root.
    pub fn keys_of(&self, certificate: &[u8]) -> Option<ClientKeys> {
        Some(ClientKeys {
            issuer: self.root_key,
            subject: subject_key(certificate)?,
        })
    }
}

/// SHA-256 of a certificate's SubjectPublicKeyInfo.
fn subject_key(certificate: &[u8]) -> Option<[u8; 32]> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let hash = digest::digest(&digest::SHA256, certificate.public_key().raw);
    hash.as_ref().try_into().ok()
}
