//! Keys of the rogue signer.

use hickory_proto::dnssec::rdata::DNSKEY;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

/// Flags of a key signing key.
pub(crate) const KSK: u16 = 257;
/// Flags of a zone signing key.
pub(crate) const ZSK: u16 = 256;

/// A P-256 key pair and the fields under which it is published.
pub(crate) struct Key {
    pair: EcdsaKeyPair,
    pub(crate) flags: u16,
    pub(crate) protocol: u8,
    pub(crate) algorithm: u8,
}

impl Key {
    pub(crate) fn generate(flags: u16) -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self {
            pair: EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap(),
            flags,
            protocol: 3,
            algorithm: 13,
        }
    }

    pub(crate) fn rdata(&self) -> Vec<u8> {
        let mut rdata = self.flags.to_be_bytes().to_vec();
        rdata.extend_from_slice(&[self.protocol, self.algorithm]);
        rdata.extend_from_slice(&self.pair.public_key().as_ref()[1..]);
        rdata
    }

    /// The RDATA with the public key's 16-bit words turned by `steps`: another key, same key tag.
    pub(crate) fn rdata_of_twin(&self, steps: usize) -> Vec<u8> {
        let mut rdata = self.rdata();
        rdata[4..].rotate_left(2 * steps);
        assert_eq!(tag_of(&rdata), self.tag());
        rdata
    }

    pub(crate) fn tag(&self) -> u16 {
        tag_of(&self.rdata())
    }

    pub(crate) fn sign(&self, octets: &[u8]) -> Vec<u8> {
        let signature = self.pair.sign(&SystemRandom::new(), octets).unwrap();
        signature.as_ref().to_vec()
    }
}

/// hickory's word on it, not ours.
pub(crate) fn tag_of(rdata: &[u8]) -> u16 {
    DNSKEY::calculate_key_tag_internal(rdata)
}
