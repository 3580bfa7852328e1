//! Evidence: everything that a verdict rests on, as values, whoever fetched it.

use std::sync::Arc;

use iot_identity::{OwnerName, TYPE_CERT, TYPE_TLSA};

use crate::chain::ChainEvidence;
use crate::dnskey::ZoneKeys;
use crate::message::Record;

/// Which of the device's records are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Wanted {
    /// CERT alone: one query.
    #[default]
    Cert,
    /// TLSA alone: one query.
    Tlsa,
    /// CERT and TLSA, which must agree: two queries at once.
    Both,
}

impl Wanted {
    /// The types, in the order in which they are asked for.
    pub fn record_types(self) -> &'static [u16] {
        match self {
            Self::Cert => &[TYPE_CERT],
            Self::Tlsa => &[TYPE_TLSA],
            Self::Both => &[TYPE_CERT, TYPE_TLSA],
        }
    }
}

/// The two response codes that can carry a proof. Not signed: it must agree with what is proven,
/// and proves nothing itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseCode {
    /// The name exists (positive answer or NODATA).
    NoError,
    /// NXDOMAIN.
    NameError,
}

/// One question's answer: all records of two sections, unjudged. The additional section and the
/// header's flags (AD among them) are not kept, because nothing may rest on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The type that was asked for.
    pub record_type: u16,
    /// What the responder said of it.
    pub response_code: ResponseCode,
    /// Answer section.
    pub answer: Vec<Record>,
    /// Authority section.
    pub authority: Vec<Record>,
    /// When it arrived, in Unix seconds; TTLs count from here.
    pub received_at: u64,
}

/// The zone's keys: as answered, or as they were authenticated for an earlier lookup.
#[derive(Clone, Debug)]
pub enum KeyEvidence {
    /// The answer to the DNSKEY question at the apex.
    Answered(Answer),
    /// Keys that were authenticated before; their times are checked again.
    Known(Arc<ZoneKeys>),
}

/// Everything that a verdict about one name rests on. Any value may be put in: [`crate::validate()`]
/// judges all of it. It can come from a lookup as well as from a stored bundle.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The name in question.
    pub owner: OwnerName,
    /// The chain from the root to the zone; none where the zone's own keys are anchored.
    pub chain: Option<ChainEvidence>,
    /// The zone's keys.
    pub keys: KeyEvidence,
    /// One answer for each record type that was asked for at the name.
    pub answers: Vec<Answer>,
}
