//! Queries as they arrive: header, the one question, EDNS. Strict, linear in the octets, without
//! memory of its own.
//!
//! Compression pointers are refused everywhere in a query: the first name has nothing to point to
//! and nobody needs them later. The counts of a message promise nothing.

use crate::record_type::{TYPE_OPT, TYPE_TSIG};
use crate::tsig;

/// Octets of the header (RFC 1035 §4.1.1).
pub(crate) const HEADER_OCTETS: usize = 12;
/// Octets of a name (RFC 1035 §2.3.4).
pub(crate) const NAME_OCTETS_MAX: usize = 255;
/// Labels whose places are kept: more than a name of the zone has. Those behind are walked to.
const STARTS: usize = 12;

/// NSID (RFC 5001).
pub(crate) const OPTION_NSID: u16 = 3;
/// The time that an idle connection stays open (RFC 7828).
pub(crate) const OPTION_KEEPALIVE: u16 = 11;
/// Padding (RFC 7830).
pub(crate) const OPTION_PADDING: u16 = 12;

/// The header of a query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) id: u16,
    pub(crate) opcode: u8,
    pub(crate) recursion_desired: bool,
}

/// The question, as octets and as values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    /// Name, type and class as received, case included.
    pub(crate) octets: &'a [u8],
    /// Where the length of each of the first labels stands in `octets`, leftmost label first.
    starts: [u8; STARTS],
    label_count: u8,
    pub(crate) record_type: u16,
    pub(crate) class: u16,
}

/// What the OPT record of a query says (RFC 6891).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edns {
    pub(crate) payload_octets: u16,
    pub(crate) version: u8,
    pub(crate) dnssec_ok: bool,
    /// Of any version; what they mean is known in version 0 only.
    options: Options,
}

impl Edns {
    /// The options, as far as it is known what they mean.
    #[inline]
    pub(crate) fn options(&self) -> Options {
        if self.version == 0 {
            self.options
        } else {
            Options::default()
        }
    }
}

/// The message is not a well-formed query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Why a message is answered with an error, whatever it asks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    Malformed,
    /// It has a signature, and what else it says of EDNS.
    Signed(Option<Edns>),
}

impl From<Malformed> for Fault {
    #[inline]
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// A message that can be answered, if only with an error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<'a> {
    pub(crate) header: Header,
    /// Nothing when there is not exactly one readable question.
    pub(crate) question: Option<Question<'a>>,
    /// What follows the question.
    pub(crate) edns: Result<Option<Edns>, Fault>,
}

impl<'a> Query<'a> {
    /// Reads a message; `None` for one that must not be answered at all: too short for a header,
    /// or itself a response (answering those makes loops).
    #[inline]
    pub(crate) fn parse(message: &'a [u8]) -> Option<Self> {
        let octets: &[u8; HEADER_OCTETS] = message.first_chunk()?;
        let number = |at: usize| u16::from_be_bytes([octets[at], octets[at + 1]]);
        let [id, flags] = [number(0), number(2)];
        let counts = [number(4), number(6), number(8), number(10)];
        let mut octets = Octets {
            message,
            at: HEADER_OCTETS,
        };
        if flags & 0x8000 != 0 {
            return None;
        }
        let header = Header {
            id,
            opcode: (flags >> 11 & 0x0f) as u8,
            recursion_desired: flags & 0x0100 != 0,
        };
        let [questions, answers, authorities, additionals] = counts;
        let question = (questions == 1)
            .then(|| octets.question())
            .and_then(Result::ok);
        let edns = match question {
            Some(_) => octets.records([answers, authorities, additionals]),
            None => Err(Fault::Malformed),
        };
        Some(Self {
            header,
            question,
            edns,
        })
    }
}

impl<'a> Question<'a> {
    /// Number of labels without the root.
    #[inline]
    pub(crate) fn label_count(&self) -> usize {
        usize::from(self.label_count)
    }

    /// A label, counted from the left.
    #[inline]
    pub(crate) fn label(&self, index: usize) -> &'a [u8] {
        let start = self.start(index);
        let length = usize::from(self.octets[start]);
        &self.octets[start + 1..start + 1 + length]
    }

    /// Where a label's length stands in [`Question::octets`]; for the label after the last, the
    /// root's.
    #[inline]
    pub(crate) fn start(&self, index: usize) -> usize {
        if index >= self.label_count() {
            return self.name_octets() - 1;
        }
        if let Some(start) = self.starts.get(index) {
            return usize::from(*start);
        }
        let last = usize::from(self.starts[STARTS - 1]);
        (STARTS - 1..index).fold(last, |start, _| start + 1 + usize::from(self.octets[start]))
    }

    /// Octets of the name, root included.
    #[inline]
    pub(crate) fn name_octets(&self) -> usize {
        // Type and class stand behind it.
        self.octets.len() - 4
    }
}

