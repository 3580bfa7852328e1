//! Why there is no verdict.

use iot_identity::{RecordError, ZoneName};
use thiserror::Error;

use crate::chain::{ChainEnd, ChainFault};
use crate::denial::DenialFault;
use crate::dnskey::KeyFault;
use crate::limits::Limit;
use crate::message::type_name;
use crate::policy::ClockImplausible;
use crate::rrset::AnswerFault;
use crate::signature::SignatureFault;

/// What proves an answer wrong. Whoever sends such an answer is broken or hostile; an answer
/// without signatures is among them, because the anchor says that the zone is signed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Bogus {
    /// No signature over an RRset holds. Of several, the fault of the one that came furthest.
    #[error("the signature over {}: {fault}", type_name(*.record_type))]
    Signature {
        /// Type of the RRset.
        record_type: u16,
        /// What is wrong with it.
        fault: SignatureFault,
    },
    /// The zone's keys.
    #[error(transparent)]
    Keys(#[from] KeyFault),
    /// The shape of an answer.
    #[error(transparent)]
    Answer(#[from] AnswerFault),
    /// A proof that something does not exist.
    #[error(transparent)]
    Denial(#[from] DenialFault),
    /// The chain from the root to the registry's zone.
    #[error("the chain from the root: {0}")]
    Chain(#[from] ChainFault),
    /// A record, rightly signed, that is not one of the registry's.
    #[error("the {} record is not the registry's: {fault}", type_name(*.record_type))]
    Record {
        /// CERT or TLSA.
        record_type: u16,
        /// What is wrong with it.
        fault: RecordError,
    },
    /// CERT and TLSA, rightly signed, with different fingerprints.
    #[error("CERT and TLSA publish different fingerprints")]
    FingerprintsDiffer,
    /// More records than [`crate::limits::RECORDS_MAX`] in one message, which was not read further.
    #[error("an answer with more records than any honest one has")]
    TooManyRecords,
    /// More work than an honest answer makes.
    #[error(transparent)]
    Limit(#[from] Limit),
}

impl Bogus {
    /// Whether a change of the zone's keys, or of its delegation, since they were fetched could be the
    /// reason, so that it is worth fetching them again.
    pub(crate) fn may_be_key_change(&self) -> bool {
        matches!(
            self,
            Self::Signature {
                fault: SignatureFault::NoKey { .. }
                    | SignatureFault::UnusableKey { .. }
                    | SignatureFault::Invalid,
                ..
            } | Self::Keys(KeyFault::NotAnchored | KeyFault::NotSignedByAnchoredKey)
        )
    }
}

/// Why evidence does not end in a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ValidationError {
    /// The evidence is wrong.
    #[error("bogus: {0}")]
    Bogus(#[from] Bogus),
    /// The chain from the root ends before the zone, and that is proven: nothing below can be.
    #[error("the chain from the root ends: {0}")]
    ChainEnds(#[from] ChainEnd),
    /// The clock is wrong, so that no signature's time can be judged.
    #[error(transparent)]
    ClockImplausible(#[from] ClockImplausible),
    /// The name lies in a zone for which the anchor does not speak.
    #[error("the name lies in the zone {found}, the trust anchor is for {anchored}")]
    ForeignZone {
        /// The zone of the name.
        found: ZoneName,
        /// The zone of the anchor.
        anchored: ZoneName,
    },
}

impl From<ChainFault> for ValidationError {
    fn from(fault: ChainFault) -> Self {
        Self::Bogus(fault.into())
    }
}

impl From<Limit> for ValidationError {
    fn from(limit: Limit) -> Self {
        Self::Bogus(limit.into())
    }
}
