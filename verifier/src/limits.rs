//! Limits on the work and memory that any answer can cause.
//!
//! Sources: the key tag collision attack of 2024 ("KeyTrap"), and the limits of the validators that
//! survived it (hickory: 2 keys a tag, 8 signatures an RRset; Unbound: 8 signatures an RRset). Ours
//! are no looser, and a total over the whole lookup comes on top.

use thiserror::Error;

/// Longest DNS message: the length field of a stream has 16 bits (RFC 1035 §4.2.2).
pub const MESSAGE_OCTETS_MAX: usize = 65_535;
/// Records in the answer and authority sections together. The largest honest answer, a DNSKEY RRset
/// in the middle of a rollover or an NXDOMAIN proof with SOA, has fewer than 20.
pub const RECORDS_MAX: usize = 64;
/// Records in the additional section, which is skipped but for the OPT record.
pub const ADDITIONAL_RECORDS_MAX: usize = 64;
/// Compression pointers followed within one name.
pub const NAME_POINTERS_MAX: usize = 32;
/// Signature verifications for one lookup, all RRsets together.
pub const SIGNATURE_CHECKS_MAX: usize = 32;
/// RRSIG records over one RRset.
pub const SIGNATURES_PER_RRSET_MAX: usize = 8;
/// DNSKEY records in the zone's key RRset, usable or not.
pub const KEY_RECORDS_MAX: usize = 16;
/// Usable keys of a zone.
pub const KEYS_MAX: usize = 8;
/// Keys that share a key tag.
pub const KEYS_PER_TAG_MAX: usize = 2;
/// NSEC or NSEC3 RRsets in one answer; a proof of ours needs at most two, one by NSEC3 three.
pub const NSEC_RRSETS_MAX: usize = 4;
/// DS records at one name.
pub const DS_RECORDS_MAX: usize = 8;
/// Labels of a registry's zone, each of which may be a zone above it: its name has at most 26 characters.
pub const ZONE_LABELS_MAX: usize = 13;

/// Which limit an answer went over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Limit {
    /// [`SIGNATURE_CHECKS_MAX`].
    #[error("more than {SIGNATURE_CHECKS_MAX} signature checks for one lookup")]
    SignatureChecks,
    /// [`SIGNATURES_PER_RRSET_MAX`].
    #[error("more than {SIGNATURES_PER_RRSET_MAX} signatures over one RRset")]
    SignaturesPerRrset,
    /// [`KEY_RECORDS_MAX`].
    #[error("more than {KEY_RECORDS_MAX} DNSKEY records")]
    KeyRecords,
    /// [`KEYS_MAX`].
    #[error("more than {KEYS_MAX} usable zone keys")]
    Keys,
    /// [`KEYS_PER_TAG_MAX`].
    #[error("more than {KEYS_PER_TAG_MAX} zone keys with one key tag")]
    KeysPerTag,
    /// [`NSEC_RRSETS_MAX`].
    #[error("more than {NSEC_RRSETS_MAX} NSEC or NSEC3 RRsets in one answer")]
    NsecRrsets,
    /// [`DS_RECORDS_MAX`].
    #[error("more than {DS_RECORDS_MAX} DS records")]
    DsRecords,
}

/// Signature checks that a lookup may still spend.
#[derive(Debug)]
pub(crate) struct Budget {
    signature_checks_left: usize,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self {
            signature_checks_left: SIGNATURE_CHECKS_MAX,
        }
    }

    /// To be called before each signature verification.
    pub(crate) fn spend(&mut self) -> Result<(), Limit> {
        self.signature_checks_left = self
            .signature_checks_left
            .checked_sub(1)
            .ok_or(Limit::SignatureChecks)?;
        Ok(())
    }
}
