//! Signatures: what is signed, how it is published, and how it is verified (RFC 4034 §3, §6).

use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

use crate::key::{ALGORITHM, PublicKey};
use crate::serial;

/// Octets of a signature: r and s (RFC 6605 §4).
pub(crate) const SIGNATURE_OCTETS: usize = 64;

/// The part of an RRSIG that is stored; the rest follows from the RRset it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    /// Start of validity, seconds since 1970 modulo 2^32.
    pub(crate) inception: u32,
    /// End of validity, likewise.
    pub(crate) expiration: u32,
    pub(crate) octets: [u8; SIGNATURE_OCTETS],
}

impl Signature {
    /// The times of a signature that is still to be made.
    pub(crate) fn wanted(inception: u32, expiration: u32) -> Self {
        Self {
            inception,
            expiration,
            octets: [0; SIGNATURE_OCTETS],
        }
    }

    pub(crate) fn is_expired(&self, now: u64) -> bool {
        serial::is_after(serial::wrapped(now), self.expiration)
    }
}

/// The RRSIG RDATA without the signature itself.
pub(crate) struct Fields<'a> {
    pub(crate) record_type: u16,
    pub(crate) label_count: u8,
    pub(crate) ttl_secs: u32,
    pub(crate) inception: u32,
    pub(crate) expiration: u32,
    pub(crate) key_tag: u16,
    pub(crate) signer_wire: &'a [u8],
}

impl Fields<'_> {
    /// Octets of the fields in front of the signer's name.
    pub(crate) const FIXED_OCTETS: usize = 18;

    /// The fields in wire form.
    pub(crate) fn rdata_prefix(&self) -> Vec<u8> {
        let mut rdata =
            Vec::with_capacity(Self::FIXED_OCTETS + self.signer_wire.len() + SIGNATURE_OCTETS);
        rdata.extend_from_slice(&self.record_type.to_be_bytes());
        rdata.extend_from_slice(&[ALGORITHM, self.label_count]);
        rdata.extend_from_slice(&self.ttl_secs.to_be_bytes());
        rdata.extend_from_slice(&self.expiration.to_be_bytes());
        rdata.extend_from_slice(&self.inception.to_be_bytes());
        rdata.extend_from_slice(&self.key_tag.to_be_bytes());
        rdata.extend_from_slice(self.signer_wire);
        rdata
    }
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
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.point())
        .verify(message, signature)
        .is_ok()
}
