//! What can be wrong with a zone.

use thiserror::Error;

use crate::record_type::mnemonic;

/// One thing that is wrong with a zone.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{owner}: {problem}")]
pub struct Finding {
    /// Presentation form of the name.
    pub owner: String,
    /// What is wrong there.
    pub problem: Problem,
}

/// What can be wrong at a name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// The name is not in the zone.
    #[error("the name is not in the zone")]
    OutOfZone,
    /// The name comes before the one in front of it in canonical order, or again.
    #[error("the name is not in its place in the order of names")]
    OutOfOrder,
    /// The apex lacks a record set that every zone has.
    #[error("the apex has no {}", mnemonic(*.0))]
    ApexIncomplete(u16),
    /// Devices' names that cannot be read, with those that the database lists there.
    #[error(
        "page {page} of the zone's file is damaged: about {names} names from here on are unknown; the \
         database lists {listed} there"
    )]
    Unread {
        /// Number of the page.
        page: u32,
        /// About how many names it holds.
        names: u64,
        /// Credentials that the database lists there.
        listed: u64,
    },
    /// The database lists a credential that is not published.
    #[error("the database lists this credential, the zone does not have it")]
    NotPublished,
    /// A credential is published that the database does not list.
    #[error("the zone has this credential, the database does not list it")]
    NotListed,
    /// A credential is published differently from what the database says.
    #[error("the records are not those that the database asks for")]
    OtherPublication,
    /// A name below the zone looks like a device's and is not one.
    #[error("the name contains a device id but is not a credential's name")]
    StrayDeviceName,
    /// Records of one set differ in TTL, or the set holds a record twice.
    #[error("the {} records are not a set", mnemonic(*.0))]
    NotASet(u16),
    /// An RRset without a signature.
    #[error("{} is not signed", mnemonic(*.0))]
    Unsigned(u16),
    /// An RRset with more than one signature of the active key.
    #[error("{} has more than one signature", mnemonic(*.0))]
    SignedTwice(u16),
    /// A signature over an RRset that is not there.
    #[error("a signature covers {}, which is not there", mnemonic(*.0))]
    OrphanSignature(u16),
    /// A signature by a key that is not published, or not by the one for this type.
    #[error("the signature over {} names a key that is not published for it", mnemonic(*.0))]
    UnknownKey(u16),
    /// A signature that does not verify.
    #[error("the signature over {} does not verify", mnemonic(*.0))]
    BadSignature(u16),
    /// A signature outside of its time.
    #[error("the signature over {} is not valid now", mnemonic(*.0))]
    NotInTime(u16),
    /// RRSIG RDATA that cannot be read.
    #[error("an RRSIG record is malformed")]
    MalformedSignature,
    /// A name without NSEC, or with several.
    #[error("the name has {0} NSEC records")]
    NsecCount(usize),
    /// An NSEC that names another next name than the zone has.
    #[error("the NSEC record points to {0}")]
    BrokenChain(String),
    /// An NSEC whose bitmap is not the list of types at the name.
    #[error("the NSEC record does not list the types that are there")]
    Bitmap,
}
