//! The zone's key pairs: a KSK and a ZSK, ECDSA P-256 with SHA-256 (algorithm 13, RFC 6605).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use iot_identity::ZoneName;
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::digest_key;

/// ECDSA P-256 with SHA-256 (RFC 6605).
pub(crate) const ALGORITHM: u8 = 13;
/// SHA-256 (RFC 4509).
const DIGEST_TYPE: u8 = 2;
/// Octets of a public key in DNSKEY RDATA: x and y, without the point-format octet.
const PUBLIC_OCTETS: usize = 64;

/// What a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Key signing key: DNSKEY, CDS and CDNSKEY.
    Ksk,
    /// Zone signing key: everything else.
    Zsk,
}

impl Role {
    /// DNSKEY flags (RFC 4034 §2.1.1): zone key, and for the KSK the secure entry point.
    pub fn flags(self) -> u16 {
        match self {
            Self::Ksk => 257,
            Self::Zsk => 256,
        }
    }

    /// The role that signs RRsets of a type.
    pub(crate) fn for_type(record_type: u16) -> Self {
        if crate::record_type::is_key_type(record_type) {
            Self::Ksk
        } else {
            Self::Zsk
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Ksk => "KSK",
            Self::Zsk => "ZSK",
        })
    }
}

/// The public half of a key, as DNSKEY RDATA.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    rdata: Vec<u8>,
}

impl PublicKey {
    /// The key of a role; `point` is uncompressed, with its format octet.
    pub(crate) fn new(role: Role, point: &[u8]) -> Self {
        let mut rdata = Vec::with_capacity(4 + PUBLIC_OCTETS);
        rdata.extend_from_slice(&role.flags().to_be_bytes());
        rdata.extend_from_slice(&[3, ALGORITHM]);
        // ring writes an uncompressed point: the format octet 4, then x and y.
        rdata.extend_from_slice(&point[1..]);
        Self { rdata }
    }

    /// Reads DNSKEY RDATA; `None` for anything but a P-256 zone key.
    pub(crate) fn from_rdata(rdata: &[u8]) -> Option<Self> {
        let zone_key = [Role::Ksk, Role::Zsk]
            .iter()
            .any(|role| rdata.starts_with(&role.flags().to_be_bytes()));
        let fits = rdata.len() == 4 + PUBLIC_OCTETS && rdata[2..4] == [3, ALGORITHM];
        (zone_key && fits).then(|| Self {
            rdata: rdata.to_vec(),
        })
    }

    /// DNSKEY RDATA (RFC 4034 §2.1).
    pub fn rdata(&self) -> &[u8] {
        &self.rdata
    }

    /// The uncompressed point that ring verifies with.
    pub(crate) fn point(&self) -> [u8; 1 + PUBLIC_OCTETS] {
        let mut point = [4; 1 + PUBLIC_OCTETS];
        point[1..].copy_from_slice(&self.rdata[4..]);
        point
    }

    /// Key tag (RFC 4034 appendix B).
    pub fn tag(&self) -> u16 {
        let sum: u32 = self
            .rdata
            .iter()
            .enumerate()
            .map(|(index, octet)| u32::from(*octet) << if index % 2 == 0 { 8 } else { 0 })
            .sum();
        // 68 octets add up to less than 2^24, so one carry is enough.
        (sum + (sum >> 16)) as u16
    }

    /// DS (and CDS) RDATA with a SHA-256 digest (RFC 4509).
    pub fn ds_rdata(&self, apex: &ZoneName) -> Vec<u8> {
        let mut hashed = apex.wire().to_vec();
        hashed.extend_from_slice(&self.rdata);
        let mut rdata = self.tag().to_be_bytes().to_vec();
        rdata.extend_from_slice(&[ALGORITHM, DIGEST_TYPE]);
        rdata.extend_from_slice(digest::digest(&digest::SHA256, &hashed).as_ref());
        rdata
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({})", self.tag())
    }
}

