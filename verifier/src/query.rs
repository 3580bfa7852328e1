//! The question (RFC 1035 §4.1, RFC 6891): one name, one type, class IN, DO set.

use crate::message::{CLASS_IN, record_type};
use crate::name::Name;

/// Largest answer over UDP: what fits a packet on every path (the value of the 2020 flag day).
const UDP_OCTETS_MAX: u16 = 1_232;
/// RD: a recursive resolver shall find the answer. CD: it shall leave the judgement to us, so that
/// a wrong answer is seen as bogus and not as the resolver's failure (RFC 6840 §5.9).
const FLAGS: u16 = 0x0110;
/// DO, in the TTL field of the OPT record (RFC 3225).
const DNSSEC_OK: u32 = 0x0000_8000;

/// The octets of a query.
pub(crate) fn encode_query(id: u16, name: &Name, record_type: u16) -> Vec<u8> {
    let mut octets = Vec::with_capacity(name.wire().len() + 27);
    for field in [id, FLAGS, 1, 0, 0, 1] {
        octets.extend_from_slice(&field.to_be_bytes());
    }
    octets.extend_from_slice(name.wire());
    for field in [record_type, CLASS_IN] {
        octets.extend_from_slice(&field.to_be_bytes());
    }
    octets.push(0);
    for field in [record_type::OPT, UDP_OCTETS_MAX] {
        octets.extend_from_slice(&field.to_be_bytes());
    }
    octets.extend_from_slice(&DNSSEC_OK.to_be_bytes());
    octets.extend_from_slice(&[0, 0]);
    octets
}
