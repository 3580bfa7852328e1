//! From loose records to RRsets: which records of an answer belong to the question.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::error::Bogus;
use crate::evidence::{Answer, ResponseCode};
use crate::limits::{Limit, NSEC_RRSETS_MAX};
use crate::message::{CLASS_IN, Record, record_type, type_name};
use crate::name::Name;

/// What is wrong with an answer before any signature is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AnswerFault {
    /// A record of another class than IN.
    #[error("the answer contains a {} record of class {class}", type_name(*.record_type))]
    ForeignClass {
        /// Its type.
        record_type: u16,
        /// Its class.
        class: u16,
    },
    /// CNAME or DNAME: the registry's zone has no aliases.
    #[error("the answer is an alias ({}), which the registry never publishes", type_name(*.record_type))]
    Alias {
        /// CNAME or DNAME.
        record_type: u16,
    },
    /// A record of another owner among the answers.
    #[error("the answer is about {owner}, which was not asked for")]
    OtherOwner {
        /// The owner found.
        owner: Name,
    },
    /// A record of another type among the answers.
    #[error("the answer contains {} records, which were not asked for", type_name(*.record_type))]
    OtherType {
        /// The type found.
        record_type: u16,
    },
    /// Signatures without the records that they should cover.
    #[error("the answer has signatures and no records")]
    OnlySignatures,
    /// The response code says something else than the sections.
    #[error("the response code {response_code:?} contradicts the answer's sections")]
    ResponseCode {
        /// What the responder said.
        response_code: ResponseCode,
    },
    /// Several records where the registry publishes exactly one.
    #[error("{found} {} records where the registry publishes exactly one", type_name(*.record_type))]
    NotExactlyOne {
        /// The type.
        record_type: u16,
        /// How many there are.
        found: usize,
    },
    /// No answer for a type, two answers for one, or an answer for a type that nobody wants.
    #[error("the evidence does not hold exactly one answer for each record type asked for")]
    Missing,
    /// Answers to different types prove different states of one name.
    #[error("the answers for CERT and TLSA prove different states")]
    Disagree,
}

/// Records of one owner and type, with the signatures that came with them. Nothing is verified yet.
#[derive(Clone, Debug)]
pub(crate) struct Rrset<'a> {
    pub(crate) owner: &'a Name,
    pub(crate) record_type: u16,
    /// The lowest TTL of the records.
    pub(crate) ttl_secs: u32,
    pub(crate) records: Vec<&'a [u8]>,
    /// RDATA of RRSIG records.
    pub(crate) signatures: Vec<&'a [u8]>,
}

impl<'a> Rrset<'a> {
    fn new(owner: &'a Name, record_type: u16) -> Self {
        Self {
            owner,
            record_type,
            ttl_secs: u32::MAX,
            records: Vec::new(),
            signatures: Vec::new(),
        }
    }

    fn add(&mut self, record: &'a Record) {
        if record.record_type == record_type::RRSIG {
            self.signatures.push(&record.rdata);
        } else {
            self.ttl_secs = self.ttl_secs.min(record.ttl_secs);
            self.records.push(&record.rdata);
        }
    }
}

/// The RRset of exactly the owner and type asked for; none when the answer section is empty.
///
/// Anything else in the answer section is an error: the registry's answers hold nothing else.
pub(crate) fn answered_rrset<'a>(
    answer: &'a Answer,
    owner: &'a Name,
) -> Result<Option<Rrset<'a>>, Bogus> {
    let mut rrset = Rrset::new(owner, answer.record_type);
    for record in &answer.answer {
        let found = record.record_type;
        if record.class != CLASS_IN {
            return Err(foreign_class(record).into());
        }
        if found == record_type::CNAME || found == record_type::DNAME {
            return Err(AnswerFault::Alias { record_type: found }.into());
        }
        if record.owner != *owner {
            let owner = record.owner.clone();
            return Err(AnswerFault::OtherOwner { owner }.into());
        }
        if found != answer.record_type && found != record_type::RRSIG {
            return Err(AnswerFault::OtherType { record_type: found }.into());
        }
        rrset.add(record);
    }
    if rrset.records.is_empty() {
        return match rrset.signatures.is_empty() {
            true => Ok(None),
            false => Err(AnswerFault::OnlySignatures.into()),
        };
    }
    expect_response_code(answer, ResponseCode::NoError)?;
    Ok(Some(rrset))
}

/// The RRsets of a type, NSEC or NSEC3, in the authority section, in canonical order of their owners.
/// Other types there (SOA, NS) are left alone: the verdict does not need them.
pub(crate) fn denial_rrsets(answer: &Answer, denial_type: u16) -> Result<Vec<Rrset<'_>>, Bogus> {
    let mut rrsets = BTreeMap::new();
    for record in &answer.authority {
        if record.class != CLASS_IN {
            return Err(foreign_class(record).into());
        }
        if record.record_type == denial_type || covers(record, denial_type) {
            rrsets
                .entry(&record.owner)
                .or_insert_with(|| Rrset::new(&record.owner, denial_type))
                .add(record);
        }
    }
    let rrsets: Vec<_> = rrsets
        .into_values()
        .filter(|rrset| !rrset.records.is_empty())
        .collect();
    if rrsets.len() > NSEC_RRSETS_MAX {
        return Err(Limit::NsecRrsets.into());
    }
    Ok(rrsets)
}

/// Refuses an answer whose response code is not `expected`.
pub(crate) fn expect_response_code(answer: &Answer, expected: ResponseCode) -> Result<(), Bogus> {
    if answer.response_code == expected {
        return Ok(());
    }
    let response_code = answer.response_code;
    Err(AnswerFault::ResponseCode { response_code }.into())
}

/// Whether this is an RRSIG over a type: a signature over another type of the same owner must not
/// count for it.
fn covers(record: &Record, covered: u16) -> bool {
    record.record_type == record_type::RRSIG && record.rdata.starts_with(&covered.to_be_bytes())
}

fn foreign_class(record: &Record) -> AnswerFault {
    AnswerFault::ForeignClass {
        record_type: record.record_type,
        class: record.class,
    }
}
