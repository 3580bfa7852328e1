//! Devices that exist and devices that do not, each a pure function of its number, so that servers,
//! clients and zone files agree without exchanging lists.

use clap::ValueEnum;
use iot_identity::{DeviceId, Fingerprint, PackedKey, Slot};

/// Digits of an EID without its two check digits.
const EID_BODY_DIGITS: usize = 30;
/// Issuers of clustered ids.
const ISSUERS: u64 = 20;
/// In a clustered fleet every number except the multiples of this one is a device.
const GAP: u64 = 10;
/// Absent random ids are drawn from beyond this number.
const BEYOND: u64 = 1 << 40;

/// How device ids are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ids {
    /// All digits random.
    Random,
    /// Twenty issuers, running numbers with gaps below each, as real fleets are.
    Clustered,
}

impl Ids {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Clustered => "clustered",
        }
    }
}

/// A fleet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Population {
    pub(crate) ids: Ids,
    /// Number of devices; their numbers are `0..devices`.
    pub(crate) devices: u64,
}

impl Population {
    /// A device of the fleet; numbers beyond `devices` give devices that may be added to it.
    pub(crate) fn device(&self, number: u64) -> DeviceId {
        match self.ids {
            Ids::Random => random_id(number),
            Ids::Clustered => {
                let serial = number / ISSUERS;
                clustered_id(
                    number % ISSUERS,
                    serial / (GAP - 1) * GAP + serial % (GAP - 1) + 1,
                )
            }
        }
    }

    /// An id that no device of the fleet has, its neighbours spread over the whole fleet.
    pub(crate) fn absent(&self, number: u64) -> DeviceId {
        match self.ids {
            Ids::Random => random_id(BEYOND + number),
            Ids::Clustered => {
                let decades = (self.devices / ISSUERS / (GAP - 1)).max(1);
                let decade = mixed(BEYOND ^ number) % decades;
                clustered_id(number % ISSUERS, decade * GAP)
            }
        }
    }

    /// The fingerprint that is published for a device.
    pub(crate) fn fingerprint(number: u64) -> Fingerprint {
        let mut octets = [0; Fingerprint::OCTETS];
        for (at, word) in octets.chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&mixed(mixed(number) ^ (at as u64 + 1)).to_le_bytes());
        }
        Fingerprint::from_octets(octets)
    }

    /// Numbers of all devices in the order of their names.
    pub(crate) fn in_order(&self) -> Vec<u32> {
        let mut keyed: Vec<([u8; PackedKey::OCTETS], u32)> = (0..self.devices)
            .map(|number| {
                let key = PackedKey::new(self.device(number), Slot::FIRST);
                (*key.as_octets(), number as u32)
            })
            .collect();
        keyed.sort_unstable();
        keyed.into_iter().map(|(_, number)| number).collect()
    }
}

fn random_id(number: u64) -> DeviceId {
    let (high, low) = (mixed(number), mixed(number ^ 0xa5a5_0000_0000_0000));
    let mut digits = [b'0'; EID_BODY_DIGITS];
    digits[..2].copy_from_slice(b"89");
    decimal(&mut digits[2..16], high);
    decimal(&mut digits[16..], low);
    with_check_digits(&digits)
}

fn clustered_id(issuer: u64, serial: u64) -> DeviceId {
    let mut digits = [b'0'; EID_BODY_DIGITS];
    digits[..2].copy_from_slice(b"89");
    decimal(&mut digits[2..18], mixed(issuer ^ 0x1557_0000));
    decimal(&mut digits[18..], serial);
    with_check_digits(&digits)
}

/// Writes the last digits of a number, with leading zeros.
fn decimal(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Appends the two digits that make the number leave 1 modulo 97 (ISO 7064).
fn with_check_digits(body: &[u8; EID_BODY_DIGITS]) -> DeviceId {
    let modulo = |rest: u64, digit: &u8| (rest * 10 + u64::from(digit - b'0')) % 97;
    let check = 98 - body.iter().fold(0, modulo) * 100 % 97;
    let mut text = [b'0'; EID_BODY_DIGITS + 2];
    text[..EID_BODY_DIGITS].copy_from_slice(body);
    decimal(&mut text[EID_BODY_DIGITS..], check);
    let text = std::str::from_utf8(&text).expect("digits are ASCII");
    DeviceId::parse(text).expect("32 digits with their check digits are an EID")
}

/// SplitMix64's output function: neighbouring numbers become unrelated ones.
pub(crate) fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn devices_differ_and_absent_ones_are_absent() {
        for ids in [Ids::Random, Ids::Clustered] {
            let devices = 5_000;
            let population = Population { ids, devices };
            let present: BTreeSet<DeviceId> = (0..devices).map(|n| population.device(n)).collect();
            assert_eq!(present.len() as u64, devices, "{ids:?}");
            let added: BTreeSet<DeviceId> = (devices..2 * devices)
                .map(|n| population.device(n))
                .collect();
            assert!(present.is_disjoint(&added), "{ids:?}");
            for number in 0..5_000 {
                assert!(!present.contains(&population.absent(number)), "{ids:?}");
            }
        }
    }

    #[test]
    fn absent_names_lie_between_devices_of_every_issuer() {
        let population = Population {
            ids: Ids::Clustered,
            devices: 20_000,
        };
        let order: Vec<DeviceId> = population
            .in_order()
            .into_iter()
            .map(|number| population.device(u64::from(number)))
            .collect();
        assert!(order.is_sorted());
        let places: BTreeSet<usize> = (0..2_000)
            .map(|number| {
                let absent = population.absent(number);
                order.partition_point(|device| device < &absent) * 20 / order.len()
            })
            .collect();
        assert!(places.len() >= 19, "{places:?}");
    }
}
