use hickory_proto::rr::Name;
use iot_identity::{DeviceId, Slot};
use proptest::prelude::*;

use super::*;

/// EIDs and ICCIDs, some of them one digit apart.
fn device() -> impl Strategy<Value = (DeviceId, Slot)> {
    let slot = prop_oneof![1..12_u16, 1..=9999_u16];
    let id = prop_oneof![
        (0..3000_u32).prop_map(|number| with_check_digits(&format!("89{number:028}"))),
        any::<u64>().prop_map(|number| with_check_digits(&format!("8904{number:026}"))),
        (0..3000_u32).prop_map(|number| iccid(&format!("8912{number:014}"), "f")),
        any::<u32>().prop_map(|number| iccid(&format!("89{number:017}"), "")),
    ];
    (id, slot).prop_map(|(id, slot)| (id, Slot::new(slot).unwrap()))
}

fn with_check_digits(body: &str) -> DeviceId {
    (2..=98)
        .find_map(|check| DeviceId::parse(&format!("{body}{check:02}")).ok())
        .unwrap()
}

fn iccid(body: &str, filler: &str) -> DeviceId {
    (0..10)
        .find_map(|check| DeviceId::parse(&format!("{body}{check}{filler}")).ok())
        .unwrap()
}

fn key_of((id, slot): (DeviceId, Slot)) -> Key {
    *PackedKey::new(id, slot).as_octets()
}

fn labels_of((id, slot): (DeviceId, Slot)) -> Vec<Vec<u8>> {
    vec![slot.to_string().into_bytes(), id.as_octets().to_vec()]
}

fn position(labels: &[Vec<u8>]) -> Position {
    Position::of(labels.iter().rev().map(Vec::as_slice))
}

/// The judge of canonical order. It compares octets as they are, so it is given lower case.
fn name(labels: &[Vec<u8>]) -> Name {
    Name::from_labels(labels.iter().map(|label| label.to_ascii_lowercase())).unwrap()
}

/// Any label, with a leaning towards those that nearly fit the code.
fn label() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 1..40),
        "[0-9fF]{1,40}".prop_map(String::into_bytes),
        "[0-9]{1,5}".prop_map(String::into_bytes),
        "[/0-9:;`afgFG*\\-_]{1,6}".prop_map(String::into_bytes),
        Just(b"*".to_vec()),
        Just(b"_tcp".to_vec()),
    ]
}

/// Names near a device: its labels changed, cut, lengthened, with others below or in between.
fn near(device: (DeviceId, Slot)) -> impl Strategy<Value = Vec<Vec<u8>>> {
    let labels = labels_of(device);
    let change = (0..2_usize, 0..40_usize, any::<u8>(), 0..6_u8);
    (prop::collection::vec(label(), 0..3), change).prop_map(move |(extra, change)| {
        let (which, at, octet, how) = change;
        let mut labels = labels.clone();
        let label = &mut labels[which];
        let index = at % label.len();
        match how {
            0 => label[index] = octet,
            1 => label.insert(index, octet),
            2 => label.push(octet),
            3 if label.len() > 1 => label.truncate(index.max(1)),
            4 => label.make_ascii_uppercase(),
            5 => return labels[1..].to_vec(),
            _ => {}
        }
        [extra, labels].concat()
    })
}

fn check(labels: &[Vec<u8>], device: (DeviceId, Slot)) -> Result<(), TestCaseError> {
    let position = position(labels);
    let at_or_before = name(&labels_of(device)) <= name(labels);
    prop_assert_eq!(key_of(device) <= position.key, at_or_before);
    let is_it = name(&labels_of(device)) == name(labels);
    prop_assert_eq!(position.exact && position.key == key_of(device), is_it);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn a_device_sorts_before_a_name_when_its_key_does(
        labels in prop::collection::vec(label(), 0..5),
        device in device(),
    ) {
        check(&labels, device)?;
    }

    #[test]
    fn names_near_a_device_have_their_place(
        (device, labels) in device().prop_flat_map(|device| (Just(device), near(device))),
        other in device(),
    ) {
        check(&labels, device)?;
        check(&labels, other)?;
    }

    #[test]
    fn positions_never_go_against_canonical_order(
        left in prop::collection::vec(label(), 0..4),
        right in prop::collection::vec(label(), 0..4),
    ) {
        let (places, order) = (
            (position(&left), position(&right)),
            name(&left).cmp(&name(&right)),
        );
        if places.0.exact && places.1.exact {
            prop_assert_eq!(places.0.key.cmp(&places.1.key), order);
        } else if order.is_le() {
            prop_assert!(places.0.key <= places.1.key);
        }
        // An exact name stands before another one when its key is not greater.
        if places.0.exact {
            prop_assert_eq!(places.0.key <= places.1.key, order.is_le());
        }
    }

    #[test]
    fn a_name_comes_back_from_its_key(device in device()) {
        let key = key_of(device);
        let packed = position(&labels_of(device));
        prop_assert_eq!(packed, Position { key, exact: true });
        let name = DeviceName::of(&key);
        prop_assert_eq!(name.id(), device.0.as_octets());
        let slot = device.1.to_string();
        prop_assert_eq!(name.slot(), slot.as_bytes());
        let wire = NameKey::device(device.0, device.1);
        let labels: Vec<u8> = wire
            .labels()
            .into_iter()
            .flat_map(|label| [vec![label.len() as u8], label].concat())
            .collect();
        prop_assert_eq!(name.wire(), labels);
    }
}

#[test]
fn every_octet_stands_between_the_characters_around_it() {
    for octet in 0..=u8::MAX {
        for length in [1, 8, 9, 31, 32, 33, 63] {
            let mut label = vec![b'5'; length];
            *label.last_mut().unwrap() = octet;
            for characters in [&b"0123456789f"[..], b"5"] {
                for character in characters {
                    let mut other = vec![b'5'; length.min(32)];
                    *other.last_mut().unwrap() = *character;
                    let place = position(&[b"1".to_vec(), other.clone()]);
                    assert!(place.exact);
                    let at_or_before = name(&[b"1".to_vec(), other]) <= name(&[label.clone()]);
                    let found = place.key <= position(&[label.clone()]).key;
                    assert_eq!(found, at_or_before, "{octet} {length} {character}");
                }
            }
        }
    }
}

#[test]
fn the_id_alone_is_an_exact_name_and_what_is_below_a_device_is_not() {
    let id = iccid("891223020003101000", "f").as_octets().to_vec();
    let above = position(std::slice::from_ref(&id));
    let expected = PackedKey::empty_non_terminal(iccid("891223020003101000", "f"));
    assert_eq!(above.key, *expected.as_octets());
    assert!(above.exact);
    let below = position(&[b"_x".to_vec(), b"1".to_vec(), id.clone()]);
    assert_eq!(below.key, position(&[b"1".to_vec(), id]).key);
    assert!(!below.exact);
    assert_eq!(position(&[]), Position::APEX);
}
