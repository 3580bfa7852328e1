//! The static records file: the few records beside the devices, one master-file line each.
//!
//! Addresses of name servers, TLSA of listeners, CAA, TXT and HTTPS, at or below the apex. What the
//! registry decides itself (SOA, NS, keys, devices) and what the verifier does not have to
//! understand (wildcards, aliases, delegations) is refused.
//!
//! Maxima: 256 KiB of text, 4,096 octets a line, 1,000 records, 32 records and 4,096 octets of
//! RDATA an RRset, so that every RRset with its signature fits into a stream answer and a whole
//! RRset can be signed without a thought.

use std::collections::BTreeMap;

use iot_identity::{DeviceId, ZoneName};
use thiserror::Error;

use crate::host_name;
use crate::name::NameKey;
use crate::record_type::{TYPE_A, TYPE_AAAA, TYPE_CAA, TYPE_HTTPS, TYPE_TLSA, TYPE_TXT};
use crate::static_rdata;
use crate::token::{Token, tokens};

const TEXT_OCTETS_MAX: usize = 256 * 1024;
const LINE_OCTETS_MAX: usize = 4096;
const RECORDS_MAX: usize = 1000;
const RRSET_RECORDS_MAX: usize = 32;
const RRSET_OCTETS_MAX: usize = 4096;
/// RFC 2181 §8.
const TTL_SECS_MAX: u32 = i32::MAX as u32;

/// Records that the operator wrote down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StaticRecords {
    pub(crate) rrsets: BTreeMap<(NameKey, u16), StaticRrset>,
}

/// An RRset that the operator wrote down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StaticRrset {
    /// TTL as written; the zone's own TTL caps it and stands in for it.
    pub(crate) ttl_secs: Option<u32>,
    /// RDATA octets in canonical form and order, without duplicates.
    pub(crate) rdatas: Vec<Vec<u8>>,
}

/// A line that cannot be published.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("static records, line {line}: {reason}")]
pub struct StaticRecordError {
    /// Number of the line, from 1.
    pub line: usize,
    /// What is wrong, as a sentence part.
    pub reason: String,
}

impl StaticRecords {
    /// Reads the file: `<name> [<TTL>] [IN] <type> <RDATA>` a line, comments after `;`. Names
    /// without final dot are below the apex, `@` is the apex.
    ///
    /// # Errors
    /// Names the first line that cannot be published and why.
    pub fn parse(text: &str, apex: &ZoneName) -> Result<Self, StaticRecordError> {
        if text.len() > TEXT_OCTETS_MAX {
            return Err(StaticRecordError {
                line: 1,
                reason: format!("the file has more than {TEXT_OCTETS_MAX} octets"),
            });
        }
        let mut records = Self::default();
        let mut count = 0;
        for (index, line) in text.lines().enumerate() {
            let at_line = |reason| StaticRecordError {
                line: index + 1,
                reason,
            };
            let Some(record) = parse_line(line, apex).map_err(at_line)? else {
                continue;
            };
            count += 1;
            if count > RECORDS_MAX {
                return Err(at_line(format!("more than {RECORDS_MAX} records")));
            }
            records.insert(record).map_err(at_line)?;
        }
        Ok(records)
    }

    /// Number of RRsets.
    pub fn len(&self) -> usize {
        self.rrsets.len()
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.rrsets.is_empty()
    }

    /// Whether a name has an address.
    pub(crate) fn has_address(&self, key: &NameKey) -> bool {
        [TYPE_A, TYPE_AAAA]
            .into_iter()
            .any(|record_type| self.rrsets.contains_key(&(key.clone(), record_type)))
    }

    fn insert(&mut self, record: Record) -> Result<(), String> {
        let key = (record.owner, record.record_type);
        let rrset = self.rrsets.entry(key).or_insert_with(|| StaticRrset {
            ttl_secs: record.ttl_secs,
            rdatas: Vec::new(),
        });
        if rrset.ttl_secs != record.ttl_secs {
            return Err("records of one name and type have one TTL (RFC 2181)".into());
        }
        match rrset.rdatas.binary_search(&record.rdata) {
            Ok(_) => return Err("the same record stands in an earlier line".into()),
            Err(position) => rrset.rdatas.insert(position, record.rdata),
        }
        let octets: usize = rrset.rdatas.iter().map(Vec::len).sum();
        if rrset.rdatas.len() > RRSET_RECORDS_MAX || octets > RRSET_OCTETS_MAX {
            return Err(format!(
                "more than {RRSET_RECORDS_MAX} records or {RRSET_OCTETS_MAX} octets of one name and type"
            ));
        }
        Ok(())
    }
}

