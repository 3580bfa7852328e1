//! Fingerprints: what the registry publishes of a certificate.

use std::fmt;
use std::str::FromStr;

use ring::digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// SHA-256 of a certificate's DER.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; Fingerprint::OCTETS]);

/// The text is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a fingerprint is written as 64 hexadecimal digits")]
pub struct FingerprintError;

impl Fingerprint {
    /// Octets of SHA-256.
    pub const OCTETS: usize = 32;

    /// Hashes a whole certificate in DER.
    pub fn of_certificate(der: &[u8]) -> Self {
        let hash = digest::digest(&digest::SHA256, der);
        Self(hash.as_ref().try_into().expect("SHA-256 has 32 octets"))
    }

    /// Takes a hash that was computed before.
    pub fn from_octets(octets: [u8; Self::OCTETS]) -> Self {
        Self(octets)
    }

    /// The hash.
    pub fn as_octets(&self) -> &[u8; Self::OCTETS] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|octet| write!(formatter, "{octet:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.as_bytes();
        if text.len() != 2 * Self::OCTETS {
            return Err(FingerprintError);
        }
        let mut octets = [0; Self::OCTETS];
        for (octet, digits) in octets.iter_mut().zip(text.chunks_exact(2)) {
            let value = |digit: u8| char::from(digit).to_digit(16).ok_or(FingerprintError);
            // Two hexadecimal digits are at most 255.
            *octet = (value(digits[0])? * 16 + value(digits[1])?) as u8;
        }
        Ok(Self(octets))
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_the_hash_in_hexadecimal() {
        // SHA-256("abc"), FIPS 180-2 appendix B.1.
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let fingerprint = Fingerprint::of_certificate(b"abc");
        assert_eq!(fingerprint.to_string(), text);
        assert_eq!(text.to_uppercase().parse(), Ok(fingerprint));
        assert_eq!(text[1..].parse::<Fingerprint>(), Err(FingerprintError));
        assert_eq!(
            text.replace('b', "g").parse::<Fingerprint>(),
            Err(FingerprintError)
        );
    }
}
