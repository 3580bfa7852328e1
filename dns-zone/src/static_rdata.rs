//! RDATA of static records: from the fields of a line to canonical octets.

use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::{RData, RecordType};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder};

use crate::record_type::{TYPE_A, TYPE_AAAA, TYPE_CAA, TYPE_HTTPS, TYPE_TLSA, TYPE_TXT};
use crate::token::Token;

/// Octets of a character string (RFC 1035 §3.3).
const STRING_OCTETS_MAX: usize = 255;

/// Makes RDATA of one of the types that static records may have.
pub(crate) fn parse(record_type: u16, fields: &[Token]) -> Result<Vec<u8>, String> {
    match record_type {
        TYPE_A => Ok(address::<Ipv4Addr>(fields)?.octets().to_vec()),
        TYPE_AAAA => Ok(address::<Ipv6Addr>(fields)?.octets().to_vec()),
        TYPE_TXT => text(fields),
        TYPE_TLSA => tlsa(fields),
        TYPE_CAA => caa(fields),
        TYPE_HTTPS => https(fields),
        other => Err(format!("type {other} is not a static one")),
    }
}

fn address<A: std::str::FromStr>(fields: &[Token]) -> Result<A, String> {
    let [field] = fields else {
        return Err("an address record has one field".into());
    };
    let field = field.word()?;
    field
        .parse()
        .map_err(|_| format!("{field} is not an address of this type"))
}

fn text(fields: &[Token]) -> Result<Vec<u8>, String> {
    if fields.is_empty() {
        return Err("a TXT record has at least one text".into());
    }
    let mut rdata = Vec::new();
    for field in fields {
        let octets = octets(field)?;
        if octets.len() > STRING_OCTETS_MAX {
            return Err("a text has at most 255 octets; write several".into());
        }
        rdata.push(octets.len() as u8);
        rdata.extend_from_slice(octets);
    }
    Ok(rdata)
}

fn tlsa(fields: &[Token]) -> Result<Vec<u8>, String> {
    let [usage, selector, matching, data @ ..] = fields else {
        return Err("a TLSA record has four fields".into());
    };
    let mut rdata = vec![
        number(usage, 3)?,
        number(selector, 1)?,
        number(matching, 2)?,
    ];
    let mut digits = String::new();
    for field in data {
        digits.push_str(field.word()?);
    }
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return Err("certificate data is an even number of hexadecimal digits".into());
    }
    for pair in digits.as_bytes().chunks(2) {
        let value = |digit: u8| {
            char::from(digit)
                .to_digit(16)
                .ok_or("certificate data is hexadecimal")
        };
        // Two hexadecimal digits are at most 255.
        rdata.push((value(pair[0])? * 16 + value(pair[1])?) as u8);
    }
    let expected = match rdata[2] {
        1 => 32,
        2 => 64,
        _ => digits.len() / 2,
    };
    // A digest of the length that its matching type says; short data is accepted by nobody.
    if digits.len() / 2 != expected {
        return Err(format!("matching type {} has {expected} octets", rdata[2]));
    }
    Ok(rdata)
}

fn caa(fields: &[Token]) -> Result<Vec<u8>, String> {
    let [flags, tag, value] = fields else {
        return Err("a CAA record has three fields".into());
    };
    let tag = tag.word()?.as_bytes();
    let well_formed = tag.iter().all(u8::is_ascii_alphanumeric);
    if !well_formed || !(1..=15).contains(&tag.len()) {
        return Err("a CAA tag is 1 to 15 letters and digits".into());
    }
    let mut rdata = vec![number(flags, 255)?, tag.len() as u8];
    rdata.extend_from_slice(tag);
    rdata.extend_from_slice(octets(value)?);
    Ok(rdata)
}