struct Record {
    owner: NameKey,
    record_type: u16,
    ttl_secs: Option<u32>,
    rdata: Vec<u8>,
}

/// Reads a line; `None` for an empty one.
fn parse_line(line: &str, apex: &ZoneName) -> Result<Option<Record>, String> {
    if line.len() > LINE_OCTETS_MAX {
        return Err(format!("longer than {LINE_OCTETS_MAX} octets"));
    }
    let tokens = tokens(line)?;
    let Some((name, mut rest)) = tokens.split_first() else {
        return Ok(None);
    };
    if line.starts_with([' ', '\t']) {
        return Err("a line starts with its name".into());
    }
    let owner = parse_owner(name.word()?, apex)?;
    let mut ttl_secs = None;
    let mut class_seen = false;
    let record_type = loop {
        let (field, after) = rest.split_first().ok_or("the record has no type")?;
        rest = after;
        let field = field.word()?;
        if field.starts_with(|character: char| character.is_ascii_digit()) && ttl_secs.is_none() {
            ttl_secs = Some(parse_ttl(field)?);
        } else if field.eq_ignore_ascii_case("IN") && !class_seen {
            class_seen = true;
        } else {
            break parse_type(field)?;
        }
    };
    let rdata = static_rdata::parse(record_type, rest)?;
    Ok(Some(Record {
        owner,
        record_type,
        ttl_secs,
        rdata,
    }))
}

fn parse_owner(text: &str, apex: &ZoneName) -> Result<NameKey, String> {
    if text.starts_with('$') {
        return Err(format!("directives such as {text} are not supported"));
    }
    if text == "@" {
        return Ok(NameKey::apex());
    }
    if text.split('.').any(|label| label == "*") {
        return Err("wildcards are not published: the verifier knows none".into());
    }
    let absolute = if text.ends_with('.') {
        text.to_owned()
    } else {
        format!("{text}.{apex}.")
    };
    let labels = host_name::labels(&absolute).map_err(|error| error.to_string())?;
    let apex_labels = usize::from(apex.label_count());
    let below = labels.len().checked_sub(apex_labels);
    let below = below.filter(|below| host_name::wire(&labels[*below..]) == apex.wire());
    let below = &labels[..below.ok_or_else(|| format!("{text} is not in the zone {apex}"))?];
    for label in below {
        let label = String::from_utf8_lossy(label);
        if DeviceId::parse(&label).is_ok() {
            return Err(format!(
                "{label} is a device id: names of devices are not static"
            ));
        }
    }
    Ok(NameKey::from_labels(below.iter().map(Vec::as_slice)))
}

fn parse_ttl(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|ttl_secs| *ttl_secs <= TTL_SECS_MAX)
        .ok_or_else(|| format!("{text} is not a TTL in seconds"))
}

fn parse_type(text: &str) -> Result<u16, String> {
    let upper = text.to_ascii_uppercase();
    Ok(match upper.as_str() {
        "A" => TYPE_A,
        "AAAA" => TYPE_AAAA,
        "TLSA" => TYPE_TLSA,
        "CAA" => TYPE_CAA,
        "TXT" => TYPE_TXT,
        "HTTPS" => TYPE_HTTPS,
        "CNAME" | "DNAME" => {
            return Err(format!(
                "{upper}: aliases are not published: the verifier knows none"
            ));
        }
        "NS" | "DS" => {
            return Err(format!(
                "{upper}: the zone delegates nothing; its own name servers stand in the configuration"
            ));
        }
        "SOA" | "DNSKEY" | "CDS" | "CDNSKEY" | "RRSIG" | "NSEC" | "CERT" => {
            return Err(format!("{upper}: the registry makes these records itself"));
        }
        _ => {
            return Err(format!(
                "{text} is not one of the types A, AAAA, TLSA, CAA, TXT, HTTPS"
            ));
        }
    })
}

