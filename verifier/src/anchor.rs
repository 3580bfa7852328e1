//! Trust anchors: which key a zone is believed to have, from a file of DS and DNSKEY records in
//! presentation form (RFC 4034 §2.2, §5.3).

use base64::prelude::*;
use iot_identity::{ZoneName, ZoneNameError};
use ring::digest;
use thiserror::Error;

use crate::dnskey::{ALGORITHM_ECDSA_P256, KeyFlaw, ZoneKey, key_tag};

/// Octets of the longest anchor file.
pub const ANCHOR_FILE_OCTETS_MAX: usize = 65_536;
/// Records in an anchor file: the keys of several rollovers.
pub const ANCHOR_RECORDS_MAX: usize = 8;
/// Comment that carries the zone's lifetime maximum.
const LIFETIME_COMMENT: &str = "lifetime-max:";

/// What is known of one zone's keys before anything is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneAnchor {
    zone: ZoneName,
    records: Vec<AnchorRecord>,
    lifetime_max_secs: Option<u64>,
    digest: [u8; 32],
}

/// One record of an anchor file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum AnchorRecord {
    Ds {
        key_tag: u16,
        digest_type: DigestType,
        digest: Vec<u8>,
    },
    Dnskey {
        rdata: Vec<u8>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DigestType {
    Sha256 = 2,
    Sha384 = 4,
}

impl DigestType {
    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
        }
    }
}

/// Why a text is no trust anchor.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AnchorError {
    /// No record in it.
    #[error("the trust anchor has no DS or DNSKEY record")]
    Empty,
    /// Longer than [`ANCHOR_FILE_OCTETS_MAX`].
    #[error("the trust anchor has {octets} octets, more than {ANCHOR_FILE_OCTETS_MAX}")]
    TooLong {
        /// Octets found.
        octets: usize,
    },
    /// A line that is wrong.
    #[error("trust anchor, line {line}: {fault}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        fault: AnchorLineFault,
    },
}

/// What is wrong with one line of an anchor file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AnchorLineFault {
    /// Not `<zone> [TTL] [IN] DS|DNSKEY <fields>`.
    #[error("not a DS or DNSKEY record in presentation form on one line")]
    Syntax,
    /// The owner cannot be the registry's zone.
    #[error("the owner cannot be a registry's zone: {0}")]
    Zone(#[from] ZoneNameError),
    /// Another zone than the lines before.
    #[error("the owner is {found}, but the lines before are about {expected}")]
    OtherZone {
        /// Owner of this line.
        found: ZoneName,
        /// Owner of the lines before.
        expected: ZoneName,
    },
    /// A key algorithm other than 13.
    #[error("key algorithm {algorithm} instead of 13 (ECDSA P-256 with SHA-256)")]
    Algorithm {
        /// The algorithm number.
        algorithm: u8,
    },
    /// A digest type other than 2 and 4.
    #[error("digest type {digest_type} instead of 2 (SHA-256) or 4 (SHA-384)")]
    DigestType {
        /// The digest type number.
        digest_type: u8,
    },
    /// A digest that is not hexadecimal or has the wrong length.
    #[error("the digest is not {octets} octets in hexadecimal")]
    Digest {
        /// Octets of the digest type.
        octets: usize,
    },
    /// A public key that is not base64.
    #[error("the public key is not base64")]
    Base64,
    /// A DNSKEY that cannot be used.
    #[error("the key {0}")]
    Key(KeyFlaw),
    /// More records than [`ANCHOR_RECORDS_MAX`].
    #[error("more than {ANCHOR_RECORDS_MAX} records")]
    TooMany,
    /// `lifetime-max:` without seconds, or a second time.
    #[error("`; {LIFETIME_COMMENT} <seconds>` wants a whole number of seconds, once")]
    LifetimeMax,
}

