//! Everything about a query that does not depend on the zone's content, and what is said instead of
//! an answer.

use crate::query::{Fault, Options, Query, Question};
use crate::record_type::{TYPE_AXFR, TYPE_IXFR, TYPE_NXNAME, TYPE_OPT, TYPE_TKEY, TYPE_TSIG};
use crate::response::{ExtendedError, PLAIN_OCTETS_MAX, Response, ResponseCode, Transport};
use crate::tsig::Tsig;

const CLASS_IN: u16 = 1;
const OPCODE_QUERY: u8 = 0;
const OPCODE_NOTIFY: u8 = 4;
const OPCODE_UPDATE: u8 = 5;

/// Why there is an error instead of an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    code: ResponseCode,
    extended: Option<ExtendedError>,
}

impl Refusal {
    pub(super) fn new(code: ResponseCode) -> Self {
        Self {
            code,
            extended: None,
        }
    }

    pub(super) fn because(code: ResponseCode, extended: ExtendedError) -> Self {
        Self {
            code,
            extended: Some(extended),
        }
    }

    /// Whether the query has a signature that is the reason.
    pub(super) fn is_of_signature(self) -> bool {
        self.code == ResponseCode::NotAuth
    }

    /// Turns a response into this error; returns its octets.
    pub(super) fn finish(self, mut response: Response<'_, '_>) -> usize {
        response.clear_records();
        if let Some(extended) = self.extended {
            response.set_extended_error(extended);
        }
        response.finish(self.code)
    }
}

/// Adds the record that says that nobody here knows the key of a signed query (RFC 8945 §5.3.2) to a
/// response of so many octets, where there is room for it. Returns the octets of the response.
#[cold]
pub(super) fn name_unknown_key(
    message: &[u8],
    query: &Query<'_>,
    transport: Transport,
    out: &mut [u8],
    octets: usize,
) -> usize {
    let room = match transport {
        Transport::Datagram => out.len().min(usize::from(PLAIN_OCTETS_MAX)),
        Transport::Stream | Transport::EncryptedStream => out.len(),
    };
    match query.question.map(|question| Tsig::of(message, &question)) {
        Some(Ok(tsig)) => tsig.append_bad_key(&mut out[..room.max(octets)], octets),
        Some(Err(_)) | None => octets,
    }
}

/// Checks what can be checked without the zone.
#[inline]
pub(super) fn admit<'r, 'q>(query: &'r Query<'q>) -> Result<&'r Question<'q>, Refusal> {
    match query.header.opcode {
        OPCODE_QUERY => {}
        OPCODE_NOTIFY | OPCODE_UPDATE => return Err(Refusal::new(ResponseCode::Refused)),
        _ => return Err(Refusal::new(ResponseCode::NotImp)),
    }
    let (Some(question), Ok(edns)) = (&query.question, query.edns) else {
        return Err(Refusal::new(match query.edns {
            Err(Fault::Signed(_)) => ResponseCode::NotAuth,
            _ => ResponseCode::FormErr,
        }));
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

/// Checks what matters on connections only: a client does not tell how long they stay open (RFC 7828
/// §3.2.1). In a datagram the option means nothing.
pub(super) fn admit_on_stream(query: &Query<'_>) -> Result<(), Refusal> {
    match query.edns {
        Ok(Some(edns)) if edns.options().has(Options::KEEPALIVE_WITH_TIME) => {
            Err(Refusal::new(ResponseCode::FormErr))
        }
        _ => Ok(()),
    }
}
