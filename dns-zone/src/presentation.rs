//! Names, times and RDATA as master files write them.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::nsec;
use crate::record_type::{
    TYPE_A, TYPE_AAAA, TYPE_CAA, TYPE_CDNSKEY, TYPE_CDS, TYPE_CERT, TYPE_DNSKEY, TYPE_NS,
    TYPE_NSEC, TYPE_RRSIG, TYPE_SOA, TYPE_TLSA, TYPE_TXT, mnemonic,
};
use crate::rrsig::Fields;

/// An uncompressed name with its final dot; octets that mean something else are escaped.
pub(crate) fn name(wire: &[u8]) -> String {
    let mut text = String::with_capacity(wire.len());
    let mut rest = wire;
    while let [length @ 1..=63, after @ ..] = rest {
        let (label, after) = after.split_at(usize::from(*length).min(after.len()));
        for octet in label {
            match octet {
                b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => {
                    text.push('\\');
                    text.push(char::from(*octet));
                }
                0x21..=0x7e => text.push(char::from(*octet)),
                _ => push(&mut text, format_args!("\\{octet:03}")),
            }
        }
        text.push('.');
        rest = after;
    }
    if text.is_empty() {
        text.push('.');
    }
    text
}

/// Octets as lower-case hexadecimal digits.
pub(crate) fn hexadecimal(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len() * 2);
    for octet in octets {
        push(&mut text, format_args!("{octet:02x}"));
    }
    text
}

/// A signature time as YYYYMMDDHHmmSS (RFC 4034 §3.2).
pub(crate) fn time(time: u32) -> String {
    let (days, seconds) = (time / 86_400, time % 86_400);
    let (year, month, day) = civil_date(days);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
}

/// RDATA of a type; unknown types and octets that do not fit their type take the generic form
/// (RFC 3597 §5).
pub(crate) fn rdata(record_type: u16, rdata: &[u8]) -> String {
    known_rdata(record_type, rdata)
        .unwrap_or_else(|| format!("\\# {} {}", rdata.len(), hexadecimal(rdata)))
}

fn known_rdata(record_type: u16, rdata: &[u8]) -> Option<String> {
    match record_type {
        TYPE_A => Some(std::net::Ipv4Addr::from(<[u8; 4]>::try_from(rdata).ok()?).to_string()),
        TYPE_AAAA => Some(std::net::Ipv6Addr::from(<[u8; 16]>::try_from(rdata).ok()?).to_string()),
        TYPE_NS => Some(name(rdata)),
        TYPE_SOA => soa(rdata),
        TYPE_TXT => texts(rdata),
        TYPE_CERT => {
            let [type_high, type_low, tag_high, tag_low, algorithm, data @ ..] = rdata else {
                return None;
            };
            let cert_type = u16::from_be_bytes([*type_high, *type_low]);
            let tag = u16::from_be_bytes([*tag_high, *tag_low]);
            Some(format!(
                "{cert_type} {tag} {algorithm} {}",
                STANDARD.encode(data)
            ))
        }
        TYPE_TLSA => {
            let [usage, selector, matching, data @ ..] = rdata else {
                return None;
            };
            Some(format!(
                "{usage} {selector} {matching} {}",
                hexadecimal(data)
            ))
        }
        TYPE_CAA => {
            let [flags, length, rest @ ..] = rdata else {
                return None;
            };
            let (tag, value) = rest.split_at_checked(usize::from(*length))?;
            Some(format!(
                "{flags} {} {}",
                String::from_utf8_lossy(tag),
                quoted(value)
            ))
        }
        TYPE_DNSKEY | TYPE_CDNSKEY => {
            let [high, low, protocol, algorithm, key @ ..] = rdata else {
                return None;
            };
            let flags = u16::from_be_bytes([*high, *low]);
            Some(format!(
                "{flags} {protocol} {algorithm} {}",
                STANDARD.encode(key)
            ))
        }
        TYPE_CDS => {
            let [high, low, algorithm, digest_type, digest @ ..] = rdata else {
                return None;
            };
            let tag = u16::from_be_bytes([*high, *low]);
            Some(format!(
                "{tag} {algorithm} {digest_type} {}",
                hexadecimal(digest)
            ))
        }
        TYPE_NSEC => nsec_rdata(rdata),
        TYPE_RRSIG => rrsig(rdata),
        _ => None,
    }
}

