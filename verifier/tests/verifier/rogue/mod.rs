//! The rogue signer: a zone with its keys, the answers that an honest server would give, and a way
//! to change any of them before they are encoded and looked up.

pub(crate) mod above;
pub(crate) mod key;
pub(crate) mod records;
pub(crate) mod server;

use std::fmt::Write;
use std::sync::Arc;

use hickory_proto::op::{Message, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Record, RecordType};
use iot_identity::{CertRecord, Fingerprint, InactiveText, OwnerName, TlsaRecord};
use iot_verifier::{
    Channel, Evidence, Lookup, LookupError, Policy, ValidationError, Verdict, Wanted, ZoneAnchor,
    ZoneKeys,
};

use key::{KSK, Key, ZSK};
use records::{Signing, TTL, name, nsec, raw};

pub(crate) const ZONE: &str = "iotregistry.example.";
pub(crate) const DEVICE: &str = "89049032123451234512345678901235";
pub(crate) const OWNER: &str = "1.89049032123451234512345678901235.iotregistry.example.";
/// Another device, whose id sorts before [`DEVICE`].
pub(crate) const OTHER_OWNER: &str = "1.8912230200031010008f.iotregistry.example.";
/// 22 November 2026.
pub(crate) const NOW: u64 = 1_795_305_600;

pub(crate) const CERT: u16 = 37;
pub(crate) const TLSA: u16 = 52;
pub(crate) const TXT: u16 = 16;
pub(crate) const NS: u16 = 2;
pub(crate) const SOA: u16 = 6;
pub(crate) const CNAME: u16 = 5;
pub(crate) const DNAME: u16 = 39;
pub(crate) const RRSIG: u16 = 46;
pub(crate) const NSEC: u16 = 47;
pub(crate) const DNSKEY: u16 = 48;

/// Types at the zone's apex.
pub(crate) const APEX_TYPES: [u16; 5] = [NS, SOA, RRSIG, NSEC, DNSKEY];

/// The sections of one answer.
#[derive(Clone)]
pub(crate) struct Sections {
    pub(crate) code: ResponseCode,
    pub(crate) answer: Vec<Record>,
    pub(crate) authority: Vec<Record>,
}

impl Sections {
    pub(crate) fn positive(answer: Vec<Record>) -> Self {
        Self {
            code: ResponseCode::NoError,
            answer,
            authority: Vec::new(),
        }
    }

    pub(crate) fn negative(code: ResponseCode, authority: Vec<Record>) -> Self {
        Self {
            code,
            answer: Vec::new(),
            authority,
        }
    }
}

/// What a server answers: the DNSKEY RRset, CERT and TLSA.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) keys: Sections,
    pub(crate) cert: Sections,
    pub(crate) tlsa: Sections,
    pub(crate) wanted: Wanted,
    pub(crate) now: u64,
}

/// Why a case ends without verdict.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Failure {
    Lookup(LookupError),
    Validation(ValidationError),
}

impl From<ValidationError> for Failure {
    fn from(error: ValidationError) -> Self {
        Self::Validation(error)
    }
}

impl From<iot_verifier::Bogus> for Failure {
    fn from(bogus: iot_verifier::Bogus) -> Self {
        Self::Validation(bogus.into())
    }
}

/// The zone of the rogue, at one moment.
pub(crate) struct World {
    pub(crate) ksk: Key,
    pub(crate) zsk: Key,
    pub(crate) now: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::at(NOW)
    }

    pub(crate) fn at(now: u64) -> Self {
        Self {
            ksk: Key::generate(KSK),
            zsk: Key::generate(ZSK),
            now,
        }
    }

    /// The anchor file with the DS record of the KSK, its digest made by hickory.
    pub(crate) fn anchor_text(&self) -> String {
        use hickory_proto::dnssec::rdata::DNSKEY;
        use hickory_proto::dnssec::{Algorithm, DigestType, PublicKeyBuf};
        let rdata = self.ksk.rdata();
        let public = PublicKeyBuf::new(rdata[4..].to_vec(), Algorithm::ECDSAP256SHA256);
        let dnskey = DNSKEY::with_flags(self.ksk.flags, public);
        let digest = dnskey.to_digest(&name(ZONE), DigestType::SHA256).unwrap();
        let mut text = format!("{ZONE} 3600 IN DS {} 13 2 ", self.ksk.tag());
        for octet in digest.as_ref() {
            write!(text, "{octet:02X}").unwrap();
        }
        text
    }

    pub(crate) fn anchor(&self) -> ZoneAnchor {
        ZoneAnchor::parse(&self.anchor_text()).unwrap()
    }

    pub(crate) fn by_ksk(&self) -> Signing<'_> {
        let signing = Signing::new(&self.ksk, ZONE, self.now);
        Signing {
            expiration: self.now + 3 * 86_400,
            ..signing
        }
    }

    pub(crate) fn by_zsk(&self) -> Signing<'_> {
        Signing::new(&self.zsk, ZONE, self.now)
    }

    pub(crate) fn dnskey_records(&self) -> Vec<Record> {
        vec![
            raw(ZONE, DNSKEY, &self.ksk.rdata()),
            raw(ZONE, DNSKEY, &self.zsk.rdata()),
        ]
    }

    fn honest(&self, wanted: Wanted, cert: Sections, tlsa: Sections) -> Case {
        Case {
            keys: Sections::positive(self.by_ksk().sign(self.dnskey_records())),
            cert,
            tlsa,
            wanted,
            now: self.now,
        }
    }

    /// CERT and TLSA are published.
    pub(crate) fn active(&self) -> Case {
        let cert = self.by_zsk().sign(vec![cert_record()]);
        let tlsa = self.by_zsk().sign(vec![tlsa_record()]);
        let positive = Sections::positive;
        self.honest(Wanted::Cert, positive(cert), positive(tlsa))
    }

    /// Only the status text is published.
    pub(crate) fn inactive(&self) -> Case {
        self.denied(
            ResponseCode::NoError,
            vec![vec![nsec(OWNER, &zone_name("zz"), &[TXT, RRSIG, NSEC])]],
        )
    }

    /// Nothing is published; another device's name comes before ours.
    pub(crate) fn absent(&self) -> Case {
        self.denied(
            ResponseCode::NXDomain,
            vec![
                vec![nsec(ZONE, &zone_name("7"), &APEX_TYPES)],
                vec![nsec(&zone_name("8"), &zone_name("zz"), &[TXT, RRSIG, NSEC])],
            ],
        )
    }

    /// A negative answer with these NSEC RRsets, all rightly signed, and the SOA.
    pub(crate) fn denied(&self, code: ResponseCode, rrsets: Vec<Vec<Record>>) -> Case {
        let mut authority = self.by_zsk().sign(vec![soa_record()]);
        for rrset in rrsets {
            authority.extend(self.by_zsk().sign(rrset));
        }
        let sections = Sections::negative(code, authority);
        self.honest(Wanted::Cert, sections.clone(), sections)
    }

    /// Looks the device up in this case.
    pub(crate) fn judge(&self, case: &Case) -> Result<Verdict, Failure> {
        let evidence = gather(case).map_err(Failure::Lookup)?;
        let policy = policy_at(self.now);
        Ok(validate(&evidence, &self.anchor(), &policy, case.now)?)
    }
}

