//! Answers: a version of the zone and the octets of a query in, the octets of a response out. Pure,
//! and without memory of its own.
//!
//! | query | response |
//! |---|---|
//! | shorter than a header, or a response | none |
//! | not exactly one question, compression, trailing octets, two OPT | FORMERR |
//! | opcode NOTIFY or UPDATE; other opcodes | REFUSED; NOTIMP |
//! | a signature (TSIG): that cannot be read, is not the last record; any other | FORMERR; NOTAUTH, BADKEY |
//! | EDNS version above 0 | BADVERS |
//! | over a stream: a keepalive with a time of the client's | FORMERR |
//! | QTYPE 0, OPT, NXNAME, TKEY, TSIG | FORMERR |
//! | class other than IN, name outside the zone, AXFR, IXFR | REFUSED |
//! | QTYPE ANY | one RRset, the one of the lowest type (RFC 8482 §4.1) |
//! | QTYPE RRSIG | the signatures at the name |
//! | anything with an expired signature in it | none yet, or SERVFAIL, extended error 7 |
//! | anything from a damaged block | SERVFAIL, extended error 0 |
//!
//! DS at the apex is answered like any type that is not there: the parent side is not ours to
//! answer for. There are no wildcards, aliases or delegations in the zone. Cookies (RFC 7873) are
//! ignored like any option that is not known.

mod admit;
mod batch;
mod resolve;

pub use batch::{Exchange, answer_batch};

pub use crate::response::{Answering, Transport};
use crate::snapshot::Snapshot;
use crate::urgent::UrgentName;

/// What to do after a query was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Disposition {
    /// Send this many octets of the buffer.
    Answer(usize),
    /// Send nothing.
    Drop,
    /// A signature that the answer needs has expired: have it made, then ask again.
    Wait(UrgentName),
}

/// What to do about an expired signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Ask for a new one and wait.
    Wait,
    /// Answer SERVFAIL.
    Refuse,
}

/// Answers a query from one version of the zone. `now` is seconds since 1970. The response is
/// written to the start of `out`: at most 1,232 octets for a datagram and 65,535 for a stream, fewer
/// when `out` is shorter (which truncates).
pub fn answer(
    snapshot: &Snapshot,
    answering: &Answering,
    query: &[u8],
    transport: Transport,
    patience: Patience,
    now: u64,
    out: &mut [u8],
) -> Disposition {
    let mut exchanges = [Exchange::new(query, out)];
    answer_batch(
        snapshot,
        answering,
        &mut exchanges,
        transport,
        patience,
        now,
    );
    let [exchange] = exchanges;
    exchange.disposition
}

#[cfg(test)]
mod tests;
