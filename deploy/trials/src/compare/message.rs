//! Responses as values that can be compared: names written out in lower case, sections as sets.
//!
//! Strict: what cannot be read, or is left over behind the last record, is an error, since a server
//! that sends it is wrong. Knows the shapes of RDATA with names in them that occur in this zone and
//! may be compressed (NS, CNAME, SOA, PTR, MX); the others never contain compressed names
//! (RFC 3597 §4).

use std::collections::BTreeSet;
use std::fmt;

use anyhow::{Context, bail, ensure};

pub(super) const TYPE_NS: u16 = 2;
pub(super) const TYPE_SOA: u16 = 6;
pub(super) const TYPE_OPT: u16 = 41;
pub(super) const TYPE_RRSIG: u16 = 46;
pub(super) const TYPE_NSEC: u16 = 47;

const TYPE_CNAME: u16 = 5;
const TYPE_PTR: u16 = 12;
const TYPE_MX: u16 = 15;
/// Octets of RDATA that an error message shows.
const SHOWN_OCTETS_MAX: usize = 48;
const HEADER_OCTETS: usize = 12;
/// Octets of a name (RFC 1035 §2.3.4).
const NAME_OCTETS_MAX: usize = 255;

/// Bits of the header's second number.
pub(super) const FLAG_QR: u16 = 0x8000;
pub(super) const FLAG_AA: u16 = 0x0400;
pub(super) const FLAG_TC: u16 = 0x0200;
pub(super) const FLAG_RD: u16 = 0x0100;
pub(super) const FLAG_RA: u16 = 0x0080;
pub(super) const FLAG_Z: u16 = 0x0040;
pub(super) const FLAG_AD: u16 = 0x0020;
pub(super) const FLAG_CD: u16 = 0x0010;

/// A record without its TTL; names in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Record {
    /// Uncompressed wire octets.
    pub(super) owner: Vec<u8>,
    pub(super) record_type: u16,
    pub(super) class: u16,
    /// RDATA octets, names uncompressed.
    pub(super) rdata: Vec<u8>,
}

/// The records of one section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) records: BTreeSet<Record>,
    /// The same with their TTLs.
    pub(super) with_ttl: BTreeSet<(Record, u32)>,
    /// Whether a record was there twice.
    pub(super) has_duplicates: bool,
}

/// What the OPT record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edns {
    pub(super) payload_octets: u16,
    pub(super) version: u8,
    pub(super) flags: u16,
    /// Codes and octets.
    pub(super) options: Vec<(u16, Vec<u8>)>,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) id: u16,
    /// The header's second number.
    pub(super) flags: u16,
    /// With the upper bits of the OPT record.
    pub(super) code: u16,
    /// The question section octet for octet.
    pub(super) question: Vec<u8>,
    pub(super) answer: Section,
    pub(super) authority: Section,
    /// Without OPT.
    pub(super) additional: Section,
    pub(super) edns: Option<Edns>,
    /// Octets of the whole message.
    pub(super) octets: usize,
}

impl Section {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) fn of_type(&self, record_type: u16) -> impl Iterator<Item = &Record> {
        let wanted = move |record: &&Record| record.record_type == record_type;
        self.records.iter().filter(wanted)
    }

    fn push(&mut self, record: Record, ttl_secs: u32) {
        self.has_duplicates |= !self.records.insert(record.clone());
        self.with_ttl.insert((record, ttl_secs));
    }
}

impl Record {
    /// The type that an RRSIG covers, or the record's own.
    pub(super) fn covered_type(&self) -> u16 {
        match (self.record_type, self.rdata.as_slice()) {
            (TYPE_RRSIG, [high, low, ..]) => u16::from_be_bytes([*high, *low]),
            _ => self.record_type,
        }
    }
}

