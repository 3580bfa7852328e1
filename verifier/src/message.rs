//! DNS messages: the part of RFC 1035 §4 that an answer needs, read strictly.

use thiserror::Error;

use crate::limits::{ADDITIONAL_RECORDS_MAX, RECORDS_MAX};
use crate::name::Name;
use crate::wire::{Reader, WireError};

/// RR type numbers of the DNS itself; those of the registry's records stand in `iot_identity`.
pub(crate) mod record_type {
    pub(crate) const NS: u16 = 2;
    pub(crate) const CNAME: u16 = 5;
    pub(crate) const SOA: u16 = 6;
    pub(crate) const DNAME: u16 = 39;
    pub(crate) const OPT: u16 = 41;
    pub(crate) const DS: u16 = 43;
    pub(crate) const RRSIG: u16 = 46;
    pub(crate) const NSEC: u16 = 47;
    pub(crate) const DNSKEY: u16 = 48;
    pub(crate) const NSEC3: u16 = 50;
}

/// Class IN, the only one that is looked at.
pub const CLASS_IN: u16 = 1;

/// Presentation form of a type number, `TYPE<n>` where this crate has no name for it (RFC 3597 §5).
pub fn type_name(record_type: u16) -> String {
    let name = match record_type {
        record_type::NS => "NS",
        record_type::CNAME => "CNAME",
        record_type::SOA => "SOA",
        iot_identity::TYPE_TXT => "TXT",
        iot_identity::TYPE_CERT => "CERT",
        record_type::DNAME => "DNAME",
        record_type::DS => "DS",
        record_type::RRSIG => "RRSIG",
        record_type::NSEC => "NSEC",
        record_type::DNSKEY => "DNSKEY",
        record_type::NSEC3 => "NSEC3",
        iot_identity::TYPE_TLSA => "TLSA",
        other => return format!("TYPE{other}"),
    };
    name.to_owned()
}

/// One resource record as it stood in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Owner in canonical form.
    pub owner: Name,
    /// RR type number.
    pub record_type: u16,
    /// RR class number.
    pub class: u16,
    /// TTL as sent; not signed.
    pub ttl_secs: u32,
    /// RDATA as sent. Names in it are not expanded: no type that is looked at may compress them.
    pub rdata: Vec<u8>,
}

/// Why a message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MessageError {
    /// A field is cut, too long or compressed in a forbidden way.
    #[error("malformed DNS message: {0}")]
    Wire(#[from] WireError),
    /// Not exactly one question.
    #[error("a DNS message with {found} questions")]
    Questions {
        /// Number in the header.
        found: u16,
    },
    /// More records than [`RECORDS_MAX`] or [`ADDITIONAL_RECORDS_MAX`].
    #[error("a DNS message with more records than any honest answer has")]
    TooManyRecords,
    /// More than one OPT record, or one with another owner than the root (RFC 6891 §6.1.1).
    #[error("a DNS message with a malformed OPT record")]
    Opt,
}

/// Header and question: enough to see what a message belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) id: u16,
    flags: u16,
    answer_count: u16,
    authority_count: u16,
    additional_count: u16,
    pub(crate) question_name: Name,
    pub(crate) question_type: u16,
    pub(crate) question_class: u16,
}

impl Envelope {
    /// Reads header and the one question, and nothing after them.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, MessageError> {
        let id = reader.u16()?;
        let flags = reader.u16()?;
        let question_count = reader.u16()?;
        let [answer_count, authority_count, additional_count] =
            [reader.u16()?, reader.u16()?, reader.u16()?];
        if question_count != 1 {
            return Err(MessageError::Questions {
                found: question_count,
            });
        }
        Ok(Self {
            id,
            flags,
            answer_count,
            authority_count,
            additional_count,
            question_name: reader.name()?,
            question_type: reader.u16()?,
            question_class: reader.u16()?,
        })
    }

    /// Whether the QR bit says response and the opcode says QUERY.
    pub(crate) fn is_query_response(&self) -> bool {
        self.flags & 0xf800 == 0x8000
    }

    /// The TC bit.
    pub(crate) fn is_truncated(&self) -> bool {
        self.flags & 0x0200 != 0
    }
}

/// The sections of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sections {
    /// All 12 bits of it (RFC 6891 §6.1.3).
    pub(crate) response_code: u16,
    pub(crate) answer: Vec<Record>,
    pub(crate) authority: Vec<Record>,
}

