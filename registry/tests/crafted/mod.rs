//! Certificate requests made octet by octet (X.690, RFC 2986), so that every part of one can be
//! wrong on its own while the signature over it is right.

#![allow(dead_code, unreachable_pub)] // every test uses its part

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

pub const EC_PUBLIC_KEY: &[u64] = &[1, 2, 840, 10045, 2, 1];
pub const P256: &[u64] = &[1, 2, 840, 10045, 3, 1, 7];
pub const ECDSA_WITH_SHA256: &[u64] = &[1, 2, 840, 10045, 4, 3, 2];
pub const COMMON_NAME: &[u64] = &[2, 5, 4, 3];
pub const EXTENSION_REQUEST: &[u64] = &[1, 2, 840, 113549, 1, 9, 14];
pub const CHALLENGE_PASSWORD: &[u64] = &[1, 2, 840, 113549, 1, 9, 7];
pub const KEY_USAGE: &[u64] = &[2, 5, 29, 15];
pub const ALTERNATIVE_NAME: &[u64] = &[2, 5, 29, 17];
pub const BASIC_CONSTRAINTS: &[u64] = &[2, 5, 29, 19];
pub const EXTENDED_KEY_USAGE: &[u64] = &[2, 5, 29, 37];
pub const ANY_USAGE: &[u64] = &[2, 5, 29, 37, 0];
pub const SERVER_AUTHENTICATION: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 3, 1];
pub const CLIENT_AUTHENTICATION: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 3, 2];

pub const UTF8_STRING: u8 = 0x0c;
pub const RFC822_NAME: u8 = 0x81;
pub const DNS_NAME: u8 = 0x82;
pub const URI: u8 = 0x86;
pub const IP_ADDRESS: u8 = 0x87;

/// A value with a definite, minimal length.
pub fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut octets = vec![tag];
    match length {
        0..0x80 => octets.push(length as u8),
        0x80..0x100 => octets.extend([0x81, length as u8]),
        _ => octets.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    octets.extend_from_slice(content);
    octets
}

pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    value(0x30, &parts.concat())
}

pub fn set(parts: &[&[u8]]) -> Vec<u8> {
    value(0x31, &parts.concat())
}

pub fn bit_string(unused_bits: u8, octets: &[u8]) -> Vec<u8> {
    value(0x03, &[&[unused_bits], octets].concat())
}

pub fn oid(arcs: &[u64]) -> Vec<u8> {
    let mut content = vec![(arcs[0] * 40 + arcs[1]) as u8];
    for &arc in &arcs[2..] {
        let digits = (0..10).rev().map(|place| (arc >> (7 * place)) & 0x7f);
        let mut digits: Vec<u8> = digits
            .skip_while(|digit| *digit == 0)
            .map(|digit| digit as u8 | 0x80)
            .collect();
        if digits.is_empty() {
            digits.push(0);
        }
        *digits.last_mut().unwrap() &= 0x7f;
        content.extend(digits);
    }
    value(0x06, &content)
}

/// A request before it is signed. Every part is what stands in the DER.
#[derive(Clone)]
pub struct Draft {
    pub version: Vec<u8>,
    pub subject: Vec<u8>,
    pub key: Vec<u8>,
    pub attributes: Vec<Vec<u8>>,
    pub signature_algorithm: Vec<u8>,
    pub unused_signature_bits: u8,
    /// The private key that signs, whatever `key` says.
    pub pkcs8: Vec<u8>,
}

impl Draft {
    /// What `openssl req -new -subj /CN=device` would ask for, with a new key.
    pub fn new() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let mut draft = Self {
            version: value(0x02, &[0]),
            subject: Vec::new(),
            key: Vec::new(),
            attributes: Vec::new(),
            signature_algorithm: sequence(&[&oid(ECDSA_WITH_SHA256)]),
            unused_signature_bits: 0,
            pkcs8: pkcs8.as_ref().to_vec(),
        };
        draft.key = key_info(&oid(P256), &draft.point());
        draft.common_name(UTF8_STRING, b"device")
    }

    fn pair(&self) -> EcdsaKeyPair {
        let random = SystemRandom::new();
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &self.pkcs8, &random).unwrap()
    }

    /// The uncompressed point of the key that signs.
    pub fn point(&self) -> Vec<u8> {
        self.pair().public_key().as_ref().to_vec()
    }

    /// A subject of this common name only.
    pub fn common_name(mut self, string_tag: u8, text: &[u8]) -> Self {
        let attribute = sequence(&[&oid(COMMON_NAME), &value(string_tag, text)]);
        self.subject = sequence(&[&set(&[&attribute])]);
        self
    }

    pub fn attribute(mut self, arcs: &[u64], values: &[&[u8]]) -> Self {
        self.attributes.push(sequence(&[&oid(arcs), &set(values)]));
        self
    }

    /// Asks for one extension.
    pub fn extension(self, arcs: &[u64], content: &[u8]) -> Self {
        let extension = sequence(&[&oid(arcs), &value(0x04, content)]);
        self.attribute(EXTENSION_REQUEST, &[&sequence(&[&extension])])
    }

    pub fn critical_extension(self, arcs: &[u64], content: &[u8]) -> Self {
        let extension = sequence(&[&oid(arcs), &[0x01, 0x01, 0xff], &value(0x04, content)]);
        self.attribute(EXTENSION_REQUEST, &[&sequence(&[&extension])])
    }

    /// Asks for one subject alternative name.
    pub fn alternative_name(self, tag: u8, name: &[u8]) -> Self {
        self.extension(ALTERNATIVE_NAME, &alternative_names(&[(tag, name)]))
    }

    pub fn key_usage(self, unused_bits: u8, bits: u8) -> Self {
        self.extension(KEY_USAGE, &bit_string(unused_bits, &[bits]))
    }

    pub fn extended_key_usage(self, usages: &[&[u64]]) -> Self {
        let usages: Vec<u8> = usages.iter().flat_map(|arcs| oid(arcs)).collect();
        self.extension(EXTENDED_KEY_USAGE, &value(0x30, &usages))
    }

    /// CertificationRequestInfo (RFC 2986 §4.1).
    pub fn info(&self) -> Vec<u8> {
        let attributes = value(0xa0, &self.attributes.concat());
        sequence(&[&self.version, &self.subject, &self.key, &attributes])
    }

    /// Signs it.
    pub fn der(&self) -> Vec<u8> {
        let info = self.info();
        let signature = self.pair().sign(&SystemRandom::new(), &info).unwrap();
        let signature = bit_string(self.unused_signature_bits, signature.as_ref());
        sequence(&[&info, &self.signature_algorithm, &signature])
    }
}

/// Content of the extension subjectAltName.
pub fn alternative_names(names: &[(u8, &[u8])]) -> Vec<u8> {
    let names: Vec<u8> = names
        .iter()
        .flat_map(|(tag, name)| value(*tag, name))
        .collect();
    value(0x30, &names)
}

/// SubjectPublicKeyInfo of an elliptic curve key (RFC 5480 §2).
pub fn key_info(curve: &[u8], point: &[u8]) -> Vec<u8> {
    let algorithm = sequence(&[&oid(EC_PUBLIC_KEY), curve]);
    sequence(&[&algorithm, &bit_string(0, point)])
}

/// One PEM block (RFC 7468).
pub fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(64) {
        text.push_str(std::str::from_utf8(line).unwrap());
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}
