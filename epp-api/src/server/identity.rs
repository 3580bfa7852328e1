//! Who asks: a token, a client certificate, or both of one account. What a proxy might say about it in
//! other header fields counts for nothing.

use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use rustls::pki_types::CertificateDer;

use crate::account::{BearerToken, Caller};
use crate::json::Refusal;
use crate::json::header::bearer_token;
use crate::server::{Credential, Registry};

/// The certificates that a client has shown in its handshake, its own first.
pub(super) type PeerCertificates = Arc<Vec<CertificateDer<'static>>>;

/// What a request proves itself with; looked up anew as often as it matters.
pub(super) struct Identity {
    token: Option<BearerToken>,
    certificates: Option<PeerCertificates>,
}

impl Identity {
    /// What a request on this connection brings.
    pub(super) fn of(
        headers: &HeaderMap,
        certificates: Option<PeerCertificates>,
    ) -> Result<Self, Refusal> {
        let needs_token = certificates.is_none() || headers.contains_key(AUTHORIZATION);
        let token = needs_token.then(|| bearer_token(headers)).transpose()?;
        Ok(Self {
            token,
            certificates,
        })
    }

    /// The account at this moment. With a certificate and a token, both have to be of one account, and
    /// the token says what may be done.
    pub(super) async fn caller<R: Registry>(&self, registry: &R) -> Result<Caller, Refusal> {
        let by_certificate = match &self.certificates {
            Some(certificates) => {
                let known = registry.authenticate(Credential::Certificate(certificates));
                Some(known.await?.ok_or_else(Refusal::certificate_unknown)?)
            }
            None => None,
        };
        let by_token = match &self.token {
            Some(token) => {
                let known = registry.authenticate(Credential::Token(token.expose()));
                Some(known.await?.ok_or_else(Refusal::token_invalid)?)
            }
            None => None,
        };
        match (by_certificate, by_token) {
            (Some(holder), Some(caller)) if holder.account != caller.account => {
                Err(Refusal::credentials_differ())
            }
            (_, Some(caller)) | (Some(caller), None) => Ok(caller),
            (None, None) => Err(Refusal::token_missing()),
        }
    }
}
