//! A lookup: which queries to send, which responses belong to them, and when the evidence is
//! complete. Sans-IO: whoever drives it owns sockets, clock and deadline.
//!
//! All queries go out at once, so that a cold check (device record and DNSKEY) takes one round trip
//! and a warm one is a single query.

use std::sync::Arc;

use iot_identity::OwnerName;
use thiserror::Error;

use crate::dnskey::ZoneKeys;
use crate::evidence::{Answer, Evidence, KeyEvidence, ResponseCode, Wanted};
use crate::message::{CLASS_IN, Envelope, MessageError, Sections, record_type};
use crate::name::Name;
use crate::query::encode_query;
use crate::wire::Reader;

/// What carries messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// UDP: answers may come truncated, and anybody can send some.
    Datagram,
    /// TCP or TLS.
    Stream,
}

/// A query to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The message, without a stream's length field.
    pub octets: Vec<u8>,
    /// The least that may carry it: [`Channel::Stream`] after a truncated answer.
    pub channel: Channel,
}

/// Why a response does not help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LookupError {
    /// Not an answer to a query of this lookup (other id, other question, no response, unreadable,
    /// answered before). To be ignored: the answer may still come.
    #[error("the message answers none of the lookup's queries")]
    Unrelated,
    /// The answer to our query cannot be read.
    #[error(transparent)]
    Malformed(#[from] MessageError),
    /// Truncated although it came over a stream.
    #[error("the answer is truncated although a stream carries it")]
    Truncated,
    /// SERVFAIL: among other things what a validating resolver says of a zone it finds bogus.
    #[error("the resolver failed (SERVFAIL)")]
    ServerFailure,
    /// REFUSED.
    #[error("the resolver refused the query (REFUSED)")]
    Refused,
    /// Any other response code than NOERROR and NXDOMAIN.
    #[error("the resolver answered with response code {code}")]
    ResponseCode {
        /// All 12 bits of it.
        code: u16,
    },
}

impl LookupError {
    /// Whether to go on waiting: the message had nothing to do with the lookup.
    pub fn is_to_be_ignored(&self) -> bool {
        *self == Self::Unrelated
    }
}

/// Queries of one check and the answers so far.
#[derive(Debug)]
pub struct Lookup {
    owner: OwnerName,
    keys: Option<Arc<ZoneKeys>>,
    questions: Vec<Question>,
}

#[derive(Debug)]
struct Question {
    id: u16,
    name: Name,
    record_type: u16,
    progress: Progress,
}

#[derive(Debug)]
enum Progress {
    ToBeSent(Channel),
    WaitsForAnswer,
    Answered(Answer),
}

impl Lookup {
    /// Most queries that one lookup makes.
    pub const QUERIES_MAX: usize = 3;

    /// Starts a lookup of a device's records. Without `keys` of an earlier lookup the zone's DNSKEY
    /// RRset is asked for as well. `random` makes the query ids.
    pub fn new(
        owner: OwnerName,
        wanted: Wanted,
        keys: Option<Arc<ZoneKeys>>,
        random: [u8; 2 * Self::QUERIES_MAX],
    ) -> Self {
        let name = Name::from(&owner);
        let mut asked: Vec<(Name, u16)> = wanted
            .record_types()
            .iter()
            .map(|record_type| (name.clone(), *record_type))
            .collect();
        if keys.is_none() {
            asked.push((Name::from(owner.zone()), record_type::DNSKEY));
        }
        let questions = asked
            .into_iter()
            .zip(distinct_ids(random))
            .map(|((name, record_type), id)| Question {
                id,
                name,
                record_type,
                progress: Progress::ToBeSent(Channel::Datagram),
            })
            .collect();
        Self {
            owner,
            keys,
            questions,
        }
    }

    /// The next query to send now; none when all are on their way.
    pub fn poll_query(&mut self) -> Option<Query> {
        self.questions.iter_mut().find_map(Question::poll_query)
    }

    /// Takes a message that `channel` carried, which arrived `now` (Unix seconds). After a truncated
    /// datagram [`Lookup::poll_query`] has the query again, for a stream.
    ///
    /// # Errors
    /// [`LookupError::Unrelated`] is to be ignored; every other error is the lookup's end.
    pub fn handle_response(
        &mut self,
        octets: &[u8],
        channel: Channel,
        now: u64,
    ) -> Result<(), LookupError> {
        let mut reader = Reader::new(octets);
        let envelope = Envelope::read(&mut reader).map_err(|_| LookupError::Unrelated)?;
        let question = self
            .questions
            .iter_mut()
            .find(|question| question.is_answered_by(&envelope))
            .ok_or(LookupError::Unrelated)?;
        if envelope.is_truncated() {
            if channel == Channel::Stream {
                return Err(LookupError::Truncated);
            }
            question.progress = Progress::ToBeSent(Channel::Stream);
            return Ok(());
        }
        let sections = Sections::read(&envelope, &mut reader)?;
        question.progress = Progress::Answered(Answer {
            record_type: question.record_type,
            response_code: proving_response_code(sections.response_code)?,
            answer: sections.answer,
            authority: sections.authority,
            received_at: now,
        });
        Ok(())
    }

    /// Whether every query is answered.
    pub fn is_complete(&self) -> bool {
        let answered = |question: &Question| matches!(question.progress, Progress::Answered(_));
        self.questions.iter().all(answered)
    }

    /// The evidence; none before every query is answered.
    pub fn finish(self) -> Option<Evidence> {
        let mut keys = self.keys.map(KeyEvidence::Known);
        let mut answers = Vec::with_capacity(self.questions.len());
        for question in self.questions {
            match question.progress {
                Progress::Answered(answer) if answer.record_type == record_type::DNSKEY => {
                    keys = Some(KeyEvidence::Answered(answer));
                }
                Progress::Answered(answer) => answers.push(answer),
                Progress::ToBeSent(_) | Progress::WaitsForAnswer => return None,
            }
        }
        Some(Evidence {
            owner: self.owner,
            keys: keys?,
            answers,
        })
    }
}

impl Question {
    fn poll_query(&mut self) -> Option<Query> {
        let Progress::ToBeSent(channel) = self.progress else {
            return None;
        };
        self.progress = Progress::WaitsForAnswer;
        Some(Query {
            octets: encode_query(self.id, &self.name, self.record_type),
            channel,
        })
    }

    fn is_answered_by(&self, envelope: &Envelope) -> bool {
        matches!(self.progress, Progress::WaitsForAnswer)
            && envelope.is_query_response()
            && envelope.id == self.id
            && envelope.question_type == self.record_type
            && envelope.question_class == CLASS_IN
            && envelope.question_name == self.name
    }
}

fn distinct_ids(random: [u8; 2 * Lookup::QUERIES_MAX]) -> Vec<u16> {
    let mut ids: Vec<u16> = Vec::with_capacity(Lookup::QUERIES_MAX);
    for pair in random.as_chunks::<2>().0 {
        let mut id = u16::from_be_bytes(*pair);
        while ids.contains(&id) {
            id = id.wrapping_add(1);
        }
        ids.push(id);
    }
    ids
}

fn proving_response_code(code: u16) -> Result<ResponseCode, LookupError> {
    match code {
        0 => Ok(ResponseCode::NoError),
        2 => Err(LookupError::ServerFailure),
        3 => Ok(ResponseCode::NameError),
        5 => Err(LookupError::Refused),
        code => Err(LookupError::ResponseCode { code }),
    }
}
