//! The values against an implementation that nobody here wrote: canonical order and RDATA as
//! hickory-proto sees them, and device ids against big-integer arithmetic.

#![allow(clippy::unwrap_used)] // a failed step is a failed test

use std::str::FromStr;

use hickory_proto::rr::rdata::tlsa::{CertUsage, Matching, Selector};
use hickory_proto::rr::{Name, RData, RecordType};
use hickory_proto::serialize::binary::{BinDecoder, BinEncodable, Restrict};
use iot_identity::{
    CertRecord, DeviceId, Fingerprint, InactiveText, OwnerName, PackedKey, Slot, TlsaRecord,
    ZoneName,
};
use proptest::prelude::*;

fn zone() -> ZoneName {
    ZoneName::parse("iotregistry.example").unwrap()
}

/// Any 30 digits, completed to an EID by big-integer arithmetic.
fn eid() -> impl Strategy<Value = String> {
    (0..10u128.pow(30)).prop_map(|body| {
        let check = 98 - body * 100 % 97;
        format!("{body:030}{check:02}")
    })
}

/// An ICCID of 19 digits and filler, or of 20 digits.
fn iccid() -> impl Strategy<Value = String> {
    (any::<bool>(), 0..10u64.pow(16)).prop_map(|(filled, body)| {
        let body = if filled {
            format!("89{body:016}")
        } else {
            format!("890{body:016}")
        };
        let luhn = |digits: &str| {
            digits
                .bytes()
                .rev()
                .enumerate()
                .map(
                    |(index, digit)| match (index % 2, u32::from(digit - b'0')) {
                        (0, digit) => digit,
                        (_, digit) => [0, 2, 4, 6, 8, 1, 3, 5, 7, 9][digit as usize],
                    },
                )
                .sum::<u32>()
        };
        let check = (0..10)
            .find(|check| luhn(&format!("{body}{check}")) % 10 == 0)
            .unwrap();
        format!("{body}{check}{}", if filled { "f" } else { "" })
    })
}

fn device_id() -> impl Strategy<Value = DeviceId> {
    prop_oneof![eid(), iccid()].prop_map(|text| DeviceId::parse(&text).unwrap())
}

/// Ids as real fleets have them: long common prefixes.
fn clustered_device_id() -> impl Strategy<Value = DeviceId> {
    (0..2000u128).prop_map(|serial| {
        let body = 890_490_321_234_512_345_000_000_000_000 + serial;
        DeviceId::parse(&format!("{body:030}{:02}", 98 - body * 100 % 97)).unwrap()
    })
}

fn slot() -> impl Strategy<Value = Slot> {
    (1..=Slot::NUMBER_MAX).prop_map(|number| Slot::new(number).unwrap())
}

fn rdata(record_type: RecordType, octets: &[u8]) -> RData {
    let mut decoder = BinDecoder::new(octets);
    RData::read(
        &mut decoder,
        record_type,
        Restrict::new(octets.len() as u16),
    )
    .unwrap()
}

/// The name as the outside implementation sorts it.
fn hickory_name(device_id: DeviceId, slot: Option<Slot>) -> Name {
    let text = match slot {
        Some(slot) => OwnerName::new(slot, device_id, &zone()).fqdn(),
        None => format!("{device_id}.{}.", zone()),
    };
    Name::from_str(&text).unwrap()
}

