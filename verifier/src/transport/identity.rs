//! Who the server must be (RFC 8310 §8: strict profile, by name or by pinned key).

use std::sync::Arc;

use ring::digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring as ring_provider};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::TransportError;

/// How a server proves that it is the right one. There is no third way, and none is "do not look".
#[derive(Clone, Debug)]
pub enum ServerIdentity {
    /// Its certificate is for this name (or IP address) and chains to one of these roots.
    Name {
        /// Name or IP address in the certificate.
        name: ServerName<'static>,
        /// Roots that may vouch for it.
        roots: Arc<RootCertStore>,
    },
    /// Its certificate holds the key whose SubjectPublicKeyInfo has this SHA-256. Neither names nor
    /// dates nor chains are looked at (RFC 7858 §4.2); possession of the key is.
    SpkiPin([u8; 32]),
}

impl ServerIdentity {
    /// The TLS client configuration that accepts this server alone.
    pub(super) fn client_config(&self) -> Result<ClientConfig, TransportError> {
        let provider = Arc::new(ring_provider::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TransportError::Configuration(error.to_string()))?;
        let builder = match self {
            Self::Name { roots, .. } => builder.with_root_certificates(Arc::clone(roots)),
            Self::SpkiPin(pin) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(PinVerifier {
                    pin: *pin,
                    provider,
                })),
        };
        let mut config = builder.with_no_client_auth();
        // RFC 7858 §3.1 registered "dot".
        config.alpn_protocols = vec![b"dot".to_vec()];
        Ok(config)
    }
}

/// Accepts a certificate by its key alone. The handshake signatures are verified as always: without
/// them anybody could show the certificate.
#[derive(Debug)]
struct PinVerifier {
    pin: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let spki = ParsedCertificate::try_from(end_entity)?.subject_public_key_info();
        if digest::digest(&digest::SHA256, &spki).as_ref() != self.pin {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