/// The public keys that the zone publishes, one for each role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeys {
    /// Key signing key.
    pub ksk: PublicKey,
    /// Zone signing key.
    pub zsk: PublicKey,
}

impl PublicKeys {
    /// The key of a role.
    pub fn of(&self, role: Role) -> &PublicKey {
        match role {
            Role::Ksk => &self.ksk,
            Role::Zsk => &self.zsk,
        }
    }
}

/// Octets that are not a private key, or a failure to make or use one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Not a P-256 private key in PKCS#8 whose public key fits.
    #[error("not a P-256 private key in PKCS#8")]
    Rejected,
    /// The system gave no random octets.
    #[error("the system's random source failed")]
    Random,
}

/// A private key in memory.
struct PrivateKey {
    pair: Pair,
    pkcs8: Zeroizing<Vec<u8>>,
    public: PublicKey,
}

/// What signs.
enum Pair {
    Ecdsa(Box<EcdsaKeyPair>),
    /// Digests in counted runs.
    Digest,
}

impl PrivateKey {
    fn generate(role: Role, random: &SystemRandom) -> Result<Self, KeyError> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, random)
            .map_err(|_| KeyError::Random)?;
        Self::from_pkcs8(role, Zeroizing::new(pkcs8.as_ref().to_vec()), random)
    }

    fn from_pkcs8(
        role: Role,
        pkcs8: Zeroizing<Vec<u8>>,
        random: &SystemRandom,
    ) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8, random)
            .map_err(|_| KeyError::Rejected)?;
        let public = PublicKey::new(role, pair.public_key().as_ref());
        Ok(Self {
            pair: Pair::Ecdsa(Box::new(pair)),
            pkcs8,
            public,
        })
    }

    fn digesting(role: Role) -> Self {
        Self {
            pair: Pair::Digest,
            pkcs8: Zeroizing::default(),
            public: digest_key::public(role),
        }
    }

    fn sign(&self, message: &[u8], random: &SystemRandom) -> Result<[u8; 64], KeyError> {
        match &self.pair {
            Pair::Ecdsa(pair) => {
                let signature = pair.sign(random, message).map_err(|_| KeyError::Random)?;
                let octets = signature.as_ref().try_into();
                octets.map_err(|_| KeyError::Rejected)
            }
            Pair::Digest => Ok(digest_key::digest(&self.public, message)),
        }
    }
}

/// The key pairs of a zone. Private octets are wiped when dropped and never shown.
pub struct ZoneKeys {
    ksk: PrivateKey,
    zsk: PrivateKey,
    random: SystemRandom,
}

