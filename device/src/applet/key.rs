//! The private key of a pair: made here, used here, wiped here.

use std::convert::Infallible;

use p256::ecdsa::SigningKey;
use p256::ecdsa::signature::hazmat::RandomizedPrehashSigner;
use p256::elliptic_curve::rand_core::{TryCryptoRng, TryRng};
use zeroize::Zeroizing;

use super::random::{RandomError, RandomSource};
use crate::public_key::PublicKey;
use crate::signature::EcdsaSignature;

/// Draws after which a random source is taken for broken: one draw is out of range with a
/// probability of 2^-32.
const DRAWS_MAX: usize = 8;

/// A P-256 private key. It has no way out: no serialisation, no Debug, no Clone; its octets are
/// wiped when it is dropped or replaced.
pub(crate) struct PrivateKey(SigningKey);

impl PrivateKey {
    /// A new key from 32 random octets, drawn again while they are no scalar of the curve (FIPS
    /// 186-5 A.2.2, rejection sampling).
    pub(crate) fn generate(random: &mut dyn RandomSource) -> Result<Self, RandomError> {
        let mut octets = Zeroizing::new([0; 32]);
        for _ in 0..DRAWS_MAX {
            random.fill(&mut octets[..])?;
            if let Ok(key) = SigningKey::from_slice(&octets[..]) {
                return Ok(Self(key));
            }
        }
        Err(RandomError)
    }

    /// The public half.
    pub(crate) fn public_key(&self) -> PublicKey {
        PublicKey::from_verifying_key(*self.0.verifying_key())
    }

    /// Signs a SHA-256 digest. The per-signature number comes from the key, the digest and fresh
    /// random octets (RFC 6979 §3.6), so that neither a weak random source nor a repeated digest
    /// gives the key away.
    pub(crate) fn sign_digest(
        &self,
        digest: &[u8; 32],
        random: &mut dyn RandomSource,
    ) -> Result<EcdsaSignature, RandomError> {
        let mut fresh = Zeroizing::new([0; 32]);
        random.fill(&mut fresh[..])?;
        let signature: p256::ecdsa::Signature = self
            .0
            .sign_prehash_with_rng(&mut DrawnOctets(&fresh), digest)
            .map_err(|_| RandomError)?;
        Ok(EcdsaSignature::from_octets(signature.to_bytes().into()))
    }
}

/// Octets that were already drawn, in the shape that the signer asks for.
struct DrawnOctets<'a>(&'a [u8; 32]);

impl TryRng for DrawnOctets<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut octets = [0; 4];
        self.try_fill_bytes(&mut octets)?;
        Ok(u32::from_be_bytes(octets))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut octets = [0; 8];
        self.try_fill_bytes(&mut octets)?;
        Ok(u64::from_be_bytes(octets))
    }

    fn try_fill_bytes(&mut self, destination: &mut [u8]) -> Result<(), Infallible> {
        for (octet, drawn) in destination.iter_mut().zip(self.0.iter().cycle()) {
            *octet = *drawn;
        }
        Ok(())
    }
}

impl TryCryptoRng for DrawnOctets<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applet::SystemRandom;

    struct Constant(u8);

    impl RandomSource for Constant {
        fn fill(&mut self, octets: &mut [u8]) -> Result<(), RandomError> {
            octets.fill(self.0);
            Ok(())
        }
    }

    #[test]
    fn signatures_verify_under_the_public_half_only() {
        let mut random = SystemRandom::new();
        let key = PrivateKey::generate(&mut random).unwrap();
        let other = PrivateKey::generate(&mut random).unwrap();
        let digest = [7; 32];
        let signature = key.sign_digest(&digest, &mut random).unwrap();
        assert!(key.public_key().verifies(&digest, &signature));
        assert!(!other.public_key().verifies(&digest, &signature));
        assert!(!key.public_key().verifies(&[8; 32], &signature));
    }

    #[test]
    fn the_same_digest_is_signed_differently_each_time() {
        let mut random = SystemRandom::new();
        let key = PrivateKey::generate(&mut random).unwrap();
        let first = key.sign_digest(&[7; 32], &mut random).unwrap();
        assert!(first != key.sign_digest(&[7; 32], &mut random).unwrap());
    }

    #[test]
    fn a_stuck_random_source_makes_no_key() {
        assert!(PrivateKey::generate(&mut Constant(0)).is_err());
        assert!(PrivateKey::generate(&mut Constant(0xFF)).is_err());
    }
}
