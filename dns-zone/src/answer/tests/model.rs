//! Random zones and questions against a model that knows nothing but sorted names.

use std::collections::BTreeMap;

use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use iot_identity::{DeviceId, PackedKey};
use proptest::prelude::*;

use super::zone::*;
use crate::answer::batch::Exchange;
use crate::answer::{Disposition, Patience, Transport};

type Labels = Vec<Vec<u8>>;

fn octets(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// Labels that meet one another often.
fn label() -> impl Strategy<Value = Vec<u8>> {
    let near = (0..30_u64).prop_map(|number| eid(number).as_octets().to_vec());
    let cut = (0..30_u64, 1..40_usize).prop_map(|(number, length)| {
        let id = [eid(number).as_octets(), b"00"].concat();
        id[..length.min(id.len())].to_vec()
    });
    let wild = prop::collection::vec(any::<u8>(), 1..4);
    let short = "[0-9fa*:_-]{1,2}".prop_map(|text| octets(&text));
    prop_oneof![3 => near, 1 => cut, 1 => wild, 2 => short, 1 => Just(octets("ns1"))]
}

fn static_labels() -> impl Strategy<Value = Labels> {
    prop::collection::vec(label(), 1..4).prop_filter("no device ids and no wildcards", |labels| {
        labels
            .iter()
            .all(|label| label != b"*" && DeviceId::parse(&String::from_utf8_lossy(label)).is_err())
    })
}

/// Names that own records, and their types, in canonical order.
struct Model {
    names: BTreeMap<Name, Vec<RecordType>>,
}

fn name(labels: &[Vec<u8>]) -> Name {
    let below = labels.iter().map(|label| label.to_ascii_lowercase());
    let apex = [octets("iotregistry"), octets("example")];
    Name::from_labels(below.chain(apex)).unwrap()
}

impl Model {
    fn of(zone: &TestZone) -> Self {
        let mut names = BTreeMap::new();
        for (key, record) in &zone.devices {
            let (id, slot) = PackedKey::from_octets(*key).unpack().unwrap();
            let labels = [octets(&slot.unwrap().to_string()), id.as_octets().to_vec()];
            let types = match record.tlsa {
                Some(_) => vec![RecordType::CERT, RecordType::TLSA],
                None => vec![RecordType::TXT],
            };
            names.insert(name(&labels), types);
        }
        for fixed in zone.fixed.names() {
            let types = fixed.types().map(RecordType::from).collect();
            names.insert(name(&fixed.key.labels()), types);
        }
        Self { names }
    }

    fn exists(&self, name: &Name) -> bool {
        self.names.keys().any(|owner| name.zone_of(owner))
    }

    /// The last owner at or before a name.
    fn holder(&self, name: &Name) -> &Name {
        self.names.range(..=name.clone()).next_back().unwrap().0
    }

    fn next(&self, owner: &Name) -> Name {
        let after = self.names.keys().find(|other| *other > owner);
        after
            .unwrap_or_else(|| self.names.keys().next().unwrap())
            .clone()
    }

    /// Owners of the NSEC records that a denial needs.
    fn proofs(&self, name: &Name) -> Vec<Name> {
        let mut proofs = vec![self.holder(name).clone()];
        if !self.exists(name) {
            let mut encloser = name.base_name();
            while !self.exists(&encloser) {
                encloser = encloser.base_name();
            }
            let wildcard = encloser.prepend_label(b"*".as_slice()).unwrap();
            let covering = self.holder(&wildcard).clone();
            if !proofs.contains(&covering) {
                proofs.push(covering);
            }
        }
        proofs
    }

    fn check(&self, labels: &[Vec<u8>], asked: RecordType, response: &[u8]) {
        let name = name(labels);
        let message = Message::from_vec(response).unwrap();
        let has = |types: &Vec<RecordType>| asked == RecordType::NSEC || types.contains(&asked);
        let code = if self.exists(&name) {
            ResponseCode::NoError
        } else {
            ResponseCode::NXDomain
        };
        assert_eq!(message.metadata.response_code, code, "{name} {asked}");
        let positive = self.names.get(&name).is_some_and(has);
        assert_eq!(!message.answers.is_empty(), positive, "{name} {asked}");
        let mut owners = Vec::new();
        for record in message.answers.iter().chain(&message.authorities) {
            let owner = record.name.to_lowercase();
            if let RData::DNSSEC(DNSSECRData::RRSIG(rrsig)) = &record.data {
                assert_eq!(rrsig.input().num_labels, owner.num_labels());
            }
            let RData::DNSSEC(DNSSECRData::NSEC(nsec)) = &record.data else {
                continue;
            };
            assert_eq!(nsec.next_domain_name(), &self.next(&owner), "after {owner}");
            let types = nsec.type_bit_maps();
            let types: Vec<_> = types
                .filter(|found| !matches!(found, RecordType::RRSIG | RecordType::NSEC))
                .collect();
            assert_eq!(types, self.names[&owner], "{owner}");
            owners.push(owner);
        }
        if positive {
            assert!(message.authorities.is_empty());
        } else {
            assert_eq!(owners, self.proofs(&name), "{name} {asked}");
        }
    }
}

/// Sometimes one label of a name of the zone is replaced, lost or joined by others.
fn vary(mut labels: Labels, with: &[u8], how: u8) -> Labels {
    match how {
        0 if !labels.is_empty() => drop(labels.remove(0)),
        1 => labels.insert(0, with.to_vec()),
        2 if !labels.is_empty() => labels[0] = with.to_vec(),
        3 => labels
            .iter_mut()
            .for_each(|label| label.make_ascii_uppercase()),
        _ => {}
    }
    labels
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn answers_are_those_of_the_sorted_names(
        devices in prop::collection::btree_map((0..30_u64, 1..30_u16), any::<bool>(), 0..70),
        statics in prop::collection::vec(static_labels(), 0..6),
        questions in prop::collection::vec((prop::collection::vec(label(), 0..4), any::<prop::sample::Index>(), label(), 0..8_u8), 60),
    ) {
        let records = devices.into_iter().enumerate().map(|(seed, ((number, slot), is_active))| {
            let seed = seed as u32 * 5;
            let record = if is_active { active(seed) } else { inactive(seed) };
            (key(eid(number), slot), record)
        });
        let borrowed = |labels: &Labels| {
            static_name(&labels.iter().map(Vec::as_slice).collect::<Vec<_>>())
        };
        let zone = TestZone::new(records.collect(), statics.iter().map(borrowed).collect());
        let model = Model::of(&zone);
        let owners: Vec<Labels> = model
            .names
            .keys()
            .map(|owner| {
                let labels: Labels = owner.iter().map(<[u8]>::to_vec).collect();
                labels[..labels.len() - 2].to_vec()
            })
            .collect();
        let types = [37, 52, 16, 257, 47, 1].map(RecordType::from);
        let asked: Vec<(Labels, RecordType, Vec<u8>)> = questions
            .into_iter()
            .enumerate()
            .map(|(index, (random, owner, with, how))| {
                let labels = match how {
                    7 => random,
                    how => vary(owner.get(&owners).clone(), &with, how),
                };
                let record_type = types[index % types.len()];
                let borrowed: Vec<&[u8]> = labels.iter().map(Vec::as_slice).collect();
                let query = query(&borrowed, record_type.into(), 1232, true);
                (labels, record_type, query)
            })
            .collect();
        let mut buffers = vec![vec![0; 65_535]; asked.len()];
        let rooms = asked.iter().zip(&mut buffers);
        let mut exchanges: Vec<_> = rooms.map(|((_, _, query), out)| Exchange::new(query, out)).collect();
        zone.batch(Transport::Stream, Patience::Wait, NOW).answer_all(&mut exchanges);
        for ((labels, record_type, query), exchange) in asked.iter().zip(exchanges) {
            let Disposition::Answer(length) = exchange.disposition else {
                panic!("{:?}", exchange.disposition);
            };
            let response = &exchange.out[..length];
            model.check(labels, *record_type, response);
            let alone = zone.respond(query, Transport::Stream, NOW);
            prop_assert_eq!(alone.as_deref(), Some(response), "alone as in a batch");
        }
    }
}