impl ZoneAnchor {
    /// Reads an anchor file: DS and DNSKEY records of one zone, one on a line, the owner fully
    /// qualified (final dot optional), TTL and class optional; comments begin with `;`, and the
    /// comment line `; lifetime-max: <seconds>` carries the zone's own lifetime maximum.
    ///
    /// # Errors
    /// [`AnchorError`] with the line. A text without records is an error, never an empty anchor.
    pub fn parse(text: &str) -> Result<Self, AnchorError> {
        if text.len() > ANCHOR_FILE_OCTETS_MAX {
            return Err(AnchorError::TooLong { octets: text.len() });
        }
        let mut draft = Draft::default();
        for (index, line) in text.lines().enumerate() {
            draft.read_line(line).map_err(|fault| AnchorError::Line {
                line: index + 1,
                fault,
            })?;
        }
        draft.finish().ok_or(AnchorError::Empty)
    }

    /// The zone for which this anchor speaks, and no other.
    pub fn zone(&self) -> &ZoneName {
        &self.zone
    }

    /// The lifetime maximum that the file carries for this zone.
    pub fn lifetime_max_secs(&self) -> Option<u64> {
        self.lifetime_max_secs
    }

    /// Key tags of the keys that are named.
    pub fn key_tags(&self) -> Vec<u16> {
        let tag = |record: &AnchorRecord| match record {
            AnchorRecord::Ds { key_tag, .. } => *key_tag,
            AnchorRecord::Dnskey { rdata } => key_tag(rdata),
        };
        self.records.iter().map(tag).collect()
    }

    /// Identifies zone and records: keys that one anchor vouched for are not those of another.
    pub(crate) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Whether this is the RDATA of a key that the anchor names, at its zone's apex.
    pub(crate) fn names(&self, dnskey_rdata: &[u8]) -> bool {
        self.records.iter().any(|record| match record {
            AnchorRecord::Dnskey { rdata } => rdata == dnskey_rdata,
            AnchorRecord::Ds {
                key_tag: tag,
                digest_type,
                digest,
            } => {
                key_tag(dnskey_rdata) == *tag
                    && dnskey_rdata.get(3) == Some(&ALGORITHM_ECDSA_P256)
                    && self.key_digest(*digest_type, dnskey_rdata).as_ref() == digest
            }
        })
    }

    /// RFC 4034 §5.1.4.
    fn key_digest(&self, digest_type: DigestType, dnskey_rdata: &[u8]) -> digest::Digest {
        let mut context = digest::Context::new(digest_type.algorithm());
        context.update(self.zone.wire());
        context.update(dnskey_rdata);
        context.finish()
    }
}

/// What was read so far.
#[derive(Default)]
struct Draft {
    zone: Option<ZoneName>,
    records: Vec<AnchorRecord>,
    lifetime_max_secs: Option<u64>,
}

impl Draft {
    fn read_line(&mut self, line: &str) -> Result<(), AnchorLineFault> {
        let (record, comment) = line.split_once(';').unwrap_or((line, ""));
        let mut fields = record.split_ascii_whitespace().peekable();
        let Some(owner) = fields.next() else {
            return self.read_comment(comment);
        };
        let zone = ZoneName::parse(owner)?;
        match &self.zone {
            Some(expected) if *expected != zone => {
                return Err(AnchorLineFault::OtherZone {
                    found: zone,
                    expected: expected.clone(),
                });
            }
            _ => self.zone = Some(zone),
        }
        while fields
            .next_if(|field| field.eq_ignore_ascii_case("IN") || field.parse::<u32>().is_ok())
            .is_some()
        {}
        let record = match fields.next().map(str::to_ascii_uppercase).as_deref() {
            Some("DS") => read_ds(fields)?,
            Some("DNSKEY") => read_dnskey(fields)?,
            _ => return Err(AnchorLineFault::Syntax),
        };
        if self.records.len() == ANCHOR_RECORDS_MAX {
            return Err(AnchorLineFault::TooMany);
        }
        self.records.push(record);
        Ok(())
    }

