//! What two responses to the same query do not have in common.

use super::message::{
    FLAG_AA, FLAG_AD, FLAG_CD, FLAG_QR, FLAG_RA, FLAG_RD, FLAG_TC, FLAG_Z, Message,
};
use super::peers::Brand;
use super::proof;
use super::question::{Carrier, Question};

const NOERROR: u16 = 0;
const NXDOMAIN: u16 = 3;
/// Labels of the zone's name.
const APEX_LABELS: usize = 2;
/// What a response may keep free for an extended error (RFC 8914).
const EXTENDED_ERROR_OCTETS: usize = 6;

/// Where two responses differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Aspect {
    Code,
    Authoritative,
    Truncated,
    RecursionDesired,
    RecursionAvailable,
    Reserved,
    AuthenticData,
    CheckingDisabled,
    Question,
    Answer,
    Authority,
    Additional,
    Ttl,
    EdnsPresence,
    EdnsVersion,
    EdnsFlags,
    PayloadOctets,
}

/// A query with our response and another server's.
pub(super) struct Pair<'a> {
    pub(super) question: &'a Question,
    pub(super) carrier: Carrier,
    pub(super) brand: Brand,
    pub(super) ours: &'a Message,
    /// Ours over TCP, where nothing is cut.
    pub(super) full: &'a Message,
    pub(super) theirs: &'a Message,
}

impl Pair<'_> {
    /// Every aspect in which the two differ. EDNS options are each server's own.
    pub(super) fn differences(&self) -> Vec<Aspect> {
        let (ours, theirs) = (self.ours, self.theirs);
        let flag = |aspect, flag| (aspect, ours.has(flag) != theirs.has(flag));
        let edns = |differ: fn(&super::message::Edns, &super::message::Edns) -> bool| {
            let both = ours.edns.as_ref().zip(theirs.edns.as_ref());
            both.is_some_and(|(ours, theirs)| differ(ours, theirs))
        };
        let aspects = [
            (Aspect::Code, ours.code != theirs.code),
            flag(Aspect::Authoritative, FLAG_AA),
            flag(Aspect::Truncated, FLAG_TC),
            flag(Aspect::RecursionDesired, FLAG_RD),
            flag(Aspect::RecursionAvailable, FLAG_RA),
            flag(Aspect::Reserved, FLAG_Z),
            flag(Aspect::AuthenticData, FLAG_AD),
            flag(Aspect::CheckingDisabled, FLAG_CD),
            (Aspect::Question, ours.question != theirs.question),
            (Aspect::Answer, ours.answer.records != theirs.answer.records),
            (
                Aspect::Authority,
                ours.authority.records != theirs.authority.records,
            ),
            (
                Aspect::Additional,
                ours.additional.records != theirs.additional.records,
            ),
            (Aspect::Ttl, self.ttls_differ()),
            (
                Aspect::EdnsPresence,
                ours.edns.is_some() != theirs.edns.is_some(),
            ),
            (
                Aspect::EdnsVersion,
                edns(|ours, theirs| ours.version != theirs.version),
            ),
            (
                Aspect::EdnsFlags,
                edns(|ours, theirs| ours.flags != theirs.flags),
            ),
            (
                Aspect::PayloadOctets,
                edns(|ours, theirs| ours.payload_octets != theirs.payload_octets),
            ),
        ];
        let differing = aspects.into_iter().filter(|(_, differs)| *differs);
        differing.map(|(aspect, _)| aspect).collect()
    }

    /// Whether a record that both have has another TTL in each.
    fn ttls_differ(&self) -> bool {
        let sections = [
            (&self.ours.answer, &self.theirs.answer),
            (&self.ours.authority, &self.theirs.authority),
            (&self.ours.additional, &self.theirs.additional),
        ];
        sections.into_iter().any(|(ours, theirs)| {
            ours.with_ttl.iter().any(|with_ttl| {
                theirs.records.contains(&with_ttl.0) && !theirs.with_ttl.contains(with_ttl)
            })
        })
    }
}

/// What our own response must be, whatever others answer; says what it is not.
pub(super) fn own_breach(
    question: &Question,
    carrier: Carrier,
    ours: &Message,
    full: &Message,
) -> Option<&'static str> {
    let limit = match carrier {
        Carrier::Udp => question.datagram_octets_max(),
        Carrier::Tcp => usize::from(u16::MAX),
    };
    let sections = [&ours.answer, &ours.authority, &ours.additional];
    let rules = [
        (ours.id != question.id, "another id"),
        (!ours.has(FLAG_QR), "not a response"),
        (ours.has(FLAG_RA), "recursion is offered"),
        (ours.has(FLAG_Z), "a reserved flag is set (RFC 1035 §4.1.1)"),
        (
            ours.has(FLAG_AD),
            "AD is set without validation (RFC 4035 §3.1.6)",
        ),
        (
            ours.has(FLAG_RD) != (question.flags & FLAG_RD != 0),
            "RD is not copied (RFC 1035 §4.1.1)",
        ),
        (
            ours.question != question.section(),
            "the question is not repeated octet for octet",
        ),
        (ours.octets > limit, "longer than was asked for"),
        (
            sections.iter().any(|section| section.has_duplicates),
            "a record stands there twice",
        ),
        (
            ours.edns.is_some() != question.edns.is_some(),
            "EDNS without being asked, or missing",
        ),
        (full.has(FLAG_TC), "truncated over TCP"),
        (
            is_denial(question, full) && !proof::holds(question, APEX_LABELS, full),
            "a denial that its NSEC records do not prove",
        ),
        (
            ours.has(FLAG_TC) && full.octets + EXTENDED_ERROR_OCTETS <= limit,
            "truncated although it would have fitted",
        ),
    ];
    rules
        .into_iter()
        .find(|(broken, _)| *broken)
        .map(|(_, what)| what)
}

/// Whether a response denies something to a client that wants the proof.
fn is_denial(question: &Question, response: &Message) -> bool {
    question.dnssec_ok()
        && response.has(FLAG_AA)
        && response.answer.is_empty()
        && [NOERROR, NXDOMAIN].contains(&response.code)
}
