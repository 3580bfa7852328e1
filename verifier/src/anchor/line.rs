//! Lines of anchor files: DS and DNSKEY records in presentation form (RFC 4034 §2.2, §5.3).

use base64::prelude::*;
use iot_identity::{ZoneName, ZoneNameError};
use thiserror::Error;

use super::ANCHOR_RECORDS_MAX;
use super::zone::LIFETIME_COMMENT;
use crate::dnskey::{KeyFlaw, ZoneKey};
use crate::public_key::Algorithms;
use crate::trusted_key::{DigestType, TrustedKey};

/// What is wrong with one line of an anchor file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AnchorLineFault {
    /// Not `<zone> [TTL] [IN] DS|DNSKEY <fields>`.
    #[error("not a DS or DNSKEY record in presentation form on one line")]
    Syntax,
    /// The owner cannot be the registry's zone.
    #[error("the owner cannot be a registry's zone: {0}")]
    Zone(#[from] ZoneNameError),
    /// Another owner than the root, in a file about the root.
    #[error("the owner is not the root")]
    NotRoot,
    /// Another zone than the lines before.
    #[error("the owner is {found}, but the lines before are about {expected}")]
    OtherZone {
        /// Owner of this line.
        found: ZoneName,
        /// Owner of the lines before.
        expected: ZoneName,
    },
    /// A key algorithm other than 13; for the root, than 8, 10, 13, 14 and 15.
    #[error(
        "key algorithm {algorithm}, which is not accepted here; the registry's zone has 13 (ECDSA P-256 with SHA-256)"
    )]
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

/// A line without its parts being judged.
pub(super) enum AnchorLine<'a> {
    /// A record: its owner, and what follows.
    Record {
        owner: &'a str,
        fields: std::str::SplitAsciiWhitespace<'a>,
    },
    /// Nothing but a comment, which may be empty.
    Comment(&'a str),
}

pub(super) fn split(line: &str) -> AnchorLine<'_> {
    let (record, comment) = line.split_once(';').unwrap_or((line, ""));
    let mut fields = record.split_ascii_whitespace();
    match fields.next() {
        Some(owner) => AnchorLine::Record { owner, fields },
        None => AnchorLine::Comment(comment),
    }
}

/// Reads what stands behind the owner: TTL and class, which may be left out, type, fields.
pub(super) fn read_key(
    fields: std::str::SplitAsciiWhitespace<'_>,
    algorithms: Algorithms,
) -> Result<TrustedKey, AnchorLineFault> {
    let mut fields = fields.peekable();
    while fields
        .next_if(|field| field.eq_ignore_ascii_case("IN") || field.parse::<u32>().is_ok())
        .is_some()
    {}
    match fields.next().map(str::to_ascii_uppercase).as_deref() {
        Some("DS") => read_ds(fields, algorithms),
        Some("DNSKEY") => read_dnskey(fields, algorithms),
        _ => Err(AnchorLineFault::Syntax),
    }
}

fn read_ds<'a>(
    mut fields: impl Iterator<Item = &'a str>,
    algorithms: Algorithms,
) -> Result<TrustedKey, AnchorLineFault> {
    let key_tag = read_number(fields.next())?;
    let algorithm = read_number(fields.next())?;
    let digest_type: u8 = read_number(fields.next())?;
    if !algorithms.has(algorithm) {
        return Err(AnchorLineFault::Algorithm { algorithm });
    }
    let digest_type =
        DigestType::from_number(digest_type).ok_or(AnchorLineFault::DigestType { digest_type })?;
    let octets = digest_type.octets();
    let text: String = fields.collect();
    let digest = read_hexadecimal(&text).filter(|digest| digest.len() == octets);
    Ok(TrustedKey::Ds {
        key_tag,
        algorithm,
        digest_type,
        digest: digest.ok_or(AnchorLineFault::Digest { octets })?,
    })
}

fn read_dnskey<'a>(
    mut fields: impl Iterator<Item = &'a str>,
    algorithms: Algorithms,
) -> Result<TrustedKey, AnchorLineFault> {
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
    match ZoneKey::parse(&rdata, algorithms) {
        Ok(_) => Ok(TrustedKey::Dnskey { rdata }),
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