/// Judges evidence by the zone's own anchor.
pub(crate) fn validate(
    evidence: &Evidence,
    anchor: &ZoneAnchor,
    policy: &Policy,
    now: u64,
) -> Result<Verdict, ValidationError> {
    iot_verifier::validate(evidence, &anchor.clone().into(), policy, now)
}

/// The default policy with a clock floor that lets the case's time pass.
pub(crate) fn policy_at(now: u64) -> Policy {
    Policy::default().with_clock_floor(now)
}

pub(crate) fn owner() -> OwnerName {
    OwnerName::parse_in_any_zone(OWNER).unwrap()
}

pub(crate) fn fingerprint() -> Fingerprint {
    Fingerprint::of_certificate(b"the certificate")
}

pub(crate) fn zone_name(label: &str) -> String {
    format!("{label}.{ZONE}")
}

pub(crate) fn cert_record() -> Record {
    let fingerprint = fingerprint();
    raw(OWNER, CERT, &CertRecord { fingerprint }.rdata())
}

pub(crate) fn tlsa_record() -> Record {
    let fingerprint = fingerprint();
    raw(OWNER, TLSA, &TlsaRecord { fingerprint }.rdata())
}

pub(crate) fn status_text() -> Record {
    records::txt(OWNER, InactiveText::TEXT)
}

fn soa_record() -> Record {
    raw(ZONE, SOA, &[&[0, 0][..], &[0; 20]].concat())
}

/// Encodes the answer to a question.
pub(crate) fn encode(id: u16, owner: &str, record_type: u16, sections: &Sections) -> Vec<u8> {
    let mut message = Message::response(id, OpCode::Query);
    message.metadata.response_code = sections.code;
    message.metadata.authentic_data = true;
    message.add_query(Query::query(name(owner), RecordType::from(record_type)));
    message.add_answers(sections.answer.clone());
    message.add_authorities(sections.authority.clone());
    message.to_vec().unwrap()
}

/// The question in a query, as hickory reads it.
pub(crate) fn question(query: &[u8]) -> (u16, String, u16) {
    let message = Message::from_vec(query).unwrap();
    let question = &message.queries[0];
    let record_type = u16::from(question.query_type());
    (message.metadata.id, question.name().to_ascii(), record_type)
}

/// The octets with which a case answers a query.
pub(crate) fn answer(case: &Case, query: &[u8]) -> Vec<u8> {
    let (id, owner, record_type) = question(query);
    let sections = match record_type {
        DNSKEY => &case.keys,
        TLSA => &case.tlsa,
        _ => &case.cert,
    };
    encode(id, &owner, record_type, sections)
}

pub(crate) fn gather(case: &Case) -> Result<Evidence, LookupError> {
    gather_with_keys(case, None)
}

pub(crate) fn gather_with_keys(
    case: &Case,
    keys: Option<Arc<ZoneKeys>>,
) -> Result<Evidence, LookupError> {
    let mut lookup = Lookup::new(owner(), case.wanted, keys, [1, 2, 3, 4, 5, 6]);
    while let Some(query) = lookup.poll_query() {
        lookup.handle_response(&answer(case, &query.octets), Channel::Stream, case.now)?;
    }
    Ok(lookup.finish().unwrap())
}

/// TTL as the verdict counts it.
pub(crate) fn ttl() -> u64 {
    u64::from(TTL)
}

/// Our own name value of a presentation form.
pub(crate) fn name_of(text: &str) -> iot_verifier::name::Name {
    use hickory_proto::serialize::binary::BinEncodable;
    let wire = name(text).to_bytes().unwrap();
    iot_verifier::name::Name::parse_wire(&wire).unwrap()
}

/// hickory's name value of a presentation form.
pub(crate) fn records_name(text: &str) -> hickory_proto::rr::Name {
    name(text)
}

/// A record's RDATA octets.
pub(crate) fn rdata_of(record: &Record) -> Vec<u8> {
    use hickory_proto::serialize::binary::{BinEncodable, BinEncoder};
    let mut octets = Vec::new();
    let mut encoder = BinEncoder::new(&mut octets);
    record.data.emit(&mut encoder).unwrap();
    octets
}
