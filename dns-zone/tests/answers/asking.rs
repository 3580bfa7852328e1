//! Asking a zone, and reading the answer with another implementation.

use hickory_proto::dnssec::Verifier;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, RRSIG};
use hickory_proto::op::Message;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use iot_dns_zone::{Answering, Disposition, Patience, Profile, Transport, answer};
use iot_identity::Publication;

use crate::fixture::{self, NOW, Zone, active, eid, entry, iccid, zone};

/// A query, as it is asked.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) labels: Vec<Vec<u8>>,
    pub(crate) record_type: u16,
    pub(crate) class: u16,
    pub(crate) flags: u16,
    /// Payload and the upper half of the TTL's lower 16 bits.
    pub(crate) edns: Option<(u16, u16)>,
}

pub(crate) const DNSSEC_OK: u16 = 0x8000;
pub(crate) const TYPE_CERT: u16 = 37;
pub(crate) const TYPE_TLSA: u16 = 52;
pub(crate) const TYPE_TXT: u16 = 16;
pub(crate) const TYPE_NSEC: u16 = 47;

impl Ask {
    pub(crate) fn new(name: &str, record_type: u16) -> Self {
        let labels = name.split('.').filter(|label| !label.is_empty());
        Self {
            labels: labels.map(|label| label.as_bytes().to_vec()).collect(),
            record_type,
            class: 1,
            flags: 0x0100,
            edns: Some((1232, DNSSEC_OK)),
        }
    }

    pub(crate) fn plain(mut self) -> Self {
        self.edns = None;
        self
    }

    pub(crate) fn question(&self) -> Vec<u8> {
        let mut octets = Vec::new();
        for label in &self.labels {
            octets.push(label.len() as u8);
            octets.extend(label);
        }
        octets.push(0);
        octets.extend(self.record_type.to_be_bytes());
        octets.extend(self.class.to_be_bytes());
        octets
    }

    pub(crate) fn octets(&self) -> Vec<u8> {
        let mut octets = 0xbeef_u16.to_be_bytes().to_vec();
        octets.extend(self.flags.to_be_bytes());
        octets.extend([0, 1, 0, 0, 0, 0, 0, u8::from(self.edns.is_some())]);
        octets.extend(self.question());
        if let Some((payload, flags)) = self.edns {
            octets.extend(opt(payload, 0, flags, &[]));
        }
        octets
    }
}

pub(crate) fn opt(payload: u16, version: u8, flags: u16, options: &[u8]) -> Vec<u8> {
    let mut octets = vec![0, 0, 41];
    octets.extend(payload.to_be_bytes());
    octets.extend([0, version]);
    octets.extend(flags.to_be_bytes());
    octets.extend((options.len() as u16).to_be_bytes());
    octets.extend(options);
    octets
}

pub(crate) fn respond(
    zone: &Zone,
    octets: &[u8],
    transport: Transport,
    now: u64,
) -> Option<Vec<u8>> {
    respond_as(zone, &Answering::default(), octets, transport, now)
}

/// Answers a query as a server that says something of itself.
pub(crate) fn respond_as(
    zone: &Zone,
    answering: &Answering,
    octets: &[u8],
    transport: Transport,
    now: u64,
) -> Option<Vec<u8>> {
    let mut out = vec![0xaa; 65_535];
    let snapshot = zone.writer.snapshot();
    let patience = Patience::Refuse;
    match answer(
        &snapshot, answering, octets, transport, patience, now, &mut out,
    ) {
        Disposition::Answer(length) => {
            out.truncate(length);
            Some(out)
        }
        Disposition::Drop => None,
        Disposition::Wait(name) => panic!("nobody is patient, and {name:?} is waited for"),
    }
}

pub(crate) fn ask(zone: &Zone, ask: &Ask) -> Message {
    let octets = respond(zone, &ask.octets(), Transport::Stream, NOW).unwrap();
    let question = ask.question();
    assert_eq!(
        octets[12..12 + question.len()],
        question,
        "the question is repeated as it came"
    );
    let message = Message::from_vec(&octets).unwrap();
    assert_eq!(message.metadata.id, 0xbeef);
    assert!(message.metadata.recursion_desired && !message.metadata.recursion_available);
    assert!(!message.metadata.authentic_data, "AD is for validators");
    assert_eq!(message.edns.is_some(), ask.edns.is_some());
    if let (Some(edns), Some((_, flags))) = (&message.edns, ask.edns) {
        assert_eq!(edns.max_payload(), 1232);
        assert_eq!(edns.flags().dnssec_ok, flags & DNSSEC_OK != 0);
    }
    message
}

/// The zone of the tests: two devices with one and two slots, around the static names.
pub(crate) fn devices() -> Zone {
    let inactive = entry(eid(7), 2, Publication::Inactive);
    let actives = [entry(iccid(), 1, active(1)), entry(eid(7), 1, active(2))];
    zone(Profile::Fleet, [actives.to_vec(), vec![inactive]].concat())
}

pub(crate) fn name(slot: &str, device: iot_identity::DeviceId) -> String {
    format!("{slot}.{device}.{}", fixture::APEX)
}

pub(crate) fn under_apex(name: &str) -> String {
    format!("{name}.{}", fixture::APEX)
}

pub(crate) fn fqdn(name: &str) -> Name {
    let mut name = Name::from_ascii(name).unwrap();
    name.set_fqdn(true);
    name
}

pub(crate) fn types(records: &[Record]) -> Vec<RecordType> {
    records.iter().map(Record::record_type).collect()
}

pub(crate) fn rrsigs(records: &[Record]) -> Vec<&RRSIG> {
    let data = records.iter().map(|record| &record.data);
    data.filter_map(|data| match data {
        RData::DNSSEC(DNSSECRData::RRSIG(rrsig)) => Some(rrsig),
        _ => None,
    })
    .collect()
}

/// Verifies every signature of a section with the zone's keys, by hickory's arithmetic.
pub(crate) fn verify_section(zone: &Zone, records: &[Record]) {
    let keys = ask(zone, &Ask::new(fixture::APEX, 48)).answers;
    let keys: Vec<&DNSKEY> = keys
        .iter()
        .filter_map(|record| match &record.data {
            RData::DNSSEC(DNSSECRData::DNSKEY(key)) => Some(key),
            _ => None,
        })
        .collect();
    assert_eq!(keys.len(), 2);
    for signature in records {
        let RData::DNSSEC(DNSSECRData::RRSIG(rrsig)) = &signature.data else {
            continue;
        };
        let input = rrsig.input();
        let covered = records.iter().filter(|record| {
            record.name == signature.name && record.record_type() == input.type_covered
        });
        let key = keys
            .iter()
            .find(|key| key.calculate_key_tag().unwrap() == input.key_tag);
        key.expect("signed by a published key")
            .verify_rrsig(&signature.name, DNSClass::IN, rrsig, covered)
            .unwrap_or_else(|error| panic!("{}: {error}", signature.name));
    }
    let unsigned: Vec<_> = records
        .iter()
        .filter(|record| record.record_type() != RecordType::RRSIG)
        .filter(|record| {
            !records.iter().any(|other| {
                other.name == record.name
                    && matches!(&other.data, RData::DNSSEC(DNSSECRData::RRSIG(rrsig))
                        if rrsig.input().type_covered == record.record_type())
            })
        })
        .collect();
    assert_eq!(
        unsigned,
        Vec::<&Record>::new(),
        "every RRset comes with its signature"
    );
}
