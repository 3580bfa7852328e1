//! ECDSA signatures over P-256, and the three forms in which cards put them into tag 33.

use std::fmt;

use crate::der;

/// Octets of r and s together.
const RAW_OCTETS: usize = 64;

/// An ECDSA signature, r ‖ s, each 32 octets, big-endian. Not verified.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EcdsaSignature([u8; RAW_OCTETS]);

/// How a card writes a signature (IoT.05 leaves room, cards differ).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignatureForm {
    /// `33 40 r ‖ s`: what most clients read.
    #[default]
    OneOctetLength,
    /// `33 00 40 r ‖ s`: newer Thales applets, wolfSSL's default.
    TwoOctetLength,
    /// `33 len DER`: Ecdsa-Sig-Value of RFC 5480.
    Der,
}

impl EcdsaSignature {
    /// From r ‖ s.
    pub fn from_octets(octets: [u8; RAW_OCTETS]) -> Self {
        Self(octets)
    }

    /// r ‖ s.
    pub fn as_octets(&self) -> &[u8; RAW_OCTETS] {
        &self.0
    }

    /// Ecdsa-Sig-Value, the form of X.509 and TLS, at most 72 octets.
    pub fn to_der(&self) -> Vec<u8> {
        let (r, s) = self.0.split_at(RAW_OCTETS / 2);
        der::sequence(&[&der::unsigned_integer(r), &der::unsigned_integer(s)])
    }

    /// Parses Ecdsa-Sig-Value, strict DER; `None` for anything else.
    pub fn from_der(octets: &[u8]) -> Option<Self> {
        let content = der::short_sequence(octets)?;
        let (r, content) = der::take_unsigned_32(content)?;
        let (s, content) = der::take_unsigned_32(content)?;
        if !content.is_empty() {
            return None;
        }
        let mut raw = [0; RAW_OCTETS];
        raw[..32].copy_from_slice(&r);
        raw[32..].copy_from_slice(&s);
        Some(Self(raw))
    }

    /// The data object of tag 33 in the given form.
    pub(crate) fn to_tlv(self, form: SignatureForm) -> Vec<u8> {
        let raw = [0x33, RAW_OCTETS as u8];
        match form {
            SignatureForm::OneOctetLength => [&raw, &self.0[..]].concat(),
            SignatureForm::TwoOctetLength => [&[0x33, 0, RAW_OCTETS as u8], &self.0[..]].concat(),
            SignatureForm::Der => {
                let der = self.to_der();
                [&[0x33, der.len() as u8], &der[..]].concat()
            }
        }
    }

    /// Reads the data object of tag 33 in any of the three forms; it must fill `octets`.
    pub(crate) fn from_tlv(octets: &[u8]) -> Option<Self> {
        match *octets {
            [0x33, 0x40, ref raw @ ..] | [0x33, 0x00, 0x40, ref raw @ ..]
                if raw.len() == RAW_OCTETS =>
            {
                Some(Self(raw.try_into().ok()?))
            }
            [0x33, length, ref der @ ..] if der.len() == usize::from(length) => Self::from_der(der),
            _ => None,
        }
    }
}

impl fmt::Debug for EcdsaSignature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("EcdsaSignature")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(r: u8, s: u8) -> EcdsaSignature {
        let mut raw = [0; RAW_OCTETS];
        raw[31] = r;
        raw[32] = s;
        EcdsaSignature(raw)
    }

    #[test]
    fn every_form_reads_back() {
        for signature in [sample(1, 0x80), sample(0xFF, 1), EcdsaSignature([0xFF; 64])] {
            assert_eq!(
                EcdsaSignature::from_der(&signature.to_der()),
                Some(signature)
            );
            for form in [
                SignatureForm::OneOctetLength,
                SignatureForm::TwoOctetLength,
                SignatureForm::Der,
            ] {
                assert_eq!(
                    EcdsaSignature::from_tlv(&signature.to_tlv(form)),
                    Some(signature)
                );
            }
        }
    }

    #[test]
    fn the_empty_signature_of_one_known_client_is_refused() {
        assert_eq!(EcdsaSignature::from_der(&[0x30, 4, 2, 0, 2, 0]), None);
        assert_eq!(EcdsaSignature::from_tlv(&[0x33, 0]), None);
        assert_eq!(EcdsaSignature::from_tlv(&[0x33, 0, 0x40]), None);
    }
}