/// A message, read from the front.
pub(crate) struct Octets<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Octets<'a> {
    pub(crate) fn new(message: &'a [u8], at: usize) -> Self {
        Self { message, at }
    }

    /// Octets that were read.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    #[inline]
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(count).ok_or(Malformed)?;
        let taken = self.message.get(self.at..end).ok_or(Malformed)?;
        self.at = end;
        Ok(taken)
    }

    #[inline]
    pub(crate) fn number(&mut self) -> Result<u16, Malformed> {
        let octets = self.take(2)?;
        Ok(u16::from_be_bytes([octets[0], octets[1]]))
    }

    /// Reads a name and tells `visit` where each label's length stands, counted from the name's
    /// start.
    #[inline]
    pub(crate) fn name(&mut self, mut visit: impl FnMut(u8)) -> Result<(), Malformed> {
        let octets = self.message.get(self.at..).ok_or(Malformed)?;
        let octets = &octets[..octets.len().min(NAME_OCTETS_MAX)];
        let mut at = 0;
        while let Some(length) = octets.get(at) {
            let end = at + 1 + usize::from(*length);
            // A length over 63 is a pointer or an unknown label type.
            if *length > 63 || end > octets.len() {
                break;
            }
            if *length == 0 {
                self.at += end;
                return Ok(());
            }
            // The label ends within 255 octets, so it starts there.
            visit(at as u8);
            at = end;
        }
        Err(Malformed)
    }

    #[inline]
    fn question(&mut self) -> Result<Question<'a>, Malformed> {
        let start = self.at;
        let mut starts = [0; STARTS];
        let mut label_count = 0_u8;
        // A label takes two octets at least, so a name has 127 at most.
        self.name(|at| {
            if let Some(start) = starts.get_mut(usize::from(label_count)) {
                *start = at;
            }
            label_count += 1;
        })?;
        let record_type = self.number()?;
        let class = self.number()?;
        Ok(Question {
            octets: &self.message[start..self.at],
            starts,
            label_count,
            record_type,
            class,
        })
    }

    /// Walks all records up to the end of the message and picks the OPT record.
    #[inline]
    fn records(&mut self, counts: [u16; 3]) -> Result<Option<Edns>, Fault> {
        let mut edns = None;
        for (section, count) in counts.into_iter().enumerate() {
            for index in 0..count {
                let mut at_root = true;
                self.name(|_| at_root = false)?;
                let record_type = self.number()?;
                let class = self.number()?;
                let ttl = self.take(4)?;
                let length = self.number()?;
                let rdata = self.take(usize::from(length))?;
                if record_type != TYPE_OPT {
                    if record_type != TYPE_TSIG {
                        continue;
                    }
                    // The last record of all (RFC 8945 §5.1).
                    let is_last = section == 2 && index + 1 == count;
                    let is_end = self.at == self.message.len();
                    return Err(
                        if is_last && is_end && tsig::is_well_formed(class, ttl, rdata) {
                            Fault::Signed(edns)
                        } else {
                            Fault::Malformed
                        },
                    );
                }
                // One OPT, at the root, in the additional section (RFC 6891 §6.1.1).
                if section != 2 || !at_root || edns.is_some() {
                    return Err(Fault::Malformed);
                }
                edns = Some(Edns {
                    payload_octets: class,
                    version: ttl[1],
                    dnssec_ok: ttl[2] & 0x80 != 0,
                    options: Options::parse(rdata)?,
                });
            }
        }
        if self.at == self.message.len() {
            Ok(edns)
        } else {
            Err(Fault::Malformed)
        }
    }
}

/// Which options an OPT record has, of those that mean something to us. Repeating one changes
/// nothing, and neither does what stands inside, but for the time of a keepalive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options(u8);

