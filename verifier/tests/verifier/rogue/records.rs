//! Records and signatures, encoded by hickory-proto so that our own octets are not their own judge.

use hickory_proto::dnssec::rdata::sig::SigInput;
use hickory_proto::dnssec::rdata::{DNSSECRData, NSEC, RRSIG};
use hickory_proto::dnssec::{Algorithm, TBS};
use hickory_proto::rr::rdata::{CNAME, NULL, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType, SerialNumber};

use super::key::Key;

/// TTL of every record that the rogue makes.
pub(crate) const TTL: u32 = 60;

/// A name from its presentation form, of any octets but dots within labels; `\DDD` for odd ones.
pub(crate) fn name(text: &str) -> Name {
    match text.trim_end_matches('.') {
        "" => Name::root(),
        text => Name::from_labels(text.split('.').map(label)).unwrap(),
    }
}

fn label(text: &str) -> Vec<u8> {
    let mut pieces = text.split('\\');
    let mut octets = pieces.next().unwrap().as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at(3);
        octets.push(digits.parse().unwrap());
        octets.extend_from_slice(rest.as_bytes());
    }
    octets
}

/// A record of any type with any RDATA.
pub(crate) fn raw(owner: &str, record_type: u16, rdata: &[u8]) -> Record {
    let data = RData::Unknown {
        code: RecordType::from(record_type),
        rdata: match rdata {
            // hickory wants no empty octets in `with`.
            [] => NULL::new(),
            rdata => NULL::with(rdata.to_vec()),
        },
    };
    Record::from_rdata(name(owner), TTL, data)
}

pub(crate) fn nsec(owner: &str, next: &str, types: &[u16]) -> Record {
    let types = types.iter().map(|number| RecordType::from(*number));
    let nsec = NSEC::new(name(next), types);
    Record::from_rdata(name(owner), TTL, RData::DNSSEC(DNSSECRData::NSEC(nsec)))
}

pub(crate) fn cname(owner: &str, target: &str) -> Record {
    Record::from_rdata(name(owner), TTL, RData::CNAME(CNAME(name(target))))
}

pub(crate) fn txt(owner: &str, text: &str) -> Record {
    Record::from_rdata(name(owner), TTL, RData::TXT(TXT::new(vec![text.into()])))
}

pub(crate) fn of_class(mut record: Record, class: DNSClass) -> Record {
    record.dns_class = class;
    record
}

/// How to sign: every field can be wrong, and the signature is made over the wrong field.
#[derive(Clone)]
pub(crate) struct Signing<'a> {
    pub(crate) key: &'a Key,
    pub(crate) signer: &'a str,
    pub(crate) inception: u64,
    pub(crate) expiration: u64,
    pub(crate) original_ttl: u32,
    pub(crate) labels: Option<u8>,
    pub(crate) covered: Option<u16>,
    pub(crate) algorithm: u8,
    pub(crate) tag: Option<u16>,
}

impl<'a> Signing<'a> {
    pub(crate) fn new(key: &'a Key, signer: &'a str, now: u64) -> Self {
        Self {
            key,
            signer,
            inception: now - 300,
            expiration: now + 3_600,
            original_ttl: TTL,
            labels: None,
            covered: None,
            algorithm: 13,
            tag: None,
        }
    }

    fn input(&self, owner: &Name, record_type: RecordType) -> SigInput {
        SigInput {
            type_covered: self.covered.map_or(record_type, RecordType::from),
            algorithm: Algorithm::from_u8(self.algorithm),
            num_labels: self.labels.unwrap_or_else(|| owner.num_labels()),
            original_ttl: self.original_ttl,
            sig_expiration: SerialNumber::new(self.expiration as u32),
            sig_inception: SerialNumber::new(self.inception as u32),
            key_tag: self.tag.unwrap_or_else(|| self.key.tag()),
            signer_name: name(self.signer),
        }
    }

    /// The RRSIG over these records.
    pub(crate) fn rrsig(&self, rrset: &[Record]) -> Record {
        let owner = &rrset[0].name;
        let input = self.input(owner, rrset[0].record_type());
        let class = rrset[0].dns_class;
        // hickory makes no octets for more labels than the owner has; any will do then.
        let octets = TBS::from_input(owner, class, &input, rrset.iter())
            .map_or_else(|_| vec![0], |tbs| tbs.as_ref().to_vec());
        let rrsig = RRSIG::from_sig(input, self.key.sign(&octets));
        let mut record = Record::from_rdata(
            owner.clone(),
            rrset[0].ttl,
            RData::DNSSEC(DNSSECRData::RRSIG(rrsig)),
        );
        record.dns_class = class;
        record
    }

    /// The records and their RRSIG.
    pub(crate) fn sign(&self, rrset: Vec<Record>) -> Vec<Record> {
        let signature = self.rrsig(&rrset);
        let mut signed = rrset;
        signed.push(signature);
        signed
    }
}
