//! Responses as octets: sections filled RRset by RRset, never cut inside one.

use std::ops::Range;

use crate::name::NameKey;
use crate::query::{Edns, HEADER_OCTETS, Query};
use crate::record_type::{TYPE_OPT, TYPE_RRSIG};
use crate::snapshot::{Rrset, Snapshot};

/// Payload that we offer and never exceed in a datagram: passes without fragments nearly everywhere.
pub(crate) const PAYLOAD_OCTETS_MAX: u16 = 1232;
/// Datagram without EDNS (RFC 1035 §4.2.1).
const PLAIN_OCTETS_MAX: u16 = 512;
/// Octets of an OPT record without options.
const OPT_OCTETS: usize = 11;
/// Octets of an extended error without text (RFC 8914).
const EXTENDED_ERROR_OCTETS: usize = 6;
const OPTION_EXTENDED_ERROR: u16 = 15;

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One UDP datagram: small, and whoever asks may not be who they say.
    Datagram,
    /// TCP, TLS or HTTPS: up to 65,535 octets.
    Stream,
}

/// A response code with its meaning for us (RFC 1035, RFC 6891).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ResponseCode {
    NoError = 0,
    FormErr = 1,
    ServFail = 2,
    NxDomain = 3,
    NotImp = 4,
    Refused = 5,
    /// Needs EDNS: its upper bits stand in the OPT record.
    BadVers = 16,
}

/// Why, for people (RFC 8914 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum ExtendedError {
    SignatureExpired = 7,
    NotAuthoritative = 20,
    InvalidQueryType = 30,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Answer,
    Authority,
}

/// A response being written.
pub(crate) struct Response<'a> {
    out: &'a mut Vec<u8>,
    query: &'a Query<'a>,
    edns: Option<Edns>,
    /// Records have to end here, so that the OPT record fits behind them.
    records_end: usize,
    answers: u16,
    authorities: u16,
    truncated: bool,
    authoritative: bool,
    extended_error: Option<ExtendedError>,
}

impl<'a> Response<'a> {
    /// Starts a response to a query; the question is repeated octet for octet. The records leave
    /// `room_octets` free.
    pub(crate) fn new(
        query: &'a Query<'a>,
        transport: Transport,
        room_octets: usize,
        out: &'a mut Vec<u8>,
    ) -> Self {
        let edns = query.edns.ok().flatten();
        let limit = match (transport, edns) {
            (Transport::Stream, _) => u16::MAX,
            (Transport::Datagram, None) => PLAIN_OCTETS_MAX,
            (Transport::Datagram, Some(edns)) => edns
                .payload_octets
                .clamp(PLAIN_OCTETS_MAX, PAYLOAD_OCTETS_MAX),
        };
        let reserved = edns.map_or(0, |_| OPT_OCTETS + EXTENDED_ERROR_OCTETS);
        out.clear();
        out.extend_from_slice(&[0; HEADER_OCTETS]);
        if let Some(question) = &query.question {
            out.extend_from_slice(question.octets);
        }
        Self {
            records_end: usize::from(limit).saturating_sub(reserved + room_octets),
            out,
            query,
            edns,
            answers: 0,
            authorities: 0,
            truncated: false,
            authoritative: false,
            extended_error: None,
        }
    }

    /// Whether DNSSEC records are wanted.
    pub(crate) fn dnssec_ok(&self) -> bool {
        self.edns.is_some_and(|edns| edns.dnssec_ok)
    }

    pub(crate) fn set_authoritative(&mut self) {
        self.authoritative = true;
    }

    pub(crate) fn set_extended_error(&mut self, error: ExtendedError) {
        self.extended_error = Some(error);
    }

    /// Forgets every record, for an answer that turned out to be an error.
    pub(crate) fn clear_records(&mut self) {
        let question = self.query.question.as_ref();
        self.out
            .truncate(HEADER_OCTETS + question.map_or(0, |question| question.octets.len()));
        (self.answers, self.authorities, self.truncated) = (0, 0, false);
    }

    /// Adds an RRset, with its signature when DNSSEC is wanted. When it does not fit, the response
    /// is truncated and takes nothing more.
    pub(crate) fn push_rrset(
        &mut self,
        section: Section,
        snapshot: &Snapshot,
        key: &NameKey,
        rrset: &Rrset<'_>,
        ttl_secs: u32,
    ) {
        let with_signature = self.dnssec_ok();
        self.push_whole(section, |response| {
            for rdata in &rrset.rdatas {
                response.push_record(snapshot, key, rrset.record_type, ttl_secs, rdata);
            }
            let mut count = rrset.rdatas.len();
            if with_signature {
                let rdata = snapshot.rrsig_rdata(key, rrset);
                response.push_record(snapshot, key, TYPE_RRSIG, ttl_secs, &rdata);
                count += 1;
            }
            count
        });
    }

