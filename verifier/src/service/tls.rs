//! The TLS side: key possession and chain.

use std::sync::Arc;

use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigurationError {
    /// No device root.
    #[error("the device root: {0}")]
    Roots(#[from] VerifierBuilderError),
    /// The service's own certificate and key do not go together, or are not understood.
    #[error("the service's certificate and key: {0}")]
    Own(#[from] rustls::Error),
}

/// A configuration for TLS 1.2 and 1.3 that takes certificates below `device_roots` alone, and shows the
/// service's own, DER, the leaf first.
///
/// Nothing is resumed: a resumed session would skip the certificate, and with it the question to the DNS.
///
/// # Errors
/// [`ConfigurationError`].
pub fn server_config(
    device_roots: RootCertStore,
    own_chain: Vec<CertificateDer<'static>>,
    own_key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, ConfigurationError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = Arc::new(device_roots);
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider)).build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(own_chain, own_key)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}
