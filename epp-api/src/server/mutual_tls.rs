//! TLS of the listeners that know their clients by certificate: one root of accounts and no other, no
//! resumption, no early data.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::{NoServerSessionStorage, ProducesTickets, VerifierBuilderError};
use rustls::{RootCertStore, ServerConfig};
use thiserror::Error;

/// Why there is no TLS configuration.
#[derive(Debug, Error)]
pub enum MutualTlsError {
    /// A certificate that cannot be a root, or a key that does not belong to the certificate.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// No root to hold clients against.
    #[error("client certificates: {0}")]
    Clients(#[from] VerifierBuilderError),
}

/// TLS that demands a client certificate of this root: a certificate of another root, a device's among
/// them, is refused in the handshake.
///
/// # Errors
/// The chain and the key do not belong together, or the root is none.
pub fn mutual_tls(
    provider: Arc<CryptoProvider>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    account_root: CertificateDer<'static>,
) -> Result<ServerConfig, MutualTlsError> {
    let mut roots = RootCertStore::empty();
    roots.add(account_root)?;
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients.build()?)
        .with_single_cert(chain, key)?;
    Ok(without_resumption(config))
}

/// The same configuration, with every session begun anew: a resumed one would be that of a certificate
/// that nobody looked at since.
pub fn without_resumption(mut config: ServerConfig) -> ServerConfig {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = Arc::new(NoTickets);
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config
}

/// Neither makes tickets nor takes them.
#[derive(Debug)]
struct NoTickets;

impl ProducesTickets for NoTickets {
    fn enabled(&self) -> bool {
        false
    }

    fn lifetime(&self) -> u32 {
        0
    }

    fn encrypt(&self, _plain: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn decrypt(&self, _cipher: &[u8]) -> Option<Vec<u8>> {
        None
    }
}
