//! A lookup: which queries to send, which responses belong to them, and when the evidence is
//! complete. Sans-IO: whoever drives it owns sockets, clock and deadline.
//!
//! All queries go out at once, so that a cold check (device record and DNSKEY, and from the root DS and
//! DNSKEY of every name between) takes one round trip and a warm one is a single query.

use std::sync::Arc;

use iot_identity::OwnerName;
use thiserror::Error;

use crate::chain::{ChainEvidence, Delegation, Link};
use crate::dnskey::ZoneKeys;
use crate::evidence::{Answer, Evidence, KeyEvidence, ResponseCode, Wanted};
use crate::limits::ZONE_LABELS_MAX;
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
#[derive(Clone, Debug, PartialEq, Eq, Error)]
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
    /// REFUSED for a name above the registry's zone.
    #[error(
        "the server does not answer for {name}: the chain from the root takes a recursive resolver; ask one, \
         or give the zone's own trust anchor"
    )]
    NeedsResolver {
        /// The name.
        name: Name,
    },
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

/// What earlier lookups have found, and need not ask for again.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The zone's keys.
    pub keys: Option<Arc<ZoneKeys>>,
    /// What the chain from the root says of them.
    pub delegation: Option<Arc<Delegation>>,
}

/// Queries of one check and the answers so far.
#[derive(Debug)]
pub struct Lookup {
    owner: OwnerName,
    keys: Option<Arc<ZoneKeys>>,
    chain: Chain,
    questions: Vec<Question>,
}

/// Where the chain above the zone comes from.
#[derive(Debug)]
enum Chain {
    /// Trust begins in the zone.
    None,
    Known(Arc<Delegation>),
    Asked,
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
    /// Most queries that one lookup from the root makes.
    pub const QUERIES_FROM_ROOT_MAX: usize = Self::QUERIES_MAX + 2 * ZONE_LABELS_MAX;

    /// Starts a lookup of a device's records. Without `keys` of an earlier lookup the zone's DNSKEY
    /// RRset is asked for as well. `random` makes the query ids.
    pub fn new(
        owner: OwnerName,
        wanted: Wanted,
        keys: Option<Arc<ZoneKeys>>,
        random: [u8; 2 * Self::QUERIES_MAX],
    ) -> Self {
        let asked = asked(&owner, wanted, keys.is_none());
        Self::start(owner, keys, Chain::None, asked, &random)
    }

    /// Starts a lookup whose trust begins at the root: what is not `known` of the zone's keys and of the
    /// chain above them is asked for as well.
    pub fn from_root(
        owner: OwnerName,
        wanted: Wanted,
        known: Known,
        random: [u8; 2 * Self::QUERIES_FROM_ROOT_MAX],
    ) -> Self {
        let mut asked = asked(&owner, wanted, known.keys.is_none());
        let chain = match known.delegation {
            Some(delegation) => Chain::Known(delegation),
            None => {
                asked.extend(asked_above(&Name::from(owner.zone())));
                Chain::Asked
            }
        };
        Self::start(owner, known.keys, chain, asked, &random)
    }

    fn start(
        owner: OwnerName,
        keys: Option<Arc<ZoneKeys>>,
        chain: Chain,
        asked: Vec<(Name, u16)>,
        random: &[u8],
    ) -> Self {
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
            chain,
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
        let is_above = !question.name.is_at_or_below(&Name::from(self.owner.zone()));
        let response_code = match proving_response_code(sections.response_code) {
            Err(LookupError::Refused) if is_above => {
                let name = question.name.clone();
                return Err(LookupError::NeedsResolver { name });
            }
            other => other?,
        };
        question.progress = Progress::Answered(Answer {
            record_type: question.record_type,
            response_code,
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
        let zone = Name::from(self.owner.zone());
        let mut keys = self.keys.map(KeyEvidence::Known);
        let mut answers = Vec::with_capacity(self.questions.len());
        let mut links: Vec<Link> = Vec::new();
        for question in self.questions {
            let Progress::Answered(answer) = question.progress else {
                return None;
            };
            match question.record_type {
                record_type::DNSKEY if question.name == zone => {
                    keys = Some(KeyEvidence::Answered(answer));
                }
                record_type::DNSKEY => link_of(&mut links, question.name).keys = Some(answer),
                record_type::DS => link_of(&mut links, question.name).delegation = Some(answer),
                _ => answers.push(answer),
            }
        }
        Some(Evidence {
            owner: self.owner,
            chain: match self.chain {
                Chain::None => None,
                Chain::Known(delegation) => Some(ChainEvidence::Known(delegation)),
                Chain::Asked => Some(ChainEvidence::Answered(links)),
            },
            keys: keys?,
            answers,
        })
    }
}

fn link_of(links: &mut Vec<Link>, name: Name) -> &mut Link {
    let found = links.iter().position(|link| link.name == name);
    let at = found.unwrap_or(links.len());
    if found.is_none() {
        links.push(Link {
            name,
            delegation: None,
            keys: None,
        });
    }
    &mut links[at]
}

/// The device's records, and the zone's keys where they are wanted.
fn asked(owner: &OwnerName, wanted: Wanted, wants_keys: bool) -> Vec<(Name, u16)> {
    let name = Name::from(owner);
    let types = wanted.record_types().iter();
    let mut asked: Vec<(Name, u16)> = types
        .map(|record_type| (name.clone(), *record_type))
        .collect();
    if wants_keys {
        asked.push((Name::from(owner.zone()), record_type::DNSKEY));
    }
    asked
}

/// The root's keys, and what may be zones down to this one: any of its names may be.
fn asked_above(zone: &Name) -> Vec<(Name, u16)> {
    let mut asked = vec![(zone.suffix(0), record_type::DNSKEY)];
    for labels in 1..=zone.label_count() {
        let name = zone.suffix(labels);
        asked.push((name.clone(), record_type::DS));
        if name != *zone {
            asked.push((name, record_type::DNSKEY));
        }
    }
    asked
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

fn distinct_ids(random: &[u8]) -> Vec<u16> {
    let mut ids: Vec<u16> = Vec::with_capacity(random.len() / 2);
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