impl Options {
    /// The server is asked for its identifier.
    pub(crate) const NSID: Self = Self(1);
    /// The query is padded, so the answer may be.
    pub(crate) const PADDING: Self = Self(2);
    /// The client would like to know how long it may be idle.
    pub(crate) const KEEPALIVE: Self = Self(4);
    /// It tells a time itself, which only servers do (RFC 7828 §3.1).
    pub(crate) const KEEPALIVE_WITH_TIME: Self = Self(8);

    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[inline]
    pub(crate) fn has(self, option: Self) -> bool {
        self.0 & option.0 != 0
    }

    /// Options have to fill the RDATA exactly.
    #[inline]
    fn parse(mut rdata: &[u8]) -> Result<Self, Malformed> {
        let mut options = Self::default();
        while !rdata.is_empty() {
            let [code_high, code_low, high, low, rest @ ..] = rdata else {
                return Err(Malformed);
            };
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let option = match u16::from_be_bytes([*code_high, *code_low]) {
                OPTION_NSID => Self::NSID,
                OPTION_PADDING => Self::PADDING,
                OPTION_KEEPALIVE if length == 0 => Self::KEEPALIVE,
                OPTION_KEEPALIVE => Self::KEEPALIVE_WITH_TIME,
                _ => Self::default(),
            };
            options.0 |= option.0;
            rdata = rest.get(length..).ok_or(Malformed)?;
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(labels: &[Vec<u8>]) -> Vec<u8> {
        let mut octets = vec![1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in labels {
            octets.push(label.len() as u8);
            octets.extend_from_slice(label);
        }
        octets.extend_from_slice(&[0, 0, 52, 0, 1]);
        octets
    }

    proptest! {
        #[test]
        fn every_label_is_found_where_it_stands(
            labels in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..4), 0..63),
        ) {
            let octets = message(&labels);
            let query = Query::parse(&octets).unwrap();
            let question = query.question.unwrap();
            prop_assert_eq!((question.record_type, question.class), (52, 1));
            prop_assert_eq!(question.label_count(), labels.len());
            let mut start = 0;
            for (index, label) in labels.iter().enumerate() {
                prop_assert_eq!(question.label(index), &label[..]);
                prop_assert_eq!(question.start(index), start);
                start += 1 + label.len();
            }
            prop_assert_eq!(question.start(labels.len()), start);
            prop_assert_eq!(question.name_octets(), start + 1);
        }
    }

    #[test]
    fn the_longest_name_has_127_labels() {
        let longest = vec![b"a".to_vec(); 127];
        let octets = message(&longest);
        let question = Query::parse(&octets).unwrap().question.unwrap();
        assert_eq!((question.label_count(), question.name_octets()), (127, 255));
        assert_eq!(question.label(126), b"a");
        let longer = [longest, vec![b"a".to_vec()]].concat();
        assert!(Query::parse(&message(&longer)).unwrap().question.is_none());
    }

    #[test]
    fn options_are_noticed_wherever_they_stand() {
        let of_version = |version: u8, options: &[u8]| {
            let mut octets = message(&[]);
            octets[11] = 1;
            octets.extend_from_slice(&[0, 0, 41, 4, 208, 0, version, 0x80, 0]);
            octets.extend_from_slice(&[0, options.len() as u8]);
            octets.extend_from_slice(options);
            let edns = Query::parse(&octets).unwrap().edns.ok().flatten();
            edns.map(|edns| (edns.dnssec_ok, edns.options().0))
        };
        let with = |options: &[u8]| of_version(0, options);
        let both = Options::NSID.0 | Options::PADDING.0;
        assert_eq!(with(&[]), Some((true, 0)));
        let cookie_and_nsid = [0, 10, 0, 1, 7, 0, 3, 0, 0];
        assert_eq!(with(&cookie_and_nsid), Some((true, Options::NSID.0)));
        assert_eq!(with(&[0, 12, 0, 0, 0, 3, 0, 0]), Some((true, both)));
        assert_eq!(of_version(1, &[0, 12, 0, 0]), Some((true, 0)));
        assert_eq!(with(&[0, 12, 0, 1]), None);
        let keepalive = Options::KEEPALIVE.0;
        assert_eq!(with(&[0, 11, 0, 0]), Some((true, keepalive)));
        let with_time = keepalive | Options::KEEPALIVE_WITH_TIME.0;
        let one_of_each = [0, 11, 0, 0, 0, 11, 0, 2, 0, 9];
        assert_eq!(with(&one_of_each), Some((true, with_time)));
    }
}
