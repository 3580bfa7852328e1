//! Numbers and mnemonics of the record types that the zone knows.

pub(crate) use iot_identity::{TYPE_CERT, TYPE_TLSA, TYPE_TXT};

pub(crate) const TYPE_A: u16 = 1;
pub(crate) const TYPE_NS: u16 = 2;
pub(crate) const TYPE_SOA: u16 = 6;
pub(crate) const TYPE_AAAA: u16 = 28;
pub(crate) const TYPE_OPT: u16 = 41;
pub(crate) const TYPE_RRSIG: u16 = 46;
pub(crate) const TYPE_NSEC: u16 = 47;
pub(crate) const TYPE_DNSKEY: u16 = 48;
pub(crate) const TYPE_CDS: u16 = 59;
pub(crate) const TYPE_CDNSKEY: u16 = 60;
pub(crate) const TYPE_HTTPS: u16 = 65;
/// RFC 9824: only ever stands in bitmaps; a query for it is malformed.
pub(crate) const TYPE_NXNAME: u16 = 128;
pub(crate) const TYPE_TKEY: u16 = 249;
pub(crate) const TYPE_TSIG: u16 = 250;
pub(crate) const TYPE_IXFR: u16 = 251;
pub(crate) const TYPE_AXFR: u16 = 252;
pub(crate) const TYPE_ANY: u16 = 255;
pub(crate) const TYPE_CAA: u16 = 257;

const MNEMONICS: [(u16, &str); 15] = [
    (TYPE_A, "A"),
    (TYPE_NS, "NS"),
    (TYPE_SOA, "SOA"),
    (TYPE_TXT, "TXT"),
    (TYPE_AAAA, "AAAA"),
    (TYPE_CERT, "CERT"),
    (TYPE_RRSIG, "RRSIG"),
    (TYPE_NSEC, "NSEC"),
    (TYPE_DNSKEY, "DNSKEY"),
    (TYPE_TLSA, "TLSA"),
    (TYPE_CDS, "CDS"),
    (TYPE_CDNSKEY, "CDNSKEY"),
    (TYPE_HTTPS, "HTTPS"),
    (TYPE_ANY, "ANY"),
    (TYPE_CAA, "CAA"),
];

/// The mnemonic, or `TYPE<number>` (RFC 3597 §5).
pub(crate) fn mnemonic(record_type: u16) -> String {
    MNEMONICS
        .iter()
        .find(|(number, _)| *number == record_type)
        .map_or_else(
            || format!("TYPE{record_type}"),
            |(_, name)| (*name).to_owned(),
        )
}

/// Whether the KSK signs this type: the key set itself and what the parent reads; the ZSK signs
/// everything else.
pub(crate) fn is_key_type(record_type: u16) -> bool {
    matches!(record_type, TYPE_DNSKEY | TYPE_CDS | TYPE_CDNSKEY)
}