    /// Adds signatures as the RRset asked for.
    pub(crate) fn push_signatures(
        &mut self,
        snapshot: &Snapshot,
        key: &NameKey,
        covered: &[Rrset<'_>],
    ) {
        self.push_whole(Section::Answer, |response| {
            for rrset in covered {
                let rdata = snapshot.rrsig_rdata(key, rrset);
                response.push_record(snapshot, key, TYPE_RRSIG, rrset.ttl_secs, &rdata);
            }
            covered.len()
        });
    }

    /// Writes OPT and header.
    pub(crate) fn finish(self, code: ResponseCode) {
        let code = code as u8;
        if let Some(edns) = self.edns {
            push_opt(self.out, edns, code >> 4, self.extended_error);
        }
        let header = self.query.header;
        let mut flags = 0x8000 | u16::from(header.opcode) << 11 | u16::from(code & 0x0f);
        for (bit, set) in [
            (0x0400, self.authoritative),
            (0x0200, self.truncated),
            (0x0100, header.recursion_desired),
            // Copied, whatever it means to a server that does not validate (RFC 4035 §3.1.6).
            (0x0010, header.checking_disabled),
        ] {
            flags |= if set { bit } else { 0 };
        }
        let numbers = [
            header.id,
            flags,
            u16::from(self.query.question.is_some()),
            self.answers,
            self.authorities,
            u16::from(self.edns.is_some()),
        ];
        for (at, number) in numbers.into_iter().enumerate() {
            self.out[at * 2..at * 2 + 2].copy_from_slice(&number.to_be_bytes());
        }
    }

    /// Runs `push`, which returns its number of records, and takes it back if it does not fit.
    fn push_whole(&mut self, section: Section, push: impl FnOnce(&mut Self) -> usize) {
        if self.truncated {
            return;
        }
        let before = self.out.len();
        let count = push(self);
        if self.out.len() > self.records_end {
            self.out.truncate(before);
            self.truncated = true;
            return;
        }
        let total = match section {
            Section::Answer => &mut self.answers,
            Section::Authority => &mut self.authorities,
        };
        // Within 65,535 octets there are fewer than 65,535 records.
        *total += count as u16;
    }

    fn push_record(
        &mut self,
        snapshot: &Snapshot,
        key: &NameKey,
        record_type: u16,
        ttl_secs: u32,
        rdata: &[u8],
    ) {
        self.push_owner(snapshot, key);
        self.out.extend_from_slice(&record_type.to_be_bytes());
        self.out.extend_from_slice(&[0, 1]);
        self.out.extend_from_slice(&ttl_secs.to_be_bytes());
        self.out
            .extend_from_slice(&(rdata.len() as u16).to_be_bytes());
        self.out.extend_from_slice(rdata);
    }

    /// Writes an owner name, pointing into the question for the labels at its end that both share.
    fn push_owner(&mut self, snapshot: &Snapshot, key: &NameKey) {
        let wire = key.wire(snapshot.apex());
        let owner = label_ranges(&wire);
        let asked: &[&[u8]] = self
            .query
            .question
            .as_ref()
            .map_or(&[], |question| &question.labels);
        let shared = owner
            .iter()
            .rev()
            .zip(asked.iter().rev())
            .take_while(|(range, label)| wire[(*range).clone()].eq_ignore_ascii_case(label))
            .count();
        let own = &owner[..owner.len() - shared];
        for range in own {
            // At most 63, as in the key.
            self.out.push(range.len() as u8);
            self.out.extend_from_slice(&wire[range.clone()]);
        }
        if shared == 0 {
            self.out.push(0);
            return;
        }
        let skipped = &asked[..asked.len() - shared];
        let at = HEADER_OCTETS + skipped.iter().map(|label| label.len() + 1).sum::<usize>();
        // A question ends before octet 272, far below the 14 bits of a pointer.
        self.out
            .extend_from_slice(&(0xc000 | at as u16).to_be_bytes());
    }
}

fn label_ranges(wire: &[u8]) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(length @ 1..) = wire.get(at).copied() {
        let end = at + 1 + usize::from(length);
        ranges.push(at + 1..end);
        at = end;
    }
    ranges
}

fn push_opt(out: &mut Vec<u8>, edns: Edns, code_high: u8, error: Option<ExtendedError>) {
    out.push(0);
    out.extend_from_slice(&TYPE_OPT.to_be_bytes());
    out.extend_from_slice(&PAYLOAD_OCTETS_MAX.to_be_bytes());
    let dnssec_ok = if edns.dnssec_ok { 0x80 } else { 0 };
    out.extend_from_slice(&[code_high, 0, dnssec_ok, 0]);
    match error {
        None => out.extend_from_slice(&[0, 0]),
        Some(error) => {
            for number in [
                EXTENDED_ERROR_OCTETS as u16,
                OPTION_EXTENDED_ERROR,
                2,
                error as u16,
            ] {
                out.extend_from_slice(&number.to_be_bytes());
            }
        }
    }
}