    fn read_comment(&mut self, comment: &str) -> Result<(), AnchorLineFault> {
        let Some(value) = comment.trim().strip_prefix(LIFETIME_COMMENT) else {
            return Ok(());
        };
        let secs = value
            .trim()
            .parse()
            .map_err(|_| AnchorLineFault::LifetimeMax)?;
        match self.lifetime_max_secs.replace(secs) {
            None => Ok(()),
            Some(_) => Err(AnchorLineFault::LifetimeMax),
        }
    }

    fn finish(self) -> Option<ZoneAnchor> {
        let zone = self.zone?;
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(zone.wire());
        for record in &self.records {
            let (kind, octets) = match record {
                AnchorRecord::Dnskey { rdata } => (0, rdata),
                AnchorRecord::Ds {
                    digest_type,
                    digest,
                    ..
                } => (*digest_type as u8, digest),
            };
            // A DNSKEY of ours has 68 octets, a digest 32 or 48.
            context.update(&[kind, octets.len() as u8]);
            context.update(octets);
        }
        let digest = context.finish().as_ref().try_into();
        Some(ZoneAnchor {
            zone,
            records: self.records,
            lifetime_max_secs: self.lifetime_max_secs,
            digest: digest.expect("SHA-256 has 32 octets"),
        })
    }
}

fn read_ds<'a>(mut fields: impl Iterator<Item = &'a str>) -> Result<AnchorRecord, AnchorLineFault> {
    let key_tag = read_number(fields.next())?;
    let algorithm = read_number(fields.next())?;
    let digest_type: u8 = read_number(fields.next())?;
    if algorithm != ALGORITHM_ECDSA_P256 {
        return Err(AnchorLineFault::Algorithm { algorithm });
    }
    let digest_type = match digest_type {
        2 => DigestType::Sha256,
        4 => DigestType::Sha384,
        digest_type => return Err(AnchorLineFault::DigestType { digest_type }),
    };
    let octets = digest_type.algorithm().output_len();
    let text: String = fields.collect();
    let digest = read_hexadecimal(&text).filter(|digest| digest.len() == octets);
    Ok(AnchorRecord::Ds {
        key_tag,
        digest_type,
        digest: digest.ok_or(AnchorLineFault::Digest { octets })?,
    })
}

fn read_dnskey<'a>(
    mut fields: impl Iterator<Item = &'a str>,
) -> Result<AnchorRecord, AnchorLineFault> {
    let flags: u16 = read_number(fields.next())?;
    let protocol: u8 = read_number(fields.next())?;
    let algorithm: u8 = read_number(fields.next())?;
    let text: String = fields.collect();
    let key = BASE64_STANDARD
        .decode(text)
        .map_err(|_| AnchorLineFault::Base64)?;
    let mut rdata = flags.to_be_bytes().to_vec();
    rdata.extend_from_slice(&[protocol, algorithm]);
    rdata.extend_from_slice(&key);
    match ZoneKey::parse(&rdata) {
        Ok(_) => Ok(AnchorRecord::Dnskey { rdata }),
        Err(KeyFlaw::Algorithm { algorithm }) => Err(AnchorLineFault::Algorithm { algorithm }),
        Err(flaw) => Err(AnchorLineFault::Key(flaw)),
    }
}

fn read_number<T: std::str::FromStr>(field: Option<&str>) -> Result<T, AnchorLineFault> {
    field
        .and_then(|field| field.parse().ok())
        .ok_or(AnchorLineFault::Syntax)
}

fn read_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |octet: u8| char::from(octet).to_digit(16);
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    // Two hexadecimal digits are at most 255.
    let octet = |pair: &[u8; 2]| Some((digit(pair[0])? * 16 + digit(pair[1])?) as u8);
    pairs.iter().map(octet).collect()
}
