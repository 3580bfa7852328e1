//! Public keys of DNSKEY records, and signatures by them.
//!
//! The registry's own zone has ECDSA P-256 and nothing else. Zones above it choose for themselves: RSA
//! with SHA-256 or SHA-512 (8, 10; RFC 5702), ECDSA P-256 and P-384 (13, 14; RFC 6605), Ed25519 (15;
//! RFC 8080).

use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519,
    RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};

use crate::dnskey::KeyFlaw;

/// RSA with SHA-256.
pub(crate) const RSA_SHA256: u8 = 8;
/// RSA with SHA-512.
pub(crate) const RSA_SHA512: u8 = 10;
/// ECDSA P-256 with SHA-256.
pub(crate) const ECDSA_P256: u8 = 13;
/// ECDSA P-384 with SHA-384.
pub(crate) const ECDSA_P384: u8 = 14;
/// Ed25519.
pub(crate) const ED25519_PURE: u8 = 15;

/// Octets of an RSA modulus. Zone signing keys of 1,024 bits are still in use above us.
const RSA_MODULUS_OCTETS: std::ops::RangeInclusive<usize> = 128..=512;
/// Octets of an RSA exponent: the common one has three.
const RSA_EXPONENT_OCTETS_MAX: usize = 4;

/// Which algorithms a zone may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithms {
    /// The registry's zone: 13.
    Registry,
    /// A zone above it: 8, 10, 13, 14, 15.
    Parent,
}

impl Algorithms {
    pub(crate) fn has(self, algorithm: u8) -> bool {
        match self {
            Self::Registry => algorithm == ECDSA_P256,
            Self::Parent => matches!(
                algorithm,
                RSA_SHA256 | RSA_SHA512 | ECDSA_P256 | ECDSA_P384 | ED25519_PURE
            ),
        }
    }
}

/// A public key in the form that verification takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PublicKey {
    /// An uncompressed point.
    EcdsaP256([u8; 65]),
    /// An uncompressed point.
    EcdsaP384([u8; 97]),
    Ed25519([u8; 32]),
    Rsa {
        algorithm: u8,
        exponent: Vec<u8>,
        modulus: Vec<u8>,
    },
}

impl PublicKey {
    /// Reads the public key field of a DNSKEY record.
    ///
    /// # Errors
    /// [`KeyFlaw::Algorithm`]; [`KeyFlaw::PublicKeyLength`] of a key that its algorithm does not have.
    pub(crate) fn parse(algorithm: u8, octets: &[u8]) -> Result<Self, KeyFlaw> {
        let key = match algorithm {
            ECDSA_P256 => uncompressed(octets).map(Self::EcdsaP256),
            ECDSA_P384 => uncompressed(octets).map(Self::EcdsaP384),
            ED25519_PURE => octets.try_into().ok().map(Self::Ed25519),
            RSA_SHA256 | RSA_SHA512 => rsa(algorithm, octets),
            algorithm => return Err(KeyFlaw::Algorithm { algorithm }),
        };
        let octets = octets.len();
        key.ok_or(KeyFlaw::PublicKeyLength { octets })
    }

    /// Whether this key signed these octets.
    pub(crate) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        let by = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8]| {
            let key = UnparsedPublicKey::new(algorithm, key);
            key.verify(signed, signature).is_ok()
        };
        match self {
            Self::EcdsaP256(point) => by(&ECDSA_P256_SHA256_FIXED, point),
            Self::EcdsaP384(point) => by(&ECDSA_P384_SHA384_FIXED, point),
            Self::Ed25519(point) => by(&ED25519, point),
            Self::Rsa {
                algorithm,
                exponent,
                modulus,
            } => {
                let parameters: &RsaParameters = match *algorithm {
                    RSA_SHA512 => &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
                    _ => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
                };
                let key = RsaPublicKeyComponents {
                    n: modulus,
                    e: exponent,
                };
                key.verify(parameters, signed, signature).is_ok()
            }
        }
    }
}