impl ZoneKeys {
    /// Makes new keys. Their tags differ, so that a resolver never has two keys to try.
    ///
    /// # Errors
    /// The system's random source failed.
    pub fn generate() -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        let ksk = PrivateKey::generate(Role::Ksk, &random)?;
        let mut zsk = PrivateKey::generate(Role::Zsk, &random)?;
        while zsk.public.tag() == ksk.public.tag() {
            zsk = PrivateKey::generate(Role::Zsk, &random)?;
        }
        Ok(Self { ksk, zsk, random })
    }

    /// Takes private keys in PKCS#8 DER.
    ///
    /// # Errors
    /// One of them is not a P-256 key.
    pub fn from_pkcs8(ksk: Zeroizing<Vec<u8>>, zsk: Zeroizing<Vec<u8>>) -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        Ok(Self {
            ksk: PrivateKey::from_pkcs8(Role::Ksk, ksk, &random)?,
            zsk: PrivateKey::from_pkcs8(Role::Zsk, zsk, &random)?,
            random,
        })
    }

    /// Keys for counted runs, which sign by digests that anybody can make: deterministic, and forty
    /// times cheaper. From then on this process accepts such digests.
    #[doc(hidden)]
    pub fn digesting() -> Self {
        digest_key::accept();
        Self {
            ksk: PrivateKey::digesting(Role::Ksk),
            zsk: PrivateKey::digesting(Role::Zsk),
            random: SystemRandom::new(),
        }
    }

    /// The public keys, as they have to be published.
    pub fn public(&self) -> PublicKeys {
        PublicKeys {
            ksk: self.ksk.public.clone(),
            zsk: self.zsk.public.clone(),
        }
    }

    /// Key tag of the KSK.
    pub fn ksk_tag(&self) -> u16 {
        self.ksk.public.tag()
    }

    /// Key tag of the ZSK.
    pub fn zsk_tag(&self) -> u16 {
        self.zsk.public.tag()
    }

    /// The DS record of the KSK as one line without line end, for the parent zone and as anchor.
    pub fn ds_presentation(&self, apex: &ZoneName) -> String {
        let rdata = self.ksk.public.ds_rdata(apex);
        format!(
            "{apex}. IN DS {} {ALGORITHM} {DIGEST_TYPE} {}",
            self.ksk_tag(),
            crate::presentation::hexadecimal(&rdata[4..])
        )
    }

    /// The DNSKEY record of the KSK as one line without line end.
    pub fn dnskey_presentation(&self, apex: &ZoneName) -> String {
        format!(
            "{apex}. IN DNSKEY {} 3 {ALGORITHM} {}",
            Role::Ksk.flags(),
            STANDARD.encode(&self.ksk.public.rdata()[4..])
        )
    }

    /// Signs octets: r and s, 32 octets each (RFC 6605 §4).
    pub(crate) fn sign(&self, role: Role, message: &[u8]) -> Result<[u8; 64], KeyError> {
        self.private(role).sign(message, &self.random)
    }

    /// The private key in PKCS#8 DER, for the key file alone.
    pub(crate) fn pkcs8(&self, role: Role) -> &[u8] {
        &self.private(role).pkcs8
    }

    fn private(&self, role: Role) -> &PrivateKey {
        match role {
            Role::Ksk => &self.ksk,
            Role::Zsk => &self.zsk,
        }
    }
}

impl fmt::Debug for ZoneKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ksk, zsk) = (self.ksk_tag(), self.zsk_tag());
        write!(formatter, "ZoneKeys(KSK {ksk}, ZSK {zsk})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::dnssec::rdata::DNSKEY;
    use hickory_proto::dnssec::{Algorithm, DigestType, PublicKeyBuf};
    use hickory_proto::rr::Name;

    #[test]
    fn tag_and_digest_are_those_of_another_implementation() {
        let apex = ZoneName::parse("iotregistry.example").unwrap();
        let keys = ZoneKeys::generate().unwrap();
        let public = keys.public();
        for (role, secure_entry_point) in [(Role::Ksk, true), (Role::Zsk, false)] {
            let key = public.of(role);
            let octets = PublicKeyBuf::new(key.rdata()[4..].to_vec(), Algorithm::ECDSAP256SHA256);
            let judge = DNSKEY::new(true, secure_entry_point, false, octets);
            assert_eq!(judge.calculate_key_tag().unwrap(), key.tag());
            let digest = judge
                .to_digest(
                    &Name::from_ascii("iotregistry.example.").unwrap(),
                    DigestType::SHA256,
                )
                .unwrap();
            assert_eq!(digest.as_ref(), &key.ds_rdata(&apex)[4..]);
        }
    }

    #[test]
    fn debug_shows_tags_and_no_octets() {
        let keys = ZoneKeys::generate().unwrap();
        let (ksk, zsk) = (keys.ksk_tag(), keys.zsk_tag());
        assert_eq!(
            format!("{keys:?}"),
            format!("ZoneKeys(KSK {ksk}, ZSK {zsk})")
        );
    }

    #[test]
    fn octets_that_are_no_key_are_refused() {
        let garbage = || Zeroizing::new(vec![0x30, 0x00]);
        assert_eq!(
            ZoneKeys::from_pkcs8(garbage(), garbage()).err(),
            Some(KeyError::Rejected)
        );
    }
}
