//! Differences that are right on both sides, each with its reason. A difference that none of these
//! explains is a breach.

use super::differences::{Aspect, Pair};
use super::message::{FLAG_AD, FLAG_CD, FLAG_TC, FLAG_Z, Record, TYPE_NS, TYPE_RRSIG};
use super::peers::Brand;
use super::proof;
use super::question::Carrier;

/// Why two servers may differ.
pub struct Reason {
    /// Short, as it stands in the report.
    pub name: &'static str,
    /// Which servers do it.
    brands: &'static [Brand],
    /// What differs.
    aspects: &'static [Aspect],
    /// The long form: who does what, and which RFC lets them.
    pub text: &'static str,
    /// Whether it applies; the aspects alone do not say so.
    applies: fn(&Pair<'_>) -> bool,
}

/// The reason for a difference, if there is one.
pub(super) fn reason(pair: &Pair<'_>, aspect: Aspect) -> Option<&'static Reason> {
    REASONS.iter().find(|reason| {
        reason.brands.contains(&pair.brand)
            && reason.aspects.contains(&aspect)
            && (reason.applies)(pair)
    })
}

const ALL: &[Brand] = &Brand::ALL;
const SECTIONS: &[Aspect] = &[
    Aspect::Answer,
    Aspect::Authority,
    Aspect::Additional,
    Aspect::Ttl,
];

/// All of them, the narrow ones first.
pub const REASONS: &[Reason] = &[
    Reason {
        name: "CD cleared or copied",
        brands: ALL,
        aspects: &[Aspect::CheckingDisabled],
        text: "RFC 4035 §3.1.6: an authoritative server SHOULD clear CD in its responses (Knot, \
               NSD); §3.2.2 has recursive servers copy it, and BIND, which is both, always copies.",
        applies: |pair| pair.question.flags & FLAG_CD != 0,
    },
    Reason {
        name: "AD in a truncated response",
        brands: &[Brand::Bind],
        aspects: &[Aspect::AuthenticData],
        text: "RFC 4035 §3.1.6: an authoritative server MUST NOT set AD unless it holds the data to be \
               authentic and is configured to say so; we never do. BIND, asked with AD (RFC 6840 \
               §5.7), begins with AD and clears it with the first RRset that it has written whole: \
               in a truncated response that holds none, it stays.",
        applies: |pair| {
            pair.question.flags & FLAG_AD != 0
                && pair.theirs.has(FLAG_TC)
                && !pair.ours.has(FLAG_AD)
                && !pair.full.has(FLAG_AD)
        },
    },
    Reason {
        name: "class ANY",
        brands: ALL,
        aspects: &[
            Aspect::Code,
            Aspect::Authoritative,
            Aspect::Truncated,
            Aspect::Answer,
            Aspect::Authority,
            Aspect::Additional,
            Aspect::Question,
        ],
        text: "QCLASS ANY (RFC 1035 §3.2.5): we answer for class IN alone and refuse; BIND says \
               FORMERR; Knot and NSD answer as if IN had been asked, NSD without AA.",
        applies: |pair| pair.question.class == CLASS_ANY && pair.ours.code == REFUSED,
    },
    Reason {
        name: "class that is not served",
        brands: &[Brand::Nsd, Brand::Bind],
        aspects: &[Aspect::Code, Aspect::Question],
        text: "A class other than IN: NSD refuses without repeating the question; BIND, which has a \
               view of class CH of its own, may say NOTAUTH or refuse.",
        applies: |pair| {
            let (ours, theirs) = (pair.ours, pair.theirs);
            !pair.question.is_internet()
                && ours.code == REFUSED
                && [REFUSED, NOTAUTH].contains(&theirs.code)
                && (theirs.question.is_empty() || theirs.question == ours.question)
        },
    },
    Reason {
        name: "REFUSED without the question",
        brands: &[Brand::Nsd],
        aspects: &[Aspect::Question],
        text: "NSD sends no question section with some refusals; RFC 1035 §4.1.1 has responses carry \
               the question, and we do.",
        applies: |pair| {
            pair.ours.code == REFUSED
                && pair.theirs.code == REFUSED
                && pair.theirs.question.is_empty()
        },
    },
    Reason {
        name: "BADVERS without DO",
        brands: &[Brand::Nsd],
        aspects: &[Aspect::EdnsFlags],
        text: "RFC 3225 §3: DO is copied into the response. NSD does not where the EDNS version is \
               not known to it.",
        applies: |pair| {
            pair.ours.code == BADVERS
                && pair.theirs.code == BADVERS
                && pair
                    .theirs
                    .edns
                    .as_ref()
                    .is_some_and(|edns| edns.flags == 0)
        },
    },
    Reason {
        name: "reserved flag copied",
        brands: &[Brand::Nsd],
        aspects: &[Aspect::Reserved],
        text: "RFC 1035 §4.1.1: Z is zero in responses, and so it is in ours; NSD copies it in errors.",
        applies: |pair| pair.question.flags & FLAG_Z != 0 && pair.ours.code != NOERROR,
    },
    Reason {
        name: "ANY: one RRset or several",
        brands: ALL,
        aspects: &[
            Aspect::Answer,
            Aspect::Truncated,
            Aspect::Additional,
            Aspect::Ttl,
        ],
        text: "RFC 8482 §4.1 lets a server choose what it answers to QTYPE ANY: we give the RRset of \
               the lowest type, Knot another single one over UDP and all over TCP, NSD the first \
               that it finds or all, BIND all. Held: ours is one whole RRset that the name owns.",
        applies: |pair| pair.question.record_type == TYPE_ANY && is_one_rrset(pair),
    },
    Reason {
        name: "RRSIG: one signature or all",
        brands: &[Brand::Knot],
        aspects: &[Aspect::Answer, Aspect::Truncated],
        text: "RFC 8482 §7 lets a server treat QTYPE RRSIG as ANY: Knot gives one signature, we give \
               all of the name (RFC 4035 §3.1.1 leaves it open). Held: theirs is among ours.",
        applies: |pair| {
            let asked = pair.question.record_type == TYPE_RRSIG;
            asked
                && pair
                    .theirs
                    .answer
                    .records
                    .is_subset(&pair.full.answer.records)
        },
    },
    Reason {
        name: "addresses of the name server",
        brands: ALL,
        aspects: &[Aspect::Additional],
        text: "RFC 1034 §4.3.2 step 6 and RFC 2181 §9: additional data is optional outside of \
               referrals; the others add addresses of ns1 to NS answers, we add nothing.",
        applies: |pair| {
            let addresses = [TYPE_A, TYPE_AAAA];
            let only_addresses = pair.theirs.additional.records.iter();
            pair.ours.additional.is_empty()
                && pair.ours.answer.of_type(TYPE_NS).next().is_some()
                && only_addresses
                    .into_iter()
                    .all(|r| addresses.contains(&r.covered_type()))
        },
    },
    Reason {
        name: "a NUL octet in a label",
        brands: &[Brand::Knot],
        aspects: &[Aspect::Authority],
        text: "RFC 4034 §6.1 orders names label by label; Knot 3.2 searches for a packed form in which \
               labels are separated by NUL, so that below or beside a label with a NUL octet it \
               finds another neighbour. Held: our proof covers the name, theirs does not.",
        applies: |pair| {
            pair.question.labels.iter().any(|label| label.contains(&0))
                && proof::covers_name(pair.question, pair.full)
                && !proof::covers_name(pair.question, pair.theirs)
        },
    },
    Reason {
        name: "SIG without proof",
        brands: &[Brand::Bind],
        aspects: &[Aspect::Authority],
        text: "QTYPE SIG is what RRSIG was before RFC 3755; BIND answers that there is none without \
               an NSEC record. We treat it like every type that is not there (RFC 4035 §3.1.3.1).",
        applies: |pair| {
            pair.question.record_type == TYPE_SIG
                && pair
                    .theirs
                    .authority
                    .records
                    .is_subset(&pair.ours.authority.records)
        },
    },
    Reason {
        name: "what a truncated response still carries",
        brands: ALL,
        aspects: SECTIONS,
        text: "RFC 2181 §9: a response with TC is asked for again over TCP and its records are not \
               used. We keep whole RRsets with their signatures, Knot whole RRsets, NSD what fits, \
               BIND nothing. Held: ours, and what we say in full, are the same as far as they go.",
        applies: |pair| {
            let (ours, full) = (pair.ours, pair.full);
            let truncated = ours.has(FLAG_TC) || pair.theirs.has(FLAG_TC);
            truncated
                && ours.answer.records.is_subset(&full.answer.records)
                && ours.authority.records.is_subset(&full.authority.records)
        },
    },
    Reason {
        name: "truncated earlier or later",
        brands: ALL,
        aspects: &[Aspect::Truncated],
        text: "Servers compress names in different places (RFC 1035 §4.1.4 obliges nobody), so that \
               a response near the limit is truncated by one and not by another. Held for ours: in \
               full it would not have fitted; held for theirs: nothing.",
        applies: |pair| pair.carrier == Carrier::Udp,
    },
];

const NOERROR: u16 = 0;
const REFUSED: u16 = 5;
const NOTAUTH: u16 = 9;
const BADVERS: u16 = 16;
const CLASS_ANY: u16 = 255;
const TYPE_A: u16 = 1;
const TYPE_SIG: u16 = 24;
const TYPE_AAAA: u16 = 28;
const TYPE_ANY: u16 = 255;

/// Whether our answer is one RRset, with its signature when it was asked for, that theirs has too
/// or that at least lies at the name in question.
fn is_one_rrset(pair: &Pair<'_>) -> bool {
    let records = &pair.full.answer.records;
    let mut types: Vec<u16> = records.iter().map(Record::covered_type).collect();
    types.dedup();
    let signatures = pair.full.answer.of_type(TYPE_RRSIG).count();
    let name = pair.question.name().to_ascii_lowercase();
    types.len() == 1
        && signatures == usize::from(pair.question.dnssec_ok())
        && records.iter().all(|record| record.owner == name)
        && (pair.brand != Brand::Bind
            || pair.theirs.has(FLAG_TC)
            || records.is_subset(&pair.theirs.answer.records))
}
