//! Answers: a version of the zone and the octets of a query in, the octets of a response out. Pure.
//!
//! | query | response |
//! |---|---|
//! | shorter than a header, or a response | none |
//! | not exactly one question, compression, trailing octets, two OPT | FORMERR |
//! | opcode NOTIFY or UPDATE; other opcodes | REFUSED; NOTIMP |
//! | EDNS version above 0 | BADVERS |
//! | QTYPE 0, OPT, NXNAME, TKEY, TSIG | FORMERR |
//! | class other than IN, name outside the zone, AXFR, IXFR | REFUSED |
//! | QTYPE ANY | one RRset, the one of the lowest type (RFC 8482 §4.1) |
//! | QTYPE RRSIG | the signatures at the name |
//! | anything with an expired signature in it | SERVFAIL, extended error 7 |
//!
//! DS at the apex is answered like any type that is not there: the parent side is not ours to
//! answer for. There are no wildcards, aliases or delegations in the zone.

use crate::denial;
use crate::name::NameKey;
use crate::query::{Query, Question};
use crate::record_type::{
    TYPE_ANY, TYPE_AXFR, TYPE_IXFR, TYPE_NSEC, TYPE_NXNAME, TYPE_OPT, TYPE_RRSIG, TYPE_SOA,
    TYPE_TKEY, TYPE_TSIG,
};
pub use crate::response::Transport;
use crate::response::{ExtendedError, Response, ResponseCode, Section};
use crate::snapshot::{Node, Rrset, Snapshot};

const CLASS_IN: u16 = 1;
const OPCODE_QUERY: u8 = 0;
const OPCODE_NOTIFY: u8 = 4;
const OPCODE_UPDATE: u8 = 5;

/// What to do after a query was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Disposition {
    /// Send the octets.
    Answer,
    /// Send nothing.
    Drop,
}

/// Answers a query from one version of the zone. `now` is seconds since 1970. `out` is overwritten
/// with the response, at most 1,232 octets for a datagram and 65,535 for a stream.
pub fn answer(
    snapshot: &Snapshot,
    query: &[u8],
    transport: Transport,
    now: u64,
    out: &mut Vec<u8>,
) -> Disposition {
    answer_with_room(snapshot, query, transport, 0, now, out)
}

/// Like [`answer`], and leaves room for a carrier that writes the response with `room_octets` more.
pub(crate) fn answer_with_room(
    snapshot: &Snapshot,
    query: &[u8],
    transport: Transport,
    room_octets: usize,
    now: u64,
    out: &mut Vec<u8>,
) -> Disposition {
    out.clear();
    let Some(query) = Query::parse(query) else {
        return Disposition::Drop;
    };
    let mut response = Response::new(&query, transport, room_octets, out);
    let code = match admit(&query) {
        Err(refusal) => refusal.note(&mut response),
        Ok(question) => match resolve(snapshot, question, now, &mut response) {
            Ok(code) => code,
            Err(refusal) => {
                response.clear_records();
                refusal.note(&mut response)
            }
        },
    };
    response.finish(code);
    Disposition::Answer
}

/// Why there is an error instead of an answer.
struct Refusal {
    code: ResponseCode,
    extended: Option<ExtendedError>,
}

impl Refusal {
    fn new(code: ResponseCode) -> Self {
        Self {
            code,
            extended: None,
        }
    }

    fn because(code: ResponseCode, extended: ExtendedError) -> Self {
        Self {
            code,
            extended: Some(extended),
        }
    }

    fn note(self, response: &mut Response<'_>) -> ResponseCode {
        if let Some(extended) = self.extended {
            response.set_extended_error(extended);
        }
        self.code
    }
}

/// Checks everything about a query that does not depend on the zone's content.
fn admit<'q>(query: &'q Query<'_>) -> Result<&'q Question<'q>, Refusal> {
    match query.header.opcode {
        OPCODE_QUERY => {}
        OPCODE_NOTIFY | OPCODE_UPDATE => return Err(Refusal::new(ResponseCode::Refused)),
        _ => return Err(Refusal::new(ResponseCode::NotImp)),
    }
    let (Some(question), Ok(edns)) = (&query.question, query.edns) else {
        return Err(Refusal::new(ResponseCode::FormErr));
    };
    if edns.is_some_and(|edns| edns.version != 0) {
        return Err(Refusal::new(ResponseCode::BadVers));
    }
    match question.record_type {
        TYPE_NXNAME => Err(Refusal::because(
            ResponseCode::FormErr,
            ExtendedError::InvalidQueryType,
        )),
        0 | TYPE_OPT | TYPE_TKEY | TYPE_TSIG => Err(Refusal::new(ResponseCode::FormErr)),
        TYPE_AXFR | TYPE_IXFR => Err(Refusal::new(ResponseCode::Refused)),
        _ if question.class != CLASS_IN => Err(Refusal::new(ResponseCode::Refused)),
        _ => Ok(question),
    }
}