impl Sections {
    /// Reads what follows the question, to the last octet.
    pub(crate) fn read(envelope: &Envelope, reader: &mut Reader<'_>) -> Result<Self, MessageError> {
        let [answers, authorities, additionals] = [
            usize::from(envelope.answer_count),
            usize::from(envelope.authority_count),
            usize::from(envelope.additional_count),
        ];
        if answers + authorities > RECORDS_MAX || additionals > ADDITIONAL_RECORDS_MAX {
            return Err(MessageError::TooManyRecords);
        }
        let answer = read_records(reader, answers)?;
        let authority = read_records(reader, authorities)?;
        let extended = read_extended_response_code(reader, additionals)?;
        reader.expect_end()?;
        Ok(Self {
            response_code: extended << 4 | envelope.flags & 0x000f,
            answer,
            authority,
        })
    }
}

fn read_records(reader: &mut Reader<'_>, count: usize) -> Result<Vec<Record>, MessageError> {
    (0..count).map(|_| read_record(reader)).collect()
}

fn read_record(reader: &mut Reader<'_>) -> Result<Record, MessageError> {
    let owner = reader.name()?;
    let record_type = reader.u16()?;
    let class = reader.u16()?;
    // A TTL with the highest bit set counts as zero (RFC 2181 §8).
    let ttl_secs = match reader.u32()? {
        ttl_secs if ttl_secs > i32::MAX as u32 && record_type != record_type::OPT => 0,
        ttl_secs => ttl_secs,
    };
    let rdata_length = reader.u16()?;
    Ok(Record {
        owner,
        record_type,
        class,
        ttl_secs,
        rdata: reader.take(usize::from(rdata_length))?.to_vec(),
    })
}

/// The upper eight bits of the response code, which the OPT record carries in its TTL.
fn read_extended_response_code(reader: &mut Reader<'_>, count: usize) -> Result<u16, MessageError> {
    let mut extended = None;
    for _ in 0..count {
        let record = read_record(reader)?;
        if record.record_type != record_type::OPT {
            continue;
        }
        if extended.is_some() || record.owner.label_count() != 0 {
            return Err(MessageError::Opt);
        }
        extended = Some((record.ttl_secs >> 24) as u16);
    }
    Ok(extended.unwrap_or(0))
}

/// Whether `response` answers `query`: same id, same question (name without case, type, class), QR
/// set, opcode QUERY. Anything else must be ignored by whoever waits for the answer.
pub fn answers_query(query: &[u8], response: &[u8]) -> bool {
    let read = |octets| Envelope::read(&mut Reader::new(octets)).ok();
    let (Some(query), Some(response)) = (read(query), read(response)) else {
        return false;
    };
    response.is_query_response()
        && response.id == query.id
        && response.question_name == query.question_name
        && response.question_type == query.question_type
        && response.question_class == query.question_class
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(octets: &[u8]) -> Result<Sections, MessageError> {
        let mut reader = Reader::new(octets);
        let envelope = Envelope::read(&mut reader)?;
        Sections::read(&envelope, &mut reader)
    }

    fn message(counts: [u16; 4], body: &[u8]) -> Vec<u8> {
        let mut octets = vec![0, 7, 0x80, 0];
        for count in counts {
            octets.extend_from_slice(&count.to_be_bytes());
        }
        octets.extend_from_slice(b"\x01a\x00\x00\x01\x00\x01");
        octets.extend_from_slice(body);
        octets
    }

    #[test]
    fn counts_that_promise_more_than_there_is_are_refused() {
        assert!(read(&message([1, 0, 0, 0], b"")).is_ok());
        let short = Err(MessageError::Wire(WireError::Short));
        assert_eq!(read(&message([1, 1, 0, 0], b"")), short);
        let too_many = Err(MessageError::TooManyRecords);
        assert_eq!(read(&message([1, 65_535, 65_535, 0], b"")), too_many);
        assert_eq!(read(&message([1, 0, 0, 65_535], b"")), too_many);
        assert_eq!(
            read(&message([0, 0, 0, 0], b"")),
            Err(MessageError::Questions { found: 0 })
        );
        let trailing = Err(MessageError::Wire(WireError::Trailing));
        assert_eq!(read(&message([1, 0, 0, 0], b"\x00")), trailing);
    }

    #[test]
    fn the_response_code_has_twelve_bits() {
        let opt = b"\x00\x00\x29\x04\xd0\x01\x00\x00\x00\x00\x00";
        assert_eq!(read(&message([1, 0, 0, 1], opt)).unwrap().response_code, 16);
        let twice = [&opt[..], &opt[..]].concat();
        assert_eq!(read(&message([1, 0, 0, 2], &twice)), Err(MessageError::Opt));
    }

    #[test]
    fn a_negative_ttl_counts_as_zero() {
        let record = b"\x00\x00\x10\x00\x01\x80\x00\x00\x00\x00\x00";
        assert_eq!(
            read(&message([1, 1, 0, 0], record)).unwrap().answer[0].ttl_secs,
            0
        );
    }
}
