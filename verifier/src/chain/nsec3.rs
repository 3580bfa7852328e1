//! NSEC3 records (RFC 5155), as zones above the registry's may have them.

use ring::digest;
use thiserror::Error;

use crate::name::Name;
use crate::nsec::read_type_bit_maps;
use crate::wire::{Reader, WireError};

/// Hash algorithm SHA-1, the only one there is.
const SHA1: u8 = 1;
/// Octets of its hashes.
const HASH_OCTETS: usize = 20;
/// Digits of such a hash in base32hex.
const HASH_DIGITS: usize = 32;
/// Additional iterations that are computed: more is work that a stranger makes us do, and nobody should
/// have any (RFC 9276 §3.1).
pub(crate) const ITERATIONS_MAX: u16 = 50;
const FLAG_OPT_OUT: u8 = 1;

/// Why an NSEC3 record proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Nsec3Fault {
    /// RDATA that cannot be read.
    #[error("is malformed: {0}")]
    Malformed(#[from] WireError),
    /// Its owner is not a hash directly below the apex.
    #[error("has an owner that is no hash")]
    Owner,
    /// Another hash algorithm than SHA-1, another length of hash, or flags that are not known.
    #[error("is of a kind that is not known")]
    Kind,
    /// More iterations than [`ITERATIONS_MAX`].
    #[error("has {iterations} iterations, more than {ITERATIONS_MAX}")]
    Iterations {
        /// Iterations beyond the first hash.
        iterations: u16,
    },
    /// Salt or iterations differ from those of another in the same answer.
    #[error("has other parameters than another one")]
    Parameters,
}

/// How a zone hashes its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameters {
    iterations: u16,
    salt: Vec<u8>,
}

impl Parameters {
    /// The hash of a name in canonical form (RFC 5155 §5).
    pub(crate) fn hash(&self, name: &Name) -> [u8; HASH_OCTETS] {
        let mut hash = self.salted(name.wire());
        for _ in 0..self.iterations {
            hash = self.salted(&hash);
        }
        hash
    }

    fn salted(&self, octets: &[u8]) -> [u8; HASH_OCTETS] {
        let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
        context.update(octets);
        context.update(&self.salt);
        let hash = context.finish();
        hash.as_ref().try_into().expect("SHA-1 has 20 octets")
    }
}

/// An NSEC3 record whose signature was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nsec3 {
    pub(crate) parameters: Parameters,
    /// Whether unsigned delegations may lie between the two hashes.
    pub(crate) is_opt_out: bool,
    owner: [u8; HASH_OCTETS],
    next: [u8; HASH_OCTETS],
    types: Vec<u16>,
}

impl Nsec3 {
    /// Reads a record of the zone (RFC 5155 §3.2).
    pub(crate) fn parse(owner: &Name, zone: &Name, rdata: &[u8]) -> Result<Self, Nsec3Fault> {
        let mut reader = Reader::new(rdata);
        let (algorithm, flags) = (reader.octet()?, reader.octet()?);
        let iterations = reader.u16()?;
        let salt_length = usize::from(reader.octet()?);
        let salt = reader.take(salt_length)?.to_vec();
        let hash_length = usize::from(reader.octet()?);
        let next = reader.take(hash_length)?;
        if algorithm != SHA1 || flags & !FLAG_OPT_OUT != 0 {
            return Err(Nsec3Fault::Kind);
        }
        if iterations > ITERATIONS_MAX {
            return Err(Nsec3Fault::Iterations { iterations });
        }
        Ok(Self {
            parameters: Parameters { iterations, salt },
            is_opt_out: flags & FLAG_OPT_OUT != 0,
            owner: hash_in(owner, zone).ok_or(Nsec3Fault::Owner)?,
            next: next.try_into().map_err(|_| Nsec3Fault::Kind)?,
            types: read_type_bit_maps(reader.rest())?,
        })
    }

    /// Whether this is the record of the name with this hash.
    pub(crate) fn matches(&self, hash: &[u8; HASH_OCTETS]) -> bool {
        self.owner == *hash
    }

    /// Whether a hash lies strictly between owner and next; the last record of a zone points back to the
    /// first (RFC 5155 §1.3).
    pub(crate) fn covers(&self, hash: &[u8; HASH_OCTETS]) -> bool {
        if self.owner < self.next {
            self.owner < *hash && *hash < self.next
        } else {
            self.owner < *hash || *hash < self.next
        }
    }

    /// Whether the bit of a type is set.
    pub(crate) fn has_type(&self, record_type: u16) -> bool {
        self.types.binary_search(&record_type).is_ok()
    }
}