impl Token {
    /// The token as a field that may not be quoted.
    pub(crate) fn word(&self) -> Result<&str, String> {
        match self {
            Self::Word(word) => Ok(word),
            Self::Quoted(_) => Err("a quoted text stands where a word is expected".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<StaticRecords, StaticRecordError> {
        StaticRecords::parse(text, &ZoneName::parse("iotregistry.example").unwrap())
    }

    fn key(labels: &[&[u8]]) -> NameKey {
        NameKey::from_labels(labels.iter().copied())
    }

    #[test]
    fn records_at_and_below_the_apex_are_read() {
        let records = parse(
            "; name servers\n\
             ns1 IN A 192.0.2.1\n\
             NS1.iotregistry.example. A 192.0.2.2 ; second\n\
             ns1 300 IN AAAA 2001:db8::1\n\n\
             @ CAA 0 issue \"ca.example; policy=1\"\n\
             _853._tcp.ns1 TLSA 3 1 0 aabb CCDD\n",
        )
        .unwrap();
        assert_eq!(records.len(), 4);
        let ns1 = key(&[b"ns1"]);
        let addresses = &records.rrsets[&(ns1.clone(), TYPE_A)];
        assert_eq!(addresses.rdatas, [vec![192, 0, 2, 1], vec![192, 0, 2, 2]]);
        assert_eq!(
            records.rrsets[&(ns1.clone(), TYPE_AAAA)].ttl_secs,
            Some(300)
        );
        assert!(records.has_address(&ns1) && !records.has_address(&NameKey::apex()));
        let tlsa = &records.rrsets[&(key(&[b"_853", b"_tcp", b"ns1"]), TYPE_TLSA)];
        assert_eq!(tlsa.rdatas, [vec![3, 1, 0, 0xaa, 0xbb, 0xcc, 0xdd]]);
    }

    #[test]
    fn what_the_zone_must_not_hold_is_refused_with_its_line() {
        for (line, reason) in [
            ("* A 192.0.2.1", "wildcards"),
            ("x.*.y A 192.0.2.1", "wildcards"),
            ("www CNAME host", "aliases"),
            ("www DNAME host.", "aliases"),
            ("sub NS ns1.sub", "delegates"),
            ("@ NS ns1", "delegates"),
            ("sub DS 1 13 2 00", "delegates"),
            ("@ SOA a b 1 2 3 4 5", "itself"),
            ("@ DNSKEY 257 3 13 AAAA", "itself"),
            ("x CERT 1 1 0 AAAA", "itself"),
            ("x MX 10 mail", "not one of the types"),
            ("x.example.org. A 192.0.2.1", "not in the zone"),
            ("xiotregistry.example. A 192.0.2.1", "not in the zone"),
            ("89049032123451234512345678901235 TXT x", "device id"),
            ("1.8912230200031010008F TXT x", "device id"),
            ("_a.1.8912230200031010008f TXT x", "device id"),
            ("$ORIGIN example.", "directives"),
            ("$INCLUDE /etc/passwd", "directives"),
            (" A 192.0.2.1", "starts with its name"),
            ("x CH A 192.0.2.1", "not one of the types"),
            ("x 99999999999 A 192.0.2.1", "TTL"),
            ("x 1h A 192.0.2.1", "TTL"),
            ("x IN", "no type"),
            ("x\\.y A 192.0.2.1", "not a name"),
            ("\"x\" A 192.0.2.1", "quoted"),
            ("x TXT ( a", "parenthes"),
        ] {
            let error = parse(&format!("ns1 A 192.0.2.1\n{line}")).unwrap_err();
            assert_eq!(error.line, 2, "{line}");
            assert!(error.reason.contains(reason), "{line}: {error}");
        }
    }

    #[test]
    fn maxima_hold() {
        let mut many = String::new();
        for index in 0..=RECORDS_MAX {
            many.push_str(&format!("h{index} A 192.0.2.1\n"));
        }
        assert!(parse(&many).unwrap_err().reason.contains("1000 records"));
        let mut wide = String::new();
        for index in 0..=RRSET_RECORDS_MAX {
            wide.push_str(&format!("h A 192.0.2.{index}\n"));
        }
        assert!(parse(&wide).unwrap_err().reason.contains("32 records"));
        let long = format!("h TXT {}", "\"x\" ".repeat(LINE_OCTETS_MAX / 4));
        assert!(parse(&long).unwrap_err().reason.contains("longer"));
        assert!(parse(&" ".repeat(TEXT_OCTETS_MAX + 1)).is_err());
        assert!(
            parse("h A 192.0.2.1\nh 5 A 192.0.2.2")
                .unwrap_err()
                .reason
                .contains("one TTL")
        );
        assert!(
            parse("h A 192.0.2.1\nh A 192.0.2.1")
                .unwrap_err()
                .reason
                .contains("earlier")
        );
    }
}
