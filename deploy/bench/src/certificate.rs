//! The certificate of every TLS listener that is measured: all of them show the same one.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// The name in the certificate.
pub(crate) const NAME: &str = "localhost";
pub(crate) const CERTIFICATE_FILE: &str = "tls.cert.pem";
pub(crate) const KEY_FILE: &str = "tls.key.pem";

/// Makes certificate and key (ECDSA P-256) in a directory.
pub(crate) fn make(directory: &Path) -> anyhow::Result<()> {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let certificate = rcgen::CertificateParams::new(vec![NAME.to_owned()])?.self_signed(&key)?;
    std::fs::write(directory.join(CERTIFICATE_FILE), certificate.pem())?;
    std::fs::write(directory.join(KEY_FILE), key.serialize_pem())?;
    Ok(())
}

/// A client that trusts the certificate of a directory and nothing else.
pub(crate) fn client(directory: &Path) -> anyhow::Result<rustls::ClientConfig> {
    let certificate = CertificateDer::from_pem_file(directory.join(CERTIFICATE_FILE))?;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"dot".to_vec()];
    Ok(config)
}