fn soa(rdata: &[u8]) -> Option<String> {
    let (primary, rest) = split_name(rdata)?;
    let (contact, numbers) = split_name(rest)?;
    let mut text = format!("{} {}", name(primary), name(contact));
    for number in numbers.chunks(4) {
        let number = u32::from_be_bytes(number.try_into().ok()?);
        push(&mut text, format_args!(" {number}"));
    }
    Some(text)
}

fn texts(mut rdata: &[u8]) -> Option<String> {
    let mut texts = Vec::new();
    while let [length, rest @ ..] = rdata {
        let (text, rest) = rest.split_at_checked(usize::from(*length))?;
        texts.push(quoted(text));
        rdata = rest;
    }
    Some(texts.join(" "))
}

fn quoted(octets: &[u8]) -> String {
    let mut text = String::from("\"");
    for octet in octets {
        match octet {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(*octet));
            }
            0x20..=0x7e => text.push(char::from(*octet)),
            _ => push(&mut text, format_args!("\\{octet:03}")),
        }
    }
    text.push('"');
    text
}

fn nsec_rdata(rdata: &[u8]) -> Option<String> {
    let (next, bitmap) = split_name(rdata)?;
    let mut text = name(next);
    for record_type in nsec::parse_bitmap(bitmap)? {
        text.push(' ');
        text.push_str(&mnemonic(record_type));
    }
    Some(text)
}

fn rrsig(rdata: &[u8]) -> Option<String> {
    let (fixed, rest) = rdata.split_at_checked(Fields::FIXED_OCTETS)?;
    let (signer, signature) = split_name(rest)?;
    let number =
        |at: usize| u32::from_be_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
    let covered = u16::from_be_bytes([fixed[0], fixed[1]]);
    let tag = u16::from_be_bytes([fixed[16], fixed[17]]);
    Some(format!(
        "{} {} {} {} {} {} {tag} {} {}",
        mnemonic(covered),
        fixed[2],
        fixed[3],
        number(4),
        time(number(8)),
        time(number(12)),
        name(signer),
        STANDARD.encode(signature)
    ))
}

/// Splits an uncompressed name, root label included, from what follows.
pub(crate) fn split_name(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = 0;
    loop {
        let length = usize::from(*octets.get(at)?);
        if length > 63 {
            return None;
        }
        at += 1 + length;
        if length == 0 {
            return octets.split_at_checked(at);
        }
    }
}

/// Year, month and day of a number of days since 1970-01-01, in the Gregorian calendar.
fn civil_date(days: u32) -> (u32, u32, u32) {
    // Counted from 0000-03-01, so that the leap day ends a year and an era has 146,097 days.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = era * 400 + year_of_era + u32::from(month <= 2);
    (year, month, day)
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments)
        .expect("writing into a String does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_calendar_times() {
        for (seconds, text) in [
            (0, "19700101000000"),
            (951_782_400, "20000229000000"),
            (1_795_305_599, "20261121235959"),
            (u32::MAX, "21060207062815"),
        ] {
            assert_eq!(time(seconds), text);
        }
    }

    #[test]
    fn special_octets_are_escaped() {
        assert_eq!(name(b"\x04a.b\\\x01\x00\0"), "a\\.b\\\\.\\000.");
        assert_eq!(name(b"\0"), ".");
        assert_eq!(texts(b"\x03a\"\xff").unwrap(), "\"a\\\"\\255\"");
    }

    #[test]
    fn octets_that_do_not_fit_their_type_take_the_generic_form() {
        assert_eq!(rdata(TYPE_A, &[1, 2, 3]), "\\# 3 010203");
        assert_eq!(rdata(65, &[0, 1, 0]), "\\# 3 000100");
        assert_eq!(rdata(TYPE_TXT, &[5, b'a']), "\\# 2 0561");
    }
}