proptest! {
    #[test]
    fn device_id_text_round_trips(text in prop_oneof![eid(), iccid()]) {
        let device_id = DeviceId::parse(&text).unwrap();
        prop_assert_eq!(device_id.as_str(), text.as_str());
        prop_assert_eq!(DeviceId::parse(&text.to_uppercase()).unwrap(), device_id);
    }

    #[test]
    fn wrong_eid_check_digits_are_refused(body in 0..10u128.pow(30), check in 0..100u128) {
        let text = format!("{body:030}{check:02}");
        let number: u128 = text.parse().unwrap();
        prop_assert_eq!(DeviceId::parse(&text).is_ok(), number % 97 == 1);
    }

    #[test]
    fn owner_name_round_trips_and_its_wire_form_is_the_dns_name(
        device_id in device_id(), slot in slot(),
    ) {
        let owner = OwnerName::new(slot, device_id, &zone());
        prop_assert_eq!(&OwnerName::parse(&owner.to_string(), &zone()).unwrap(), &owner);
        prop_assert_eq!(&OwnerName::parse_in_any_zone(&owner.fqdn()).unwrap(), &owner);
        prop_assert_eq!(hickory_name(device_id, Some(slot)).to_bytes().unwrap(), owner.wire());
    }

    #[test]
    fn packed_key_unpacks_to_what_was_packed(device_id in device_id(), slot in slot()) {
        let key = PackedKey::new(device_id, slot);
        prop_assert_eq!(key.unpack(), Some((device_id, Some(slot))));
        let above = PackedKey::empty_non_terminal(device_id);
        prop_assert_eq!(above.unpack(), Some((device_id, None)));
        prop_assert!(above < key);
    }

    #[test]
    fn packed_keys_sort_as_canonical_names_do(
        left in prop_oneof![device_id(), clustered_device_id()],
        right in prop_oneof![device_id(), clustered_device_id()],
        left_slot in slot(), right_slot in slot(),
    ) {
        for (left_slot, right_slot) in
            [(Some(left_slot), Some(right_slot)), (None, Some(right_slot)), (Some(left_slot), None)]
        {
            let pack = |id, slot: Option<Slot>| match slot {
                Some(slot) => PackedKey::new(id, slot),
                None => PackedKey::empty_non_terminal(id),
            };
            prop_assert_eq!(
                pack(left, left_slot).cmp(&pack(right, right_slot)),
                hickory_name(left, left_slot).cmp(&hickory_name(right, right_slot))
            );
        }
    }

    #[test]
    fn unpacking_any_octets_gives_nothing_or_the_same_octets(octets: [u8; 18]) {
        if let Some((device_id, slot)) = PackedKey::from_octets(octets).unpack() {
            let packed = match slot {
                Some(slot) => PackedKey::new(device_id, slot),
                None => PackedKey::empty_non_terminal(device_id),
            };
            prop_assert_eq!(*packed.as_octets(), octets);
        }
    }

    #[test]
    fn records_round_trip_and_read_as_the_standard_types(octets: [u8; 32]) {
        let fingerprint = Fingerprint::from_octets(octets);
        let cert = CertRecord { fingerprint };
        prop_assert_eq!(CertRecord::parse_rdata(&cert.rdata()), Ok(cert));
        let RData::CERT(read) = rdata(RecordType::CERT, &cert.rdata()) else { panic!("not CERT") };
        prop_assert_eq!(u16::from(read.cert_type), 1);
        prop_assert_eq!((read.key_tag, u8::from(read.algorithm)), (1, 0));
        prop_assert_eq!(read.cert_data, octets.to_vec());

        let tlsa = TlsaRecord { fingerprint };
        prop_assert_eq!(TlsaRecord::parse_rdata(&tlsa.rdata()), Ok(tlsa));
        let RData::TLSA(read) = rdata(RecordType::TLSA, &tlsa.rdata()) else { panic!("not TLSA") };
        prop_assert_eq!(read.cert_usage, CertUsage::DaneEe);
        prop_assert_eq!((read.selector, read.matching), (Selector::Full, Matching::Sha256));
        prop_assert_eq!(read.cert_data, octets.to_vec());
    }

    #[test]
    fn parsing_any_text_or_octets_never_panics(text in "\\PC{0,70}", octets: Vec<u8>) {
        let _ = DeviceId::parse(&text);
        let _ = Slot::parse(&text);
        let _ = ZoneName::parse(&text);
        let _ = OwnerName::parse_in_any_zone(&text);
        let _ = text.parse::<Fingerprint>();
        let _ = CertRecord::parse_rdata(&octets);
        let _ = TlsaRecord::parse_rdata(&octets);
        let _ = InactiveText::parse_rdata(&octets);
    }
}

/// Both id forms with every slot: each pair of neighbours in packed order is in canonical order.
#[test]
fn all_slots_of_both_id_forms_sort_canonically() {
    let ids = [
        "8912230200031010008f",
        "89122302000310100087",
        "89049032123451234512345678901235",
        "8912230200031060003f",
    ];
    let mut keys = Vec::new();
    for id in ids {
        let device_id = DeviceId::parse(id).unwrap();
        keys.push((
            PackedKey::empty_non_terminal(device_id),
            hickory_name(device_id, None),
        ));
        for number in 1..=Slot::NUMBER_MAX {
            let slot = Slot::new(number).unwrap();
            keys.push((
                PackedKey::new(device_id, slot),
                hickory_name(device_id, Some(slot)),
            ));
        }
    }
    keys.sort_by_key(|(key, _)| *key);
    for pair in keys.windows(2) {
        assert!(pair[0].1 < pair[1].1, "{} before {}", pair[0].1, pair[1].1);
    }
}

#[test]
fn the_inactive_text_reads_as_txt() {
    let RData::TXT(text) = rdata(RecordType::TXT, &InactiveText.rdata()) else {
        panic!("not TXT")
    };
    let strings: Vec<&[u8]> = text.txt_data.iter().map(|string| string.as_ref()).collect();
    assert_eq!(strings, [InactiveText::TEXT.as_bytes()]);
}
