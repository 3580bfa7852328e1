//! Queries as they arrive: header, the one question, EDNS. Strict, and linear in the octets.
//!
//! Compression pointers are refused everywhere in a query: the first name has nothing to point to
//! and nobody needs them later. Memory is bounded by the message, never by its counts.

use iot_identity::ZoneName;

use crate::name::NameKey;
use crate::record_type::TYPE_OPT;

/// Octets of the header (RFC 1035 §4.1.1).
pub(crate) const HEADER_OCTETS: usize = 12;
/// Octets of a name (RFC 1035 §2.3.4).
const NAME_OCTETS_MAX: usize = 255;

/// The header of a query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) id: u16,
    pub(crate) opcode: u8,
    pub(crate) recursion_desired: bool,
    pub(crate) checking_disabled: bool,
}

/// The question, as octets and as values.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    /// Name, type and class as received, case included.
    pub(crate) octets: &'a [u8],
    /// Labels of the name as received, leftmost first, without the root.
    pub(crate) labels: Vec<&'a [u8]>,
    pub(crate) record_type: u16,
    pub(crate) class: u16,
}

/// What the OPT record of a query says (RFC 6891).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edns {
    pub(crate) payload_octets: u16,
    pub(crate) version: u8,
    pub(crate) dnssec_ok: bool,
}

/// The message is not a well-formed query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A message that can be answered, if only with an error.
#[derive(Debug)]
pub(crate) struct Query<'a> {
    pub(crate) header: Header,
    /// Nothing when there is not exactly one readable question.
    pub(crate) question: Option<Question<'a>>,
    /// What follows the question.
    pub(crate) edns: Result<Option<Edns>, Malformed>,
}

impl<'a> Query<'a> {
    /// Reads a message; `None` for one that must not be answered at all: too short for a header,
    /// or itself a response (answering those makes loops).
    pub(crate) fn parse(message: &'a [u8]) -> Option<Self> {
        let mut octets = Octets { message, at: 0 };
        let id = octets.number().ok()?;
        let flags = octets.number().ok()?;
        let mut counts = [0; 4];
        for count in &mut counts {
            *count = octets.number().ok()?;
        }
        if flags & 0x8000 != 0 {
            return None;
        }
        let header = Header {
            id,
            opcode: (flags >> 11 & 0x0f) as u8,
            recursion_desired: flags & 0x0100 != 0,
            checking_disabled: flags & 0x0010 != 0,
        };
        let [questions, answers, authorities, additionals] = counts;
        let question = (questions == 1)
            .then(|| octets.question())
            .and_then(Result::ok);
        let edns = match question {
            Some(_) => octets.records([answers, authorities, additionals]),
            None => Err(Malformed),
        };
        Some(Self {
            header,
            question,
            edns,
        })
    }
}

impl Question<'_> {
    /// The name in the zone; `None` outside of it.
    pub(crate) fn key(&self, apex: &ZoneName) -> Option<NameKey> {
        let below = self
            .labels
            .len()
            .checked_sub(usize::from(apex.label_count()))?;
        let apex_labels = apex.as_str().split('.').map(str::as_bytes);
        let in_zone = self.labels[below..]
            .iter()
            .zip(apex_labels)
            .all(|(label, apex_label)| label.eq_ignore_ascii_case(apex_label));
        in_zone.then(|| NameKey::from_labels(self.labels[..below].iter().copied()))
    }
}

struct Octets<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Octets<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(count).ok_or(Malformed)?;
        let taken = self.message.get(self.at..end).ok_or(Malformed)?;
        self.at = end;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u16, Malformed> {
        let octets = self.take(2)?;
        Ok(u16::from_be_bytes([octets[0], octets[1]]))
    }

    fn name(&mut self) -> Result<Vec<&'a [u8]>, Malformed> {
        let start = self.at;
        let mut labels = Vec::new();
        loop {
            // A length over 63 is a pointer or an unknown label type.
            let length = usize::from(self.take(1)?[0]);
            if length > 63 {
                return Err(Malformed);
            }
            if length > 0 {
                labels.push(self.take(length)?);
            }
            if self.at - start > NAME_OCTETS_MAX {
                return Err(Malformed);
            }
            if length == 0 {
                return Ok(labels);
            }
        }
    }

    fn question(&mut self) -> Result<Question<'a>, Malformed> {
        let start = self.at;
        let labels = self.name()?;
        let record_type = self.number()?;
        let class = self.number()?;
        Ok(Question {
            octets: &self.message[start..self.at],
            labels,
            record_type,
            class,
        })
    }

    /// Walks all records up to the end of the message and picks the OPT record.
    fn records(&mut self, counts: [u16; 3]) -> Result<Option<Edns>, Malformed> {
        let mut edns = None;
        for (section, count) in counts.into_iter().enumerate() {
            for _ in 0..count {
                let at_root = self.name()?.is_empty();
                let record_type = self.number()?;
                let class = self.number()?;
                let ttl = self.take(4)?;
                let length = self.number()?;
                let rdata = self.take(usize::from(length))?;
                if record_type != TYPE_OPT {
                    continue;
                }
                // One OPT, at the root, in the additional section (RFC 6891 §6.1.1).
                if section != 2 || !at_root || edns.is_some() {
                    return Err(Malformed);
                }
                check_options(rdata)?;
                edns = Some(Edns {
                    payload_octets: class,
                    version: ttl[1],
                    dnssec_ok: ttl[2] & 0x80 != 0,
                });
            }
        }
        if self.at == self.message.len() {
            Ok(edns)
        } else {
            Err(Malformed)
        }
    }
}

/// Options have to fill the RDATA exactly; none of them changes an answer of ours.
fn check_options(mut rdata: &[u8]) -> Result<(), Malformed> {
    while !rdata.is_empty() {
        let [_, _, high, low, rest @ ..] = rdata else {
            return Err(Malformed);
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        rdata = rest.get(length..).ok_or(Malformed)?;
    }
    Ok(())
}