impl Message {
    pub(super) fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// Reads a response.
    ///
    /// # Errors
    /// Says what is malformed.
    pub(super) fn parse(message: &[u8]) -> anyhow::Result<Self> {
        let mut octets = Octets { message, at: 0 };
        let (id, flags) = (octets.number()?, octets.number()?);
        let mut counts = [0; 4];
        for count in &mut counts {
            *count = octets.number()?;
        }
        let [questions, counts @ ..] = counts;
        for _ in 0..questions {
            octets.name()?;
            octets.take(4)?;
        }
        let question = message[HEADER_OCTETS..octets.at].to_vec();
        let mut sections: [Section; 3] = Default::default();
        let mut edns = None;
        for (section, count) in sections.iter_mut().zip(counts) {
            for _ in 0..count {
                let (record, ttl) = octets.record()?;
                if record.record_type == TYPE_OPT {
                    ensure!(
                        edns.is_none() && record.owner == [0],
                        "second or misplaced OPT"
                    );
                    edns = Some((Edns::read(&record, ttl)?, ttl >> 24));
                } else {
                    section.push(record, ttl);
                }
            }
        }
        ensure!(octets.at == message.len(), "octets behind the last record");
        let [answer, authority, additional] = sections;
        let code_high = edns.as_ref().map_or(0, |(_, high)| *high as u16);
        Ok(Self {
            id,
            flags,
            code: code_high << 4 | flags & 0x0f,
            question,
            answer,
            authority,
            additional,
            edns: edns.map(|(edns, _)| edns),
            octets: message.len(),
        })
    }
}

impl Edns {
    fn read(record: &Record, ttl: u32) -> anyhow::Result<Self> {
        let mut options = Octets {
            message: &record.rdata,
            at: 0,
        };
        let mut read = Vec::new();
        while options.at < record.rdata.len() {
            let (code, length) = (options.number()?, options.number()?);
            read.push((code, options.take(usize::from(length))?.to_vec()));
        }
        Ok(Self {
            payload_octets: record.class,
            version: (ttl >> 16) as u8,
            flags: ttl as u16,
            options: read,
        })
    }
}

struct Octets<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Octets<'a> {
    fn take(&mut self, count: usize) -> anyhow::Result<&'a [u8]> {
        let taken = self.message.get(self.at..self.at + count);
        self.at += count;
        taken.context("the message is cut off")
    }

    fn number(&mut self) -> anyhow::Result<u16> {
        let octets = self.take(2)?;
        Ok(u16::from_be_bytes([octets[0], octets[1]]))
    }

    /// A name, pointers followed, in lower case.
    fn name(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut name = Vec::new();
        let mut at = self.at;
        let mut end = None;
        loop {
            let length = *self.message.get(at).context("a name is cut off")?;
            match length {
                0..=63 => {
                    let next = at + 1 + usize::from(length);
                    let label = self.message.get(at..next).context("a name is cut off")?;
                    name.extend(label.iter().map(u8::to_ascii_lowercase));
                    ensure!(name.len() <= NAME_OCTETS_MAX, "a name is too long");
                    at = next;
                    if length == 0 {
                        break;
                    }
                }
                192.. => {
                    let low = *self.message.get(at + 1).context("a pointer is cut off")?;
                    let target = usize::from(length & 0x3f) << 8 | usize::from(low);
                    end.get_or_insert(at + 2);
                    // Only backwards, so that following ends.
                    ensure!(target < at, "a pointer that leads forward");
                    at = target;
                }
                _ => bail!("label type {length:#x}"),
            }
        }
        self.at = end.unwrap_or(at);
        Ok(name)
    }

    fn record(&mut self) -> anyhow::Result<(Record, u32)> {
        let owner = self.name()?;
        let (record_type, class) = (self.number()?, self.number()?);
        let ttl = u32::from(self.number()?) << 16 | u32::from(self.number()?);
        let end = usize::from(self.number()?) + self.at;
        ensure!(end <= self.message.len(), "RDATA is cut off");
        let mut rdata = Vec::new();
        let (before, names) = match record_type {
            TYPE_NS | TYPE_CNAME | TYPE_PTR => (0, 1),
            TYPE_MX => (2, 1),
            TYPE_SOA => (0, 2),
            _ => (0, 0),
        };
        rdata.extend_from_slice(self.take(before)?);
        for _ in 0..names {
            rdata.extend(self.name()?);
        }
        let rest = end
            .checked_sub(self.at)
            .context("a name leaves its RDATA")?;
        rdata.extend_from_slice(self.take(rest)?);
        let record = Record {
            owner,
            record_type,
            class,
            rdata,
        };
        Ok((record, ttl))
    }
}

