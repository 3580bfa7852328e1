//! TLS client authentication with a key on a card (rustls, TLS 1.2 and 1.3).
//!
//! Signing blocks the calling thread for as long as the card takes: four round trips, well under a
//! millisecond for a virtual card, up to seconds for a card behind a modem. rustls signs in the
//! middle of a handshake, so an asynchronous program does the handshake on a thread where blocking
//! is allowed, or accepts that one of its workers waits.

use std::fmt;
use std::sync::{Arc, Mutex};

use rustls::client::Resumption;
use rustls::crypto::ring::default_provider;
use rustls::sign::{CertifiedKey, Signer, SigningKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, SignatureAlgorithm, SignatureScheme};
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use thiserror::Error;

use crate::card::{CardError, IotSafe, KeyPairReference, ObjectReference};

/// A signing key for rustls whose private half stays on a card. Signs ECDSA_NISTP256_SHA256 only.
#[derive(Clone)]
pub struct AppletSigningKey {
    card: Arc<Mutex<IotSafe>>,
    private_key: ObjectReference,
    spki_der: Vec<u8>,
}

/// Why a TLS configuration cannot be made.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The card does not give its public key.
    #[error(transparent)]
    Card(#[from] CardError),
    /// The certificate is for another key than the one on the card, or cannot be read.
    #[error("the certificate does not fit the key on the card: {0}")]
    Certificate(#[source] rustls::Error),
    /// rustls refuses the configuration.
    #[error("the TLS configuration is refused: {0}")]
    Configuration(#[source] rustls::Error),
}

impl AppletSigningKey {
    /// Takes the public key from the card, once. Other users may keep using `card` between
    /// signatures.
    ///
    /// # Errors
    /// When the card gives no public key.
    pub fn new(card: Arc<Mutex<IotSafe>>, key: &KeyPairReference) -> Result<Self, CardError> {
        let public_key = card
            .lock()
            .map_err(|_| CardError::OutOfOrder)?
            .public_key(&key.public)?;
        Ok(Self {
            card,
            private_key: key.private.clone(),
            spki_der: public_key.to_spki_der(),
        })
    }
}

/// A client configuration that authenticates with the key on `card` and the certificate `chain`
/// (the device's own certificate first), and that trusts servers under `asp_roots` only. TLS 1.2
/// and 1.3; no resumption, so that every connection is authenticated anew and the other side can
/// look the device up each time.
///
/// # Errors
/// See [`TlsError`].
pub fn client_config(
    card: Arc<Mutex<IotSafe>>,
    key: &KeyPairReference,
    chain: Vec<CertificateDer<'static>>,
    asp_roots: RootCertStore,
) -> Result<ClientConfig, TlsError> {
    let signing_key = AppletSigningKey::new(card, key)?;
    let certified_key = CertifiedKey::new(chain, Arc::new(signing_key));
    certified_key.keys_match().map_err(TlsError::Certificate)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Configuration)?
        .with_root_certificates(asp_roots)
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified_key)));
    config.resumption = Resumption::disabled();
    Ok(config)
}

impl SigningKey for AppletSigningKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered
            .contains(&SignatureScheme::ECDSA_NISTP256_SHA256)
            .then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(SubjectPublicKeyInfoDer::from(self.spki_der.as_slice()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for AppletSigningKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        self.card
            .lock()
            .map_err(|_| CardError::OutOfOrder)
            .and_then(|mut card| card.sign(&self.private_key, message))
            .map(|signature| signature.to_der())
            .map_err(|error| rustls::Error::General(error.to_string()))
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP256_SHA256
    }
}

impl fmt::Debug for AppletSigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AppletSigningKey")
            .field("private_key", &self.private_key)
            .finish_non_exhaustive()
    }
}
