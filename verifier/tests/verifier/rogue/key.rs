//! Keys of the rogue signer.

use hickory_proto::dnssec::rdata::DNSKEY;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RsaKeyPair,
    RsaPublicKeyComponents,
};

/// Flags of a key signing key.
pub(crate) const KSK: u16 = 257;
/// Flags of a zone signing key.
pub(crate) const ZSK: u16 = 256;
/// ring makes no RSA keys: one of 2,048 bits, which signs nothing but tests.
const RSA: &[u8] = include_bytes!("keys/rsa-2048.pk8");

/// A key pair and the fields under which it is published.
pub(crate) struct Key {
    pair: Pair,
    pub(crate) flags: u16,
    pub(crate) protocol: u8,
    pub(crate) algorithm: u8,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm) -> Pair {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    Pair::Ecdsa(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap())
}

impl Key {
    /// A P-256 key.
    pub(crate) fn generate(flags: u16) -> Self {
        Self::of(13, flags)
    }

    /// A key of an algorithm: 8, 10, 13, 14 or 15.
    pub(crate) fn of(algorithm: u8, flags: u16) -> Self {
        let pair = match algorithm {
            8 | 10 => Pair::Rsa(RsaKeyPair::from_pkcs8(RSA).unwrap()),
            13 => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING),
            14 => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING),
            15 => {
                let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
                Pair::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap())
            }
            other => panic!("no keys of algorithm {other}"),
        };
        Self {
            pair,
            flags,
            protocol: 3,
            algorithm,
        }
    }

    fn public(&self) -> Vec<u8> {
        match &self.pair {
            // Without the octet that marks an uncompressed point.
            Pair::Ecdsa(pair) => pair.public_key().as_ref()[1..].to_vec(),
            Pair::Ed25519(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let key: RsaPublicKeyComponents<Vec<u8>> = pair.public().into();
                let length = [key.e.len() as u8];
                [&length[..], &key.e, &key.n].concat()
            }
        }
    }

    pub(crate) fn rdata(&self) -> Vec<u8> {
        let mut rdata = self.flags.to_be_bytes().to_vec();
        rdata.extend_from_slice(&[self.protocol, self.algorithm]);
        rdata.extend_from_slice(&self.public());
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
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ecdsa(pair) => pair.sign(&random, octets).unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(octets).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let padding: &'static dyn ring::signature::RsaEncoding = match self.algorithm {
                    10 => &RSA_PKCS1_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &random, octets, &mut signature).unwrap();
                signature
            }
        }
    }
}

/// hickory's word on it, not ours.
pub(crate) fn tag_of(rdata: &[u8]) -> u16 {
    DNSKEY::calculate_key_tag_internal(rdata)
}