/// Service parameters have many forms, so hickory reads them and we take its canonical octets.
fn https(fields: &[Token]) -> Result<Vec<u8>, String> {
    let mut text = String::new();
    for field in fields {
        // Values in quotes are read as part of their word; hickory does the same.
        match field {
            Token::Word(word) => {
                if !text.is_empty() {
                    text.push(' ');
                }
                text.push_str(word);
            }
            Token::Quoted(octets) => {
                let value = std::str::from_utf8(octets)
                    .ok()
                    .filter(|value| value.bytes().all(|octet| octet.is_ascii_graphic()))
                    .ok_or("service parameters are printable ASCII without spaces")?;
                text.push_str(value);
            }
        }
    }
    if text.contains(['\\', '"']) {
        return Err("service parameters are written without escapes".into());
    }
    let rdata = RData::try_from_str(RecordType::HTTPS, &text).map_err(|error| error.to_string())?;
    let mut octets = Vec::new();
    let mut encoder = BinEncoder::new(&mut octets);
    encoder.set_canonical_form(true);
    rdata
        .emit(&mut encoder)
        .map_err(|error| error.to_string())?;
    Ok(octets)
}

fn octets(field: &Token) -> Result<&[u8], String> {
    match field {
        Token::Quoted(octets) => Ok(octets),
        Token::Word(word) if word.contains('\\') => Err("escapes stand inside quotes".into()),
        Token::Word(word) => Ok(word.as_bytes()),
    }
}

fn number(field: &Token, max: u8) -> Result<u8, String> {
    let field = field.word()?;
    field
        .parse()
        .ok()
        .filter(|number| *number <= max)
        .ok_or_else(|| format!("{field} is not a number from 0 to {max}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::tokens;

    fn rdata(record_type: u16, text: &str) -> Result<Vec<u8>, String> {
        parse(record_type, &tokens(text).unwrap())
    }

    #[test]
    fn fields_become_octets() {
        assert_eq!(rdata(TYPE_A, "192.0.2.1"), Ok(vec![192, 0, 2, 1]));
        assert_eq!(rdata(TYPE_TXT, "a \"b c\""), Ok(b"\x01a\x03b c".to_vec()));
        assert_eq!(
            rdata(TYPE_CAA, "128 issue \"ca.example\""),
            Ok(b"\x80\x05issueca.example".to_vec())
        );
        let hash = "0f".repeat(32);
        let mut tlsa = vec![3, 1, 1];
        tlsa.extend([0x0f; 32]);
        assert_eq!(rdata(TYPE_TLSA, &format!("3 1 1 {hash}")), Ok(tlsa));
        assert_eq!(
            rdata(TYPE_HTTPS, "1 . alpn=\"h2\" port=8444"),
            Ok(b"\0\x01\0\0\x01\0\x03\x02h2\0\x03\0\x02\x20\xfc".to_vec())
        );
        assert_eq!(
            rdata(TYPE_HTTPS, "0 API.Example."),
            Ok(b"\0\0\x03API\x07Example\0".to_ascii_lowercase())
        );
    }

    #[test]
    fn fields_that_do_not_fit_are_refused() {
        let long = format!("\"{}\"", "x".repeat(256));
        for (record_type, text) in [
            (TYPE_A, "192.0.2"),
            (TYPE_A, "192.0.2.1 192.0.2.2"),
            (TYPE_A, ""),
            (TYPE_AAAA, "192.0.2.1"),
            (TYPE_TXT, ""),
            (TYPE_TXT, &long),
            (TYPE_TXT, "a\\b"),
            (TYPE_TLSA, "3 1 1"),
            (TYPE_TLSA, "3 1 1 abc"),
            (TYPE_TLSA, "3 1 1 zz"),
            (TYPE_TLSA, "3 1 1 aabb"),
            (TYPE_TLSA, "4 1 1 aabb"),
            (TYPE_CAA, "0 issue"),
            (TYPE_CAA, "0 is-sue x"),
            (TYPE_CAA, "256 issue x"),
            (TYPE_CAA, "0 issue x y"),
            (TYPE_HTTPS, "x"),
            (TYPE_HTTPS, "1 . port=99999"),
        ] {
            assert!(rdata(record_type, text).is_err(), "{record_type} {text}");
        }
    }
}