/// The hash that an owner directly below the apex is.
fn hash_in(owner: &Name, zone: &Name) -> Option<[u8; HASH_OCTETS]> {
    let is_below = owner.is_below(zone) && owner.label_count() == zone.label_count() + 1;
    let label = owner.labels().next().filter(|_| is_below)?;
    let digits: &[u8; HASH_DIGITS] = label.try_into().ok()?;
    let mut hash = [0; HASH_OCTETS];
    // Eight digits are five octets (RFC 4648 §7).
    for (digits, octets) in digits.chunks(8).zip(hash.chunks_mut(5)) {
        let mut bits: u64 = 0;
        for digit in digits {
            // Names are in lower case.
            bits = bits << 5 | u64::from(char::from(*digit).to_digit(32)?);
        }
        octets.copy_from_slice(&bits.to_be_bytes()[3..]);
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        let mut wire = Vec::new();
        for label in text.split('.').filter(|label| !label.is_empty()) {
            wire.push(label.len() as u8);
            wire.extend_from_slice(label.as_bytes());
        }
        wire.push(0);
        Name::parse_wire(&wire).unwrap()
    }

    /// The zone of RFC 5155 appendix A: 12 iterations, salt aabbccdd.
    fn rdata(flags: u8, iterations: u16) -> Vec<u8> {
        let mut rdata = vec![SHA1, flags];
        rdata.extend_from_slice(&iterations.to_be_bytes());
        rdata.extend_from_slice(&[4, 0xaa, 0xbb, 0xcc, 0xdd, 20]);
        rdata.extend_from_slice(&[7; 20]);
        rdata.extend_from_slice(&[0, 1, 0x20]);
        rdata
    }

    #[test]
    fn hashes_are_those_of_the_rfc() {
        let zone = name("example");
        for (hashed, expected) in [
            ("example", "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"),
            ("a.example", "35mthgpgcu1qg68fab165klnsnk3dpvl"),
            ("*.w.example", "r53bq7cc2uvmubfu5ocmm6pers9tk9en"),
            ("xx.example", "t644ebqk9bibcna874givr6joj62mlhv"),
        ] {
            let owner = name(&format!("{expected}.example"));
            let record = Nsec3::parse(&owner, &zone, &rdata(1, 12)).unwrap();
            assert!(record.matches(&record.parameters.hash(&name(hashed))));
            assert!(record.is_opt_out && record.has_type(2) && !record.has_type(1));
        }
    }

    #[test]
    fn the_last_record_covers_both_ends() {
        let record = |owner: u8, next: u8| Nsec3 {
            parameters: Parameters {
                iterations: 0,
                salt: Vec::new(),
            },
            is_opt_out: false,
            owner: [owner; 20],
            next: [next; 20],
            types: Vec::new(),
        };
        let covered = |record: &Nsec3| -> Vec<u8> {
            let all = 0..=9;
            all.filter(|octet| record.covers(&[*octet; 20])).collect()
        };
        assert_eq!(covered(&record(3, 6)), [4, 5]);
        assert_eq!(covered(&record(7, 2)), [0, 1, 8, 9]);
        // A zone of one name.
        assert_eq!(covered(&record(4, 4)), [0, 1, 2, 3, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn other_kinds_of_records_are_refused() {
        let zone = name("example");
        let owner = name("0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example");
        let parse = |owner: &str, rdata: &[u8]| Nsec3::parse(&name(owner), &zone, rdata);
        let fault = |rdata: &[u8]| Nsec3::parse(&owner, &zone, rdata).unwrap_err();
        assert_eq!(fault(&rdata(2, 0)), Nsec3Fault::Kind);
        let mut md5 = rdata(0, 0);
        md5[0] = 2;
        assert_eq!(fault(&md5), Nsec3Fault::Kind);
        let iterations = 51;
        assert_eq!(
            fault(&rdata(0, iterations)),
            Nsec3Fault::Iterations { iterations }
        );
        assert!(Nsec3::parse(&owner, &zone, &rdata(0, 50)).is_ok());
        for length in 0..rdata(0, 0).len() - 3 {
            assert!(matches!(
                fault(&rdata(0, 0)[..length]),
                Nsec3Fault::Malformed(_)
            ));
        }
        for wrong in [
            "example",
            "0p9mhaveqvm6t7vbl5lop2u3t2rp3to.example",
            "0p9mhaveqvm6t7vbl5lop2u3t2rp3tow.example",
            "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.a.example",
            "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.other",
        ] {
            assert_eq!(
                parse(wrong, &rdata(0, 0)),
                Err(Nsec3Fault::Owner),
                "{wrong}"
            );
        }
    }
}