/// Finds what a question asks for and writes it.
fn resolve(
    snapshot: &Snapshot,
    question: &Question<'_>,
    now: u64,
    response: &mut Response<'_>,
) -> Result<ResponseCode, Refusal> {
    let Some(key) = question.key(snapshot.apex()) else {
        return Err(Refusal::because(
            ResponseCode::Refused,
            ExtendedError::NotAuthoritative,
        ));
    };
    response.set_authoritative();
    let Some(node) = snapshot.nodes.get(&key) else {
        if snapshot.exists(&key) {
            no_data(snapshot, &key, now, response)?;
            return Ok(ResponseCode::NoError);
        }
        negative(snapshot, &denial::name_error(snapshot, &key), now, response)?;
        return Ok(ResponseCode::NxDomain);
    };
    let record_type = match question.record_type {
        TYPE_RRSIG => {
            signatures(snapshot, &key, node, now, response)?;
            return Ok(ResponseCode::NoError);
        }
        // Every node has records; a node without any would be answered as having no NSEC either.
        TYPE_ANY => node.records.types().next().unwrap_or(TYPE_NSEC),
        other => other,
    };
    match snapshot.rrset(&key, node, record_type) {
        Some(rrset) => {
            let ttl_secs = rrset.ttl_secs;
            refuse_expired(&rrset, now)?;
            response.push_rrset(Section::Answer, snapshot, &key, &rrset, ttl_secs);
        }
        None => no_data(snapshot, &key, now, response)?,
    }
    Ok(ResponseCode::NoError)
}

/// The signatures at a name that are still valid.
fn signatures(
    snapshot: &Snapshot,
    key: &NameKey,
    node: &Node,
    now: u64,
    response: &mut Response<'_>,
) -> Result<(), Refusal> {
    let types = node.records.types().chain([TYPE_NSEC]);
    let mut covered: Vec<Rrset<'_>> = types
        .filter_map(|record_type| snapshot.rrset(key, node, record_type))
        .collect();
    covered.retain(|rrset| !rrset.signature.is_expired(now));
    if covered.is_empty() {
        return Err(expired());
    }
    response.push_signatures(snapshot, key, &covered);
    Ok(())
}

fn no_data(
    snapshot: &Snapshot,
    key: &NameKey,
    now: u64,
    response: &mut Response<'_>,
) -> Result<(), Refusal> {
    negative(snapshot, &[denial::no_data(snapshot, key)], now, response)
}

/// SOA, and with DNSSEC the NSEC records of the given names, all with the negative TTL (RFC 2308,
/// RFC 9077).
fn negative(
    snapshot: &Snapshot,
    nsec_owners: &[NameKey],
    now: u64,
    response: &mut Response<'_>,
) -> Result<(), Refusal> {
    let ttl_secs = snapshot.profile().nsec_ttl_secs();
    let apex = NameKey::apex();
    let soa = (&apex, TYPE_SOA);
    let proofs = nsec_owners.iter().map(|owner| (owner, TYPE_NSEC));
    let proofs = proofs.take(if response.dnssec_ok() { usize::MAX } else { 0 });
    for (key, record_type) in std::iter::once(soa).chain(proofs) {
        let node = snapshot.nodes.get(key);
        if let Some(rrset) = node.and_then(|node| snapshot.rrset(key, node, record_type)) {
            refuse_expired(&rrset, now)?;
            response.push_rrset(Section::Authority, snapshot, key, &rrset, ttl_secs);
        }
    }
    Ok(())
}

fn refuse_expired(rrset: &Rrset<'_>, now: u64) -> Result<(), Refusal> {
    if rrset.signature.is_expired(now) {
        Err(expired())
    } else {
        Ok(())
    }
}

fn expired() -> Refusal {
    Refusal::because(ResponseCode::ServFail, ExtendedError::SignatureExpired)
}