/// 4 marks an uncompressed point (SEC 1 §2.3.3), which DNSKEY records leave out.
fn uncompressed<const OCTETS: usize>(octets: &[u8]) -> Option<[u8; OCTETS]> {
    let mut point = [4; OCTETS];
    if octets.len() + 1 != OCTETS {
        return None;
    }
    point[1..].copy_from_slice(octets);
    Some(point)
}

/// RFC 3110 §2: length of the exponent in one octet, or in two behind a zero; exponent; modulus.
fn rsa(algorithm: u8, octets: &[u8]) -> Option<PublicKey> {
    let (&first, rest) = octets.split_first()?;
    let (length, rest) = match first {
        0 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        length => (usize::from(length), rest),
    };
    let (exponent, modulus) = rest.split_at_checked(length)?;
    let (exponent, modulus) = (without_zeros(exponent), without_zeros(modulus));
    let fits = (1..=RSA_EXPONENT_OCTETS_MAX).contains(&exponent.len())
        && RSA_MODULUS_OCTETS.contains(&modulus.len());
    fits.then(|| PublicKey::Rsa {
        algorithm,
        exponent: exponent.to_vec(),
        modulus: modulus.to_vec(),
    })
}

fn without_zeros(octets: &[u8]) -> &[u8] {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    &octets[zeros..]
}

#[cfg(test)]
mod tests {
    use base64::prelude::*;

    use super::*;

    #[test]
    fn the_roots_key_is_an_rsa_key_of_2048_bits() {
        // The root's key signing key of 2017 (key tag 20326).
        let text = "AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexTBAvkMgJzkKTOiW1vkIbzxeF3+/4RgWOq7HrxRixHlFlE\
            xOLAJr5emLvN7SWXgnLh4+B5xQlNVz8Og8kvArMtNROxVQuCaSnIDdD5LKyWbRd2n9WGe2R8PzgCmr3EgVLr\
            jyBxWezF0jLHwVN8efS3rCj/EWgvIWgb9tarpVUDK/b58Da+sqqls3eNbuv7pr+eoZG+SrDK6nWeL3c6H5Ap\
            xz7LjVc1uTIdsIXxuOLYA4/ilBmSVIzuDWfdRUfhHdY6+cn8HFRm+2hM8AnXGXws9555KrUB5qihylGa8sub\
            X2Nn6UwNR1AkUTV74bU=";
        let octets = BASE64_STANDARD.decode(text).unwrap();
        let PublicKey::Rsa {
            exponent, modulus, ..
        } = PublicKey::parse(RSA_SHA256, &octets).unwrap()
        else {
            panic!("not RSA");
        };
        assert_eq!((exponent, modulus.len()), (vec![1, 0, 1], 256));
    }

    #[test]
    fn keys_of_other_sizes_than_their_algorithms_are_refused() {
        for (algorithm, octets) in [(13, 64), (14, 96), (15, 32)] {
            for wrong in [0, octets - 1, octets + 1] {
                let flaw = PublicKey::parse(algorithm, &vec![7; wrong]).unwrap_err();
                assert_eq!(flaw, KeyFlaw::PublicKeyLength { octets: wrong });
            }
            assert!(PublicKey::parse(algorithm, &vec![7; octets]).is_ok());
        }
        let rsa = |octets: &[u8]| PublicKey::parse(RSA_SHA512, octets).is_ok();
        assert!(rsa(&[&[1, 3][..], &[7; 128]].concat()));
        assert!(rsa(&[&[0, 0, 1, 3][..], &[7; 512]].concat()));
        for wrong in [
            vec![],
            vec![0, 1],
            vec![3, 1, 0],
            // No exponent, a long one, a modulus that is too short or too long.
            [&[0, 0, 0][..], &[7; 128]].concat(),
            [&[5, 1, 1, 1, 1, 1][..], &[7; 128]].concat(),
            [&[1, 3][..], &[7; 127]].concat(),
            [&[1, 3, 0][..], &[7; 127]].concat(),
            [&[1, 3][..], &[7; 513]].concat(),
        ] {
            assert!(!rsa(&wrong), "{wrong:?}");
        }
    }
}