/// A name in presentation form.
pub(super) fn shown_name(wire: &[u8]) -> String {
    let mut text = String::new();
    let mut rest = wire;
    while let [length @ 1..=255, after @ ..] = rest {
        let (label, after) = after.split_at(usize::from(*length).min(after.len()));
        for octet in label {
            match octet {
                b'.' | b'\\' | b'"' | b';' | b'(' | b')' => {
                    text.push('\\');
                    text.push(char::from(*octet));
                }
                33..=126 => text.push(char::from(*octet)),
                _ => text.push_str(&format!("\\{octet:03}")),
            }
        }
        text.push('.');
        rest = after;
    }
    if text.is_empty() { ".".into() } else { text }
}

impl fmt::Display for Record {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} TYPE{}",
            shown_name(&self.owner),
            self.record_type
        )?;
        if self.record_type == TYPE_RRSIG {
            write!(formatter, " over TYPE{}", self.covered_type())?;
        }
        formatter.write_str(" ")?;
        for octet in self.rdata.iter().take(SHOWN_OCTETS_MAX) {
            write!(formatter, "{octet:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "code {} flags", self.code)?;
        for (flag, name) in [
            (FLAG_AA, "aa"),
            (FLAG_TC, "tc"),
            (FLAG_RD, "rd"),
            (FLAG_RA, "ra"),
            (FLAG_Z, "z"),
            (FLAG_AD, "ad"),
            (FLAG_CD, "cd"),
        ] {
            if self.has(flag) {
                write!(formatter, " {name}")?;
            }
        }
        writeln!(formatter, ", {} octets, EDNS {:?}", self.octets, self.edns)?;
        let sections = [
            ("answer", &self.answer),
            ("authority", &self.authority),
            ("additional", &self.additional),
        ];
        for (name, section) in sections {
            for (record, ttl) in &section.with_ttl {
                writeln!(formatter, "    {name}: {ttl} {record}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two NS records of `a.b`, the second owner and both name servers compressed.
    fn response(tail: &[u8]) -> Vec<u8> {
        let mut octets = vec![0, 7, 0x84, 0, 0, 1, 0, 2, 0, 0, 0, 1];
        octets.extend(b"\x01A\x01b\0\0\x02\0\x01");
        octets.extend([0xc0, 12, 0, 2, 0, 1, 0, 0, 0, 9, 0, 4, 1, b'C', 0xc0, 14]);
        octets.extend([0xc0, 12, 0, 2, 0, 1, 0, 0, 0, 9, 0, 2, 0xc0, 12]);
        octets.extend([0, 0, 41, 4, 0xd0, 1, 0, 0x80, 0, 0, 5, 0, 15, 0, 1, 9]);
        octets.extend(tail);
        octets
    }

    #[test]
    fn compression_and_case_do_not_matter() {
        let message = Message::parse(&response(b"")).unwrap();
        assert_eq!(message.code, 16);
        assert!(message.has(FLAG_AA) && !message.has(FLAG_TC));
        let rdatas: Vec<&[u8]> = message
            .answer
            .of_type(TYPE_NS)
            .map(|r| &r.rdata[..])
            .collect();
        assert_eq!(rdatas, [&b"\x01a\x01b\0"[..], b"\x01c\x01b\0"]);
        let edns = message.edns.unwrap();
        assert_eq!((edns.payload_octets, edns.flags), (1232, 0x8000));
        assert_eq!(edns.options, [(15, vec![9])]);
    }

    #[test]
    fn what_is_malformed_is_said() {
        assert!(Message::parse(&response(b"x")).is_err());
        let whole = response(b"");
        for length in 0..whole.len() {
            assert!(Message::parse(&whole[..length]).is_err(), "{length}");
        }
        let mut forward = whole;
        forward[22] = 30;
        assert!(Message::parse(&forward).is_err());
    }

    #[test]
    fn names_are_shown_so_that_they_can_be_typed() {
        assert_eq!(shown_name(b"\x03a.b\x01\0\0"), "a\\.b.\\000.");
        assert_eq!(shown_name(b"\0"), ".");
    }
}
