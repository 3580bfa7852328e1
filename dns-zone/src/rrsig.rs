//! Signatures: what is signed, how it is published, and how it is verified (RFC 4034 §3, §6).

use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

use crate::digest_key;
use crate::key::PublicKey;

/// Octets of a signature: r and s (RFC 6605 §4).
pub(crate) const SIGNATURE_OCTETS: usize = 64;

/// RRSIG RDATA up to the signer's name.
pub(crate) struct Fields;

impl Fields {
    /// Octets of the fields in front of the signer's name.
    pub(crate) const FIXED_OCTETS: usize = 18;
}

/// The octets that are signed: the RDATA prefix, then the RRset in canonical form and order
/// (RFC 4034 §3.1.8.1). `rdatas` are in canonical form already.
pub(crate) fn signed_octets<'a>(
    prefix: &[u8],
    owner_wire: &[u8],
    record_type: u16,
    ttl_secs: u32,
    rdatas: impl Iterator<Item = &'a [u8]>,
) -> Vec<u8> {
    let mut rdatas: Vec<&[u8]> = rdatas.collect();
    rdatas.sort_unstable();
    let mut message = prefix.to_vec();
    for rdata in rdatas {
        message.extend_from_slice(owner_wire);
        message.extend_from_slice(&record_type.to_be_bytes());
        message.extend_from_slice(&[0, 1]);
        message.extend_from_slice(&ttl_secs.to_be_bytes());
        // RDATA is bounded where it is made, far below 65,535 octets.
        message.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
        message.extend_from_slice(rdata);
    }
    message
}

/// Whether a signature was made over `message` by the private half of `key`.
pub(crate) fn verifies(key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    if digest_key::accepts(key) {
        return digest_key::digest(key, message) == signature;
    }
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.point())
        .verify(message, signature)
        .is_ok()
}
