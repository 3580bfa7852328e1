//! Keys that are trusted before a zone's DNSKEY RRset is seen: named by DS records (RFC 4034 §5, RFC
//! 4509, RFC 6605), of an anchor file or of the zone's parent, or as they are.

use ring::digest;

use crate::dnskey::key_tag;
use crate::name::Name;

/// Digest types that are accepted; SHA-1 is not (RFC 8624 §3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DigestType {
    Sha256 = 2,
    Sha384 = 4,
}

impl DigestType {
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        match number {
            2 => Some(Self::Sha256),
            4 => Some(Self::Sha384),
            _ => None,
        }
    }

    /// Octets of a digest.
    pub(crate) fn octets(self) -> usize {
        self.algorithm().output_len()
    }

    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
        }
    }
}

/// One key that is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TrustedKey {
    /// By its digest.
    Ds {
        key_tag: u16,
        algorithm: u8,
        digest_type: DigestType,
        digest: Vec<u8>,
    },
    /// By its RDATA.
    Dnskey { rdata: Vec<u8> },
}

impl TrustedKey {
    /// Reads a DS record's RDATA; none when its digest type is not accepted or its digest has another
    /// length.
    pub(crate) fn from_ds(rdata: &[u8]) -> Option<Self> {
        let (fields, digest) = rdata.split_first_chunk::<4>()?;
        let digest_type = DigestType::from_number(fields[3])?;
        (digest.len() == digest_type.octets()).then(|| Self::Ds {
            key_tag: u16::from_be_bytes([fields[0], fields[1]]),
            algorithm: fields[2],
            digest_type,
            digest: digest.to_vec(),
        })
    }

    /// The key's tag.
    pub(crate) fn key_tag(&self) -> u16 {
        match self {
            Self::Ds { key_tag, .. } => *key_tag,
            Self::Dnskey { rdata } => key_tag(rdata),
        }
    }

    /// The key's algorithm.
    pub(crate) fn algorithm(&self) -> u8 {
        match self {
            Self::Ds { algorithm, .. } => *algorithm,
            Self::Dnskey { rdata } => rdata.get(3).copied().unwrap_or(0),
        }
    }

    /// Whether this is the RDATA of the key at the apex of `zone`.
    pub(crate) fn is(&self, zone: &Name, dnskey_rdata: &[u8]) -> bool {
        match self {
            Self::Dnskey { rdata } => rdata == dnskey_rdata,
            Self::Ds {
                key_tag: tag,
                algorithm,
                digest_type,
                digest,
            } => {
                key_tag(dnskey_rdata) == *tag
                    && dnskey_rdata.get(3) == Some(algorithm)
                    && digest_of(*digest_type, zone, dnskey_rdata).as_ref() == digest
            }
        }
    }
}

/// Identifies a zone and keys of it: keys that one anchor vouched for are not those of another.
pub(crate) fn digest_of_all(zone: &[u8], keys: &[TrustedKey]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(zone);
    for key in keys {
        let (kind, tag, octets) = match key {
            TrustedKey::Dnskey { rdata } => (0, 0, rdata),
            TrustedKey::Ds {
                key_tag,
                digest_type,
                digest,
                ..
            } => (*digest_type as u8, *key_tag, digest),
        };
        context.update(&[kind, key.algorithm()]);
        context.update(&tag.to_be_bytes());
        context.update(&(octets.len() as u64).to_be_bytes());
        context.update(octets);
    }
    let digest = context.finish();
    digest.as_ref().try_into().expect("SHA-256 has 32 octets")
}

/// RFC 4034 §5.1.4.
fn digest_of(digest_type: DigestType, zone: &Name, dnskey_rdata: &[u8]) -> digest::Digest {
    let mut context = digest::Context::new(digest_type.algorithm());
    context.update(zone.wire());
    context.update(dnskey_rdata);
    context.finish()
}
